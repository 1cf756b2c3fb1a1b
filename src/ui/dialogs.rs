//! The system's file dialogs, on a thread of their own: the window goes on while one is open.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};

use crate::worker::{ImageId, Wake};

/// What is asked of the reader.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    Files,
    Folder,
    /// Groundtruth for an image.
    Truth(ImageId),
    /// Where to export an image's findings to.
    Export {
        image: ImageId,
        exporter: usize,
        name: String,
        kind: &'static str,
        extension: &'static str,
    },
}

/// Asks and waits for the paths; nothing when the reader cancels.
pub type Picker = Arc<dyn Fn(&Question) -> Vec<PathBuf> + Send + Sync>;

/// At most one dialog at a time.
pub struct Dialogs {
    picker: Picker,
    wake: Wake,
    open: Option<Receiver<(Question, Vec<PathBuf>)>>,
}

impl Dialogs {
    pub fn new(picker: Picker, wake: Wake) -> Self {
        Self { picker, wake, open: None }
    }

    /// Opens a dialog, unless one is open. False when the system refused a thread.
    pub fn ask(&mut self, question: Question) -> bool {
        if self.open.is_some() {
            return true;
        }
        let (answer, open) = bounded(1);
        let (picker, wake) = (self.picker.clone(), self.wake.clone());
        let asked = std::thread::Builder::new().name("dialog".into()).spawn(move || {
            let paths = picker(&question);
            let _ = answer.send((question, paths));
            wake();
        });
        self.open = asked.is_ok().then_some(open);
        self.open.is_some()
    }

    /// The answer, once there is one.
    pub fn poll(&mut self) -> Option<(Question, Vec<PathBuf>)> {
        let answer = self.open.as_ref()?.try_recv();
        if matches!(answer, Err(crossbeam_channel::TryRecvError::Empty)) {
            return None;
        }
        self.open = None;
        answer.ok()
    }
}

/// The system's own dialogs.
pub fn system_picker() -> Picker {
    Arc::new(|question| {
        let images = ["dcm", "dicom", "png", "tif", "tiff", "jpg", "jpeg"];
        let dialog = rfd::FileDialog::new();
        match question {
            Question::Files => dialog
                .set_title("Open mammograms")
                .add_filter("Mammograms", &images)
                .add_filter("All files", &["*"])
                .pick_files()
                .unwrap_or_default(),
            Question::Folder => dialog.set_title("Open a folder of mammograms").pick_folder().into_iter().collect(),
            Question::Truth(_) => dialog
                .set_title("Open groundtruth")
                .add_filter("Groundtruth", &["xml", "json", "png", "tif", "tiff"])
                .add_filter("All files", &["*"])
                .pick_file()
                .into_iter()
                .collect(),
            Question::Export { name, kind, extension, .. } => dialog
                .set_title("Export")
                .set_file_name(name)
                .add_filter(*kind, &[*extension])
                .save_file()
                .into_iter()
                .collect(),
        }
    })
}
