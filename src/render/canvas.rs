//! A viewport's image and heatmap, drawn once and kept: frames in which only marks, panels or the pointer have changed copy
//! it, which costs one texture read per pixel. Without a graphics card that is what keeps the window fluent.

use eframe::egui_wgpu::ScreenDescriptor;
use egui::{PaintCallbackInfo, Rect, epaint::ViewportInPixels};

use super::gpu;

/// Display values; blending is on those, as egui's is.
pub const CANVAS_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// The physical pixels of the window that a canvas stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasPlace {
    pub left: i32,
    pub top: i32,
    pub width: u32,
    pub height: u32,
}

impl CanvasPlace {
    /// The part of the window at `area`, in points.
    pub fn new(area: Rect, screen: &ScreenDescriptor, max_side: u32) -> Self {
        let px = ViewportInPixels::from_points(&area, screen.pixels_per_point, screen.size_in_pixels);
        let side = |length: i32| (length.max(1) as u32).min(max_side);
        Self { left: px.left_px, top: px.top_px, width: side(px.width_px), height: side(px.height_px) }
    }

    /// The top-left corner in physical pixels.
    pub fn corner(self) -> [f64; 2] {
        [f64::from(self.left), f64::from(self.top)]
    }
}

/// A canvas and what copies it to the window.
pub struct Canvas {
    pub place: CanvasPlace,
    view: wgpu::TextureView,
    bind_group: wgpu::BindGroup,
}

impl Canvas {
    /// Starts drawing afresh, on `background`.
    pub fn draw<'a>(&self, encoder: &'a mut wgpu::CommandEncoder, background: [u8; 3]) -> wgpu::RenderPass<'a> {
        let [r, g, b] = background.map(|v| f64::from(v) / 255.0);
        self.begin(encoder, wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a: 1.0 }))
    }

    /// Goes on drawing on what is there.
    pub fn draw_on<'a>(&self, encoder: &'a mut wgpu::CommandEncoder) -> wgpu::RenderPass<'a> {
        self.begin(encoder, wgpu::LoadOp::Load)
    }

    fn begin<'a>(
        &self,
        encoder: &'a mut wgpu::CommandEncoder,
        load: wgpu::LoadOp<wgpu::Color>,
    ) -> wgpu::RenderPass<'a> {
        encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("canvas"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        })
    }
}

/// Copies canvases to the window.
pub struct CopyPass {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
}

impl CopyPass {
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let color = wgpu::TextureSampleType::Float { filterable: false };
        let layout =
            gpu::bind_group_layout(device, "canvas", &[gpu::uniform_entry(16, false), gpu::texture_entry(1, color)]);
        let pipeline = gpu::covering_pipeline(
            device,
            "canvas",
            include_str!("canvas.wgsl"),
            if target.is_srgb() { "paint_srgb" } else { "paint" },
            &[Some(&layout)],
            wgpu::ColorTargetState { format: target, blend: None, write_mask: wgpu::ColorWrites::ALL },
        );
        Self { pipeline, layout }
    }

    pub fn canvas(&self, device: &wgpu::Device, queue: &wgpu::Queue, place: CanvasPlace) -> Canvas {
        let usage = wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING;
        let texture = gpu::texture(device, "canvas", [place.width, place.height], 1, CANVAS_FORMAT, usage);
        let view = gpu::view_of(&texture);
        let corner = gpu::uniforms(device, "canvas", 16);
        queue.write_buffer(&corner, 0, bytemuck::cast_slice(&[place.left, place.top, 0, 0]));
        let bind_group = gpu::bind_group(
            device,
            "canvas",
            &self.layout,
            &[corner.as_entire_binding(), wgpu::BindingResource::TextureView(&view)],
        );
        Canvas { place, view, bind_group }
    }

    pub fn paint(&self, info: &PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, canvas: &Canvas) {
        let clip = info.clip_rect_in_pixels();
        let CanvasPlace { left, top, width, height } = canvas.place;
        let (x0, y0) = (clip.left_px.max(left), clip.top_px.max(top));
        let x1 = (clip.left_px + clip.width_px).min(left + width as i32);
        let y1 = (clip.top_px + clip.height_px).min(top + height as i32);
        if x1 > x0 && y1 > y0 {
            pass.set_scissor_rect(x0 as u32, y0 as u32, (x1 - x0) as u32, (y1 - y0) as u32);
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &canvas.bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}
