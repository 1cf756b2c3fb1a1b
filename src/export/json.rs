//! The findings as JSON, the same as `mammoscope read` writes.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::{ExportError, ExportView, Exporter};
use crate::session::Session;

pub const FINDINGS: Exporter = Exporter { name: "Findings, JSON", extension: "json", encode };

fn encode(session: &Session, _view: &ExportView, file: &mut BufWriter<&File>) -> Result<(), ExportError> {
    if session.reading().is_none() {
        return Err(ExportError("There are no findings yet: analyse the image first.".into()));
    }
    let mut serializer = Serializer::with_formatter(&mut *file, Lines::default());
    session.report().serialize(&mut serializer).map_err(io::Error::from)?;
    writeln!(file)?;
    Ok(())
}

/// A line for each value of an object; arrays run on, as a point of a contour does not deserve four lines.
#[derive(Default)]
struct Lines {
    depth: usize,
    /// Whether the object that ends has had a value.
    filled: bool,
}

impl Lines {
    fn start_line<W: Write + ?Sized>(&self, writer: &mut W) -> io::Result<()> {
        write!(writer, "\n{:1$}", "", 2 * self.depth)
    }
}

impl Formatter for Lines {
    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.start_line(writer)?;
        }
        self.filled = true;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.filled = true;
        self.start_line(writer)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}
