//! The figures of a data set: metrics against literal ones, a hand-computed FROC, listing, resuming and the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mammoscope::evaluation::dataset;
use mammoscope::evaluation::froc::{froc, operating_point};
use mammoscope::evaluation::measured::{Group, Measured, Settings};
use mammoscope::evaluation::metrics::{RankedBox, mean, precision_recall};
use mammoscope::evaluation::report::{self, Provenance};
use mammoscope::evaluation::summary::{Questions, deal, summarise};
use mammoscope::evaluation::{Overlap, run};
use mammoscope::findings::{Detection, ModelIdentity, ScaleDetections};
use mammoscope::inference::Models;
use mammoscope::pipeline::{Cancel, Cancelled, Detector, NetDetection, Parameters, SCALES, Segmenter};
use mammoscope::random::Random;
use mammoscope::raster::{ProbabilityMap, Raster};
use mammoscope::space::{ImageRect, NetRect, NetSize};

use crate::datasets::data_set;

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
