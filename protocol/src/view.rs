//! What a person may see: builds, jobs, attempts, steps, deliveries, the queue. Must not know how any of it is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::annotation::AnnotationCounts;
use crate::artifact::ArtifactCounts;
use crate::cases::{TestCounts, TestsSummary};
use crate::id::{BuildNumber, JobId};
use crate::time::Timestamp;

/// Where a build, job, attempt or step stands. How it ended is its [`Outcome`]. Both sets of words are closed: a client that
/// meets another word refuses the whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Waiting,
    Running,
    Finished,
}

/// How something ended, and thereby whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    /// A step ended with an exit code other than zero, or by a signal.
    Failed,
    TimedOut,
    Cancelled,
    OutOfMemory,
    /// The node or the engine went away: nobody knows how it would have ended.
    Lost,
    /// It could not be run at all: image missing, spec invalid, engine refused.
    Broken,
    Skipped,
}

impl Outcome {
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::OutOfMemory,
        Self::Lost,
        Self::Broken,
        Self::Skipped,
    ];

    /// The word that JSON carries.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::OutOfMemory => "out_of_memory",
            Self::Lost => "lost",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
        }
    }

    /// The outcome that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "timed out",
            Self::OutOfMemory => "out of memory",
            other => other.word(),
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Finished => "finished",
        })
    }
}

/// Why a job does not run yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WaitingFor {
    /// Jobs of the same build that have to pass first; in the queue those of them that are in it too.
    Jobs { jobs: Vec<String> },
    /// Every slot is taken: `position` 1 is next.
    Capacity { position: u64, running: u64, limit: u64 },
    /// A slot is free and this job is next: it starts in a moment.
    Scheduler,
    /// Claimed; the engine prepares it (image, container).
    Engine { engine: String },
    /// Its image is being pulled. `total_bytes` grows while layers become known.
    Pull { image: String, layers_done: u32, layers: u32, bytes: u64, total_bytes: u64 },
    /// Another build of its concurrency group has its turn.
    Group { group: String, held_by: BuildNumber },
    /// Somebody paused the queue (no `repository`) or its repository.
    Paused { repository: Option<String>, by: String, since: Timestamp, reason: Option<String> },
    /// Tried again by itself, not before `until`; why the attempt before ended.
    BackOff { until: Timestamp, why: String },
    /// The engine it needs does not answer.
    EngineAway { engine: String, since: Timestamp, why: String },
    /// There is too little room on the daemon's disk: nothing new is begun until there is.
    Room { free_bytes: u64, wanted_bytes: u64 },
    /// A reason that this side does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jobs { jobs } => write!(f, "needs {}", jobs.join(", ")),
            Self::Capacity { position, running, limit } => {
                write!(f, "position {position} in the queue: {running} of {limit} slots taken")
            }
            Self::Scheduler => f.write_str("next to start"),
            Self::Engine { engine } => write!(f, "being prepared by {engine}"),
            Self::Pull { image, layers_done, layers, bytes, total_bytes } => {
                write!(
                    f,
                    "pulling {image}: {layers_done} of {layers} layers, {} of {} MB",
                    bytes / 1_000_000,
                    total_bytes / 1_000_000
                )
            }
            Self::Group { group, held_by } => write!(f, "#{held_by} has the turn of group {group}"),
            Self::Paused { repository, by, reason, .. } => {
                match repository {
                    Some(repository) => write!(f, "{repository} is paused by {by}")?,
                    None => write!(f, "the queue is paused by {by}")?,
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::BackOff { until, why } => write!(f, "tried again at {until}: {why}"),
            Self::EngineAway { engine, since, why } => write!(f, "{engine} does not answer since {since}: {why}"),
            Self::Room { free_bytes, wanted_bytes } => {
                write!(
                    f,
                    "too little room on the disk: {} MB free, {} MB wanted",
                    free_bytes / 1_000_000,
                    wanted_bytes / 1_000_000
                )
            }
            Self::Unknown => f.write_str("a reason this client does not know"),
        }
    }
}

/// A build as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRow {
    pub number: BuildNumber,
    /// The sequence number of the last change to this build.
    pub seq: u64,
    pub repository: String,
    pub event: String,
    pub r#ref: String,
    pub branch: Option<String>,
    pub pull_request: Option<u64>,
    pub sha: String,
    /// First line of the head commit's message, or the pull request's title.
    pub title: String,
    pub author: String,
    pub status: Status,
    pub outcome: Option<Outcome>,
    /// One sentence on how it ended, or why it waits.
    pub reason: Option<String>,
    pub cancelling: bool,
    /// What a person asked of it, and who: `asked to stop by ada`, `retried by grace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    pub jobs: Vec<JobSummary>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// A job as a list's row shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSummary {
    pub name: String,
    pub status: Status,
    pub outcome: Option<Outcome>,
}

/// One build, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildView {
    #[serde(flatten)]
    pub build: BuildHead,
    pub jobs: Vec<JobView>,
    /// Its tests; missing where no job has reports, and in lists of builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestsSummary>,
    /// What tools say about its source, failing tests included; missing where nobody says anything, and in lists of builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<AnnotationCounts>,
}

/// What a build is, without its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildHead {
    pub number: BuildNumber,
    pub seq: u64,
    pub repository: String,
    pub event: String,
    pub action: Option<String>,
    pub r#ref: String,
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub base_branch: Option<String>,
    pub pull_request: Option<u64>,
    pub sha: String,
    pub title: String,
    pub author: String,
    pub delivery: Option<String>,
    pub status: Status,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// A job with all its attempts, oldest first. Its status and outcome are those of the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    pub name: String,
    pub needs: Vec<String>,
    pub image: Option<String>,
    pub status: Status,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    pub waiting_for: Option<WaitingFor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    pub attempts: Vec<AttemptView>,
}

/// From the history of a job, as far as there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// When it will probably start; only of what waits.
    pub starts_at: Option<Timestamp>,
    /// How long it usually takes: the median of its last passed attempts.
    pub takes_ms: Option<u64>,
}

/// Somebody wants nothing new to be begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// `None`: the whole queue.
    pub repository: Option<String>,
    pub by: String,
    pub since: Timestamp,
    pub reason: Option<String>,
}

/// One try at a job. Once finished it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    pub number: u32,
    pub status: Status,
    pub outcome: Option<Outcome>,
    /// One sentence on how it ended and what to do.
    pub reason: Option<String>,
    /// The exit code of the step that decided, where there is one.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub engine: Option<String>,
    pub node: Option<String>,
    /// Why there is this attempt, of all but the first: who asked for it, or that it is tried again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The image that it really ran, as the engine names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub cancelling: Option<Cancelling>,
    pub steps: Vec<StepView>,
    pub log: LogSummary,
    /// What its reports say of its tests, once it ended; missing where its job has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestCounts>,
    /// What tools say about its source, once it ended; missing where nobody says anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<AnnotationCounts>,
    /// What it left to be kept, once it ended; missing where its job keeps nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<ArtifactCounts>,
}

/// A cancel that was asked for and is not through yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelling {
    pub by: String,
    pub since: Timestamp,
    /// When the grace ends and everything left is killed.
    pub kill_at: Timestamp,
    pub force: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    pub name: String,
    pub status: Status,
    pub outcome: Option<Outcome>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The first line of this step's output in the attempt's log, counted from 0.
    pub first_line: Option<u64>,
    /// Of `finally`: run whatever became of the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
}

/// How much log there is. `sha256` (hex) is known once the attempt is finished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSummary {
    pub lines: u64,
    pub bytes: u64,
    pub sha256: Option<String>,
    /// Bytes of the steps that the cap on logs left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A webhook that was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    pub delivery: String,
    pub event: String,
    pub action: Option<String>,
    pub repository: Option<String>,
    pub received_at: Timestamp,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub builds: Vec<BuildNumber>,
    /// Why it cannot be worked on once more; `None`: it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_replay: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Durable; a build comes of it, or came.
    Accepted,
    /// Understood, and nothing to do; the reason says why.
    Ignored,
    /// Seen before: only in [`DeliveryAnswer`], a list has each delivery once.
    Duplicate,
}

/// The answer to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAnswer {
    pub delivery: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
}

/// The daemon at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    pub running: u64,
    pub waiting: u64,
    pub blocked: u64,
    /// Concurrent jobs.
    pub limit: u64,
    /// What runs, oldest first, then what waits, in the order in which it will start.
    pub jobs: Vec<QueuedJob>,
    /// The engine jobs go to by default, or what is wrong with it.
    pub engine: EngineView,
    /// What is paused: the whole queue first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedJob {
    pub id: JobId,
    pub attempt: u32,
    pub repository: String,
    pub branch: Option<String>,
    pub title: String,
    pub status: Status,
    pub waiting_for: Option<WaitingFor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    pub cancelling: bool,
    /// The step that runs.
    pub step: Option<String>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineView {
    /// `docker` or `local`.
    pub kind: String,
    pub version: Option<String>,
    /// What is wrong with it, in one sentence; `None` when all is well.
    pub trouble: Option<String>,
}
