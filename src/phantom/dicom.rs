//! A phantom as a DICOM file: Digital Mammography X-Ray Image For Presentation, 12 bits in 16, RLE Lossless.
//!
//! The attributes are those that an FFDM system writes (DICOM PS3.3 A.26). Everything, UIDs included, follows from the plan.

use anyhow::Context;
use dicom::core::value::{DataSetSequence, PixelFragmentSequence};
use dicom::core::{DataElement, PrimitiveValue, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileMetaTableBuilder, InMemDicomObject};

use super::{Plan, Side, View};
use crate::random::Random;
use crate::raster::GrayImage;

/// Detector pixel in millimetres, as of the Siemens system of INbreast.
pub const PIXEL_SPACING: f64 = 0.07;

/// The version of the pictures, not of the program: the demonstration case must not change with every release.
const GENERATOR: &str = "0.1.0";

/// The file's bytes for `image`, whose values are at most [`super::FULL`].
pub fn to_dicom(plan: &Plan, image: &GrayImage) -> anyhow::Result<Vec<u8>> {
    let mut object = InMemDicomObject::new_empty();
    identify(&mut object, plan);
    describe_acquisition(&mut object, plan);
    describe_pixels(&mut object, image)?;
    let pixels = PixelFragmentSequence::new(vec![], vec![rle_frame(image)]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::RLE_LOSSLESS);
    let file = object.with_meta(meta).context("The phantom's file header could not be made.")?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).context("The phantom's DICOM file could not be made.")?;
    Ok(bytes)
}

fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: impl Into<String>) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value.into())));
}

fn texts(object: &mut InMemDicomObject, tag: Tag, vr: VR, values: &[&str]) {
    let values = values.iter().map(|v| (*v).to_string()).collect();
    object.put(DataElement::new(tag, vr, PrimitiveValue::Strs(values)));
}

fn identify(object: &mut InMemDicomObject, plan: &Plan) {
    let mut random = Random::new(plan.seed ^ 0xD1C0);
    // PS3.5 B.2: a UID from 128 random bits.
    let mut uid = || format!("2.25.{}", (u128::from(random.bits()) << 64) | u128::from(random.bits()));
    text(object, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    text(object, tags::SOP_CLASS_UID, VR::UI, uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION);
    text(object, tags::SOP_INSTANCE_UID, VR::UI, uid());
    text(object, tags::SERIES_INSTANCE_UID, VR::UI, uid());
    text(object, tags::STUDY_INSTANCE_UID, VR::UI, uid());
    text(object, tags::PATIENT_NAME, VR::PN, "Phantom^Synthetic");
    text(object, tags::PATIENT_ID, VR::LO, format!("PHANTOM-{}", plan.seed));
    text(object, tags::PATIENT_SEX, VR::CS, "F");
    for (tag, vr) in [
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::STUDY_ID, VR::SH),
    ] {
        object.put(DataElement::empty(tag, vr));
    }
    for (tag, vr, value) in [
        (tags::STUDY_DATE, VR::DA, "20260101"),
        (tags::STUDY_TIME, VR::TM, "120000"),
        (tags::ACQUISITION_DATE, VR::DA, "20260101"),
        (tags::ACQUISITION_TIME, VR::TM, "120000"),
        (tags::CONTENT_DATE, VR::DA, "20260101"),
        (tags::CONTENT_TIME, VR::TM, "120000"),
        (tags::MODALITY, VR::CS, "MG"),
        (tags::MANUFACTURER, VR::LO, "Mammoscope"),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, "Synthetic phantom"),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
        (tags::SOFTWARE_VERSIONS, VR::LO, GENERATOR),
        (tags::SERIES_DESCRIPTION, VR::LO, "Synthetic phantom, no patient"),
        (tags::SERIES_NUMBER, VR::IS, "1"),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
    ] {
        text(object, tag, vr, value);
    }
}

fn describe_acquisition(object: &mut InMemDicomObject, plan: &Plan) {
    let (letter, orientation) = match (plan.side, plan.view) {
        (Side::Left, View::Cc) => ("L", ["A", "R"]),
        (Side::Left, View::Mlo) => ("L", ["A", "FR"]),
        (Side::Right, View::Cc) => ("R", ["P", "L"]),
        (Side::Right, View::Mlo) => ("R", ["P", "FL"]),
    };
    let (view, code) = match plan.view {
        View::Cc => ("CC", ("399162004", "cranio-caudal")),
        View::Mlo => ("MLO", ("399368009", "medio-lateral oblique")),
    };
    texts(object, tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"]);
    texts(object, tags::PATIENT_ORIENTATION, VR::CS, &orientation);
    let spacing = PIXEL_SPACING.to_string();
    texts(object, tags::IMAGER_PIXEL_SPACING, VR::DS, &[&spacing, &spacing]);
    texts(object, tags::FIELD_OF_VIEW_ORIGIN, VR::DS, &["0", "0"]);
    for (tag, vr, value) in [
        (tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION"),
        (tags::IMAGE_LATERALITY, VR::CS, letter),
        (tags::VIEW_POSITION, VR::CS, view),
        (tags::BODY_PART_EXAMINED, VR::CS, "BREAST"),
        (tags::ORGAN_EXPOSED, VR::CS, "BREAST"),
        (tags::BREAST_IMPLANT_PRESENT, VR::CS, "NO"),
        (tags::PARTIAL_VIEW, VR::CS, "NO"),
        (tags::POSITIONER_TYPE, VR::CS, "MAMMOGRAPHIC"),
        (tags::POSITIONER_PRIMARY_ANGLE, VR::DS, if plan.view == View::Cc { "0" } else { "45" }),
        (tags::DETECTOR_TYPE, VR::CS, "DIRECT"),
        (tags::FIELD_OF_VIEW_ROTATION, VR::DS, "0"),
        (tags::FIELD_OF_VIEW_HORIZONTAL_FLIP, VR::CS, "NO"),
        (tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR, VR::DS, "1"),
        (tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
        (tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
    ] {
        text(object, tag, vr, value);
    }
    let mut item = coded(code.0, code.1);
    item.put(DataElement::new(tags::VIEW_MODIFIER_CODE_SEQUENCE, VR::SQ, DataSetSequence::empty()));
    put_item(object, tags::VIEW_CODE_SEQUENCE, item);
    put_item(object, tags::ANATOMIC_REGION_SEQUENCE, coded("76752008", "Breast"));
    object.put(DataElement::new(tags::ACQUISITION_CONTEXT_SEQUENCE, VR::SQ, DataSetSequence::empty()));
}

fn coded(value: &str, meaning: &str) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::CODE_VALUE, VR::SH, value);
    text(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, "SCT");
    text(&mut item, tags::CODE_MEANING, VR::LO, meaning);
    item
}

fn put_item(object: &mut InMemDicomObject, tag: Tag, item: InMemDicomObject) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item])));
}

fn describe_pixels(object: &mut InMemDicomObject, image: &GrayImage) -> anyhow::Result<()> {
    let too_large = "The phantom is too large for a DICOM file: at most 65535 pixels a side.";
    let (rows, columns) = (u16::try_from(image.height()), u16::try_from(image.width()));
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows.context(too_large)?),
        (tags::COLUMNS, columns.context(too_large)?),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
        (tags::PIXEL_PADDING_VALUE, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    for (tag, vr, value) in [
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        (tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY"),
        (tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG"),
        (tags::RESCALE_INTERCEPT, VR::DS, "0"),
        (tags::RESCALE_SLOPE, VR::DS, "1"),
        (tags::RESCALE_TYPE, VR::LO, "US"),
        (tags::VOILUT_FUNCTION, VR::CS, "LINEAR"),
    ] {
        text(object, tag, vr, value);
    }
    object.put(DataElement::new(tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, VR::SS, PrimitiveValue::from(-1_i16)));
    texts(object, tags::WINDOW_CENTER, VR::DS, &["1900", "1900", "1900"]);
    texts(object, tags::WINDOW_WIDTH, VR::DS, &["3800", "2800", "4400"]);
    texts(object, tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, &["NORMAL", "HARDER", "SOFTER"]);
    Ok(())
}

/// One frame by RLE Lossless (PS3.5 annex G): the high bytes, then the low bytes, each row packed for itself.
fn rle_frame(image: &GrayImage) -> Vec<u8> {
    let plane = |shift: u32| {
        let mut packed = Vec::new();
        for y in 0..image.height() {
            let bytes: Vec<u8> = image.row(y).iter().map(|v| (v >> shift) as u8).collect();
            pack_bits(&bytes, &mut packed);
        }
        // Segments have an even length.
        if packed.len() % 2 == 1 {
            packed.push(0);
        }
        packed
    };
    let (high, low) = (plane(8), plane(0));
    let mut header = [0u32; 16];
    header[..3].copy_from_slice(&[2, 64, 64 + high.len() as u32]);
    header.iter().flat_map(|v| v.to_le_bytes()).chain(high).chain(low).collect()
}

/// PackBits: runs of two or more equal bytes, literals between.
fn pack_bits(bytes: &[u8], packed: &mut Vec<u8>) {
    const LONGEST: usize = 128;
    let run_at = |i: usize| bytes[i..].iter().take(LONGEST).take_while(|&&b| b == bytes[i]).count();
    let mut at = 0;
    while at < bytes.len() {
        let run = run_at(at);
        if run >= 2 {
            packed.extend([(257 - run) as u8, bytes[at]]);
            at += run;
            continue;
        }
        let start = at;
        // A run of two within a literal costs as much as it saves.
        while at < bytes.len() && at - start < LONGEST && run_at(at) < 3 {
            at += 1;
        }
        packed.push((at - start - 1) as u8);
        packed.extend(&bytes[start..at]);
    }
}
