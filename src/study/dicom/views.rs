//! Mammographic views and their modifiers by code (PS3.16 CID 4014 and 4015): SRT or SNM3, and SCT.

use super::dataset::Dataset;
use super::tags;

/// (SRT code, SCT code, label)
const VIEWS: [(&str, &str, &str); 11] = [
    ("R-10242", "399162004", "CC"),
    ("R-10226", "399368009", "MLO"),
    ("R-10224", "399260004", "ML"),
    ("R-10228", "399352003", "LM"),
    ("R-10230", "399099002", "LMO"),
    ("R-10244", "399196006", "FB"),
    ("R-102D0", "399188001", "SIO"),
    ("R-40AAA", "441555000", "ISO"),
    ("R-1024A", "399192008", "XCCL"),
    ("R-1024B", "399101009", "XCCM"),
    ("G-8310", "127457009", "SPECIMEN"),
];

/// Where a modifier stands in a label such as "MCC".
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Before,
    After,
    /// Names the view by itself.
    Instead,
}

/// (SRT code, SCT code, label, place)
const MODIFIERS: [(&str, &str, &str, Place); 14] = [
    ("R-102D6", "399163009", "M", Place::Before),
    ("R-102D7", "399055006", "S", Place::Before),
    ("R-102D2", "399161006", "CV", Place::Instead),
    ("R-102D1", "399011000", "AT", Place::Instead),
    ("R-102C2", "399110001", "TAN", Place::Instead),
    ("R-102D3", "399197002", "RL", Place::After),
    ("R-102D4", "399226006", "RM", Place::After),
    ("R-102CA", "414493004", "RI", Place::After),
    ("R-102C9", "415670009", "RS", Place::After),
    ("R-102D5", "399209000", "ID", Place::After),
    ("R-40AB3", "442581004", "NP", Place::After),
    ("P2-00161", "441752004", "AC", Place::After),
    ("R-40ABE", "442593008", "IMF", Place::After),
    ("R-40AB2", "442580003", "AX", Place::After),
];

/// The view without modifiers, and the label with them ("CC", "MCC"), from View Code Sequence.
pub fn coded_view(dataset: &Dataset) -> Option<(&'static str, String)> {
    let item = dataset.describing(tags::VIEW_CODES).items(tags::VIEW_CODES).first()?;
    let view = VIEWS.iter().find(|(srt, sct, _)| has_code(item, srt, sct)).map(|(_, _, label)| *label)?;
    let modifiers = |place| item.items(tags::VIEW_MODIFIERS).iter().filter_map(move |m| modifier(m, place));
    let base = modifiers(Place::Instead).next().unwrap_or(view);
    let before: String = modifiers(Place::Before).take(2).collect();
    let after: String = modifiers(Place::After).take(4).collect();
    Some((view, format!("{before}{base}{after}")))
}

/// The view of View Position (0018,5101), when it is one of the known labels.
pub fn view_position(dataset: &Dataset) -> Option<&'static str> {
    let position = dataset.string(tags::VIEW_POSITION)?.to_ascii_uppercase();
    named_view(&position)
}

/// A view by its label.
pub fn named_view(name: &str) -> Option<&'static str> {
    VIEWS.iter().map(|(_, _, label)| *label).find(|label| *label == name)
}

/// The label of a modifier that stands at `place`.
fn modifier(item: &Dataset, place: Place) -> Option<&'static str> {
    let known = |(srt, sct, _, p): &&(&str, &str, &str, Place)| *p == place && has_code(item, srt, sct);
    MODIFIERS.iter().find(known).map(|(_, _, label, _)| *label)
}

fn has_code(item: &Dataset, srt: &str, sct: &str) -> bool {
    item.string(tags::CODE_VALUE).is_some_and(|code| code == srt || code == sct)
}
