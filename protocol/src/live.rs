//! The messages of `GET /v1/live`. JSON texts both ways; log contents come as binary frames ([`crate::log`]).
//! Must not know how messages travel.

use serde::{Deserialize, Serialize};

use crate::annotation::AnnotationsPage;
use crate::artifact::ArtifactsPage;
use crate::cases::{CaseFilter, TestsPage};
use crate::glance::{BuildResult, NodeView, RepositoryView};
use crate::id::{AttemptId, BuildNumber};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::view::{BuildRow, BuildView, DeliveryView, Outcome, Pause, QueueView, Status};

/// A subscription's number, chosen by the client, unique within its connection.
pub type Sub = u32;

/// What a client may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Ask to be told of `topic` from now on. `after` is the last sequence number seen of the same topic on an earlier
    /// connection: what is finished and did not change since is not sent again. An existing `sub` is replaced.
    Subscribe {
        sub: Sub,
        topic: Topic,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Has no answer; what is under way may still come.
    Unsubscribe { sub: Sub },
    /// Answered by exactly one `response` or `refused` with the same `id`.
    Request { id: u64, request: Request },
    /// A message this side does not know; ignored.
    #[serde(other)]
    Unknown,
}

/// What can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// A window of the list of builds, newest first: [`ServerMessage::Builds`].
    Builds {
        #[serde(default)]
        filter: BuildFilter,
        #[serde(default)]
        offset: u64,
        /// At most 500.
        limit: u32,
    },
    /// One build, whole, at each change: [`ServerMessage::Build`].
    Build { number: BuildNumber },
    /// A window of the tests of one build: [`ServerMessage::Tests`].
    Tests {
        number: BuildNumber,
        #[serde(default)]
        filter: CaseFilter,
        #[serde(default)]
        offset: u64,
        /// At most 500.
        limit: u32,
    },
    /// What runs and what waits: [`ServerMessage::Queue`].
    Queue,
    /// A window of lines of one log: [`ServerMessage::LogHead`] and binary frames of lines. Replace the subscription to
    /// move the window. `after` is meaningless here: the window says what is wanted. Ends by itself when a head with
    /// `finished` and the window's lines are sent.
    Log { log: AttemptId, window: LogWindow },
    /// The log's bytes in order from byte `from` to its end, none left out: binary frames of bytes, then, when the log is
    /// finished and sent, [`ServerMessage::LogHead`] with `finished`.
    LogBytes {
        log: AttemptId,
        #[serde(default)]
        from: u64,
    },
    /// Some lines of one log: [`ServerMessage::LogHead`], binary frames of lines, and [`ServerMessage::LogRows`]. Replace
    /// the subscription to move the window. Ends by itself as `log` does.
    LogView { log: AttemptId, view: LogView, window: ViewWindow },
    /// The bytes of one line from its byte `from` on, as far as it is written, at most 1 MiB: binary frames of bytes, whose
    /// offsets count from the line's beginning, then [`ServerMessage::LogHead`]. Ends by itself.
    LogLine {
        log: AttemptId,
        line: u64,
        #[serde(default)]
        from: u64,
    },
    #[serde(other)]
    Unknown,
}

/// The lines that a client shows: at most 10,000, more are cut. A mode that the daemon does not know is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode")]
pub enum LogWindow {
    /// Lines `first .. first + count`, as far as they exist, and those of them that come later.
    Range { first: u64, count: u32 },
    /// The last `count` lines, whatever they are at each moment. Lines may be skipped when they come faster than they can
    /// be sent; the line numbers tell.
    Tail { count: u32 },
}

/// Which lines of a log are kept. Without anything: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogView {
    /// Only lines that match, as in [`Request::SearchLog`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Only those that do not match.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub invert: bool,
    /// So many lines before and after each of them too; at most 100.
    #[serde(skip_serializing_if = "is_zero")]
    pub context: u32,
    /// Steps that are folded, by their index: none of the lines from where one began to where the next did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<u16>,
}

/// The part of a view that a client shows: at most 2,000 of the lines that are kept, more are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode")]
pub enum ViewWindow {
    /// The last `above` kept lines before `line`, and the first `below` from it on, those that come later included.
    Around { line: u64, above: u32, below: u32 },
    /// The last `count` kept lines, whatever they are at each moment. Lines may be skipped when they come faster than they
    /// can be sent: [`ServerMessage::LogRows`] tells.
    Tail { count: u32 },
}

/// Consecutive lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRun {
    pub first: u64,
    pub count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Which builds. Empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildFilter {
    /// Full name, `owner/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Words that must all occur, without regard to case, in number, repository, branch, title, author or sha. The first
    /// three count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What can be asked for once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Builds {
        #[serde(default)]
        filter: BuildFilter,
        #[serde(default)]
        offset: u64,
        /// At most 500.
        limit: u32,
    },
    Build {
        number: BuildNumber,
    },
    Deliveries {
        /// At most 500.
        limit: u32,
    },
    /// Stop what waits or runs. Without `job`: the whole build. `force`, or asking a
    /// second time, kills at once instead of after the grace.
    Cancel {
        build: BuildNumber,
        #[serde(default)]
        job: Option<String>,
        #[serde(default)]
        force: bool,
    },
    Retry {
        build: BuildNumber,
        what: RetryWhat,
        /// Not the same commit, but the newest of its branch, tag or pull request, as a new build of everything.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        head: bool,
    },
    /// Begin nothing new: of one repository, or at all. What runs goes on. Survives a restart of the daemon.
    Pause {
        #[serde(default)]
        repository: Option<String>,
        #[serde(default)]
        reason: Option<String>,
    },
    /// The end of a pause.
    Resume {
        #[serde(default)]
        repository: Option<String>,
    },
    /// Line numbers whose text matches `pattern` (a regular expression; case is ignored when it has no capital letter),
    /// from line `from` on, upwards when `backwards`. At most `limit` (<= 10,000).
    SearchLog {
        log: AttemptId,
        pattern: String,
        #[serde(default)]
        from: u64,
        #[serde(default)]
        backwards: bool,
        limit: u32,
    },
    /// The last lines of a log that match `pattern` and stand close together, with what stands between them: at most
    /// `lines` (<= 100), the last ones.
    Excerpt {
        log: AttemptId,
        pattern: String,
        lines: u32,
    },
    /// The newest results of a repository, or of one of its refs.
    Results {
        repository: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
        /// At most 100.
        limit: u32,
    },
    /// Every repository that is listed by its full name or ever built, with its newest results.
    Repositories {
        /// Of each repository. At most 100.
        results: u32,
    },
    /// The machines that jobs run on.
    Nodes,
    /// A window of the tests of one build.
    Tests {
        number: BuildNumber,
        #[serde(default)]
        filter: CaseFilter,
        #[serde(default)]
        offset: u64,
        /// At most 500.
        limit: u32,
    },
    /// A window of the files that jobs of a build left: those of the newest attempt of each job, or of one attempt.
    Artifacts {
        number: BuildNumber,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        /// Of `job`; without: its newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        #[serde(default)]
        offset: u64,
        /// At most 500.
        limit: u32,
    },
    /// The bytes of one of these files from byte `from` on, at most `limit` (<= 1 MiB).
    ReadArtifact {
        attempt: AttemptId,
        /// [`crate::artifact::ArtifactView::number`].
        artifact: u32,
        from: u64,
        limit: u32,
    },
    /// A window of what tools say about the source of a build: of the newest attempt of each job.
    Annotations {
        number: BuildNumber,
        #[serde(default)]
        offset: u64,
        /// At most 500.
        limit: u32,
    },
    /// Work on a stored delivery once more, as a new one: a build of the same event.
    Replay {
        delivery: String,
    },
    /// How many lines match `pattern`, as for `search_log`, in each of so many equal parts of the log (at most 500).
    MapLog {
        log: AttemptId,
        pattern: String,
        buckets: u32,
    },
    #[serde(other)]
    Unknown,
}

/// What a retry runs again. Jobs that wait or run keep the attempt they have. A word that the daemon does not know is
/// refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum RetryWhat {
    /// Every job that did not pass, and what was skipped because of it.
    Failed,
    /// One job and what depends on it.
    Job {
        job: String,
    },
    /// These jobs and what was skipped because of them, nothing else: what takes a cancel back.
    Jobs {
        jobs: Vec<String>,
    },
    Everything,
}

/// What the daemon may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The first message of every connection.
    Hello(Hello),
    /// The window's rows are `order`, newest first. `changed` holds those that the client has not seen in their present
    /// state; all others it has. The first message after `subscribe` without `after` holds all.
    Builds {
        sub: Sub,
        /// What `after` takes on the next connection. Rows may be newer than it says, never older.
        seq: u64,
        /// How many builds the filter lets through; 0 also when `offset` lies beyond the last.
        total: u64,
        offset: u64,
        order: Vec<BuildNumber>,
        changed: Vec<BuildRow>,
    },
    Build {
        sub: Sub,
        seq: u64,
        build: Box<BuildView>,
    },
    Queue {
        sub: Sub,
        queue: QueueView,
    },
    Tests {
        sub: Sub,
        tests: TestsPage,
    },
    LogHead {
        sub: Sub,
        head: LogHead,
    },
    /// Of the lines `from .. to` a view keeps exactly those of `runs`, as things are now. The lines themselves were sent
    /// before. Replaces what was said of the same lines; what lies between these and all that was said before was skipped.
    LogRows {
        sub: Sub,
        from: u64,
        to: u64,
        runs: Vec<LineRun>,
    },
    Response {
        id: u64,
        response: Response,
    },
    /// A request was not carried out.
    Refused {
        id: u64,
        refusal: Refusal,
    },
    /// A subscription ended, or could not begin. The client may subscribe again.
    Ended {
        sub: Sub,
        refusal: Refusal,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::PROTOCOL_VERSION`] of the daemon.
    pub protocol: u32,
    /// The daemon's version.
    pub version: String,
    /// Changes at each start of the daemon.
    pub instance: String,
    /// Names of optional abilities; none are needed to speak version 1.
    pub capabilities: Vec<String>,
    /// What this connection may do.
    pub role: Role,
    /// The daemon's clock, so that durations can be shown although the clocks differ.
    pub now: Timestamp,
    /// The address that GitHub has to post webhooks to, as far as the daemon knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

/// What a connection may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

/// The end of a log as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// Lines, an unterminated last one included.
    pub lines: u64,
    pub bytes: u64,
    /// Grows with every change of the log.
    pub seq: u64,
    /// Nothing comes any more.
    pub finished: bool,
    /// Where each step that began writes from, in order.
    pub steps: Vec<StepMark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepMark {
    pub step: u16,
    pub name: String,
    pub first_line: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    Builds {
        total: u64,
        builds: Vec<BuildView>,
    },
    Build {
        build: Box<BuildView>,
    },
    Deliveries {
        deliveries: Vec<DeliveryView>,
    },
    /// Which jobs are being stopped (`stopping`), which of those are killed at once, for somebody said so or asked twice
    /// (`killing`), and which waited and are cancelled already.
    Cancel {
        stopping: Vec<String>,
        #[serde(default)]
        killing: Vec<String>,
        cancelled: Vec<String>,
    },
    /// The attempts that a retry made. None for a build that could not be planned (commit not to be had, spec broken): its
    /// commit is read again, and a new build follows.
    Retry {
        attempts: Vec<AttemptId>,
        /// With `head`: the delivery that the new build will come of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<String>,
    },
    /// What is paused now.
    Pauses {
        pauses: Vec<Pause>,
    },
    /// Line numbers in the order asked for. `next`: the search ended early; the line to go on from.
    Matches {
        lines: Vec<u64>,
        #[serde(default)]
        next: Option<u64>,
    },
    /// The newest first.
    Results {
        results: Vec<BuildResult>,
    },
    /// By name. `total`: how many there are, though no more than 500 are told.
    Repositories {
        repositories: Vec<RepositoryView>,
        #[serde(default)]
        total: u64,
    },
    Nodes {
        nodes: Vec<NodeView>,
    },
    Tests {
        tests: TestsPage,
    },
    Artifacts {
        artifacts: ArtifactsPage,
    },
    /// In Base64. Fewer than asked for only at the end of the file; none beyond it.
    Artifact {
        bytes: String,
    },
    Annotations {
        annotations: AnnotationsPage,
    },
    /// The new delivery: ask `deliveries` for what came of it.
    Replay {
        delivery: String,
    },
    /// Consecutive lines; none when no line matches.
    Excerpt {
        lines: Vec<ExcerptLine>,
    },
    /// How many of the log's `lines` match: of its `buckets` parts, part `n` begins at line `n * lines / buckets`. Lines
    /// from `looked` on were not looked at: the log is too long.
    LogMap {
        lines: u64,
        looked: u64,
        counts: Vec<u64>,
    },
    #[serde(other)]
    Unknown,
}

/// A line of a log by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcerptLine {
    /// Counted from 0.
    pub number: u64,
    /// What is no UTF-8 in it is U+FFFD. Cut at 2,000 bytes.
    pub text: String,
}
