//! Polygons as pixels: the one rasteriser of the program.

use crate::findings::Contour;
use crate::raster::Mask;
use crate::space::{ImageRect, PixelRect};

/// The pixels of `region` whose centres lie inside `contours` by the even-odd rule; the mask's (0, 0) is the region's corner.
///
/// A boundary belongs to what lies right of it: a polygon from x = a to x = b holds the centres in [a, b), and likewise
/// downwards, so polygons that share an edge share no pixel. Contours with a point that is not finite are left out.
pub fn fill_polygons(contours: &[Contour], region: PixelRect) -> Mask {
    let mut mask = Mask::filled(region.width(), region.height(), false);
    if region.is_empty() {
        return mask;
    }
    for contour in contours.iter().filter(|c| c.points.iter().all(|p| p.x.is_finite() && p.y.is_finite())) {
        let Some(mut from) = contour.points.last() else { continue };
        for to in &contour.points {
            // Always downwards, so that an edge shared by two polygons is cut at the same x in both.
            let (top, bottom) = if from.y <= to.y { (from, to) } else { (to, from) };
            let slope = (bottom.x - top.x) / (bottom.y - top.y);
            for y in first_centre(top.y, region.y0, region.y1)..first_centre(bottom.y, region.y0, region.y1) {
                let x = first_centre(top.x + (y as f64 + 0.5 - top.y) * slope, region.x0, region.x1);
                if x < region.x1 {
                    let (x, y) = (x - region.x0, y - region.y0);
                    mask.set(x, y, !mask.get(x, y));
                }
            }
            from = to;
        }
    }
    // So far a pixel says whether an odd number of edges lies between its centre and its left neighbour's.
    for row in mask.data_mut().chunks_exact_mut(region.width()) {
        let mut inside = false;
        for pixel in row {
            inside ^= *pixel;
            *pixel = inside;
        }
    }
    mask
}

/// The whole pixels that `contours` can cover on an image of `width` × `height`: their bounding box, clipped.
pub fn pixel_bounds(contours: &[Contour], width: usize, height: usize) -> PixelRect {
    let Some(bounds) = bounding_box(contours) else { return PixelRect::default() };
    let clip = |v: f64, limit: usize| v.clamp(0.0, limit as f64) as usize;
    PixelRect::new(
        clip(bounds.x0.floor(), width),
        clip(bounds.y0.floor(), height),
        clip(bounds.x1.ceil(), width),
        clip(bounds.y1.ceil(), height),
    )
}

/// The smallest rectangle around all finite points; `None` without any.
pub fn bounding_box(contours: &[Contour]) -> Option<ImageRect> {
    let mut bounds: Option<ImageRect> = None;
    for p in contours.iter().flat_map(|c| &c.points).filter(|p| p.x.is_finite() && p.y.is_finite()) {
        let b = bounds.get_or_insert(ImageRect::new(p.x, p.y, p.x, p.y));
        *b = ImageRect::new(b.x0.min(p.x), b.y0.min(p.y), b.x1.max(p.x), b.y1.max(p.y));
    }
    bounds
}

/// The first pixel in [from, to] whose centre is at `at` or beyond.
fn first_centre(at: f64, from: usize, to: usize) -> usize {
    // Both limits are image sizes, far below 2^53; the cast saturates.
    ((at - 0.5).ceil().clamp(from as f64, to as f64)) as usize
}
