//! A diagnostic: how soon an image is seen after it was asked for, and how long the window waits between frames while the
//! networks run. With MAMMOSCOPE_FRAME_LOG set to a file, the window goes through its images, each once it has been analysed
//! and outlined, writes the figures to that file as JSON and closes. The first image competes with the start of the program;
//! the later ones show what opening costs.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::json;

/// Collects the figures; does nothing without a file to write them to.
#[derive(Debug, Default)]
pub struct FrameLog {
    path: Option<PathBuf>,
    last: Option<Frame>,
    images: Vec<Image>,
    gaps: Vec<Gap>,
    writing: Option<JoinHandle<()>>,
}

/// What the window is to do next for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Wait,
    /// The shown image is done with.
    Step,
    Close,
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

/// The frame before.
#[derive(Debug)]
struct Frame {
    begun: Instant,
    /// The networks ran.
    inferring: bool,
    /// How long it took to lay out, without drawing.
    layout_ms: f64,
}

/// From the beginning of a frame to that of the next, while the networks run.
#[derive(Clone, Debug)]
struct Gap {
    ms: f64,
    /// After the first request for an image.
    at_ms: f64,
    layout_ms: f64,
}

impl FrameLog {
    /// As the environment asks for it.
    pub fn from_environment() -> Self {
        Self { path: std::env::var_os("MAMMOSCOPE_FRAME_LOG").map(PathBuf::from), ..Self::default() }
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

    /// A frame begins; so the one before is on the screen.
    pub fn frame_begins(&mut self, inferring: bool) {
        let Some(first) = self.images.first().map(|image| image.asked) else { return };
        let now = Instant::now();
        if let Some(image) = self.images.last_mut()
            && image.drawn
            && image.shown_ms.is_none()
        {
            image.shown_ms = Some(milliseconds(image.asked, now));
        }
        if let Some(last) = &self.last
            && last.inferring
        {
            let (ms, at_ms) = (milliseconds(last.begun, now), milliseconds(first, last.begun));
            self.gaps.push(Gap { ms, at_ms, layout_ms: last.layout_ms });
        }
        self.last = Some(Frame { begun: now, inferring, layout_ms: 0.0 });
    }

    /// A frame is laid out and goes to be drawn.
    pub fn frame_ends(&mut self) {
        if let Some(frame) = &mut self.last {
            frame.layout_ms = milliseconds(frame.begun, Instant::now());
        }
    }

    /// What is to be done after a frame; `is_last`: there is no further image. The figures are written before the end.
    pub fn next(&mut self, working: bool, is_last: bool) -> Next {
        let Some(path) = &self.path else { return Next::Wait };
        if let Some(writing) = &self.writing {
            return if writing.is_finished() { Next::Close } else { Next::Wait };
        }
        if working || self.images.last().is_none_or(|image| image.shown_ms.is_none()) {
            return Next::Wait;
        }
        if !is_last {
            return Next::Step;
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

    fn figures(&self) -> serde_json::Value {
        let mut gaps = self.gaps.clone();
        gaps.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        let at = |part: f64| gaps.get((gaps.len().saturating_sub(1) as f64 * part) as usize).map(|gap| gap.ms);
        let image = |image: &Image| json!({"opened_ms": image.opened_ms, "shown_ms": image.shown_ms});
        let gap = |gap: &Gap| json!({"ms": gap.ms, "at_ms": gap.at_ms, "layout_ms": gap.layout_ms});
        json!({
            "images": self.images.iter().map(image).collect::<Vec<_>>(),
            "frames_while_inferring": gaps.len(),
            "median_gap_ms": at(0.5),
            "p99_gap_ms": at(0.99),
            "longest_gaps": gaps.iter().rev().take(12).map(gap).collect::<Vec<_>>(),
        })
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1e3
}
