//! Marching squares, polygons as pixels, and the longest diameter, each against a literal implementation.

use std::time::Instant;

use mammoscope::evaluation::fill_polygons;
use mammoscope::findings::Contour;
use mammoscope::pipeline::contour::contours;
use mammoscope::pipeline::measure::{convex_hull, longest_diameter};
use mammoscope::random::Random;
use mammoscope::raster::{Mask, ProbabilityMap};
use mammoscope::space::{ImagePoint, PixelRect};

/// Positive for a polygon whose inside lies to the right of its edges, y down.
fn signed_area(contour: &Contour) -> f64 {
    let p = &contour.points;
    (0..p.len()).map(|i| (p[i], p[(i + 1) % p.len()])).map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f64>() / 2.0
}

#[test]
fn a_disc_has_a_contour_of_its_radius() {
    let map = ProbabilityMap::from_fn(120, 120, |x, y| {
        let distance = (x as f32 + 0.5 - 60.3).hypot(y as f32 + 0.5 - 59.1);
        (0.5 + (40.0 - distance) / 20.0).clamp(0.0, 1.0)
    });
    let found = contours(&map, 0.5);
    assert_eq!(found.len(), 1);
    for p in &found[0].points {
        let radius = p.distance(ImagePoint::new(60.3, 59.1));
        assert!((radius - 40.0).abs() < 0.01, "{radius}");
    }
    assert!((signed_area(&found[0]) / (std::f64::consts::PI * 1600.0) - 1.0).abs() < 1e-3);
}

#[test]
fn a_ring_has_an_outer_boundary_and_a_hole_of_opposite_turn() {
    let map = ProbabilityMap::from_fn(60, 60, |x, y| {
        let distance = (x as f32 - 30.0).hypot(y as f32 - 30.0);
        if (10.0..20.0).contains(&distance) { 1.0 } else { 0.0 }
    });
    let mut areas: Vec<f64> = contours(&map, 0.5).iter().map(signed_area).collect();
    areas.sort_by(f64::total_cmp);
    assert_eq!(areas.len(), 2);
    assert!(areas[0] < -280.0 && areas[1] > 1200.0, "{areas:?}");
}

#[test]
fn a_region_at_the_border_is_closed_along_it() {
    let found = contours(&ProbabilityMap::filled(7, 5, 1.0), 0.5);
    assert_eq!(found.len(), 1);
    let on_border = |p: &ImagePoint| p.x == 0.0 || p.x == 7.0 || p.y == 0.0 || p.y == 5.0;
    assert!(found[0].points.iter().all(on_border), "{found:?}");
    assert!(contours(&ProbabilityMap::filled(7, 5, 0.4), 0.5).is_empty());
    assert!(contours(&ProbabilityMap::filled(0, 0, 0.0), 0.5).is_empty());
    assert!(contours(&ProbabilityMap::filled(3, 3, 1.0), 0.0).is_empty());
    assert!(contours(&ProbabilityMap::filled(3, 3, f32::NAN), 0.5).is_empty());
}

#[test]
fn a_saddle_is_joined_where_the_bilinear_surface_is_inside() {
    let saddle = |inside: f32, outside: f32| {
        contours(&ProbabilityMap::new(2, 2, vec![inside, outside, outside, inside]), 0.5).len()
    };
    // At the saddle point the surface is (a·d − b·c) / (a + d − b − c).
    assert_eq!(saddle(0.9, 0.4), 1);
    assert_eq!(saddle(0.6, 0.1), 2);
    assert_eq!(saddle(0.5, 0.0), 2);
    assert_eq!(saddle(1.0, 0.0), 1);
    let mirrored = ProbabilityMap::new(2, 2, vec![0.4, 0.9, 0.9, 0.4]);
    assert_eq!(contours(&mirrored, 0.5).len(), 1);
}

#[test]
fn contours_hold_exactly_the_pixels_at_or_above_the_level() {
    let mut random = Random::new(11);
    for case in 0..1500 {
        let (width, height) = (1 + random.below(24), 1 + random.below(24));
        // Few distinct values give saddles and values equal to the level; smooth ones give subpixel crossings.
        let map = ProbabilityMap::from_fn(width, height, |x, y| match case % 3 {
            0 => [0.0, 0.5, 1.0][random.below(3)],
            1 => random.unit() as f32,
            _ => 0.5 + 0.5 * ((x as f32 * 0.7).sin() * (y as f32 * 0.5).cos()),
        });
        let level = [0.5, 0.3, 1.0][random.below(3)];
        let found = contours(&map, level);
        assert_eq!(fill_polygons(&found, map.bounds()), map.map(|v| v >= level), "case {case}: {map:?}");
        for contour in &found {
            let p = &contour.points;
            assert!(p.len() >= 4, "case {case}");
            for i in 0..p.len() {
                let step = p[i].distance(p[(i + 1) % p.len()]);
                assert!(step > 0.0 && step < 1.5, "case {case}: a step of {step}");
            }
        }
    }
}

/// Whether a point lies inside by the even-odd rule, worded directly.
fn inside(contours: &[Contour], x: f64, y: f64) -> bool {
    let mut inside = false;
    for contour in contours {
        let p = &contour.points;
        for i in 0..p.len() {
            let (a, b) = (p[i], p[(i + 1) % p.len()]);
            if (a.y <= y) != (b.y <= y) && a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y) <= x {
                inside = !inside;
            }
        }
    }
    inside
}

#[test]
fn polygons_fill_the_pixels_whose_centres_lie_inside() {
    let mut random = Random::new(5);
    for case in 0..600 {
        let contours: Vec<Contour> = (0..random.below(4))
            .map(|_| {
                let point = |random: &mut Random| ImagePoint::new(random.range(-8.0, 38.0), random.range(-8.0, 38.0));
                Contour { points: (0..random.below(9)).map(|_| point(&mut random)).collect() }
            })
            .collect();
        let (x0, y0) = (random.below(12), random.below(12));
        let region = PixelRect::new(x0, y0, x0 + random.below(24), y0 + random.below(24));
        let expected = Mask::from_fn(region.width(), region.height(), |x, y| {
            inside(&contours, (region.x0 + x) as f64 + 0.5, (region.y0 + y) as f64 + 0.5)
        });
        assert_eq!(fill_polygons(&contours, region), expected, "case {case}");
    }
}

#[test]
fn a_polygon_of_whole_pixels_fills_them_and_neighbours_share_none() {
    let square = |x0: f64, x1: f64| {
        let corners = [(x0, 1.5), (x1, 1.5), (x1, 4.5), (x0, 4.5)];
        [Contour { points: corners.map(|(x, y)| ImagePoint::new(x, y)).to_vec() }]
    };
    let region = PixelRect::new(0, 0, 10, 8);
    let (left, right) = (fill_polygons(&square(1.5, 4.5), region), fill_polygons(&square(4.5, 7.5), region));
    assert_eq!((left.area(), right.area()), (9, 9));
    assert!(left.data().iter().zip(right.data()).all(|(l, r)| !(l & r)));
    let broken = [Contour { points: vec![ImagePoint::new(f64::NAN, 0.0), ImagePoint::new(3.0, 1e300)] }];
    assert_eq!(fill_polygons(&broken, region).area(), 0);
    assert_eq!(fill_polygons(&square(1.0, 3.0), PixelRect::new(5, 5, 2, 2)).area(), 0);
}

#[test]
fn the_longest_diameter_equals_the_largest_of_all_distances() {
    let mut random = Random::new(9);
    for case in 0..2000 {
        let count = random.below(30);
        let points: Vec<ImagePoint> = (0..count)
            .map(|_| match case % 3 {
                0 => ImagePoint::new(random.below(6) as f64, random.below(6) as f64),
                1 => ImagePoint::new(random.range(0.0, 100.0), random.range(0.0, 2.0)),
                _ => {
                    let angle = random.range(0.0, std::f64::consts::TAU);
                    ImagePoint::new(50.0 + 30.0 * angle.cos(), 50.0 + 30.0 * angle.sin())
                }
            })
            .collect();
        let literal = points.iter().flat_map(|a| points.iter().map(|b| a.distance(*b))).fold(0.0, f64::max);
        let found = longest_diameter(&points);
        assert!((found - literal).abs() < 1e-9, "case {case}: {found} for {literal}: {points:?}");
        assert!(convex_hull(&points).len() <= points.len());
    }
}

/// Prints the time for a 1000×1000 map; the limit holds in an optimised build.
#[test]
fn the_contours_of_a_large_map_take_under_twenty_milliseconds() {
    let map = ProbabilityMap::from_fn(1000, 1000, |x, y| {
        let (x, y) = (x as f32 * 0.05, y as f32 * 0.04);
        0.5 + 0.5 * (x.sin() * y.cos() + 0.3 * (3.1 * x).sin() * (2.7 * y).cos()) / 1.3
    });
    let start = Instant::now();
    let found = contours(&map, 0.5);
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    println!(
        "{} contours, {} points, {milliseconds:.1} ms",
        found.len(),
        found.iter().map(|c| c.points.len()).sum::<usize>()
    );
    if !cfg!(debug_assertions) {
        assert!(milliseconds < 20.0, "{milliseconds} ms");
    }
}
