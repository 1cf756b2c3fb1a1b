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
use super::{ExportError, ExportView, Exporter, heat};
use crate::annotation::{Lesion, LesionKind, LesionShape};
use crate::marks::{CANDIDATE, CONTOUR, DETECTION, HALO, HALO_OPACITY, HALO_WIDTH, Mark, TRUTH, detection_opacity};
use crate::session::Session;
use crate::space::{ImagePoint, ImageRect};

pub const PNG: Exporter = Exporter { name: "Annotated image, PNG", extension: "png", encode: encode_png };
pub const TIFF: Exporter = Exporter { name: "Annotated image, TIFF", extension: "tif", encode: encode_tiff };

/// The picture of a session: RGB at native resolution, the strip below.
pub fn compose(session: &Session, view: &ExportView) -> Picture {
    let image = &session.study().image;
    let (width, height) = (image.width(), image.height());
    let point = point_size(width, height);
    let strip = Strip::new(session, view, width, point);
    let mut picture = shown_image(session, view, strip.height());
    draw_layers(&mut picture, session, view, point);
    strip.draw(&mut picture, height);
    picture
}

/// A screen point in image pixels, on a screen that the whole image is fitted to; whole, so that boxes between pixels come
/// out crisp.
fn point_size(width: usize, height: usize) -> f64 {
    (width.max(height) as f64 / 1600.0).round().max(1.0)
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

fn draw_layers(picture: &mut Picture, session: &Session, view: &ExportView, point: f64) {
    let layers = &view.layers;
    if let (Some(reading), Some(opacity)) = (session.reading(), layers.heat) {
        heat::lay_over(picture, &reading.fused, opacity);
    }
    if layers.detections {
        let shown = session.reading().into_iter().flat_map(|r| &r.scales);
        let shown = shown.filter(|s| layers.scale.is_none_or(|size| size == s.size));
        let detections: Vec<_> = shown.flat_map(|s| &s.detections).collect();
        draw_mark(picture, session, &DETECTION, point, &mut |lines, stroke| {
            for d in &detections {
                lines.rect(&d.rect, Stroke { opacity: detection_opacity(d.confidence), ..stroke });
            }
        });
    }
    if layers.truth {
        let lesions = session.truth().map_or(&[][..], |t| &t.lesions);
        draw_mark(picture, session, &TRUTH, point, &mut |lines, stroke| {
            lesions.iter().for_each(|lesion| draw_lesion(lines, lesion, stroke, point));
        });
    }
    if layers.contours {
        let outlines: Vec<_> = session.candidates().iter().filter_map(|c| session.outline(c.rect)).collect();
        draw_mark(picture, session, &CONTOUR, point, &mut |lines, stroke| {
            outlines.iter().flat_map(|o| &o.contours).for_each(|c| lines.polygon(&c.points, stroke));
        });
    }
    if layers.candidates {
        draw_mark(picture, session, &CANDIDATE, point, &mut |lines, stroke| {
            session.candidates().iter().for_each(|c| lines.corners(&ImageRect::from(c.rect), stroke));
        });
        if session.candidates().len() > 1 {
            strip::number_candidates(picture, session, point);
        }
    }
}

/// Draws a layer twice: its halo, then its lines.
fn draw_mark(
    picture: &mut Picture,
    session: &Session,
    mark: &Mark,
    point: f64,
    draw: &mut dyn FnMut(&mut Lines, Stroke),
) {
    let image = &session.study().image;
    let stroke = Stroke::of(mark, point);
    let halo = stroke.widened(f64::from(HALO_WIDTH) * point);
    for (stroke, colour, opacity) in [(halo, HALO, HALO_OPACITY), (stroke, mark.color, 1.0)] {
        let mut lines = Lines::new(image.width(), image.height());
        draw(&mut lines, stroke);
        picture.paint(&lines, colour, opacity);
    }
}

/// Masses in full width; what does not count as a mass in half.
fn draw_lesion(lines: &mut Lines, lesion: &Lesion, stroke: Stroke, point: f64) {
    let thin = Stroke { width: stroke.width - f64::from(TRUTH.width) * point / 2.0, ..stroke };
    let stroke = if lesion.kind == LesionKind::Mass { stroke } else { thin };
    match &lesion.shape {
        LesionShape::Outline(contours) => contours.iter().for_each(|c| lines.polygon(&c.points, stroke)),
        LesionShape::Box(rect) => lines.rect(rect, stroke),
        LesionShape::Points(points) => points.iter().for_each(|p| ring(lines, *p, thin, point)),
    }
}

/// A point is a small circle around it: what it marks stays visible.
fn ring(lines: &mut Lines, center: ImagePoint, stroke: Stroke, point: f64) {
    let corner = |i: usize| {
        let angle = std::f64::consts::TAU * i as f64 / 16.0;
        ImagePoint::new(center.x + 6.0 * point * angle.cos(), center.y + 6.0 * point * angle.sin())
    };
    let corners: Vec<_> = (0..16).map(corner).collect();
    lines.polygon(&corners, Stroke { dash: None, ..stroke });
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
