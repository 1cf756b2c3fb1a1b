//! The bar at the top: menus, what is shown, and what the program is for.

use egui::{Button, Ui};

use super::super::app::App;
use super::super::commands::{Command, FileCommand, ReadingCommand, ViewCommand, WindowCommand};
use super::super::files::name_of;
use super::super::settings::{Settings, Theme};
use super::super::theme::{self, palette};
use crate::RESEARCH_USE;
use crate::export::EXPORTERS;

pub fn top_bar_ui(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    let frame = egui::Frame::new().inner_margin(egui::Margin::symmetric(8, 4));
    egui::Panel::top("top bar").frame(frame).exact_size(36.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.visuals_mut().widgets.inactive.weak_bg_fill = egui::Color32::TRANSPARENT;
            ui.menu_button("File", |ui| file_menu(ui, app, commands));
            ui.menu_button("Image", |ui| image_menu(ui, app, commands));
            ui.menu_button("Settings", |ui| settings_menu(ui, app, commands));
            if ui.button("Help").clicked() {
                commands.push(Command::Window(WindowCommand::ToggleHelp));
            }
            ui.add_space(12.0);
            title_ui(ui, app);
        });
    });
}

/// What is shown, in the middle; the research-use line at the right.
fn title_ui(ui: &mut Ui, app: &App) {
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        ui.add_space(4.0);
        ui.label(egui::RichText::new(sentence(RESEARCH_USE)).color(palette(ui).weak));
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            if let Some(image) = app.files.shown() {
                let study = image.session.study();
                let label = study.identity.label();
                if !label.is_empty() {
                    ui.label(theme::strong(label).color(palette(ui).strong));
                }
            }
            if let Some(entry) = app.files.current() {
                ui.add(egui::Label::new(entry.name()).truncate());
            }
        });
    });
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// For the middle of a sentence.
fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A menu's line; pushes `command` when it is chosen.
fn item(ui: &mut Ui, text: &str, key: &str, enabled: bool, command: Command, commands: &mut Vec<Command>) {
    if ui.add_enabled(enabled, Button::new(text).shortcut_text(key)).clicked() {
        commands.push(command);
        ui.close();
    }
}

fn file_menu(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    ui.set_min_width(260.0);
    let file = Command::File;
    item(ui, "Open files…", "Ctrl+O", true, file(FileCommand::AskFiles), commands);
    item(ui, "Open a folder…", "", true, file(FileCommand::AskFolder), commands);
    let recent = &app.settings.current.recent;
    ui.add_enabled_ui(!recent.is_empty(), |ui| {
        ui.menu_button("Open recent", |ui| {
            for path in recent {
                let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
                if ui.button(name_of(path)).on_hover_text(folder).clicked() {
                    commands.push(file(FileCommand::Open(vec![path.clone()])));
                    ui.close();
                }
            }
            ui.separator();
            item(ui, "Clear this list", "", true, file(FileCommand::ForgetRecent), commands);
        });
    });
    let has_demonstration = app.demonstration.is_some();
    item(ui, "Demonstration case", "", has_demonstration, file(FileCommand::OpenDemonstration), commands);
    ui.separator();
    let shown = app.files.shown();
    let has_truth = shown.is_some_and(|image| image.session.truth().is_some());
    item(ui, "Load groundtruth…", "", shown.is_some(), file(FileCommand::AskTruth), commands);
    item(ui, "Remove groundtruth", "", has_truth, file(FileCommand::RemoveTruth), commands);
    ui.separator();
    for (index, exporter) in EXPORTERS.iter().enumerate() {
        let key = if index == 0 { "Ctrl+E" } else { "" };
        let text = format!("Export {}…", uncapitalised(exporter.name));
        item(ui, &text, key, shown.is_some(), file(FileCommand::AskExport(index)), commands);
    }
    ui.separator();
    item(ui, "Close the image", "Ctrl+W", !app.files.is_empty(), file(FileCommand::CloseShown), commands);
    item(ui, "Quit", "Ctrl+Q", true, Command::Window(WindowCommand::Quit), commands);
}

fn image_menu(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    ui.set_min_width(220.0);
    let shown = app.files.shown().is_some();
    let rows = [
        ("Fit to the window", "F", ViewCommand::Fit),
        ("One to one", "1", ViewCommand::OneToOne),
        ("True size", "T", ViewCommand::TrueSize),
        ("Invert", "I", ViewCommand::Invert),
        ("Rotate left", "Alt+L", ViewCommand::TurnLeft),
        ("Rotate right", "Alt+R", ViewCommand::TurnRight),
        ("Flip", "Alt+F", ViewCommand::Flip),
    ];
    for (text, key, command) in rows {
        item(ui, text, key, shown, Command::View(command), commands);
    }
    ui.separator();
    item(ui, "Analyse again", "", shown, Command::Reading(ReadingCommand::Analyse), commands);
}

fn settings_menu(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    ui.set_min_width(300.0);
    let mut settings: Settings = app.settings.current.clone();
    ui.checkbox(&mut settings.analyse_on_open, "Analyse images when they open");
    ui.checkbox(&mut settings.marks_on_open, "Show marks when an image opens")
        .on_hover_text("Off for readers who look for themselves first: G and Space show the marks.");
    ui.checkbox(&mut settings.reverse_window_level, "Reverse the window/level drag");
    ui.checkbox(&mut settings.reduced_precision, "Faster analysis at reduced precision, from the next start")
        .on_hover_text(
            "On processors with AVX-512 VNNI the networks run mostly in whole numbers, about a third faster; scores and outlines \
             differ slightly. On those with matrix units (AMX) they run in bf16, several times as fast; single candidates differ. \
             Elsewhere this changes nothing.",
        );
    let mut light = settings.theme == Theme::Light;
    ui.checkbox(&mut light, "Light theme");
    settings.theme = if light { Theme::Light } else { Theme::Dark };
    ui.separator();
    ui.visuals_mut().widgets.inactive.weak_bg_fill = palette(ui).widget;
    ui.horizontal(|ui| {
        let name = ui.label("λ when an image opens");
        ui.add(egui::DragValue::new(&mut settings.lambda).range(0.0..=1.0).speed(0.01).fixed_decimals(2))
            .labelled_by(name.id);
    });
    ui.horizontal(|ui| {
        let name = ui.label("Screen pixel, for true size");
        let value = egui::DragValue::new(&mut settings.screen_pixel_mm);
        ui.add(value.range(0.01..=2.0).speed(0.001).fixed_decimals(3).suffix(" mm")).labelled_by(name.id);
    });
    if settings != app.settings.current {
        commands.push(Command::Window(WindowCommand::SetSettings(Box::new(settings))));
    }
}
