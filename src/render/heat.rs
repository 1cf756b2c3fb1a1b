//! The heatmap pass: Ms on its grid of box edges, so that it is exact at every zoom.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::canvas::CanvasPlace;
use super::gpu;
use super::scene::ScenePaint;
use super::uniforms::{Sampling, VIEW_BYTES, set_scissor, view_words};
use crate::marks::heat_color;
use crate::pipeline::FusedMask;
use crate::session::Reading;
use crate::space::PixelRect;

/// A heatmap to be drawn over an image.
#[derive(Clone)]
pub struct Heat {
    pub reading: Arc<Reading>,
    /// In [0, 1].
    pub opacity: f32,
}

/// The pass and everything it keeps on the device.
pub struct HeatPass {
    pipeline: wgpu::RenderPipeline,
    view_layout: wgpu::BindGroupLayout,
    grid_layout: wgpu::BindGroupLayout,
    views: HashMap<egui::Id, View>,
}

struct View {
    reading: Weak<Reading>,
    uniforms: wgpu::Buffer,
    view: wgpu::BindGroup,
    grid: wgpu::BindGroup,
}

impl HeatPass {
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let number = wgpu::TextureSampleType::Uint;
        let color = wgpu::TextureSampleType::Float { filterable: false };
        let view_layout = gpu::bind_group_layout(device, "heat view", &[gpu::uniform_entry(VIEW_BYTES, false)]);
        let kinds = [(0, number), (1, number), (2, number), (3, color)];
        let grid_layout =
            gpu::bind_group_layout(device, "heat grid", &kinds.map(|(at, kind)| gpu::texture_entry(at, kind)));
        let pipeline = gpu::covering_pipeline(
            device,
            "heat",
            concat!(include_str!("view.wgsl"), include_str!("heat.wgsl")),
            "paint",
            &[Some(&view_layout), Some(&grid_layout)],
            wgpu::ColorTargetState {
                format: target,
                blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                write_mask: wgpu::ColorWrites::ALL,
            },
        );
        Self { pipeline, view_layout, grid_layout, views: HashMap::new() }
    }

    /// Brings to the device what [`Self::draw`] needs.
    pub fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, paint: &ScenePaint, place: CanvasPlace) {
        self.views.retain(|_, view| view.reading.strong_count() > 0);
        let Some(heat) = &paint.heat else { return };
        let full = paint.image.level(0).bounds();
        let fits = |view: &View| std::ptr::eq(view.reading.as_ptr(), Arc::as_ptr(&heat.reading));
        if !self.views.get(&paint.id).is_some_and(fits) {
            self.views.insert(paint.id, self.new_view(device, queue, heat, full));
        }
        if let Some(view) = self.views.get(&paint.id) {
            let sampling = Sampling { opacity: heat.opacity, ..Default::default() };
            let words = view_words(&paint.transform, place, full, sampling);
            queue.write_buffer(&view.uniforms, 0, bytemuck::cast_slice(&words));
        }
    }

    pub fn draw(&self, pass: &mut wgpu::RenderPass<'_>, paint: &ScenePaint, place: CanvasPlace) {
        let (Some(heat), Some(view)) = (&paint.heat, self.views.get(&paint.id)) else { return };
        if set_scissor(pass, &paint.transform, place, warm_part(&heat.reading.fused)) {
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &view.view, &[]);
            pass.set_bind_group(1, &view.grid, &[]);
            pass.draw(0..3, 0..1);
        }
    }

    /// Draws with the pipeline, so that the driver makes it ready.
    pub fn warm_up(&self, device: &wgpu::Device, queue: &wgpu::Queue, pass: &mut wgpu::RenderPass<'_>) {
        let uniforms = gpu::uniforms(device, "heat view", VIEW_BYTES);
        let view = gpu::bind_group(device, "heat view", &self.view_layout, &[uniforms.as_entire_binding()]);
        let grid = Grid { columns: Vec::new(), rows: Vec::new(), cells: vec![0], width: 1, height: 1 };
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &view, &[]);
        pass.set_bind_group(1, &grid.bind_group(device, queue, &self.grid_layout), &[]);
        pass.draw(0..3, 0..1);
    }

    fn new_view(&self, device: &wgpu::Device, queue: &wgpu::Queue, heat: &Heat, full: PixelRect) -> View {
        let uniforms = gpu::uniforms(device, "heat view", VIEW_BYTES);
        let view = gpu::bind_group(device, "heat view", &self.view_layout, &[uniforms.as_entire_binding()]);
        let max_side = device.limits().max_texture_dimension_2d as usize;
        let grid = Grid::new(&heat.reading.fused, full.width(), full.height(), max_side);
        let grid = grid.bind_group(device, queue, &self.grid_layout);
        View { reading: Arc::downgrade(&heat.reading), uniforms, view, grid }
    }
}

/// The part of the image outside which Ms is 0.
pub(super) fn warm_part(fused: &FusedMask) -> PixelRect {
    let ends = |edges: &[usize]| Some((*edges.first()?, *edges.last()?));
    match (ends(fused.xs()), ends(fused.ys())) {
        (Some((x0, x1)), Some((y0, y1))) => PixelRect::new(x0, y0, x1, y1),
        _ => PixelRect::default(),
    }
}

/// Ms as textures hold it. Cell (0, 0) and its row and column are 0: what lies outside all boxes.
struct Grid {
    /// Cell number by image column, by image row.
    columns: Vec<u16>,
    rows: Vec<u16>,
    /// Ms × 255, capped at 1; `[height, width]`.
    cells: Vec<u8>,
    width: usize,
    height: usize,
}

impl Grid {
    fn new(fused: &FusedMask, width: usize, height: usize, max_side: usize) -> Self {
        let (across, down) = (Axis::new(fused.xs(), max_side), Axis::new(fused.ys(), max_side));
        let mut cells = vec![0; across.bins * down.bins];
        for (index, ms) in fused.cells().iter().enumerate() {
            let (x, y) = (index % across.cells.max(1), index / across.cells.max(1));
            // Rounded up: a cell with any confidence is not shown as one with none.
            let cell = &mut cells[down.bin(y) * across.bins + across.bin(x)];
            *cell = (*cell).max((ms.clamp(0.0, 1.0) * 255.0).ceil() as u8);
        }
        let (columns, rows) = (across.lookup(fused.xs(), width), down.lookup(fused.ys(), height));
        Self { columns, rows, cells, width: across.bins, height: down.bins }
    }

    fn bind_group(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        layout: &wgpu::BindGroupLayout,
    ) -> wgpu::BindGroup {
        let lookup = |numbers: &[u16]| {
            let mut numbers = numbers.to_vec();
            numbers.resize(numbers.len().max(1).next_multiple_of(256), 0);
            let size = [256, (numbers.len() / 256) as u32];
            let texture = gpu::texture(device, "heat lookup", size, 1, wgpu::TextureFormat::R16Uint, gpu::FILLED);
            gpu::write_rows(queue, &texture, 0, 0, size, bytemuck::cast_slice(&numbers), 512);
            gpu::view_of(&texture)
        };
        let (columns, rows) = (lookup(&self.columns), lookup(&self.rows));

        let size = [self.width as u32, self.height as u32];
        let cells = gpu::texture(device, "heat cells", size, 1, wgpu::TextureFormat::R8Uint, gpu::FILLED);
        gpu::write_rows(queue, &cells, 0, 0, size, &self.cells, size[0]);
        let cells = gpu::view_of(&cells);

        let table: Vec<u8> = (0..=255u8).flat_map(|ms| heat_color(f32::from(ms) / 255.0)).collect();
        let colors = gpu::texture(device, "heat colors", [256, 1], 1, wgpu::TextureFormat::Rgba8Unorm, gpu::FILLED);
        gpu::write_rows(queue, &colors, 0, 0, [256, 1], &table, 1024);
        let colors = gpu::view_of(&colors);

        let views = [&columns, &rows, &cells, &colors].map(wgpu::BindingResource::TextureView);
        gpu::bind_group(device, "heat grid", layout, &views)
    }
}

/// The cells along one axis, numbered from 1; more than a texture takes are merged.
struct Axis {
    cells: usize,
    bins: usize,
}

impl Axis {
    fn new(edges: &[usize], max_side: usize) -> Self {
        let cells = edges.len().saturating_sub(1);
        Self { cells, bins: (cells + 1).min(max_side) }
    }

    fn bin(&self, cell: usize) -> usize {
        1 + cell * (self.bins - 1) / self.cells
    }

    /// The bin of each of `length` pixels.
    fn lookup(&self, edges: &[usize], length: usize) -> Vec<u16> {
        let mut bins = vec![0; length];
        for (cell, span) in edges.windows(2).enumerate() {
            bins[span[0].min(length)..span[1].min(length)].fill(self.bin(cell) as u16);
        }
        bins
    }
}
