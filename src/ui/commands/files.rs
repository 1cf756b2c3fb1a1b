//! Opening, closing, groundtruth and export.

use std::path::{Path, PathBuf};

use super::super::app::{App, FirstLook, Task};
use super::super::dialogs::Question;
use super::super::files::{Analysis, OpenImage, State};
use super::super::notices::Tone;
use super::FileCommand;
use crate::export::{self, EXPORTERS, ExportView};
use crate::worker::{FileJob, ImageId, Job};

pub fn execute(app: &mut App, command: FileCommand) {
    match command {
        FileCommand::AskFiles => ask(app, Question::Files),
        FileCommand::AskFolder => ask(app, Question::Folder),
        FileCommand::AskTruth => {
            if let Some(image) = app.files.current_id() {
                ask(app, Question::Truth(image));
            }
        }
        FileCommand::AskExport(exporter) => ask_export(app, exporter),
        FileCommand::Open(paths) => open(app, paths),
        FileCommand::OpenDemonstration => open_demonstration(app),
        FileCommand::Show(image) => show(app, image),
        FileCommand::Step(steps) => {
            if let Some(image) = app.files.neighbour(steps) {
                show(app, image);
            }
        }
        FileCommand::CloseShown => close(app),
        FileCommand::LoadTruth(image, path) => load_truth(app, image, path),
        FileCommand::RemoveTruth => {
            if let Some(image) = app.files.shown_mut() {
                image.session.set_truth(None);
            }
        }
        FileCommand::Export { image, exporter, path } => export(app, image, exporter, path),
        FileCommand::ForgetRecent => {
            app.settings.current.recent.clear();
            app.save_settings();
        }
    }
}

fn ask(app: &mut App, question: Question) {
    if !app.dialogs.ask(question) {
        app.notices
            .say(Tone::Error, "The system's file dialog could not be opened. Drop the files onto the window instead.");
    }
}

/// Opens files and folders. Groundtruth files alone are taken for the shown image.
fn open(app: &mut App, mut paths: Vec<PathBuf>) {
    if let (Some(image), [path]) = (app.files.current_id(), paths.as_slice())
        && is_truth(path)
    {
        return load_truth(app, image, path.clone());
    }
    if paths.iter().any(|path| !is_truth(path)) {
        // Groundtruth beside an image is found by itself.
        paths.retain(|path| !is_truth(path));
    }
    for path in &mut paths {
        // What is remembered must mean the same in another folder.
        if let Ok(absolute) = std::path::absolute(&path) {
            *path = absolute;
        }
        app.settings.current.remember(path);
    }
    app.save_settings();
    app.submit(Job::File(FileJob::List { paths }), Task::List);
}

/// By its name alone: no mammogram is XML or JSON.
fn is_truth(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("xml" | "json"))
}

fn open_demonstration(app: &mut App) {
    match app.demonstration.clone() {
        Some(path) => {
            app.submit(Job::File(FileJob::List { paths: vec![path] }), Task::List);
        }
        None => {
            app.notices.say(Tone::Info, "The demonstration case was not installed. Open a mammogram, or drop one here.")
        }
    }
}

/// Shows a file, opening it when it is not in memory. Work on the image that was shown stops.
pub fn show(app: &mut App, image: ImageId) {
    if app.files.current_id() != Some(image) {
        app.worker.stop_inference();
        app.files.open_images_mut().for_each(OpenImage::forget_work);
    }
    app.first_look = FirstLook::Over;
    app.files.show(image);
    let Some(entry) = app.files.get_mut(image) else { return };
    let path = entry.path.clone();
    let results = match &mut entry.state {
        State::Listed(results) => results.take(),
        State::Failed(_) => None,
        State::Opening(..) => return,
        State::Open(_) => return app.continue_reading(),
    };
    app.frame_log.image_asked_for();
    if let Some(id) = app.submit(Job::File(FileJob::Open { image, path }), Task::Open(image))
        && let Some(entry) = app.files.get_mut(image)
    {
        entry.state = State::Opening(id, results);
    }
}

fn close(app: &mut App) {
    let Some(id) = app.files.current_id() else { return };
    if let Some(State::Opening(job, _)) = app.files.get(id).map(|entry| &entry.state) {
        app.worker.cancel(*job);
        app.tasks.remove(job);
    }
    app.worker.stop_inference();
    if let Some(next) = app.files.close(id) {
        show(app, next);
    }
}

fn load_truth(app: &mut App, image: ImageId, path: PathBuf) {
    let Some(study) = app.files.open_mut(image).map(|open| open.session.study().clone()) else { return };
    app.submit(Job::File(FileJob::ReadTruth { image, path, study }), Task::Truth);
}

fn ask_export(app: &mut App, exporter: usize) {
    let (Some(image), Some(chosen)) = (app.files.current_id(), EXPORTERS.get(exporter)) else { return };
    let Some(open) = app.files.shown() else { return };
    if open.analysis != Analysis::Done {
        app.notices.say(Tone::Info, "The image has not been analysed: the export will hold no findings.");
    }
    let name = format!("{}-mammoscope.{}", open.session.study().stem(), chosen.extension);
    let question = Question::Export { image, exporter, name, kind: chosen.name, extension: chosen.extension };
    ask(app, question);
}

fn export(app: &mut App, image: ImageId, exporter: usize, mut path: PathBuf) {
    let layers = app.layers;
    let Some(chosen) = EXPORTERS.get(exporter) else { return };
    let Some(open) = app.files.open_mut(image) else { return };
    if path.extension().is_none() {
        path.set_extension(chosen.extension);
    }
    let view = ExportView {
        voi: Some(open.view.voi(&open.session.study().grayscale)),
        invert: open.view.is_inverted(),
        layers: export::Layers {
            detections: layers.boxes,
            scale: layers.scale,
            candidates: layers.candidates,
            contours: layers.contours,
            truth: layers.truth,
            heat: layers.heatmap.then_some(layers.heatmap_opacity),
        },
    };
    let session = Box::new(open.session.clone());
    let job = FileJob::Export { session, view: Box::new(view), exporter: chosen, path };
    app.submit(Job::File(job), Task::Export);
}
