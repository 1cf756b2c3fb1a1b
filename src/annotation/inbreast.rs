//! INbreast: an Apple property list `{Images: [{ROIs: [{Name, Point_px: ["(x, y)"], …}]}]}`, read by key.
//!
//! Point_px holds x = column and y = row in pixels, origin at the top-left corner. Regions of one or two points are
//! calcifications. Source: Moreira et al., Acad Radiol 19:236 (2012), and its XML files.

use plist::{Dictionary, Value};

use super::collect::Collector;
use super::{Format, GroundTruth, Source, TruthError, kind_of};
use crate::space::ImagePoint;

pub const FORMAT: Format = Format { name: "INbreast XML", extensions: &["xml"], recognises, read };

/// INbreast's own files nest five deep. A value's drop recurses, so depth must be bounded before the parser sees it.
const MAX_DEPTH: usize = 32;
/// INbreast's largest file has some hundred kilobytes; a parsed list takes several times the memory of its text.
const MAX_BYTES: usize = 24 << 20;

fn recognises(source: &Source) -> bool {
    let head = &source.text_bytes()[..source.text_bytes().len().min(4096)];
    head.trim_ascii_start().starts_with(b"<") && head.windows(6).any(|w| w.eq_ignore_ascii_case(b"<plist"))
}

fn read(source: &Source) -> Result<GroundTruth, TruthError> {
    let bytes = source.text_bytes();
    if bytes.len() > MAX_BYTES {
        return Err(TruthError(format!(
            "The INbreast file is larger than {} MB, the most that is read.",
            MAX_BYTES >> 20
        )));
    }
    check_structure(bytes)?;
    let root = Value::from_reader_xml(bytes)
        .map_err(|_| TruthError("The INbreast file is damaged: it is not a valid property list.".into()))?;
    let images = root.as_dictionary().and_then(|root| root.get("Images")).and_then(Value::as_array);
    let Some(images) = images else {
        return Err(TruthError("The property list is not INbreast groundtruth: it names no images.".into()));
    };
    let mut lesions = Collector::new(source);
    if images.len() > 1 {
        lesions.warn("The INbreast file describes several images: the first was taken.");
    }
    let regions = images.first().and_then(Value::as_dictionary).and_then(|image| image.get("ROIs"));
    for region in regions.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_dictionary) {
        let name = region.get("Name").and_then(Value::as_string).unwrap_or_default();
        let points = points_of(region, &mut lesions);
        lesions.polygons(name, kind_of(name), vec![points])?;
    }
    Ok(lesions.finish())
}

fn points_of(region: &Dictionary, lesions: &mut Collector) -> Vec<ImagePoint> {
    let mut points = Vec::new();
    for text in region.get("Point_px").and_then(Value::as_array).into_iter().flatten() {
        match text.as_string().and_then(parse_point) {
            Some(point) => points.push(point),
            None => lesions.unreadable(),
        }
    }
    points
}

/// "(x, y)".
fn parse_point(text: &str) -> Option<ImagePoint> {
    let (x, y) = text.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some(ImagePoint::new(x.trim().parse().ok()?, y.trim().parse().ok()?))
}

/// Refuses entity declarations and deep nesting, which a parser would pay for.
fn check_structure(bytes: &[u8]) -> Result<(), TruthError> {
    let mut depth = 0usize;
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|&b| b == b'<') {
        rest = &rest[start..];
        let (tag, after) = split_tag(rest);
        if tag.starts_with(b"<!DOCTYPE") && tag.contains(&b'[') || tag.starts_with(b"<!ENTITY") {
            return Err(TruthError(
                "The XML file declares entities, which groundtruth never needs: it was refused.".into(),
            ));
        }
        if tag.starts_with(b"</") {
            depth = depth.saturating_sub(1);
        } else if !tag.starts_with(b"<!") && !tag.starts_with(b"<?") && !tag.ends_with(b"/>") {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(TruthError("The XML file nests too deeply to be groundtruth: it was refused.".into()));
            }
        }
        rest = after;
    }
    Ok(())
}

/// The tag, comment, character data or instruction at the start of `bytes`, and what follows it.
fn split_tag(bytes: &[u8]) -> (&[u8], &[u8]) {
    let until = |end: &[u8]| bytes.windows(end.len()).position(|w| w == end).map(|at| at + end.len());
    let length = if bytes.starts_with(b"<!--") {
        until(b"-->")
    } else if bytes.starts_with(b"<![CDATA[") {
        until(b"]]>")
    } else if bytes.starts_with(b"<?") {
        until(b"?>")
    } else {
        let mut quote = None;
        let end = bytes.iter().position(|&b| match quote {
            Some(q) => {
                if b == q {
                    quote = None;
                }
                false
            }
            None if b == b'"' || b == b'\'' => {
                quote = Some(b);
                false
            }
            None => b == b'>',
        });
        end.map(|at| at + 1)
    };
    bytes.split_at(length.unwrap_or(bytes.len()))
}
