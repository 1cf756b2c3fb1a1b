//! The window.
//!
//! [`App`] owns what is shown; panels take it and push [`commands::Command`]s; [`updates`] takes what the worker says. Nothing
//! here reads files, infers or waits.

mod app;
mod commands;
mod dialogs;
mod files;
mod frame_log;
mod notices;
mod pace;
mod panels;
mod profile;
mod settings;
mod start;
mod theme;
mod updates;
pub mod viewport;

pub use app::{App, Setup};
pub use dialogs::{Picker, Question};
pub use frame_log::FrameLog;
pub use settings::{Settings, SettingsStore, Theme};
pub use start::run;
