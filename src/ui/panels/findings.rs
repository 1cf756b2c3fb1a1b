//! The findings as a table; a click goes to the finding.

use egui::{Sense, Ui, vec2};
use egui_extras::{Column, TableBuilder};

use super::super::commands::{Command, ReadingCommand};
use super::super::files::{Analysis, OpenImage};
use super::super::theme::palette;
use crate::findings::Candidate;
use crate::marks;
use crate::space::NetSize;

/// Rows in view before the table scrolls.
const ROWS: usize = 8;
const ROW_HEIGHT: f32 = 24.0;

pub fn findings_ui(ui: &mut Ui, image: &OpenImage, commands: &mut Vec<Command>) {
    let session = &image.session;
    if session.candidates().is_empty() {
        let text = match image.analysis {
            Analysis::Done => format!("No findings at λ {:.2}.", session.lambda()),
            Analysis::Running { .. } => "The image is being analysed.".into(),
            Analysis::None | Analysis::Cancelled => "Not analysed.".into(),
            Analysis::Failed(_) => "The analysis failed.".into(),
        };
        ui.label(egui::RichText::new(text).color(palette(ui).weak));
        return;
    }
    let has_truth = session.comparison().is_some();
    let mut table = TableBuilder::new(ui)
        .id_salt("findings")
        .striped(false)
        .sense(Sense::click())
        .auto_shrink([false, true])
        .max_scroll_height(ROW_HEIGHT * ROWS as f32)
        .cell_layout(egui::Layout::left_to_right(egui::Align::Center))
        .column(Column::exact(20.0))
        .column(Column::exact(40.0))
        .column(Column::exact(72.0))
        .column(Column::exact(48.0));
    if has_truth {
        table = table.column(Column::exact(36.0)).column(Column::remainder());
    } else {
        table = table.column(Column::remainder());
    }
    let titles: &[(&str, &str)] = &[
        ("#", "By score"),
        ("Score", "The largest Ms in the candidate"),
        ("Size", "The longest diameter of the outline"),
        ("Scales", "The network sizes that found it, smallest first"),
        ("Dice", "Overlap of the outline with the lesion that it hits"),
        ("", ""),
    ];
    let header = |mut row: egui_extras::TableRow<'_, '_>| {
        for (title, help) in &titles[..if has_truth { 6 } else { 5 }] {
            row.col(|ui| {
                if *title != "Dice" || has_truth {
                    ui.label(egui::RichText::new(*title).size(12.0).color(palette(ui).weak)).on_hover_text(*help);
                }
            });
        }
    };
    table.header(20.0, header).body(|body| {
        body.rows(ROW_HEIGHT, session.candidates().len(), |mut row| {
            let index = row.index();
            let candidate = session.candidates()[index];
            row.set_selected(image.selected == Some(candidate.rect));
            row.set_hovered(image.view.hovered == Some(index));
            row.col(|ui| {
                ui.label(format!("{}", index + 1));
            });
            row.col(|ui| {
                ui.label(format!("{:.2}", candidate.score));
            });
            row.col(|ui| {
                ui.label(size(image, &candidate));
            });
            row.col(|ui| scales_ui(ui, image, &candidate));
            if has_truth {
                row.col(|ui| {
                    let dice = session.comparison().and_then(|c| c.dice.get(index).copied().flatten());
                    ui.label(dice.map_or_else(|| "–".into(), |dice| format!("{dice:.2}")));
                });
                row.col(|ui| verdict_ui(ui, image, index));
            } else {
                row.col(|_| {});
            }
            let response = row.response();
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::WidgetType::Button, true, format!("Finding {}", index + 1))
            });
            if response.clicked() {
                commands.push(Command::Reading(ReadingCommand::GoTo(index)));
            }
        });
    });
}

/// The longest diameter, in millimetres where they are known; the box's sides wait for no outline.
fn size(image: &OpenImage, candidate: &Candidate) -> String {
    match image.session.outline(candidate.rect).map(|outline| outline.measures) {
        Some(measures) => match measures.longest_diameter_mm {
            Some(mm) => format!("{:.1} mm", mm.0),
            None => format!("{:.0} px", measures.longest_diameter_px),
        },
        None => "…".into(),
    }
}

/// A bar per scale, taller for larger ones; those that fired are yellow like their boxes.
fn scales_ui(ui: &mut Ui, image: &OpenImage, candidate: &Candidate) {
    let fired = image.session.scales_of(candidate);
    let all: Vec<NetSize> = image.session.reading().iter().flat_map(|r| r.scales.iter().map(|s| s.size)).collect();
    let (rect, response) = ui.allocate_exact_size(vec2(all.len() as f32 * 7.0, 14.0), Sense::hover());
    let [r, g, b] = marks::DETECTION.color;
    for (i, size) in all.iter().enumerate() {
        let height = 5.0 + 9.0 * (i + 1) as f32 / all.len() as f32;
        let left = rect.left() + i as f32 * 7.0;
        let bar =
            egui::Rect::from_min_max(egui::pos2(left, rect.bottom() - height), egui::pos2(left + 5.0, rect.bottom()));
        let on = fired.contains(size);
        let color = if on { egui::Color32::from_rgb(r, g, b) } else { palette(ui).widget_hovered };
        ui.painter().rect_filled(bar, 0.0, color);
    }
    let names = fired.iter().map(NetSize::to_string).collect::<Vec<_>>().join(", ");
    response.on_hover_text(format!("{} of {} scales: {names}", fired.len(), all.len()));
}

fn verdict_ui(ui: &mut Ui, image: &OpenImage, index: usize) {
    let Some(comparison) = image.session.comparison() else { return };
    match comparison.hit_lesion.get(index).copied().flatten() {
        Some(_) => ui.label(egui::RichText::new("hit").color(palette(ui).good)),
        None => ui.label(egui::RichText::new("false pos.").color(palette(ui).warning)),
    };
}
