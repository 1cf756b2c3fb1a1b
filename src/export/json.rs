//! The findings as JSON, the same as `mammoscope read` writes.

use std::fs::File;
use std::io::{BufWriter, Write};

use super::{ExportError, ExportView, Exporter};
use crate::session::Session;

pub const FINDINGS: Exporter = Exporter { name: "Findings, JSON", extension: "json", encode };

fn encode(session: &Session, _view: &ExportView, file: &mut BufWriter<&File>) -> Result<(), ExportError> {
    if session.reading().is_none() {
        return Err(ExportError("There are no findings yet: analyse the image first.".into()));
    }
    serde_json::to_writer_pretty(&mut *file, &session.report()).map_err(std::io::Error::from)?;
    writeln!(file)?;
    Ok(())
}
