//! How one image is looked at: place, zoom, orientation, window. Changed by the pointer in `input`, and by keys and
//! menus through the methods here.

use std::sync::Arc;

use egui::{Pos2, Rect};

use super::cache::MarkCache;
use crate::render::{Orientation, ViewTransform};
use crate::space::{ImagePoint, ImageRect};
use crate::study::{Grayscale, Voi};

/// Physical screen pixels per image pixel, at most.
const MAX_ZOOM: f64 = 48.0;
/// How far beyond fit one may zoom out.
const MIN_ZOOM_OF_FIT: f64 = 0.5;
/// A finding fills at most this part of the area when it is gone to.
const FINDING_FILL: f64 = 0.4;
/// Going to a small finding magnifies no further.
const MAX_FINDING_ZOOM: f64 = 3.0;

/// The reader's view of one image. The default shows all of it through the file's own window.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// The whole image is kept in view when the area changes size.
    fitted: bool,
    /// Physical pixels per image pixel, as last shown or asked for.
    zoom: f64,
    /// The image point in the middle of the area; `None`: the middle of the image.
    center: Option<ImagePoint>,
    /// To be brought into view by the next layout.
    target: Option<ImageRect>,
    orientation: Orientation,
    invert: bool,
    choice: usize,
    hand_set: Option<Voi>,
    /// The candidate under the pointer, an index into the session's candidates.
    pub hovered: Option<usize>,
    lut: Option<CachedLut>,
    pub(super) marks: MarkCache,
}

#[derive(Clone, Debug)]
struct CachedLut {
    voi: Voi,
    invert: bool,
    lut: Arc<Vec<u16>>,
}

impl Default for ViewState {
    fn default() -> Self {
        Self {
            fitted: true,
            zoom: 1.0,
            center: None,
            target: None,
            orientation: Orientation::default(),
            invert: false,
            choice: 0,
            hand_set: None,
            hovered: None,
            lut: None,
            marks: MarkCache::default(),
        }
    }
}

/// Place and zoom.
impl ViewState {
    /// Shows the whole image, also when the area changes size.
    pub fn fit(&mut self) {
        self.fitted = true;
        self.target = None;
    }

    /// One image pixel per screen pixel, about the middle of the view.
    pub fn one_to_one(&mut self) {
        self.set_zoom(1.0);
    }

    /// Life size: `image_mm` millimetres per image pixel on a screen of `screen_mm` millimetres per physical pixel.
    pub fn true_size(&mut self, image_mm: f64, screen_mm: f64) {
        let zoom = image_mm / screen_mm;
        if zoom.is_finite() && zoom > 0.0 {
            self.set_zoom(zoom);
        }
    }

    /// Magnifies by `factor` about the middle of the view.
    pub fn zoom_by(&mut self, factor: f64) {
        self.set_zoom(self.zoom * factor);
    }

    /// Brings `rect` to the middle of the view with its surroundings.
    pub fn go_to(&mut self, rect: ImageRect) {
        self.target = Some(rect);
        self.fitted = false;
    }

    /// Moves the view by image pixels.
    pub fn pan_by(&mut self, dx: f64, dy: f64) {
        if let Some(center) = &mut self.center {
            *center = ImagePoint::new(center.x + dx, center.y + dy);
            self.fitted = false;
        }
    }

    pub fn is_fitted(&self) -> bool {
        self.fitted
    }

    /// Physical pixels per image pixel, as last shown.
    pub fn zoom(&self) -> f64 {
        self.zoom
    }

    /// The image point in the middle of the view, once shown.
    pub fn center(&self) -> Option<ImagePoint> {
        self.center
    }

    fn set_zoom(&mut self, zoom: f64) {
        self.zoom = zoom;
        self.fitted = false;
        self.target = None;
    }

    /// Magnifies by `factor` so that the image point at `anchor` on the screen stays there.
    pub(super) fn zoom_at(
        &mut self,
        transform: &ViewTransform,
        anchor: Pos2,
        factor: f64,
        width: usize,
        height: usize,
    ) {
        let (min, max) = zoom_limits(transform, width, height);
        let zoom = (transform.zoom * factor).clamp(min, max);
        let fixed = transform.image_from_screen(anchor);
        let middle = transform.image_from_screen(transform.area.center());
        let ratio = transform.zoom / zoom;
        self.set_zoom(zoom);
        self.center =
            Some(ImagePoint::new(fixed.x + (middle.x - fixed.x) * ratio, fixed.y + (middle.y - fixed.y) * ratio));
    }

    /// Where the image of `width` × `height` pixels lies in `area`; carries out what was asked for since the last frame and
    /// keeps zoom and place within limits, so that the image cannot be lost.
    pub(super) fn resolve(&mut self, area: Rect, pixels_per_point: f32, width: usize, height: usize) -> ViewTransform {
        let (w, h) = (width as f64, height as f64);
        let middle = ImagePoint::new(w / 2.0, h / 2.0);
        let unzoomed = ViewTransform::new(area, pixels_per_point, 1.0, middle, self.orientation);
        if let Some(rect) = self.target.take() {
            self.zoom = fill_zoom(&unzoomed, rect.width(), rect.height()) * FINDING_FILL;
            self.zoom = self.zoom.min(MAX_FINDING_ZOOM).max(fit_zoom(&unzoomed, width, height));
            self.center = Some(rect.center());
        }
        if self.fitted {
            self.zoom = fit_zoom(&unzoomed, width, height);
            self.center = None;
        }
        let (min, max) = zoom_limits(&unzoomed, width, height);
        self.zoom = self.zoom.clamp(min, max);
        let center = self.center.unwrap_or(middle);
        let center = ImagePoint::new(center.x.clamp(0.0, w), center.y.clamp(0.0, h));
        self.center = Some(center);
        ViewTransform::new(area, pixels_per_point, self.zoom, center, self.orientation)
    }
}

/// Orientation.
impl ViewState {
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    pub fn turn_right(&mut self) {
        self.orientation = self.orientation.turned_right();
    }

    pub fn turn_left(&mut self) {
        self.orientation = self.orientation.turned_left();
    }

    /// Mirrors left to right.
    pub fn flip(&mut self) {
        self.orientation = self.orientation.flipped();
    }
}

/// Grey scale.
impl ViewState {
    pub fn toggle_invert(&mut self) {
        self.invert = !self.invert;
    }

    pub fn is_inverted(&self) -> bool {
        self.invert
    }

    /// Uses the file's window or LUT at `index` in `Grayscale::choices`; a hand-set window is dropped.
    pub fn choose_voi(&mut self, index: usize) {
        self.choice = index;
        self.hand_set = None;
    }

    /// The index of the file's choice in use; `None` while a window is set by hand.
    pub fn chosen_voi(&self) -> Option<usize> {
        self.hand_set.is_none().then_some(self.choice)
    }

    /// Sets a window by hand.
    pub fn set_voi(&mut self, voi: Voi) {
        self.hand_set = Some(voi);
    }

    /// The transformation in use.
    pub fn voi(&self, grayscale: &Grayscale) -> Voi {
        let chosen = || grayscale.choices.get(self.choice).or(grayscale.choices.first());
        match (&self.hand_set, chosen()) {
            (Some(voi), _) => voi.clone(),
            (None, Some(choice)) => choice.voi.clone(),
            (None, None) => Voi::Linear { center: 32768.0, width: 65536.0 },
        }
    }

    /// Display values by code, computed when the window or the inversion has changed.
    pub(super) fn display_lut(&mut self, grayscale: &Grayscale) -> Arc<Vec<u16>> {
        let voi = self.voi(grayscale);
        match &self.lut {
            Some(cached) if cached.voi == voi && cached.invert == self.invert => cached.lut.clone(),
            _ => {
                let lut = Arc::new(grayscale.display_lut(&voi, self.invert));
                self.lut = Some(CachedLut { voi, invert: self.invert, lut: lut.clone() });
                lut
            }
        }
    }
}

/// The zoom at which `width` × `height` image pixels just fill the area.
fn fill_zoom(transform: &ViewTransform, width: f64, height: f64) -> f64 {
    let [w, h] = transform.orientation.apply([width, height]).map(|side| side.abs().max(1.0));
    let area = transform.area.size() * transform.pixels_per_point;
    (f64::from(area.x) / w).min(f64::from(area.y) / h).max(1e-6)
}

fn fit_zoom(transform: &ViewTransform, width: usize, height: usize) -> f64 {
    fill_zoom(transform, width as f64, height as f64)
}

fn zoom_limits(transform: &ViewTransform, width: usize, height: usize) -> (f64, f64) {
    let fit = fit_zoom(transform, width, height);
    ((fit * MIN_ZOOM_OF_FIT).min(1.0), MAX_ZOOM.max(fit))
}
