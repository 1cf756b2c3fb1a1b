//! The mammogram with its marks: what the reader looks at.

mod cache;
mod input;
mod legend;
mod overlay;
mod pen;
mod readout;
mod simplify;
mod view;

pub use view::ViewState;

use eframe::egui_wgpu::Callback;
use egui::{Color32, Id, Painter, Response, Sense, WidgetInfo, WidgetType};

use crate::render::{Heat, ImageHandle, ScenePaint, ViewTransform};
use crate::session::Session;
use crate::space::NetSize;

/// Around the image.
const BACKGROUND: Color32 = Color32::from_gray(6);

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
            heatmap_opacity: 0.3,
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
        heatmap_opacity: 0.3,
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
    view: &mut ViewState,
    scene: &Scene<'_>,
    out: &mut Vec<ViewportEvent>,
) -> Response {
    let (_, area) = ui.allocate_space(ui.available_size());
    let response = ui.interact(area, ui.unique_id().with("mammogram"), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Image, true, "Mammogram"));
    if !area.is_positive() {
        return response;
    }
    let image = &scene.image.study().image;
    let (width, height) = (image.width(), image.height());
    let pixels_per_point = ui.ctx().pixels_per_point();
    let transform = view.resolve(area, pixels_per_point, width, height);
    input::interact(ui, &response, view, &transform, scene, out);
    let transform = view.resolve(area, pixels_per_point, width, height);

    let painter = ui.painter_at(area);
    paint_scene(&painter, response.id, view, transform, scene);
    overlay::marks(&painter, view, &transform, scene);
    let (corner, anchor) = readout::readouts(&painter, view, &transform, scene, response.hover_pos());
    legend::legend(&painter, scene, corner, anchor);
    response
}

fn paint_scene(painter: &Painter, id: Id, view: &mut ViewState, transform: ViewTransform, scene: &Scene<'_>) {
    let opacity = scene.layers.heatmap_opacity.clamp(0.0, 1.0);
    let reading = scene.session.reading().filter(|_| scene.layers.heatmap && opacity > 0.0);
    let paint = ScenePaint {
        id,
        image: scene.image.clone(),
        transform,
        lut: view.display_lut(&scene.image.study().grayscale),
        heat: reading.map(|reading| Heat { reading: reading.clone(), opacity }),
        background: [BACKGROUND.r(), BACKGROUND.g(), BACKGROUND.b()],
        ctx: painter.ctx().clone(),
    };
    painter.add(Callback::new_paint_callback(transform.area, paint));
}
