#![doc = include_str!("../README.md")]
//!
//! The modules in the order the data flows. Directions: movers and http → edges → pure; never pure → async, edge → edge,
//! executor → github or http, anything → http (except `daemon`, which builds it all). `tests/tests/tidy` holds them.

// Pure: no tokio, no SQL, no HTTP, no Docker, no clock.
pub mod event; // what happened on the forge, and whether it asks for a build
pub mod spec; // what the repository asks for: .windlass.yml, every problem with line and column
pub mod plan; // what one attempt is to do: handed to engine and runner
pub mod state; // where attempts and builds stand, and what may follow
pub mod frame; // what a runner tells: frames, encoded and decoded
pub mod results; // results of tests: read, kept, compared
pub mod findings; // what tools say about places in the source: read, kept

// Edges: one technology each.
pub mod github; // webhook payloads and signatures
pub mod git; // mirrors, the spec at a commit, clean checkouts
pub mod store; // the database
pub mod artifacts; // files that jobs left to be kept
pub mod logs; // log files: append, index, read any window, search
pub mod engine; // where jobs run: docker, local

// The program inside the container.
pub mod runner;

// Movers: loops that look at the world and fix what is wrong.
pub mod intake; // deliveries -> builds
pub mod scheduler; // waiting -> claimed
pub mod executor; // claimed -> finished
pub mod keeper; // what is old goes

// What the outside sees.
pub mod http;

pub mod backup; // everything in one file, and back
pub mod attempt_dirs; // one folder an attempt
pub mod clock; // the only source of time
pub mod config; // the operator's file
pub mod daemon; // build, run, drain
pub mod data_dir; // held by one process, and who it is
pub mod demo; // `windlassd demo`
pub mod doctor; // what is wrong, and mended
pub mod error_chain; // an error and its causes in one line
pub mod failpoint; // where tests end the daemon
pub mod host; // the machine underneath
pub mod piece; // many small things as one compressed piece
pub mod room; // room on the disk
pub mod secret; // random tokens and their hashes
pub mod shortage; // what this host may lack for a moment
pub mod tasks; // every task is owned
pub mod troubles; // what could not be taken, told once
pub mod wake; // "look again", without payload
