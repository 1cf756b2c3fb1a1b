//! The window.

pub mod viewport;

use std::path::PathBuf;

use crate::inference::ModelOptions;

/// Opens the window on `inputs` (the demonstration case when empty) and runs until it is closed.
pub fn run(_inputs: Vec<PathBuf>, _options: ModelOptions) -> anyhow::Result<()> {
    todo!()
}
