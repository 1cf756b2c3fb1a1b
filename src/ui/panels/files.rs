//! The panel at the left: the files, and what the shown one says about itself.

use egui::Ui;

use super::super::app::App;
use super::super::commands::{Command, FileCommand};
use super::super::files::{Analysis, Entry, OpenImage, State};
use super::super::theme::{self, palette};
use super::parts::{fact, section};
use crate::study::Laterality;

pub fn files_ui(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    let frame = egui::Frame::new().inner_margin(theme::PANEL_MARGIN);
    egui::Panel::left("files").frame(frame).default_size(224.0).size_range(160.0..=420.0).show(ui, |ui| {
        if let Some(image) = app.files.shown() {
            egui::Panel::bottom("facts")
                .frame(egui::Frame::new())
                .show_separator_line(false)
                .resizable(false)
                .show(ui, |ui| facts_ui(ui, image));
        }
        ui.horizontal(|ui| {
            let title = egui::RichText::new("Images").font(theme::strong_font(12.0)).color(palette(ui).weak);
            ui.label(title);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("Open…").on_hover_text("Ctrl+O").clicked() {
                    commands.push(Command::File(FileCommand::AskFiles));
                }
            });
        });
        ui.add_space(4.0);
        egui::ScrollArea::vertical().auto_shrink(false).show_rows(
            ui,
            ENTRY_HEIGHT,
            app.files.entries().len(),
            |ui, rows| {
                for entry in &app.files.entries()[rows] {
                    if entry_ui(ui, entry, app.files.current_id() == Some(entry.id)).clicked() {
                        commands.push(Command::File(FileCommand::Show(entry.id)));
                    }
                }
            },
        );
    });
}

const ENTRY_HEIGHT: f32 = 44.0;

fn entry_ui(ui: &mut Ui, entry: &Entry, selected: bool) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), ENTRY_HEIGHT), egui::Sense::click());
    let name = entry.name();
    response.widget_info(|| egui::WidgetInfo::selected(egui::WidgetType::Button, true, selected, &name));
    let palette = palette(ui);
    let fill = match (selected, response.hovered()) {
        (true, _) => palette.accent_faint,
        (false, true) => palette.widget,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 4.0, fill);
    let (status, color) = entry_status(entry, palette);
    let inner = rect.shrink2(egui::vec2(8.0, 4.0));
    let line = |text: String, font: egui::FontId, color: egui::Color32| {
        let mut job = egui::text::LayoutJob::single_section(text, egui::TextFormat::simple(font, color));
        job.wrap = egui::text::TextWrapping::truncate_at_width(inner.width());
        ui.painter().layout_job(job)
    };
    let title = line(name.clone(), egui::FontId::proportional(13.0), palette.strong);
    let below = line(status, egui::FontId::proportional(12.0), color);
    ui.painter().galley(inner.left_top() + egui::vec2(0.0, 1.0), title, palette.strong);
    ui.painter().galley(inner.left_bottom() - egui::vec2(0.0, below.size().y), below, color);
    response.on_hover_text(entry.path.display().to_string())
}

/// An entry's second line.
fn entry_status(entry: &Entry, palette: &theme::Palette) -> (String, egui::Color32) {
    match &entry.state {
        State::Listed(None) => ("Not opened".into(), palette.weak),
        State::Listed(Some(_)) => ("Read".into(), palette.weak),
        State::Opening(..) => ("Opening…".into(), palette.weak),
        State::Failed(_) => ("Could not be opened".into(), palette.error),
        State::Open(image) => {
            let label = image.session.study().identity.label();
            let status = match &image.analysis {
                Analysis::None | Analysis::Cancelled => "not analysed".to_owned(),
                Analysis::Running { .. } => "analysing…".to_owned(),
                Analysis::Failed(_) => return ("Analysis failed".into(), palette.error),
                Analysis::Done => match image.session.candidates().len() {
                    0 => "no findings".to_owned(),
                    1 => "1 finding".to_owned(),
                    n => format!("{n} findings"),
                },
            };
            let text = if label.is_empty() { status } else { format!("{label} · {status}") };
            (text, palette.weak)
        }
    }
}

/// What the file says about the image.
fn facts_ui(ui: &mut Ui, image: &OpenImage) {
    let study = image.session.study();
    let identity = &study.identity;
    section(ui, "About this image", |ui| {
        let personal = [
            ("Patient", &identity.patient_name),
            ("Patient ID", &identity.patient_id),
            ("Study date", &identity.study_date),
        ];
        for (name, value) in personal {
            if let Some(value) = value {
                fact(ui, name, value.clone());
            }
        }
        if let Some(laterality) = &identity.laterality {
            let side = match laterality.value {
                Laterality::Right => "Right",
                Laterality::Left => "Left",
                Laterality::Both => "Both",
            };
            fact(ui, "Side", side).on_hover_text(format!("From {}", laterality.source));
        }
        if let Some(view) = &identity.view {
            fact(ui, "View", view.value.clone()).on_hover_text(format!("From {}", view.source));
        }
        fact(ui, "Size", format!("{} × {} px", study.image.width(), study.image.height()));
        match &study.spacing {
            Some(spacing) => {
                fact(ui, "Pixel", format!("{:.3} mm", spacing.column_mm));
                fact(ui, "Millimetres", spacing.source.label());
            }
            None => {
                fact(ui, "Millimetres", "not known");
            }
        }
        fact(ui, "Format", study.format.clone());
        for warning in &study.warnings {
            ui.add_space(4.0);
            ui.label(egui::RichText::new(warning).size(12.0).color(palette(ui).warning));
        }
    });
}
