//! Data sets: their images, patients and groundtruth, in each form that they come in.

use std::path::Path;

use mammoscope::annotation::{LesionKind, LesionShape};
use mammoscope::evaluation::cbis::{self, parse_csv};
use mammoscope::evaluation::dataset::{self, TruthSource};
use mammoscope::evaluation::measured::compact_masses;
use mammoscope::space::ImageRect;

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
pub fn data_set(folder: &Path) {
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
