//! Arguments, logging, start the window or a subcommand.
fn main() {}
