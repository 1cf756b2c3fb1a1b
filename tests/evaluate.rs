//! The figures of a data set: metrics against literal ones, a hand-computed FROC, listing, resuming and the report.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mammoscope::annotation::{LesionKind, LesionShape};
use mammoscope::evaluation::cbis::{self, parse_csv};
use mammoscope::evaluation::dataset::{self, TruthSource};
use mammoscope::evaluation::froc::{froc, operating_point};
use mammoscope::evaluation::measured::{Group, Measured, Settings, compact_masses};
use mammoscope::evaluation::metrics::{RankedBox, mean, precision_recall};
use mammoscope::evaluation::report::{self, Provenance};
use mammoscope::evaluation::summary::{Questions, deal, summarise};
use mammoscope::evaluation::{Overlap, run};
use mammoscope::findings::{Detection, ModelIdentity, ScaleDetections};
use mammoscope::inference::Models;
use mammoscope::pipeline::{Cancel, Cancelled, Detector, NetDetection, Parameters, SCALES, Segmenter};
use mammoscope::raster::{ProbabilityMap, Raster};
use mammoscope::space::{ImageRect, NetRect, NetSize};

use crate::random::Random;

fn square(x: f64, y: f64, side: f64) -> ImageRect {
    ImageRect::new(x, y, x + side, y + side)
}

fn ranked(image: usize, score: f32, rect: ImageRect) -> RankedBox {
    RankedBox { image, rect, score }
}

#[test]
fn a_froc_computed_by_hand() {
    // Two lesions in image 0, one in image 1, image 2 healthy.
    let lesions = vec![vec![square(0.0, 0.0, 10.0), square(50.0, 50.0, 10.0)], vec![square(20.0, 20.0, 10.0)], vec![]];
    let marks = [
        ranked(0, 0.9, square(1.0, 1.0, 10.0)),
        ranked(2, 0.8, square(5.0, 5.0, 10.0)),
        ranked(0, 0.7, square(0.0, 0.0, 9.0)), // the first lesion again: neither true nor false
        ranked(1, 0.6, square(60.0, 60.0, 10.0)),
        ranked(1, 0.6, square(18.0, 18.0, 10.0)),
        ranked(0, 0.5, square(80.0, 0.0, 10.0)),
    ];
    let curve = froc(&marks, &lesions);
    let points: Vec<(f32, f64, f64)> =
        curve.points.iter().map(|p| (p.threshold, p.sensitivity, p.false_positives_per_image)).collect();
    let third = 1.0 / 3.0;
    assert_eq!(
        points,
        [
            (0.9, third, 0.0),
            (0.8, third, third),
            (0.7, third, third),
            (0.6, 2.0 / 3.0, 2.0 / 3.0),
            (0.5, 2.0 / 3.0, 1.0)
        ]
    );
    assert_eq!([0.0, 0.5, 0.7, 9.0].map(|fp| curve.sensitivity_at(fp)), [third, third, 2.0 / 3.0, 2.0 / 3.0]);
    let best: Vec<f64> = curve.envelope().iter().map(|p| p.false_positives_per_image).collect();
    assert_eq!(best, [0.0, 2.0 / 3.0]);
    let fixed = vec![vec![square(1.0, 1.0, 10.0)], vec![square(60.0, 60.0, 10.0)], vec![square(1.0, 1.0, 3.0)]];
    let point = operating_point(&fixed, &lesions, 0.6).unwrap();
    assert_eq!((point.sensitivity, point.false_positives_per_image), (third, 2.0 / 3.0));
    assert!(froc(&marks, &[vec![], vec![], vec![]]).points.is_empty());
    assert!(operating_point(&fixed, &[], 0.6).is_none());
}

/// Precision and recall at each threshold, each counted from the start.
fn literal_curve(boxes: &[RankedBox], lesions: &[Vec<ImageRect>]) -> (Vec<(f64, f64)>, f64) {
    let mut thresholds: Vec<f32> = boxes.iter().map(|b| b.score).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let total: usize = lesions.iter().map(Vec::len).sum();
    let mut curve = Vec::new();
    for threshold in thresholds {
        let mut found: Vec<Vec<bool>> = lesions.iter().map(|l| vec![false; l.len()]).collect();
        let mut kept: Vec<&RankedBox> = boxes.iter().filter(|b| b.score >= threshold).collect();
        kept.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap());
        let mut hits = 0;
        for b in &kept {
            let (mut best, mut best_iou) = (None, 0.0);
            for (i, lesion) in lesions[b.image].iter().enumerate() {
                if !found[b.image][i] && lesion.iou(&b.rect) >= best_iou {
                    (best, best_iou) = (Some(i), lesion.iou(&b.rect));
                }
            }
            if let Some(i) = best
                && best_iou >= 0.5
            {
                found[b.image][i] = true;
                hits += 1;
            }
        }
        curve.push((hits as f64 / total as f64, hits as f64 / kept.len() as f64));
    }
    // The area, as a sum over recall steps of the best precision at that recall or more.
    let mut recalls: Vec<f64> = curve.iter().map(|p| p.0).collect();
    recalls.sort_by(f64::total_cmp);
    recalls.dedup();
    let mut area = 0.0;
    let mut before = 0.0;
    for recall in recalls {
        let best = curve.iter().filter(|p| p.0 >= recall).map(|p| p.1).fold(0.0, f64::max);
        area += (recall - before) * best;
        before = recall;
    }
    (curve, area)
}

#[test]
fn precision_and_recall_equal_literal_ones_on_random_cases() {
    let mut random = Random::new(31);
    for case in 0..400 {
        let images = 1 + random.below(6);
        let mut lesions: Vec<Vec<ImageRect>> = Vec::new();
        for _ in 0..images {
            let count = random.below(4);
            lesions.push((0..count).map(|_| square(random.range(0.0, 60.0), random.range(0.0, 60.0), 20.0)).collect());
        }
        let boxes: Vec<RankedBox> = (0..random.below(40))
            .map(|_| {
                let image = random.below(images);
                let near = lesions[image].get(random.below(4)).copied();
                let rect = near.map_or(square(random.range(0.0, 60.0), 5.0, 18.0), |l| {
                    square(l.x0 + random.range(-6.0, 6.0), l.y0 + random.range(-6.0, 6.0), 20.0)
                });
                ranked(image, random.below(8) as f32 / 8.0, rect)
            })
            .collect();
        let found = precision_recall(&boxes, &lesions, 0.5);
        if lesions.iter().all(Vec::is_empty) {
            assert_eq!(found.average_precision, None);
            continue;
        }
        let (curve, area) = literal_curve(&boxes, &lesions);
        let points: Vec<(f64, f64)> = found.points.iter().map(|p| (p.recall, p.precision)).collect();
        assert_eq!(points, curve, "case {case}");
        assert!((found.average_precision.unwrap() - area).abs() < 1e-12, "case {case}");
    }
}

#[test]
fn average_precision_of_a_known_ranking() {
    // Right, wrong, right, of three lesions: 1/3 · 1 + 1/3 · 2/3.
    let lesions = vec![vec![square(0.0, 0.0, 10.0), square(30.0, 0.0, 10.0), square(60.0, 0.0, 10.0)]];
    let boxes = [
        ranked(0, 0.9, square(0.0, 0.0, 10.0)),
        ranked(0, 0.8, square(0.0, 0.0, 10.0)),
        ranked(0, 0.7, square(30.0, 0.0, 10.0)),
    ];
    let average = precision_recall(&boxes, &lesions, 0.5).average_precision.unwrap();
    assert!((average - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
}

#[test]
fn a_standard_error_is_that_of_the_mean() {
    let m = mean(&[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!((m.mean, m.parts), (2.5, 4));
    assert!((m.standard_error.unwrap() - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    assert_eq!(mean(&[7.0]).unwrap().standard_error, None);
    assert_eq!(mean(&[]), None);
}

fn measured(name: &str, patient: &str) -> Measured {
    Measured {
        name: name.into(),
        patient: patient.into(),
        width: 100,
        height: 100,
        masses: Vec::new(),
        ambiguous: false,
        scales: Vec::new(),
        groups: Vec::new(),
    }
}

#[test]
fn parts_share_no_patient_and_hold_every_image_once() {
    let images: Vec<Measured> = (0..40).map(|i| measured(&format!("{i}"), &format!("p{}", i / 3))).collect();
    let parts = deal(&images, 5, 9);
    assert_eq!(parts, deal(&images, 5, 9));
    assert_ne!(parts, deal(&images, 5, 10));
    let mut all: Vec<usize> = parts.concat();
    all.sort_unstable();
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    for (i, a) in parts.iter().enumerate() {
        for b in &parts[i + 1..] {
            assert!(a.iter().all(|x| b.iter().all(|y| images[*x].patient != images[*y].patient)));
        }
    }
    assert!(deal(&images[..2], 5, 1).is_empty(), "one patient cannot be dealt");
}

#[test]
fn patients_are_told_from_file_names() {
    for (stem, patient) in [
        ("00484_RIGHT_CC", "00484"),
        ("P102_R_DM_CC", "P102"),
        ("20586908_6c613a14b80a8591_MG_R_CC_ANON", "6c613a14b80a8591"),
        ("Mass-Training_P_00001_LEFT_CC", "00001"),
        ("image", "image"),
    ] {
        assert_eq!(dataset::patient_of(stem), patient);
    }
}

#[test]
fn tables_with_quotes_and_newlines_are_read() {
    let rows = parse_csv("a,\"b, \"\"c\"\"\",d\r\n\r\n1,\"two\nlines\",3");
    assert_eq!(rows, [vec!["a", "b, \"c\"", "d"], vec!["1", "two\nlines", "3"]]);
}

fn save_gray(path: &Path, width: u32, height: u32, value: impl Fn(u32, u32) -> u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_fn(width, height, |x, y| image::Luma([value(x, y)])).save(path).unwrap();
}

fn disc(x: u32, y: u32, cx: i64, cy: i64, radius: i64) -> bool {
    (i64::from(x) - cx).pow(2) + (i64::from(y) - cy).pow(2) < radius * radius
}

/// A folder of three patients: image k has a bright disc of 20 px at (60 + 40 k, 100) and its mask; the last has no mask.
fn data_set(folder: &Path) {
    for k in 0..3_i64 {
        let at = 60 + 40 * k;
        let name = format!("p{k}_L_CC");
        save_gray(&folder.join(format!("{name}.png")), 200, 300, |x, y| {
            if disc(x, y, at, 100, 20) { 250 } else { 60 + (x + y) as u8 % 40 }
        });
        if k < 2 {
            save_gray(&folder.join(format!("{name}_mask.png")), 200, 300, |x, y| {
                255 * u8::from(disc(x, y, at, 100, 20))
            });
        }
    }
}

/// Finds what is brighter than 0.9: a box around it, with a confidence that the scale decides.
struct Bright {
    calls: Arc<AtomicUsize>,
}

impl Detector for Bright {
    fn detect(&mut self, input: &Raster<f32>, _: f32, _: &Cancel) -> anyhow::Result<Vec<NetDetection>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut rect: Option<NetRect> = None;
        for y in 0..input.height() {
            for x in (0..input.width()).filter(|x| input.get(*x, y) > 0.9) {
                let (x, y) = (x as f32, y as f32);
                let r = rect.get_or_insert(NetRect { x0: x, y0: y, x1: x, y1: y });
                *r = NetRect { x0: r.x0.min(x), y0: r.y0.min(y), x1: r.x1.max(x + 1.0), y1: r.y1.max(y + 1.0) };
            }
        }
        let weak = NetRect { x0: 0.0, y0: 0.0, x1: 20.0, y1: 20.0 };
        let mut found = vec![NetDetection { rect: weak, confidence: 0.05 }];
        found.extend(rect.map(|rect| NetDetection { rect, confidence: 0.5 + input.width() as f32 / 1000.0 }));
        Ok(found)
    }

    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "bright".into(), sha256: "d".into() }
    }
}

/// Outlines what is near the top of the equalised grey levels.
struct Brightest;

impl Segmenter for Brightest {
    fn segment(&mut self, patches: &[Raster<f32>], _: usize, _: &Cancel) -> anyhow::Result<Vec<ProbabilityMap>> {
        // The disc is one grey level, the brightest: its share of the histogram ends at 1.
        Ok(patches.iter().map(|p| p.map(|v| if v > 0.99 { 1.0 } else { 0.0 })).collect())
    }

    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "brightest".into(), sha256: "s".into() }
    }
}

fn models(calls: &Arc<AtomicUsize>) -> Models {
    Models {
        detector: Box::new(Bright { calls: calls.clone() }),
        segmenter: Box::new(Brightest),
        device: "made up".into(),
        notice: None,
    }
}

fn settings() -> Settings {
    Settings { parameters: Parameters::default(), dice_lambdas: vec![0.6], outlines: true, compact: false }
}

#[test]
fn a_data_set_is_measured_resumed_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    data_set(folder.path());
    let listed = dataset::list(folder.path(), None, true).unwrap();
    assert_eq!(listed.cases.iter().map(|c| c.patient.as_str()).collect::<Vec<_>>(), ["p0", "p1", "p2"]);

    let calls = Arc::new(AtomicUsize::new(0));
    let cache = out.path().join("images");
    let mut heard = Vec::new();
    let go = |cases: &[dataset::Case], heard: &mut Vec<usize>| {
        run::run(cases, &mut models(&calls), &settings(), &cache, &Cancel::default(), &mut |n| heard.push(n)).unwrap()
    };
    let first = go(&listed.cases[..2], &mut heard);
    assert_eq!((first.measured.len(), first.left_out.len(), heard.clone()), (2, 0, vec![0, 1, 2]));
    assert_eq!(calls.load(Ordering::Relaxed), 10);
    // Going on: only the third image runs; what was measured comes back (edges to the last digit of JSON's numbers).
    let outcome = go(&listed.cases, &mut heard);
    assert_eq!(calls.load(Ordering::Relaxed), 15);
    for (again, before) in outcome.measured.iter().zip(&first.measured) {
        assert_eq!((&again.masses, &again.groups), (&before.masses, &before.groups));
        for (a, b) in again.scales.iter().zip(&before.scales).flat_map(|(a, b)| a.detections.iter().zip(&b.detections))
        {
            assert!(a.confidence == b.confidence && a.rect.iou(&b.rect) > 1.0 - 1e-12);
        }
    }

    let masses = &outcome.measured[0].masses;
    assert_eq!(masses.len(), 1);
    assert!(masses[0].patch.unwrap().dice() > 0.95, "{masses:?}");
    let fused = outcome.measured[0].groups.iter().find(|g| g.group == Group::Fused).unwrap();
    assert!(fused.overlap.dice() > 0.95, "{fused:?}");
    assert!(outcome.measured[2].masses.is_empty() && outcome.measured[2].groups.is_empty());

    let questions = Questions { lambdas: vec![0.0, 0.6], parts: 3, seed: 1 };
    let summary = summarise(&outcome.measured, &settings(), &questions);
    assert_eq!((summary.images, summary.images_without_masses, summary.patients, summary.masses), (3, 1, 3, 2));
    let row = |table: usize, name: &str| summary.tables[table].rows.iter().find(|r| r.0 == name).unwrap().1.clone();
    // One false box in three images (the disc of the healthy one); the weak boxes lie below the threshold.
    let point = row(1, "λ = 0.6");
    assert_eq!((point[0].value, point[1].value, point[2].value), (Some(1.0), Some(1.0 / 3.0), Some(1.0)));
    assert_eq!(row(0, "scale 480×960")[1].value, Some(0.0));
    assert_eq!(row(0, "scale 480×960")[2].value, Some(1.0));
    assert_eq!(row(2, "C: per image, fused, λ 0.6")[0].value, Some(2.0));

    let provenance = Provenance {
        dataset: "discs & rings".into(),
        detector: models(&calls).detector.identity(),
        segmenter: models(&calls).segmenter.identity(),
        device: "made up".into(),
    };
    report::write(out.path(), &provenance, &[], &settings(), &questions, &summary, &outcome).unwrap();
    let text = std::fs::read_to_string(out.path().join("report.md")).unwrap();
    for words in ["# Evaluation on discs & rings", "TPR@FPavg", "missed mass", "research use", "λ = 0.6"] {
        assert!(text.to_lowercase().contains(&words.to_lowercase()), "{words} in {text}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(json["images"].as_array().unwrap().len(), 3);
    assert!(std::fs::read_to_string(out.path().join("froc.svg")).unwrap().ends_with("</svg>\n"));
}

#[test]
fn without_outlines_another_confidence_measures_nothing_again() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path());
    let cases = dataset::list(folder.path(), None, true).unwrap().cases;
    let calls = Arc::new(AtomicUsize::new(0));
    let cache = folder.path().join("cache");
    let go = |min_confidence: f32, outlines: bool| {
        let parameters = Parameters { min_confidence, ..Parameters::default() };
        let settings = Settings { parameters, outlines, ..settings() };
        let outcome =
            run::run(&cases, &mut models(&calls), &settings, &cache, &Cancel::default(), &mut |_| {}).unwrap();
        let questions = Questions { lambdas: vec![0.0], parts: 1, seed: 1 };
        let false_positives = summarise(&outcome.measured, &settings, &questions).tables[1].rows[0].1[1].value;
        (calls.load(Ordering::Relaxed), false_positives)
    };
    assert_eq!(go(0.1, false), (15, Some(1.0 / 3.0)));
    // The weak box in the corner of every image joins.
    assert_eq!(go(0.02, false), (15, Some(4.0 / 3.0)));
    assert_eq!(go(0.1, true).0, 30);
    assert_eq!(go(0.02, true).0, 45);
}

#[test]
fn what_gives_no_figures_is_left_out_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path());
    std::fs::write(folder.path().join("p9_L_CC.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let listed = dataset::list(folder.path(), None, false).unwrap();
    assert_eq!(listed.cases.len(), 4);
    let calls = Arc::new(AtomicUsize::new(0));
    let cache = folder.path().join("cache");
    let mut models = models(&calls);
    let outcome = run::run(&listed.cases, &mut models, &settings(), &cache, &Cancel::default(), &mut |_| {}).unwrap();
    assert_eq!(outcome.measured.len(), 2);
    assert_eq!(outcome.left_out.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["p2_L_CC", "p9_L_CC"]);
    assert_eq!(outcome.left_out[0].1, "There is no groundtruth for this image.");
    let cancel = Cancel::default();
    cancel.set();
    let other = folder.path().join("other");
    let stopped = run::run(&listed.cases, &mut models, &settings(), &other, &cancel, &mut |_| {});
    assert!(stopped.unwrap_err().is::<Cancelled>());
    assert!(dataset::list(&folder.path().join("nowhere"), None, false).is_err());
}

#[test]
fn a_list_keeps_images_and_patients() {
    let folder = tempfile::tempdir().unwrap();
    data_set(folder.path());
    let kept = |list: &str| {
        let mut cases = dataset::list(folder.path(), None, false).unwrap().cases;
        dataset::keep_only(&mut cases, list);
        cases.into_iter().map(|c| c.name).collect::<Vec<_>>()
    };
    assert_eq!(kept("p1\n\n p2_L_CC \n"), ["p1_L_CC", "p2_L_CC"]);
    assert_eq!(kept(r#"{"film": {"val": ["p0"], "train": ["p1"]}, "ffdm": {"val": []}}"#), ["p0_L_CC"]);
}

#[test]
fn an_inbreast_folder_has_outlines_by_image_and_healthy_images() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // What a file is, its content decides: PNG serves as well here.
    for stem in ["20586908_6c613a14b80a8591_MG_R_CC_ANON", "20586934_6c613a14b80a8591_MG_L_CC_ANON"] {
        save_gray(&root.join("plain.png"), 90, 120, |x, _| x as u8);
        std::fs::create_dir_all(root.join("AllDICOMs")).unwrap();
        std::fs::rename(root.join("plain.png"), root.join(format!("AllDICOMs/{stem}.dcm"))).unwrap();
    }
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict><key>Images</key><array><dict>\
               <key>ImageIndex</key><integer>0</integer><key>NumberOfROIs</key><integer>1</integer><key>ROIs</key><array>\
               <dict><key>Name</key><string>Mass</string><key>NumberOfPoints</key><integer>4</integer><key>Point_px</key>\
               <array><string>(10, 20)</string><string>(40, 20)</string><string>(40, 60)</string><string>(10, 60)</string>\
               </array></dict></array></dict></array></dict></plist>";
    std::fs::create_dir_all(root.join("AllXML")).unwrap();
    std::fs::write(root.join("AllXML/20586908.xml"), xml).unwrap();
    let cases = dataset::list(root, None, false).unwrap().cases;
    assert!(cases.iter().all(|case| case.patient == "6c613a14b80a8591"));
    let truths: Vec<_> = cases.iter().map(|case| case.read_truth(90, 120).unwrap().unwrap()).collect();
    assert_eq!(truths.iter().map(|t| t.lesions.len()).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(truths[0].lesions[0].shape.bounds(), ImageRect::new(10.0, 20.0, 40.0, 60.0));
}

#[test]
fn a_coco_file_gives_boxes_and_healthy_images() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["a_1", "a_2", "b_1"] {
        save_gray(&root.join(format!("{name}.png")), 50, 60, |x, _| x as u8);
    }
    let coco = r#"{"categories": [{"id": 0, "name": "Mass"}],
        "images": [{"id": 5, "file_name": "a_1.png", "width": 100, "height": 60}, {"id": 6, "file_name": "a_2.png"}],
        "annotations": [{"id": 1, "image_id": 5, "category_id": 0, "bbox": [20, 10, 40, 20], "segmentation": []}]}"#;
    std::fs::write(root.join("_annotations.coco.json"), coco).unwrap();
    for path in [root.to_path_buf(), root.join("_annotations.coco.json")] {
        let cases = dataset::list(&path, None, false).unwrap().cases;
        assert_eq!(cases.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a_1", "a_2", "b_1"]);
        let truth = cases[0].read_truth(50, 60).unwrap().unwrap();
        assert_eq!(truth.lesions[0].shape, LesionShape::Box(ImageRect::new(10.0, 10.0, 30.0, 30.0)));
        assert!(cases[1].read_truth(50, 60).unwrap().unwrap().lesions.is_empty());
        // The third is not named by the file: nothing is known about it.
        assert!(!matches!(cases[2].read_truth(50, 60), Ok(Some(_))));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("b_1.txt"), "0 0.5 0.5 0.2 0.1\n").unwrap();
    let cases = dataset::list(root, Some(elsewhere.path()), true).unwrap().cases;
    let lesions = |i: usize| cases[i].read_truth(50, 60).unwrap().unwrap().lesions.len();
    assert_eq!([lesions(0), lesions(2)], [0, 1]);
}

#[test]
fn cbis_tables_find_images_and_the_right_mask() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    save_gray(&root.join("Mass-Training_P_00001_LEFT_CC/1.2/3/000000.png"), 120, 200, |x, _| x as u8);
    // Swapped: the column of the mask names the crop.
    save_gray(&root.join("Mass-Training_P_00001_LEFT_CC_1/1.2/000000.png"), 30, 20, |x, _| x as u8);
    save_gray(&root.join("Mass-Training_P_00001_LEFT_CC_1/1.2/000001.png"), 120, 200, |x, y| {
        255 * u8::from(disc(x, y, 60, 90, 15))
    });
    save_gray(&root.join("Mass-Training_P_00001_LEFT_CC_2/1.2/000001.png"), 240, 400, |x, y| {
        255 * u8::from(disc(x, y, 100, 40, 20))
    });
    let table = "patient_id,left or right breast,image view,abnormality id,abnormality type,image file path,cropped image \
                 file path,ROI mask file path\n\
                 P_00001,LEFT,CC,1,mass,Mass-Training_P_00001_LEFT_CC/1.2/3/000000.png,\
                 Mass-Training_P_00001_LEFT_CC_1/1.2/000001.png,\"Mass-Training_P_00001_LEFT_CC_1/1.2/000000.png\n\"\n\
                 P_00001,LEFT,CC,2,mass,Mass-Training_P_00001_LEFT_CC\\1.2\\3\\000000.png,nothing.dcm,\
                 Mass-Training_P_00001_LEFT_CC_2\\other\\000001.dcm\n\
                 P_00002,LEFT,CC,1,mass,../../etc/passwd,x,y\n";
    std::fs::write(root.join("mass.csv"), table).unwrap();
    let listed = dataset::list(&root.join("mass.csv"), None, false).unwrap();
    assert_eq!(listed.cases.len(), 1);
    assert_eq!(listed.warnings.len(), 1);
    let case = &listed.cases[0];
    assert_eq!((case.name.as_str(), case.patient.as_str()), ("00001_LEFT_CC", "00001"));
    assert!(matches!(&case.truth, TruthSource::Abnormalities(all) if all.len() == 2));
    let truth = case.read_truth(120, 200).unwrap().unwrap();
    let bounds: Vec<ImageRect> = truth.lesions.iter().map(|l| l.shape.bounds()).collect();
    assert_eq!(bounds[0], ImageRect::new(46.0, 76.0, 75.0, 105.0));
    // The second mask has twice the image's size.
    assert_eq!(bounds[1], ImageRect::new(40.5, 10.5, 60.0, 30.0));
    assert!(cbis::read_masks(&[cbis::Abnormality { kind: LesionKind::Mass, files: vec![] }], 9, 9).is_err());
}

#[test]
fn only_compact_components_of_a_mask_of_findings_are_masses() {
    let folder = tempfile::tempdir().unwrap();
    let truth = |strip: u32| {
        let path = folder.path().join("image_mask.png");
        save_gray(&path, 200, 200, |x, y| 255 * u8::from(disc(x, y, 100, 100, 20) || (y < 2 && x < strip)));
        mammoscope::annotation::read(&path, "image", 200, 200).unwrap()
    };
    let (few, ambiguous) = compact_masses(&truth(30), 200, 200);
    assert_eq!((few.lesions.len(), ambiguous), (1, false));
    assert!(matches!(few.lesions[0].shape, LesionShape::Outline(_)) && few.lesions[0].shape.bounds().y0 > 50.0);
    let (more, ambiguous) = compact_masses(&truth(150), 200, 200);
    assert_eq!((more.lesions.len(), ambiguous), (1, true), "0.75 % of other findings");
}

#[test]
fn the_boxes_of_a_lower_threshold_do_not_change_the_fused_figures() {
    let boxes = |confidences: &[f32]| {
        let detections = confidences
            .iter()
            .enumerate()
            .map(|(i, c)| Detection { rect: square(30.0 * i as f64, 10.0, 20.0), confidence: *c })
            .collect();
        vec![ScaleDetections { size: NetSize::new(160, 320), detections }]
    };
    let with = |confidences: &[f32]| {
        let mut image = measured("a", "a");
        image.scales = boxes(confidences);
        image.masses =
            vec![mammoscope::evaluation::measured::MeasuredMass { rect: square(0.0, 10.0, 20.0), patch: None }];
        let parameters = Parameters { scales: SCALES[..1].to_vec(), ..Parameters::default() };
        let settings = Settings { parameters, ..settings() };
        summarise(&[image], &settings, &Questions { lambdas: vec![0.0], parts: 1, seed: 1 }).tables[1].clone()
    };
    assert_eq!(with(&[0.9, 0.3, 0.05, 0.02]).rows[0].1[..2], with(&[0.9, 0.3]).rows[0].1[..2]);
}

#[test]
fn an_empty_outline_overlaps_nothing() {
    let nothing = Overlap { first: 0, second: 0, common: 0 };
    assert_eq!((nothing.dice(), nothing.iou()), (0.0, 0.0));
    let some = Overlap { first: 6, second: 4, common: 3 };
    assert_eq!((some.dice(), some.iou()), (0.6, 3.0 / 7.0));
}

#[test]
fn real_data_sets_are_listed_with_their_groundtruth() {
    let Some(data) = crate::support::real_data() else { return };
    let masses = |case: &dataset::Case, width: usize, height: usize| {
        let truth = case.read_truth(width, height).unwrap().unwrap();
        truth.lesions.iter().filter(|l| l.kind == LesionKind::Mass).count()
    };
    let coco = dataset::list(&data.join("cbis-ddsm-mass-train"), None, false).unwrap();
    assert_eq!(coco.cases.len(), 1231);
    assert!(coco.cases[..40].iter().all(|case| masses(case, 800, 800) > 0));
    let patients: std::collections::BTreeSet<&str> = coco.cases.iter().map(|c| c.patient.as_str()).collect();
    assert_eq!(patients.len(), 691);

    let masks = dataset::list(&data.join("cdd-cesm"), None, false).unwrap();
    assert_eq!(masks.cases.len(), 326);
    let truths = masks.cases.iter().map(|case| case.read_truth(512, 512).unwrap().unwrap());
    let compact: Vec<_> = truths.map(|truth| compact_masses(&truth, 512, 512)).collect();
    let with_masses = compact.iter().filter(|(truth, _)| !truth.lesions.is_empty());
    let clear = with_masses.clone().filter(|(_, ambiguous)| !ambiguous).count();
    println!(
        "CDD-CESM: {} images with compact masses, {clear} of them without other findings",
        with_masses.clone().count()
    );
    assert!(clear > 40 && with_masses.count() > clear);

    let table =
        dataset::list(&data.join("cbis-ddsm-fullres/mass_case_description_train_set.csv"), None, false).unwrap();
    assert_eq!(table.cases.len(), 3);
    for case in &table.cases {
        let image = mammoscope::study::open(&case.image).unwrap().image;
        assert!(masses(case, image.width(), image.height()) > 0);
    }
}
