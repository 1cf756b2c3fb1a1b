//! What goes to the background threads and what comes back: two closed enums.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::annotation::GroundTruth;
use crate::export::{ExportView, Exporter};
use crate::findings::Outline;
use crate::pipeline::{Parameters, Progress};
use crate::render::ImageHandle;
use crate::session::{Reading, Session};
use crate::space::PixelRect;
use crate::study::Study;

/// Names one order; later orders have greater ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub(super) u64);

/// Names the opened image that an order is about; given by the caller, echoed in updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub u64);

/// What can be asked of the worker.
pub enum Job {
    /// Files: in the order asked.
    File(FileJob),
    /// Detect at all scales and fuse. The newest order wins.
    Analyse(AnalyseJob),
    /// Outline boxes. The newest order wins; a patch that both orders want is not begun again.
    Outline(OutlineJob),
    /// Outline the candidates of other λ, nearest first; given up as soon as any other inference is asked for.
    Prefetch(PrefetchJob),
}

/// Jobs of the IO thread.
pub enum FileJob {
    /// Opens a file and makes its mip chain; groundtruth found beside it follows as its own update.
    Open { image: ImageId, path: PathBuf },
    /// Finds the mammograms among files and folders.
    List { paths: Vec<PathBuf> },
    /// Reads groundtruth for an image that is open.
    ReadTruth { image: ImageId, path: PathBuf, study: Arc<Study> },
    /// Writes a session, whole or not at all.
    Export { session: Box<Session>, view: Box<ExportView>, exporter: &'static Exporter, path: PathBuf },
    /// Writes the reader's settings.
    SaveSettings { path: PathBuf, text: String },
}

pub struct AnalyseJob {
    pub image: ImageId,
    pub study: Arc<Study>,
    pub parameters: Parameters,
}

pub struct OutlineJob {
    pub image: ImageId,
    pub study: Arc<Study>,
    /// In the order in which they are wanted.
    pub boxes: Vec<PixelRect>,
    pub parameters: Parameters,
}

pub struct PrefetchJob {
    pub image: ImageId,
    pub study: Arc<Study>,
    pub reading: Arc<Reading>,
    pub lambda: f32,
    /// Boxes that have an outline already.
    pub known: HashSet<PixelRect>,
    pub parameters: Parameters,
}

/// What the worker says.
pub enum Update {
    /// The models are ready: the device in words, and what is to be said once about it.
    ModelsReady {
        device: String,
        notice: Option<String>,
    },
    /// No analysis is possible, and why.
    ModelsFailed {
        message: String,
    },
    Progress {
        id: JobId,
        progress: Progress,
    },
    /// The image can be shown.
    Opened {
        id: JobId,
        image: ImageId,
        handle: ImageHandle,
    },
    Listed {
        id: JobId,
        files: Vec<PathBuf>,
    },
    Truth {
        image: ImageId,
        truth: Arc<GroundTruth>,
    },
    TruthFailed {
        image: ImageId,
        message: String,
    },
    Exported {
        id: JobId,
        path: PathBuf,
    },
    Read {
        id: JobId,
        image: ImageId,
        reading: Arc<Reading>,
    },
    /// A finished outline, of an outline order or of a prefetch.
    Outlined {
        image: ImageId,
        rect: PixelRect,
        outline: Arc<Outline>,
    },
    /// An outline order or a prefetch has nothing left to do.
    OutlinesDone {
        id: JobId,
        image: ImageId,
    },
    /// A job failed: one plain sentence.
    Failed {
        id: JobId,
        message: String,
    },
}
