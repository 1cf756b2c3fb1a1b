//! The place of the image while there is none, and the hint while files hang over the window.

use egui::{Align2, Color32, Context, Ui};

use super::super::app::App;
use super::super::commands::{Command, FileCommand};
use super::super::files::State;
use super::super::theme::{self, palette};

pub fn welcome_ui(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    let (title, text) = match app.files.current().map(|entry| (&entry.state, entry.name())) {
        Some((State::Failed(why), name)) => (name, why.clone()),
        Some((_, name)) => (name, "Opening…".into()),
        None if app.is_working() => ("Opening…".into(), String::new()),
        None => (
            "Open a mammogram".into(),
            "DICOM, PNG, TIFF or JPEG. Files and folders can be dropped onto this window.".into(),
        ),
    };
    let area = ui.max_rect();
    let middle = egui::Rect::from_center_size(area.center(), egui::vec2(area.width().min(520.0), 160.0));
    ui.scope_builder(egui::UiBuilder::new().max_rect(middle), |ui| {
        ui.vertical_centered(|ui| {
            ui.label(egui::RichText::new(title).font(theme::strong_font(15.0)).color(palette(ui).strong));
            ui.add_space(8.0);
            ui.label(egui::RichText::new(text).color(palette(ui).weak));
            ui.add_space(16.0);
            if app.files.current().is_none() && !app.is_working() {
                open_buttons(ui, app, commands);
            }
        });
    });
}

fn open_buttons(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    let mut rows = vec![("Open files…", FileCommand::AskFiles), ("Open a folder…", FileCommand::AskFolder)];
    if app.demonstration.is_some() {
        rows.push(("Demonstration case", FileCommand::OpenDemonstration));
    }
    for (text, command) in rows {
        if ui.add(egui::Button::new(text).min_size(egui::vec2(180.0, 28.0))).clicked() {
            commands.push(Command::File(command));
        }
        ui.add_space(4.0);
    }
}

/// While files are dragged over the window.
pub fn drop_hint_ui(ctx: &Context) {
    if ctx.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let screen = ctx.content_rect();
    let painter = ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::new("drop hint")));
    painter.rect_filled(screen, 0.0, Color32::from_black_alpha(170));
    let font = theme::strong_font(15.0);
    painter.text(screen.center(), Align2::CENTER_CENTER, "Drop to open", font, Color32::WHITE);
}
