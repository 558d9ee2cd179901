//! What one attempt of a job is to do: made from a checked spec and an event, stored with the job, handed to the engine
//! and, down the runner's standard input, to the runner. Pure data; must not know engines, files or the database.

pub mod feed; // plan and source as they go down a runner's standard input
pub mod graph; // which jobs may run, which are skipped
pub mod queue; // in which order what waits will start, and when
pub mod pattern; // which files of a job's folder are meant
pub mod group; // concurrency groups: their variables, and the default

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use windlass_protocol::id::AttemptId;

pub use self::group::{Facts, concurrency};

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
    /// Run after the steps, whatever became of them, also of a cancelled job; they do not change how it ended. Numbered
    /// on from `steps`.
    #[serde(default)]
    pub finally: Vec<StepPlan>,
    /// For all of `finally` together, on top of the job's own limit.
    #[serde(default = "finally_timeout_ms")]
    pub finally_timeout_ms: u64,
    #[serde(default)]
    pub pull: Pull,
    #[serde(default)]
    pub retry: Retry,
    #[serde(default, skip_serializing_if = "Reports::is_empty")]
    pub reports: Reports,
    /// Files that are kept as they are: paths below the job's folder, or patterns of them; see [`pattern`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
}

/// No report is longer: such a file is refused as a whole.
pub const MOST_REPORT: u64 = 16 << 20;
/// All reports of one kind of an attempt together.
pub const MOST_REPORT_BYTES: u64 = 64 << 20;
/// So many files of one kind does an attempt leave.
pub const MOST_FILES: usize = 2_000;

/// What handing over the reports of one kind may take.
pub const REPORTS_TIMEOUT: Duration = Duration::from_mins(2);
/// What handing over the artifacts of an attempt may take.
pub const ARTIFACTS_TIMEOUT: Duration = Duration::from_mins(10);

/// Files that a job leaves for people to see what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    /// Results of tests as JUnit's XML: paths below the job's folder, or patterns of them; see [`pattern`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub junit: Vec<String>,
    /// Findings about the source as SARIF, in the same way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sarif: Vec<String>,
}

impl Reports {
    fn is_empty(&self) -> bool {
        self.junit.is_empty() && self.sarif.is_empty()
    }
}

/// What `finally` steps may take together where the spec says nothing.
pub const FINALLY_TIMEOUT_MS: u64 = 5 * 60 * 1000;

fn finally_timeout_ms() -> u64 {
    FINALLY_TIMEOUT_MS
}

/// When an image is asked for at its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// When the engine does not have it.
    #[default]
    Missing,
    /// Before each attempt.
    Always,
    /// Never: an image that is not there is the job's fault.
    Never,
}

/// How often a job is tried again by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// After faults that are not the job's: engine, node, network. `None`: twice, and only while no step had begun.
    pub infrastructure: Option<u32>,
    /// After its own: failed, timed out, out of memory.
    #[serde(default)]
    pub failure: u32,
}

/// Builds of one group run one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The group's name within the repository, its variables filled in.
    pub group: String,
    /// What a newer build does to the group's older ones.
    pub cancel: CancelOlder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelOlder {
    /// Nothing: it waits its turn.
    Never,
    /// Those that wait or run are cancelled.
    Outdated,
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
    /// What all artifacts may have together.
    #[serde(default)]
    pub artifact_bytes: u64,
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
