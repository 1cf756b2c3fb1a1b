//! Mammoscope: a desktop viewer for the second reading of full mammograms.
//!
//! It opens a mammogram, finds masses with YOLOv3 at five scales, fuses the scales into one confidence map Ms, thresholds
//! that map with the operating point λ, outlines each candidate with a VGG-19 U-Net++ and draws all of it over the
//! native-resolution image. Research use, not for diagnosis.
//!
//! ```text
//! path ─study::open→ Study ─detect, five scales→ detections per scale ─fuse→ FusedMask
//!   ─candidates(λ)→ Vec<Candidate> ─segment→ ProbabilityMap ─outline→ Finding ─Update→ Session → render, annotation, export
//! ```
//!
//! # Invariants
//! A test reads the sources and holds the first four.
//! 1. `ui/` and `render/` never name candle. Only `inference/` does.
//! 2. `study/ pipeline/ inference/ session/ annotation/ evaluation/ export/` never name egui, eframe or wgpu.
//! 3. The `cuda` feature is named in `Cargo.toml` and `inference/device.rs` alone.
//! 4. Network coordinates stay in `pipeline/` and `inference/`; screen points stay in `ui/` and `render/`. What is stored is
//!    in image pixels. Millimetres exist only when the spacing is known.
//! 5. The pipeline is a function of image, parameters and models: no globals, no files.
//! 6. The UI thread does no file access or inference and waits on no lock.
//! 7. No patient data in logs or error texts; file names count as patient data.
//! 8. Opened files are never written. What is written appears whole or not at all (temporary file, sync, rename).

// In reading order: the vocabulary, then the flow from a file to findings, then what shows and stores them.
pub mod findings;
pub mod marks;
pub mod random;
pub mod raster;
pub mod resources;
pub mod space;

pub mod study;

pub mod pipeline;

pub mod inference;

pub mod annotation;
pub mod evaluation;
pub mod session;

pub mod export;

pub mod phantom;

pub mod worker;

pub mod render;
pub mod ui;

pub mod cli;

/// Shown wherever results are shown or written.
pub const RESEARCH_USE: &str = "research use, not for diagnosis";

/// The program's version, as written into results.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
