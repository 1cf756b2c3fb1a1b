//! What the reader can do, as data: panels and keys push commands, one place carries them out.

mod files;
mod keys;
mod layers;
mod reading;
mod view;

use std::path::PathBuf;

use super::app::App;
use super::settings::Settings;
use super::viewport::Layers;
use crate::worker::ImageId;

pub use files::show;
pub use keys::{BINDINGS, pressed};
pub use layers::hide_all;

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    File(FileCommand),
    Reading(ReadingCommand),
    View(ViewCommand),
    Layers(LayerCommand),
    Window(WindowCommand),
}

/// Opening, closing, groundtruth and export.
#[derive(Clone, Debug, PartialEq)]
pub enum FileCommand {
    AskFiles,
    AskFolder,
    AskTruth,
    /// Asks where to, for an exporter by its index in the table.
    AskExport(usize),
    Open(Vec<PathBuf>),
    OpenDemonstration,
    Show(ImageId),
    /// To the next (1) or previous (−1) file.
    Step(isize),
    CloseShown,
    LoadTruth(ImageId, PathBuf),
    RemoveTruth,
    Export {
        image: ImageId,
        exporter: usize,
        path: PathBuf,
    },
    ForgetRecent,
}

/// The method and its findings.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingCommand {
    Analyse,
    Cancel,
    SetLambda(f32),
    /// By so many hundredths.
    StepLambda(i32),
    /// Selects a candidate by index.
    Select(Option<usize>),
    /// Selects a candidate and brings it into view.
    GoTo(usize),
    /// Goes to the next (1) or previous (−1) finding.
    StepFinding(isize),
    /// Brings a lesion of the groundtruth into view, by index.
    GoToLesion(usize),
}

/// How the image is looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewCommand {
    Fit,
    OneToOne,
    TrueSize,
    ZoomBy(f64),
    Invert,
    ChooseVoi(usize),
    TurnLeft,
    TurnRight,
    Flip,
}

/// Which marks are drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerCommand {
    Set(Layers),
    ToggleMarks,
    ToggleHeatmap,
    ToggleTruth,
    /// Hides all annotations, or shows again what was hidden.
    HideOrShowAll,
}

/// The window itself.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowCommand {
    ToggleHelp,
    Dismiss(u64),
    /// Escape: closes the help, else cancels work, else dismisses a notice.
    Escape,
    SetSettings(Box<Settings>),
    Quit,
}

/// Carries out one command.
pub fn execute(app: &mut App, ctx: &egui::Context, command: Command) {
    match command {
        Command::File(command) => files::execute(app, command),
        Command::Reading(command) => reading::execute(app, command),
        Command::View(command) => view::execute(app, command),
        Command::Layers(command) => layers::execute(app, command),
        Command::Window(command) => window(app, ctx, command),
    }
}

fn window(app: &mut App, ctx: &egui::Context, command: WindowCommand) {
    match command {
        WindowCommand::ToggleHelp => app.help_is_open = !app.help_is_open,
        WindowCommand::Dismiss(id) => app.notices.dismiss(id),
        WindowCommand::Escape => {
            if app.help_is_open {
                app.help_is_open = false;
            } else if app.worker.is_inferring() {
                reading::execute(app, ReadingCommand::Cancel);
            } else {
                app.notices.dismiss_newest();
            }
        }
        WindowCommand::SetSettings(settings) => {
            app.settings.current = *settings;
            super::theme::apply(ctx, app.settings.current.theme);
            app.save_settings();
        }
        WindowCommand::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
    }
}
