//! What one attempt of a job is to do: made from a checked spec and an event, stored with the job, handed to the engine
//! and, down the runner's standard input, to the runner. Pure data; must not know engines, files or the database.

pub mod feed; // plan and source as they go down a runner's standard input
pub mod graph; // which jobs may run, which are skipped

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use windlass_protocol::id::AttemptId;

/// What a job is to do, as far as the spec says: the same for each attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlan {
    pub name: String,
    /// Names of jobs of the same build that have to pass first.
    pub needs: Vec<String>,
    /// `None`: only possible on the local engine.
    pub image: Option<String>,
    /// What the spec sets; `WINDLASS_*` and `CI` come on top when an attempt is made.
    pub environment: BTreeMap<String, String>,
    pub steps: Vec<StepPlan>,
    /// For all steps together.
    pub timeout_ms: u64,
    pub network: Network,
    pub resources: Resources,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlan {
    pub name: String,
    pub run: Command,
    /// `None`: only the job's own limit.
    pub timeout_ms: Option<u64>,
}

/// What a step executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Text for `sh -eu`.
    Script(String),
    /// A program and its arguments, without a shell; never empty.
    Program(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// A bridge on which containers cannot reach each other.
    Bridge,
    /// None but loopback.
    None,
}

/// What a job asks for; the operator's limits apply where it asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub pids: Option<u64>,
}

/// What one attempt is to do: everything that engine and runner need to know, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptPlan {
    pub id: AttemptId,
    pub job: JobPlan,
    /// The job's environment with `CI` and `WINDLASS_*` on top.
    pub environment: BTreeMap<String, String>,
    /// Between TERM and KILL, when a step times out or the attempt is cancelled.
    pub grace_ms: u64,
    /// Chosen by the engine: how frames leave the runner.
    pub transport: Transport,
    /// Absolute path of the checkout, as the runner sees it. Chosen by the engine.
    pub workspace: String,
    /// Identifies the attempt towards the daemon; nobody else knows it.
    pub token: String,
}

/// How frames leave the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Appended to the file at this path, as the runner sees it.
    File(String),
    /// Coalesced on standard output, at most 16,000 bytes each.
    Stdout,
}

/// Where an attempt's process or container is: enough to find it again after a restart. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// `docker` or `local`.
    pub engine: String,
    /// The machine it runs on.
    pub node: String,
    /// The engine's own name for it: a container's id; for `local` empty until fed, then `pid:start-time`.
    pub handle: String,
}
