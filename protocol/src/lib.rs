#![doc = include_str!("../README.md")]
//!
//! Data only. This crate must not know sockets, files, clocks or terminals; whoever turns domain state into these
//! types is the daemon's `http::view`, whoever shows them is the client.

pub mod annotation; // what tools say about places in the source
pub mod artifact; // files that jobs left to be kept
pub mod cases; // results of tests
pub mod glance; // results, repositories, nodes
pub mod id; // how builds, jobs and attempts are named
pub mod live; // the messages of the live socket
pub mod log; // log lines and log bytes as binary frames
pub mod problem; // what is wrong with a file, and where
pub mod refusal; // why a request was not carried out
pub mod time; // moments, as RFC 3339
pub mod view; // what a person may see of builds, jobs, attempts, deliveries

/// The WebSocket subprotocol that both sides must name.
pub const SUBPROTOCOL: &str = "windlass.v1";

/// The version that `hello` carries. Additions do not raise it; both sides ignore what they do not know, except for the
/// closed sets that the README names.
pub const PROTOCOL_VERSION: u32 = 1;
