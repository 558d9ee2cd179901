#![doc = include_str!("../README.md")]
//!
//! Speaks `windlass-protocol` and nothing else: this crate must not know how the daemon works.

// Text from elsewhere, and words for what the wire says.
pub mod safe_text; // the one door for text from elsewhere
pub mod filter; // what is typed to find builds
mod waiting; // why something waits, in words
mod teller; // what happens to a job, each thing once
mod annotated; // what tools say about the source, in words
mod tested; // results of tests in words
mod left; // files that jobs left, in words
mod words; // states, durations and names in words

mod config; // client.toml

// The connection: sockets, back-off, resume.
pub mod link;
mod fetch; // files that jobs left, brought here

// The terminal client, in the order an event takes through it.
mod app; // the only loop
pub mod keymap; // every key, in one table
pub mod state; // what the client knows, and how that changes

pub mod screens; // what is painted, from the state
pub mod theme; // what a tone looks like
pub mod widgets; // things that can be painted: plain values in, cells out

mod plain; // the same without a screen
mod voice; // what changed, in sentences
mod recording; // a run of the client in a file
mod replay; // and seen again
mod kept; // what is found again the next time
mod notify; // a bell, a desktop notification
mod handover; // a log for another program
mod fetching; // files of jobs for who is at the client
mod hangup; // a terminal that goes away
mod signals; // what ends, stops or wakes the client
mod terminal; // taken over and given back
mod failpoint; // where tests make the client panic

// The command line.
mod commands; // one file per subcommand
mod exit; // exit codes and faults

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs `windlass` with these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    commands::run(args).into()
}
