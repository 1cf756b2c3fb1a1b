//! Where image pixels lie on the screen.
//!
//! Screen places are egui points (`Pos2`); *physical* pixels are points × pixels per point. Zoom is physical pixels per
//! image pixel, so that zoom 1 shows each image pixel as one screen pixel. All arithmetic is in f64: at 100 megapixels
//! f32 would leave marks and pixels apart.

use egui::{Pos2, Rect, Vec2, pos2};

use crate::space::{ImagePoint, ImageRect};

/// How the image is turned and mirrored on the screen: screen axes from image axes, a signed permutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation([[i8; 2]; 2]);

impl Default for Orientation {
    fn default() -> Self {
        Self([[1, 0], [0, 1]])
    }
}

impl Orientation {
    /// Turned clockwise by a quarter on the screen.
    pub fn turned_right(self) -> Self {
        let [x, y] = self.0;
        Self([[-y[0], -y[1]], x])
    }

    /// Turned anticlockwise by a quarter on the screen.
    pub fn turned_left(self) -> Self {
        let [x, y] = self.0;
        Self([y, [-x[0], -x[1]]])
    }

    /// Mirrored left to right on the screen.
    pub fn flipped(self) -> Self {
        let [x, y] = self.0;
        Self([[-x[0], -x[1]], y])
    }

    /// Whether the image's columns run along the screen's vertical.
    pub fn swaps_axes(self) -> bool {
        self.0[0][0] == 0
    }

    /// A vector in image axes turned into screen axes.
    pub fn apply(self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.0.map(|row| f64::from(row[0]) * x + f64::from(row[1]) * y)
    }

    /// A vector in screen axes turned into image axes: the transpose.
    pub fn unapply(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b] = self.0;
        [f64::from(a[0]) * x + f64::from(b[0]) * y, f64::from(a[1]) * x + f64::from(b[1]) * y]
    }
}

/// The placement of an image in an area of the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewTransform {
    /// The area, in points.
    pub area: Rect,
    pub pixels_per_point: f32,
    /// Physical pixels per image pixel.
    pub zoom: f64,
    pub orientation: Orientation,
    /// Physical pixel of the image's (0, 0).
    origin: [f64; 2],
}

impl ViewTransform {
    /// Shows `center` at the middle of `area`. At whole-numbered zooms the image is moved by up to half a physical pixel, so
    /// that image pixels fall on whole screen pixels and stay sharp.
    pub fn new(area: Rect, pixels_per_point: f32, zoom: f64, center: ImagePoint, orientation: Orientation) -> Self {
        let scale = f64::from(pixels_per_point);
        let middle = area.center();
        let [cx, cy] = orientation.apply([center.x, center.y]);
        let mut origin = [f64::from(middle.x) * scale - cx * zoom, f64::from(middle.y) * scale - cy * zoom];
        if zoom >= 1.0 && zoom.fract() == 0.0 {
            origin = origin.map(f64::round);
        }
        Self { area, pixels_per_point, zoom, orientation, origin }
    }

    /// Points from image pixels.
    pub fn screen_from_image(&self, p: ImagePoint) -> Pos2 {
        let [x, y] = self.orientation.apply([p.x, p.y]);
        let scale = f64::from(self.pixels_per_point);
        pos2(((self.origin[0] + x * self.zoom) / scale) as f32, ((self.origin[1] + y * self.zoom) / scale) as f32)
    }

    /// The rectangle on the screen, in points, upright in any orientation.
    pub fn screen_from_rect(&self, rect: ImageRect) -> Rect {
        let a = self.screen_from_image(ImagePoint::new(rect.x0, rect.y0));
        let b = self.screen_from_image(ImagePoint::new(rect.x1, rect.y1));
        Rect::from_two_pos(a, b)
    }

    /// Image pixels from points.
    pub fn image_from_screen(&self, p: Pos2) -> ImagePoint {
        let scale = f64::from(self.pixels_per_point);
        self.image_from_physical([f64::from(p.x) * scale, f64::from(p.y) * scale])
    }

    /// Image pixels from physical pixels (pixel centres at .5).
    pub fn image_from_physical(&self, [x, y]: [f64; 2]) -> ImagePoint {
        let [x, y] = self.orientation.unapply([(x - self.origin[0]) / self.zoom, (y - self.origin[1]) / self.zoom]);
        ImagePoint::new(x, y)
    }

    /// Physical pixels from image pixels.
    pub fn physical_from_image(&self, p: ImagePoint) -> [f64; 2] {
        let [x, y] = self.orientation.apply([p.x, p.y]);
        [self.origin[0] + x * self.zoom, self.origin[1] + y * self.zoom]
    }

    /// The part of the image plane that the area shows.
    pub fn visible(&self) -> ImageRect {
        let a = self.image_from_screen(self.area.min);
        let b = self.image_from_screen(self.area.max);
        ImageRect::new(a.x.min(b.x), a.y.min(b.y), a.x.max(b.x), a.y.max(b.y))
    }

    /// A movement on the screen, in points, as a movement in image pixels.
    pub fn image_from_screen_delta(&self, delta: Vec2) -> [f64; 2] {
        let scale = f64::from(self.pixels_per_point) / self.zoom;
        self.orientation.unapply([f64::from(delta.x) * scale, f64::from(delta.y) * scale])
    }

    /// Points per image pixel.
    pub fn points_per_pixel(&self) -> f64 {
        self.zoom / f64::from(self.pixels_per_point)
    }
}
