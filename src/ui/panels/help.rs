//! The keys and the mouse, and what the program is.

use egui::{Context, Ui};

use super::super::app::{App, Engine};
use super::super::commands::{BINDINGS, Command, WindowCommand};
use super::super::theme::{self, palette};
use crate::findings::ModelIdentity;
use crate::{RESEARCH_USE, VERSION};

const MOUSE: &[(&str, &str)] = &[
    ("Wheel", "Zoom at the pointer"),
    ("Left or middle drag", "Move the image"),
    ("Right drag", "Window: right wider, up brighter"),
    ("Click", "Select a candidate"),
    ("Double click", "Fit, or one to one"),
];

pub fn help_ui(ctx: &Context, app: &App, commands: &mut Vec<Command>) {
    if !app.help_is_open {
        return;
    }
    let frame = egui::Frame::window(&ctx.global_style()).inner_margin(20);
    let modal = egui::Modal::new(egui::Id::new("help")).frame(frame).show(ctx, |ui| {
        ui.set_width(660.0);
        ui.heading("Mammoscope");
        about_ui(ui, app);
        ui.add_space(12.0);
        egui::ScrollArea::vertical().max_height(460.0).show(ui, keys_ui);
        ui.add_space(12.0);
        ui.vertical_centered(|ui| {
            if ui.button("Close").clicked() {
                commands.push(Command::Window(WindowCommand::ToggleHelp));
            }
        });
    });
    if modal.should_close() && commands.is_empty() {
        commands.push(Command::Window(WindowCommand::ToggleHelp));
    }
}

fn about_ui(ui: &mut Ui, app: &App) {
    let weak = palette(ui).weak;
    ui.label(egui::RichText::new(format!("Version {VERSION} · {RESEARCH_USE}")).color(weak));
    match &app.engine {
        Engine::Ready(device) => ui.label(egui::RichText::new(format!("Networks on {device}")).color(weak)),
        Engine::Loading => ui.label(egui::RichText::new("The networks are being loaded").color(weak)),
        Engine::Failed(why) => ui.label(egui::RichText::new(why).color(palette(ui).error)),
    };
    if let Some(reading) = app.files.shown().and_then(|image| image.session.reading()) {
        let name = |model: &ModelIdentity| format!("{} ({})", model.name, model.sha256.get(..12).unwrap_or_default());
        let text = format!("Detector {} · segmenter {}", name(&reading.detector), name(&reading.segmenter));
        ui.label(egui::RichText::new(text).color(weak));
    }
}

fn keys_ui(ui: &mut Ui) {
    let keys = BINDINGS.iter().filter(|binding| !binding.text.is_empty()).map(|binding| (binding.text, binding.what));
    let rows: Vec<(&str, &str)> = keys.chain(MOUSE.iter().copied()).collect();
    let half = rows.len().div_ceil(2);
    ui.spacing_mut().interact_size.y = 16.0;
    ui.columns(2, |columns| {
        for (index, (column, rows)) in columns.iter_mut().zip(rows.chunks(half)).enumerate() {
            egui::Grid::new(("keys", index)).num_columns(2).spacing([16.0, 6.0]).min_col_width(96.0).show(
                column,
                |ui| {
                    for (key, what) in rows {
                        ui.label(theme::strong(*key).color(palette(ui).strong));
                        ui.label(*what);
                        ui.end_row();
                    }
                },
            );
        }
    });
}
