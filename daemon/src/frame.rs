//! What a runner tells its daemon: frames, the same on every transport. They come out of a container that a stranger
//! controls, so decoding trusts nothing. Pure; must not know transports or where bytes end up.

use serde::{Deserialize, Serialize};

/// One thing a runner tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counted from 1 without gaps.
    pub seq: u64,
    /// Milliseconds since the epoch, by the runner's clock.
    pub at: i64,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The runner has its plan and source; the first step follows.
    Ready,
    StepStarted {
        step: u16,
    },
    /// Bytes exactly as the step's processes wrote them, standard output and standard error in the order they came.
    Output {
        step: u16,
        bytes: Vec<u8>,
    },
    StepEnded {
        step: u16,
        end: StepEnd,
    },
    /// A line of the runner's own for the log: without a line feed.
    Notice {
        text: String,
    },
    /// Nothing follows.
    Finished {
        report: Report,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd {
    pub how: How,
    pub duration_ms: u64,
    /// The kernel killed something in it for memory.
    #[serde(default)]
    pub out_of_memory: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Exited(i32),
    Signalled(i32),
    /// By the step's own limit or the job's.
    TimedOut {
        limit_ms: u64,
        whole_job: bool,
    },
    /// TERM came from the daemon.
    Cancelled,
    /// The program could not be executed: no such file, no shell in the image.
    NotStarted(String),
}

/// The runner's last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The step that decided, and how; `None`: every step passed.
    pub decided_by: Option<(u16, StepEnd)>,
    /// TERM came before the end.
    pub cancelled: bool,
    /// SHA-256 (hex) and length of all `Output` bytes, in order.
    pub output_sha256: String,
    pub output_bytes: u64,
    /// What the container used at most, where it can be known.
    pub peak_memory_bytes: Option<u64>,
}
