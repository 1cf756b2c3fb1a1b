//! Places and lengths, a type per coordinate system.
//!
//! - *Image pixels*: x to the right, y down, in f64; (0, 0) is the top-left **corner** of the top-left pixel, so the centre of
//!   that pixel is (0.5, 0.5). Everything that is stored or exported is in image pixels.
//! - *Network pixels*: the same convention on the resized image that a network sees.
//! - *Millimetres*: only where the spacing is known.
//!
//! Rectangles are half-open, [min, max). Transforms are named target-from-source.

use serde::{Deserialize, Serialize};

/// A point in image pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImagePoint {
    pub x: f64,
    pub y: f64,
}

impl ImagePoint {
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// Distance in pixels.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// A half-open rectangle in image pixels, with subpixel edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageRect {
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
}

impl ImageRect {
    pub const fn new(x0: f64, y0: f64, x1: f64, y1: f64) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// Zero where the rectangle is inverted.
    pub fn width(&self) -> f64 {
        (self.x1 - self.x0).max(0.0)
    }

    pub fn height(&self) -> f64 {
        (self.y1 - self.y0).max(0.0)
    }

    pub fn area(&self) -> f64 {
        self.width() * self.height()
    }

    pub fn center(&self) -> ImagePoint {
        ImagePoint::new((self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0)
    }

    pub fn contains(&self, p: ImagePoint) -> bool {
        p.x >= self.x0 && p.x < self.x1 && p.y >= self.y0 && p.y < self.y1
    }

    /// The common part; of zero area where there is none.
    pub fn intersection(&self, other: &Self) -> Self {
        let x0 = self.x0.max(other.x0);
        let y0 = self.y0.max(other.y0);
        Self { x0, y0, x1: self.x1.min(other.x1).max(x0), y1: self.y1.min(other.y1).max(y0) }
    }

    /// Intersection over union, 0 for two empty rectangles.
    pub fn iou(&self, other: &Self) -> f64 {
        let common = self.intersection(other).area();
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
}

/// A half-open rectangle of whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PixelRect {
    pub x0: usize,
    pub y0: usize,
    pub x1: usize,
    pub y1: usize,
}

impl PixelRect {
    pub const fn new(x0: usize, y0: usize, x1: usize, y1: usize) -> Self {
        Self { x0, y0, x1, y1 }
    }

    pub fn width(&self) -> usize {
        self.x1.saturating_sub(self.x0)
    }

    pub fn height(&self) -> usize {
        self.y1.saturating_sub(self.y0)
    }

    pub fn is_empty(&self) -> bool {
        self.width() == 0 || self.height() == 0
    }

    pub fn intersection(self, other: Self) -> Self {
        let x0 = self.x0.max(other.x0);
        let y0 = self.y0.max(other.y0);
        Self { x0, y0, x1: self.x1.min(other.x1).max(x0), y1: self.y1.min(other.y1).max(y0) }
    }
}

impl From<PixelRect> for ImageRect {
    fn from(r: PixelRect) -> Self {
        Self::new(r.x0 as f64, r.y0 as f64, r.x1 as f64, r.y1 as f64)
    }
}

/// A network's input size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetSize {
    pub width: usize,
    pub height: usize,
}

impl NetSize {
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }
}

impl std::fmt::Display for NetSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// A half-open rectangle in network pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetRect {
    pub x0: f32,
    pub y0: f32,
    pub x1: f32,
    pub y1: f32,
}

/// The rectangle that `rect`, on a network's input of `net` pixels, covers on an image of `width` × `height` pixels; the
/// whole image was resized to the whole input, aspect not kept. Not clipped.
pub fn image_from_net(rect: NetRect, net: NetSize, width: usize, height: usize) -> ImageRect {
    let sx = width as f64 / net.width as f64;
    let sy = height as f64 / net.height as f64;
    ImageRect::new(f64::from(rect.x0) * sx, f64::from(rect.y0) * sy, f64::from(rect.x1) * sx, f64::from(rect.y1) * sy)
}

/// A length in millimetres.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Millimetres(pub f64);
