//! The viewport with real input events and rendered frames.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Event, Modifiers, PointerButton, Pos2, Rect, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use image::{Rgba, RgbaImage};
use mammoscope::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use mammoscope::findings::{Contour, Detection, Measures, ModelIdentity, Outline, ScaleDetections};
use mammoscope::marks::{CANDIDATE, CONTOUR, TRUTH, heat_color};
use mammoscope::pipeline::{FusedMask, SCALES};
use mammoscope::raster::{GrayImage, Raster};
use mammoscope::render::{ImageHandle, install, prepare};
use mammoscope::session::{Reading, Session};
use mammoscope::space::{ImagePoint, ImageRect, PixelRect};
use mammoscope::study::{ChestWall, Laterality, Sourced, Spacing, SpacingSource, Study, from_gray};
use mammoscope::ui::viewport::{Layers, Scene, ViewState, ViewportEvent, viewport_ui};

const WIDTH: usize = 600;
const HEIGHT: usize = 800;

/// A window with the viewport alone.
struct Window {
    session: Session,
    image: ImageHandle,
    view: ViewState,
    layers: Layers,
    selected: Option<usize>,
    events: Vec<ViewportEvent>,
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let scene = Scene {
            session: &self.session,
            image: &self.image,
            layers: &self.layers,
            selected: self.selected,
            reverse_window_level: false,
        };
        viewport_ui(ui, &mut self.view, &scene, &mut self.events);
    }
}

/// A left breast: bright tissue on the left that fades towards the skin, air on the right, two masses.
fn breast() -> Study {
    let mass =
        |x: f64, y: f64, (cx, cy, r): (f64, f64, f64)| 14_000.0 / (1.0 + (((x - cx).hypot(y - cy) - r) / 4.0).exp());
    let image = GrayImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let (x, y) = (x as f64, y as f64);
        let skin = (x / 430.0).hypot((y - 400.0) / 360.0);
        let texture = (x / 9.0 + (y / 17.0).sin() * 2.0).sin() * (y / 11.0).cos() * 2500.0;
        let tissue = if skin < 1.0 { 16_000.0 + 22_000.0 * (1.0 - skin) + texture } else { 0.0 };
        (tissue + mass(x, y, (210.0, 330.0, 36.0)) + mass(x, y, (120.0, 560.0, 24.0))) as u16 & !0x0fff
    });
    let mut study = from_gray(image, PathBuf::new());
    study.identity.laterality = Some(Sourced { value: Laterality::Left, source: "test" });
    study.identity.view = Some(Sourced { value: "MLO".into(), source: "test" });
    study.identity.chest_wall = Some(ChestWall::Left);
    study.spacing = Some(Spacing { row_mm: 0.3, column_mm: 0.3, source: SpacingSource::AtDetector });
    study
}

fn circle(x: f64, y: f64, radius: f64, points: usize) -> Contour {
    let angle = |i: usize| i as f64 / points as f64 * std::f64::consts::TAU;
    let wobble = |a: f64| radius * (1.0 + 0.06 * (7.0 * a).sin());
    Contour {
        points: (0..points)
            .map(angle)
            .map(|a| ImagePoint::new(x + wobble(a) * a.cos(), y + wobble(a) * a.sin()))
            .collect(),
    }
}

fn boxes(around: &[(f64, f64, f64, f32)]) -> Vec<Detection> {
    let detection = |(x, y, half, confidence): &(f64, f64, f64, f32)| Detection {
        rect: ImageRect::new(x - half, y - half, x + half, y + half),
        confidence: *confidence,
    };
    around.iter().map(detection).collect()
}

fn reading(scales: [Vec<Detection>; 5]) -> Reading {
    let scales: Vec<_> =
        SCALES.into_iter().zip(scales).map(|(size, detections)| ScaleDetections { size, detections }).collect();
    let model = ModelIdentity { name: "test".into(), sha256: String::new() };
    Reading {
        fused: FusedMask::fuse(&scales, WIDTH, HEIGHT),
        scales,
        detector: model.clone(),
        segmenter: model,
        device: "CPU".into(),
        timings_ms: Vec::new(),
    }
}

fn outline(contours: Vec<Contour>) -> Arc<Outline> {
    Arc::new(Outline {
        contours,
        measures: Measures::default(),
        probability: Arc::new(Raster::filled(WIDTH, HEIGHT, 0.0)),
        region: PixelRect::new(0, 0, WIDTH, HEIGHT),
    })
}

/// The breast with a sure and a doubtful mass found, and one of two true masses outlined.
fn session() -> Session {
    let mut session = Session::new(Arc::new(breast()));
    session.set_reading(Arc::new(reading([
        boxes(&[(212.0, 332.0, 44.0, 0.8)]),
        boxes(&[(208.0, 328.0, 46.0, 0.9), (122.0, 560.0, 30.0, 0.5)]),
        boxes(&[(210.0, 333.0, 42.0, 0.95), (118.0, 562.0, 33.0, 0.85)]),
        boxes(&[(211.0, 330.0, 48.0, 1.0), (120.0, 558.0, 31.0, 0.9)]),
        boxes(&[(209.0, 331.0, 45.0, 0.9), (121.0, 561.0, 29.0, 0.8), (300.0, 480.0, 40.0, 0.25)]),
    ])));
    let contours = [circle(210.0, 330.0, 37.0, 400), circle(120.0, 560.0, 25.0, 300)];
    let found: Vec<_> = session.candidates().iter().map(|c| c.rect).zip(contours).collect();
    session.add_outlines(found.into_iter().map(|(rect, contour)| (rect, outline(vec![contour]))));
    let lesion = |name: &str, x, y, radius| Lesion {
        name: name.into(),
        kind: LesionKind::Mass,
        shape: LesionShape::Outline(vec![circle(x, y, radius, 60)]),
    };
    session.set_truth(Some(Arc::new(GroundTruth {
        lesions: vec![lesion("a", 214.0, 326.0, 40.0), lesion("b", 60.0, 250.0, 22.0)],
        ..GroundTruth::default()
    })));
    session
}

fn window(session: Session, layers: Layers) -> Harness<'static, Window> {
    let image = prepare(session.study().clone());
    let mut harness =
        Harness::builder().with_size([560.0, 640.0]).with_pixels_per_point(1.0).with_step_dt(0.05).wgpu().build_eframe(
            |cc| {
                install(cc.wgpu_render_state.as_ref().expect("the test renders with wgpu"));
                Window { session, image, view: ViewState::default(), layers, selected: None, events: Vec::new() }
            },
        );
    harness.run();
    harness
}

fn shoot(harness: &mut Harness<'static, Window>) -> RgbaImage {
    harness.run();
    harness.render().expect("the frame renders")
}

fn area(harness: &Harness<'static, Window>) -> Rect {
    harness.get_by_label("Mammogram").rect()
}

/// The image point at a place on the screen, from what the view says of itself.
fn image_at(harness: &Harness<'static, Window>, at: Pos2) -> ImagePoint {
    let view = &harness.state().view;
    let center = view.center().expect("the view has been shown");
    let from = at - area(harness).center();
    ImagePoint::new(center.x + f64::from(from.x) / view.zoom(), center.y + f64::from(from.y) / view.zoom())
}

fn screen_at(harness: &Harness<'static, Window>, p: ImagePoint) -> Pos2 {
    let view = &harness.state().view;
    let center = view.center().expect("the view has been shown");
    let from = vec2(((p.x - center.x) * view.zoom()) as f32, ((p.y - center.y) * view.zoom()) as f32);
    area(harness).center() + from
}

fn wheel(harness: &mut Harness<'static, Window>, at: Pos2, lines: f32) {
    harness.hover_at(at);
    harness.event(Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: vec2(0.0, lines),
        phase: egui::TouchPhase::Move,
        modifiers: Modifiers::NONE,
    });
    harness.run_steps(30);
}

fn drag(harness: &mut Harness<'static, Window>, button: PointerButton, from: Pos2, by: egui::Vec2) {
    let press = |pos, pressed| Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE };
    harness.hover_at(from);
    harness.event(press(from, true));
    harness.run();
    for step in 1..=5 {
        harness.hover_at(from + by * (step as f32 / 5.0));
        harness.run();
    }
    harness.event(press(from + by, false));
    harness.run();
}

fn click(harness: &mut Harness<'static, Window>, at: Pos2) {
    for pressed in [true, false] {
        harness.hover_at(at);
        harness.event(Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
    harness.run();
}

fn near(a: ImagePoint, b: ImagePoint, tolerance: f64) -> bool {
    a.distance(b) <= tolerance
}

#[test]
fn looks_calm_with_everything_shown() {
    let mut harness = window(session(), Layers::default());
    harness.set_size(vec2(400.0, 440.0));
    harness.state_mut().selected = Some(0);
    harness.run();
    harness.snapshot("viewport_fit");
    harness.state_mut().view.go_to(ImageRect::new(160.0, 280.0, 260.0, 380.0));
    harness.hover_at(pos2(200.0, 220.0));
    harness.run();
    harness.snapshot("viewport_finding");
}

#[test]
fn opens_fitted_and_stays_so() {
    let mut harness = window(session(), Layers::NONE);
    assert!(harness.state().view.is_fitted());
    assert!((harness.state().view.zoom() - 0.8).abs() < 1e-6, "640 / 800");
    harness.set_size(vec2(300.0, 300.0));
    harness.run();
    assert!((harness.state().view.zoom() - 0.375).abs() < 1e-6);
    harness.state_mut().view.one_to_one();
    harness.run();
    harness.set_size(vec2(400.0, 500.0));
    harness.run();
    assert_eq!(harness.state().view.zoom(), 1.0);
}

#[test]
fn the_wheel_zooms_about_the_pointer() {
    let mut harness = window(session(), Layers::NONE);
    let at = pos2(221.0, 283.0);
    let pointed = image_at(&harness, at);
    let mut zoom = harness.state().view.zoom();
    for lines in [1.0, 3.0, 5.0, 2.0] {
        wheel(&mut harness, at, lines);
        assert!(harness.state().view.zoom() > zoom * 1.1);
        zoom = harness.state().view.zoom();
        assert!(near(image_at(&harness, at), pointed, 1e-3), "zoom {zoom}: the point moved");
    }
    for _ in 0..40 {
        wheel(&mut harness, at, 5.0);
    }
    assert_eq!(harness.state().view.zoom(), 48.0);
    assert!(near(image_at(&harness, at), pointed, 1e-2), "at the limit");
    for _ in 0..60 {
        wheel(&mut harness, at, -5.0);
    }
    assert!((harness.state().view.zoom() - 0.4).abs() < 1e-9, "half of fit");
}

#[test]
fn dragging_moves_the_image_with_the_pointer() {
    for button in [PointerButton::Primary, PointerButton::Middle] {
        let mut harness = window(session(), Layers::NONE);
        harness.state_mut().view.one_to_one();
        harness.run();
        let from = pos2(250.0, 300.0);
        let held = image_at(&harness, from);
        drag(&mut harness, button, from, vec2(-70.0, 45.0));
        assert!(near(image_at(&harness, from + vec2(-70.0, 45.0)), held, 1e-3), "{button:?}");
        assert!(!harness.state().view.is_fitted());
        assert_eq!(harness.state().events, [], "a drag is no click");
    }
}

#[test]
fn the_image_cannot_be_lost() {
    let mut harness = window(session(), Layers::NONE);
    harness.state_mut().view.zoom_by(4.0);
    harness.run();
    for _ in 0..12 {
        drag(&mut harness, PointerButton::Primary, pos2(500.0, 600.0), vec2(-480.0, -580.0));
    }
    let center = harness.state().view.center().expect("shown");
    assert_eq!((center.x, center.y), (WIDTH as f64, HEIGHT as f64));
    assert!(shoot(&mut harness).pixels().any(|p| p.0[0] > 100), "some of the image is in view");
    harness.state_mut().view.fit();
    harness.run();
    assert!((harness.state().view.zoom() - 0.8).abs() < 1e-6);
}

#[test]
fn right_drag_sets_the_window() {
    let mut harness = window(session(), Layers::NONE);
    let study = harness.state().session.study().clone();
    let before = harness.state().view.voi(&study.grayscale).window();
    let probe = |picture: &RgbaImage| picture.get_pixel(180, 240).0[0];
    let dark = probe(&shoot(&mut harness));
    assert_eq!(harness.state().view.chosen_voi(), Some(0));
    drag(&mut harness, PointerButton::Secondary, pos2(250.0, 300.0), vec2(0.0, -60.0));
    let after = harness.state().view.voi(&study.grayscale).window();
    assert_eq!(harness.state().view.chosen_voi(), None);
    assert!(after.0 < before.0 && (after.1 - before.1).abs() < 1e-6);
    assert!(probe(&shoot(&mut harness)) > dark + 20, "up is brighter");
    drag(&mut harness, PointerButton::Secondary, pos2(250.0, 300.0), vec2(50.0, 0.0));
    assert!(harness.state().view.voi(&study.grayscale).window().1 > after.1 * 1.2, "right is wider");
    harness.state_mut().view.choose_voi(0);
    assert_eq!(harness.state().view.voi(&study.grayscale).window(), before);
    assert_eq!(probe(&shoot(&mut harness)), dark);
}

#[test]
fn inversion_shows_the_negative() {
    let mut harness = window(session(), Layers::NONE);
    let probe = |picture: &RgbaImage| i32::from(picture.get_pixel(180, 240).0[0]);
    let plain = probe(&shoot(&mut harness));
    harness.state_mut().view.toggle_invert();
    assert!((plain + probe(&shoot(&mut harness)) - 255).abs() <= 1);
}

#[test]
fn double_click_changes_between_fit_and_one_to_one() {
    let mut harness = window(session(), Layers::NONE);
    let at = pos2(200.0, 260.0);
    let pointed = image_at(&harness, at);
    let double = |harness: &mut Harness<'static, Window>| {
        harness.run_steps(8);
        for pressed in [true, false, true, false] {
            harness.event(Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
        }
        harness.run();
    };
    harness.hover_at(at);
    double(&mut harness);
    assert_eq!(harness.state().view.zoom(), 1.0);
    assert!(near(image_at(&harness, at), pointed, 0.51), "about the pointer");
    double(&mut harness);
    assert!(harness.state().view.is_fitted());
}

#[test]
fn a_click_selects_the_candidate_under_it() {
    let mut harness = window(session(), Layers::default());
    let candidates = harness.state().session.candidates().to_vec();
    assert_eq!(candidates.len(), 2);
    for (index, candidate) in candidates.iter().enumerate() {
        let at = screen_at(&harness, ImageRect::from(candidate.rect).center());
        click(&mut harness, at);
        assert_eq!(harness.state().events, [ViewportEvent::Select(Some(index))]);
        assert_eq!(harness.state().view.hovered, Some(index));
        harness.state_mut().events.clear();
        harness.run_steps(8);
    }
    click(&mut harness, pos2(400.0, 500.0));
    assert_eq!(harness.state().events, [ViewportEvent::Select(None)]);
    harness.state_mut().events.clear();
    harness.state_mut().layers = Layers::NONE;
    harness.run_steps(8);
    let at = screen_at(&harness, ImageRect::from(candidates[0].rect).center());
    click(&mut harness, at);
    assert_eq!(harness.state().events, [ViewportEvent::Select(None)], "what is not shown is not clicked");
}

#[test]
fn going_to_a_finding_centres_it_with_its_surroundings() {
    let mut harness = window(session(), Layers::NONE);
    let rect = ImageRect::new(170.0, 290.0, 250.0, 370.0);
    harness.state_mut().view.go_to(rect);
    harness.run();
    let view = &harness.state().view;
    assert!(near(view.center().expect("shown"), rect.center(), 1e-9));
    let side = rect.width() * view.zoom();
    assert!((150.0..300.0).contains(&side), "{side} of 560 points");
    assert!(view.zoom() > 1.0);
}

fn is_near(pixel: &Rgba<u8>, color: [u8; 3], tolerance: u8) -> bool {
    pixel.0.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= tolerance)
}

/// Whether the colour occurs within `reach` pixels of a place on the screen.
fn has_color(picture: &RgbaImage, at: Pos2, reach: i32, color: [u8; 3], tolerance: u8) -> bool {
    let around = |v: f32| (v as i32 - reach).max(0) as u32..=(v as i32 + reach).max(0) as u32;
    around(at.y).any(|y| around(at.x).any(|x| is_near(picture.get_pixel(x, y), color, tolerance)))
}

#[test]
fn marks_lie_where_they_belong_at_every_zoom() {
    let session = session();
    let candidate = session.candidates()[0];
    let sure = session.reading().expect("read").scales[3].detections[0];
    let contour = session.outline(candidate.rect).expect("outlined").contours[0].clone();
    let truth = circle(214.0, 326.0, 40.0, 60);
    let mut harness = window(session, Layers::NONE);
    let corner = |r: ImageRect| ImagePoint::new(r.x0, r.y1);
    let edge = |r: ImageRect| ImagePoint::new(r.x1, (r.y0 + r.y1) / 2.0);
    for zoom in [0.5, 0.8, 1.0, 2.5, 6.0] {
        let mut shown = |layers: Layers, p: ImagePoint, color: [u8; 3]| {
            // The place in question is in the middle of the view at any zoom.
            harness.state_mut().view.go_to(ImageRect::new(p.x, p.y, p.x, p.y));
            harness.run();
            let now = harness.state().view.zoom();
            harness.state_mut().view.zoom_by(zoom / now);
            harness.state_mut().layers = Layers { heatmap: false, ..Layers::NONE };
            let before = shoot(&mut harness);
            harness.state_mut().layers = layers;
            let after = shoot(&mut harness);
            let at = screen_at(&harness, p);
            !has_color(&before, at, 1, color, 60) && has_color(&after, at, 1, color, 60)
        };
        let boxes = Layers { boxes: true, scale: Some(SCALES[3]), ..Layers::NONE };
        assert!(shown(boxes, edge(sure.rect), CANDIDATE.color), "box at {zoom}");
        let other = Layers { scale: Some(SCALES[1]), ..boxes };
        assert!(zoom < 2.0 || !shown(other, edge(sure.rect), CANDIDATE.color), "another scale's box at {zoom}");
        let candidates = Layers { candidates: true, ..Layers::NONE };
        assert!(shown(candidates, corner(candidate.rect.into()), CANDIDATE.color), "candidate at {zoom}");
        let contours = Layers { contours: true, ..Layers::NONE };
        for point in contour.points.iter().step_by(80) {
            assert!(shown(contours, *point, CONTOUR.color), "contour at {zoom}");
        }
        // The start of the line, where a dash is.
        let truths = Layers { truth: true, ..Layers::NONE };
        assert!(shown(truths, truth.points[0], TRUTH.color), "groundtruth at {zoom}");
    }
}

#[test]
fn the_heatmap_colours_each_cell() {
    let session = session();
    let fused = session.reading().expect("read").fused.clone();
    let mut harness = window(session, Layers::NONE);
    harness.state_mut().view.zoom_by(2.0);
    let plain = shoot(&mut harness);
    harness.state_mut().layers = Layers { heatmap: true, heatmap_opacity: 0.6, ..Layers::NONE };
    let heated = shoot(&mut harness);
    let mut warm = 0;
    for (x, y, pixel) in heated.enumerate_pixels().filter(|(x, y, _)| (30..570).contains(y) && *x < 540) {
        let p = image_at(&harness, pos2(x as f32 + 0.5, y as f32 + 0.5));
        if p.x < 0.0 || p.y < 0.0 || p.x >= WIDTH as f64 || p.y >= HEIGHT as f64 {
            continue;
        }
        let ms = fused.value_at(p.x as usize, p.y as usize);
        let [r, g, b, a] = heat_color((ms.min(1.0) * 255.0).ceil() / 255.0).map(f32::from);
        let alpha = a / 255.0 * 0.6;
        let below = plain.get_pixel(x, y).0;
        for ((shown, color), below) in pixel.0.iter().zip([r, g, b]).zip(below) {
            let expected = color * alpha + f32::from(below) * (1.0 - alpha);
            assert!((f32::from(*shown) - expected).abs() <= 2.0, "({x}, {y}), Ms {ms}: {shown}, expected {expected}");
        }
        warm += usize::from(ms > 0.0);
    }
    assert!(warm > 10_000);
}
