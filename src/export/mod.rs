//! What leaves the program: one file per exporter, and the table of exporters.

use std::path::Path;

use crate::session::Session;

/// An exporter.
pub struct Exporter {
    pub name: &'static str,
    /// Without the dot.
    pub extension: &'static str,
    /// Writes the session to `path`, whole or not at all.
    pub write: fn(session: &Session, path: &Path) -> Result<(), ExportError>,
}

/// Why an export failed: one plain sentence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ExportError(pub String);

/// All exporters.
pub const EXPORTERS: &[Exporter] = &[];
