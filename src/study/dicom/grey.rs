//! The grey scale that a data set describes: rescale or Modality LUT, windows and VOI LUTs, inversion, padding.

use std::sync::Arc;

use super::dataset::Dataset;
use super::pixels::PixelFormat;
use super::tags;
use crate::study::statistics::{Statistics, statistics};
use crate::study::{Grayscale, Modality, ModalityLut, Voi, VoiChoice, VoiLut};

/// The grey scale; what is malformed in it is left out with a warning. `histogram` counts the image's codes.
pub fn grayscale(dataset: &Dataset, format: &PixelFormat, histogram: &[u32], warnings: &mut Vec<String>) -> Grayscale {
    let modality = modality(dataset, format, warnings);
    let value = |code: u16| modality.value(i32::from(code) - format.offset());
    let mut padding = padding(dataset, format);
    let statistics = statistics(histogram, padding, value).unwrap_or_else(|| {
        warnings.push("The file marks every pixel as padding; the mark is ignored.".into());
        padding = None;
        statistics(histogram, None, value).unwrap_or(Statistics::EMPTY)
    });
    let mut choices = windows(dataset, warnings);
    choices.extend(
        luts(dataset, tags::VOI_LUTS, statistics.least < 0.0, warnings)
            .into_iter()
            .map(|(name, lut)| VoiChoice { name, voi: Voi::Lut(Arc::new(lut)) }),
    );
    tell_apart(&mut choices);
    choices.push(VoiChoice::automatic(statistics.dark, statistics.bright));
    Grayscale {
        choices,
        inverted: inverted(dataset, warnings),
        modality,
        offset: format.offset(),
        bits: format.bits_stored,
        padding,
        range: (statistics.least, statistics.greatest),
    }
}

fn modality(dataset: &Dataset, format: &PixelFormat, warnings: &mut Vec<String>) -> Modality {
    if let Some((_, lut)) = luts(dataset, tags::MODALITY_LUTS, format.signed, warnings).into_iter().next() {
        return Modality::Lut(Arc::new(ModalityLut { first: lut.first, data: lut.data }));
    }
    let source = dataset.describing(tags::RESCALE_SLOPE);
    let mut number = |tag, absent: f64, valid: fn(f64) -> bool| match source.bytes(tag) {
        None => absent,
        Some(_) => source.number(tag).filter(|x| valid(*x)).unwrap_or_else(|| {
            warnings.push("The file's rescale is malformed; stored values are used as they are.".into());
            absent
        }),
    };
    // Beyond these no device goes, and sums stay finite.
    let slope = number(tags::RESCALE_SLOPE, 1.0, |x| x != 0.0 && x.abs() < 1e9);
    let intercept = number(tags::RESCALE_INTERCEPT, 0.0, |x| x.abs() < 1e9);
    Modality::Rescale { slope, intercept }
}

/// The codes of Pixel Padding Value and Pixel Padding Range Limit, in either order, both included.
fn padding(dataset: &Dataset, format: &PixelFormat) -> Option<(u16, u16)> {
    let stored = |tag| {
        let word = dataset.word(tag)?;
        Some(if format.signed { i32::from(word as i16) } else { i32::from(word) })
    };
    let value = stored(tags::PADDING_VALUE)?;
    let limit = stored(tags::PADDING_LIMIT).unwrap_or(value);
    let last_code = (1 << format.bits_stored) - 1;
    let (low, high) = (value.min(limit) + format.offset(), value.max(limit) + format.offset());
    // A padding value outside the stored range marks nothing.
    let overlaps = low <= last_code && high >= 0;
    overlaps.then(|| (low.clamp(0, last_code) as u16, high.clamp(0, last_code) as u16))
}

/// MONOCHROME1 and INVERSE mean the same single inversion.
fn inverted(dataset: &Dataset, warnings: &mut Vec<String>) -> bool {
    let low_is_white = dataset.string(tags::PHOTOMETRIC).as_deref() == Some("MONOCHROME1");
    match (low_is_white, dataset.string(tags::PRESENTATION_LUT_SHAPE).as_deref()) {
        (true, Some("IDENTITY")) => {
            warnings.push("The file contradicts itself about inversion; it is shown as MONOCHROME1, inverted.".into());
            true
        }
        (false, Some("INVERSE")) => {
            warnings.push("The file is MONOCHROME2 with an INVERSE presentation; it is shown inverted.".into());
            true
        }
        (low_is_white, _) => low_is_white,
    }
}

fn windows(dataset: &Dataset, warnings: &mut Vec<String>) -> Vec<VoiChoice> {
    let source = dataset.describing(tags::WINDOW_CENTER);
    let (centers, widths) = (source.numbers(tags::WINDOW_CENTER), source.numbers(tags::WINDOW_WIDTH));
    let names = source.strings(tags::WINDOW_EXPLANATION);
    if centers.len() != widths.len() {
        warnings.push("The file states unequal numbers of window centres and widths; complete pairs are used.".into());
    }
    let function = source.string(tags::VOI_FUNCTION).unwrap_or_else(|| "LINEAR".into());
    if !matches!(function.as_str(), "LINEAR" | "LINEAR_EXACT" | "SIGMOID") {
        warnings.push("The file names an unknown VOI LUT function; its windows are read as LINEAR.".into());
    }
    let mut choices = Vec::new();
    for (i, pair) in centers.into_iter().zip(widths).enumerate() {
        let voi = match (pair, function.as_str()) {
            ((Some(center), Some(width)), "LINEAR_EXACT") if width > 0.0 => Voi::LinearExact { center, width },
            ((Some(center), Some(width)), "SIGMOID") if width > 0.0 => Voi::Sigmoid { center, width },
            ((Some(center), Some(width)), _) if width >= 1.0 => Voi::Linear { center, width },
            _ => {
                warnings.push(format!("Window {} of the file is malformed and left out.", i + 1));
                continue;
            }
        };
        let (center, width) = voi.window();
        let named = names.get(i).map(|name| super::identify::displayable(name)).filter(|name| !name.is_empty());
        let name = named.unwrap_or_else(|| format!("Window {} ({center}/{width})", i + 1));
        choices.push(VoiChoice { name, voi });
    }
    choices
}

/// The LUTs of a sequence with their explanations. `signed` decides what type the first mapped value has in implicit files.
fn luts(dataset: &Dataset, sequence: u32, signed: bool, warnings: &mut Vec<String>) -> Vec<(String, VoiLut)> {
    let mut found = Vec::new();
    for (i, item) in dataset.describing(sequence).items(sequence).iter().enumerate() {
        let Some(lut) = lut(item, signed) else {
            warnings.push(format!("Look-up table {} of the file is malformed and left out.", i + 1));
            continue;
        };
        let named = item.human_text(tags::LUT_EXPLANATION).map(|name| super::identify::displayable(&name));
        let name = named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("LUT {}", i + 1));
        found.push((name, lut));
    }
    found
}

fn lut(item: &Dataset, signed: bool) -> Option<VoiLut> {
    let descriptor = item.words(tags::LUT_DESCRIPTOR);
    let &[entries, first, bits] = descriptor.as_slice() else { return None };
    let entries = if entries == 0 { 65_536 } else { usize::from(entries) };
    let bits = u32::from(bits);
    if !(1..=16).contains(&bits) {
        return None;
    }
    let first = match item.vr(tags::LUT_DESCRIPTOR) {
        Some(vr) if vr == *b"SS" || (vr == *b"UN" && signed) => i32::from(first as i16),
        _ => i32::from(first),
    };
    let bytes = item.bytes(tags::LUT_DATA)?;
    // One entry a word, whatever its bits; or, at 8 bits, one entry a byte, padded to an even length.
    let data: Vec<u16> = if bytes.len() >= 2 * entries {
        item.words(tags::LUT_DATA).into_iter().take(entries).collect()
    } else if bits <= 8 && bytes.len() >= entries && bytes.len() <= entries + 1 {
        bytes[..entries].iter().map(|byte| u16::from(*byte)).collect()
    } else {
        return None;
    };
    // Entries larger than the stated bits show that the statement is wrong.
    let needed = data.iter().max().map_or(0, |largest| 16 - largest.leading_zeros());
    Some(VoiLut { first, bits: bits.max(needed), data })
}

/// Adds a number to names that occur twice: a reader picks by name.
fn tell_apart(choices: &mut [VoiChoice]) {
    for i in 1..choices.len() {
        let (earlier, rest) = choices.split_at_mut(i);
        let taken = |name: &str| earlier.iter().any(|choice| choice.name == name);
        if taken(&rest[0].name) {
            let kind = if matches!(rest[0].voi, Voi::Lut(_)) { "LUT" } else { "window" };
            let plain = rest[0].name.clone();
            let with_kind = format!("{plain} ({kind})");
            rest[0].name = if taken(&with_kind) { format!("{plain} ({})", i + 1) } else { with_kind };
        }
    }
}
