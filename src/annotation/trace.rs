//! The 8-connected components of a mask and their boundaries along pixel edges.
//!
//! A boundary runs on the cracks between pixels, so the even-odd area of a component's contours is exactly its number of
//! pixels, and filling them by pixel centres gives the mask back. (Marching squares would cut every corner.)

use crate::findings::Contour;
use crate::raster::Mask;
use crate::space::{ImagePoint, PixelRect};

/// A connected region of a mask.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskComponent {
    /// Outer boundaries and holes, to be read even-odd; corners only, in pixels.
    pub contours: Vec<Contour>,
    pub bounds: PixelRect,
    /// In pixels.
    pub area: usize,
}

/// The components of `mask`, from top to bottom; `None` when there are more than `max` of them.
pub fn components(mask: &Mask, max: usize) -> Option<Vec<MaskComponent>> {
    // Noise has as many runs as pixels; a mask of `max` lesions has rarely more than a few thousand rows each.
    let runs = runs(mask, max.saturating_mul(2_000).max(1_000_000))?;
    let labels = label(&runs);
    let count = labels.iter().max().map_or(0, |largest| largest + 1);
    if count > max {
        return None;
    }
    let empty = MaskComponent { contours: Vec::new(), bounds: PixelRect::new(usize::MAX, usize::MAX, 0, 0), area: 0 };
    let mut components = vec![empty; count];
    for (run, &label) in runs.iter().zip(&labels) {
        let c = &mut components[label];
        let b = c.bounds;
        c.bounds = PixelRect::new(b.x0.min(run.x0), b.y0.min(run.y), b.x1.max(run.x1), b.y1.max(run.y + 1));
        c.area += run.x1 - run.x0;
    }
    let mut traced = Mask::filled(mask.width(), mask.height(), false);
    for (run, &label) in runs.iter().zip(&labels) {
        for x in run.x0..run.x1 {
            let is_top = !inside(mask, x as isize, run.y as isize - 1);
            if is_top && !traced.row(run.y)[x] {
                components[label].contours.push(trace(mask, &mut traced, x, run.y));
            }
        }
    }
    Some(components)
}

/// Pixels x0..x1 of row y that are inside.
struct Run {
    y: usize,
    x0: usize,
    x1: usize,
}

fn runs(mask: &Mask, max: usize) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    for y in 0..mask.height() {
        let row = mask.row(y);
        let mut x = 0;
        while let Some(start) = row[x..].iter().position(|&v| v) {
            let x0 = x + start;
            x = row[x0..].iter().position(|&v| !v).map_or(row.len(), |length| x0 + length);
            runs.push(Run { y, x0, x1: x });
            if runs.len() > max {
                return None;
            }
        }
    }
    Some(runs)
}

/// A label per run, numbered in the order in which components appear.
fn label(runs: &[Run]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..runs.len()).collect();
    let mut above = 0;
    for i in 0..runs.len() {
        let run = &runs[i];
        // Runs are sorted: those of the row above that may touch this one start at `above`.
        while above < i && (runs[above].y + 1 < run.y || (runs[above].y + 1 == run.y && runs[above].x1 < run.x0)) {
            above += 1;
        }
        let mut j = above;
        // 8-connectivity: runs touch when they overlap or meet at a corner.
        while j < i && runs[j].y + 1 == run.y && runs[j].x0 <= run.x1 {
            let (a, b) = (root(&mut parent, j), root(&mut parent, i));
            parent[a.max(b)] = a.min(b);
            j += 1;
        }
    }
    let mut number = vec![usize::MAX; runs.len()];
    let mut next = 0;
    (0..runs.len())
        .map(|i| {
            let r = root(&mut parent, i);
            if number[r] == usize::MAX {
                number[r] = next;
                next += 1;
            }
            number[r]
        })
        .collect()
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

fn inside(mask: &Mask, x: isize, y: isize) -> bool {
    let in_range = x >= 0 && y >= 0 && (x as usize) < mask.width() && (y as usize) < mask.height();
    in_range && mask.row(y as usize)[x as usize]
}

/// The boundary that begins along the top edge of pixel (x, y), heading east with the inside on the right. Marks the top
/// edges it passes in `traced`.
fn trace(mask: &Mask, traced: &mut Mask, x: usize, y: usize) -> Contour {
    const EAST: (isize, isize) = (1, 0);
    let start = (x as isize, y as isize);
    let (mut vertex, mut heading) = (start, EAST);
    let mut points = Vec::new();
    loop {
        if heading == EAST {
            let index = vertex.1 as usize * mask.width() + vertex.0 as usize;
            traced.data_mut()[index] = true;
        }
        vertex = (vertex.0 + heading.0, vertex.1 + heading.1);
        let (dx, dy) = heading;
        // The pixels ahead of the vertex, whose coordinates are those of the pixel below and right of it.
        let ahead = |side: isize| {
            let px = vertex.0 + (dx - 1 - side * dy).div_euclid(2);
            let py = vertex.1 + (dy - 1 + side * dx).div_euclid(2);
            inside(mask, px, py)
        };
        // Left first: pixels that meet at a corner belong together.
        let turned = if ahead(-1) {
            (dy, -dx)
        } else if ahead(1) {
            heading
        } else {
            (-dy, dx)
        };
        if turned != heading {
            points.push(ImagePoint::new(vertex.0 as f64, vertex.1 as f64));
        }
        heading = turned;
        if vertex == start && heading == EAST {
            return Contour { points };
        }
    }
}
