//! Models that answer by a script, for tests of what surrounds them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mammoscope::findings::ModelIdentity;
use mammoscope::inference::Models;
use mammoscope::pipeline::{Cancel, Detector, NetDetection, SCALES, Segmenter};
use mammoscope::raster::{ProbabilityMap, Raster};
use mammoscope::space::{NetRect, NetSize};
use mammoscope::worker::ModelFactory;

/// A box as parts of the image's width and height, found by the `scales` largest scales with confidence 0.9: Ms is a fifth
/// of that number.
#[derive(Clone, Copy)]
pub struct Box {
    pub rect: [f32; 4],
    pub scales: usize,
}

/// Three boxes apart from each other: Ms 1.0, 0.8 and 0.2.
pub const BOXES: [Box; 3] = [
    Box { rect: [0.30, 0.30, 0.45, 0.42], scales: 5 },
    Box { rect: [0.20, 0.60, 0.32, 0.70], scales: 4 },
    Box { rect: [0.50, 0.62, 0.60, 0.70], scales: 1 },
];

/// What the models do, and what they have been asked.
#[derive(Clone, Default)]
pub struct Script {
    /// How long a scale and a patch take.
    pub delay: Duration,
    pub scales_run: Arc<AtomicUsize>,
    pub patches_run: Arc<AtomicUsize>,
    /// The next detection panics.
    pub panics: Arc<AtomicBool>,
    /// The next detection fails.
    pub fails: Arc<AtomicBool>,
    /// At the largest scale another box, of confidence 0.61, overlaps the first.
    pub overlapping: bool,
    /// The models cannot be loaded.
    pub unloadable: bool,
}

impl Script {
    pub fn slow(milliseconds: u64) -> Self {
        Self { delay: Duration::from_millis(milliseconds), ..Self::default() }
    }

    pub fn factory(&self) -> ModelFactory {
        let script = self.clone();
        std::boxed::Box::new(move || {
            anyhow::ensure!(!script.unloadable, "The detector's weights are damaged.");
            Ok(Models {
                detector: std::boxed::Box::new(script.clone()),
                segmenter: std::boxed::Box::new(script),
                device: "scripted device".into(),
                notice: None,
            })
        })
    }

    /// Takes its time, as a network would, and heeds the flag as one must.
    fn wait(&self, cancel: &Cancel) -> anyhow::Result<()> {
        let until = Instant::now() + self.delay;
        while Instant::now() < until {
            cancel.check()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(cancel.check()?)
    }
}

fn identity(name: &str) -> ModelIdentity {
    ModelIdentity { name: name.into(), sha256: "0123456789abcdef".repeat(4) }
}

impl Detector for Script {
    fn detect(&mut self, input: &Raster<f32>, _: f32, cancel: &Cancel) -> anyhow::Result<Vec<NetDetection>> {
        self.scales_run.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics.swap(false, Ordering::Relaxed), "a defect");
        anyhow::ensure!(!self.fails.swap(false, Ordering::Relaxed), "The network's output is not a number.");
        self.wait(cancel)?;
        let size = NetSize::new(input.width(), input.height());
        let scale = SCALES.iter().position(|known| *known == size).expect("one of the five sizes");
        let (w, h) = (input.width() as f32, input.height() as f32);
        let detection = |[x0, y0, x1, y1]: [f32; 4], confidence| NetDetection {
            rect: NetRect { x0: x0 * w, y0: y0 * h, x1: x1 * w, y1: y1 * h },
            confidence,
        };
        let found = BOXES.iter().filter(|b| scale + b.scales >= SCALES.len()).map(|b| detection(b.rect, 0.9));
        let overlapping =
            (self.overlapping && scale + 1 == SCALES.len()).then(|| detection([0.4, 0.38, 0.6, 0.5], 0.61));
        Ok(found.chain(overlapping).collect())
    }

    fn identity(&self) -> ModelIdentity {
        identity("scripted detector")
    }
}

impl Segmenter for Script {
    /// A disc in the middle of each patch.
    fn segment(&mut self, patches: &[Raster<f32>], _: usize, cancel: &Cancel) -> anyhow::Result<Vec<ProbabilityMap>> {
        self.patches_run.fetch_add(patches.len(), Ordering::Relaxed);
        self.wait(cancel)?;
        let disc = |patch: &Raster<f32>| {
            let (w, h) = (patch.width() as f32, patch.height() as f32);
            ProbabilityMap::from_fn(patch.width(), patch.height(), |x, y| {
                let d = (x as f32 + 0.5 - w / 2.0).hypot(y as f32 + 0.5 - h / 2.0) / w;
                (1.0 - (d - 0.28) * 20.0).clamp(0.0, 1.0) * 0.98
            })
        };
        Ok(patches.iter().map(disc).collect())
    }

    fn identity(&self) -> ModelIdentity {
        identity("scripted segmenter")
    }
}

/// Pixels of [`write_image`].
pub const WIDTH: usize = 400;
pub const HEIGHT: usize = 500;

/// A small breast of smooth shades, hung on the left, as a 16-bit PNG in `folder`.
pub fn write_image(folder: &Path, name: &str) -> PathBuf {
    let shade = |x: u32, y: u32| {
        let (u, v) = (x as f32 / (0.85 * WIDTH as f32), (y as f32 / HEIGHT as f32 - 0.5) / 0.48);
        let depth = (1.0 - u * u - v * v).max(0.0);
        image::Luma([((depth.sqrt() * 8.0).round() * 7000.0) as u16])
    };
    let path = folder.join(name);
    image::ImageBuffer::from_fn(WIDTH as u32, HEIGHT as u32, shade).save(&path).expect("a writable folder");
    path
}

/// A mask of discs in the first and the third of [`BOXES`].
pub fn write_truth(folder: &Path, name: &str) -> PathBuf {
    let inside = |b: &Box, x: u32, y: u32| {
        let [x0, y0, x1, y1] = b.rect;
        let (w, h) = (WIDTH as f32, HEIGHT as f32);
        let (cx, cy, r) = ((x0 + x1) / 2.0 * w, (y0 + y1) / 2.0 * h, (x1 - x0) * w * 0.46);
        (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy) < r
    };
    let lesions = [BOXES[0], BOXES[2]];
    let value = |x, y| image::Luma([if lesions.iter().any(|b| inside(b, x, y)) { 255u8 } else { 0 }]);
    let path = folder.join(name);
    image::ImageBuffer::from_fn(WIDTH as u32, HEIGHT as u32, value).save(&path).expect("a writable folder");
    path
}
