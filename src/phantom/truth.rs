//! A phantom's masses as groundtruth in INbreast's format: an Apple property list with the outlines in Point_px.

use plist::{Dictionary, Value};

use super::Mass;
use super::dicom::PIXEL_SPACING;
use crate::findings::Contour;
use crate::space::ImagePoint;

/// The XML text. Coordinates have two decimals.
pub fn to_inbreast(masses: &[Mass]) -> anyhow::Result<Vec<u8>> {
    let regions: Vec<Value> = masses.iter().enumerate().map(|(index, mass)| region(index, mass)).collect();
    let mut image = Dictionary::new();
    image.insert("ImageIndex".into(), 0.into());
    image.insert("NumberOfROIs".into(), (regions.len() as u64).into());
    image.insert("ROIs".into(), Value::Array(regions));
    let mut root = Dictionary::new();
    root.insert("Images".into(), Value::Array(vec![image.into()]));
    let mut text = Vec::new();
    Value::from(root).to_writer_xml(&mut text)?;
    text.push(b'\n');
    Ok(text)
}

fn region(index: usize, mass: &Mass) -> Value {
    let contour = mass.contour();
    let pixels = contour.points.iter().map(|p| Value::from(format!("({:.2}, {:.2})", p.x, p.y)));
    let millimetres = contour.points.iter().map(|p| {
        let ImagePoint { x, y } = *p;
        Value::from(format!("({:.4}, {:.4}, 0.0000)", x * PIXEL_SPACING, y * PIXEL_SPACING))
    });
    let center = mass.spec().center;
    let mut region = Dictionary::new();
    // Square centimetres, as in INbreast.
    region.insert("Area".into(), Value::Real(area(&contour) * (PIXEL_SPACING / 10.0).powi(2)));
    region.insert("Center".into(), format!("({:.2}, {:.2}, 0.00)", center.x, center.y).into());
    region.insert("IndexInImage".into(), (index as u64).into());
    region.insert("Name".into(), "Mass".into());
    region.insert("NumberOfPoints".into(), (contour.points.len() as u64).into());
    region.insert("Point_mm".into(), Value::Array(millimetres.collect()));
    region.insert("Point_px".into(), Value::Array(pixels.collect()));
    region.insert("Type".into(), 15.into());
    region.into()
}

/// A polygon's area.
fn area(contour: &Contour) -> f64 {
    let next = contour.points.iter().cycle().skip(1);
    let twice: f64 = contour.points.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    twice.abs() / 2.0
}
