//! What the worker says becomes what the window shows.

use std::sync::Arc;

use super::app::{App, Engine, FirstLook, Task};
use super::commands;
use super::files::{Analysis, OpenImage, State, name_of};
use super::notices::Tone;
use super::profile::Profile;
use crate::annotation::GroundTruth;
use crate::pipeline::Progress;
use crate::render::ImageHandle;
use crate::session::Reading;
use crate::worker::{ImageId, JobId, Update};

pub fn apply(app: &mut App, update: Update) {
    match update {
        Update::ModelsReady { device, notice } => {
            app.engine = Engine::Ready(device);
            app.frame_log.models_ready();
            if let Some(notice) = notice {
                app.notices.say(Tone::Info, notice);
            }
        }
        Update::ModelsFailed { message } => {
            app.notices.say(Tone::Error, format!("Images can be viewed but not analysed. {message}"));
            app.engine = Engine::Failed(message);
        }
        Update::Progress { id, progress } => show_progress(app, id, progress),
        Update::Opened { id, image, handle } => {
            app.tasks.remove(&id);
            opened(app, image, handle);
        }
        Update::Listed { id, files } => {
            app.tasks.remove(&id);
            match app.files.list(files) {
                Some(first) => commands::show(app, first),
                None => app.notices.say(Tone::Warning, "No mammogram was found in what was opened."),
            }
        }
        Update::Truth { image, truth } => {
            app.tasks.retain(|_, task| *task != Task::Truth);
            take_truth(app, image, truth);
        }
        Update::TruthFailed { image, message } => {
            app.tasks.retain(|_, task| *task != Task::Truth);
            let name = app.files.get(image).map_or_else(String::new, |entry| entry.name());
            app.notices.say(Tone::Warning, format!("{name}: {message}"));
        }
        Update::Exported { id, path } => {
            app.tasks.remove(&id);
            app.notices.say(Tone::Info, format!("Exported to {}.", path.display()));
        }
        Update::Read { image, reading, .. } => take_reading(app, image, reading),
        Update::Outlined { image, rect, outline } => {
            if let Some(open) = app.files.open_mut(image) {
                open.session.add_outlines([(rect, outline)]);
            }
        }
        Update::OutlinesDone { id, image } => {
            let finished = app.files.open_mut(image).is_some_and(|open| match &open.outlining {
                Some((outlining, _)) if *outlining == id => {
                    open.outlining = None;
                    true
                }
                _ => false,
            });
            if finished && app.files.current_id() == Some(image) {
                app.ask_for_outlines();
            }
        }
        Update::Failed { id, message } => failed(app, id, message),
    }
}

fn show_progress(app: &mut App, id: JobId, progress: Progress) {
    for open in app.files.open_images_mut() {
        match &mut open.analysis {
            Analysis::Running { id: running, progress: shown } if *running == id => *shown = Some(progress.clone()),
            _ => {}
        }
        match &mut open.outlining {
            Some((running, shown)) if *running == id => *shown = Some(progress.clone()),
            _ => {}
        }
    }
}

fn opened(app: &mut App, image: ImageId, handle: ImageHandle) {
    let lambda = app.settings.current.lambda;
    let Some(entry) = app.files.get_mut(image) else { return };
    let State::Opening(_, results) = &mut entry.state else { return };
    let results = results.take().map(|results| *results);
    let is_new = results.is_none();
    let first_look = FirstLook::Frames(handle.upload_frames() + 1);
    let mut open = Box::new(OpenImage::new(handle, results));
    if is_new {
        open.session.set_lambda(lambda);
    }
    entry.state = State::Open(open);
    app.files.make_room();
    if app.files.current_id() == Some(image) {
        app.frame_log.image_opened();
        if is_new && !app.settings.current.marks_on_open {
            commands::hide_all(app);
        }
        app.first_look = first_look;
    }
}

fn take_truth(app: &mut App, image: ImageId, truth: Arc<GroundTruth>) {
    let Some(open) = app.files.open_mut(image) else { return };
    let warnings = truth.warnings.clone();
    open.session.set_truth(Some(truth));
    for warning in warnings {
        app.notices.say(Tone::Warning, format!("Groundtruth: {warning}"));
    }
}

fn take_reading(app: &mut App, image: ImageId, reading: Arc<Reading>) {
    let Some(open) = app.files.open_mut(image) else { return };
    open.profile = Some(Profile::of(&reading.fused));
    open.session.set_reading(reading);
    open.analysis = Analysis::Done;
    open.outline_failure = None;
    if app.files.current_id() == Some(image) {
        app.ask_for_outlines();
    }
}

fn failed(app: &mut App, id: JobId, message: String) {
    match app.tasks.remove(&id) {
        Some(Task::Open(image)) => {
            if let Some(entry) = app.files.get_mut(image) {
                entry.state = State::Failed(message.clone());
                let name = name_of(&entry.path);
                app.notices.say(Tone::Error, format!("{name}: {message}"));
            }
        }
        Some(Task::List | Task::Truth | Task::Export | Task::Settings) => app.notices.say(Tone::Error, message),
        None => {
            for open in app.files.open_images_mut() {
                if matches!(open.analysis, Analysis::Running { id: running, .. } if running == id) {
                    open.analysis = Analysis::Failed(message.clone());
                }
                if open.outlining.as_ref().is_some_and(|(running, _)| *running == id) {
                    open.outlining = None;
                    open.outline_failure = Some(message.clone());
                }
            }
        }
    }
}
