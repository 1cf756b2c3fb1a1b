//! Arguments, logging, start the window or a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The window says itself why it cannot start; what the graphics libraries say of it helps no reader.
    let filter = "warn,eframe=off,egui_wgpu=error,wgpu_core=off,wgpu_hal=off,winit=error";
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
    mammoscope::cli::run(std::env::args_os())
}
