#![doc = include_str!("../README.md")]
//!
//! Speaks `windlass-protocol` and nothing else: this crate must not know how the daemon works.

mod app;
mod commands; // the command line, one file per subcommand
mod exit; // exit codes and faults
pub mod link; // the connection: sockets, back-off, resume
pub mod safe_text; // the one door for text from elsewhere
mod words; // states, durations and names in words // the terminal client's only loop

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs `windlass` with these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    commands::run(args).into()
}
