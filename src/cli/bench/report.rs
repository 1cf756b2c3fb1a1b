//! What was measured, as a table and as JSON.

use std::fmt::{Display, Formatter, Result};

use serde::Serialize;

use crate::evaluation::metrics::median;

/// All measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub version: &'static str,
    /// The processor's name.
    pub processor: Option<String>,
    /// What ran the networks.
    pub device: String,
    pub threads: usize,
    /// Of all threads of the CPU together, multiplications and additions of operands that are at hand.
    pub peak_gflops: f64,
    /// What was multiplied: "f32", "bf16".
    pub peak_of: &'static str,
    /// Reading both networks' weights.
    pub load_ms: f64,
    pub cases: Vec<Case>,
}

/// The stages of one reading.
#[derive(Debug, Serialize)]
pub struct Case {
    pub name: String,
    /// The image's size, the number of candidates.
    pub about: String,
    /// In the order in which they ran first.
    pub stages: Vec<Stage>,
}

/// A stage, or a sum of stages.
#[derive(Debug, Serialize)]
pub struct Stage {
    pub name: String,
    pub median_ms: f64,
    /// Each run, in order.
    pub runs_ms: Vec<f64>,
    /// Floating-point operations of a run, for a network: those of its convolutions as they are defined. Winograd's method
    /// needs fewer.
    pub operations: Option<f64>,
    /// At the median.
    pub gflops: Option<f64>,
    /// Of [`Report::peak_gflops`]; more than 1 is possible, see `operations`.
    pub share_of_peak: Option<f64>,
}

impl Stage {
    pub fn new(name: String, runs_ms: Vec<f64>, operations: Option<f64>) -> Self {
        let median_ms = median(&runs_ms).unwrap_or(f64::NAN);
        let gflops = operations.map(|operations| operations / median_ms / 1e6);
        Self { name, median_ms, runs_ms, operations, gflops, share_of_peak: None }
    }

    pub fn compare_with(&mut self, peak_gflops: f64) {
        self.share_of_peak = self.gflops.map(|gflops| gflops / peak_gflops);
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let processor = self.processor.as_deref().unwrap_or("unknown processor");
        writeln!(f, "Mammoscope {} on {} ({processor})", self.version, self.device)?;
        writeln!(
            f,
            "Peak of {} thread(s): {:.0} GFLOP/s ({}); models loaded in {:.0} ms",
            self.threads, self.peak_gflops, self.peak_of, self.load_ms
        )?;
        self.cases.iter().try_for_each(|case| write!(f, "\n{case}"))
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "{} ({})", self.name, self.about)?;
        let widest = self.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        writeln!(f, "  {:widest$} {:>10} {:>10} {:>8} {:>8}", "stage", "first ms", "median ms", "GFLOP/s", "of peak")?;
        for Stage { name, median_ms, runs_ms, gflops, share_of_peak, .. } in &self.stages {
            let first = runs_ms.first().copied().unwrap_or(f64::NAN);
            write!(f, "  {name:widest$} {first:>10.2} {median_ms:>10.2}")?;
            match (gflops, share_of_peak) {
                (Some(gflops), Some(share)) => writeln!(f, " {gflops:>8.0} {:>6.0} %", 100.0 * share)?,
                _ => writeln!(f)?,
            }
        }
        Ok(())
    }
}
