//! Step 1: one normalised grey image from any mammogram.
//!
//! Digitised film, FFDM and 8-bit exports differ in where air and tissue lie on the grey scale, and film carries labels and
//! white borders. All are brought to one scale: air, labels and borders 0, the breast's own levels stretched linearly. The
//! decisions are made on a thumbnail, so that a 14-megapixel image takes a few tens of milliseconds.

use rayon::prelude::*;

use crate::raster::{GrayImage, Mask};
use crate::study::Study;

/// The normalised image at native resolution: 0 is air, 65535 the brightest tissue; MONOCHROME1 already inverted.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub image: GrayImage,
}

/// Normalises a study. The one function for training and for reading.
pub fn prepare(study: &Study) -> Prepared {
    normalise(&study.default_display())
}

/// Normalises display values (0 black … 65535 white, padding 0).
///
/// The breast's 1st and 99.8th percentiles become [`FLOOR`] and 65535, linearly; everything else is 0. An image without air,
/// such as a crop of a lesion, has nothing masked: only its levels are stretched.
pub fn normalise(display: &GrayImage) -> Prepared {
    let thumbnail = Thumbnail::of(display);
    let breast = thumbnail.breast();
    let tissue = thumbnail.values_in(breast.as_ref().map(|b| &b.core));
    let Some(levels) = levels(tissue) else {
        return Prepared { image: display.clone() };
    };
    let mut image = display.clone();
    let width = image.width().max(1);
    image.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        let kept = breast.as_ref().map(|b| b.kept.row(y / thumbnail.step));
        for (cell, values) in row.chunks_mut(thumbnail.step).enumerate() {
            match kept {
                Some(kept) if !kept[cell] => values.fill(0),
                _ => values.iter_mut().for_each(|v| *v = levels[usize::from(*v)]),
            }
        }
    });
    Prepared { image }
}

/// The level of the breast's 1st percentile: the skin stays apart from air.
const FLOOR: f64 = 0.06 * 65535.0;
/// The thumbnail's longest side at most, in cells.
const CELLS: usize = 512;
/// Air lies in this share of the grey scale, from below.
const AIR_RANGE: f64 = 0.12;
/// Fogged film's air is this bright at most, relative to the brightest tissue.
const BLACK: f64 = 0.15;
/// An image with less air than this share is a crop.
const LEAST_AIR: f64 = 0.02;
/// Components at least this large, relative to the largest, are breast too.
const SECOND_COMPONENT: f64 = 0.25;

/// The image in cells of `step` × `step` pixels (the last ones smaller), each the mean of its pixels.
struct Thumbnail {
    step: usize,
    image: GrayImage,
}

/// What is breast, in thumbnail cells.
struct Breast {
    /// Well inside: gives the levels.
    core: Mask,
    /// With a margin for the fading skin line: what is kept.
    kept: Mask,
}

impl Thumbnail {
    fn of(display: &GrayImage) -> Self {
        let step = display.width().max(display.height()).div_ceil(CELLS).max(1);
        let (width, height) = (display.width().div_ceil(step), display.height().div_ceil(step));
        let mut image = GrayImage::filled(width, height, 0);
        image.data_mut().par_chunks_mut(width.max(1)).enumerate().for_each(|(row, cells)| {
            let lines = row * step..((row + 1) * step).min(display.height());
            let mut sums = vec![(0u64, 0u64); width];
            for y in lines {
                for (sum, values) in sums.iter_mut().zip(display.row(y).chunks(step)) {
                    sum.0 += values.iter().map(|&v| u64::from(v)).sum::<u64>();
                    sum.1 += values.len() as u64;
                }
            }
            cells.iter_mut().zip(sums).for_each(|(cell, (sum, count))| *cell = (sum / count.max(1)) as u16);
        });
        Self { step, image }
    }

    /// The breast; `None` if the image shows no air and so nothing can be told from it.
    fn breast(&self) -> Option<Breast> {
        let threshold = air_threshold(self.image.data())?;
        let mut tissue = self.image.map(|v| v > threshold);
        clear_borders(&self.image, &mut tissue);
        // Labels that touch the skin hang on by a few cells: opening parts them.
        let eroded = shrink(&shrink(&tissue));
        let core = large_components(&eroded);
        if core.area() == 0 {
            return None;
        }
        let mut kept = core.clone();
        for _ in 0..4 {
            kept = grow(&kept);
            kept.data_mut().iter_mut().zip(tissue.data()).for_each(|(k, &t)| *k &= t);
        }
        Some(Breast { core, kept: grow(&grow(&kept)) })
    }

    /// The values inside `mask`, or all of them.
    fn values_in(&self, mask: Option<&Mask>) -> Vec<u16> {
        match mask {
            None => self.image.data().to_vec(),
            Some(mask) => self.image.data().iter().zip(mask.data()).filter(|(_, m)| **m).map(|(v, _)| *v).collect(),
        }
    }
}

/// Values above this are not air; `None` if there is no air to speak of.
///
/// Air is the lowest peak of the histogram, near black. The threshold is Otsu's on the square root of the values, which parts
/// air from fat rather than fat from dense tissue, but held to the lowest part of the range.
fn air_threshold(values: &[u16]) -> Option<u16> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let low = f64::from(percentile(&sorted, 0.001)?);
    let high = f64::from(percentile(&sorted, 0.99)?);
    let range = high - low;
    // Air is black on every display, and flat: a darkest level far from black, or few pixels near it, is tissue.
    let flat = f64::from(percentile(&sorted, LEAST_AIR)?) - low < 0.04 * range;
    if range <= 0.0 || low > BLACK * high || !flat {
        return None;
    }
    const BINS: usize = 128;
    let mut histogram = [0usize; BINS];
    for &v in &sorted {
        let root = ((f64::from(v) - low) / range).clamp(0.0, 1.0).sqrt();
        histogram[((root * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let root = (otsu(&histogram) + 1) as f64 / BINS as f64;
    Some((low + range * root.powi(2).clamp(0.01, AIR_RANGE)) as u16)
}

/// The last bin of the lower class.
fn otsu(histogram: &[usize]) -> usize {
    let total: usize = histogram.iter().sum();
    let moment: f64 = histogram.iter().enumerate().map(|(i, &n)| i as f64 * n as f64).sum();
    let (mut count, mut sum, mut best, mut split) = (0usize, 0.0, -1.0, 0);
    for (i, &n) in histogram.iter().enumerate() {
        count += n;
        sum += i as f64 * n as f64;
        if count == 0 || count == total {
            continue;
        }
        let (lower, upper) = (count as f64, (total - count) as f64);
        let between = lower * upper * (sum / lower - (moment - sum) / upper).powi(2);
        if between > best {
            (best, split) = (between, i);
        }
    }
    split
}

fn percentile(sorted: &[u16], share: f64) -> Option<u16> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(share * last as f64).round() as usize])
}

/// The map from display values to normalised ones; `None` if the tissue has no contrast.
fn levels(mut tissue: Vec<u16>) -> Option<Vec<u16>> {
    tissue.sort_unstable();
    let low = f64::from(percentile(&tissue, 0.01)?);
    let high = f64::from(percentile(&tissue, 0.998)?);
    if high <= low {
        return None;
    }
    let scale = (65535.0 - FLOOR) / (high - low);
    Some((0..=65535u32).map(|v| (FLOOR + (f64::from(v) - low) * scale).clamp(0.0, 65535.0).round() as u16).collect())
}

/// Takes white strips along the image's edges, as film scanners leave them, out of `tissue`.
fn clear_borders(image: &GrayImage, tissue: &mut Mask) {
    let (width, height) = (image.width(), image.height());
    let white = (f64::from(image.data().iter().copied().max().unwrap_or(0)) * 0.9) as u16;
    let column = |x: usize| (0..height).filter(|&y| image.get(x, y) >= white).count() * 2 > height;
    let row = |y: usize| image.row(y).iter().filter(|&&v| v >= white).count() * 2 > width;
    let (across, down) = (width / 16, height / 16);
    let left = (0..across).take_while(|&x| x < 2 || column(x)).filter(|&x| column(x)).last();
    let right = (0..across).take_while(|&i| i < 2 || column(width - 1 - i)).filter(|&i| column(width - 1 - i)).last();
    let top = (0..down).take_while(|&y| y < 2 || row(y)).filter(|&y| row(y)).last();
    let bottom = (0..down).take_while(|&i| i < 2 || row(height - 1 - i)).filter(|&i| row(height - 1 - i)).last();
    // One cell more for the strip's blurred edge.
    let inner = |strip: Option<usize>| strip.map_or(0, |last| last + 2);
    let (x0, x1) = (inner(left), width.saturating_sub(inner(right)));
    let (y0, y1) = (inner(top), height.saturating_sub(inner(bottom)));
    for y in 0..height {
        for x in 0..width {
            if x < x0 || x >= x1 || y < y0 || y >= y1 {
                tissue.set(x, y, false);
            }
        }
    }
}

/// The largest 4-connected component, and every other of comparable size.
fn large_components(mask: &Mask) -> Mask {
    let (width, height) = (mask.width(), mask.height());
    let mut labels = vec![0usize; width * height];
    let mut areas = vec![0usize];
    let mut stack = Vec::new();
    for seed in 0..labels.len() {
        if !mask.data()[seed] || labels[seed] != 0 {
            continue;
        }
        let label = areas.len();
        areas.push(0);
        labels[seed] = label;
        stack.push(seed);
        while let Some(i) = stack.pop() {
            areas[label] += 1;
            let (x, y) = (i % width, i / width);
            let neighbours = [
                (x > 0).then(|| i - 1),
                (x + 1 < width).then(|| i + 1),
                (y > 0).then(|| i - width),
                (y + 1 < height).then(|| i + width),
            ];
            for n in neighbours.into_iter().flatten() {
                if mask.data()[n] && labels[n] == 0 {
                    labels[n] = label;
                    stack.push(n);
                }
            }
        }
    }
    let largest = areas.iter().copied().max().unwrap_or(0) as f64;
    let keep: Vec<bool> = areas.iter().map(|&a| a > 0 && a as f64 >= SECOND_COMPONENT * largest).collect();
    Mask::new(width, height, labels.into_iter().map(|label| label != 0 && keep[label]).collect())
}

/// One cell of 4-connected growth.
fn grow(mask: &Mask) -> Mask {
    let (width, height) = (mask.width(), mask.height());
    Mask::from_fn(width, height, |x, y| {
        mask.get(x, y)
            || (x > 0 && mask.get(x - 1, y))
            || (x + 1 < width && mask.get(x + 1, y))
            || (y > 0 && mask.get(x, y - 1))
            || (y + 1 < height && mask.get(x, y + 1))
    })
}

/// One cell of 4-connected shrinking; the image's edge does not shrink, because the breast is cut off there.
fn shrink(mask: &Mask) -> Mask {
    grow(&mask.map(|m| !m)).map(|m| !m)
}
