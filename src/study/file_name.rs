//! Laterality and view from a file's name, the last resort: "00694_RIGHT_CC.jpg", "20586908_…_MG_L_ML_ANON.dcm". Never silent.

use std::path::Path;

use super::{Identity, Laterality, Sourced};

const SOURCE: &str = "file name";

/// Fills in what the file itself does not say, and warns where its name says otherwise than its content.
pub fn complete(identity: &mut Identity, path: &Path, warnings: &mut Vec<String>) {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_uppercase()).unwrap_or_default();
    let (side, view) = read(&name);
    let mut taken = Vec::new();
    match (&identity.laterality, side) {
        (Some(known), Some(named)) if known.value != named => {
            warnings.push(format!(
                "The file's name says side {}, its content says {}. Check the marker in the image.",
                named.letter(),
                known.value.letter()
            ));
        }
        (None, Some(value)) => {
            identity.laterality = Some(Sourced { value, source: SOURCE });
            taken.push("side");
        }
        _ => {}
    }
    if let (None, Some(view)) = (&identity.view, view) {
        identity.view = Some(Sourced { value: view.into(), source: SOURCE });
        taken.push("view");
    }
    if !taken.is_empty() {
        warnings.push(format!(
            "The {} shown ({}) is taken from the file's name.",
            taken.join(" and "),
            identity.label()
        ));
    }
}

/// Side and view of a name in capitals. A single letter counts as a side only next to a view.
fn read(name: &str) -> (Option<Laterality>, Option<&'static str>) {
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let inbreast = words.ends_with(&["ANON"]) && words.contains(&"MG");
    let view_of = |word: &str| match word {
        "CC" => Some("CC"),
        "MLO" => Some("MLO"),
        // INbreast writes ML for its mediolateral oblique views.
        "ML" if inbreast => Some("MLO"),
        "ML" => Some("ML"),
        "LM" => Some("LM"),
        _ => None,
    };
    let spelled = |word: &str| match word {
        "RIGHT" => Some(Laterality::Right),
        "LEFT" => Some(Laterality::Left),
        _ => None,
    };
    let lettered = |word: &str| match word {
        "R" => Some(Laterality::Right),
        "L" => Some(Laterality::Left),
        _ => None,
    };
    for (i, word) in words.iter().enumerate() {
        if let Some(view) = view_of(word) {
            let neighbours = [i.checked_sub(1), Some(i + 1)].into_iter().flatten().filter_map(|j| words.get(j));
            let beside = neighbours.filter_map(|word| lettered(word)).next();
            return (words.iter().find_map(|word| spelled(word)).or(beside), Some(view));
        }
        // "RCC", "LMLO"
        let joined = word.split_at_checked(1).and_then(|(side, view)| Some((lettered(side)?, view_of(view)?)));
        if let Some((side, view)) = joined {
            return (Some(side), Some(view));
        }
    }
    (words.iter().find_map(|word| spelled(word)), None)
}
