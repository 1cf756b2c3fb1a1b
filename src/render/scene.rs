//! What a viewport paints through wgpu: the image and the heatmap over it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::PaintCallbackInfo;

use super::canvas::{CANVAS_FORMAT, Canvas, CanvasPlace, CopyPass};
use super::heat::{Heat, HeatPass, warm_part};
use super::image::{ImageData, ImageHandle, ImagePass, sampling};
use super::transform::ViewTransform;
use super::uniforms::Sampling;
use crate::session::Reading;
use crate::space::PixelRect;

/// Draws an image; for `egui_wgpu::Callback::new_paint_callback` with the transform's area.
pub struct ScenePaint {
    /// Of the viewport, unique in a frame.
    pub id: egui::Id,
    pub image: ImageHandle,
    pub transform: ViewTransform,
    /// 65,536 display values by code; a new allocation when they have changed.
    pub lut: Arc<Vec<u16>>,
    pub heat: Option<Heat>,
    /// Around the image.
    pub background: [u8; 3],
    /// Asked for another frame while some of the image is still to be copied to the device.
    pub ctx: egui::Context,
}

impl CallbackTrait for ScenePaint {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(pass) = resources.get_mut::<ScenePass>() {
            pass.prepare(device, queue, screen, encoder, self);
        }
        Vec::new()
    }

    fn paint(&self, info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        if let Some(scenes) = resources.get::<ScenePass>()
            && let Some(view) = scenes.views.get(&self.id)
        {
            scenes.copy.paint(&info, pass, &view.canvas);
        }
    }
}

/// The passes and, per viewport, the canvas with what is on it.
pub struct ScenePass {
    image: ImagePass,
    heat: HeatPass,
    copy: CopyPass,
    views: HashMap<egui::Id, View>,
    /// Drivers, the software ones above all, compile a pipeline when it first draws. That is done in a frame in which little
    /// happens, not when the reader first zooms in or the analysis is done.
    is_warm: bool,
}

struct View {
    canvas: Canvas,
    drawn: Drawn,
}

/// What is on a canvas; it keeps nothing alive.
struct Drawn {
    image: Weak<ImageData>,
    /// The mip levels it was drawn from.
    sampling: Sampling,
    transform: ViewTransform,
    lut: Weak<Vec<u16>>,
    heat: Option<(Weak<Reading>, f32)>,
    background: [u8; 3],
}

impl Drawn {
    fn new(paint: &ScenePaint, finest: u32) -> Self {
        Self {
            image: paint.image.downgrade(),
            // What is not sampled does not show.
            sampling: Sampling { finest: 0, ..sampling(paint.transform.zoom, finest) },
            transform: paint.transform,
            lut: Arc::downgrade(&paint.lut),
            heat: paint.heat.as_ref().map(|heat| (Arc::downgrade(&heat.reading), heat.opacity)),
            background: paint.background,
        }
    }

    fn looks_like(&self, other: &Self) -> bool {
        let heat = match (&self.heat, &other.heat) {
            (None, None) => true,
            (Some(a), Some(b)) => a.0.ptr_eq(&b.0) && a.1 == b.1,
            _ => false,
        };
        heat && self.looks_like_under_heat(other)
    }

    fn looks_like_under_heat(&self, other: &Self) -> bool {
        self.image.ptr_eq(&other.image)
            && self.sampling == other.sampling
            && self.transform == other.transform
            && self.lut.ptr_eq(&other.lut)
            && self.background == other.background
    }
}

impl Drawn {
    /// The part of the image that alone looks different, where only the heat has changed and is still known.
    fn changed_part(&self, other: &Self) -> Option<PixelRect> {
        if !self.looks_like_under_heat(other) {
            return None;
        }
        let part = |drawn: &Self| match &drawn.heat {
            Some((reading, _)) => Some(warm_part(&reading.upgrade()?.fused)),
            None => Some(PixelRect::default()),
        };
        let (a, b) = (part(self)?, part(other)?);
        Some(match (a.is_empty(), b.is_empty()) {
            (true, _) => b,
            (_, true) => a,
            _ => PixelRect::new(a.x0.min(b.x0), a.y0.min(b.y0), a.x1.max(b.x1), a.y1.max(b.y1)),
        })
    }
}

impl ScenePass {
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        Self {
            image: ImagePass::new(device, CANVAS_FORMAT),
            heat: HeatPass::new(device, CANVAS_FORMAT),
            copy: CopyPass::new(device, target),
            views: HashMap::new(),
            is_warm: false,
        }
    }

    fn prepare(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        paint: &ScenePaint,
    ) {
        self.views.retain(|_, view| view.drawn.image.strong_count() > 0);
        let upload = self.image.upload(device, queue, &paint.image, paint.transform.zoom);
        if !upload.complete {
            paint.ctx.request_repaint();
        }
        let place = CanvasPlace::new(paint.transform.area, screen, device.limits().max_texture_dimension_2d);
        let wanted = Drawn::new(paint, upload.finest);
        let before = self.views.remove(&paint.id).filter(|view| view.canvas.place == place);
        let canvas = match before {
            Some(view) if view.drawn.looks_like(&wanted) => view.canvas,
            other => {
                let changed = other.as_ref().and_then(|view| view.drawn.changed_part(&wanted));
                let canvas = other.map_or_else(|| self.copy.canvas(device, queue, place), |view| view.canvas);
                self.image.prepare(device, queue, paint, place, upload.finest);
                self.heat.prepare(device, queue, paint, place);
                let (mut pass, part) = match changed {
                    Some(part) => (canvas.draw_on(encoder), part),
                    None => (canvas.draw(encoder, paint.background), paint.image.level(0).bounds()),
                };
                self.image.draw(&mut pass, paint, place, part);
                self.heat.draw(&mut pass, paint, place);
                canvas
            }
        };
        self.views.insert(paint.id, View { canvas, drawn: wanted });
        if upload.complete && !self.is_warm {
            self.is_warm = true;
            self.warm_up(device, queue, encoder, paint);
        }
    }

    fn warm_up(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        paint: &ScenePaint,
    ) {
        let unseen = self.copy.canvas(device, queue, CanvasPlace { left: 0, top: 0, width: 1, height: 1 });
        let mut pass = unseen.draw(encoder, [0; 3]);
        self.image.warm_up(&mut pass, paint);
        self.heat.warm_up(device, queue, &mut pass);
    }
}
