//! YOLO text: a line `class cx cy w h` per box, or `class x1 y1 x2 y2 x3 y3 …` per polygon, as fractions of the image's sides.
//!
//! `classes.txt` beside the file names the classes; without it, class 0 is the mass.

use super::collect::{Collector, MAX_LESIONS};
use super::{Format, GroundTruth, LesionKind, Source, TruthError, kind_of};
use crate::space::{ImagePoint, ImageRect};

pub const FORMAT: Format = Format { name: "YOLO text", extensions: &["txt"], recognises, read };

fn recognises(source: &Source) -> bool {
    let head = String::from_utf8_lossy(&source.text_bytes()[..source.text_bytes().len().min(4096)]).into_owned();
    let first = head.lines().map(str::trim).find(|line| !line.is_empty());
    match first {
        Some(line) => numbers(line).is_some_and(|n| n.len() >= 5) || head.len() == 4096 && numbers(line).is_some(),
        // An image without lesions has an empty file.
        None => source.extension() == "txt",
    }
}

fn numbers(line: &str) -> Option<Vec<f64>> {
    line.split_whitespace().map(|word| word.parse().ok()).collect()
}

fn read(source: &Source) -> Result<GroundTruth, TruthError> {
    let text = std::str::from_utf8(source.text_bytes())
        .map_err(|_| TruthError("The YOLO file is damaged: it is not text.".into()))?;
    let classes = class_names(source);
    let (width, height) = (source.width as f64, source.height as f64);
    let mut lesions = Collector::new(source);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some(values) = numbers(line).filter(|values| values.len() >= 5) else {
            return Err(TruthError("The YOLO file is damaged: a line is not a class and its coordinates.".into()));
        };
        let class = values[0];
        // A float to integer cast saturates, and an index past the names finds none.
        let name = classes.get(class as usize).cloned();
        let kind = match &name {
            Some(name) if classes.len() > 1 => kind_of(name),
            Some(_) => LesionKind::Mass,
            None if class == 0.0 => LesionKind::Mass,
            None => LesionKind::Other,
        };
        let name = name.unwrap_or_else(|| if class == 0.0 { "Mass".into() } else { format!("class {class}") });
        match values[1..] {
            // Detectors append a confidence.
            [cx, cy, w, h] | [cx, cy, w, h, _] => {
                let (x0, y0) = ((cx - w / 2.0) * width, (cy - h / 2.0) * height);
                lesions.rect(&name, kind, ImageRect::new(x0, y0, x0 + w * width, y0 + h * height))?;
            }
            ref coordinates => {
                let point = |xy: &[f64]| ImagePoint::new(xy[0] * width, xy[1] * height);
                lesions.polygons(&name, kind, vec![coordinates.chunks_exact(2).map(point).collect()])?;
            }
        }
    }
    Ok(lesions.finish())
}

fn class_names(source: &Source) -> Vec<String> {
    let path = source.path.with_file_name("classes.txt");
    let Ok(file) = Source::open(&path, "", 0, 0) else { return Vec::new() };
    String::from_utf8_lossy(&file.bytes).lines().take(MAX_LESIONS).map(|line| line.trim().to_string()).collect()
}
