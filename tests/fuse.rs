//! The fused mask on the grid of box edges against the definition, pixel by pixel.

use std::time::Instant;

use mammoscope::evaluation::fill_polygons;
use mammoscope::findings::{Candidate, Detection, ScaleDetections};
use mammoscope::pipeline::{FusedMask, SCALES};
use mammoscope::random::Random;
use mammoscope::raster::Raster;
use mammoscope::space::{ImagePoint, ImageRect, PixelRect};

/// Steps 3 and 4 as the definition words them.
mod literal {
    use super::*;

    pub fn fused(scales: &[ScaleDetections], width: usize, height: usize) -> Raster<f32> {
        let boxes: Vec<&Detection> = scales.iter().flat_map(|s| &s.detections).collect();
        let max = boxes.iter().map(|d| d.confidence).fold(0.0, f32::max);
        Raster::from_fn(width, height, |x, y| {
            let centre = ImagePoint::new(x as f64 + 0.5, y as f64 + 0.5);
            let mut sum = 0.0;
            for d in &boxes {
                let r = d.rect;
                if centre.x >= r.x0 && centre.x < r.x1 && centre.y >= r.y0 && centre.y < r.y1 {
                    sum += f64::from(d.confidence);
                }
            }
            if sum > 0.0 { (sum / (scales.len() as f64 * f64::from(max))) as f32 } else { 0.0 }
        })
    }

    pub fn keeps(value: f32, lambda: f32) -> bool {
        if lambda == 0.0 { value > 0.0 } else { value >= lambda }
    }

    pub fn candidates(fused: &Raster<f32>, lambda: f32) -> Vec<Candidate> {
        let (width, height) = (fused.width(), fused.height());
        let mut seen = Raster::filled(width, height, false);
        let mut found = Vec::new();
        for y in 0..height {
            for x in 0..width {
                if seen.get(x, y) || !keeps(fused.get(x, y), lambda) {
                    continue;
                }
                let mut rect = PixelRect::new(x, y, x + 1, y + 1);
                let mut score = 0.0_f32;
                let mut open = vec![(x, y)];
                seen.set(x, y, true);
                while let Some((x, y)) = open.pop() {
                    rect = PixelRect::new(rect.x0.min(x), rect.y0.min(y), rect.x1.max(x + 1), rect.y1.max(y + 1));
                    score = score.max(fused.get(x, y));
                    for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
                        let (nx, ny) = (x as isize + dx, y as isize + dy);
                        if nx < 0 || ny < 0 || nx >= width as isize || ny >= height as isize {
                            continue;
                        }
                        let (nx, ny) = (nx as usize, ny as usize);
                        if !seen.get(nx, ny) && keeps(fused.get(nx, ny), lambda) {
                            seen.set(nx, ny, true);
                            open.push((nx, ny));
                        }
                    }
                }
                found.push(Candidate { rect, score });
            }
        }
        let place = |c: &Candidate| (c.rect.y0, c.rect.x0, c.rect.y1, c.rect.x1);
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(place(a).cmp(&place(b))));
        found
    }
}

/// An edge of one of the kinds that go wrong: whole, half, subpixel, outside.
fn edge(random: &mut Random, length: f64) -> f64 {
    match random.below(4) {
        0 => random.range(0.0, length + 1.0).floor(),
        1 => random.range(0.0, length + 1.0).floor() + 0.5,
        2 => random.range(0.0, length),
        _ => random.range(-0.3 * length, 1.3 * length),
    }
}

fn random_box(random: &mut Random, width: f64, height: f64, earlier: &[Detection]) -> Detection {
    let (x, y) = (edge(random, width), edge(random, height));
    let mut rect = match random.below(8) {
        // Between two random edges, zero-width ones included.
        0 | 1 => ImageRect::new(x, y, x.max(edge(random, width)), y.max(edge(random, height))),
        2 => ImageRect::new(x, y, x, y + 3.0),
        3 => ImageRect::new(x, y, x + 1.0, y + 1.0),
        _ => ImageRect::new(x, y, x + random.range(0.0, 0.4 * width), y + random.range(0.0, 0.4 * height)),
    };
    let mut confidence = [0.1, 0.25, 0.3, 0.5, 0.9, random.unit() as f32 + 1e-3][random.below(6)];
    if !earlier.is_empty() && random.below(3) == 0 {
        let other = earlier[random.below(earlier.len())];
        let r = other.rect;
        (rect, confidence) = match random.below(4) {
            0 => (r, other.confidence),
            // Touching at a corner, at a side; nested.
            1 => (ImageRect::new(r.x1, r.y1, r.x1 + 3.0, r.y1 + 2.5), confidence),
            2 => (ImageRect::new(r.x1, r.y0, r.x1 + 2.0, r.y1), other.confidence),
            _ => (ImageRect::new(r.x0 + 1.0, r.y0 + 1.0, (r.x1 - 1.0).max(r.x0), (r.y1 - 1.0).max(r.y0)), confidence),
        };
    }
    Detection { rect, confidence }
}

fn random_scales(random: &mut Random, width: usize, height: usize, boxes: usize) -> Vec<ScaleDetections> {
    let count = 1 + random.below(5);
    let mut scales: Vec<_> =
        SCALES[..count].iter().map(|size| ScaleDetections { size: *size, detections: Vec::new() }).collect();
    let mut earlier = Vec::new();
    for _ in 0..boxes {
        let detection = random_box(random, width as f64, height as f64, &earlier);
        earlier.push(detection);
        scales[random.below(count)].detections.push(detection);
    }
    scales
}

fn check(scales: &[ScaleDetections], width: usize, height: usize, random: &mut Random, context: &str) {
    let fused = FusedMask::fuse(scales, width, height);
    let expected = literal::fused(scales, width, height);
    for y in 0..height {
        for x in 0..width {
            assert_eq!(fused.value_at(x, y).to_bits(), expected.get(x, y).to_bits(), "{context}: Ms at ({x}, {y})");
        }
    }
    let mut levels: Vec<f32> = expected.data().iter().copied().filter(|v| *v > 0.0).collect();
    levels.sort_by(f32::total_cmp);
    levels.dedup();
    assert_eq!(fused.levels(), levels, "{context}: levels");
    assert_eq!(fused.max(), levels.last().copied().unwrap_or(0.0), "{context}: max");

    let mut lambdas = vec![0.0, 0.6, 1.5, random.unit() as f32, random.unit() as f32 * fused.max()];
    for _ in 0..4.min(levels.len()) {
        let level = levels[random.below(levels.len())];
        lambdas.extend([level, level.next_up(), level.next_down()]);
    }
    for lambda in lambdas {
        assert_eq!(
            fused.candidates(lambda),
            literal::candidates(&expected, lambda),
            "{context}: candidates at λ = {lambda:?}"
        );
        let inside = fill_polygons(&fused.boundary(lambda), expected.bounds());
        assert_eq!(inside, expected.map(|v| literal::keeps(v, lambda)), "{context}: boundary at λ = {lambda:?}");
    }
}

#[test]
fn equals_the_pixelwise_definition_on_random_boxes() {
    let mut random = Random::new(1);
    for case in 0..4000 {
        let (width, height) = (1 + random.below(40), 1 + random.below(40));
        let boxes = [0, 1, 2, 5, 12, 30][random.below(6)];
        let scales = random_scales(&mut random, width, height, boxes);
        check(&scales, width, height, &mut random, &format!("case {case}, {width}×{height}"));
    }
}

#[test]
fn equals_the_pixelwise_definition_on_larger_images() {
    let mut random = Random::new(2);
    for case in 0..12 {
        let (width, height) = (150 + random.below(100), 150 + random.below(100));
        let scales = random_scales(&mut random, width, height, 120);
        check(&scales, width, height, &mut random, &format!("case {case}, {width}×{height}"));
    }
}

fn one_scale(boxes: &[(f64, f64, f64, f64, f32)]) -> Vec<ScaleDetections> {
    let detections = boxes
        .iter()
        .map(|(x0, y0, x1, y1, confidence)| Detection {
            rect: ImageRect::new(*x0, *y0, *x1, *y1),
            confidence: *confidence,
        })
        .collect();
    vec![ScaleDetections { size: SCALES[0], detections }]
}

#[test]
fn boxes_that_touch_at_a_corner_are_one_candidate_and_one_polygon() {
    let fused = FusedMask::fuse(&one_scale(&[(0.0, 0.0, 2.0, 2.0, 0.5), (2.0, 2.0, 4.0, 4.0, 0.5)]), 8, 8);
    assert_eq!(fused.candidates(0.6), [Candidate { rect: PixelRect::new(0, 0, 4, 4), score: 1.0 }]);
    assert_eq!(fused.boundary(0.6).len(), 1);
    let apart = FusedMask::fuse(&one_scale(&[(0.0, 0.0, 2.0, 2.0, 0.5), (3.0, 3.0, 5.0, 5.0, 0.5)]), 8, 8);
    assert_eq!(apart.candidates(0.6).len(), 2);
}

#[test]
fn ms_is_the_sum_over_the_scales_and_the_strongest() {
    let mut scales = one_scale(&[(0.0, 0.0, 4.0, 4.0, 0.8)]);
    scales.extend(one_scale(&[(2.0, 2.0, 6.0, 6.0, 0.4)]));
    let fused = FusedMask::fuse(&scales, 8, 8);
    assert_eq!(
        [fused.value_at(1, 1), fused.value_at(3, 3), fused.value_at(5, 5), fused.value_at(7, 7)],
        [0.5, 0.75, 0.25, 0.0]
    );
    assert_eq!(fused.levels(), [0.25, 0.5, 0.75]);
    assert_eq!(fused.xs(), [0, 2, 4, 6]);
}

#[test]
fn without_usable_boxes_ms_is_zero_everywhere() {
    let broken = one_scale(&[
        (f64::NAN, 0.0, 4.0, 4.0, 0.8),
        (0.0, 0.0, f64::INFINITY, 4.0, 0.8),
        (0.0, 0.0, 4.0, 4.0, f32::NAN),
        (0.0, 0.0, 4.0, 4.0, f32::INFINITY),
        (0.0, 0.0, 4.0, 4.0, 0.0),
        (0.0, 0.0, 4.0, 4.0, -0.5),
        (-9.0, -9.0, -1.0, -1.0, 0.5),
    ]);
    for scales in [vec![], one_scale(&[]), broken] {
        let fused = FusedMask::fuse(&scales, 8, 8);
        assert_eq!(fused, FusedMask::default());
        assert_eq!((fused.max(), fused.value_at(0, 0)), (0.0, 0.0));
        assert!(fused.levels().is_empty() && fused.candidates(0.0).is_empty() && fused.boundary(0.0).is_empty());
    }
}

#[test]
fn a_lambda_that_is_no_number_keeps_nothing() {
    let fused = FusedMask::fuse(&one_scale(&[(0.0, 0.0, 4.0, 4.0, 0.8)]), 8, 8);
    assert!(fused.candidates(f32::NAN).is_empty());
    assert_eq!(fused.candidates(-1.0), fused.candidates(0.0));
    assert!(fused.candidates(f32::INFINITY).is_empty());
}

/// Prints the times for 500 boxes on a 3328×4084 image; the limits hold in an optimised build.
#[test]
fn one_change_of_lambda_with_500_boxes_takes_under_a_millisecond() {
    type Shape = (&'static str, fn(&mut Random) -> ImageRect);
    let shapes: [Shape; 4] = [
        ("mass-sized", |r| around(r, 40.0, 600.0)),
        ("large", |r| around(r, 400.0, 3000.0)),
        ("nested", |r| {
            let inset = r.range(0.0, 1600.0);
            ImageRect::new(inset, inset, 3328.0 - inset, 4084.0 - inset)
        }),
        ("crossing strips", |r| match r.below(2) {
            0 => ImageRect::new(0.0, r.range(0.0, 4000.0), 3328.0, 4084.0),
            _ => ImageRect::new(r.range(0.0, 3300.0), 0.0, 3328.0, 4084.0),
        }),
    ];
    for (name, shape) in shapes {
        let mut random = Random::new(3);
        let mut scales: Vec<_> =
            SCALES.iter().map(|size| ScaleDetections { size: *size, detections: Vec::new() }).collect();
        for index in 0..500 {
            let detection = Detection { rect: shape(&mut random), confidence: random.range(0.05, 1.0) as f32 };
            scales[index % 5].detections.push(detection);
        }
        let start = Instant::now();
        let fused = FusedMask::fuse(&scales, 3328, 4084);
        let fuse_ms = start.elapsed().as_secs_f64() * 1e3;
        let mut slowest: f64 = 0.0;
        let mut most = 0;
        let mut times = Vec::new();
        for step in 0..=200 {
            let lambda = fused.max() * step as f32 / 200.0;
            let start = Instant::now();
            most = most.max(fused.candidates(lambda).len());
            times.push(start.elapsed().as_secs_f64() * 1e3);
            slowest = slowest.max(times[step]);
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{name}: {} cells, {} levels, up to {most} candidates: fuse {fuse_ms:.1} ms, one λ change {:.3} ms (slowest {slowest:.3} ms)",
            fused.cells().len(),
            fused.levels().len(),
            times[100]
        );
        if !cfg!(debug_assertions) {
            assert!(times[100] < 1.0, "{name}: {} ms", times[100]);
        }
    }
}

fn around(random: &mut Random, least: f64, most: f64) -> ImageRect {
    let (x, y) = (random.range(0.0, 3328.0), random.range(0.0, 4084.0));
    let (w, h) = (random.range(least, most) / 2.0, random.range(least, most) / 2.0);
    ImageRect::new(x - w, y - h, x + w, y + h)
}
