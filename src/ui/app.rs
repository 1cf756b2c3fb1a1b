//! The window's state, and one frame of it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commands::{self, Command, FileCommand, ReadingCommand};
use super::dialogs::{Dialogs, Picker, Question};
use super::files::{Analysis, Files};
use super::frame_log::FrameLog;
use super::notices::{Notices, Tone};
use super::pace::Pace;
use super::settings::{Settings, SettingsStore};
use super::viewport::{Layers, Scene, ViewState, ViewportEvent, viewport_ui};
use super::{frame_log, panels, theme, updates};
use crate::pipeline::Parameters;
use crate::render;
use crate::session::Session;
use crate::worker::{
    AnalyseJob, FileJob, Held, ImageId, Job, JobId, ModelFactory, OutlineJob, PrefetchJob, Wake, Worker,
};

/// How long the start waits for the inputs to be listed: a file takes a millisecond, and a large folder holds up no window.
const LISTING: Duration = Duration::from_millis(5);

/// From frame to frame while work runs of which nothing is seen to move.
const UNMOVED: Duration = Duration::from_millis(200);

/// What a window starts with.
pub struct Setup {
    /// Opened at once; the demonstration case when empty.
    pub inputs: Vec<PathBuf>,
    pub models: ModelFactory,
    /// Keeps the models from being loaded until the first image is on the screen.
    pub held: Option<Held>,
    pub settings: SettingsStore,
    pub picker: Picker,
    /// The demonstration case, if it is installed.
    pub demonstration: Option<PathBuf>,
    pub frame_log: FrameLog,
    /// Whether the surface is cleared to [`eframe::App::clear_color`]; else each frame fills it.
    pub is_cleared: bool,
}

/// The window.
pub struct App {
    pub(super) worker: Worker,
    pub(super) files: Files,
    /// What the orders under way are for; inference orders are noted with their image.
    pub(super) tasks: HashMap<JobId, Task>,
    pub(super) engine: Engine,
    pub(super) layers: Layers,
    /// What was shown before all annotations were hidden.
    pub(super) hidden_layers: Option<Layers>,
    pub(super) notices: Notices,
    pub(super) settings: SettingsStore,
    pub(super) dialogs: Dialogs,
    pub(super) demonstration: Option<PathBuf>,
    pub(super) help_is_open: bool,
    pub(super) frame_log: FrameLog,
    is_cleared: bool,
    pub(super) first_look: FirstLook,
    held: Option<Held>,
    pace: Pace,
    /// Where the frame log moves λ to in the next frame.
    dragged_lambda: Option<f32>,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    List,
    Open(ImageId),
    Truth,
    Export,
    Settings,
}

/// An image that has just been opened is seen, and all of it copied to the graphics card, before its analysis begins and
/// takes the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLook {
    /// So many frames are still to be drawn.
    Frames(u32),
    Over,
}

/// The networks.
#[derive(Clone, Debug, PartialEq)]
pub enum Engine {
    Loading,
    /// On a device, in words.
    Ready(String),
    Failed(String),
}

impl App {
    /// A window's content, at once: [`Self::start`] and [`Self::attach`].
    pub fn new(cc: &eframe::CreationContext<'_>, setup: Setup) -> std::io::Result<Self> {
        let mut app = Self::start(&cc.egui_ctx, setup)?;
        app.attach(cc);
        Ok(app)
    }

    /// Starts the worker and opens what is to be opened first, while the window is still to be made.
    pub fn start(ctx: &egui::Context, setup: Setup) -> std::io::Result<Self> {
        let repainted = ctx.clone();
        let wake: Wake = Arc::new(move || repainted.request_repaint());
        let mut app = Self {
            worker: Worker::start(setup.models, wake.clone())?,
            files: Files::default(),
            tasks: HashMap::new(),
            engine: Engine::Loading,
            layers: Layers::default(),
            hidden_layers: None,
            notices: Notices::default(),
            settings: setup.settings,
            dialogs: Dialogs::new(setup.picker, wake),
            demonstration: setup.demonstration,
            help_is_open: false,
            frame_log: setup.frame_log,
            is_cleared: setup.is_cleared,
            first_look: FirstLook::Over,
            held: setup.held,
            pace: Pace::default(),
            dragged_lambda: None,
        };
        if let Some(notice) = app.settings.notice.take() {
            app.notices.say(Tone::Warning, notice);
        }
        let first = match setup.inputs {
            inputs if inputs.is_empty() => FileCommand::OpenDemonstration,
            inputs => FileCommand::Open(inputs),
        };
        commands::execute(&mut app, ctx, Command::File(first));
        let until = Instant::now() + LISTING;
        while app.tasks.values().any(|task| *task == Task::List) && Instant::now() < until {
            for update in app.worker.poll_until(until) {
                updates::apply(&mut app, update);
            }
        }
        Ok(app)
    }

    /// Makes the window's looks and its passes.
    pub fn attach(&mut self, cc: &eframe::CreationContext<'_>) {
        theme::install_fonts(&cc.egui_ctx);
        theme::apply(&cc.egui_ctx, self.settings.current.theme);
        if let Some(state) = &cc.wgpu_render_state {
            render::install(state);
        }
        self.frame_log.window_ready();
    }

    /// The shown image's reading.
    pub fn session(&self) -> Option<&Session> {
        self.files.shown().map(|image| &image.session)
    }

    /// What the status bar says.
    pub fn status(&self) -> String {
        panels::status::words(self).text
    }

    /// The notices on show, oldest first.
    pub fn notices(&self) -> Vec<&str> {
        self.notices.shown().iter().map(|notice| notice.text.as_str()).collect()
    }

    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// How the shown image is looked at.
    pub fn view(&self) -> Option<&ViewState> {
        self.files.shown().map(|image| &image.view)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings.current
    }

    /// Queues a job of the IO thread; says so when there is no room.
    pub(super) fn submit(&mut self, job: Job, task: Task) -> Option<JobId> {
        let submitted = self.worker.submit(job);
        match submitted {
            Ok(id) => {
                self.tasks.insert(id, task);
                Some(id)
            }
            Err(busy) => {
                self.notices.say(Tone::Warning, busy.to_string());
                None
            }
        }
    }

    /// Analyses the shown image.
    pub(super) fn analyse(&mut self) {
        let Some(image) = self.files.current_id() else { return };
        let Some(open) = self.files.open_mut(image) else { return };
        let study = open.session.study().clone();
        let job = Job::Analyse(AnalyseJob { image, study, parameters: Parameters::default() });
        open.outlining = None;
        if let Ok(id) = self.worker.submit(job) {
            open.analysis = Analysis::Running { id, progress: None };
        }
    }

    /// Takes up the shown image where it was left: analyses it, or asks for the outlines that are missing.
    pub(super) fn continue_reading(&mut self) {
        self.first_look = FirstLook::Over;
        let Some(open) = self.files.shown() else { return };
        match open.analysis {
            Analysis::None if self.settings.current.analyse_on_open => self.analyse(),
            Analysis::Done => self.ask_for_outlines(),
            _ => {}
        }
    }

    /// Asks for the outlines that the shown image lacks at its λ; with none lacking, for those of other λ.
    pub(super) fn ask_for_outlines(&mut self) {
        let Some(image) = self.files.current_id() else { return };
        let Some(open) = self.files.open_mut(image) else { return };
        let Some(reading) = open.session.reading().cloned() else { return };
        let study = open.session.study().clone();
        let parameters = Parameters::default();
        let boxes = open.session.missing_outlines();
        if !boxes.is_empty() {
            open.outline_failure = None;
            let job = Job::Outline(OutlineJob { image, study, boxes, parameters });
            open.outlining = self.worker.submit(job).ok().map(|id| (id, None));
        } else {
            open.outlining = None;
            if !self.worker.is_prefetching() {
                let known = open.session.outlined_boxes().collect();
                let lambda = open.session.lambda();
                let prefetch = PrefetchJob { image, study, reading, lambda, known, parameters };
                let _ = self.worker.submit(Job::Prefetch(prefetch));
            }
        }
    }

    pub(super) fn save_settings(&mut self) {
        if let Some((path, text)) = self.settings.to_write() {
            self.submit(Job::File(FileJob::SaveSettings { path, text }), Task::Settings);
        }
    }

    /// True while something runs whose progress is to be seen.
    pub fn is_working(&self) -> bool {
        self.worker.is_inferring()
            || self.first_look != FirstLook::Over
            || self.tasks.values().any(|task| *task != Task::Settings)
    }

    /// True while the first image, or another, is still to be seen.
    fn is_opening(&self) -> bool {
        self.first_look != FirstLook::Over || self.tasks.values().any(|task| matches!(task, Task::List | Task::Open(_)))
    }

    /// Commands of dropped files, keys and answered dialogs.
    fn incoming_commands(&mut self, ctx: &egui::Context) -> Vec<Command> {
        let mut commands = Vec::new();
        let dropped: Vec<PathBuf> =
            ctx.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect());
        if !dropped.is_empty() {
            commands.push(Command::File(FileCommand::Open(dropped)));
        }
        if let Some((question, paths)) = self.dialogs.poll()
            && let Some(first) = paths.first().cloned()
        {
            commands.push(Command::File(match question {
                Question::Files | Question::Folder => FileCommand::Open(paths),
                Question::Truth(image) => FileCommand::LoadTruth(image, first),
                Question::Export { image, exporter, .. } => FileCommand::Export { image, exporter, path: first },
            }));
        }
        commands.extend(commands::pressed(ctx));
        commands
    }

    /// Ends the frame for the log, unless it is laid out `again`, and does what the log wants to be done.
    fn serve_frame_log(&mut self, ctx: &egui::Context, again: bool) {
        let shown = self.files.shown();
        self.frame_log.frame_ends(shown.map_or(0, |image| image.session.missing_outlines().len()));
        if again {
            return;
        }
        let situation = frame_log::Situation {
            working: self.is_working(),
            prefetching: self.worker.is_prefetching(),
            is_last: self.files.neighbour(1).is_none(),
            is_read: shown.is_some_and(|image| image.analysis == Analysis::Done),
        };
        let upper = shown.and_then(|image| image.profile.as_ref()).map_or(1.0, |profile| profile.upper);
        match self.frame_log.next(situation) {
            frame_log::Next::Wait => {}
            frame_log::Next::Step => commands::execute(self, ctx, Command::File(FileCommand::Step(1))),
            frame_log::Next::Lambda(part) => {
                self.dragged_lambda = Some(part * upper);
                ctx.request_repaint();
            }
            frame_log::Next::Close => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    /// The shown image in the middle of the window.
    fn viewport_ui(&mut self, ui: &mut egui::Ui, commands: &mut Vec<Command>) {
        let reverse_window_level = self.settings.current.reverse_window_level;
        let layers = &self.layers;
        let Some(open) = self.files.shown_mut() else {
            return panels::welcome::welcome_ui(ui, self, commands);
        };
        let selected = open.selected_index();
        let scene = Scene { session: &open.session, image: &open.handle, layers, selected, reverse_window_level };
        let mut events = Vec::new();
        viewport_ui(ui, &mut open.view, &scene, &mut events);
        commands.extend(events.into_iter().map(|event| match event {
            ViewportEvent::Select(index) => Command::Reading(ReadingCommand::Select(index)),
        }));
        self.frame_log.image_drawn();
        if let FirstLook::Frames(left) = &mut self.first_look {
            *left = left.saturating_sub(1);
            ui.ctx().request_repaint();
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        if ctx.current_pass_index() == 0 {
            self.frame_log.frame_begins(self.worker.is_inferring(), frame.info().cpu_usage);
            self.pace.frame_begins(Instant::now());
        }
        for update in self.worker.poll() {
            updates::apply(self, update);
        }
        if self.first_look == FirstLook::Frames(0) {
            self.continue_reading();
        }
        if !self.is_opening() {
            self.held = None;
        }
        if let Some(rest) = self.notices.expire(Instant::now()) {
            ctx.request_repaint_after(rest);
        }
        for command in self.incoming_commands(ctx) {
            commands::execute(self, ctx, command);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        if !self.is_cleared {
            ui.painter().rect_filled(ctx.content_rect(), 0.0, theme::background(ui.visuals()));
        }
        let mut commands = Vec::new();
        if let Some(lambda) = self.dragged_lambda.take() {
            commands.push(Command::Reading(ReadingCommand::SetLambda(lambda)));
        }
        panels::top_bar::top_bar_ui(ui, self, &mut commands);
        panels::status::status_ui(ui, self, &mut commands);
        panels::files::files_ui(ui, self, &mut commands);
        panels::reading::reading_ui(ui, self, &mut commands);
        // What was done in a panel shows in the same frame: here in the viewport, and in the panels by a second pass.
        let again = !commands.is_empty();
        for command in commands.drain(..) {
            commands::execute(self, &ctx, command);
        }
        let shown = egui::CentralPanel::no_frame().show(ui, |ui| self.viewport_ui(ui, &mut commands));
        panels::notices::notices_ui(&ctx, shown.response.rect, self.notices.shown(), &mut commands);
        panels::help::help_ui(&ctx, self, &mut commands);
        panels::welcome::drop_hint_ui(&ctx);
        let again = again || !commands.is_empty();
        for command in commands {
            commands::execute(self, &ctx, command);
        }
        if again {
            ctx.request_discard("a command changed what is shown");
        }
        if self.is_working() {
            // egui asks earlier, by the length that it expects of a frame.
            let ahead = Duration::from_secs_f32(ctx.input(|input| input.predicted_dt));
            // An opening shows no progress, and wakes the window at its end; frames so far apart are not late ones.
            let rest = if self.worker.is_inferring() { self.pace.next(Instant::now()) } else { UNMOVED };
            ctx.request_repaint_after(rest + ahead);
        }
        self.serve_frame_log(&ctx, again);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        theme::background(visuals).to_normalized_gamma_f32()
    }
}
