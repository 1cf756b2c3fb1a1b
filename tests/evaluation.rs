//! Findings against groundtruth.

use std::sync::Arc;

use mammoscope::annotation::{GroundTruth, Lesion, LesionKind, LesionShape};
use mammoscope::evaluation::{Comparer, Comparison, Spans, compare};
use mammoscope::findings::{Candidate, Contour, Measures, Outline};
use mammoscope::random::Random;
use mammoscope::raster::{Mask, ProbabilityMap};
use mammoscope::space::{ImagePoint, ImageRect, PixelRect};

fn candidate(x0: usize, y0: usize, x1: usize, y1: usize) -> Candidate {
    Candidate { rect: PixelRect::new(x0, y0, x1, y1), score: 0.7 }
}

/// An outline that fills `region`.
fn filled(region: PixelRect) -> Outline {
    Outline {
        contours: Vec::new(),
        measures: Measures::default(),
        probability: Arc::new(ProbabilityMap::filled(region.width(), region.height(), 0.9)),
        region,
    }
}

fn rectangle(x0: f64, y0: f64, x1: f64, y1: f64) -> LesionShape {
    let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)];
    LesionShape::Outline(vec![Contour { points: corners.map(|(x, y)| ImagePoint::new(x, y)).to_vec() }])
}

fn truth(lesions: impl IntoIterator<Item = (LesionKind, LesionShape)>) -> GroundTruth {
    let lesions = lesions.into_iter().map(|(kind, shape)| Lesion { name: "Mass".into(), kind, shape }).collect();
    GroundTruth { lesions, ..GroundTruth::default() }
}

fn check(candidates: &[Candidate], outlined: bool, truth: &GroundTruth) -> Comparison {
    let outlines: Vec<Outline> = candidates.iter().map(|c| filled(c.rect)).collect();
    let outlines: Vec<Option<&Outline>> = outlines.iter().map(|o| outlined.then_some(o)).collect();
    compare(candidates, &outlines, truth, 100, 100)
}

#[test]
fn hits_misses_and_false_positives_are_counted_per_mass_and_per_candidate() {
    use LesionKind::{Mass, Other};
    let truth = truth([
        (Other, rectangle(80.0, 80.0, 90.0, 90.0)),
        (Mass, rectangle(10.0, 10.0, 30.0, 30.0)),
        (Mass, LesionShape::Box(ImageRect::new(50.0, 50.0, 60.0, 60.0))),
        (Mass, rectangle(0.0, 70.0, 10.0, 80.0)),
        (Mass, LesionShape::Points(vec![ImagePoint::new(5.0, 5.0)])),
    ]);
    // Inside the first mass; on the box; by IoU 0.2 with the centre outside; nothing; on the finding that is no mass.
    let candidates = [
        candidate(15, 15, 25, 25),
        candidate(50, 50, 60, 60),
        candidate(24, 10, 44, 30),
        candidate(70, 0, 80, 10),
        candidate(80, 80, 90, 90),
    ];
    let found = check(&candidates, true, &truth);
    // The third: 6 × 20 shared of 2 × 400 − 120, an IoU of 0.176: no hit.
    assert_eq!(found.hit_lesion, [Some(1), Some(2), None, None, None]);
    assert_eq!((found.hits, found.misses, found.false_positives), (2, 1, 3));
    assert_eq!(found.lesion_hit, [false, true, true, false, false]);
    assert_eq!(found.dice, [Some(2.0 * 100.0 / 500.0), None, None, None, None]);
    assert_eq!(found.iou[0], Some(0.25));
    assert_eq!((found.image_dice, found.image_iou), (None, None), "one mass is a box alone");
}

#[test]
fn the_iou_alone_makes_a_hit() {
    let truth = truth([(LesionKind::Mass, rectangle(10.0, 10.0, 30.0, 30.0))]);
    // The centre (30, 20) lies on the open side of the box; IoU 200 / 600.
    let found = check(&[candidate(20, 10, 40, 30)], true, &truth);
    assert_eq!(found.hit_lesion, [Some(0)]);
    assert_eq!(found.image_dice, Some(0.5));
    assert_eq!(found.image_iou, Some(200.0 / 600.0));
}

#[test]
fn a_mass_hit_twice_counts_once() {
    let truth = truth([(LesionKind::Mass, rectangle(10.0, 10.0, 30.0, 30.0))]);
    let found = check(&[candidate(10, 10, 20, 30), candidate(20, 10, 30, 30)], true, &truth);
    assert_eq!((found.hits, found.misses, found.false_positives), (1, 0, 0));
    assert_eq!(found.image_dice, Some(1.0));
}

#[test]
fn one_candidate_can_hit_two_masses() {
    let truth = truth([
        (LesionKind::Mass, rectangle(10.0, 10.0, 40.0, 40.0)),
        (LesionKind::Mass, rectangle(12.0, 10.0, 44.0, 40.0)),
    ]);
    let found = check(&[candidate(12, 10, 44, 40)], true, &truth);
    assert_eq!((found.hit_lesion, found.lesion_hit), (vec![Some(1)], vec![true, true]));
    assert_eq!((found.hits, found.misses, found.false_positives), (2, 0, 0));
}

#[test]
fn comparing_again_with_other_candidates_gives_what_comparing_anew_does() {
    let mut random = Random::new(3);
    let truth = truth((0..3).map(|i| {
        let at = 30.0 * f64::from(i);
        (LesionKind::Mass, rectangle(at, at, at + 20.0, at + 25.5))
    }));
    let mut comparer = Comparer::new(&truth, 100, 100);
    let boxes: Vec<Candidate> = (0..12)
        .map(|_| {
            let (x, y) = (random.below(80), random.below(80));
            candidate(x, y, x + 5 + random.below(15), y + 5 + random.below(15))
        })
        .collect();
    for _ in 0..60 {
        let some: Vec<Candidate> = boxes.iter().filter(|_| random.below(2) == 0).copied().collect();
        let outlines: Vec<Outline> = some.iter().map(|c| filled(c.rect)).collect();
        let known: Vec<Option<&Outline>> = outlines.iter().map(|o| (random.below(4) > 0).then_some(o)).collect();
        assert_eq!(comparer.compare(&some, &known), compare(&some, &known, &truth, 100, 100));
    }
}

/// Prints the time of one comparison on a large image; the limit holds in an optimised build.
#[test]
fn comparing_follows_lambda_within_a_frame() {
    let truth = truth((0..3).map(|i| {
        let at = 900.0 * f64::from(i);
        (LesionKind::Mass, rectangle(at, at, at + 700.0, at + 800.0))
    }));
    let candidates: Vec<Candidate> =
        (0..20).map(|i| candidate(i * 100, i * 120, i * 100 + 400, i * 120 + 400)).collect();
    let outlines: Vec<Outline> = candidates.iter().map(|c| filled(c.rect)).collect();
    let outlines: Vec<Option<&Outline>> = outlines.iter().map(Some).collect();
    let mut comparer = Comparer::new(&truth, 3328, 4084);
    comparer.compare(&candidates, &outlines);
    let start = std::time::Instant::now();
    comparer.compare(&candidates[..15], &outlines[..15]);
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    println!("comparing 15 outlined candidates with 3 masses: {milliseconds:.2} ms");
    if !cfg!(debug_assertions) {
        assert!(milliseconds < 4.0, "{milliseconds} ms");
    }
}

#[test]
fn image_figures_wait_for_all_outlines_and_a_missed_mass_gives_zero() {
    let mass = truth([(LesionKind::Mass, rectangle(10.0, 10.0, 30.0, 30.0))]);
    let waiting = check(&[candidate(10, 10, 30, 30)], false, &mass);
    assert_eq!((waiting.image_dice, waiting.dice[0], waiting.hits), (None, None, 1));
    let missed = check(&[], true, &mass);
    assert_eq!((missed.image_dice, missed.misses), (Some(0.0), 1));
    let healthy = check(&[candidate(1, 1, 9, 9)], true, &truth([]));
    assert_eq!((healthy.image_dice, healthy.false_positives), (None, 1));
}

#[test]
fn spans_count_as_masks_do() {
    let mut random = Random::new(21);
    for case in 0..400 {
        let regions: Vec<(PixelRect, Mask)> = (0..4)
            .map(|_| {
                let (x0, y0) = (random.below(10), random.below(10));
                let region = PixelRect::new(x0, y0, x0 + random.below(14), y0 + random.below(14));
                (region, Mask::from_fn(region.width(), region.height(), |_, _| random.below(3) > 0))
            })
            .collect();
        let paint = |parts: &[(PixelRect, Mask)]| {
            let mut whole = Mask::filled(24, 24, false);
            for (region, mask) in parts {
                for y in 0..mask.height() {
                    for x in 0..mask.width() {
                        let inside = whole.get(region.x0 + x, region.y0 + y) || mask.get(x, y);
                        whole.set(region.x0 + x, region.y0 + y, inside);
                    }
                }
            }
            whole
        };
        let spans: Vec<Spans> =
            regions.iter().map(|(r, m)| Spans::of_rows(*r, |y| m.row(y), |inside| inside)).collect();
        let (a, b) = (Spans::union(spans[..2].iter()), Spans::union(spans[2..].iter()));
        let (mask_a, mask_b) = (paint(&regions[..2]), paint(&regions[2..]));
        let common = mask_a.data().iter().zip(mask_b.data()).filter(|(a, b)| **a && **b).count();
        assert_eq!((a.area(), b.area(), a.common_area(&b)), (mask_a.area(), mask_b.area(), common), "case {case}");
    }
}
