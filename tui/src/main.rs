//! The `windlass` executable. Must not know anything: the library does.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass_tui::run(std::env::args_os())
}
