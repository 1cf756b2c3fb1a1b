//! A diagnostic: how soon an image is seen after it was asked for, and how long the window waits between frames while the
//! networks run. With MAMMOSCOPE_FRAME_LOG set to a file, the figures are written there as JSON and the window closes once
//! the first image has been analysed and outlined.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::json;

/// Collects the figures; does nothing without a file to write them to.
#[derive(Debug, Default)]
pub struct FrameLog {
    path: Option<PathBuf>,
    started: Option<Instant>,
    /// The start of the last frame, and whether the networks ran then.
    last: Option<(Instant, bool)>,
    opened: Option<Instant>,
    drawn: bool,
    first_image_ms: Option<f64>,
    gaps_ms: Vec<f64>,
    writing: Option<JoinHandle<()>>,
}

impl FrameLog {
    /// As the environment asks for it.
    pub fn from_environment() -> Self {
        let path = std::env::var_os("MAMMOSCOPE_FRAME_LOG").map(PathBuf::from);
        Self { path, started: Some(Instant::now()), ..Self::default() }
    }

    /// A file was asked for.
    pub fn image_asked_for(&mut self) {
        if self.path.is_some() && self.opened.is_none() {
            self.opened = Some(Instant::now());
        }
    }

    /// The image was drawn in this frame.
    pub fn image_drawn(&mut self) {
        self.drawn = true;
    }

    /// A frame begins; so the one before is on the screen.
    pub fn frame_begins(&mut self, inferring: bool) {
        if self.path.is_none() {
            return;
        }
        let now = Instant::now();
        if self.drawn && self.first_image_ms.is_none() {
            self.first_image_ms = self.opened.map(|opened| milliseconds(opened, now));
        }
        if let Some((last, true)) = self.last {
            self.gaps_ms.push(milliseconds(last, now));
        }
        self.last = Some((now, inferring));
    }

    /// True once the figures are complete; they are written then.
    pub fn is_complete(&mut self, working: bool) -> bool {
        let Some(path) = &self.path else { return false };
        if let Some(writing) = &self.writing {
            return writing.is_finished();
        }
        if !working && self.first_image_ms.is_some() && !self.gaps_ms.is_empty() {
            let (path, figures) = (path.clone(), self.figures());
            // Not this thread's work, not even here.
            self.writing = Some(std::thread::spawn(move || {
                if let Err(error) = std::fs::write(&path, format!("{figures}\n")) {
                    log::error!("the frame log cannot be written: {error}");
                }
            }));
        }
        false
    }

    fn figures(&self) -> serde_json::Value {
        let mut gaps = self.gaps_ms.clone();
        gaps.sort_by(f64::total_cmp);
        let at = |part: f64| gaps.get(((gaps.len() - 1) as f64 * part) as usize);
        json!({
            "start_to_request_ms": self.started.zip(self.opened).map(|(from, to)| milliseconds(from, to)),
            "request_to_first_image_ms": self.first_image_ms,
            "frames_while_inferring": gaps.len(),
            "median_gap_ms": at(0.5),
            "p99_gap_ms": at(0.99),
            "longest_gaps_ms": gaps.iter().rev().take(10).collect::<Vec<_>>(),
        })
    }
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1e3
}
