//! Regions as runs of pixels per row: overlaps of small regions on a large image without an image-sized mask.

use crate::space::PixelRect;

/// A set of image pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spans {
    /// (row, first column, column after the last); by row, then column; neither empty, overlapping nor touching.
    runs: Vec<(usize, usize, usize)>,
}

impl Spans {
    /// The pixels of `region` whose values are inside; `row` gives the values of a row of the region, counted from its top.
    pub fn of_rows<'a, T: Copy + 'a>(
        region: PixelRect,
        row: impl Fn(usize) -> &'a [T],
        inside: impl Fn(T) -> bool,
    ) -> Self {
        let mut runs = Vec::new();
        for y in 0..region.height() {
            let values = &row(y)[..region.width()];
            let mut x = 0;
            while let Some(skipped) = values[x..].iter().position(|v| inside(*v)) {
                let start = x + skipped;
                x = values[start..].iter().position(|v| !inside(*v)).map_or(values.len(), |length| start + length);
                runs.push((region.y0 + y, region.x0 + start, region.x0 + x));
            }
        }
        Self { runs }
    }

    /// All pixels that lie in any of `parts`.
    pub fn union<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut all: Vec<_> = parts.flat_map(|p| p.runs.iter().copied()).collect();
        all.sort_unstable();
        let mut runs: Vec<(usize, usize, usize)> = Vec::with_capacity(all.len());
        for (y, x0, x1) in all {
            match runs.last_mut() {
                Some(last) if last.0 == y && last.2 >= x0 => last.2 = last.2.max(x1),
                _ => runs.push((y, x0, x1)),
            }
        }
        Self { runs }
    }

    /// The number of pixels.
    pub fn area(&self) -> usize {
        self.runs.iter().map(|(_, x0, x1)| x1 - x0).sum()
    }

    /// The number of pixels in both.
    pub fn common_area(&self, other: &Self) -> usize {
        let (mut a, mut b) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        let mut area = 0;
        while let (Some(&&(ya, xa0, xa1)), Some(&&(yb, xb0, xb1))) = (a.peek(), b.peek()) {
            if ya == yb {
                area += xa1.min(xb1).saturating_sub(xa0.max(xb0));
            }
            if (ya, xa1) <= (yb, xb1) {
                a.next();
            } else {
                b.next();
            }
        }
        area
    }
}
