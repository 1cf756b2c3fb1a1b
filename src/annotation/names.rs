//! What annotators call things, in any case and spelling.

use super::LesionKind;

/// Parts of names that mean a mass or its equal. In INbreast only `Mass` is groundtruth: a `Spiculated Region` surrounds a
/// mass or a distortion and is drawn without counting, as are distortions, asymmetries, clusters and calcifications.
const MASS_WORDS: [&str; 8] = ["mass", "tumor", "tumour", "lesion", "nodule", "cancer", "malignan", "benign"];
/// Parts of names that mean something else, also where a word above is in them ("calcified lesion").
const OTHER_WORDS: [&str; 5] = ["calc", "cluster", "distortion", "symmetr", "simmetr"];

/// Whether a name means a mass.
pub fn kind_of(name: &str) -> LesionKind {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&MASS_WORDS) && !has(&OTHER_WORDS) { LesionKind::Mass } else { LesionKind::Other }
}
