//! The figures of a data set: over all of it, and over random parts of it for their standard errors.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::froc::Froc;
use super::marks::{Marks, Pool};
use super::measured::{Group, Measured, Settings};
use super::metrics::{AP_IOU, Mean, PrCurve, RankedBox, mean, median, precision_recall};
use crate::random::Random;

/// False positives per image at which sensitivities are compared.
pub const FALSE_POSITIVES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// What is summarised, besides what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Questions {
    /// The λ of the table of operating points.
    pub lambdas: Vec<f32>,
    /// Into how many parts the patients are dealt.
    pub parts: usize,
    pub seed: u64,
}

/// All figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub images: usize,
    pub images_without_masses: usize,
    /// Only their masses' outlines were measured: they show other findings too.
    pub ambiguous_images: usize,
    pub patients: usize,
    pub masses: usize,
    pub masses_with_outline: usize,
    /// The number of parts that the standard errors come from.
    pub parts: usize,
    pub tables: Vec<Table>,
    pub curves: Vec<Curves>,
    /// Dice values, per way of outlining, behind the table's means.
    pub dice: Vec<(String, Vec<f64>)>,
}

/// Figures in rows and columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    /// The first names the rows.
    pub columns: Vec<String>,
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// A figure over the whole data set, and its mean over the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub value: Option<f64>,
    pub parts: Option<Mean>,
}

/// The curves of one way to mark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    pub name: String,
    pub froc: Froc,
    /// `None` where marks have no score that compares between images.
    pub precision_recall: Option<PrCurve>,
    /// Whether this is the method itself and not a part of it for comparison.
    pub fused: bool,
}

/// Summarises measured images.
pub fn summarise(measured: &[Measured], settings: &Settings, questions: &Questions) -> Summary {
    let marks: Vec<Marks> =
        measured.par_iter().map(|m| Marks::of(m, &settings.parameters, &questions.lambdas)).collect();
    let all: Vec<usize> = (0..measured.len()).collect();
    let parts = deal(measured, questions.parts, questions.seed);
    let figures = |images: &Vec<usize>| Figures::of(measured, &marks, images, settings, questions);
    let whole = figures(&all);
    let of_parts: Vec<Figures> = parts.par_iter().map(figures).collect();
    Summary {
        images: measured.len(),
        images_without_masses: measured.iter().filter(|m| m.masses.is_empty()).count(),
        ambiguous_images: measured.iter().filter(|m| m.ambiguous).count(),
        patients: patients(measured).len(),
        masses: measured.iter().map(|m| m.masses.len()).sum(),
        masses_with_outline: measured.iter().flat_map(|m| &m.masses).filter(|m| m.patch.is_some()).count(),
        parts: parts.len(),
        tables: with_errors(whole.tables, &of_parts),
        curves: whole.curves,
        dice: whole.dice,
    }
}

/// Deals the patients at random into so many parts of nearly equal size (at most as many as there are patients); returns the
/// images of each.
pub fn deal(measured: &[Measured], parts: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut patients: Vec<&str> = patients(measured).into_iter().collect();
    let parts = parts.min(patients.len());
    if parts < 2 {
        return Vec::new();
    }
    // Fisher and Yates.
    let mut random = Random::new(seed);
    for last in (1..patients.len()).rev() {
        patients.swap(last, (random.bits() % (last as u64 + 1)) as usize);
    }
    let part_of = |m: &Measured| patients.iter().position(|p| *p == m.patient).map(|place| place % parts);
    (0..parts).map(|part| (0..measured.len()).filter(|i| part_of(&measured[*i]) == Some(part)).collect()).collect()
}

fn patients(measured: &[Measured]) -> BTreeSet<&str> {
    measured.iter().map(|m| m.patient.as_str()).collect()
}

fn with_errors(tables: Vec<Table>, parts: &[Figures]) -> Vec<Table> {
    let with_errors = |(t, mut table): (usize, Table)| {
        for (r, (_, cells)) in table.rows.iter_mut().enumerate() {
            for (c, cell) in cells.iter_mut().enumerate() {
                let values: Vec<f64> = parts.iter().filter_map(|p| p.tables[t].rows[r].1[c].value).collect();
                cell.parts = mean(&values);
            }
        }
        table
    };
    tables.into_iter().enumerate().map(with_errors).collect()
}

/// The figures of some of the images, without errors.
struct Figures {
    tables: Vec<Table>,
    curves: Vec<Curves>,
    dice: Vec<(String, Vec<f64>)>,
}

impl Figures {
    fn of(all: &[Measured], marks: &[Marks], images: &[usize], settings: &Settings, questions: &Questions) -> Self {
        let clear = images.iter().filter(|i| !all[**i].ambiguous);
        let marks: Vec<&Marks> = clear.map(|i| &marks[*i]).collect();
        let measured: Vec<&Measured> = images.iter().map(|i| &all[*i]).collect();
        let pool = Pool::of(&marks);
        let curves = curves(&pool, settings, questions);
        let dice = dice(&measured, settings);
        let tables =
            vec![detection_table(&curves), lambda_table(&pool, &curves, settings, questions), dice_table(&dice)];
        Self { tables, curves, dice }
    }
}

fn curves(pool: &Pool, settings: &Settings, questions: &Questions) -> Vec<Curves> {
    let pr = |boxes: &[RankedBox]| Some(precision_recall(boxes, &pool.truth, AP_IOU));
    let mut curves: Vec<Curves> = (0..settings.parameters.scales.len())
        .map(|i| Curves {
            name: format!("scale {}", settings.parameters.scales[i]),
            froc: pool.froc_of_scale(i),
            precision_recall: pr(&pool.scale(i)),
            fused: false,
        })
        .collect();
    let pooled = pool.pooled();
    curves.push(Curves {
        name: "all scales, pooled".into(),
        froc: super::froc::froc(&pooled, &pool.truth),
        precision_recall: pr(&pooled),
        fused: false,
    });
    curves.push(Curves {
        name: "fused, λ from 1 to 0".into(),
        froc: pool.froc_by_lambda(),
        precision_recall: None,
        fused: true,
    });
    for (index, lambda) in questions.lambdas.iter().enumerate() {
        curves.push(Curves {
            name: format!("fused at λ {lambda}"),
            froc: pool.froc_by_confidence(index),
            precision_recall: pr(&pool.fused(index)),
            fused: true,
        });
    }
    curves
}

fn cell(value: Option<f64>) -> Cell {
    Cell { value, parts: None }
}

fn detection_table(curves: &[Curves]) -> Table {
    let at = FALSE_POSITIVES.iter().map(|fp| format!("TPR at ≤ {fp} FP/image"));
    let row = |c: &Curves| {
        let average = cell(c.precision_recall.as_ref().and_then(|p| p.average_precision));
        let known = !c.froc.points.is_empty();
        let at = FALSE_POSITIVES.iter().map(|fp| cell(known.then(|| c.froc.sensitivity_at(*fp))));
        (c.name.clone(), [average].into_iter().chain(at).collect())
    };
    Table {
        title: "Detection".into(),
        columns: ["marks".into(), "AP at IoU 0.5".into()].into_iter().chain(at).collect(),
        rows: curves.iter().map(row).collect(),
    }
}

fn lambda_table(pool: &Pool, curves: &[Curves], settings: &Settings, questions: &Questions) -> Table {
    let singles = &curves[..settings.parameters.scales.len()];
    let row = |(index, lambda): (usize, &f32)| {
        let point = pool.point_at(index, *lambda);
        let false_positives = point.map(|p| p.false_positives_per_image);
        let best_single =
            false_positives.map(|fp| singles.iter().map(|c| c.froc.sensitivity_at(fp)).fold(0.0, f64::max));
        let cells = [point.map(|p| p.sensitivity), false_positives, best_single].map(cell).to_vec();
        (format!("λ = {lambda}"), cells)
    };
    let columns = ["fused candidates", "TPR", "FPavg", "TPR of the best single scale at that FPavg"];
    Table {
        title: "TPR@FPavg".into(),
        columns: columns.map(String::from).to_vec(),
        rows: questions.lambdas.iter().enumerate().map(row).collect(),
    }
}

/// Per way of outlining, its Dice values: per mass for the groundtruth's boxes, per image for the groups.
fn dice(measured: &[&Measured], settings: &Settings) -> Vec<(String, Vec<f64>)> {
    let patches = measured.iter().flat_map(|m| &m.masses).filter_map(|m| m.patch.map(|o| o.dice())).collect();
    let of_group = |group: Group, lambda: Option<f32>| {
        let matches = |g: &&super::measured::GroupOverlap| g.group == group && g.lambda == lambda;
        measured.iter().flat_map(|m| &m.groups).filter(matches).map(|g| g.overlap.dice()).collect::<Vec<f64>>()
    };
    let mut rows = vec![
        ("per mass, on the groundtruth's box".to_string(), patches),
        ("A: per image, one stage".to_string(), of_group(Group::OneStage, None)),
    ];
    let mut sources: Vec<(Group, String)> = settings
        .parameters
        .scales
        .iter()
        .enumerate()
        .map(|(i, size)| (Group::SingleScale(i), format!("B: per image, scale {size}")))
        .collect();
    sources.push((Group::Fused, "C: per image, fused".into()));
    for (group, name) in sources {
        for lambda in &settings.dice_lambdas {
            rows.push((format!("{name}, λ {lambda}"), of_group(group, Some(*lambda))));
        }
    }
    rows
}

fn dice_table(dice: &[(String, Vec<f64>)]) -> Table {
    let row = |(name, values): &(String, Vec<f64>)| {
        let above = |least: f64| values.iter().filter(|v| **v >= least).count() as f64 / values.len() as f64;
        let share = (!values.is_empty()).then(|| above(0.5));
        let count = Some(values.len() as f64);
        (name.clone(), [count, mean(values).map(|m| m.mean), median(values), share].map(cell).to_vec())
    };
    Table {
        title: "Outlines".into(),
        columns: ["outlines", "count", "mean Dice", "median Dice", "share with Dice ≥ 0.5"].map(String::from).to_vec(),
        rows: dice.iter().map(row).collect(),
    }
}
