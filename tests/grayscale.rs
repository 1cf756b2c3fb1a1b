//! The grey scale against the formulas of DICOM PS3.3 C.11, written here again and literally: every display value of every
//! stored value is the formula's, rounded to 1/65535.

use mammoscope::study::{Study, Voi};

use crate::support::dicom::{Dicom, EXPLICIT, Element, IMPLICIT, bytes, sequence, text, words};
use crate::support::open_bytes;

/// All 4,096 stored values of 12 bits, once each.
fn all_values() -> Dicom {
    let pixels: Vec<u16> = (0..4096).collect();
    Dicom::mammogram(EXPLICIT, 64, 64, &pixels)
}

fn window(file: Dicom, center: f64, width: f64, function: &str) -> Dicom {
    file.with(text(0x0028_1050, "DS", &center.to_string()))
        .with(text(0x0028_1051, "DS", &width.to_string()))
        .with(text(0x0028_1056, "CS", function))
}

fn opened(file: &Dicom) -> Study {
    open_bytes(&file.file()).expect("a valid file")
}

/// Each pixel of the default display is what `formula` says of the word in the file.
fn check(file: &Dicom, formula: impl Fn(u16) -> f64) {
    check_study(&opened(file), formula);
}

fn check_study(study: &Study, formula: impl Fn(u16) -> f64) {
    let display = study.default_display();
    for (word, shown) in (0..=u16::MAX).zip(display.data()) {
        let expected = formula(word) * 65535.0;
        assert!(
            (f64::from(*shown) - expected).abs() <= 0.5 + 1e-6,
            "stored word {word} is shown as {shown}, not {expected}"
        );
    }
}

fn linear(x: f64, c: f64, w: f64) -> f64 {
    if x <= c - 0.5 - (w - 1.0) / 2.0 {
        return 0.0;
    }
    if x > c - 0.5 + (w - 1.0) / 2.0 {
        return 1.0;
    }
    (x - (c - 0.5)) / (w - 1.0) + 0.5
}

fn linear_exact(x: f64, c: f64, w: f64) -> f64 {
    if x <= c - w / 2.0 {
        return 0.0;
    }
    if x > c + w / 2.0 {
        return 1.0;
    }
    (x - c) / w + 0.5
}

fn sigmoid(x: f64, c: f64, w: f64) -> f64 {
    1.0 / (1.0 + std::f64::consts::E.powf(-4.0 * (x - c) / w))
}

type Function = fn(f64, f64, f64) -> f64;
const FUNCTIONS: [(&str, Function); 3] = [("LINEAR", linear), ("LINEAR_EXACT", linear_exact), ("SIGMOID", sigmoid)];
const WINDOWS: [(f64, f64); 7] =
    [(2048.0, 4096.0), (2047.0, 4095.0), (2653.0, 900.0), (600.0, 1.0), (601.5, 2.0), (100.25, 333.3), (-50.0, 7000.0)];

#[test]
fn windows_follow_the_formulas() {
    for (name, function) in FUNCTIONS {
        for (c, w) in WINDOWS {
            check(&window(all_values(), c, w, name), |word| function(f64::from(word), c, w));
        }
    }
}

#[test]
fn narrow_exact_and_sigmoid_windows_are_not_widened() {
    check(&window(all_values(), 2000.0, 0.5, "SIGMOID"), |word| sigmoid(f64::from(word), 2000.0, 0.5));
    check(&window(all_values(), 2000.25, 0.6, "LINEAR_EXACT"), |word| linear_exact(f64::from(word), 2000.25, 0.6));
}

#[test]
fn rescale_comes_before_the_window() {
    for (name, function) in FUNCTIONS {
        let file = window(all_values(), 900.0, 3000.0, name).with(text(0x0028_1052, "DS", "-1024.5")).with(text(
            0x0028_1053,
            "DS",
            "1.25",
        ));
        check(&file, |word| function(f64::from(word) * 1.25 - 1024.5, 900.0, 3000.0));
    }
}

#[test]
fn signed_values_are_sign_extended() {
    let file = window(all_values().signed(), 0.0, 4096.0, "LINEAR");
    let value = |word: u16| if word >= 2048 { f64::from(word) - 4096.0 } else { f64::from(word) };
    check(&file, |word| linear(value(word), 0.0, 4096.0));
    let study = opened(&file);
    assert_eq!(study.grayscale.range, (-2048.0, 2047.0));
    assert_eq!(study.grayscale.modality_value(study.image.get(1, 0)), 1.0);
}

#[test]
fn bits_above_the_stored_ones_are_ignored() {
    let pixels: Vec<u16> = (0..4096).map(|value| value | 0xA000).collect();
    let file = window(Dicom::mammogram(EXPLICIT, 64, 64, &pixels), 2048.0, 4096.0, "LINEAR");
    check(&file, |word| linear(f64::from(word), 2048.0, 4096.0));
}

#[test]
fn monochrome1_and_inverse_are_one_inversion() {
    for (photometric, shape, inverted) in [
        ("MONOCHROME2", None, false),
        ("MONOCHROME2", Some("IDENTITY"), false),
        ("MONOCHROME2", Some("INVERSE"), true),
        ("MONOCHROME1", None, true),
        ("MONOCHROME1", Some("INVERSE"), true),
        ("MONOCHROME1", Some("IDENTITY"), true),
    ] {
        for (name, function) in FUNCTIONS {
            let mut file = window(all_values(), 1500.0, 1000.0, name).with(text(0x0028_0004, "CS", photometric));
            if let Some(shape) = shape {
                file = file.with(text(0x2050_0020, "CS", shape));
            }
            check(&file, |word| {
                let y = function(f64::from(word), 1500.0, 1000.0);
                if inverted { 1.0 - y } else { y }
            });
        }
    }
}

#[test]
fn padding_is_inclusive_and_always_black() {
    for (value, limit) in [(10, 30), (30, 10)] {
        for photometric in ["MONOCHROME1", "MONOCHROME2"] {
            let file = window(all_values(), 2048.0, 4096.0, "LINEAR")
                .with(text(0x0028_0004, "CS", photometric))
                .with(words(0x0028_0120, "US", &[value]))
                .with(words(0x0028_0121, "US", &[limit]));
            let study = opened(&file);
            for invert in [false, true] {
                let lut = study.grayscale.display_lut(&study.grayscale.choices[0].voi, invert);
                let light = (photometric == "MONOCHROME1") != invert;
                for code in 0..4096u16 {
                    let y = linear(f64::from(code), 2048.0, 4096.0);
                    let y = if light { 1.0 - y } else { y };
                    let expected = if (10..=30).contains(&code) { 0.0 } else { y * 65535.0 };
                    assert!((f64::from(lut[usize::from(code)]) - expected).abs() <= 0.5 + 1e-6, "code {code}");
                }
            }
        }
    }
}

#[test]
fn padding_of_signed_values_is_on_stored_values() {
    let file = window(all_values().signed(), 0.0, 4096.0, "LINEAR").with(text(0x0028_1052, "DS", "100")).with(words(
        0x0028_0120,
        "SS",
        &[-2000i16 as u16],
    ));
    let value = |word: u16| if word >= 2048 { f64::from(word) - 4096.0 } else { f64::from(word) };
    check(&file, |word| if value(word) == -2000.0 { 0.0 } else { linear(value(word) + 100.0, 0.0, 4096.0) });
}

#[test]
fn padding_over_the_whole_image_is_not_believed() {
    let file = all_values().with(words(0x0028_0120, "US", &[0])).with(words(0x0028_0121, "US", &[4095]));
    let study = opened(&file);
    assert!(study.warnings.iter().any(|w| w.contains("padding")));
    assert!(study.default_display().data().iter().any(|value| *value > 60_000));
}

/// A LUT item: descriptor and data words.
fn lut(first: u16, bits: u16, vr: &str, data: &[u16], name: &str) -> Vec<Element> {
    let count = if data.len() == 65_536 { 0 } else { data.len() as u16 };
    vec![words(0x0028_3002, vr, &[count, first, bits]), text(0x0028_3003, "LO", name), words(0x0028_3006, "OW", data)]
}

/// A curve of 12-bit entries.
fn curve(entries: usize) -> Vec<u16> {
    (0..entries).map(|i| ((i * i) as f64 / (entries * entries) as f64 * 4095.0) as u16).chain([4095]).skip(1).collect()
}

#[test]
fn a_12_bit_lut_is_scaled_by_its_largest_possible_entry() {
    let data = curve(3000);
    let file = all_values().with(sequence(0x0028_3010, vec![lut(625, 12, "US", &data, "NORMAL")]));
    let entry = |word: u16| {
        let index = (i32::from(word) - 625).clamp(0, data.len() as i32 - 1);
        f64::from(data[index as usize]) / 4095.0
    };
    check(&file, entry);
    assert_eq!(opened(&file).default_display().data().last(), Some(&65535), "white is white");
}

#[test]
fn a_lut_may_begin_at_a_negative_value() {
    let data = curve(500);
    let item = lut(-300i16 as u16, 12, "SS", &data, "SOFT");
    let file = all_values().with(text(0x0028_1052, "DS", "-400")).with(sequence(0x0028_3010, vec![item]));
    check(&file, |word| {
        let index = (i32::from(word) - 400 + 300).clamp(0, data.len() as i32 - 1);
        f64::from(data[index as usize]) / 4095.0
    });
}

#[test]
fn a_lut_in_an_implicit_file_begins_below_zero_where_values_do() {
    let data = curve(500);
    let item = lut(-300i16 as u16, 12, "SS", &data, "SOFT");
    let pixels: Vec<u16> = (0..4096).collect();
    let file = Dicom::mammogram(IMPLICIT, 64, 64, &pixels)
        .with(text(0x0028_1052, "DS", "-400"))
        .with(sequence(0x0028_3010, vec![item]));
    check(&file, |word| {
        let index = (i32::from(word) - 400 + 300).clamp(0, data.len() as i32 - 1);
        f64::from(data[index as usize]) / 4095.0
    });
}

#[test]
fn eight_bit_luts_come_in_words_or_in_bytes() {
    let data: Vec<u16> = (0..256).map(|i| (i * i / 255) as u16).collect();
    let expected = |word: u16| f64::from(data[usize::from(word.min(255))]) / 255.0;
    let in_words = lut(0, 8, "US", &data, "A");
    check(&all_values().with(sequence(0x0028_3010, vec![in_words.clone()])), expected);
    let packed: Vec<u8> = data.iter().map(|entry| *entry as u8).collect();
    let in_bytes = vec![in_words[0].clone(), bytes(0x0028_3006, "OW", &packed)];
    check(&all_values().with(sequence(0x0028_3010, vec![in_bytes])), expected);
}

#[test]
fn a_lut_of_65536_entries_states_zero() {
    let data: Vec<u16> = (0..=u16::MAX).map(|i| u16::MAX - i).collect();
    let file = all_values().with(sequence(0x0028_3010, vec![lut(0, 16, "US", &data, "FALLING")]));
    check(&file, |word| 1.0 - f64::from(word) / 65535.0);
}

#[test]
fn a_modality_lut_comes_before_the_window() {
    let data: Vec<u16> = (0..2000).map(|i| (i * 7 % 3001) as u16).collect();
    let file =
        window(all_values(), 1500.0, 2000.0, "LINEAR").with(sequence(0x0028_3000, vec![lut(100, 16, "US", &data, "")]));
    check(&file, |word| {
        let index = (i32::from(word) - 100).clamp(0, 1999);
        linear(f64::from(data[index as usize]), 1500.0, 2000.0)
    });
}

#[test]
fn without_voi_the_window_runs_between_the_percentiles() {
    // 4,000 of 4,096 pixels are padding; of the 96 others the percentiles are the least and the greatest.
    let mut pixels = vec![0u16; 4000];
    pixels.extend((0..96).map(|i| 1000 + i * 10));
    let file = Dicom::mammogram(EXPLICIT, 64, 64, &pixels).with(words(0x0028_0120, "US", &[0]));
    let study = opened(&file);
    assert_eq!(study.grayscale.choices[0].name, "Automatic");
    assert_eq!(study.grayscale.choices[0].voi, Voi::LinearExact { center: 1475.0, width: 950.0 });
    // Of 10,000 pixels ten may be darker and ten brighter.
    let pixels: Vec<u16> = (0..10_000).map(|i| (i / 5) as u16).collect();
    let study = opened(&Dicom::mammogram(EXPLICIT, 100, 100, &pixels));
    assert_eq!(study.grayscale.choices[0].voi, Voi::LinearExact { center: (1.0 + 1997.0) / 2.0, width: 1996.0 });
}

#[test]
fn all_windows_and_luts_are_choices_by_name() {
    let file = all_values()
        .with(text(0x0028_1050, "DS", "2000\\1800\\1600"))
        .with(text(0x0028_1051, "DS", "1000\\900\\ 800 "))
        .with(text(0x0028_1055, "LO", "NORMAL\\\\NORMAL"))
        .with(text(0x0028_1056, "CS", "SIGMOID"))
        .with(sequence(0x0028_3010, vec![lut(0, 12, "US", &curve(100), "NORMAL"), lut(0, 12, "US", &curve(100), "")]));
    let study = opened(&file);
    let names: Vec<&str> = study.grayscale.choices.iter().map(|choice| choice.name.as_str()).collect();
    assert_eq!(names, ["NORMAL", "Window 2 (1800/900)", "NORMAL (window)", "NORMAL (LUT)", "LUT 2", "Automatic"]);
    assert_eq!(study.grayscale.choices[2].voi, Voi::Sigmoid { center: 1600.0, width: 800.0 });
}

#[test]
fn malformed_grey_scales_are_left_out_with_a_warning() {
    let cases = [
        window(all_values(), 2048.0, 0.0, "LINEAR"),
        window(all_values(), 2048.0, -5.0, "SIGMOID"),
        window(all_values(), f64::NAN, 100.0, "LINEAR"),
        all_values().with(text(0x0028_1050, "DS", "abc")).with(text(0x0028_1051, "DS", "10")),
        all_values().with(sequence(0x0028_3010, vec![lut(0, 0, "US", &curve(100), "ZERO BITS")])),
        all_values().with(sequence(0x0028_3010, vec![lut(0, 17, "US", &curve(100), "17 BITS")])),
        all_values().with(sequence(0x0028_3010, vec![lut(0, 12, "US", &[], "EMPTY")])),
        all_values().with(sequence(0x0028_3010, vec![vec![words(0x0028_3002, "US", &[500, 0, 12])]])),
        all_values().with(text(0x0028_1053, "DS", "0")),
        all_values().with(text(0x0028_1052, "DS", "inf")),
    ];
    for file in cases {
        let study = opened(&file);
        assert_eq!(study.warnings.len(), 1, "{:?}", study.warnings);
        assert_eq!(study.grayscale.choices[0].name, "Automatic");
    }
}

#[test]
fn a_drag_keeps_the_function_and_begins_at_the_lut() {
    let study = opened(&all_values().with(sequence(0x0028_3010, vec![lut(625, 12, "US", &curve(3000), "N")])));
    let voi = &study.grayscale.choices[0].voi;
    let (center, width) = voi.window();
    assert_eq!((center, width), (2125.0, 3000.0));
    assert_eq!(voi.with_window(10.0, 0.0), Voi::Linear { center: 10.0, width: 1.0 });
    assert_eq!(voi.with_window(f64::NAN, 5.0), *voi);
    let sigmoid = Voi::Sigmoid { center: 1.0, width: 2.0 };
    assert_eq!(sigmoid.with_window(7.0, 8.0), Voi::Sigmoid { center: 7.0, width: 8.0 });
    assert!(matches!(sigmoid.with_window(7.0, -8.0), Voi::Sigmoid { width, .. } if width > 0.0));
}

#[test]
fn a_display_lut_is_made_within_a_frame() {
    let study = opened(&window(all_values().bits(16), 30_000.0, 10_000.0, "SIGMOID"));
    let voi = &study.grayscale.choices[0].voi;
    let once = || {
        let start = std::time::Instant::now();
        assert_eq!(study.grayscale.display_lut(voi, false).len(), 65_536);
        start.elapsed()
    };
    let best = (0..10).map(|_| once()).min().expect("ten times");
    let limit = if cfg!(debug_assertions) { 50 } else { 2 };
    assert!(best.as_millis() < limit, "a display LUT takes {best:?}");
}
