//! The annotated image at native resolution, as PNG and TIFF.
//!
//! The picture's (0, 0) is the image's. Legend and provenance stand in a strip below it, so that they hide nothing of the
//! breast. Lines scale with the image, so that they are as thick on any screen it is fitted to.

use std::fs::File;
use std::io::BufWriter;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::tiff::TiffEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageError};
use rayon::prelude::*;

use super::draw::{Lines, Picture, Stroke};
use super::strip::{self, Strip};
use super::{CONTOUR, DETECTION, ExportError, ExportView, Exporter, TRUTH};
use crate::annotation::{LesionKind, LesionShape};
use crate::session::Session;
use crate::space::{ImagePoint, ImageRect};

pub const PNG: Exporter = Exporter { name: "Annotated image, PNG", extension: "png", encode: encode_png };
pub const TIFF: Exporter = Exporter { name: "Annotated image, TIFF", extension: "tif", encode: encode_tiff };

/// The picture of a session: RGB at native resolution, the strip below.
pub fn compose(session: &Session, view: &ExportView) -> Picture {
    let image = &session.study().image;
    let (width, height) = (image.width(), image.height());
    let unit = line_unit(width, height);
    let strip = Strip::new(session, view, width, unit);
    let mut picture = shown_image(session, view, strip.height());
    draw_layers(&mut picture, session, view, unit);
    strip.draw(&mut picture, height);
    picture
}

/// The width of a normal line in pixels: even, so that it is crisp when centred between pixels.
fn line_unit(width: usize, height: usize) -> f64 {
    let longest = width.max(height) as f64;
    ((longest / 1100.0 / 2.0).round() * 2.0).max(2.0)
}

fn shown_image(session: &Session, view: &ExportView, strip: usize) -> Picture {
    let study = session.study();
    let voi = view.voi.as_ref().unwrap_or(&study.grayscale.choices[0].voi);
    // 65535 = 257 · 255.
    let lut = study.grayscale.display_lut(voi, view.invert);
    let lut: Vec<u8> = lut.iter().map(|&v| ((u32::from(v) + 128) / 257) as u8).collect();
    let (width, height) = (study.image.width(), study.image.height());
    let mut data = vec![0; width * (height + strip) * 3];
    data.par_chunks_exact_mut(width.max(1) * 3).zip(study.image.data().par_chunks_exact(width.max(1))).for_each(
        |(shown, codes)| {
            for (pixel, &code) in shown.chunks_exact_mut(3).zip(codes) {
                pixel.fill(lut[usize::from(code)]);
            }
        },
    );
    Picture::new(width, height + strip, data)
}

fn draw_layers(picture: &mut Picture, session: &Session, view: &ExportView, unit: f64) {
    let (width, height) = (session.study().image.width(), session.study().image.height());
    let layers = &view.layers;
    let mut boxes = Lines::new(width, height);
    if layers.detections {
        let shown = session.reading().into_iter().flat_map(|r| &r.scales);
        for scale in shown.filter(|s| layers.scale.is_none_or(|size| size == s.size)) {
            scale.detections.iter().for_each(|d| boxes.rect(&d.rect, detection_stroke(unit)));
        }
    }
    if layers.candidates {
        session.candidates().iter().for_each(|c| boxes.rect(&ImageRect::from(c.rect), candidate_stroke(unit)));
    }
    picture.paint(&boxes, DETECTION);
    if layers.candidates && session.candidates().len() > 1 {
        strip::number_candidates(picture, session, height, unit);
    }
    if layers.truth {
        picture.paint(&truth_lines(session, unit), TRUTH);
    }
    if layers.contours {
        let mut lines = Lines::new(width, height);
        let outlines = session.candidates().iter().filter_map(|c| session.outline(c.rect));
        for contour in outlines.flat_map(|o| &o.contours) {
            lines.polygon(&contour.points, contour_stroke(unit));
        }
        picture.paint(&lines, CONTOUR);
    }
}

fn truth_lines(session: &Session, unit: f64) -> Lines {
    let mut lines = Lines::new(session.study().image.width(), session.study().image.height());
    for lesion in session.truth().iter().flat_map(|t| &t.lesions) {
        let stroke = match lesion.kind {
            LesionKind::Mass => truth_stroke(unit),
            LesionKind::Other => Stroke { width: unit / 2.0, ..truth_stroke(unit) },
        };
        match &lesion.shape {
            LesionShape::Outline(contours) => contours.iter().for_each(|c| lines.polygon(&c.points, stroke)),
            LesionShape::Box(rect) => lines.rect(rect, stroke),
            LesionShape::Points(points) => {
                points.iter().for_each(|p| ring(&mut lines, *p, unit));
            }
        }
    }
    lines
}

/// A point is a small circle around it: what it marks stays visible.
fn ring(lines: &mut Lines, center: ImagePoint, unit: f64) {
    let corner = |i: usize| {
        let angle = std::f64::consts::TAU * i as f64 / 16.0;
        ImagePoint::new(center.x + 4.0 * unit * angle.cos(), center.y + 4.0 * unit * angle.sin())
    };
    let corners: Vec<_> = (0..16).map(corner).collect();
    lines.polygon(&corners, Stroke { width: unit / 2.0, dash: None });
}

pub fn candidate_stroke(unit: f64) -> Stroke {
    Stroke { width: unit, dash: None }
}

pub fn detection_stroke(unit: f64) -> Stroke {
    Stroke { width: unit / 2.0, dash: None }
}

pub fn contour_stroke(unit: f64) -> Stroke {
    Stroke { width: unit * 1.5, dash: None }
}

pub fn truth_stroke(unit: f64) -> Stroke {
    Stroke { width: unit, dash: Some((unit * 4.0, unit * 4.0)) }
}

fn encode_png(session: &Session, view: &ExportView, file: &mut BufWriter<&File>) -> Result<(), ExportError> {
    encode(&compose(session, view), PngEncoder::new_with_quality(file, CompressionType::Fast, FilterType::Up))
}

fn encode_tiff(session: &Session, view: &ExportView, file: &mut BufWriter<&File>) -> Result<(), ExportError> {
    encode(&compose(session, view), TiffEncoder::new(file))
}

fn encode(picture: &Picture, encoder: impl ImageEncoder) -> Result<(), ExportError> {
    let size = |side: usize| u32::try_from(side).map_err(|_| ExportError("The image is too large to export.".into()));
    let (width, height) = (size(picture.width())?, size(picture.height())?);
    encoder.write_image(picture.data(), width, height, ExtendedColorType::Rgb8).map_err(|error| match error {
        ImageError::IoError(error) => error.into(),
        _ => ExportError("The image could not be encoded: try the other image format.".into()),
    })
}
