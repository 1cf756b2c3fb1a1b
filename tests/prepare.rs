//! Step 1: one grey scale for film, FFDM and crops; and resampling against its literal definition.

use std::path::PathBuf;

use mammoscope::phantom::{FULL, Phantom, Plan, Side, View, generate};
use mammoscope::pipeline::prepare;
use mammoscope::pipeline::prepare::normalise;
use mammoscope::pipeline::resize::resample;
use mammoscope::random::Random;
use mammoscope::raster::GrayImage;
use mammoscope::space::{ImageRect, NetSize, PixelRect};
use mammoscope::study;

/// A small mammogram with values 0 … 65535.
fn mammogram() -> (Phantom, GrayImage) {
    let plan = Plan { width: 240, height: 312, view: View::Mlo, side: Side::Left, masses: 2, seed: 2_026_118 };
    let phantom = generate(&plan);
    let display = phantom.image.map(|v| v * (u16::MAX / FULL));
    (phantom, display)
}

/// The mean difference of two images where both are tissue, as a share of the range.
fn difference(a: &GrayImage, b: &GrayImage) -> f64 {
    let pairs: Vec<(u16, u16)> =
        a.data().iter().copied().zip(b.data().iter().copied()).filter(|(a, b)| *a > 0 && *b > 0).collect();
    assert!(pairs.len() > 1000);
    pairs.iter().map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / pairs.len() as f64 / 65535.0
}

#[test]
fn air_is_black_and_tissue_uses_the_whole_range() {
    let (_, display) = mammogram();
    let image = normalise(&display).image;
    assert!((0..312).all(|y| image.get(239, y) == 0));
    assert!(image.data().iter().filter(|v| **v == u16::MAX).count() > 10);
    let tissue = image.data().iter().filter(|v| **v > 0).count();
    let truly = display.data().iter().filter(|v| **v > 0).count();
    assert!((tissue as f64 / truly as f64 - 1.0).abs() < 0.06, "{tissue} of {truly} tissue pixels");
}

#[test]
fn an_inverted_file_gives_the_same_image() {
    let (_, display) = mammogram();
    let straight = prepare(&study::from_gray(display.clone(), PathBuf::from("a.png")));
    let mut inverted = study::from_gray(display.map(|v| u16::MAX - v), PathBuf::from("b.png"));
    inverted.grayscale.inverted = true;
    let inverted = prepare(&inverted);
    assert!(difference(&straight.image, &inverted.image) < 1e-3);
}

#[test]
fn film_and_ffdm_levels_come_out_alike() {
    let (_, display) = mammogram();
    let reference = normalise(&display).image;
    // Film: fog in the air, tissue compressed into the middle of the range, 8 bits.
    let film = display.map(|v| {
        let grey = if v == 0 { 2500.0 } else { 12_000.0 + 0.45 * f64::from(v) };
        (grey / 257.0).round() as u16 * 257
    });
    let from_film = normalise(&film).image;
    assert!(difference(&reference, &from_film) < 0.02, "{}", difference(&reference, &from_film));
    assert!((0..312).all(|y| from_film.get(239, y) == 0), "fog is air");
}

#[test]
fn a_crop_without_air_loses_nothing() {
    let (_, display) = mammogram();
    let crop = display.crop(PixelRect::new(60, 120, 140, 200));
    let image = normalise(&crop).image;
    for (before, after) in crop.data().windows(2).zip(image.data().windows(2)) {
        if before[0] < before[1] {
            assert!(after[0] <= after[1], "the order of the grey levels is kept");
        }
    }
    let black = image.data().iter().filter(|v| **v == 0).count();
    assert!(black < image.data().len() / 200, "{black} pixels went black");
}

#[test]
fn labels_and_borders_are_removed() {
    let (_, clean) = mammogram();
    let mut display = clean.clone();
    for (x, y) in (200..230).flat_map(|x| (10..30).map(move |y| (x, y))) {
        display.set(x, y, if (x / 3 + y / 3) % 2 == 0 { 65535 } else { 40_000 });
    }
    for (x, y) in (0..240).flat_map(|x| (308..312).map(move |y| (x, y))) {
        display.set(x, y, 65535);
    }
    let image = normalise(&display).image;
    assert!((200..230).all(|x| (10..30).all(|y| image.get(x, y) == 0)), "the label is gone");
    assert!((120..240).all(|x| (308..312).all(|y| image.get(x, y) == 0)), "the border is gone");
    assert!(difference(&image, &normalise(&clean).image) < 0.01);
}

#[test]
fn odd_images_survive() {
    for (width, height) in [(0, 0), (1, 1), (1, 700), (700, 1), (3, 2)] {
        for value in [0, 1, 30_000, 65535] {
            let image = GrayImage::filled(width, height, value);
            assert_eq!(normalise(&image).image, image, "an image of one grey is left alone");
        }
    }
    let mut random = Random::new(1);
    for (width, height) in [(1, 2), (2, 1), (17, 600), (600, 5)] {
        let noise = GrayImage::from_fn(width, height, |_, _| random.bits() as u16);
        assert_eq!(normalise(&noise).image.bounds(), noise.bounds());
    }
}

/// The mean over the target pixel's area, by definition.
fn area_mean(image: &GrayImage, area: ImageRect) -> f64 {
    let mut sum = 0.0;
    for y in 0..image.height() {
        for x in 0..image.width() {
            let pixel = ImageRect::new(x as f64, y as f64, x as f64 + 1.0, y as f64 + 1.0);
            sum += pixel.intersection(&area).area() * f64::from(image.get(x, y));
        }
    }
    sum / area.area() / 65535.0
}

#[test]
fn shrinking_is_the_area_average() {
    let mut random = Random::new(3);
    let image = GrayImage::from_fn(37, 29, |_, _| random.bits() as u16);
    for _ in 0..40 {
        let (x, y) = (random.range(-12.0, 25.0), random.range(-9.0, 20.0));
        let size = NetSize::new(1 + random.below(7), 1 + random.below(7));
        let (w, h) = (size.width as f64 * random.range(1.01, 6.0), size.height as f64 * random.range(1.01, 6.0));
        let out = resample(&image, ImageRect::new(x, y, x + w, y + h), size);
        let (sx, sy) = (w / size.width as f64, h / size.height as f64);
        for j in 0..size.height {
            for i in 0..size.width {
                let corner = (x + i as f64 * sx, y + j as f64 * sy);
                let expected = area_mean(&image, ImageRect::new(corner.0, corner.1, corner.0 + sx, corner.1 + sy));
                assert!((f64::from(out.get(i, j)) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn the_same_size_is_the_same_image() {
    let mut random = Random::new(4);
    let image = GrayImage::from_fn(23, 31, |_, _| random.bits() as u16);
    let out = resample(&image, image.bounds().into(), NetSize::new(23, 31));
    assert!(out.data().iter().zip(image.data()).all(|(a, b)| (a - f32::from(*b) / 65535.0).abs() < 1e-6));
}

#[test]
fn enlarging_is_linear_between_pixel_centres() {
    let ramp = GrayImage::from_fn(10, 8, |x, y| 1000 * x as u16 + 300 * y as u16);
    let out = resample(&ramp, ImageRect::new(2.0, 1.0, 8.0, 7.0), NetSize::new(30, 24));
    for j in 0..24 {
        for i in 0..30 {
            let (x, y) = (2.0 + (i as f64 + 0.5) * 0.2, 1.0 + (j as f64 + 0.5) * 0.25);
            let expected = (1000.0 * (x - 0.5) + 300.0 * (y - 0.5)) / 65535.0;
            assert!((f64::from(out.get(i, j)) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn outside_the_image_is_black_and_nonsense_gives_zeros() {
    let image = GrayImage::filled(10, 10, 65535);
    let size = NetSize::new(4, 4);
    let zeros = [
        ImageRect::new(20.0, 20.0, 40.0, 40.0),
        ImageRect::new(-9.0, -9.0, -5.0, -5.0),
        ImageRect::new(3.0, 3.0, 3.0, 5.0),
        ImageRect::new(f64::NAN, 0.0, 5.0, 5.0),
        ImageRect::new(0.0, 0.0, f64::INFINITY, 5.0),
    ];
    for rect in zeros {
        assert!(resample(&image, rect, size).data().iter().all(|v| *v == 0.0), "{rect:?}");
    }
    let half = resample(&image, ImageRect::new(-10.0, 0.0, 10.0, 10.0), size);
    assert_eq!(half.row(1), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(resample(&image, image.bounds().into(), NetSize::new(0, 0)).data().len(), 0);
}
