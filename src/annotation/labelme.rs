//! LabelMe JSON: one image's shapes as `{label, points, shape_type}`.

use serde::Deserialize;

use super::coco::{looks_like_object, scale_to};
use super::collect::{Collector, MAX_LESIONS};
use super::json::{filter_array, keys_present};
use super::{Format, GroundTruth, Source, TruthError, kind_of};
use crate::space::{ImagePoint, ImageRect};

pub const FORMAT: Format = Format { name: "LabelMe JSON", extensions: &["json"], recognises, read };

/// A circle is drawn as a polygon of so many corners.
const CIRCLE_CORNERS: usize = 64;

fn recognises(source: &Source) -> bool {
    looks_like_object(source) && keys_present(source.text_bytes(), &["shapes"]).len() == 1
}

fn read(source: &Source) -> Result<GroundTruth, TruthError> {
    let damaged = |_| TruthError("The LabelMe file is damaged.".into());
    let size: Size = serde_json::from_slice(source.text_bytes()).map_err(damaged)?;
    let shapes = filter_array(source.text_bytes(), "shapes", MAX_LESIONS, &|_: &Shape| true)?;
    let mut lesions = Collector::new(source);
    let (sx, sy) = scale_to(source, size.width, size.height, &mut lesions);
    for shape in shapes {
        let kind = kind_of(&shape.label);
        let points: Vec<_> = shape.points.iter().map(|[x, y]| ImagePoint::new(x * sx, y * sy)).collect();
        match (shape.shape_type.as_str(), &points[..]) {
            ("rectangle", &[a, b]) => {
                let rect = ImageRect::new(a.x.min(b.x), a.y.min(b.y), a.x.max(b.x), a.y.max(b.y));
                lesions.rect(&shape.label, kind, rect)?;
            }
            ("circle", &[center, rim]) => lesions.polygons(&shape.label, kind, vec![circle(center, rim)])?,
            _ => lesions.polygons(&shape.label, kind, vec![points])?,
        }
    }
    Ok(lesions.finish())
}

fn circle(center: ImagePoint, rim: ImagePoint) -> Vec<ImagePoint> {
    let radius = center.distance(rim);
    let corner = |i| {
        let angle = std::f64::consts::TAU * i as f64 / CIRCLE_CORNERS as f64;
        ImagePoint::new(center.x + radius * angle.cos(), center.y + radius * angle.sin())
    };
    (0..CIRCLE_CORNERS).map(corner).collect()
}

#[derive(Deserialize)]
struct Size {
    #[serde(default, rename = "imageWidth")]
    width: Option<f64>,
    #[serde(default, rename = "imageHeight")]
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    label: String,
    points: Vec<[f64; 2]>,
    #[serde(default)]
    shape_type: String,
}
