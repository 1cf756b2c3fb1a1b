//! Images in memory. All are row-major `[height, width]`, one value per pixel, (0, 0) the top-left pixel.

use crate::space::PixelRect;

/// A 16-bit grey image. What its values mean (stored values, normalised grey) is said where it is made.
pub type GrayImage = Raster<u16>;
/// Probabilities in [0, 1].
pub type ProbabilityMap = Raster<f32>;
/// True is inside.
pub type Mask = Raster<bool>;

/// A row-major image `[height, width]` with one value per pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster<T> {
    width: usize,
    height: usize,
    data: Vec<T>,
}

impl<T: Copy> Raster<T> {
    /// Wraps `data` of length `width * height`.
    ///
    /// # Panics
    /// If the length does not match: the caller made it, so that is a defect and not bad input.
    pub fn new(width: usize, height: usize, data: Vec<T>) -> Self {
        assert_eq!(data.len(), width * height, "a raster of {width}×{height} needs that many values");
        Self { width, height, data }
    }

    /// An image of one value.
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Self { width, height, data: vec![value; width * height] }
    }

    /// The image whose pixel at column x, row y is `value(x, y)`.
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend((0..width).map(|x| value(x, y)));
        }
        Self { width, height, data }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// The value at column `x`, row `y`.
    #[inline]
    pub fn get(&self, x: usize, y: usize) -> T {
        self.data[y * self.width + x]
    }

    #[inline]
    pub fn set(&mut self, x: usize, y: usize, value: T) {
        self.data[y * self.width + x] = value;
    }

    /// All values, row by row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// Row `y`, of `width` values.
    pub fn row(&self, y: usize) -> &[T] {
        &self.data[y * self.width..(y + 1) * self.width]
    }

    /// The whole image as a rectangle.
    pub fn bounds(&self) -> PixelRect {
        PixelRect { x0: 0, y0: 0, x1: self.width, y1: self.height }
    }

    /// Each value mapped by `f`.
    pub fn map<U: Copy>(&self, f: impl FnMut(T) -> U) -> Raster<U> {
        Raster { width: self.width, height: self.height, data: self.data.iter().copied().map(f).collect() }
    }

    /// A copy of the part inside `rect`, which is clipped to the image.
    pub fn crop(&self, rect: PixelRect) -> Self {
        let rect = rect.intersection(self.bounds());
        let mut data = Vec::with_capacity(rect.width() * rect.height());
        for y in rect.y0..rect.y1 {
            data.extend_from_slice(&self.row(y)[rect.x0..rect.x1]);
        }
        Self { width: rect.width(), height: rect.height(), data }
    }
}

impl Mask {
    /// The number of pixels inside.
    pub fn area(&self) -> usize {
        self.data.iter().filter(|inside| **inside).count()
    }
}
