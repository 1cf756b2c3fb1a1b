//! The panel at the right: λ, findings, groundtruth, layers and grey scale of the shown image.

use egui::Ui;

use super::super::app::App;
use super::super::commands::{Command, ViewCommand};
use super::super::files::OpenImage;
use super::super::theme;
use super::parts::{fact, section};
use super::{findings, lambda, layers, truth};
use crate::study::Voi;

pub fn reading_ui(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    let Some(image) = app.files.shown() else { return };
    let frame = egui::Frame::new().inner_margin(theme::PANEL_MARGIN);
    egui::Panel::right("reading").frame(frame).default_size(328.0).size_range(296.0..=520.0).show(ui, |ui| {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            section(ui, "Operating point", |ui| lambda::lambda_ui(ui, image, commands));
            section(ui, "Findings", |ui| findings::findings_ui(ui, image, commands));
            if let Some(ground) = image.session.truth() {
                section(ui, "Groundtruth", |ui| truth::truth_ui(ui, image, ground, commands));
            }
            section(ui, "Marks", |ui| layers::layers_ui(ui, app, image, commands));
            section(ui, "Grey scale", |ui| grayscale_ui(ui, image, commands));
        });
    });
}

/// The file's windows and LUTs by name, and the inversion.
fn grayscale_ui(ui: &mut Ui, image: &OpenImage, commands: &mut Vec<Command>) {
    let grayscale = &image.session.study().grayscale;
    let chosen = image.view.chosen_voi();
    let name = chosen.and_then(|i| grayscale.choices.get(i)).map_or("Set by hand", |choice| choice.name.as_str());
    let width = ui.available_width();
    let combo = egui::ComboBox::from_id_salt("preset").selected_text(name).width(width).truncate();
    let shown = combo.show_ui(ui, |ui| {
        for (index, choice) in grayscale.choices.iter().enumerate() {
            let mut row = egui::Button::selectable(chosen == Some(index), choice.name.as_str());
            if index < 9 {
                row = row.shortcut_text(format!("Ctrl+{}", index + 1));
            }
            if ui.add(row).clicked() {
                commands.push(Command::View(ViewCommand::ChooseVoi(index)));
            }
        }
    });
    shown.response.on_hover_text("The windows and look-up tables of the file");
    if let Voi::Linear { center, width } | Voi::LinearExact { center, width } | Voi::Sigmoid { center, width } =
        image.view.voi(grayscale)
    {
        fact(ui, "Window centre · width", format!("{center:.0} · {width:.0}"));
    }
    let mut inverted = image.view.is_inverted();
    if ui.checkbox(&mut inverted, "Invert").on_hover_text("I").clicked() {
        commands.push(Command::View(ViewCommand::Invert));
    }
}
