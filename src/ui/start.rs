//! Starts the window, or says in one sentence why there is none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::app::{App, Setup};
use super::dialogs::system_picker;
use super::frame_log::FrameLog;
use super::settings::SettingsStore;
use crate::inference::{self, ModelOptions, Precision};
use crate::resources;
use crate::worker;

/// Opens the window on `inputs` (the demonstration case when empty) and runs until it is closed.
pub fn run(inputs: Vec<PathBuf>, mut options: ModelOptions) -> anyhow::Result<()> {
    let frame_log = FrameLog::from_environment();
    let settings = SettingsStore::of_user();
    if settings.current.reduced_precision {
        options.precision.get_or_insert(Precision::Reduced);
    }
    let (models, held) = worker::hold(Box::new(move || {
        worker::lower_this_thread();
        inference::load(&options)
    }));
    let setup = Setup {
        inputs,
        models,
        held: Some(held),
        settings,
        picker: system_picker(),
        demonstration: resources::demonstration_case(),
        frame_log,
        is_cleared: true,
    };
    // The first image is opened while the window is made.
    let ctx = egui::Context::default();
    let mut app = App::start(&ctx, setup)?;
    let viewport = egui::ViewportBuilder::default()
        .with_title("Mammoscope")
        .with_app_id("mammoscope")
        .with_icon(icon())
        .with_inner_size([1440.0, 900.0])
        .with_min_inner_size([900.0, 600.0])
        .with_drag_and_drop(true);
    let native = eframe::NativeOptions { viewport, ..Default::default() };
    let started = Arc::new(AtomicBool::new(false));
    let has_started = started.clone();
    let _quiet = QuietPanics::until(started.clone());
    let ran = catch_unwind(AssertUnwindSafe(|| {
        eframe::run_native_ext(
            "mammoscope",
            native,
            Some(ctx),
            Box::new(move |cc| {
                has_started.store(true, Ordering::Relaxed);
                app.attach(cc);
                Ok(Box::new(app))
            }),
        )
    }));
    match ran {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(anyhow::anyhow!(sentence(&error.to_string()))),
        Err(_) if started.load(Ordering::Relaxed) => {
            Err(anyhow::anyhow!("The window stopped on a defect in this program; please report what led to it."))
        }
        Err(panic) => Err(anyhow::anyhow!(sentence(&panic_text(panic.as_ref())))),
    }
}

/// The window's icon, as in packaging.
fn icon() -> egui::IconData {
    // Compiled in; were it damaged, the default would do.
    eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png")).unwrap_or_default()
}

const NO_DISPLAY: &str = "There is no display for the window. Start it on a desktop, or read images without one: mammoscope read FILE --out FOLDER.";

/// The reader's words for why the windowing or graphics libraries did not start.
fn sentence(trouble: &str) -> String {
    let lower = trouble.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["xkbcommon"]) {
        "The library libxkbcommon-x11 is missing. Install it (Debian: apt install libxkbcommon-x11-0) and start again."
            .into()
    } else if has(&["adapter", "vulkan", "surface", "requestdevice", "egl", "graphics"]) {
        "No graphics driver can draw the window: neither Vulkan nor OpenGL works. Install one (Debian: apt install \
         mesa-vulkan-drivers libegl1 libgl1-mesa-dri) and start again."
            .into()
    } else if has(&["libx11", "libxcursor", "libxi", "xlib", "libwayland", "xcb"]) {
        format!(
            "A library of the windowing system is missing ({trouble}). Install it (Debian: apt install libx11-6 libx11-xcb1 \
             libxcursor1 libxi6 libwayland-client0) and start again."
        )
    } else if has(&["display", "compositor", "connection", "notsupported"]) {
        NO_DISPLAY.into()
    } else {
        format!("The window could not be opened: {trouble}.")
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown trouble".into())
}

type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync>;

/// Keeps the panics of libraries that cannot start off the terminal: they are said as a sentence instead. Once the window has
/// started, panics are printed as ever.
struct QuietPanics(Arc<Hook>);

impl QuietPanics {
    fn until(started: Arc<AtomicBool>) -> Self {
        let usual: Arc<Hook> = Arc::new(std::panic::take_hook());
        let hook = usual.clone();
        std::panic::set_hook(Box::new(move |info| {
            if started.load(Ordering::Relaxed) {
                hook(info);
            }
        }));
        Self(usual)
    }
}

impl Drop for QuietPanics {
    fn drop(&mut self) {
        let usual = self.0.clone();
        std::panic::set_hook(Box::new(move |info| usual(info)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_at_the_start_is_one_sentence_that_says_what_to_install() {
        let seen = [
            ("Library libxkbcommon-x11.so could not be loaded.", "libxkbcommon-x11-0"),
            ("WGPU error: Failed to create wgpu adapter, no suitable adapter found.", "mesa-vulkan-drivers"),
            ("CreateSurfaceError: no backend supports the window", "mesa-vulkan-drivers"),
            ("winit EventLoopError: os error at x11/mod.rs: Failed to open connection to X server", "mammoscope read"),
            ("libX11.so.6: cannot open shared object file", "libx11-6"),
        ];
        for (trouble, words) in seen {
            assert!(sentence(trouble).contains(words), "{trouble} → {}", sentence(trouble));
        }
    }
}
