//! The pipeline's stages around the networks, with networks that are made up here.

use mammoscope::findings::{ModelIdentity, Outline, ScaleDetections};
use mammoscope::pipeline::detect::MAX_BOXES;
use mammoscope::pipeline::equalise::equalise;
use mammoscope::pipeline::segment::reconstruct;
use mammoscope::pipeline::{
    Cancel, Cancelled, Detector, NetDetection, PATCH, Parameters, Prepared, Progress, SCALES, Segmenter, analyse,
    detect_scale, outline, patch, patch_rect, suppress,
};
use mammoscope::random::Random;
use mammoscope::raster::{GrayImage, ProbabilityMap, Raster};
use mammoscope::space::{ImagePoint, ImageRect, NetRect, NetSize, PixelRect};
use mammoscope::study::{Spacing, SpacingSource};

/// Says the same boxes, given in fractions of the input, whatever it sees.
struct Fixed {
    boxes: Vec<(f32, f32, f32, f32, f32)>,
    seen: Vec<NetSize>,
    cancel_after: Option<(usize, Cancel)>,
}

impl Fixed {
    fn new(boxes: &[(f32, f32, f32, f32, f32)]) -> Self {
        Self { boxes: boxes.to_vec(), seen: Vec::new(), cancel_after: None }
    }
}

fn identity() -> ModelIdentity {
    ModelIdentity { name: "made up".into(), sha256: String::new() }
}

impl Detector for Fixed {
    fn detect(&mut self, input: &Raster<f32>, _: f32, _: &Cancel) -> anyhow::Result<Vec<NetDetection>> {
        let (w, h) = (input.width() as f32, input.height() as f32);
        self.seen.push(NetSize::new(input.width(), input.height()));
        if let Some((calls, cancel)) = &self.cancel_after
            && self.seen.len() == *calls
        {
            cancel.set();
        }
        let net = |(x0, y0, x1, y1, confidence): &(f32, f32, f32, f32, f32)| NetDetection {
            rect: NetRect { x0: x0 * w, y0: y0 * h, x1: x1 * w, y1: y1 * h },
            confidence: *confidence,
        };
        Ok(self.boxes.iter().map(net).collect())
    }

    fn identity(&self) -> ModelIdentity {
        identity()
    }
}

fn blank(width: usize, height: usize) -> Prepared {
    Prepared { image: GrayImage::filled(width, height, 1000) }
}

fn detect(boxes: &[(f32, f32, f32, f32, f32)]) -> ScaleDetections {
    let parameters = Parameters { min_confidence: 0.1, ..Parameters::default() };
    detect_scale(&blank(100, 300), &mut Fixed::new(boxes), SCALES[0], &parameters, &Cancel::default()).unwrap()
}

#[test]
fn boxes_are_mapped_to_the_image_and_clipped() {
    let found = detect(&[(0.5, 0.5, 1.5, 0.75, 0.9), (-0.2, 0.0, 0.1, 0.1, 0.5)]);
    assert_eq!(found.size, SCALES[0]);
    let rects: Vec<ImageRect> = found.detections.iter().map(|d| d.rect).collect();
    let expected = [ImageRect::new(50.0, 150.0, 100.0, 225.0), ImageRect::new(0.0, 0.0, 10.0, 30.0)];
    for (rect, expected) in rects.iter().zip(&expected) {
        assert!(rect.iou(expected) > 0.99999, "{rect:?} for {expected:?}");
        assert!(rect.x0 >= 0.0 && rect.x1 <= 100.0 && rect.y1 <= 300.0);
    }
    assert_eq!(rects.len(), 2);
}

#[test]
fn broken_weak_and_empty_boxes_are_dropped() {
    let nan = f32::NAN;
    let found = detect(&[
        (nan, 0.1, 0.2, 0.2, 0.9),
        (0.1, 0.1, f32::INFINITY, 0.2, 0.9),
        (0.1, 0.1, 0.2, 0.2, nan),
        (0.1, 0.1, 0.2, 0.2, 0.05),
        (0.3, 0.3, 0.3, 0.5, 0.9),
        (0.5, 0.5, 0.4, 0.6, 0.9),
        (1.1, 0.1, 1.2, 0.2, 0.9),
        (0.6, 0.6, 0.8, 0.8, 0.4),
    ]);
    assert_eq!(found.detections.len(), 1);
    assert_eq!(found.detections[0].confidence, 0.4);
}

#[test]
fn a_scale_keeps_a_bounded_number_of_boxes() {
    let tiles = |i: usize| (i % 40, i / 40);
    let boxes: Vec<_> = (0..1600)
        .map(|i| {
            let (x, y) = (tiles(i).0 as f32 / 40.0, tiles(i).1 as f32 / 40.0);
            (x, y, x + 0.02, y + 0.02, 0.2 + i as f32 * 1e-4)
        })
        .collect();
    let found = detect(&boxes);
    assert_eq!(found.detections.len(), MAX_BOXES);
    assert_eq!(found.detections[0].confidence, 0.2 + 1599.0 * 1e-4);
}

/// Suppression as it is usually worded: take the strongest, remove what overlaps it, repeat.
fn literal_suppress(mut boxes: Vec<NetDetection>, iou: f64) -> Vec<NetDetection> {
    let rect =
        |b: &NetDetection| ImageRect::new(b.rect.x0.into(), b.rect.y0.into(), b.rect.x1.into(), b.rect.y1.into());
    let mut kept = Vec::new();
    while !boxes.is_empty() {
        let mut strongest = 0;
        for i in 1..boxes.len() {
            if boxes[i].confidence > boxes[strongest].confidence {
                strongest = i;
            }
        }
        let best = boxes.remove(strongest);
        boxes.retain(|b| rect(b).iou(&rect(&best)) <= iou);
        kept.push(best);
    }
    kept
}

#[test]
fn suppression_equals_the_literal_wording() {
    let mut random = Random::new(7);
    for _ in 0..300 {
        let boxes: Vec<NetDetection> = (0..random.below(40))
            .map(|_| {
                let (x0, y0) = (random.range(0.0, 20.0) as f32, random.range(0.0, 20.0) as f32);
                let rect =
                    NetRect { x0, y0, x1: x0 + random.range(1.0, 9.0) as f32, y1: y0 + random.range(1.0, 9.0) as f32 };
                NetDetection { rect, confidence: (random.below(10) + 1) as f32 / 10.0 }
            })
            .collect();
        let iou = [0.0, 0.3, 0.45, 1.0][random.below(4)];
        assert_eq!(suppress(boxes.clone(), iou), literal_suppress(boxes, iou));
    }
}

#[test]
fn an_analysis_runs_every_scale_and_reports_rising_fractions() {
    let mut detector = Fixed::new(&[(0.25, 0.25, 0.5, 0.5, 0.8)]);
    let mut heard: Vec<Progress> = Vec::new();
    let parameters = Parameters::default();
    let analysis =
        analyse(&blank(200, 400), &mut detector, &parameters, &Cancel::default(), &mut |p| heard.push(p)).unwrap();
    assert_eq!(detector.seen, SCALES);
    assert_eq!(analysis.scales.len(), 5);
    assert_eq!(analysis.fused.max(), 1.0);
    assert_eq!(analysis.fused.candidates(0.6)[0].rect, PixelRect::new(50, 100, 100, 200));
    assert_eq!(heard[3].stage, "Detecting, scale 416×832");
    assert!(heard.windows(2).all(|p| p[0].fraction < p[1].fraction) && heard.iter().all(|p| p.fraction <= 1.0));
    assert_eq!(analysis.timings_ms.len(), 6);
}

#[test]
fn an_analysis_stops_between_scales() {
    let cancel = Cancel::default();
    let mut detector = Fixed::new(&[]);
    detector.cancel_after = Some((2, cancel.clone()));
    let result = analyse(&blank(64, 64), &mut detector, &Parameters::default(), &cancel, &mut |_| {});
    assert!(result.unwrap_err().is::<Cancelled>());
    assert_eq!(detector.seen.len(), 2);
}

#[test]
fn equalisation_gives_each_value_its_rank() {
    // 4096 distinct values: the cumulative histogram is known exactly at every bin's edge.
    let ramp = Raster::from_fn(64, 64, |x, y| 0.25 + (y * 64 + x) as f32 / 65536.0);
    let equalised = equalise(&ramp);
    for (index, value) in equalised.data().iter().enumerate() {
        assert!((value - index as f32 / 4096.0).abs() < 1.5 / 4096.0, "{index}: {value}");
    }
}

#[test]
fn equalisation_leaves_air_and_survives_odd_patches() {
    let half = Raster::from_fn(32, 32, |x, y| if x < 16 { 0.0 } else { 0.1 + y as f32 / 100.0 });
    let equalised = equalise(&half);
    assert!((0..32).all(|y| equalised.get(3, y) == 0.0));
    assert_eq!((equalised.get(20, 0), equalised.get(20, 31)), (0.0, 1.0));
    assert_eq!(equalise(&Raster::filled(8, 8, 0.0)), Raster::filled(8, 8, 0.0));
    assert_eq!(equalise(&Raster::filled(8, 8, 0.7)), Raster::filled(8, 8, 0.5));
    let broken = equalise(&Raster::new(2, 2, vec![f32::NAN, 0.2, 0.4, -1.0]));
    assert_eq!(broken.data(), [0.0, 0.0, 1.0, 0.0]);
    let noise = equalise(&Raster::new(2, 1, vec![0.2, 0.2_f32.next_up()]));
    assert_eq!(noise.data(), [0.5, 0.5]);
}

#[test]
fn a_patch_is_a_square_with_context_around_the_box() {
    assert_eq!(patch_rect(PixelRect::new(100, 200, 300, 260)), ImageRect::new(50.0, 80.0, 350.0, 380.0));
    assert_eq!(patch_rect(PixelRect::new(10, 10, 20, 20)), ImageRect::new(-17.0, -17.0, 47.0, 47.0));
    let outside = patch(&blank(100, 100), PixelRect::new(0, 0, 10, 10));
    assert_eq!((outside.width(), outside.height()), (PATCH, PATCH));
    assert_eq!(outside.get(0, 0), 0.0);
    // Even grey has no contrast to stretch, rounding noise included.
    let even = patch(&blank(500, 500), PixelRect::new(200, 200, 301, 301));
    assert!(even.data().iter().all(|v| *v == 0.5));
}

/// Outlines a disc in the middle of every patch, of `radius` patch pixels, with a soft edge; counts its calls.
struct Disc {
    radius: f32,
    batches: Vec<usize>,
}

fn disc(radius: f32, cx: f32, cy: f32) -> ProbabilityMap {
    ProbabilityMap::from_fn(PATCH, PATCH, |x, y| {
        let distance = (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy);
        (0.5 + (radius - distance) / 8.0).clamp(0.0, 1.0)
    })
}

impl Segmenter for Disc {
    fn segment(&mut self, patches: &[Raster<f32>], _: usize, _: &Cancel) -> anyhow::Result<Vec<ProbabilityMap>> {
        self.batches.push(patches.len());
        Ok(patches.iter().map(|_| disc(self.radius, 128.0, 128.0)).collect())
    }

    fn identity(&self) -> ModelIdentity {
        identity()
    }
}

fn outline_boxes(image: &Prepared, boxes: &[PixelRect], radius: f32) -> (Vec<Outline>, Vec<usize>) {
    let mut segmenter = Disc { radius, batches: Vec::new() };
    let spacing = Spacing { row_mm: 0.1, column_mm: 0.05, source: SpacingSource::Calibrated };
    let parameters = Parameters::default();
    let outlines = outline(image, boxes, &mut segmenter, Some(&spacing), &parameters, &Cancel::default()).unwrap();
    (outlines, segmenter.batches)
}

#[test]
fn an_outline_comes_back_where_the_box_is_and_in_its_size() {
    // A box of 400 px has a patch of 600 px: the disc of radius 64 of 256 is one of radius 150 px.
    let (outlines, _) = outline_boxes(&blank(2000, 1500), &[PixelRect::new(800, 500, 1200, 900)], 64.0);
    let outline = &outlines[0];
    assert_eq!(outline.contours.len(), 1);
    let centre = ImagePoint::new(1000.0, 700.0);
    for p in &outline.contours[0].points {
        assert!((p.distance(centre) - 150.0).abs() < 0.3, "{p:?}");
    }
    let m = outline.measures;
    assert!((m.area_px / (std::f64::consts::PI * 150.0 * 150.0) - 1.0).abs() < 0.005, "{}", m.area_px);
    assert!((m.longest_diameter_px - 300.0).abs() < 0.5);
    assert!((m.area_mm2.unwrap() - m.area_px * 0.005).abs() < 1e-9);
    // The pixels are twice as high as wide.
    assert!((m.longest_diameter_mm.unwrap().0 - 30.0).abs() < 0.05);
    let above = outline.probability.data().iter().filter(|p| **p >= 0.5).count();
    assert_eq!(above as f64, m.area_px);
    assert_eq!(
        (outline.probability.width(), outline.probability.height()),
        (outline.region.width(), outline.region.height())
    );
}

#[test]
fn an_outline_at_the_edge_of_the_image_ends_there() {
    let (outlines, _) = outline_boxes(&blank(300, 300), &[PixelRect::new(0, 0, 80, 80)], 100.0);
    let points = &outlines[0].contours[0].points;
    assert!(points.iter().all(|p| p.x >= 0.0 && p.y >= 0.0 && p.x < 90.0));
    assert!(points.iter().any(|p| p.x == 0.0) && points.iter().any(|p| p.y == 0.0));
}

#[test]
fn outlines_keep_the_order_of_the_boxes_and_come_in_small_batches() {
    let boxes: Vec<PixelRect> = (0..5).map(|i| PixelRect::new(i * 100, 10, i * 100 + 60, 70)).collect();
    let (outlines, batches) = outline_boxes(&blank(600, 100), &boxes, 50.0);
    assert_eq!(batches, [2, 2, 1]);
    for (outline, rect) in outlines.iter().zip(&boxes) {
        let centre = ImageRect::from(outline.region).center();
        assert!(ImageRect::from(*rect).contains(centre));
    }
    let cancel = Cancel::default();
    cancel.set();
    let mut segmenter = Disc { radius: 9.0, batches: Vec::new() };
    let stopped = outline(&blank(9, 9), &boxes, &mut segmenter, None, &Parameters::default(), &cancel);
    assert!(stopped.unwrap_err().is::<Cancelled>() && segmenter.batches.is_empty());
}

#[test]
fn components_away_from_the_box_belong_to_others() {
    let image = PixelRect::new(0, 0, 1000, 1000);
    let rect = PixelRect::new(400, 400, 600, 600);
    // Patch of 300 px: the corner at (20, 20) of 256 lies outside the box.
    let both = ProbabilityMap::new(
        PATCH,
        PATCH,
        disc(40.0, 128.0, 128.0).data().iter().zip(disc(15.0, 18.0, 18.0).data()).map(|(a, b)| a.max(*b)).collect(),
    );
    let reconstruct = |map: &ProbabilityMap| reconstruct(map, patch_rect(rect), rect, image, None);
    let outline = reconstruct(&both);
    assert_eq!(outline, reconstruct(&disc(40.0, 128.0, 128.0)));
    assert_eq!(outline.contours.len(), 1);
    let none = reconstruct(&disc(15.0, 18.0, 18.0));
    assert!(none.contours.is_empty() && none.region.is_empty());
    assert_eq!((none.measures.area_px, none.measures.longest_diameter_px), (0.0, 0.0));
    let nan = reconstruct(&ProbabilityMap::filled(PATCH, PATCH, f32::NAN));
    assert!(nan.contours.is_empty());
}
