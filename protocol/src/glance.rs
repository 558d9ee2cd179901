//! Many builds at a glance: results in a row, repositories, the machines that jobs run on. Must not know how any of it is
//! counted.

use serde::{Deserialize, Serialize};

use crate::id::{BuildNumber, JobId};
use crate::time::Timestamp;
use crate::view::{EngineView, Outcome, Pause, Status};

/// A build in a row of many: how it stands, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    pub number: BuildNumber,
    pub status: Status,
    pub outcome: Option<Outcome>,
    /// From its first step to its last, once it ended; `None` also when nothing of it ever ran.
    pub took_ms: Option<u64>,
    pub created_at: Timestamp,
}

/// A repository, and how its builds ended lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryView {
    /// `owner/name`.
    pub name: String,
    /// The configuration lists it: its webhooks are built.
    pub listed: bool,
    /// Where its jobs run: `docker` or `local`.
    pub engine: Option<String>,
    /// What waits with a higher one starts first.
    pub priority: PriorityView,
    /// Its own pause; that of the whole queue stands in the queue.
    pub pause: Option<Pause>,
    /// The newest first, as many as were asked for.
    pub results: Vec<BuildResult>,
    /// Of `results` those that say something of the code: passed, failed, out of time, out of memory.
    pub judged: u64,
    pub passed: u64,
    /// How long those of `results` took that passed.
    pub median_ms: Option<u64>,
    pub p95_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityView {
    pub push: i64,
    pub pull_request: i64,
}

/// A machine that jobs run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// As attempts name it.
    pub name: String,
    pub engine: EngineView,
    /// When its engine answered last; while it does not answer, since when.
    pub answered_at: Timestamp,
    /// Concurrent jobs that it takes.
    pub slots: u64,
    /// What holds its slots, the oldest first.
    pub jobs: Vec<NodeJob>,
    /// What the machine is and how busy, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
}

/// A job that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeJob {
    pub id: JobId,
    pub attempt: u32,
    pub repository: String,
    pub title: String,
    /// The step that runs.
    pub step: Option<String>,
    /// `None`: it is being prepared.
    pub started_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub cpus: u64,
    /// Processes that want to run, over the last minute, in thousandths.
    pub load_milli: u64,
    pub memory_bytes: u64,
    /// Of it what can be had without swapping.
    pub memory_free_bytes: u64,
}

/// The disk of the daemon's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// With less free than this no job begins.
    pub wanted_bytes: u64,
}
