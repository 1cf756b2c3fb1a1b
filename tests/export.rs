//! What leaves the program: the annotated image, the report, and how files appear.

use std::path::{Path, PathBuf};

use image::RgbImage;
use mammoscope::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use mammoscope::export::{EXPORTERS, ExportError, ExportView, Exporter, Layers, compose, write_whole};
use mammoscope::findings::Contour;
use mammoscope::marks::{CANDIDATE, CONTOUR, DETECTION, TRUTH, heat_color};
use mammoscope::pipeline::SCALES;
use mammoscope::session::{Report, Session};
use mammoscope::space::{ImagePoint, ImageRect};
use mammoscope::study::Voi;
use tempfile::TempDir;

use crate::support::session::{ramp, scripted_session};

fn truth() -> GroundTruth {
    let corners = [(110.0, 160.0), (190.0, 160.0), (190.0, 260.0), (110.0, 260.0)];
    let outline = Contour { points: corners.map(|(x, y)| ImagePoint::new(x, y)).to_vec() };
    let lesion = |name: &str, kind, shape| Lesion { name: name.into(), kind, shape };
    GroundTruth {
        lesions: vec![
            lesion("Mass", LesionKind::Mass, LesionShape::Outline(vec![outline])),
            lesion("Mass", LesionKind::Mass, LesionShape::Box(ImageRect::new(10.0, 500.0, 50.0, 550.0))),
            lesion("Calcification", LesionKind::Other, LesionShape::Points(vec![ImagePoint::new(300.0, 100.0)])),
        ],
        format: "made up",
        ..GroundTruth::default()
    }
}

fn exporter(extension: &str) -> &'static Exporter {
    EXPORTERS.iter().find(|e| e.extension == extension).expect(extension)
}

fn export(session: &Session, view: &ExportView, extension: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(format!("out.{extension}"));
    exporter(extension).write(session, view, &path).expect("written");
    (folder, path)
}

fn picture(session: &Session, view: &ExportView, extension: &str) -> RgbImage {
    let (_folder, path) = export(session, view, extension);
    image::open(path).expect("an image").to_rgb8()
}

/// The greys that the session's image shows at (x, y), through its own grey scale.
fn shown(session: &Session) -> impl Fn(u32, u32) -> [u8; 3] {
    let grayscale = &session.study().grayscale;
    let lut = grayscale.display_lut(&grayscale.choices[0].voi, false);
    let image = session.study().image.clone();
    move |x, y| [((u32::from(lut[usize::from(image.get(x as usize, y as usize))]) + 128) / 257) as u8; 3]
}

#[test]
fn the_image_lies_at_the_pictures_origin_with_a_strip_below() {
    let session = scripted_session(0.6, Some(truth()));
    let (picture, shown) = (picture(&session, &ExportView::default(), "png"), shown(&session));
    assert_eq!(picture.width(), 400);
    assert!(picture.height() > 600 && picture.height() < 900, "{}", picture.height());
    for (x, y) in [(0, 0), (399, 0), (0, 599), (399, 599), (250, 420), (60, 60), (150, 210)] {
        assert_eq!(picture.get_pixel(x, y).0, shown(x, y), "({x}, {y})");
    }
    // The strip is dark, and something is written in it.
    let strip = || (600..picture.height()).flat_map(|y| (0..400).map(move |x| (x, y)));
    assert!(picture.get_pixel(0, 600).0.iter().all(|v| *v < 40));
    assert!(strip().filter(|&(x, y)| picture.get_pixel(x, y).0[0] > 128).count() > 500);
}

#[test]
fn marks_have_their_colours_at_their_places() {
    let session = scripted_session(0.6, Some(truth()));
    let [candidate] = session.candidates() else { panic!("one candidate: {:?}", session.candidates()) };
    let r = candidate.rect;
    assert_eq!((r.x0, r.y0, r.x1, r.y1), (100, 150, 200, 270));
    let (picture, shown) = (picture(&session, &ExportView::default(), "png"), shown(&session));
    let at = |x: usize, y: usize| picture.get_pixel(x as u32, y as u32).0;
    for (x, y) in [(r.x0, r.y0), (r.x1 - 1, r.y0), (r.x0, r.y1 - 1), (r.x1 - 1, r.y1 - 1)] {
        assert_eq!(at(x, y), CANDIDATE.color, "corner ({x}, {y})");
    }
    // Only the corners: the middle of a side is the image's.
    assert_eq!(at(150, 150), shown(150, 150));
    let outline = session.outline(r).expect("outlined");
    for p in outline.contours[0].points.iter().step_by(20) {
        let near = at(p.x.floor() as usize, p.y.floor() as usize);
        assert!(near[0] > 180 && near[1] < 140, "contour at ({}, {}): {near:?}", p.x, p.y);
    }
    // Groundtruth is dashed: its top edge is green in places, and the image's in others.
    let top: Vec<_> = (112..188).map(|x| at(x, 159)).collect();
    assert!(top.contains(&TRUTH.color), "{top:?}");
    let plain = (112..188).filter(|&x| at(x, 159) == shown(x as u32, 159)).count();
    assert!(plain > 5, "{plain} of 76 pixels between dashes");
    assert!((490..510).any(|y| (5..50).any(|x| at(x, y) == TRUTH.color)), "the box");
    assert!((90..110).any(|y| (290..310).any(|x| at(x, y)[1] > 150 && at(x, y)[0] < 100)), "the point's ring");
    // Every pixel off the marks is the image's: boxes around all of them, halo included.
    let marked = [(90, 140, 210, 280), (0, 490, 60, 560), (290, 90, 310, 110)];
    for y in 0..600 {
        for x in 0..400 {
            let is_marked = marked.iter().any(|&(x0, y0, x1, y1)| (x0..x1).contains(&x) && (y0..y1).contains(&y));
            assert!(is_marked || at(x, y) == shown(x as u32, y as u32), "({x}, {y})");
        }
    }
}

#[test]
fn layers_are_drawn_only_where_asked() {
    let session = scripted_session(0.6, Some(truth()));
    let none = Layers { detections: false, scale: None, candidates: false, contours: false, truth: false, heat: None };
    let draws = |layers: &Layers, colour: [u8; 3]| {
        let view = ExportView { layers: layers.clone(), ..ExportView::default() };
        let picture = compose(&session, &view);
        let image = &picture.data()[..400 * 600 * 3];
        image.chunks_exact(3).any(|pixel| pixel == colour)
    };
    let colours = [CANDIDATE.color, CONTOUR.color, TRUTH.color];
    assert!(colours.iter().all(|c| !draws(&none, *c)));
    assert!(draws(&Layers { candidates: true, ..none.clone() }, CANDIDATE.color));
    assert!(draws(&Layers { contours: true, ..none.clone() }, CONTOUR.color));
    assert!(draws(&Layers { truth: true, ..none.clone() }, TRUTH.color));
    let changed = |layers: Layers| {
        let view = |layers| ExportView { layers, ..ExportView::default() };
        let (with, without) = (compose(&session, &view(layers)), compose(&session, &view(none.clone())));
        with.data()[..400 * 600 * 3] != without.data()[..400 * 600 * 3]
    };
    assert!(changed(Layers { detections: true, ..none.clone() }), "{:?} boxes", DETECTION.color);
    assert!(changed(Layers { detections: true, scale: Some(SCALES[0]), ..none.clone() }));
    let unknown = mammoscope::space::NetSize::new(1, 1);
    assert!(!changed(Layers { detections: true, scale: Some(unknown), ..none.clone() }));
}

#[test]
fn the_heatmap_lies_over_the_image_where_it_is_asked_for() {
    let session = scripted_session(0.6, None);
    let layers =
        Layers { detections: false, scale: None, candidates: false, contours: false, truth: false, heat: Some(0.5) };
    let (picture, shown) = (compose(&session, &ExportView { layers, ..ExportView::default() }), shown(&session));
    let at = |x: usize, y: usize| <[u8; 3]>::try_from(&picture.data()[3 * (y * 400 + x)..][..3]).expect("three bytes");
    // Ms is 1 in the certain box, 0.4 / 0.9 in the doubtful one, and 0 outside both.
    for (x, y, ms) in [(100, 150, 1.0), (199, 269, 1.0), (250, 400, 0.4 / 0.9)] {
        let [r, g, b, alpha] = heat_color(ms);
        let part = f32::from(alpha) / 255.0 * 0.5;
        for (seen, (under, over)) in at(x, y).into_iter().zip(shown(x as u32, y as u32).into_iter().zip([r, g, b])) {
            let expected = f32::from(under) * (1.0 - part) + f32::from(over) * part;
            assert!((f32::from(seen) - expected).abs() <= 1.5, "({x}, {y}): {seen}, not {expected}");
        }
    }
    for (x, y) in [(99, 150), (200, 269), (20, 20)] {
        assert_eq!(at(x, y), shown(x as u32, y as u32));
    }
}

#[test]
fn the_image_is_shown_through_the_given_window() {
    let session = scripted_session(0.6, None);
    let voi = Voi::LinearExact { center: 20_000.0, width: 8_000.0 };
    let view = ExportView { voi: Some(voi.clone()), invert: true, ..ExportView::default() };
    let picture = picture(&session, &view, "png");
    let lut = session.study().grayscale.display_lut(&voi, true);
    for (x, y) in [(0, 0), (300, 5), (399, 590), (20, 520)] {
        let expected = (u32::from(lut[usize::from(session.study().image.get(x as usize, y as usize))]) + 128) / 257;
        assert_eq!(u32::from(picture.get_pixel(x, y).0[0]), expected, "({x}, {y})");
    }
}

#[test]
fn tiff_and_png_hold_the_same_picture() {
    let session = scripted_session(0.0, Some(truth()));
    assert_eq!(session.candidates().len(), 2);
    let view = ExportView::default();
    assert!(picture(&session, &view, "tif") == picture(&session, &view, "png"));
}

#[test]
fn images_of_any_shape_can_be_exported() {
    for (width, height) in [(1, 1), (7, 3000), (3000, 7), (64, 64)] {
        let session = Session::new(std::sync::Arc::new(ramp(width, height)));
        let picture = picture(&session, &ExportView::default(), "png");
        assert_eq!(picture.width() as usize, width);
        assert!(picture.height() as usize > height, "{width}×{height}");
        assert_eq!(picture.get_pixel(0, 0).0, shown(&session)(0, 0));
    }
}

#[test]
fn the_report_holds_what_the_contract_says() {
    let session = scripted_session(0.0, Some(truth()));
    let (_folder, path) = export(&session, &ExportView::default(), "json");
    let text = std::fs::read_to_string(path).expect("text");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let at = |pointer: &str| json.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {text}")).clone();

    assert_eq!(at("/image/width"), 400);
    assert_eq!(at("/image/height"), 600);
    assert_eq!(at("/image/mm_per_pixel"), 0.1);
    assert!(at("/image/laterality").is_null() && at("/image/view").is_null());
    assert_eq!(at("/lambda"), 0.0);
    assert_eq!(at("/scales").as_array().map(Vec::len), Some(5));
    assert_eq!((at("/scales/0/width"), at("/scales/0/height")), (160.into(), 320.into()));
    assert_eq!(at("/scales/4/detections/0/box"), serde_json::json!([100.0, 150.0, 200.0, 270.0]));
    assert!((at("/scales/0/detections/0/confidence").as_f64().expect("a number") - 0.9).abs() < 1e-6);
    // Both boxes fire at all five scales: Ms is 5 · c / (5 · 0.9).
    assert_eq!(at("/fused/max"), 1.0);
    assert_eq!(at("/findings/0/box"), serde_json::json!([100, 150, 200, 270]));
    assert_eq!(at("/findings/0/score"), 1.0);
    assert!((at("/findings/1/score").as_f64().expect("a number") - 4.0 / 9.0).abs() < 1e-6);
    assert_eq!(at("/findings/0/scales").as_array().map(Vec::len), Some(5));
    let contour = at("/findings/0/contours/0");
    assert!(
        contour.as_array().is_some_and(|points| points.len() > 20 && points[0].as_array().map(Vec::len) == Some(2))
    );
    let number = |pointer: &str| at(pointer).as_f64().expect(pointer);
    // A disc of 0.3 · 180 pixels.
    let radius = 54.0;
    assert!((number("/findings/0/area_px") / (std::f64::consts::PI * radius * radius) - 1.0).abs() < 0.02);
    assert!((number("/findings/0/longest_diameter_px") / (2.0 * radius) - 1.0).abs() < 0.02);
    assert!((number("/findings/0/area_mm2") - number("/findings/0/area_px") / 100.0).abs() < 1e-2);
    assert!(
        (number("/findings/0/longest_diameter_mm") - number("/findings/0/longest_diameter_px") / 10.0).abs() < 1e-2
    );
    assert_eq!(at("/findings/0/hit"), true);
    assert_eq!(at("/findings/0/lesion"), 0);
    assert!(number("/findings/0/dice") > 0.8 && number("/findings/0/iou") < number("/findings/0/dice"));
    assert_eq!(at("/findings/1/hit"), false);
    assert!(at("/findings/1/dice").is_null());
    assert_eq!((at("/truth/hits"), at("/truth/misses"), at("/truth/false_positives")), (1.into(), 1.into(), 1.into()));
    assert_eq!(at("/truth/lesions/0/hit"), true);
    assert_eq!(at("/truth/lesions/1/hit"), false);
    assert!(at("/truth/lesions/2/hit").is_null());
    assert_eq!(at("/models/detector/name"), "scripted detector");
    assert_eq!(at("/models/segmenter/sha256").as_str().map(str::len), Some(64));
    assert_eq!(at("/device"), "a script");
    let stages = at("/timings_ms");
    let stages = stages.as_object().expect("by stage");
    for stage in ["prepare", "detect 160×320", "detect 480×960", "fuse", "outline"] {
        assert!(stages.get(stage).is_some_and(serde_json::Value::is_number), "{stage} in {stages:?}");
    }
    assert_eq!(at("/warnings"), serde_json::json!([]));
    assert!(at("/notice").as_str().is_some_and(|n| n.contains("not for diagnosis")));
    assert!(!text.contains("ramp"), "a file's name may be a patient's");

    // A line a value, and contours on one.
    assert!(text.lines().count() < 250 && text.contains("\n    \"box\": [100, 150, 200, 270],\n"), "{text}");
    let report: Report = serde_json::from_str(&text).expect("the same type");
    assert_eq!(report, session.report());
    assert_eq!(report.timings_ms.0.first().map(|(stage, _)| stage.as_str()), Some("prepare"));
}

#[test]
fn the_report_follows_lambda_and_what_is_known() {
    let mut session = scripted_session(0.6, None);
    assert_eq!(session.report().findings.len(), 1);
    session.set_lambda(0.0);
    let report = session.report();
    assert_eq!(report.findings.len(), 2);
    assert!(report.findings[1].contours.is_empty() && report.findings[1].area_px.is_none());
    assert_eq!(report.warnings, ["1 outlines were not computed."]);
    assert!(report.truth.is_none() && report.findings[0].hit.is_none());
    session.set_lambda(1.5);
    assert!(session.report().findings.is_empty());

    let unread = Session::new(std::sync::Arc::new(ramp(40, 60)));
    let folder = TempDir::new().expect("a folder");
    let error = exporter("json").write(&unread, &ExportView::default(), &folder.path().join("a.json"));
    assert!(error.expect_err("refused").0.contains("analyse"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 0);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("listed").flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn files_appear_whole_or_not_at_all() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.json");
    write_whole(&path, |file| Ok(std::io::Write::write_all(file, b"first")?)).expect("written");
    assert_eq!(std::fs::read(&path).expect("there"), b"first");

    let failed = write_whole(&path, |file| {
        std::io::Write::write_all(file, &[7; 5_000_000])?;
        Err(ExportError("It failed half-way.".into()))
    });
    assert_eq!(failed, Err(ExportError("It failed half-way.".into())));
    assert_eq!(std::fs::read(&path).expect("there"), b"first");
    assert_eq!(names(folder.path()), ["a.json"]);

    write_whole(&path, |file| Ok(std::io::Write::write_all(file, b"second")?)).expect("replaced");
    assert_eq!(std::fs::read(&path).expect("there"), b"second");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        std::fs::write(folder.path().join("plain"), b"").expect("written");
        let plain = std::fs::metadata(folder.path().join("plain")).expect("there").permissions().mode();
        assert_eq!(mode, plain, "as any new file");
    }
}

#[test]
fn trouble_with_the_place_is_one_sentence() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("file"), b"").expect("written");
    let places = [
        folder.path().join("none/a.png"),
        folder.path().join("file/a.png"),
        folder.path().to_path_buf(),
        folder.path().join(format!("{}.png", "a".repeat(300))),
        PathBuf::from("/proc/a.png"),
        PathBuf::from("/"),
    ];
    let session = scripted_session(0.6, None);
    for place in places {
        let error = exporter("png").write(&session, &ExportView::default(), &place).expect_err("refused").to_string();
        assert!(error.ends_with('.') && !error.contains('\n') && error.len() < 120, "{error}");
        assert!(!error.contains("os error") && !error.contains("aaa"), "{error}");
    }
    // A disk without space, where the system has one to offer.
    if Path::new("/dev/full").exists() {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("opened");
        let error = std::io::Write::write_all(&mut &full, &[0; 100]).expect_err("full");
        assert!(ExportError::from(error).0.contains("disk is full"));
    }
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn opened_files_are_never_overwritten() {
    let folder = TempDir::new().expect("a folder");
    let opened = folder.path().join("opened.png");
    std::fs::write(&opened, b"a mammogram").expect("written");
    let truth_path = folder.path().join("truth.json");
    std::fs::write(&truth_path, b"groundtruth").expect("written");
    let study = mammoscope::study::Study { path: opened.clone(), ..ramp(40, 60) };
    let mut session = Session::new(std::sync::Arc::new(study));
    session.set_truth(Some(std::sync::Arc::new(GroundTruth { path: Some(truth_path.clone()), ..truth() })));
    let mut ways = vec![opened.clone(), truth_path.clone(), folder.path().join("./opened.png")];
    #[cfg(unix)]
    {
        let link = folder.path().join("link.png");
        std::os::unix::fs::symlink(&opened, &link).expect("linked");
        ways.push(link);
    }
    for path in ways {
        let error = exporter("png").write(&session, &ExportView::default(), &path).expect_err("refused");
        assert!(error.0.contains("never overwritten"), "{error}");
    }
    assert_eq!(std::fs::read(&opened).expect("there"), b"a mammogram");
    assert_eq!(std::fs::read(&truth_path).expect("there"), b"groundtruth");
    exporter("png").write(&session, &ExportView::default(), &folder.path().join("other.png")).expect("written");
}
