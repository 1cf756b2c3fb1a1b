//! Arguments, logging, start the window or a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    mammoscope::cli::run(std::env::args_os())
}
