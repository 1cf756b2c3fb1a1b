//! The report of an evaluation: Markdown with plots as SVG, and everything as JSON.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compare::HIT_IOU;
use super::measured::{LOWEST_CONFIDENCE, Measured, Settings};
use super::plot::{Curve, Plot, svg};
use super::run::Outcome;
use super::summary::{Cell, Curves, Questions, Summary, Table};
use crate::export::write_whole;
use crate::findings::ModelIdentity;

/// What the figures were made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The data set, as the user calls it.
    pub dataset: String,
    pub detector: ModelIdentity,
    pub segmenter: ModelIdentity,
    pub device: String,
}

/// `report.json`.
#[derive(Serialize)]
struct Json<'a> {
    program: &'static str,
    version: &'static str,
    note: &'static str,
    provenance: &'a Provenance,
    definitions: &'a [String],
    warnings: &'a [String],
    summary: &'a Summary,
    left_out: &'a [(String, String)],
    images: &'a [Measured],
}

/// Writes `report.md`, `report.json`, `froc.svg`, `precision-recall.svg` and `dice.svg` into `folder`, each whole or not at all.
pub fn write(
    folder: &Path,
    provenance: &Provenance,
    warnings: &[String],
    settings: &Settings,
    questions: &Questions,
    summary: &Summary,
    outcome: &Outcome,
) -> anyhow::Result<()> {
    let definitions = definitions(settings, questions, summary);
    let json = Json {
        program: "mammoscope",
        version: crate::VERSION,
        note: crate::RESEARCH_USE,
        provenance,
        definitions: &definitions,
        warnings,
        summary,
        left_out: &outcome.left_out,
        images: &outcome.measured,
    };
    let text = |name: &str, text: &str| {
        let write =
            |file: &mut std::io::BufWriter<&std::fs::File>| Ok(std::io::Write::write_all(file, text.as_bytes())?);
        write_whole(&folder.join(name), write)
    };
    text("report.json", &serde_json::to_string(&json)?)?;
    text("froc.svg", &froc_plot(&summary.curves))?;
    text("precision-recall.svg", &pr_plot(&summary.curves))?;
    text("dice.svg", &dice_plot(&summary.dice))?;
    text("report.md", &markdown(provenance, warnings, summary, &definitions, outcome))?;
    Ok(())
}

fn markdown(
    provenance: &Provenance,
    warnings: &[String],
    summary: &Summary,
    definitions: &[String],
    outcome: &Outcome,
) -> String {
    let mut out = format!("# Evaluation on {}\n\n", provenance.dataset);
    let Summary { images, images_without_masses, patients, masses, masses_with_outline, parts, .. } = summary;
    let identity = |m: &ModelIdentity| format!("{} (SHA-256 `{}`)", m.name, m.sha256);
    writeln!(
        out,
        "{images} images of {patients} patients, {images_without_masses} of them without a mass; {masses} masses, \
         {masses_with_outline} of them with a measured outline.\n\nMammoscope {}, {}. Detector: {}. Segmenter: {}. {}.\n",
        crate::VERSION,
        provenance.device,
        identity(&provenance.detector),
        identity(&provenance.segmenter),
        capitalised(crate::RESEARCH_USE)
    )
    .ok();
    if summary.ambiguous_images > 0 {
        writeln!(out, "{} of the images enter only the figures per mass.\n", summary.ambiguous_images).ok();
    }
    for table in &summary.tables {
        markdown_table(&mut out, table, *parts);
    }
    out.push_str("## Curves\n\n![Lesions found against false positives per image](froc.svg)\n\n");
    out.push_str("![Precision against recall](precision-recall.svg)\n\n![Share of outlines by Dice](dice.svg)\n\n");
    out.push_str("## Definitions\n\n");
    definitions.iter().for_each(|d| out.push_str(&format!("- {d}\n")));
    if !warnings.is_empty() || !outcome.left_out.is_empty() {
        out.push_str("\n## Left out\n\n");
        warnings.iter().for_each(|w| out.push_str(&format!("- {w}\n")));
        for (reason, names) in by_reason(&outcome.left_out) {
            let some = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(10);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            out.push_str(&format!("- {} images, {some}{more}: {reason}\n", names.len()));
        }
    }
    out
}

fn by_reason(left_out: &[(String, String)]) -> std::collections::BTreeMap<&str, Vec<&str>> {
    let mut reasons: std::collections::BTreeMap<&str, Vec<&str>> = Default::default();
    for (name, reason) in left_out {
        reasons.entry(reason).or_default().push(name);
    }
    reasons
}

fn markdown_table(out: &mut String, table: &Table, parts: usize) {
    writeln!(out, "## {}\n", table.title).ok();
    if parts > 1 {
        writeln!(out, "Over all images; in brackets mean ± standard error over {parts} random parts.\n").ok();
    }
    writeln!(out, "| {} |", table.columns.join(" | ")).ok();
    writeln!(out, "|{}", "---|".repeat(table.columns.len())).ok();
    for (name, cells) in &table.rows {
        let counts = |column: usize| table.columns[column + 1] == "count";
        let cells: Vec<String> = cells.iter().enumerate().map(|(i, c)| cell_text(c, counts(i))).collect();
        writeln!(out, "| {name} | {} |", cells.join(" | ")).ok();
    }
    out.push('\n');
}

fn cell_text(cell: &Cell, count: bool) -> String {
    match (cell.value, cell.parts) {
        (None, _) => "–".into(),
        (Some(value), _) if count => format!("{value:.0}"),
        (Some(value), Some(parts)) => match parts.standard_error {
            Some(error) => format!("{value:.3} ({:.3} ± {error:.3})", parts.mean),
            None => format!("{value:.3}"),
        },
        (Some(value), None) => format!("{value:.3}"),
    }
}

fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Every definition that the figures rest on, a sentence or two each.
fn definitions(settings: &Settings, questions: &Questions, summary: &Summary) -> Vec<String> {
    let p = &settings.parameters;
    let mut lines = vec![
        format!(
            "Only masses count. A mark **hits** a mass if its centre lies in the mass's bounding box or the IoU of the two \
             boxes is at least {HIT_IOU}."
        ),
        "**TPR** is masses hit by at least one mark over all masses. **FP/image** (FPavg) is marks that hit no mass over all \
         images, those without a mass included. A further mark on a mass counts neither as true nor as false."
            .into(),
        "**TPR at ≤ x FP/image** is the largest TPR among the operating points with at most x false positives per image; \
         nothing is interpolated."
            .into(),
        "**AP** is the area under precision against recall at IoU ≥ 0.5, all-point interpolation (each precision raised to the \
         largest at that recall or more). By falling score each box takes the mass of its image with the largest IoU that no \
         earlier box took; a second box on a mass is a false positive."
            .into(),
        format!(
            "**Scales** are the boxes of one network size after non-maximum suppression (IoU {}), ranked by confidence, down to \
             confidence {LOWEST_CONFIDENCE}. **Pooled** are all scales' boxes after suppression among them.",
            p.nms_iou
        ),
        format!(
            "**Fused** are the candidates of the fused mask Ms of {} scales, of boxes with confidence ≥ {}; Ms ≥ λ is kept, for λ \
             = 0 Ms > 0. The curve “λ from 1 to 0” moves λ. The curves “fused at λ …” keep λ and move the boxes' confidence threshold; \
             their AP ranks the candidates of the method's own threshold by Ms × the image's largest confidence.",
            p.scales.len(),
            p.min_confidence
        ),
        "**Dice** is 2·|A ∩ B| / (|A| + |B|) in pixels of the image at its native resolution; a missed mass or an empty outline \
         counts 0. **Per mass**: the outline drawn on the groundtruth's own bounding box against that mass."
            .into(),
        format!(
            "**Per image**: all outlines together against all masses together, over the images in which every mass has an outline \
             (images without a mass have no Dice). Group A: the segmenter on the whole image. Group B: the candidates of one scale \
             alone (N = 1) at the λ given, outlined. Group C: the fused candidates at that λ, outlined. All {} heads.",
            p.heads
        ),
    ];
    if settings.compact {
        lines.push(
            "Masks show all findings: only components that cover 0.06 to 8 % of the image, fill more than 60 % of their boxes and \
             are less than 1.8 times as long as wide count as masses. Images in which the others cover 0.3 % or more enter only the \
             figures per mass."
                .into(),
        );
    }
    if summary.parts > 1 {
        lines.push(format!(
            "**Mean ± standard error**: the patients are dealt at random (seed {}) into {} parts that share no patient; each figure \
             is computed on each part; the error is the standard deviation over the parts (n − 1) over √{}.",
            questions.seed, summary.parts, summary.parts
        ));
    }
    lines
}

fn froc_plot(curves: &[Curves]) -> String {
    let curve = |(style, c): (usize, &Curves)| Curve {
        name: c.name.clone(),
        points: c.froc.envelope().iter().map(|p| (p.false_positives_per_image, p.sensitivity)).collect(),
        style,
        strong: c.fused,
    };
    svg(&Plot {
        title: "Masses found against false positives",
        x_label: "false positives per image, at most",
        y_label: "TPR",
        x_max: 4.0,
        y_max: 1.0,
        curves: curves.iter().enumerate().map(curve).collect(),
    })
}

fn pr_plot(curves: &[Curves]) -> String {
    let curve = |(style, c): (usize, &Curves)| {
        let points = &c.precision_recall.as_ref()?.points;
        let points = points.iter().map(|p| (p.recall, p.precision)).collect();
        Some(Curve { name: c.name.clone(), points, style, strong: c.fused })
    };
    svg(&Plot {
        title: "Precision against recall at IoU 0.5",
        x_label: "recall",
        y_label: "precision",
        x_max: 1.0,
        y_max: 1.0,
        curves: curves.iter().enumerate().filter_map(curve).collect(),
    })
}

fn dice_plot(dice: &[(String, Vec<f64>)]) -> String {
    let curve = |(style, (name, values)): (usize, &(String, Vec<f64>))| {
        let share = |least: f64| values.iter().filter(|v| **v >= least).count() as f64 / values.len() as f64;
        let points = (1..=100).map(|step| f64::from(step) / 100.0).map(|x| (x, share(x))).collect();
        (!values.is_empty()).then(|| Curve { name: name.clone(), points, style, strong: name.starts_with("C:") })
    };
    svg(&Plot {
        title: "Share of outlines with at least this Dice",
        x_label: "Dice",
        y_label: "share",
        x_max: 1.0,
        y_max: 1.0,
        curves: dice.iter().enumerate().filter_map(curve).collect(),
    })
}
