//! The files of the window: which are listed, which are open, which one is shown.

use std::path::{Path, PathBuf};

use super::viewport::ViewState;
use crate::pipeline::Progress;
use crate::render::ImageHandle;
use crate::session::{Results, Session};
use crate::space::PixelRect;
use crate::worker::{ImageId, JobId};

use super::profile::Profile;

/// Images held in memory at once; the one not looked at for longest makes room, its results are kept.
const OPEN_AT_MOST: usize = 6;

/// A listed file.
pub struct Entry {
    pub id: ImageId,
    pub path: PathBuf,
    pub state: State,
    /// When it was last shown, counted.
    last_shown: u64,
}

pub enum State {
    /// Not in memory; with the results of an earlier look.
    Listed(Option<Box<Results>>),
    Opening(JobId, Option<Box<Results>>),
    Open(Box<OpenImage>),
    /// Why it could not be opened.
    Failed(String),
}

/// An image in memory with its reading and the reader's view of it.
pub struct OpenImage {
    pub session: Session,
    pub handle: ImageHandle,
    pub view: ViewState,
    pub analysis: Analysis,
    /// The order that outlines the candidates, and how far it is.
    pub outlining: Option<(JobId, Option<Progress>)>,
    pub outline_failure: Option<String>,
    /// The box of the selected candidate.
    pub selected: Option<PixelRect>,
    /// Ms by value, once there is a reading.
    pub profile: Option<Profile>,
}

/// How far the analysis of an image is.
#[derive(Clone, Debug, PartialEq)]
pub enum Analysis {
    None,
    Running { id: JobId, progress: Option<Progress> },
    Cancelled,
    Failed(String),
    Done,
}

impl OpenImage {
    pub fn new(handle: ImageHandle, results: Option<Results>) -> Self {
        let study = handle.study().clone();
        let session = match results {
            Some(results) => Session::resume(study, results),
            None => Session::new(study),
        };
        let profile = session.reading().map(|reading| Profile::of(&reading.fused));
        let analysis = if session.reading().is_some() { Analysis::Done } else { Analysis::None };
        Self {
            session,
            handle,
            view: ViewState::default(),
            analysis,
            outlining: None,
            outline_failure: None,
            selected: None,
            profile,
        }
    }

    /// The selected candidate's index at the current λ.
    pub fn selected_index(&self) -> Option<usize> {
        let rect = self.selected?;
        self.session.candidates().iter().position(|candidate| candidate.rect == rect)
    }

    /// Stops showing work as running that has been stopped.
    pub fn forget_work(&mut self) {
        self.outlining = None;
        if matches!(self.analysis, Analysis::Running { .. }) {
            self.analysis = Analysis::None;
        }
    }
}

impl Entry {
    /// The file's name, for the reader's eyes.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }
}

/// The last part of a path, for the reader's eyes.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// All files, in the order in which they were given.
#[derive(Default)]
pub struct Files {
    entries: Vec<Entry>,
    current: Option<ImageId>,
    next_id: u64,
    shown_count: u64,
}

impl Files {
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn current_id(&self) -> Option<ImageId> {
        self.current
    }

    pub fn current(&self) -> Option<&Entry> {
        self.get(self.current?)
    }

    pub fn get(&self, id: ImageId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub fn get_mut(&mut self, id: ImageId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    /// The image `id`, while it is in memory.
    pub fn open_mut(&mut self, id: ImageId) -> Option<&mut OpenImage> {
        match &mut self.get_mut(id)?.state {
            State::Open(image) => Some(image),
            _ => None,
        }
    }

    /// The shown image.
    pub fn shown(&self) -> Option<&OpenImage> {
        match &self.current()?.state {
            State::Open(image) => Some(image),
            _ => None,
        }
    }

    pub fn shown_mut(&mut self) -> Option<&mut OpenImage> {
        self.open_mut(self.current?)
    }

    pub fn open_images_mut(&mut self) -> impl Iterator<Item = &mut OpenImage> {
        self.entries.iter_mut().filter_map(|entry| match &mut entry.state {
            State::Open(image) => Some(image.as_mut()),
            _ => None,
        })
    }

    /// Lists files, each once; the first of them, new or known.
    pub fn list(&mut self, paths: Vec<PathBuf>) -> Option<ImageId> {
        let mut first = None;
        for path in paths {
            let known = self.entries.iter().find(|entry| entry.path == path).map(|entry| entry.id);
            let id = known.unwrap_or_else(|| {
                let id = ImageId(self.next_id);
                self.next_id += 1;
                self.entries.push(Entry { id, path, state: State::Listed(None), last_shown: 0 });
                id
            });
            first = first.or(Some(id));
        }
        first
    }

    /// Makes `id` the shown file.
    pub fn show(&mut self, id: ImageId) {
        self.shown_count += 1;
        let count = self.shown_count;
        if let Some(entry) = self.get_mut(id) {
            entry.last_shown = count;
            self.current = Some(id);
        }
    }

    /// The file `steps` after the shown one, not beyond the ends.
    pub fn neighbour(&self, steps: isize) -> Option<ImageId> {
        let now = self.entries.iter().position(|entry| Some(entry.id) == self.current)?;
        let then = now.saturating_add_signed(steps).min(self.entries.len() - 1);
        (then != now).then(|| self.entries[then].id)
    }

    /// Takes a file off the list; what is to be shown instead, if it was the shown one.
    pub fn close(&mut self, id: ImageId) -> Option<ImageId> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        self.entries.remove(index);
        if self.current != Some(id) {
            return None;
        }
        self.current = None;
        self.entries.get(index.min(self.entries.len().saturating_sub(1))).map(|entry| entry.id)
    }

    /// Takes images out of memory until few enough are in it, the ones not shown for longest first.
    pub fn make_room(&mut self) {
        loop {
            let open = |entry: &&mut Entry| matches!(entry.state, State::Open(_));
            if self.entries.iter_mut().filter(open).count() <= OPEN_AT_MOST {
                return;
            }
            let Some(oldest) = self.entries.iter_mut().filter(open).min_by_key(|entry| entry.last_shown) else {
                return;
            };
            if let State::Open(image) = std::mem::replace(&mut oldest.state, State::Listed(None)) {
                oldest.state = State::Listed(Some(Box::new(image.session.into_results())));
            }
        }
    }
}
