//! A diagnostic: how soon the window and an image are seen, how long the window waits between frames while the networks run,
//! and what a frame costs while λ is dragged. With MAMMOSCOPE_FRAME_LOG set to a file, the window goes through its images, each
//! once it has been analysed and outlined, drags λ over the last one, writes the figures to that file as JSON and closes. The
//! first image is asked for before there is a window; the later ones show what opening costs.

mod figures;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Instant;

/// λ is dragged from 0 to its end and back in so many steps each.
const DRAG_STEPS: usize = 150;

/// Collects the figures; does nothing without a file to write them to.
#[derive(Debug)]
pub struct FrameLog {
    path: Option<PathBuf>,
    started: Instant,
    /// The window is there and nothing is drawn in it yet.
    window_ms: Option<f64>,
    /// The first frame is on the screen.
    first_frame_ms: Option<f64>,
    /// The networks are loaded.
    models_ms: Option<f64>,
    frame: Option<Frame>,
    images: Vec<Image>,
    gaps: Vec<Gap>,
    drag: Option<Drag>,
    writing: Option<JoinHandle<()>>,
}

impl Default for FrameLog {
    fn default() -> Self {
        Self {
            path: None,
            started: Instant::now(),
            window_ms: None,
            first_frame_ms: None,
            models_ms: None,
            frame: None,
            images: Vec::new(),
            gaps: Vec::new(),
            drag: None,
            writing: None,
        }
    }
}

/// What the window is to do next for the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    Wait,
    /// The shown image is done with.
    Step,
    /// λ is to be this in the next frame, as a part of its upper end.
    Lambda(f32),
    Close,
}

/// How the window is, for [`FrameLog::next`].
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub working: bool,
    /// Outlines of other λ are being prepared.
    pub prefetching: bool,
    /// There is no further image.
    pub is_last: bool,
    /// The shown image has been analysed.
    pub is_read: bool,
}

/// The stages of an image, after the request for it.
#[derive(Debug)]
struct Image {
    asked: Instant,
    opened_ms: Option<f64>,
    drawn: bool,
    /// The frame that shows it is on the screen.
    shown_ms: Option<f64>,
}

/// A frame, from the beginning of its work to the beginning of the next.
#[derive(Clone, Debug)]
struct Frame {
    begun: Instant,
    /// The networks ran.
    inferring: bool,
    dragging: bool,
    /// Laying it out took so long, all of this program's code in it but the image pass.
    layout_ms: f64,
    /// … and with tessellation, the passes' commands and handing it over to be shown, without waiting for the screen.
    busy_ms: f64,
    /// Shown candidates without a contour.
    bare_candidates: usize,
}

/// From the beginning of a frame to that of the next.
#[derive(Clone, Debug)]
struct Gap {
    ms: f64,
    /// After the program's start.
    at_ms: f64,
    frame: Frame,
}

#[derive(Debug, Default)]
struct Drag {
    steps: usize,
    gaps: Vec<Gap>,
}

impl FrameLog {
    /// As the environment asks for it, of a program that starts now.
    pub fn from_environment() -> Self {
        Self { path: std::env::var_os("MAMMOSCOPE_FRAME_LOG").map(PathBuf::from), ..Self::default() }
    }

    /// The window is there.
    pub fn window_ready(&mut self) {
        self.window_ms = Some(self.now_ms());
    }

    pub fn models_ready(&mut self) {
        self.models_ms = Some(self.now_ms());
    }

    /// A file was asked for.
    pub fn image_asked_for(&mut self) {
        if self.path.is_some() {
            self.images.push(Image { asked: Instant::now(), opened_ms: None, drawn: false, shown_ms: None });
        }
    }

    /// The file asked for has been opened.
    pub fn image_opened(&mut self) {
        if let Some(image) = self.images.last_mut() {
            image.opened_ms = Some(milliseconds(image.asked, Instant::now()));
        }
    }

    /// The image was drawn in this frame.
    pub fn image_drawn(&mut self) {
        if let Some(image) = self.images.last_mut() {
            image.drawn = image.opened_ms.is_some();
        }
    }

    /// A frame begins; so the one before, which kept the window busy for `busy_s` seconds, is on the screen.
    pub fn frame_begins(&mut self, inferring: bool, busy_s: Option<f32>) {
        if self.path.is_none() {
            return;
        }
        let now = Instant::now();
        if let Some(image) = self.images.last_mut()
            && image.drawn
            && image.shown_ms.is_none()
        {
            image.shown_ms = Some(milliseconds(image.asked, now));
        }
        if let Some(frame) = self.frame.take() {
            self.first_frame_ms.get_or_insert(milliseconds(self.started, now));
            let frame = Frame { busy_ms: f64::from(busy_s.unwrap_or(0.0)) * 1e3, ..frame };
            let (ms, at_ms) = (milliseconds(frame.begun, now), milliseconds(self.started, frame.begun));
            let gap = Gap { ms, at_ms, frame };
            match &mut self.drag {
                Some(drag) if gap.frame.dragging => drag.gaps.push(gap),
                _ if gap.frame.inferring => self.gaps.push(gap),
                _ => {}
            }
        }
        let dragging = self.drag.as_ref().is_some_and(|drag| drag.steps > 0 && self.writing.is_none());
        self.frame = Some(Frame { begun: now, inferring, dragging, layout_ms: 0.0, busy_ms: 0.0, bare_candidates: 0 });
    }

    /// A frame is laid out and goes to be drawn.
    pub fn frame_ends(&mut self, bare_candidates: usize) {
        if let Some(frame) = &mut self.frame {
            frame.layout_ms = milliseconds(frame.begun, Instant::now());
            frame.bare_candidates = bare_candidates;
        }
    }

    /// What is to be done after a frame. The figures are written before the end.
    pub fn next(&mut self, now: Situation) -> Next {
        let Some(path) = &self.path else { return Next::Wait };
        if let Some(writing) = &self.writing {
            return if writing.is_finished() { Next::Close } else { Next::Wait };
        }
        let dragging = self.drag.as_ref().is_some_and(|drag| drag.steps > 0);
        if !dragging && (now.working || self.images.last().is_none_or(|image| image.shown_ms.is_none())) {
            return Next::Wait;
        }
        if !now.is_last {
            return Next::Step;
        }
        if now.is_read && (now.prefetching && !dragging) {
            return Next::Wait;
        }
        let drag = self.drag.get_or_insert_default();
        if now.is_read && drag.steps <= 2 * DRAG_STEPS {
            let part = drag.steps as f32 / DRAG_STEPS as f32;
            drag.steps += 1;
            return Next::Lambda(if part <= 1.0 { part } else { 2.0 - part });
        }
        let (path, figures) = (path.clone(), self.figures());
        // Not this thread's work, not even here.
        self.writing = Some(std::thread::spawn(move || {
            if let Err(error) = std::fs::write(&path, format!("{figures:#}\n")) {
                log::error!("the frame log cannot be written: {error}");
            }
        }));
        Next::Wait
    }

    fn now_ms(&self) -> f64 {
        milliseconds(self.started, Instant::now())
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1e3
}
