//! The image pass: codes as 16-bit textures, tiled, with mip levels; a table of display values; interpolation in the shader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use super::canvas::CanvasPlace;
use super::gpu;
use super::mips::{MIP_LEVELS, MipChain, prepare_mips};
use super::scene::ScenePaint;
use super::tiles::{Slice, Tile, slices, texture_size, tiles};
use super::transform::ViewTransform;
use super::uniforms::{Sampling, VIEW_BYTES, VIEW_STRIDE, set_scissor, view_words};
use crate::raster::GrayImage;
use crate::space::PixelRect;
use crate::study::{Grayscale, Study};

/// Copied to the device per frame at most.
const UPLOAD_BYTES: usize = 10 << 20;
/// From this zoom on image pixels are shown as squares.
const BLOCKY_ZOOM: f64 = 8.0;

/// An image ready to be shown; cheap to clone. Its textures live as long as a clone of it.
#[derive(Clone, Debug)]
pub struct ImageHandle(Arc<ImageData>);

#[derive(Debug)]
pub struct ImageData {
    study: Arc<Study>,
    mips: MipChain,
    darker_on_right: bool,
}

/// Makes `study` ready to be shown. Takes a while for a large image: not for the UI thread.
pub fn prepare(study: Arc<Study>) -> ImageHandle {
    let mips = prepare_mips(&study.image, &study.grayscale);
    let darker_on_right = mips.levels.last().is_some_and(|smallest| darker_on_right(smallest, &study.grayscale));
    ImageHandle(Arc::new(ImageData { study, mips, darker_on_right }))
}

/// Whether the right half of `image` is darker than the left.
fn darker_on_right(image: &GrayImage, grayscale: &Grayscale) -> bool {
    let Some(choice) = grayscale.choices.first() else { return false };
    let lut = grayscale.display_lut(&choice.voi, false);
    let sum = |codes: &[u16]| codes.iter().map(|code| u64::from(lut[usize::from(*code)])).sum::<u64>();
    let half = image.width() / 2;
    let halves = (0..image.height()).map(|y| (sum(&image.row(y)[..half]), sum(&image.row(y)[image.width() - half..])));
    let (left, right) = halves.fold((0, 0), |all, row| (all.0 + row.0, all.1 + row.1));
    right < left
}

impl ImageHandle {
    pub fn study(&self) -> &Arc<Study> {
        &self.0.study
    }

    /// The codes at a mip level, 0 the image itself.
    pub fn level(&self, level: u32) -> &GrayImage {
        match level.checked_sub(1).and_then(|above| self.0.mips.levels.get(above as usize)) {
            Some(image) => image,
            None => &self.0.study.image,
        }
    }

    /// Whether the air of a mammogram is on the right of the image as stored, judged by brightness.
    pub fn darker_on_right(&self) -> bool {
        self.0.darker_on_right
    }

    /// In how many frames, about, all of it is copied to the device.
    pub fn upload_frames(&self) -> u32 {
        let pixels: usize = (0..=MIP_LEVELS).map(|level| self.level(level).data().len()).sum();
        1 + (2 * pixels).div_ceil(UPLOAD_BYTES) as u32
    }

    /// Names the image without keeping it alive.
    pub(super) fn downgrade(&self) -> Weak<ImageData> {
        Arc::downgrade(&self.0)
    }
}

/// The pass and everything it keeps on the device.
pub struct ImagePass {
    blocky: wgpu::RenderPipeline,
    level: wgpu::RenderPipeline,
    between: wgpu::RenderPipeline,
    view_layout: wgpu::BindGroupLayout,
    tile_layout: wgpu::BindGroupLayout,
    images: Vec<Resident>,
    views: HashMap<egui::Id, View>,
}

/// How much of an image is on the device.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    /// The finest mip level that is there.
    pub finest: u32,
    pub complete: bool,
}

/// An image on the device.
struct Resident {
    image: Weak<ImageData>,
    tiles: Vec<ResidentTile>,
    pending: VecDeque<Slice>,
    /// The mip level that the bind groups begin with.
    finest: u32,
}

struct ResidentTile {
    tile: Tile,
    texture: wgpu::Texture,
    bind_group: wgpu::BindGroup,
}

/// What one viewport needs on the device.
struct View {
    image: Weak<ImageData>,
    uniforms: wgpu::Buffer,
    table: wgpu::Texture,
    lut: Weak<Vec<u16>>,
    bind_group: wgpu::BindGroup,
    sampling: Sampling,
}

impl ImagePass {
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let codes = wgpu::TextureSampleType::Uint;
        let view_layout = gpu::bind_group_layout(
            device,
            "image view",
            &[gpu::uniform_entry(VIEW_BYTES, true), gpu::texture_entry(1, codes)],
        );
        let tile_layout = gpu::bind_group_layout(device, "image tile", &[gpu::texture_entry(0, codes)]);
        let pipeline = |entry| {
            gpu::covering_pipeline(
                device,
                "image",
                concat!(include_str!("view.wgsl"), include_str!("image.wgsl")),
                entry,
                &[Some(&view_layout), Some(&tile_layout)],
                wgpu::ColorTargetState { format: target, blend: None, write_mask: wgpu::ColorWrites::ALL },
            )
        };
        let [blocky, level, between] = ["paint_blocky", "paint_level", "paint_between"].map(pipeline);
        Self { blocky, level, between, view_layout, tile_layout, images: Vec::new(), views: HashMap::new() }
    }

    /// Copies some of the image to the device, until all of it is there. The first frame of an image waits for the levels that
    /// it is shown with at `zoom`, and for no finer ones.
    pub fn upload(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, image: &ImageHandle, zoom: f64) -> Upload {
        self.images.retain(|resident| resident.image.strong_count() > 0);
        self.views.retain(|_, view| view.image.strong_count() > 0);
        let index = self.index(device, image);
        let resident = &mut self.images[index];
        resident.upload(queue, image, sampling(zoom, 0).level);
        resident.show_levels(device, &self.tile_layout);
        Upload { finest: resident.finest_level(), complete: resident.pending.is_empty() }
    }

    /// Brings to the device what [`Self::draw`] needs; `finest` is from [`Self::upload`].
    pub fn prepare(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        paint: &ScenePaint,
        place: CanvasPlace,
        finest: u32,
    ) {
        let sampling = sampling(paint.transform.zoom, finest);
        let index = self.index(device, &paint.image);
        let tiles: Vec<_> = self.images[index].tiles.iter().map(|resident| resident.tile).collect();
        let view = self.view(device, paint, tiles.len());
        view.set_table(queue, &paint.lut);
        view.place(queue, &paint.transform, place, &tiles, sampling);
    }

    /// Draws the `part` of the image.
    pub fn draw(&self, pass: &mut wgpu::RenderPass<'_>, paint: &ScenePaint, place: CanvasPlace, part: PixelRect) {
        let resident = self.images.iter().find(|resident| resident.is(&paint.image));
        let (Some(resident), Some(view)) = (resident, self.views.get(&paint.id)) else { return };
        pass.set_pipeline(match view.sampling {
            _ if paint.transform.zoom >= BLOCKY_ZOOM && view.sampling.level == 0 => &self.blocky,
            Sampling { blend: 0.0, .. } => &self.level,
            _ => &self.between,
        });
        for (index, tile) in resident.tiles.iter().enumerate() {
            if set_scissor(pass, &paint.transform, place, tile.tile.core.intersection(part)) {
                pass.set_bind_group(0, &view.bind_group, &[(index as u64 * VIEW_STRIDE) as u32]);
                pass.set_bind_group(1, &tile.bind_group, &[]);
                pass.draw(0..3, 0..1);
            }
        }
    }

    /// Draws with each pipeline, so that the driver makes them ready; needs what [`Self::draw`] needs.
    pub fn warm_up(&self, pass: &mut wgpu::RenderPass<'_>, paint: &ScenePaint) {
        let tile = self.images.iter().find(|resident| resident.is(&paint.image)).and_then(|image| image.tiles.first());
        let (Some(tile), Some(view)) = (tile, self.views.get(&paint.id)) else { return };
        pass.set_bind_group(0, &view.bind_group, &[0]);
        pass.set_bind_group(1, &tile.bind_group, &[]);
        for pipeline in [&self.between, &self.level, &self.blocky] {
            pass.set_pipeline(pipeline);
            pass.draw(0..3, 0..1);
        }
    }

    fn index(&mut self, device: &wgpu::Device, image: &ImageHandle) -> usize {
        self.images.iter().position(|resident| resident.is(image)).unwrap_or_else(|| {
            self.images.push(Resident::new(device, &self.tile_layout, image));
            self.images.len() - 1
        })
    }

    fn view(&mut self, device: &wgpu::Device, paint: &ScenePaint, tiles: usize) -> &mut View {
        let fits = |view: &View| std::ptr::eq(view.image.as_ptr(), Arc::as_ptr(&paint.image.0));
        if !self.views.get(&paint.id).is_some_and(fits) {
            self.views.insert(paint.id, View::new(device, &self.view_layout, &paint.image, tiles));
        }
        self.views.entry(paint.id).or_insert_with(|| View::new(device, &self.view_layout, &paint.image, tiles))
    }
}

impl Resident {
    fn new(device: &wgpu::Device, layout: &wgpu::BindGroupLayout, image: &ImageHandle) -> Self {
        let full = image.level(0);
        let max_side = device.limits().max_texture_dimension_2d as usize;
        let tiles = if full.data().is_empty() { Vec::new() } else { tiles(full.width(), full.height(), max_side) };
        let pending = slices(&tiles);
        let make = |tile: Tile| {
            let size = texture_size(tile.region);
            let texture =
                gpu::texture(device, "image codes", size, MIP_LEVELS + 1, wgpu::TextureFormat::R16Uint, gpu::FILLED);
            let bind_group = levels_from(MIP_LEVELS, device, layout, &texture);
            ResidentTile { tile, texture, bind_group }
        };
        let tiles = tiles.into_iter().map(make).collect();
        Self { image: Arc::downgrade(&image.0), tiles, pending, finest: MIP_LEVELS }
    }

    fn is(&self, image: &ImageHandle) -> bool {
        std::ptr::eq(self.image.as_ptr(), Arc::as_ptr(&image.0))
    }

    /// Copies as much as a frame may; while `wanted` is not there, no finer level.
    fn upload(&mut self, queue: &wgpu::Queue, image: &ImageHandle, wanted: u32) {
        let mut budget = UPLOAD_BYTES;
        let finest = if self.finest_level() > wanted { wanted } else { 0 };
        while let Some(slice) = self.pending.front() {
            let bytes = 2 * slice.rect.width() * slice.rect.height();
            if slice.level < finest || (bytes > budget && budget < UPLOAD_BYTES) {
                break;
            }
            budget = budget.saturating_sub(bytes);
            self.write(queue, image, *slice);
            self.pending.pop_front();
        }
    }

    /// Lets the bind groups reach the levels that are there. Levels that are not would have to be cleared before they could be
    /// bound, which takes longer than all the rest of an image's first frame.
    fn show_levels(&mut self, device: &wgpu::Device, layout: &wgpu::BindGroupLayout) {
        let finest = self.finest_level();
        if finest != self.finest {
            self.finest = finest;
            for tile in &mut self.tiles {
                tile.bind_group = levels_from(finest, device, layout, &tile.texture);
            }
        }
    }

    fn write(&self, queue: &wgpu::Queue, image: &ImageHandle, Slice { tile, level, rect }: Slice) {
        let source = image.level(level);
        let ResidentTile { tile, texture, .. } = &self.tiles[tile];
        let first = rect.y0 * source.width() + rect.x0;
        let row = (rect.y0 - (tile.region.y0 >> level)) as u32;
        let size = [rect.width() as u32, rect.height() as u32];
        let data = bytemuck::cast_slice(&source.data()[first..]);
        gpu::write_rows(queue, texture, level, row, size, data, 2 * source.width() as u32);
    }

    /// The finest mip level that is wholly on the device.
    fn finest_level(&self) -> u32 {
        self.pending.front().map_or(0, |slice| (slice.level + 1).min(MIP_LEVELS))
    }
}

/// The mip levels of a texture of codes from `finest` on.
fn levels_from(
    finest: u32,
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    texture: &wgpu::Texture,
) -> wgpu::BindGroup {
    let levels = wgpu::TextureViewDescriptor { base_mip_level: finest, ..Default::default() };
    let view = texture.create_view(&levels);
    gpu::bind_group(device, "image tile", layout, &[wgpu::BindingResource::TextureView(&view)])
}

impl View {
    fn new(device: &wgpu::Device, layout: &wgpu::BindGroupLayout, image: &ImageHandle, tiles: usize) -> Self {
        let uniforms = gpu::uniforms(device, "image view", VIEW_STRIDE * tiles.max(1) as u64);
        let table = gpu::texture(device, "display values", [256, 256], 1, wgpu::TextureFormat::R16Uint, gpu::FILLED);
        let view = wgpu::BufferBinding { buffer: &uniforms, offset: 0, size: wgpu::BufferSize::new(VIEW_BYTES) };
        let table_view = gpu::view_of(&table);
        let resources = [wgpu::BindingResource::Buffer(view), wgpu::BindingResource::TextureView(&table_view)];
        let bind_group = gpu::bind_group(device, "image view", layout, &resources);
        Self {
            image: Arc::downgrade(&image.0),
            uniforms,
            table,
            lut: Weak::new(),
            bind_group,
            sampling: Sampling::default(),
        }
    }

    /// Copies the display values when they are others than last time.
    fn set_table(&mut self, queue: &wgpu::Queue, lut: &Arc<Vec<u16>>) {
        if !std::ptr::eq(self.lut.as_ptr(), Arc::as_ptr(lut)) && lut.len() == 65_536 {
            gpu::write_rows(queue, &self.table, 0, 0, [256, 256], bytemuck::cast_slice(lut), 512);
            self.lut = Arc::downgrade(lut);
        }
    }

    fn place(
        &mut self,
        queue: &wgpu::Queue,
        transform: &ViewTransform,
        place: CanvasPlace,
        tiles: &[Tile],
        sampling: Sampling,
    ) {
        self.sampling = sampling;
        let mut words = vec![0u32; tiles.len() * VIEW_STRIDE as usize / 4];
        for (words, Tile { region, .. }) in words.chunks_mut(VIEW_STRIDE as usize / 4).zip(tiles) {
            words[..VIEW_BYTES as usize / 4].copy_from_slice(&view_words(transform, place, *region, sampling));
        }
        if !words.is_empty() {
            queue.write_buffer(&self.uniforms, 0, bytemuck::cast_slice(&words));
        }
    }
}

/// Between the two mip levels whose pixels are just smaller and just larger than the screen's.
pub(super) fn sampling(zoom: f64, finest: u32) -> Sampling {
    let detail = (-zoom.log2()).clamp(0.0, f64::from(MIP_LEVELS));
    let (level, blend) = (detail as u32, detail.fract() as f32);
    let ready = level >= finest;
    Sampling {
        level: level.max(finest),
        // A difference of less than half a display step is not worth four more samples.
        blend: if ready && blend > 1.0 / 512.0 { blend } else { 0.0 },
        opacity: 1.0,
        finest,
    }
}
