//! Opening: transfer syntaxes, identity, millimetres, raster files, folders. Files are made by the tests; real ones are read
//! where MAMMOSCOPE_DATA names their folder.

use std::path::PathBuf;

use mammoscope::study::{ChestWall, Laterality, SpacingSource, Study, list_inputs, open};

use crate::support::dicom::{
    BIG_ENDIAN, DEFLATED, Dicom, EXPLICIT, Element, HTJ2K, IMPLICIT, JPEG_2000, JPEG_BASELINE, JPEG_LOSSLESS, JPEG_LS,
    JPEG_LS_LOSSY, RLE, code, delimited, fragments, jpeg_lossless, pattern, rle_frame, sequence, text, words,
};
use crate::support::raster::{Tiff, gray_png, png};
use crate::support::{open_bytes, open_named, real_data};

const PATTERN_J2K: &[u8] = include_bytes!("codestreams/pattern.j2k");
const PATTERN_JHC: &[u8] = include_bytes!("codestreams/pattern.jhc");
const PATTERN_JLS: &[u8] = include_bytes!("codestreams/pattern.jls");
const PATTERN_NEAR3_JLS: &[u8] = include_bytes!("codestreams/pattern-near3.jls");
const BLOCKS_JLS: &[u8] = include_bytes!("codestreams/blocks.jls");
const SMOOTH_JLS: &[u8] = include_bytes!("codestreams/smooth.jls");
const SMOOTH_JPG: &[u8] = include_bytes!("codestreams/smooth.jpg");

fn opened(file: &Dicom) -> Study {
    open_bytes(&file.file()).expect("a valid file")
}

fn plain() -> Dicom {
    Dicom::mammogram(EXPLICIT, 32, 24, &pattern(32, 24))
}

fn smooth() -> Vec<u16> {
    (0..24u16).flat_map(|y| (0..32u16).map(move |x| x * 4 + y * 3)).collect()
}

#[test]
fn every_transfer_syntax_gives_the_same_pixels() {
    let values = pattern(32, 24);
    let coded = |syntax, frame: Vec<u8>| Dicom::mammogram(syntax, 32, 24, &[]).with(fragments(vec![frame]));
    let halves = PATTERN_J2K.split_at(400);
    let cases = [
        (plain(), "DICOM, uncompressed, For Presentation"),
        (Dicom::mammogram(IMPLICIT, 32, 24, &values), "DICOM, uncompressed, For Presentation"),
        (Dicom::mammogram(DEFLATED, 32, 24, &values), "DICOM, deflated, For Presentation"),
        (Dicom::mammogram(BIG_ENDIAN, 32, 24, &values), "DICOM, uncompressed, big endian, For Presentation"),
        (coded(RLE, rle_frame(&values)), "DICOM, RLE, For Presentation"),
        (coded(JPEG_LOSSLESS, jpeg_lossless(32, 24, &values, 12)), "DICOM, JPEG Lossless, For Presentation"),
        (coded(JPEG_LOSSLESS, jpeg_lossless(32, 24, &values, 16)), "DICOM, JPEG Lossless, For Presentation"),
        (coded(JPEG_LS, PATTERN_JLS.to_vec()), "DICOM, JPEG-LS lossless, For Presentation"),
        (coded(JPEG_2000, PATTERN_J2K.to_vec()), "DICOM, JPEG 2000 lossless, For Presentation"),
        (coded(HTJ2K, PATTERN_JHC.to_vec()), "DICOM, HTJ2K lossless, For Presentation"),
        (
            coded(JPEG_2000, Vec::new()).with(fragments(vec![halves.0.to_vec(), halves.1.to_vec()])),
            "DICOM, JPEG 2000 lossless, For Presentation",
        ),
    ];
    for (file, format) in cases {
        let study = opened(&file);
        assert_eq!(study.format, format);
        assert_eq!((study.image.width(), study.image.height()), (32, 24), "{format}");
        assert_eq!(study.image.data(), values, "{format}");
        assert!(study.warnings.is_empty(), "{format}: {:?}", study.warnings);
    }
}

#[test]
fn eight_bit_pixels_come_uncompressed_and_as_jpeg_baseline() {
    let eight = |file: Dicom| file.bits(8).with(words(0x0028_0100, "US", &[8]));
    let stored: Vec<u8> = smooth().iter().map(|value| *value as u8).collect();
    let native = eight(plain()).with(crate::support::dicom::bytes(0x7FE0_0010, "OB", &stored));
    assert_eq!(opened(&native).image.data(), smooth());
    let jpeg = eight(Dicom::mammogram(JPEG_BASELINE, 32, 24, &[]).with(fragments(vec![SMOOTH_JPG.to_vec()])));
    let decoded = opened(&jpeg);
    assert!(decoded.image.data().iter().zip(smooth()).all(|(a, b)| a.abs_diff(b) <= 2));
    let lossless = jpeg_lossless(32, 24, &smooth(), 8);
    let wide = Dicom::mammogram(JPEG_LOSSLESS, 32, 24, &[]).bits(8).with(fragments(vec![lossless]));
    assert_eq!(opened(&wide).image.data(), smooth(), "8-bit samples in 16 allocated bits");
}

#[test]
fn jpeg_ls_keeps_runs_small_samples_and_its_bound_of_loss() {
    let coded = |syntax, frame: &[u8]| Dicom::mammogram(syntax, 32, 24, &[]).with(fragments(vec![frame.to_vec()]));
    let block = |x: u32, y: u32| if (x / 9 + y / 7).is_multiple_of(3) { 65535 } else { x / 9 * 9000 };
    let spot = |x: u32, y: u32| if (x * y).is_multiple_of(97) { 77 } else { 0 };
    let blocks: Vec<u16> = (0..24).flat_map(|y| (0..32).map(move |x| (block(x, y) + spot(x, y)) as u16)).collect();
    assert_eq!(opened(&coded(JPEG_LS, BLOCKS_JLS).bits(16)).image.data(), blocks);
    assert_eq!(opened(&coded(JPEG_LS, SMOOTH_JLS).bits(8)).image.data(), smooth());
    let near = opened(&coded(JPEG_LS_LOSSY, PATTERN_NEAR3_JLS).bits(16));
    let errors: Vec<u16> = near.image.data().iter().zip(pattern(32, 24)).map(|(a, b)| a.abs_diff(b)).collect();
    assert_eq!(errors.iter().max(), Some(&3));
}

#[test]
fn a_large_run_of_pixels_keeps_its_order() {
    // More than one part of the parallel conversion.
    let values = pattern(1500, 1200);
    for syntax in [EXPLICIT, BIG_ENDIAN, DEFLATED] {
        assert_eq!(opened(&Dicom::mammogram(syntax, 1500, 1200, &values)).image.data(), values);
    }
    let rle = Dicom::mammogram(RLE, 1500, 1200, &[]).with(fragments(vec![rle_frame(&values)]));
    assert_eq!(opened(&rle).image.data(), values);
}

#[test]
fn files_without_preamble_or_of_another_layout_are_read() {
    for syntax in [EXPLICIT, IMPLICIT] {
        let bare = Dicom::mammogram(syntax, 32, 24, &pattern(32, 24)).dataset();
        let study = open_bytes(&bare).expect("a bare data set");
        assert_eq!(study.image.data(), pattern(32, 24));
        assert_eq!(study.identity.label(), "LCC");
        assert!(!study.warnings.is_empty());
    }
    // The meta group says explicit and the data set is implicit.
    let mut mixed = crate::support::dicom::prefix(EXPLICIT);
    mixed.extend(Dicom::mammogram(IMPLICIT, 32, 24, &pattern(32, 24)).dataset());
    let study = open_bytes(&mixed).expect("readable all the same");
    assert_eq!(study.image.data(), pattern(32, 24));
    assert_eq!(study.warnings.len(), 1, "{:?}", study.warnings);
}

#[test]
fn a_wrong_meta_length_does_not_matter() {
    let mut file = plain().file();
    file[140..144].copy_from_slice(&9_999_999u32.to_le_bytes());
    assert_eq!(open_bytes(&file).expect("readable").image.data(), pattern(32, 24));
}

#[test]
fn of_several_frames_the_first_is_shown() {
    let (first, second) = (pattern(32, 24), vec![7; 32 * 24]);
    let frames = text(0x0028_0008, "IS", "2");
    let both: Vec<u16> = first.iter().chain(&second).copied().collect();
    let pieces = vec![jpeg_lossless(32, 24, &first, 12), jpeg_lossless(32, 24, &second, 12)];
    let cases = [
        Dicom::mammogram(EXPLICIT, 32, 24, &both),
        Dicom::mammogram(RLE, 32, 24, &[]).with(fragments(vec![rle_frame(&first), rle_frame(&second)])),
        Dicom::mammogram(JPEG_LOSSLESS, 32, 24, &[]).with(fragments(pieces)),
    ];
    for file in cases {
        let study = opened(&file.with(frames.clone()));
        assert_eq!(study.image.data(), first);
        assert_eq!(study.warnings, ["The file states 2 frames; only the first is shown."]);
    }
    let millions = opened(&plain().with(text(0x0028_0008, "IS", "99999999")));
    assert_eq!(millions.image.data(), first);
}

#[test]
fn functional_groups_describe_the_first_frame() {
    let voi = vec![text(0x0028_1050, "DS", "700"), text(0x0028_1051, "DS", "350")];
    let measures = vec![text(0x0028_0030, "DS", "0.1\\0.2"), text(0x0018_1164, "DS", "0.1\\0.2")];
    let anatomy = vec![text(0x0020_9072, "CS", "R")];
    let shared = vec![sequence(0x0020_9071, vec![anatomy]), sequence(0x0028_9110, vec![measures])];
    let frame = vec![sequence(0x0028_9132, vec![voi])];
    let file = plain()
        .without(0x0020_0062)
        .with(sequence(0x5200_9229, vec![shared]))
        .with(sequence(0x5200_9230, vec![frame, Vec::new()]));
    let study = opened(&file);
    assert_eq!(study.identity.label(), "RCC");
    assert_eq!(study.grayscale.choices[0].voi.window(), (700.0, 350.0));
    assert_eq!(study.spacing.map(|s| (s.row_mm, s.column_mm)), Some((0.1, 0.2)));
}

#[test]
fn sequences_are_walked_whatever_their_form() {
    let nested = |depth: usize| {
        (0..depth).fold(vec![text(0x0008_0104, "LO", "x")], |inner, _| vec![delimited(0x0040_A730, vec![inner])])
    };
    let file = plain()
        .with(sequence(0x0008_1140, vec![nested(20), Vec::new()]))
        .with(delimited(0x0009_1001, vec![nested(3), nested(0)]));
    assert_eq!(opened(&file).image.data(), pattern(32, 24));
}

fn laterality_of(file: &Dicom) -> Option<(Laterality, &'static str)> {
    opened(file).identity.laterality.map(|l| (l.value, l.source))
}

#[test]
fn laterality_is_read_in_the_order_of_trust() {
    let none = plain().without(0x0020_0062).without(0x0020_0020);
    assert_eq!(laterality_of(&plain()), Some((Laterality::Left, "Image Laterality")));
    let series = none.clone().with(text(0x0020_0060, "CS", "R"));
    assert_eq!(laterality_of(&series), Some((Laterality::Right, "Laterality")));
    for (orientation, side) in [
        ("A\\R", Some(Laterality::Left)),
        ("P\\L", Some(Laterality::Right)),
        ("A\\FR", Some(Laterality::Left)),
        ("P\\FL", Some(Laterality::Right)),
        ("P\\F", Some(Laterality::Right)),
        ("A\\L", None),
        ("CC", None),
        ("R\\P", None),
    ] {
        let study = opened(&none.clone().with(text(0x0020_0020, "CS", orientation)));
        assert_eq!(study.identity.laterality.map(|l| l.value), side, "{orientation}");
        assert_eq!(study.warnings.len(), usize::from(side.is_some()), "{orientation}");
    }
    assert_eq!(laterality_of(&none), None);
    let named = open_named("00694_RIGHT_CC.dcm", &none.file()).expect("valid");
    assert_eq!(named.identity.laterality.expect("in the name").source, "file name");
    assert_eq!(named.warnings, ["The side shown (RCC) is taken from the file's name."]);
    let contradicting = opened(&plain().with(text(0x0020_0060, "CS", "R")));
    assert_eq!(contradicting.identity.label(), "LCC");
    assert!(contradicting.warnings[0].contains("contradicts itself about the side"));
    let renamed = open_named("scan_RCC.dcm", &plain().file()).expect("valid");
    assert!(renamed.warnings[0].contains("name says side R"));
}

#[test]
fn the_chest_wall_is_where_the_orientation_says() {
    for (orientation, wall) in
        [("A\\R", Some(ChestWall::Left)), ("P\\FL", Some(ChestWall::Right)), ("R\\P", None), ("", None)]
    {
        let study = opened(&plain().with(text(0x0020_0020, "CS", orientation)));
        assert_eq!(study.identity.chest_wall, wall, "{orientation}");
    }
}

#[test]
fn views_are_read_from_codes_of_all_schemes() {
    let coded = |view: &str, scheme: &str, modifiers: &[&str]| {
        let mut item = code(view, scheme);
        item.push(sequence(0x0054_0222, modifiers.iter().map(|m| code(m, scheme)).collect()));
        plain().without(0x0018_5101).with(sequence(0x0054_0220, vec![item]))
    };
    for (view, scheme, modifiers, label) in [
        ("R-10242", "SNM3", &[][..], "LCC"),
        ("R-10242", "SRT", &["R-102D6"], "LMCC"),
        ("399162004", "SCT", &["399163009"], "LMCC"),
        ("399368009", "SCT", &[], "LMLO"),
        ("R-10226", "SRT", &["R-102D5"], "LMLOID"),
        ("399162004", "SCT", &["399161006"], "LCV"),
        ("399162004", "SCT", &["399055006", "399197002"], "LSCCRL"),
        ("R-1024A", "SRT", &[], "LXCCL"),
        ("R-102D0", "SRT", &[], "LSIO"),
        ("441555000", "SCT", &[], "LISO"),
        ("1234", "99X", &[], "L"),
    ] {
        let study = opened(&coded(view, scheme, modifiers));
        assert_eq!(study.identity.label(), label, "{view} {modifiers:?}");
    }
    let contradicting = coded("399368009", "SCT", &[]).with(text(0x0018_5101, "CS", "CC"));
    let study = opened(&contradicting);
    assert_eq!(study.identity.label(), "LMLO");
    assert!(study.warnings[0].contains("contradicts itself about the view"));
    assert_eq!(opened(&plain()).identity.view.expect("a view").source, "View Position");
}

#[test]
fn names_are_cleaned_for_the_screen() {
    let name = "Muster\u{202E}mann^Er\u{0007}ika^M\u{200F}.=x".to_owned();
    let file = plain()
        .with(text(0x0008_0005, "CS", "ISO_IR 192"))
        .with(text(0x0010_0010, "PN", &name))
        .with(text(0x0010_0020, "LO", "  id\u{2066}7 "))
        .with(text(0x0008_0020, "DA", "20260230x"));
    let identity = opened(&file).identity;
    assert_eq!(identity.patient_name.as_deref(), Some("Mustermann, Erika M."));
    assert_eq!(identity.patient_id.as_deref(), Some("id7"));
    assert_eq!(identity.study_date, None);
    let latin = plain().with(text(0x0008_0005, "CS", "ISO_IR 100")).with(crate::support::dicom::bytes(
        0x0010_0010,
        "PN",
        b"M\xFCller^J\xF6rg",
    ));
    let identity = opened(&latin).identity;
    assert_eq!(identity.patient_name.as_deref(), Some("Müller, Jörg"));
    assert_eq!(identity.study_date.as_deref(), Some("2026-01-31"));
}

#[test]
fn results_can_quote_the_image() {
    let identity = opened(&plain()).identity;
    let reference = identity.dicom.expect("all identifiers");
    assert_eq!(reference.sop_instance_uid, "1.2.3.4.5");
    assert_eq!((reference.rows, reference.columns), (24, 32));
    let hostile = opened(&plain().with(text(0x0008_0018, "UI", "../../etc/passwd")));
    assert_eq!(hostile.identity.dicom, None);
    assert!(hostile.warnings[0].contains("UID"));
}

#[test]
fn for_processing_images_say_so() {
    for element in [text(0x0008_0068, "CS", "FOR PROCESSING"), text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.1.2.1")]
    {
        let study = opened(&plain().without(0x0008_0068).with(element));
        assert!(study.identity.for_processing);
        assert_eq!(study.format, "DICOM, uncompressed, For Processing");
        assert!(study.warnings[0].contains("For Processing"));
    }
}

/// Pixel Spacing, calibration type, Imager Pixel Spacing, ERMF, SID, SOD, Nominal Scanned Pixel Spacing; "" is absent.
type SpacingCase = [&'static str; 7];
/// Row and column in mm and their source.
type Millimetres = (f64, f64, SpacingSource);

fn spacing_file(case: SpacingCase) -> Dicom {
    let tags = [0x0028_0030, 0x0028_0A02, 0x0018_1164, 0x0018_1114, 0x0018_1110, 0x0018_1111, 0x0018_2010];
    let vr = |tag| if tag == 0x0028_0A02 { "CS" } else { "DS" };
    let elements: Vec<Element> =
        tags.iter().zip(case).filter(|(_, v)| !v.is_empty()).map(|(tag, v)| text(*tag, vr(*tag), v)).collect();
    elements.into_iter().fold(plain(), Dicom::with)
}

#[test]
fn millimetres_come_in_the_order_of_trust() {
    use SpacingSource::{AtDetector, Calibrated, Film, Magnification, Unstated};
    let cases: [(SpacingCase, Option<Millimetres>, usize); 17] = [
        (["0.05\\0.06", "", "0.07\\0.07", "1.1", "", "", ""], Some((0.05, 0.06, Calibrated)), 0),
        (["0.07\\0.07", "GEOMETRY", "0.07\\0.07", "1.1", "", "", ""], Some((0.07, 0.07, Calibrated)), 0),
        (["0.07\\0.07", "FIDUCIAL", "", "", "", "", ""], Some((0.07, 0.07, Calibrated)), 0),
        (["0.07\\0.07", "", "0.07\\0.07", "1.4", "", "", ""], Some((0.05, 0.05, Magnification(1.4))), 0),
        (["", "", "0.07\\0.14", "", "660", "600", ""], Some((0.07 / 1.1, 0.14 / 1.1, Magnification(1.1))), 0),
        (["", "", "0.07\\0.07", "0", "660", "600", ""], Some((0.07 / 1.1, 0.07 / 1.1, Magnification(1.1))), 1),
        (["", "", "0.07\\0.07", "1000", "", "", ""], Some((0.07, 0.07, AtDetector)), 1),
        (["", "", "0.07\\0.07", "abc", "", "", ""], Some((0.07, 0.07, AtDetector)), 1),
        (["", "", "0.07\\0.07", "", "660", "0", ""], Some((0.07, 0.07, AtDetector)), 1),
        (["", "", "0.07\\0.07", "1", "", "", ""], Some((0.07, 0.07, AtDetector)), 0),
        (["", "", "0.07\\0.07", "", "", "", ""], Some((0.07, 0.07, AtDetector)), 0),
        (["0.1\\0.1", "", "", "", "", "", ""], Some((0.1, 0.1, Unstated)), 0),
        (["", "", "", "", "", "", "0.0435\\0.0435"], Some((0.0435, 0.0435, Film)), 0),
        (["-1\\0.1", "", "0\\0.1", "", "", "", "0.05\\0.05"], Some((0.05, 0.05, Film)), 2),
        (["text\\0.1", "", "0.07\\0.07", "", "", "", ""], Some((0.07, 0.07, AtDetector)), 1),
        (["0.1", "", "", "", "", "", ""], None, 1),
        (["", "", "", "", "", "", ""], None, 0),
    ];
    for (case, expected, warnings) in cases {
        let study = opened(&spacing_file(case));
        assert_eq!(study.warnings.len(), warnings, "{case:?}: {:?}", study.warnings);
        match (study.spacing, expected) {
            (Some(spacing), Some((row, column, _))) => {
                assert!((spacing.row_mm - row).abs() < 1e-9 && (spacing.column_mm - column).abs() < 1e-9, "{case:?}");
            }
            (found, expected) => assert!(found.is_none() && expected.is_none(), "{case:?}: {found:?}"),
        }
        let label = |source: SpacingSource| source.label();
        assert_eq!(study.spacing.map(|s| label(s.source)), expected.map(|(_, _, source)| label(source)), "{case:?}");
    }
}

#[test]
fn raster_files_of_8_and_16_bits_are_read() {
    let values = pattern(32, 24);
    let eight: Vec<u16> = values.iter().map(|value| value / 16).collect();
    let sixteen: Vec<u16> = values.iter().map(|value| value * 16).collect();
    let le = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let narrow = |values: &[u16]| values.iter().map(|value| *value as u8).collect::<Vec<u8>>();
    let inverse: Vec<u16> = sixteen.iter().map(|value| 65535 - value).collect();
    let white_is_zero = Tiff { photometric: 0, ..Tiff::gray(32, 24, 16) };
    let cases = [
        (gray_png(32, 8, &eight), "8-bit PNG", &eight),
        (gray_png(32, 16, &sixteen), "16-bit PNG", &sixteen),
        (Tiff::gray(32, 24, 8).file(&narrow(&eight)), "8-bit TIFF", &eight),
        (Tiff::gray(32, 24, 16).file(&le(&sixteen)), "16-bit TIFF", &sixteen),
        (white_is_zero.file(&le(&inverse)), "16-bit TIFF", &sixteen),
    ];
    for (bytes, format, expected) in cases {
        // The name lies about the format.
        let study = open_named("P1_LMLO.dcm", &bytes).expect(format);
        assert_eq!(study.format, format);
        assert_eq!(study.image.data(), expected.as_slice(), "{format}");
        assert_eq!(study.grayscale.choices[0].name, "Full range");
        assert_eq!(study.identity.label(), "LMLO");
        let scale = if format.starts_with('8') { 257 } else { 1 };
        assert!(study.default_display().data().iter().zip(expected).all(|(shown, code)| *shown == code * scale));
    }
    let jpeg = open_bytes(SMOOTH_JPG).expect("a JPEG");
    assert_eq!(jpeg.format, "8-bit JPEG");
    assert!(jpeg.image.data().iter().zip(smooth()).all(|(a, b)| a.abs_diff(b) <= 2));
}

#[test]
fn sixteen_bit_exports_of_fewer_bits_are_not_shown_black() {
    let study = open_bytes(&gray_png(32, 16, &pattern(32, 24))).expect("a PNG");
    assert_eq!(study.grayscale.choices[0].name, "Automatic");
    assert!(study.default_display().data().iter().any(|shown| *shown > 60_000));
}

#[test]
fn colour_becomes_brightness_with_a_warning() {
    let gray: Vec<Vec<u8>> = (0..4).map(|y| (0..12).map(|x| (x / 3) * 20 + y).collect()).collect();
    let grey_rgb = open_bytes(&png(4, 4, 8, 2, &gray)).expect("a PNG");
    assert!(grey_rgb.warnings.is_empty());
    assert_eq!(grey_rgb.image.get(2, 1), 41);
    let red: Vec<Vec<u8>> = (0..4).map(|_| [200, 0, 0].repeat(4)).collect();
    let study = open_bytes(&png(4, 4, 8, 2, &red)).expect("a PNG");
    assert!(study.warnings[0].contains("colour"));
    assert!((30..80).contains(&study.image.get(0, 0)), "the luma of red");
}

#[test]
fn folders_are_searched_for_images_by_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    let dicom = plain().file();
    let image = gray_png(32, 8, &smooth());
    let b = put("b", &dicom);
    let a = put("a.png", &image);
    let deep = put("sub/deeper/1.2.840.99", &dicom);
    for (name, bytes) in [
        (".hidden.png", image.as_slice()),
        ("a_mask.png", &image),
        ("DICOMDIR", &dicom),
        ("a.xml", b"<plist/>"),
        ("a.json", b"{}"),
        ("notes", b"nothing"),
        ("empty", b""),
        (".git/c.png", &image),
    ] {
        put(name, bytes);
    }
    assert_eq!(list_inputs(&[folder.path().to_path_buf()]), [a.clone(), b, deep]);
    let missing = PathBuf::from("no such file");
    assert_eq!(list_inputs(&[missing.clone(), a.clone()]), [missing, a]);
}

#[test]
fn a_missing_file_and_a_folder_are_refused_in_words() {
    let missing = open(std::path::Path::new("no such file")).expect_err("missing");
    assert_eq!(missing.0, "There is no such file. Check its name and place.");
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(open(folder.path()).expect_err("a folder").0.starts_with("This is not a file."));
}

#[test]
fn real_dicom_files_open_as_they_should() {
    let Some(data) = real_data() else { return };
    let opened = |name: &str| open(&data.join("dicom").join(name));
    let names = |study: &Study| study.grayscale.choices.iter().map(|c| c.name.clone()).collect::<Vec<_>>();

    let ge = opened("ge_mlo_jpeg_lossless_voilut_sigmoid.dcm").expect("GE");
    assert_eq!((ge.image.width(), ge.image.height()), (2394, 3062));
    assert_eq!((ge.identity.label().as_str(), ge.identity.chest_wall), ("RMLO", Some(ChestWall::Right)));
    assert_eq!(names(&ge), ["NORMAL", "HARDER", "SOFTER", "NORMAL (LUT)", "HARDER (LUT)", "SOFTER (LUT)", "Automatic"]);
    assert_eq!(ge.grayscale.choices[0].voi.function(), "SIGMOID");
    assert_eq!(ge.grayscale.padding, Some((0, 30)));
    assert_eq!(ge.format, "DICOM, JPEG Lossless, For Presentation");

    let siemens = opened("siemens_cc_overlay_out_of_bounds.dcm").expect("Siemens");
    assert_eq!((siemens.image.width(), siemens.image.height()), (1318, 788));
    assert_eq!(siemens.identity.label(), "LCC");
    assert_eq!(names(&siemens), ["linear LUT", "Automatic"]);
    let spacing = siemens.spacing.expect("a spacing");
    assert!((spacing.row_mm - 0.085 / 1.0433386837881).abs() < 1e-9);

    let nema = opened("nema_mg1_j2ki.dcm").expect("NEMA");
    assert_eq!((nema.image.width(), nema.image.height()), (3064, 4664));
    assert_eq!(nema.identity.label(), "LMLO");
    assert_eq!(nema.format, "DICOM, JPEG 2000");

    let crop = opened("cbis_crop_00694_right_cc.dcm").expect("CBIS-DDSM");
    assert_eq!((crop.image.width(), crop.image.height(), crop.grayscale.bits), (563, 554, 16));
    assert_eq!(crop.identity.label(), "RCC");

    let refused = opened("nema_mg1_jply.dcm").expect_err("12-bit JPEG Extended");
    assert!(refused.0.contains("12-bit JPEG Extended"), "{refused}");
}
