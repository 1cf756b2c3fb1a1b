//! The image and heatmap passes against arithmetic on the CPU.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui_wgpu::Callback;
use egui::{Rect, pos2};
use egui_kittest::Harness;
use image::RgbaImage;
use mammoscope::raster::GrayImage;
use mammoscope::render::{
    ImageHandle, MIP_LEVELS, Orientation, ScenePaint, ViewTransform, install, prepare, prepare_mips,
};
use mammoscope::space::ImagePoint;
use mammoscope::study::{Grayscale, Voi, from_gray};

/// A window that shows an image and nothing else.
struct Bare {
    image: ImageHandle,
    transform: ViewTransform,
    lut: Arc<Vec<u16>>,
}

impl eframe::App for Bare {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let paint = ScenePaint {
            id: egui::Id::new("image"),
            image: self.image.clone(),
            transform: self.transform,
            lut: self.lut.clone(),
            heat: None,
            background: [0; 3],
            ctx: ui.ctx().clone(),
        };
        ui.painter().rect_filled(ui.ctx().content_rect(), 0.0, egui::Color32::BLACK);
        ui.painter().add(Callback::new_paint_callback(self.transform.area, paint));
    }
}

const WIDTH: f32 = 321.0;
const HEIGHT: f32 = 243.0;

/// Where the image is drawn: not all of the window, to find out whether places are relative to it.
fn area() -> Rect {
    Rect::from_min_max(pos2(11.0, 7.0), pos2(WIDTH - 6.0, HEIGHT - 4.0))
}

fn transform(zoom: f64, center: (f64, f64), orientation: Orientation) -> ViewTransform {
    ViewTransform::new(area(), 1.0, zoom, ImagePoint::new(center.0, center.1), orientation)
}

/// A harness whose device takes textures of `max_side` pixels, within WebGL 2's limits.
fn harness(image: GrayImage, grayscale: Grayscale, max_side: u32) -> Harness<'static, Bare> {
    let mut setup = egui_kittest::wgpu::default_wgpu_setup();
    if let eframe::egui_wgpu::WgpuSetup::CreateNew(new) = &mut setup {
        new.device_descriptor = Arc::new(move |_| wgpu::DeviceDescriptor {
            required_limits: wgpu::Limits {
                max_texture_dimension_2d: max_side,
                ..wgpu::Limits::downlevel_webgl2_defaults()
            },
            ..Default::default()
        });
    }
    let lut = Arc::new(grayscale.display_lut(&grayscale.choices[0].voi, false));
    let mut study = from_gray(image, PathBuf::new());
    study.grayscale = grayscale;
    let image = prepare(Arc::new(study));
    let transform = transform(1.0, (0.0, 0.0), Orientation::default());
    Harness::builder().with_size([WIDTH, HEIGHT]).with_pixels_per_point(1.0).wgpu_setup(setup).build_eframe(|cc| {
        install(cc.wgpu_render_state.as_ref().expect("the test renders with wgpu"));
        Bare { image, transform, lut }
    })
}

fn shoot(harness: &mut Harness<'static, Bare>, transform: ViewTransform) -> RgbaImage {
    harness.state_mut().transform = transform;
    harness.step();
    // Large images take several frames to reach the device.
    for _ in 0..8 {
        harness.render().expect("the frame renders");
    }
    harness.render().expect("the frame renders")
}

/// What the pass should show at a physical pixel, 0..=255.
fn expected(bare: &Bare, x: u32, y: u32) -> f64 {
    let t = &bare.transform;
    let inside = area().contains(pos2(x as f32 + 0.5, y as f32 + 0.5));
    let p = t.image_from_physical([f64::from(x) + 0.5, f64::from(y) + 0.5]);
    let full = bare.image.level(0);
    if !inside || p.x < 0.0 || p.y < 0.0 || p.x >= full.width() as f64 || p.y >= full.height() as f64 {
        return 0.0;
    }
    let display = |code: u16| f64::from(bare.lut[usize::from(code)]) / 257.0;
    if t.zoom >= 8.0 {
        return display(full.get(p.x as usize, p.y as usize));
    }
    let bilinear = |level: u32| {
        let image = bare.image.level(level);
        let scale = f64::from(1u32 << level);
        let (x, y) = (p.x / scale - 0.5, p.y / scale - 0.5);
        let texel = |dx: f64, dy: f64| {
            let column = (x.floor() + dx).clamp(0.0, image.width() as f64 - 1.0);
            let row = (y.floor() + dy).clamp(0.0, image.height() as f64 - 1.0);
            display(image.get(column as usize, row as usize))
        };
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let top = texel(0.0, 0.0) * (1.0 - fx) + texel(1.0, 0.0) * fx;
        let bottom = texel(0.0, 1.0) * (1.0 - fx) + texel(1.0, 1.0) * fx;
        top * (1.0 - fy) + bottom * fy
    };
    let detail = (1.0 / t.zoom).log2().clamp(0.0, f64::from(MIP_LEVELS));
    let coarser = (detail.floor() as u32 + 1).min(MIP_LEVELS);
    bilinear(detail.floor() as u32) * (1.0 - detail.fract()) + bilinear(coarser) * detail.fract()
}

fn check(harness: &mut Harness<'static, Bare>, zoom: f64, center: (f64, f64), orientation: Orientation) {
    let picture = shoot(harness, transform(zoom, center, orientation));
    let mut lit = 0;
    for (x, y, pixel) in picture.enumerate_pixels() {
        let expected = expected(harness.state(), x, y);
        let [r, g, b, _] = pixel.0;
        let off = (f64::from(r) - expected).abs();
        assert!(off <= 1.0 && r == g && g == b, "zoom {zoom} at ({x}, {y}): {pixel:?}, expected {expected:.2}");
        lit += usize::from(r > 0);
    }
    assert!(lit > 500, "zoom {zoom}: hardly anything is shown");
}

/// A reproducible texture with structure at every scale.
fn texture(width: usize, height: usize) -> GrayImage {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    GrayImage::from_fn(width, height, |x, y| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let wave = 1500.0 + 900.0 * (x as f64 / 37.0).sin() * (y as f64 / 23.0).cos();
        (wave + (state % 600) as f64) as u16
    })
}

fn twelve_bits() -> Grayscale {
    let mut grayscale = Grayscale::identity(12);
    grayscale.choices[0].voi = Voi::Linear { center: 1800.0, width: 3000.0 };
    grayscale
}

#[test]
fn equals_the_table_and_interpolation_at_every_zoom() {
    let mut harness = harness(texture(700, 500), twelve_bits(), 8192);
    for zoom in [0.05, 0.125, 0.3, 0.41, 0.5, 0.77, 1.0, 1.4, 2.0, 3.3, 7.9, 8.0, 20.0] {
        check(&mut harness, zoom, (341.3, 262.9), Orientation::default());
    }
    check(&mut harness, 2.3, (0.0, 0.0), Orientation::default());
    check(&mut harness, 2.3, (700.0, 500.0), Orientation::default());
}

#[test]
fn turns_and_flips() {
    let mut harness = harness(texture(700, 500), twelve_bits(), 8192);
    let upright = Orientation::default();
    for orientation in
        [upright.turned_right(), upright.turned_left(), upright.flipped(), upright.turned_right().flipped()]
    {
        check(&mut harness, 0.6, (300.0, 200.0), orientation);
        check(&mut harness, 3.0, (300.0, 200.0), orientation);
    }
    assert_eq!(upright.turned_right().turned_left(), upright);
    assert_eq!(upright.turned_right().turned_right(), upright.turned_left().turned_left());
}

#[test]
fn tiles_leave_no_seam_within_the_smallest_limits() {
    let mut harness = harness(texture(2600, 2400), twelve_bits(), 2048);
    // The cores meet at 1920.
    for zoom in [0.07, 0.25, 0.6, 1.0, 3.1, 9.0] {
        check(&mut harness, zoom, (1920.0, 1920.0), Orientation::default());
        check(&mut harness, zoom, (1925.7, 1900.2), Orientation::default().turned_left());
    }
}

#[test]
fn window_and_inversion_change_the_next_frame() {
    let grayscale = twelve_bits();
    let mut harness = harness(texture(300, 200), grayscale.clone(), 8192);
    for (voi, invert) in [
        (Voi::Sigmoid { center: 1500.0, width: 800.0 }, false),
        (Voi::LinearExact { center: 1700.0, width: 300.0 }, true),
    ] {
        harness.state_mut().lut = Arc::new(grayscale.display_lut(&voi, invert));
        check(&mut harness, 1.3, (150.0, 100.0), Orientation::default());
    }
}

#[test]
fn an_image_may_be_replaced_and_may_be_tiny() {
    let mut harness = harness(texture(300, 200), twelve_bits(), 8192);
    check(&mut harness, 1.0, (150.0, 100.0), Orientation::default());
    let mut study = from_gray(GrayImage::new(2, 1, vec![1000, 3000]), PathBuf::new());
    study.grayscale = twelve_bits();
    harness.state_mut().image = prepare(Arc::new(study));
    check(&mut harness, 90.0, (1.0, 0.5), Orientation::default());
    check(&mut harness, 7.0 * 7.0, (0.2, 0.5), Orientation::default());
}

/// Flat noise of standard deviation `sigma` around `level`.
fn noise(width: usize, height: usize, level: f64, sigma: f64) -> GrayImage {
    let mut state = 88_172_645_463_325_252_u64;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as f64 / u64::MAX as f64
    };
    GrayImage::from_fn(width, height, |_, _| {
        // Twelve uniform values sum to nearly normal ones of standard deviation 1.
        let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        (level + sigma * normal).round() as u16
    })
}

#[test]
fn calcifications_survive_zooming_out_and_noise_stays_dark() {
    const CONTRAST: u16 = 600;
    for inverted in [false, true] {
        let mut image = noise(2048, 1024, 1000.0, 20.0);
        let mut grayscale = Grayscale::identity(12);
        grayscale.inverted = inverted;
        // Two by two pixels, at every alignment.
        let specks: Vec<_> = (0..64).map(|i| (37 + 31 * i, 101 + 13 * i)).collect();
        for (x, y) in &specks {
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                image.set(x + dx, y + dy, image.get(x + dx, y + dy) + CONTRAST);
            }
        }
        let code = |v: u16| if inverted { 4095 - v } else { v };
        let image = image.map(code);
        for (level, mips) in (1..).zip(&prepare_mips(&image, &grayscale).levels) {
            for (x, y) in &specks {
                let shown = (0..2)
                    .flat_map(|dx| (0..2).map(move |dy| (dx, dy)))
                    .map(|(dx, dy)| code(mips.get((x + dx) >> level, (y + dy) >> level)))
                    .max();
                assert!(
                    shown.is_some_and(|v| v > 1000 + CONTRAST / 2),
                    "level {level}: the speck at ({x}, {y}) is {shown:?}"
                );
            }
        }
        let plain = prepare_mips(&noise(2048, 1024, 1000.0, 20.0).map(code), &grayscale);
        for (level, mips) in (1..).zip(&plain.levels) {
            let mean = mips.data().iter().map(|v| f64::from(code(*v))).sum::<f64>() / mips.data().len() as f64;
            assert!((mean - 1000.0).abs() < 4.0, "level {level} of noise alone has the mean {mean}");
        }
    }
}

#[test]
fn edges_are_averaged() {
    // A breast's edge: nothing on the far side of it may be brighter than the tissue, nor the tissue wider by a pixel.
    let image = GrayImage::from_fn(512, 512, |x, _| if x < 203 { 2000 } else { 100 });
    for (level, mips) in (1u32..).zip(&prepare_mips(&image, &Grayscale::identity(12)).levels) {
        for x in 0..mips.width() {
            let inside = (203 - (x << level).min(203)).min(1 << level) as f64 / f64::from(1u32 << level);
            let expected = 100.0 + 1900.0 * inside;
            assert!((f64::from(mips.get(x, 3)) - expected).abs() <= 3.0, "level {level}, column {x}");
        }
    }
}

#[test]
fn padding_takes_no_part() {
    for (padding, inverted) in [(0, false), (4095, false), (0, true), (4095, true)] {
        let mut grayscale = Grayscale::identity(12);
        grayscale.inverted = inverted;
        grayscale.padding = Some((padding, padding));
        let image = GrayImage::from_fn(301, 77, |x, y| if x + y < 150 { padding } else { 2000 });
        for mips in prepare_mips(&image, &grayscale).levels {
            assert!(mips.data().iter().all(|v| *v == padding || *v == 2000));
            assert_eq!(mips.get(mips.width() - 1, mips.height() - 1), 2000);
        }
    }
}

#[test]
fn the_side_of_the_air_is_found_by_brightness() {
    for (inverted, bright_on_left) in [(false, true), (false, false), (true, true), (true, false)] {
        let bright = if inverted { 300 } else { 3000 };
        let image =
            GrayImage::from_fn(500, 300, |x, _| if (x < 200) == bright_on_left { bright } else { 3300 - bright });
        let mut study = from_gray(image, PathBuf::new());
        study.grayscale = Grayscale { inverted, ..Grayscale::identity(12) };
        assert_eq!(prepare(Arc::new(study)).darker_on_right(), bright_on_left);
    }
}
