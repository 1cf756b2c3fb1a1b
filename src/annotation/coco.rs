//! COCO JSON: boxes `[x, y, width, height]` and polygons `[x, y, x, y, …]` of many images; the image is found by its file name.
//!
//! A file whose images were resized says so by `width` and `height`: its coordinates are scaled to the image at hand, each
//! axis by itself. Run-length masks are not read; their boxes are.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::collect::{Collector, MAX_LESIONS};
use super::json::{Numbers, filter_array, keys_present};
use super::{Format, GroundTruth, LesionKind, Source, TruthError, kind_of};
use crate::space::{ImagePoint, ImageRect};

pub const FORMAT: Format = Format { name: "COCO JSON", extensions: &["json"], recognises, read };

/// A data set may hold many categories; only their names are kept.
const MAX_CATEGORIES: usize = 10_000;

fn recognises(source: &Source) -> bool {
    looks_like_object(source) && keys_present(source.text_bytes(), &["images", "annotations"]).len() == 2
}

/// Whether JSON parsing is worth a try.
pub fn looks_like_object(source: &Source) -> bool {
    source.text_bytes().trim_ascii_start().starts_with(b"{")
}

/// Whether the file names an image of this stem.
pub fn names_image(source: &Source) -> bool {
    image_entry(source).is_ok()
}

fn read(source: &Source) -> Result<GroundTruth, TruthError> {
    let bytes = source.text_bytes();
    let image = image_entry(source)?;
    let categories = filter_array(bytes, "categories", MAX_CATEGORIES, &|_: &Category| true)?;
    let of_image = |a: &Annotation| a.image_id == image.id;
    let annotations = filter_array(bytes, "annotations", MAX_LESIONS, &of_image)?;

    let mut lesions = Collector::new(source);
    let (sx, sy) = scale_to(source, image.width, image.height, &mut lesions);
    let mut run_length = 0;
    for annotation in annotations {
        let category = categories.iter().find(|c| Some(&c.id) == annotation.category_id.as_ref());
        let name = category.map_or("Mass", |c| c.name.as_str());
        // Without a name in the file, a lone kind of object is the lesion.
        let kind = if category.is_none() || categories.len() == 1 { LesionKind::Mass } else { kind_of(name) };
        run_length += usize::from(matches!(annotation.segmentation, Segmentation::RunLength));
        match annotation.segmentation {
            Segmentation::Polygons(rings) if rings.iter().any(|ring| ring.0.len() >= 6) => {
                let point = |xy: &[f64]| ImagePoint::new(xy[0] * sx, xy[1] * sy);
                let polygons = rings.iter().map(|ring| ring.0.chunks_exact(2).map(point).collect()).collect();
                lesions.polygons(name, kind, polygons)?;
            }
            _ => match annotation.bbox.0[..] {
                [x, y, w, h] => {
                    lesions.rect(name, kind, ImageRect::new(x * sx, y * sy, (x + w) * sx, (y + h) * sy))?;
                }
                _ => lesions.unreadable(),
            },
        }
    }
    if run_length > 0 {
        lesions.warn("Run-length masks in the COCO file are not read: their boxes were taken.");
    }
    Ok(lesions.finish())
}

/// The factors from a file's image size to the image's; a difference is said to the reader.
pub fn scale_to(source: &Source, width: Option<f64>, height: Option<f64>, lesions: &mut Collector) -> (f64, f64) {
    let (image_width, image_height) = (source.width as f64, source.height as f64);
    let valid = |side: Option<f64>| side.filter(|s| s.is_finite() && *s >= 1.0);
    let (Some(width), Some(height)) = (valid(width), valid(height)) else { return (1.0, 1.0) };
    if (width, height) != (image_width, image_height) {
        lesions.warn(format!("The groundtruth is of an image of {width}×{height} pixels: it was scaled to this one."));
    }
    (image_width / width, image_height / height)
}

fn image_entry(source: &Source) -> Result<Image, TruthError> {
    let wanted = source.stem.to_lowercase();
    let named = |image: &Image| stem_of(&image.file_name).to_lowercase() == wanted;
    let mut found = filter_array(source.text_bytes(), "images", MAX_LESIONS, &named)?;
    let exact = found.iter().position(|image| stem_of(&image.file_name) == source.stem).unwrap_or(0);
    if found.is_empty() {
        return Err(TruthError("The COCO file does not name this image: choose the one that does.".into()));
    }
    Ok(found.swap_remove(exact))
}

/// File names of either system, without folders and extension.
fn stem_of(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

#[derive(Deserialize)]
struct Image {
    id: Id,
    file_name: String,
    #[serde(default)]
    width: Option<f64>,
    #[serde(default)]
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Category {
    id: Id,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: Id,
    #[serde(default)]
    category_id: Option<Id>,
    #[serde(default)]
    bbox: Numbers,
    #[serde(default)]
    segmentation: Segmentation,
}

/// Numbers in most files, text in some.
#[derive(PartialEq, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

#[derive(Default)]
enum Segmentation {
    #[default]
    None,
    Polygons(Vec<Numbers>),
    RunLength,
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SegmentationVisitor)
    }
}

struct SegmentationVisitor;

impl<'de> Visitor<'de> for SegmentationVisitor {
    type Value = Segmentation;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "polygons or a run-length mask")
    }

    fn visit_unit<E>(self) -> Result<Segmentation, E> {
        Ok(Segmentation::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Segmentation, A::Error> {
        let mut polygons = Vec::new();
        while let Some(ring) = array.next_element::<Numbers>()? {
            // Empty rings cost memory and say nothing.
            if ring.0.len() >= 2 {
                polygons.push(ring);
            }
        }
        Ok(Segmentation::Polygons(polygons))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segmentation, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Segmentation::RunLength)
    }
}
