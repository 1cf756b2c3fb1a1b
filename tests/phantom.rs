//! Synthetic mammograms: the same for a seed, true to their groundtruth, and readable as files.

use std::path::Path;

use mammoscope::annotation::{self, LesionKind, LesionShape};
use mammoscope::evaluation::fill_polygons;
use mammoscope::phantom::{
    DEMONSTRATION, FULL, Fractal, Mass, MassShape, MassSpec, Phantom, Plan, Side, View, bounds, dicom, generate,
    generate_rows, truth,
};
use mammoscope::random::Random;
use mammoscope::raster::GrayImage;
use mammoscope::space::ImagePoint;
use mammoscope::study::{self, Laterality};

fn plan(seed: u64, width: usize, height: usize) -> Plan {
    Plan { width, height, view: View::Mlo, side: Side::Left, masses: 2, seed }
}

fn mass(shape: MassShape, seed: u64) -> Mass {
    let center = ImagePoint::new(101.3, 98.6);
    Mass::new(MassSpec { center, radius: 40.0, shape, contrast: 0.3, softness: 8.0, seed })
}

#[test]
fn a_seed_gives_the_same_phantom_and_another_seed_another() {
    let first = generate(&plan(7, 96, 125));
    assert_eq!(first.image, generate(&plan(7, 96, 125)).image);
    assert_ne!(first.image, generate(&plan(8, 96, 125)).image);
}

#[test]
fn rows_drawn_alone_are_those_of_the_whole() {
    let whole = generate(&plan(7, 96, 125)).image;
    let part = generate_rows(&plan(7, 96, 125), 40..52).image;
    assert!((40..52).all(|y| part.row(y) == whole.row(y)));
}

#[test]
fn a_small_and_a_large_image_show_the_same_masses() {
    let (small, large) = (generate(&plan(2_026_118, 96, 125)), generate(&plan(2_026_118, 192, 250)));
    assert_eq!(small.masses.len(), 2);
    for (a, b) in small.masses.iter().zip(&large.masses) {
        let (a, b) = (a.bounds(), b.bounds());
        assert!(a.center().distance(ImagePoint::new(b.center().x / 2.0, b.center().y / 2.0)) < 1e-6);
        assert!((a.width() - b.width() / 2.0).abs() < 1e-6);
    }
}

#[test]
fn a_right_breast_is_hung_with_the_chest_wall_on_the_right() {
    let column_sum = |image: &GrayImage, x: usize| (0..image.height()).map(|y| u64::from(image.get(x, y))).sum::<u64>();
    for (side, wall, air) in [(Side::Left, 0, 95), (Side::Right, 95, 0)] {
        let image = generate(&Plan { side, ..plan(3, 96, 125) }).image;
        assert!(column_sum(&image, wall) > 0);
        assert_eq!(column_sum(&image, air), 0);
    }
}

#[test]
fn masks_contours_and_brightness_agree_for_every_shape() {
    for shape in MassShape::ALL {
        for seed in 0..5 {
            let mass = mass(shape, seed);
            let (mask, contour) = (mass.mask(200, 200), mass.contour());
            let filled = fill_polygons(std::slice::from_ref(&contour), mask.bounds());
            assert_eq!(mask, filled, "{shape:?} {seed}");
            let area = mask.area() as f64;
            assert!((area / (std::f64::consts::PI * 1600.0) - 1.0).abs() < 0.35, "{shape:?} has the area {area}");

            // The margin's transition is halfway on the contour: well inside is bright, well outside dark but for spicules.
            let center = mass.spec().center;
            let along = |p: &ImagePoint, t: f64| {
                ImagePoint::new(center.x + t * (p.x - center.x), center.y + t * (p.y - center.y))
            };
            let mean = |t: f64| contour.points.iter().map(|p| mass.density(along(p, t))).sum::<f64>() / 360.0;
            assert!(mean(0.7) > 0.5, "{shape:?} {seed}: {}", mean(0.7));
            assert!(mean(1.4) < 0.15, "{shape:?} {seed}: {}", mean(1.4));
            assert!((0.2..0.45).contains(&mean(1.0)), "{shape:?} {seed}: {}", mean(1.0));
        }
    }
}

#[test]
fn a_mass_brightens_tissue_and_leaves_air() {
    let mut image = GrayImage::from_fn(200, 200, |x, _| if x < 100 { 0 } else { 20_000 });
    mass(MassShape::Round, 1).add_to(&mut image, u16::MAX);
    assert!((0..200).all(|y| image.row(y)[..100].iter().all(|v| *v == 0)));
    assert!(image.get(105, 98) > 26_000);
    assert_eq!(image.get(199, 199), 20_000);
}

#[test]
fn bounds_enclose_the_contour() {
    let contour = mass(MassShape::Lobulated, 3).contour();
    let rect = bounds(&contour);
    assert!(contour.points.iter().all(|p| p.x >= rect.x0 && p.x <= rect.x1 && p.y >= rect.y0 && p.y <= rect.y1));
    assert!(contour.points.iter().any(|p| p.x == rect.x1));
}

/// A line through a field whose power spectrum falls as 1/f³ has one that falls as 1/f².
#[test]
fn tissue_has_the_power_spectrum_of_mammograms() {
    const LENGTH: usize = 256;
    let mut power = [0.0f64; LENGTH / 2];
    let mut random = Random::new(5);
    for _ in 0..12 {
        let field = Fractal::new(&mut random, 3.0, 1.0, 128.0);
        for line in 0..8 {
            let y = f64::from(line) * 0.11;
            let values: Vec<f64> = (0..LENGTH)
                .map(|i| {
                    let t = i as f64 / LENGTH as f64;
                    field.at(t, y) * (std::f64::consts::PI * t).sin().powi(2)
                })
                .collect();
            for (k, sum) in power.iter_mut().enumerate().skip(6).take(50) {
                let turn = std::f64::consts::TAU * k as f64 / LENGTH as f64;
                let (re, im) = values.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, v)| {
                    let (sin, cos) = (turn * i as f64).sin_cos();
                    (re + v * cos, im + v * sin)
                });
                *sum += re * re + im * im;
            }
        }
    }
    let points: Vec<(f64, f64)> = (6..56).map(|k| ((k as f64).ln(), power[k].ln())).collect();
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / points.len() as f64;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let slope = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>()
        / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>();
    assert!((slope + 2.0).abs() < 0.4, "the spectrum falls as f^{slope:.2}");
}

fn write(folder: &Path, plan: &Plan, phantom: &Phantom) {
    std::fs::write(folder.join("p.dcm"), dicom::to_dicom(plan, &phantom.image).unwrap()).unwrap();
    std::fs::write(folder.join("p.xml"), truth::to_inbreast(&phantom.masses).unwrap()).unwrap();
}

#[test]
fn the_files_are_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    for (view, side) in [(View::Mlo, Side::Left), (View::Cc, Side::Right)] {
        let plan = Plan { view, side, ..plan(2_026_118, 96, 125) };
        let phantom = generate(&plan);
        write(folder.path(), &plan, &phantom);
        let study = study::open(&folder.path().join("p.dcm")).unwrap();
        assert_eq!(study.image, phantom.image);
        assert_eq!(study.warnings, Vec::<String>::new());
        assert_eq!(study.identity.label(), if view == View::Mlo { "LMLO" } else { "RCC" });
        let laterality = if side == Side::Left { Laterality::Left } else { Laterality::Right };
        assert_eq!(study.identity.laterality.as_ref().map(|l| l.value), Some(laterality));
        assert!(study.spacing.is_some());

        let truth = annotation::read(&folder.path().join("p.xml"), "p", 96, 125).unwrap();
        assert_eq!(truth.lesions.len(), phantom.masses.len());
        for (lesion, contour) in truth.lesions.iter().zip(phantom.contours()) {
            assert_eq!(lesion.kind, LesionKind::Mass);
            let LesionShape::Outline(read) = &lesion.shape else { panic!("an outline was written") };
            let off = read[0].points.iter().zip(&contour.points).map(|(a, b)| a.distance(*b)).fold(0.0, f64::max);
            assert!(off < 0.01, "off by {off}");
        }
    }
}

/// The committed case is what `mammoscope phantom --demo assets/demo` writes. Drawing all of it is slow without
/// optimisation, so some bands of it are drawn, and the whole file is encoded anew from its own pixels.
#[test]
fn the_demonstration_case_is_reproduced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let study = study::open(&folder.join("demo.dcm")).unwrap();
    assert_eq!(std::fs::read(folder.join("demo.dcm")).unwrap(), dicom::to_dicom(&DEMONSTRATION, &study.image).unwrap());
    for start in [200, 1200, 1560, 2800] {
        let drawn = generate_rows(&DEMONSTRATION, start..start + 6);
        assert!((start..start + 6).all(|y| drawn.image.row(y) == study.image.row(y)), "rows from {start}");
        assert!(drawn.masses.len() >= 2);
        assert_eq!(std::fs::read(folder.join("demo.xml")).unwrap(), truth::to_inbreast(&drawn.masses).unwrap());
    }
    assert!(study.image.data().iter().all(|v| *v <= FULL));
}
