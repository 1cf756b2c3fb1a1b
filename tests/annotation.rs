//! Groundtruth: every format, and files that are odd or hostile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::{DynamicImage, GrayImage as Gray8, ImageFormat, Luma};
use mammoscope::annotation::{
    GroundTruth, Lesion, LesionKind, LesionShape, components, find_beside, find_in, is_mask_name, kind_of, read,
};
use mammoscope::evaluation::fill_polygons;
use mammoscope::findings::Contour;
use mammoscope::random::Random;
use mammoscope::raster::Mask;
use mammoscope::space::{ImagePoint, ImageRect, PixelRect};
use tempfile::TempDir;

use crate::support::real_data;

/// A file of this content, read for the image "case" of 100 × 200 pixels.
fn read_text(name: &str, content: impl AsRef<[u8]>) -> Result<GroundTruth, String> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    read(&path, "case", 100, 200).map_err(|error| error.to_string())
}

fn inbreast(regions: &[(&str, &[&str])]) -> String {
    let region = |(name, points): &(&str, &[&str])| {
        let points: String = points.iter().map(|p| format!("<string>{p}</string>")).collect();
        format!(
            "<dict><key>Area</key><real>1.5</real><key>Name</key><string>{name}</string>\
             <key>Point_px</key><array>{points}</array><key>Type</key><integer>15</integer></dict>"
        )
    };
    let regions: String = regions.iter().map(region).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict><key>Images</key><array><dict>\
         <key>ImageIndex</key><integer>0</integer><key>ROIs</key><array>{regions}</array></dict></array></dict></plist>"
    )
}

fn points(shape: &LesionShape) -> Vec<(f64, f64)> {
    match shape {
        LesionShape::Outline(contours) => contours.iter().flat_map(|c| &c.points).map(|p| (p.x, p.y)).collect(),
        LesionShape::Points(points) => points.iter().map(|p| (p.x, p.y)).collect(),
        LesionShape::Box(r) => vec![(r.x0, r.y0), (r.x1, r.y1)],
    }
}

fn area(lesion: &Lesion, width: usize, height: usize) -> usize {
    match &lesion.shape {
        LesionShape::Outline(contours) => fill_polygons(contours, PixelRect::new(0, 0, width, height)).area(),
        _ => 0,
    }
}

#[test]
fn inbreast_regions_are_read_by_key() {
    let square: &[&str] = &["(10, 20)", "(30.5, 20)", "(30.5, 60.25)", "(10, 60.25)"];
    let text = inbreast(&[("Mass", square), ("Calcification", &["(50.5, 60)"]), ("", &["(1,2)", "(3, 4)"])]);
    let truth = read_text("a.xml", text).expect("good");
    assert_eq!(truth.format, "INbreast XML");
    assert!(truth.warnings.is_empty(), "{:?}", truth.warnings);
    assert_eq!(truth.lesions.len(), 3);
    assert_eq!(truth.lesions[0].kind, LesionKind::Mass);
    assert_eq!(points(&truth.lesions[0].shape), [(10.0, 20.0), (30.5, 20.0), (30.5, 60.25), (10.0, 60.25)]);
    assert_eq!(truth.lesions[1].kind, LesionKind::Other);
    assert_eq!(truth.lesions[1].shape, LesionShape::Points(vec![ImagePoint::new(50.5, 60.0)]));
    assert!(matches!(&truth.lesions[2].shape, LesionShape::Points(p) if p.len() == 2));
}

#[test]
fn names_in_any_case_and_spelling() {
    for name in ["Mass", "mass", "MASS ", "Masses", "malignant tumour", "Nodule"] {
        assert_eq!(kind_of(name), LesionKind::Mass, "{name}");
    }
    let others = [
        "Calcification",
        "calcifications",
        "Cluster",
        "Spiculated Region",
        "spiculated region",
        "Distortion",
        "Asymmetry",
        "Assymetry",
        "Asimmetry",
        "UNNAMED",
        "",
        "calcified lesion",
    ];
    for name in others {
        assert_eq!(kind_of(name), LesionKind::Other, "{name}");
    }
}

#[test]
fn points_that_are_not_numbers_are_left_out_with_a_warning() {
    let given: &[&str] = &["(10, 10)", "(nan, inf)", "(40, 10)", "10 10", "(40, 40)", "(1, 2, 3)", "(10, 40)"];
    let truth = read_text("a.xml", inbreast(&[("Mass", given)])).expect("good");
    assert_eq!(points(&truth.lesions[0].shape).len(), 4);
    assert_eq!(truth.warnings.len(), 1);
    assert!(truth.warnings[0].starts_with("3 "), "{:?}", truth.warnings);
}

#[test]
fn outlines_are_cut_at_the_image() {
    let truth = read_text("a.xml", inbreast(&[("Mass", &["(-20, 50)", "(40, 50)", "(40, 100)", "(-20, 100)"])]));
    let truth = truth.expect("good");
    assert_eq!(truth.lesions[0].shape.bounds(), ImageRect::new(0.0, 50.0, 40.0, 100.0));
    assert_eq!(area(&truth.lesions[0], 100, 200), 40 * 50);
    assert!(truth.warnings[0].contains("cut at its edge"), "{:?}", truth.warnings);
    // Half a pixel outside is drawing, not trouble.
    let truth = read_text("a.xml", inbreast(&[("Mass", &["(-0.5, 0)", "(40, 0)", "(40, 100)"])])).expect("good");
    assert!(truth.warnings.is_empty());
}

#[test]
fn another_images_groundtruth_is_noticed() {
    let far: &[&str] = &["(2000, 3000)", "(2100, 3000)", "(2100, 3100)"];
    let truth = read_text("a.xml", inbreast(&[("Mass", far), ("Calcification", &["(1e300, -5)"])])).expect("good");
    assert!(truth.lesions.is_empty());
    assert!(truth.warnings[0].contains("another image"), "{:?}", truth.warnings);
}

#[test]
fn self_crossing_and_flat_outlines_do_no_harm() {
    let bow: &[&str] = &["(10, 10)", "(50, 50)", "(50, 10)", "(10, 50)"];
    let flat: &[&str] = &["(10, 10)", "(20, 20)", "(30, 30)"];
    let same: &[&str] = &["(5, 5)", "(5, 5)", "(5, 5)"];
    let truth = read_text("a.xml", inbreast(&[("Mass", bow), ("Mass", flat), ("Mass", same)])).expect("good");
    assert!(matches!(&truth.lesions[1].shape, LesionShape::Points(p) if p.len() == 3));
    assert!(matches!(&truth.lesions[2].shape, LesionShape::Points(p) if p.len() == 1));
    assert_eq!(truth.lesions.len(), 3);
}

/// Groundtruth that must be refused in one sentence, soon.
#[test]
fn hostile_files_are_refused_in_one_sentence() {
    let good = inbreast(&[("Mass", &["(10, 10)", "(40, 10)", "(40, 40)"])]);
    let plist = |body: &str| format!("<plist version=\"1.0\">{body}</plist>");
    let million: Vec<&str> = vec!["(1, 2)"; 1_000_000];
    let bomb = format!(
        "<!DOCTYPE plist [<!ENTITY a \"{}\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>{}",
        "a".repeat(1000),
        plist("<string>&b;</string>")
    );
    let hidden = "<array><!-- </array> --><![CDATA[</array>]]>".repeat(100_000);
    let coco = |annotations: &str| {
        format!(r#"{{"images": [{{"id": 1, "file_name": "case.png"}}], "annotations": [{annotations}]}}"#)
    };
    let many_boxes = vec![r#"{"image_id": 1, "bbox": [1, 1, 5, 5]}"#; 20_000].join(",");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty.xml", Vec::new()),
        ("empty.json", Vec::new()),
        ("truncated.xml", good.as_bytes()[..good.len() / 2].to_vec()),
        ("million points.xml", inbreast(&[("Mass", &million)]).into_bytes()),
        ("entity bomb.xml", bomb.into_bytes()),
        ("deep.xml", plist(&"<array>".repeat(1_000_000)).into_bytes()),
        ("deep attributes.xml", plist(&"<array a=\"></array>\">".repeat(200_000)).into_bytes()),
        ("hidden depth.xml", plist(&hidden).into_bytes()),
        ("unclosed comment.xml", plist(&format!("<!--{}", "<".repeat(5_000_000))).into_bytes()),
        ("no images.xml", plist("<dict><key>Pictures</key><array/></dict>").into_bytes()),
        ("not a list.xml", plist("<dict><key>Images</key><string>x</string></dict>").into_bytes()),
        ("binary.xml", b"bplist00\xd1\x01\x02\xff\xff\xff\xff\xff\xff".to_vec()),
        ("utf-16.xml", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("deep.json", "[".repeat(5_000_000).into_bytes()),
        ("deep object.json", r#"{"annotations":"#.repeat(1_000_000).into_bytes()),
        ("not json.json", b"{\"images\": [}".to_vec()),
        ("another case.json", coco("").replace("case.png", "other.png").into_bytes()),
        ("text as box.json", coco(r#"{"image_id": 1, "bbox": "all of it"}"#).into_bytes()),
        ("damaged tail.json", coco("").replace("]}", "]").into_bytes()),
        ("many boxes.json", coco(&many_boxes).into_bytes()),
        ("report.json", br#"{"image": {}, "findings": [], "lambda": 0.6}"#.to_vec()),
        ("shapes.json", br#"{"shapes": [{"label": "mass", "points": [[1]]}]}"#.to_vec()),
        ("words.txt", b"patient has a mass\n".to_vec()),
        ("broken line.txt", b"0 0.5 0.5 0.1 0.1\n0 0.5 oops\n".to_vec()),
        ("truncated.png", png(&Gray8::from_pixel(100, 200, Luma([255])))[..60].to_vec()),
        ("header only.png", huge_png(65_535, 65_535)),
        ("other size.png", png(&Gray8::from_pixel(100, 100, Luma([255])))),
        ("tiny.png", png(&Gray8::from_pixel(1, 2, Luma([255])))),
        ("noise.png", png(&Gray8::from_fn(100, 200, |x, y| Luma([if x % 2 + y % 2 == 0 { 255 } else { 0 }])))),
        ("loop.tiff", b"II*\0\x08\0\0\0\0\0\x08\0\0\0".to_vec()),
        ("garbage.jpg", [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 400][..]].concat()),
    ];
    for (name, content) in cases {
        let start = Instant::now();
        let outcome = read_text(name, content);
        let took = start.elapsed();
        let error = outcome.expect_err(name);
        assert!(error.ends_with('.') && !error.contains('\n') && error.len() < 220, "{name}: {error}");
        assert!(!error.contains("case"), "{name}: {error}");
        // Unoptimised, beside other tests on a busy machine, the same work takes many times as long.
        let limit = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 1 });
        assert!(took < limit, "{name} took {took:?}");
    }
}

#[test]
fn what_is_not_a_file_is_refused() {
    let folder = TempDir::new().expect("a folder");
    assert!(read(folder.path(), "case", 10, 10).is_err());
    assert!(read(&folder.path().join("none.xml"), "case", 10, 10).is_err());
}

fn png(image: &Gray8) -> Vec<u8> {
    encoded(&DynamicImage::ImageLuma8(image.clone()), ImageFormat::Png)
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

/// A PNG that claims a size and has no pixels.
fn huge_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(&Gray8::new(1, 1));
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    // The header's checksum must hold, or the refusal would be about that.
    let mut crc = 0xffff_ffff_u32;
    for &byte in &bytes[12..29] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

/// Blobs and specks, some touching at corners, some at the image's edge.
fn random_mask(random: &mut Random, width: usize, height: usize) -> Mask {
    let mut mask = Mask::filled(width, height, false);
    for _ in 0..random.below(6) {
        let (cx, cy) = (random.range(0.0, width as f64), random.range(0.0, height as f64));
        let (outer, inner) = (random.range(1.0, 20.0), random.range(-10.0, 10.0));
        for y in 0..height {
            for x in 0..width {
                let distance = (x as f64 - cx).hypot(y as f64 - cy);
                if distance < outer && distance > inner {
                    mask.set(x, y, true);
                }
            }
        }
    }
    for _ in 0..random.below(12) {
        mask.set(random.below(width), random.below(height), true);
    }
    mask
}

/// Components by flood fill, the plain way.
fn flood_components(mask: &Mask) -> Vec<Mask> {
    let mut left = mask.clone();
    let mut found = Vec::new();
    for start in 0..mask.data().len() {
        if !left.data()[start] {
            continue;
        }
        let mut component = Mask::filled(mask.width(), mask.height(), false);
        let mut open = vec![(start % mask.width(), start / mask.width())];
        while let Some((x, y)) = open.pop() {
            if !left.get(x, y) {
                continue;
            }
            left.set(x, y, false);
            component.set(x, y, true);
            for ny in y.saturating_sub(1)..(y + 2).min(mask.height()) {
                for nx in x.saturating_sub(1)..(x + 2).min(mask.width()) {
                    open.push((nx, ny));
                }
            }
        }
        found.push(component);
    }
    found
}

#[test]
fn traced_masks_fill_back_exactly() {
    let mut random = Random::new(7);
    for round in 0..300 {
        let (width, height) = (1 + random.below(60), 1 + random.below(60));
        let mask = random_mask(&mut random, width, height);
        let expected = flood_components(&mask);
        let traced = components(&mask, 1_000).expect("few");
        assert_eq!(traced.len(), expected.len(), "round {round}");
        for (component, expected) in traced.iter().zip(&expected) {
            let filled = fill_polygons(&component.contours, mask.bounds());
            assert!(filled == *expected, "round {round}");
            assert_eq!(component.area, expected.area());
            let inside = |x: usize, y: usize| expected.get(x, y);
            let b = component.bounds;
            let is_tight = (b.y0..b.y1).all(|y| (0..width).all(|x| !inside(x, y) || (b.x0..b.x1).contains(&x)));
            assert!(is_tight && (b.y0..b.y1).any(|y| inside(b.x0, y)) && (b.y0..b.y1).any(|y| inside(b.x1 - 1, y)));
        }
    }
    assert!(components(&Mask::from_fn(50, 50, |x, y| x % 2 + y % 2 == 0), 100).is_none());
}

#[test]
fn masks_of_every_image_kind() {
    // Two discs; the second one dim.
    let value = |x: u32, y: u32, inside: u8, dim: u8| {
        if (x as f64 - 30.0).hypot(y as f64 - 50.0) < 20.0 {
            inside
        } else if (x as f64 - 70.0).hypot(y as f64 - 150.0) < 10.0 {
            dim
        } else {
            0
        }
    };
    let grey = Gray8::from_fn(100, 200, |x, y| Luma([value(x, y, 255, 1)]));
    let expected = [255u8, 1].map(|v| grey.pixels().filter(|p| p.0[0] == v).count());
    let grey = DynamicImage::ImageLuma8(grey);
    let kinds = [
        ("8-bit PNG", encoded(&grey, ImageFormat::Png)),
        ("8-bit TIFF", encoded(&grey, ImageFormat::Tiff)),
        ("colour PNG", encoded(&DynamicImage::ImageRgb8(grey.to_rgb8()), ImageFormat::Png)),
        ("16-bit PNG", encoded(&DynamicImage::ImageLuma16(grey.to_luma16()), ImageFormat::Png)),
        ("opaque PNG", encoded(&DynamicImage::ImageRgba8(grey.to_rgba8()), ImageFormat::Png)),
    ];
    for (name, bytes) in kinds {
        let truth = read_text("a mask without a telling name", bytes).expect(name);
        assert_eq!(truth.format, "mask image");
        let areas: Vec<_> = truth.lesions.iter().map(|l| area(l, 100, 200)).collect();
        assert_eq!(areas, expected, "{name}");
        assert!(truth.lesions.iter().all(|l| l.kind == LesionKind::Mass) && truth.warnings.is_empty());
    }
    // A speck beside a lesion is none.
    let mut crumbs = grey.to_luma8();
    crumbs.put_pixel(90, 20, Luma([255]));
    let truth = read_text("mask.png", png(&crumbs)).expect("good");
    assert_eq!(truth.lesions.len(), 2);
    assert!(truth.warnings[0].contains("specks"), "{:?}", truth.warnings);
    // A JPEG's ripples are not lesions: one bright disc is one lesion, to within its blurred rim.
    let bright = Gray8::from_fn(100, 200, |x, y| Luma([value(x, y, 255, 0)]));
    let jpeg = encoded(&DynamicImage::ImageLuma8(bright), ImageFormat::Jpeg);
    let truth = read_text("mask.jpg", jpeg).expect("JPEG");
    assert_eq!(truth.lesions.len(), 1);
    assert!(area(&truth.lesions[0], 100, 200).abs_diff(expected[0]) < expected[0] / 20);
}

#[test]
fn a_mask_of_one_uniform_factor_is_scaled_with_a_warning() {
    // CBIS-DDSM's 1.149.
    let mask = Gray8::from_fn(115, 230, |x, y| Luma([u8::from((23..46).contains(&x) && (115..184).contains(&y))]));
    let truth = read_text("mask.png", png(&mask)).expect("scaled");
    assert!(truth.warnings[0].contains("1.150 times"), "{:?}", truth.warnings);
    let bounds = truth.lesions[0].shape.bounds();
    let expected = ImageRect::new(20.0, 100.0, 40.0, 160.0);
    assert!(bounds.iou(&expected) > 0.999, "{bounds:?}");
    // Two factors are another image.
    let error = read_text("mask.png", png(&Gray8::new(115, 210))).expect_err("refused");
    assert!(error.contains("115×210") && error.contains("100×200"), "{error}");
    // An empty mask is an image without lesions.
    assert!(read_text("mask.png", png(&Gray8::new(100, 200))).expect("empty").lesions.is_empty());
}

const COCO: &str = r#"{
  "info": {"year": 2024}, "licenses": [{"id": 1}],
  "annotations": [
    {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40], "segmentation": [], "iscrowd": 0},
    {"id": 2, "image_id": 8, "category_id": 3, "bbox": [0, 0, 5, 5]},
    {"id": 3, "image_id": 7, "category_id": 4, "bbox": [1, 1, 2, 2], "segmentation": [[10, 10, 20, 10, 20, 40]]},
    {"id": 4, "image_id": 7, "category_id": 3, "bbox": [5, 5, 10, 10], "segmentation": {"counts": [3, 4], "size": [9, 9]}}
  ],
  "categories": [{"id": 3, "name": "Mass"}, {"id": 4, "name": "calcification"}],
  "images": [
    {"id": 8, "file_name": "other.png", "width": 100, "height": 200},
    {"id": 7, "file_name": "folder\\Case.jpg", "width": 50, "height": 50}
  ]
}"#;

#[test]
fn coco_boxes_and_polygons_are_scaled_to_the_image() {
    let truth = read_text("annotations.json", COCO).expect("good");
    assert_eq!(truth.format, "COCO JSON");
    // The file's image is 50 × 50, ours 100 × 200.
    assert_eq!(truth.lesions[0].shape, LesionShape::Box(ImageRect::new(20.0, 80.0, 80.0, 240.0_f64.min(200.0))));
    assert_eq!(truth.lesions[0].kind, LesionKind::Mass);
    assert_eq!(points(&truth.lesions[1].shape), [(20.0, 40.0), (40.0, 40.0), (40.0, 160.0)]);
    assert_eq!(truth.lesions[1].kind, LesionKind::Other);
    assert_eq!(truth.lesions[2].shape, LesionShape::Box(ImageRect::new(10.0, 20.0, 30.0, 60.0)));
    assert_eq!(truth.lesions.len(), 3);
    for words in ["50×50", "Run-length", "cut at its edge"] {
        assert!(truth.warnings.iter().any(|w| w.contains(words)), "{words}: {:?}", truth.warnings);
    }
}

#[test]
fn labelme_shapes() {
    let text = r#"{"version": "5", "flags": {}, "imagePath": "case.png", "imageData": null, "imageWidth": 100, "imageHeight": 200,
      "shapes": [
        {"label": "mass", "points": [[10, 10], [40, 10], [40, 50]], "shape_type": "polygon", "group_id": null},
        {"label": "Mass", "points": [[60, 90], [20, 30]], "shape_type": "rectangle"},
        {"label": "mass", "points": [[50, 150], [50, 160]], "shape_type": "circle"},
        {"label": "clip", "points": [[5, 6]], "shape_type": "point"}]}"#;
    let truth = read_text("case.json", text).expect("good");
    assert_eq!(truth.format, "LabelMe JSON");
    assert_eq!(points(&truth.lesions[0].shape).len(), 3);
    assert_eq!(truth.lesions[1].shape, LesionShape::Box(ImageRect::new(20.0, 30.0, 60.0, 90.0)));
    let disc = std::f64::consts::PI * 100.0;
    assert!((area(&truth.lesions[2], 100, 200) as f64 - disc).abs() < 8.0);
    assert_eq!(truth.lesions[3].shape, LesionShape::Points(vec![ImagePoint::new(5.0, 6.0)]));
    assert!(truth.warnings.is_empty());
}

#[test]
fn yolo_boxes_and_polygons() {
    let truth = read_text("case.txt", "0 0.5 0.25 0.2 0.1\n\n1 0.1 0.1 0.2 0.1 0.2 0.3\n0 0.5 0.5 0.1 0.1 0.93\n")
        .expect("good");
    assert_eq!(truth.format, "YOLO text");
    let LesionShape::Box(rect) = truth.lesions[0].shape else { panic!("a box") };
    assert!(rect.iou(&ImageRect::new(40.0, 40.0, 60.0, 60.0)) > 0.999_999);
    assert_eq!(points(&truth.lesions[1].shape).len(), 3);
    let kinds: Vec<_> = truth.lesions.iter().map(|l| l.kind).collect();
    assert_eq!(kinds, [LesionKind::Mass, LesionKind::Other, LesionKind::Mass]);
    assert!(read_text("case.txt", "").expect("no lesions").lesions.is_empty());
}

/// Names and contents.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// Writes files into a new folder; `find` must return the one named `expected` there.
fn check_found(files: Files, image: &str, expected: Option<&str>, find: impl Fn(&Path) -> Option<PathBuf>) {
    let folder = TempDir::new().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }
    let found = find(&folder.path().join(image)).map(|path| path.canonicalize().expect("exists"));
    let expected = expected.map(|name| folder.path().join(name).canonicalize().expect("exists"));
    assert_eq!(found, expected, "{image} among {:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn groundtruth_is_found_beside_its_image() {
    let xml = inbreast(&[]);
    let (xml, mask) = (xml.as_bytes(), &png(&Gray8::new(4, 4))[..]);
    let coco = COCO.as_bytes();
    let beside: &[(Files, &str, Option<&str>)] = &[
        (&[("a.xml", xml), ("a_mask.png", mask)], "a.dcm", Some("a.xml")),
        (&[("a.xml", b"<html/>"), ("a_mask.png", mask)], "a.dcm", Some("a_mask.png")),
        (
            &[("AllXML/22.xml", xml), ("AllDICOMs/22_ab_MG_L_CC_ANON.dcm", b"")],
            "AllDICOMs/22_ab_MG_L_CC_ANON.dcm",
            Some("AllXML/22.xml"),
        ),
        (&[("22.xml", xml)], "22_ab_MG_L_CC_ANON.dcm", Some("22.xml")),
        (&[("images/a.jpg", b""), ("masks/a.png", mask)], "images/a.jpg", Some("masks/a.png")),
        (&[("masks/a.png", mask)], "masks/a.png", None),
        (&[("case.jpg", b""), ("_annotations.coco.json", coco)], "case.jpg", Some("_annotations.coco.json")),
        (&[("third.jpg", b""), ("_annotations.coco.json", coco)], "third.jpg", None),
        (&[("case.json", br#"{"findings": []}"#)], "case.dcm", None),
        (&[("a.txt", b"0 0.5 0.5 0.1 0.1")], "a.png", Some("a.txt")),
        (&[("a.txt", b"notes about the patient")], "a.png", None),
        (&[("a.png", mask)], "a.png", None),
    ];
    for (files, image, expected) in beside {
        check_found(files, image, *expected, find_beside);
    }
    let in_folder = |image: &Path| {
        let root = image.parent().expect("a folder");
        find_in(&root.join("truth"), image)
    };
    check_found(&[("truth/a.png", mask)], "a.png", Some("truth/a.png"), in_folder);
    check_found(&[("truth/a_mask.tif", mask)], "a.png", Some("truth/a_mask.tif"), in_folder);
    check_found(&[("truth/all.coco.json", coco)], "other.png", Some("truth/all.coco.json"), in_folder);
    check_found(&[("truth/b.png", mask)], "a.png", None, in_folder);
    assert!(is_mask_name(Path::new("x/a_MASK.png")) && !is_mask_name(Path::new("x/a_mask/b.png")));
}

#[test]
fn real_groundtruth() {
    let Some(data) = real_data() else { return };
    // CBIS-DDSM at full resolution: the traced outlines cover exactly the mask's pixels.
    let image = data.join("cbis-ddsm-fullres/00694_RIGHT_CC.jpg");
    let path = find_beside(&image).expect("the mask beside it");
    assert!(is_mask_name(&path));
    let mask = image::open(&path).expect("a mask").to_luma8();
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let truth = read(&path, "00694_RIGHT_CC", width, height).expect("good");
    let lesions: usize = truth.lesions.iter().map(|l| area(l, width, height)).sum();
    assert_eq!(lesions, mask.pixels().filter(|p| p.0[0] > 0).count());
    assert!(!truth.lesions.is_empty() && truth.lesions.len() < 5, "{} lesions", truth.lesions.len());

    // A large one whose outline left crumbs around it is one lesion all the same.
    let path = data.join("cbis-ddsm-fullres/00695_RIGHT_CC_mask.png");
    let truth = read(&path, "00695_RIGHT_CC", 4056, 5768).expect("good");
    assert_eq!(truth.lesions.len(), 1);
    assert!(truth.warnings[0].starts_with("36 specks"), "{:?}", truth.warnings);

    // CBIS-DDSM boxes in COCO, on an image of the original's size.
    let image = data.join("cbis-ddsm-mass-train/00484_RIGHT_CC.jpg");
    let path = find_beside(&image).expect("the COCO file beside it");
    let truth = read(&path, "00484_RIGHT_CC", 2400, 4000).expect("good");
    assert_eq!(truth.format, "COCO JSON");
    assert!(truth.lesions.iter().all(|l| l.kind == LesionKind::Mass) && !truth.lesions.is_empty());
    assert!(truth.warnings.iter().any(|w| w.contains("800×800")));

    // CDD-CESM keeps masks of its images' names in a folder of their own.
    let images = std::fs::read_dir(data.join("cdd-cesm/images")).expect("listed").flatten();
    let mut read_masks = 0;
    for image in images.take(20) {
        let path = find_beside(&image.path()).expect("the mask in ../masks");
        let truth = read(&path, "image", 512, 512).expect("good");
        read_masks += usize::from(!truth.lesions.is_empty());
    }
    assert!(read_masks > 10, "{read_masks} masks with lesions");
}

#[test]
fn bounds_of_shapes() {
    let contour = |p: &[(f64, f64)]| Contour { points: p.iter().map(|&(x, y)| ImagePoint::new(x, y)).collect() };
    let outline = LesionShape::Outline(vec![contour(&[(1.0, 2.0), (5.0, 3.0)]), contour(&[(0.5, 9.0)])]);
    assert_eq!(outline.bounds(), ImageRect::new(0.5, 2.0, 5.0, 9.0));
    assert_eq!(LesionShape::Outline(Vec::new()).bounds(), ImageRect::default());
}
