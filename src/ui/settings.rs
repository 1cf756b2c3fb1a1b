//! The reader's settings: plain TOML in the user's configuration folder, versioned, never a reason not to start.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pipeline::DEFAULT_LAMBDA;

/// The version that this program writes.
const VERSION: u32 = 1;
/// Recent files and folders kept.
const RECENT: usize = 12;
/// A screen of 96 dots per inch, until the reader says otherwise.
const SCREEN_PIXEL_MM: f64 = 25.4 / 96.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    #[default]
    Dark,
    Light,
}

/// What the reader can set, with the defaults of a second reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    version: u32,
    pub theme: Theme,
    /// The λ with which an image opens.
    pub lambda: f32,
    /// Analyse an image as soon as it is shown.
    pub analyse_on_open: bool,
    /// Show the marks at once; off for readers who look for themselves first.
    pub marks_on_open: bool,
    /// Right-drag to the right narrows the window and up darkens.
    pub reverse_window_level: bool,
    /// The networks may be computed at reduced precision where the processor is faster at it; from the next start on.
    pub reduced_precision: bool,
    /// Millimetres per physical screen pixel, for true size.
    pub screen_pixel_mm: f64,
    /// Files and folders, the newest first.
    pub recent: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            theme: Theme::Dark,
            lambda: DEFAULT_LAMBDA,
            analyse_on_open: true,
            marks_on_open: true,
            reverse_window_level: false,
            reduced_precision: false,
            screen_pixel_mm: SCREEN_PIXEL_MM,
            recent: Vec::new(),
        }
    }
}

impl Settings {
    /// Puts a file or folder at the head of the recent ones.
    pub fn remember(&mut self, path: &Path) {
        self.recent.retain(|known| known != path);
        self.recent.insert(0, path.to_path_buf());
        self.recent.truncate(RECENT);
    }

    /// Values that a hand or another program could have written and that would harm become their defaults.
    fn sanitised(mut self) -> Self {
        let default = Self::default();
        if !(0.0..=1.0).contains(&self.lambda) {
            self.lambda = default.lambda;
        }
        if !(0.01..=2.0).contains(&self.screen_pixel_mm) {
            self.screen_pixel_mm = default.screen_pixel_mm;
        }
        self.recent.truncate(RECENT);
        self.version = VERSION;
        self
    }
}

/// The settings and where they are kept.
#[derive(Clone, Debug, Default)]
pub struct SettingsStore {
    pub current: Settings,
    /// `None`: they last as long as the window.
    path: Option<PathBuf>,
    /// To be said once to the reader.
    pub notice: Option<String>,
}

impl SettingsStore {
    /// The user's settings.
    pub fn of_user() -> Self {
        match directories::ProjectDirs::from("", "", "mammoscope") {
            Some(folders) => Self::read(folders.config_dir().join("settings.toml")),
            None => Self::default(),
        }
    }

    /// The settings at `path`, or the defaults and a notice. A file from a later version is left as it is.
    pub fn read(path: PathBuf) -> Self {
        let broken = |why: &str, path| Self {
            current: Settings::default(),
            path,
            notice: Some(format!("The settings file {why}; the default settings are used.")),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self { current: Settings::default(), path: Some(path), notice: None };
            }
            Err(_) => return broken("cannot be read", None),
        };
        match toml::from_str::<Settings>(&text) {
            Ok(settings) if settings.version > VERSION => {
                broken("was written by a later version of this program and is left unchanged", None)
            }
            Ok(settings) => Self { current: settings.sanitised(), path: Some(path), notice: None },
            Err(_) => {
                // Kept for whoever wants to mend it; the next change writes a fresh file.
                let kept = std::fs::rename(&path, path.with_extension("broken.toml")).is_ok();
                broken("is damaged", kept.then_some(path))
            }
        }
    }

    /// Where to write what, after a change.
    pub fn to_write(&self) -> Option<(PathBuf, String)> {
        Some((self.path.clone()?, toml::to_string(&self.current).ok()?))
    }
}
