//! The bar at the bottom: what the program is doing or has found, never blank.

use egui::Ui;

use super::super::app::{App, Engine, FirstLook, Task};
use super::super::commands::{Command, ReadingCommand};
use super::super::files::{Analysis, OpenImage, State};
use super::super::notices::Tone;
use super::super::theme::palette;
use crate::pipeline::Progress;

/// The state in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    pub text: String,
    pub tone: Tone,
    /// A job that can be cancelled, and how far it is.
    pub fraction: Option<f32>,
}

impl Words {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Info, fraction: None }
    }

    fn trouble(text: impl Into<String>) -> Self {
        Self { tone: Tone::Error, ..Self::plain(text) }
    }

    fn working(text: impl Into<String>, fraction: f32) -> Self {
        Self { fraction: Some(fraction), ..Self::plain(text) }
    }
}

/// What is to be said about the shown file.
pub fn words(app: &App) -> Words {
    if app.tasks.values().any(|task| *task == Task::Export) {
        return Words::plain("Exporting…");
    }
    match app.files.current().map(|entry| &entry.state) {
        None if app.tasks.values().any(|task| *task == Task::List) => Words::plain("Opening…"),
        None => Words::plain("No image is open"),
        Some(State::Listed(_) | State::Opening(..)) => Words::plain("Opening…"),
        Some(State::Failed(_)) => Words::trouble("This file could not be opened"),
        Some(State::Open(image)) => image_words(app, image),
    }
}

fn image_words(app: &App, image: &OpenImage) -> Words {
    match &image.analysis {
        Analysis::None if app.first_look != FirstLook::Over => Words::plain("Opening…"),
        Analysis::None => match &app.engine {
            Engine::Failed(_) => Words::trouble("Not analysed: the networks could not be loaded"),
            Engine::Loading | Engine::Ready(_) => Words::plain("Not analysed"),
        },
        Analysis::Cancelled => Words::plain("Not analysed: cancelled"),
        Analysis::Failed(why) => Words::trouble(format!("Analysis failed: {why}")),
        Analysis::Running { progress: None, .. } if app.engine == Engine::Loading => {
            Words::working("Loading the networks", 0.0)
        }
        Analysis::Running { progress, .. } => match progress {
            Some(Progress { stage, fraction }) => Words::working(stage, *fraction),
            None => Words::working("Waiting to be analysed", 0.0),
        },
        Analysis::Done => findings_words(image),
    }
}

fn findings_words(image: &OpenImage) -> Words {
    let session = &image.session;
    let found = match session.candidates().len() {
        0 => "No findings".to_owned(),
        1 => "1 finding".to_owned(),
        n => format!("{n} findings"),
    };
    let text = format!("{found} at λ {:.2}", session.lambda());
    match (&image.outlining, &image.outline_failure) {
        (Some((_, Some(progress))), _) => {
            let stage = progress.stage.replacen("Outlining", "outlining", 1);
            Words::working(format!("{text}, {stage}"), progress.fraction)
        }
        (Some((_, None)), _) => Words::working(format!("{text}, outlining"), 0.0),
        (None, Some(why)) if !session.missing_outlines().is_empty() => Words::trouble(format!("{text}, {why}")),
        (None, _) => Words::plain(text),
    }
}

pub fn status_ui(ui: &mut Ui, app: &App, commands: &mut Vec<Command>) {
    let frame = egui::Frame::new().inner_margin(egui::Margin::symmetric(12, 2));
    egui::Panel::bottom("status bar").frame(frame).exact_size(30.0).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            let words = words(app);
            let color = match words.tone {
                Tone::Info => palette(ui).text,
                Tone::Warning => palette(ui).warning,
                Tone::Error => palette(ui).error,
            };
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                engine_ui(ui, &app.engine);
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    if let Some(fraction) = words.fraction {
                        let bar = egui::ProgressBar::new(fraction).desired_width(160.0).desired_height(6.0);
                        ui.add(bar.fill(palette(ui).accent));
                        if ui.button("Cancel").on_hover_text("Esc").clicked() {
                            commands.push(Command::Reading(ReadingCommand::Cancel));
                        }
                    }
                    let text = egui::RichText::new(&words.text).color(color);
                    ui.add(egui::Label::new(text).truncate()).on_hover_text(&words.text);
                    if let Some(image) = app.files.shown()
                        && matches!(image.analysis, Analysis::None | Analysis::Cancelled | Analysis::Failed(_))
                        && !matches!(app.engine, Engine::Failed(_))
                        && app.first_look == FirstLook::Over
                        && ui.button("Analyse").clicked()
                    {
                        commands.push(Command::Reading(ReadingCommand::Analyse));
                    }
                });
            });
        });
    });
}

/// Where the networks run, in words.
fn engine_ui(ui: &mut Ui, engine: &Engine) {
    let weak = palette(ui).weak;
    match engine {
        Engine::Loading => ui.label(egui::RichText::new("Loading the networks…").color(weak)),
        Engine::Ready(device) => ui.label(egui::RichText::new(device).color(weak)),
        Engine::Failed(why) => ui.label(egui::RichText::new("No networks").color(palette(ui).error)).on_hover_text(why),
    };
}
