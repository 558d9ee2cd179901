//! A value of every variant of every wire type. A variant without one does not compile: the match that finds a value's
//! name and the list of values are made from the same table.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use windlass_protocol::annotation::Level;
use windlass_protocol::cases::{CaseFilter, CaseKind, CaseOutcome};
use windlass_protocol::id::{AttemptId, JobId};
use windlass_protocol::live::{
    BuildFilter, ClientMessage, ExcerptLine, Hello, LineRun, LogHead, LogView, LogWindow, Request, Response, RetryWhat,
    Role, ServerMessage, StepMark, Topic, ViewWindow,
};
use windlass_protocol::problem::Problem;
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::view::{DeliveryState, Outcome, Status, WaitingFor};

use crate::views::{build_row, build_view, delivery, moment, pauses, queue};
use crate::{frames, views};

/// Parses a text and compares it with the sample's value; says what is wrong otherwise.
pub(crate) type ComesBack = Box<dyn Fn(&str) -> Result<(), String>>;

/// One golden file.
pub(crate) struct Sample {
    /// The type's name.
    pub(crate) of: &'static str,
    /// The word that the wire carries for the variant; empty for types without variants.
    pub(crate) variant: &'static str,
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) comes_back: ComesBack,
}

/// Samples of an enum. Each line is a variant's pattern, its word, and its values, with what their files' names end in.
macro_rules! variants {
    ($all:ident, $of:ident, { $($pattern:pat => $variant:literal [$($ending:literal $value:expr),+ $(,)?]),+ $(,)? }) => {
        fn $all(samples: &mut Vec<Sample>) {
            fn name(value: &$of) -> &'static str {
                match value { $($pattern => $variant),+ }
            }
            $($(
                let value = $value;
                assert_eq!(name(&value), $variant, "a sample stands in another variant's line");
                samples.push(json(stringify!($of), $variant, $ending, value));
            )+)+
        }
    };
}

/// Of a type without variants.
pub(crate) fn record<T>(of: &'static str, ending: &str, value: T) -> Sample
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    json(of, "", ending, value)
}

pub(crate) fn all() -> Vec<Sample> {
    let mut samples = Vec::new();
    client_messages(&mut samples);
    topics(&mut samples);
    log_windows(&mut samples);
    view_windows(&mut samples);
    requests(&mut samples);
    retries(&mut samples);
    server_messages(&mut samples);
    responses(&mut samples);
    roles(&mut samples);
    refusal_codes(&mut samples);
    statuses(&mut samples);
    outcomes(&mut samples);
    levels(&mut samples);
    case_outcomes(&mut samples);
    case_kinds(&mut samples);
    delivery_states(&mut samples);
    reasons_to_wait(&mut samples);
    samples.push(record("BuildFilter", "", BuildFilter::default()));
    samples.push(record("BuildFilter", "everything", full_filter()));
    samples.push(record("Hello", "", hello()));
    samples.push(record("LogHead", "", log_head()));
    samples.push(record("LogView", "", LogView::default()));
    samples.push(record("LogView", "everything", log_view()));
    samples.push(record("Refusal", "", refusal()));
    samples.push(record("AttemptId", "", attempt()));
    samples.push(record("JobId", "", JobId { build: 42, job: "test (3.13)".into() }));
    samples.push(record("Problem", "", problem(Some("did you mean `image`?".into()))));
    samples.push(record("Problem", "without_hint", problem(None)));
    samples.extend(views::records());
    samples.extend(frames::samples());
    samples
}

variants!(client_messages, ClientMessage, {
    ClientMessage::Subscribe { .. } => "subscribe" [
        "" ClientMessage::Subscribe { sub: 1, topic: Topic::Queue, after: None },
        "after" ClientMessage::Subscribe { sub: 2, topic: Topic::Build { number: 42 }, after: Some(1_207) },
    ],
    ClientMessage::Unsubscribe { .. } => "unsubscribe" ["" ClientMessage::Unsubscribe { sub: 1 }],
    ClientMessage::Request { .. } => "request" [
        "" ClientMessage::Request { id: 7, request: Request::Build { number: 42 } },
    ],
    ClientMessage::Unknown => "unknown" ["" ClientMessage::Unknown],
});

variants!(topics, Topic, {
    Topic::Builds { .. } => "builds" [
        "" Topic::Builds { filter: BuildFilter::default(), offset: 0, limit: 50 },
        "filter" Topic::Builds { filter: full_filter(), offset: 100, limit: 500 },
    ],
    Topic::Build { .. } => "build" ["" Topic::Build { number: 42 }],
    Topic::Tests { .. } => "tests" [
        "" Topic::Tests { number: 42, filter: CaseFilter::default(), offset: 0, limit: 100 },
        "filter" Topic::Tests { number: 42, filter: case_filter(), offset: 200, limit: 500 },
    ],
    Topic::Queue => "queue" ["" Topic::Queue],
    Topic::Log { .. } => "log" [
        "" Topic::Log { log: attempt(), window: LogWindow::Tail { count: 40 } },
        "range" Topic::Log { log: attempt(), window: LogWindow::Range { first: 1_000, count: 40 } },
    ],
    Topic::LogBytes { .. } => "log_bytes" ["" Topic::LogBytes { log: attempt(), from: 65_536 }],
    Topic::LogView { .. } => "log_view" [
        "" Topic::LogView { log: attempt(), view: LogView::default(), window: ViewWindow::Tail { count: 40 } },
        "everything" Topic::LogView { log: attempt(), view: log_view(), window: around() },
    ],
    Topic::LogLine { .. } => "log_line" ["" Topic::LogLine { log: attempt(), line: 17, from: 16_384 }],
    Topic::Unknown => "unknown" ["" Topic::Unknown],
});

variants!(log_windows, LogWindow, {
    LogWindow::Range { .. } => "range" ["" LogWindow::Range { first: 1_000, count: 40 }],
    LogWindow::Tail { .. } => "tail" ["" LogWindow::Tail { count: 40 }],
});

variants!(view_windows, ViewWindow, {
    ViewWindow::Around { .. } => "around" ["" around()],
    ViewWindow::Tail { .. } => "tail" ["" ViewWindow::Tail { count: 40 }],
});

variants!(requests, Request, {
    Request::Builds { .. } => "builds" ["" Request::Builds { filter: full_filter(), offset: 0, limit: 20 }],
    Request::Build { .. } => "build" ["" Request::Build { number: 42 }],
    Request::Deliveries { .. } => "deliveries" ["" Request::Deliveries { limit: 50 }],
    Request::Cancel { .. } => "cancel" [
        "" Request::Cancel { build: 42, job: None, force: false },
        "job" Request::Cancel { build: 42, job: Some("test (3.13)".into()), force: true },
    ],
    Request::Retry { .. } => "retry" [
        "" Request::Retry { build: 42, what: RetryWhat::Failed, head: false },
        "head" Request::Retry { build: 42, what: RetryWhat::Everything, head: true },
    ],
    Request::Pause { .. } => "pause" [
        "" Request::Pause { repository: None, reason: None },
        "repository" Request::Pause { repository: Some("acme/app".into()), reason: Some("the registry moves".into()) },
    ],
    Request::Resume { .. } => "resume" [
        "" Request::Resume { repository: None },
        "repository" Request::Resume { repository: Some("acme/app".into()) },
    ],
    Request::SearchLog { .. } => "search_log" [
        "" Request::SearchLog {
            log: attempt(),
            pattern: r"error|FAILED \d+".into(),
            from: 1_000,
            backwards: true,
            limit: 100,
        },
    ],
    Request::Results { .. } => "results" [
        "" Request::Results { repository: "acme/app".into(), r#ref: None, limit: 40 },
        "ref" Request::Results { repository: "acme/app".into(), r#ref: Some("refs/heads/main".into()), limit: 40 },
    ],
    Request::Repositories { .. } => "repositories" ["" Request::Repositories { results: 40 }],
    Request::Nodes => "nodes" ["" Request::Nodes],
    Request::Tests { .. } => "tests" [
        "" Request::Tests { number: 42, filter: case_filter(), offset: 0, limit: 500 },
    ],
    Request::Artifacts { .. } => "artifacts" [
        "" Request::Artifacts { number: 42, job: None, attempt: None, offset: 0, limit: 500 },
        "attempt" Request::Artifacts { number: 42, job: Some("lint".into()), attempt: Some(1), offset: 500, limit: 500 },
    ],
    Request::ReadArtifact { .. } => "read_artifact" [
        "" Request::ReadArtifact { attempt: attempt(), artifact: 2, from: 1_048_576, limit: 1_048_576 },
    ],
    Request::Annotations { .. } => "annotations" ["" Request::Annotations { number: 42, offset: 0, limit: 500 }],
    Request::Replay { .. } => "replay" [
        "" Request::Replay { delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958".into() },
    ],
    Request::Excerpt { .. } => "excerpt" [
        "" Request::Excerpt { log: attempt(), pattern: "error".into(), lines: 12 },
    ],
    Request::MapLog { .. } => "map_log" [
        "" Request::MapLog { log: attempt(), pattern: "error".into(), buckets: 40 },
    ],
    Request::Unknown => "unknown" ["" Request::Unknown],
});

variants!(retries, RetryWhat, {
    RetryWhat::Failed => "failed" ["" RetryWhat::Failed],
    RetryWhat::Job { .. } => "job" ["" RetryWhat::Job { job: "test (3.13)".into() }],
    RetryWhat::Jobs { .. } => "jobs" ["" RetryWhat::Jobs { jobs: vec!["lint".into(), "test (3.13)".into()] }],
    RetryWhat::Everything => "everything" ["" RetryWhat::Everything],
});

variants!(server_messages, ServerMessage, {
    ServerMessage::Hello(_) => "hello" ["" ServerMessage::Hello(hello())],
    ServerMessage::Builds { .. } => "builds" [
        "" ServerMessage::Builds {
            sub: 1,
            seq: 1_207,
            total: 42,
            offset: 0,
            order: vec![42, 41, 40],
            changed: vec![build_row()],
        },
        "nothing" ServerMessage::Builds { sub: 1, seq: 0, total: 0, offset: 0, order: vec![], changed: vec![] },
    ],
    ServerMessage::Build { .. } => "build" [
        "" ServerMessage::Build { sub: 2, seq: 1_207, build: Box::new(build_view()) },
    ],
    ServerMessage::Queue { .. } => "queue" ["" ServerMessage::Queue { sub: 3, queue: queue() }],
    ServerMessage::Tests { .. } => "tests" ["" ServerMessage::Tests { sub: 5, tests: views::tests_page() }],
    ServerMessage::LogHead { .. } => "log_head" ["" ServerMessage::LogHead { sub: 4, head: log_head() }],
    ServerMessage::LogRows { .. } => "log_rows" [
        "" ServerMessage::LogRows {
            sub: 4,
            from: 1_000,
            to: 1_042,
            runs: vec![LineRun { first: 1_003, count: 7 }, LineRun { first: 1_040, count: 1 }],
        },
    ],
    ServerMessage::Response { .. } => "response" [
        "" ServerMessage::Response { id: 7, response: Response::Matches { lines: vec![], next: None } },
    ],
    ServerMessage::Refused { .. } => "refused" ["" ServerMessage::Refused { id: 8, refusal: refusal() }],
    ServerMessage::Ended { .. } => "ended" [
        "" ServerMessage::Ended { sub: 2, refusal: Refusal::new(RefusalCode::NotFound, "there is no build 43") },
    ],
    ServerMessage::Unknown => "unknown" ["" ServerMessage::Unknown],
});

variants!(responses, Response, {
    Response::Builds { .. } => "builds" ["" Response::Builds { total: 42, builds: vec![build_view()] }],
    Response::Build { .. } => "build" ["" Response::Build { build: Box::new(build_view()) }],
    Response::Deliveries { .. } => "deliveries" ["" Response::Deliveries { deliveries: vec![delivery()] }],
    Response::Cancel { .. } => "cancel" [
        "" Response::Cancel { stopping: vec!["test (3.13)".into()], killing: vec!["test (3.13)".into()], cancelled: vec!["deploy".into()] },
    ],
    Response::Retry { .. } => "retry" [
        "" Response::Retry { attempts: vec![attempt()], delivery: None },
        "head" Response::Retry { attempts: vec![], delivery: Some("retry-9f86d081884c7d65".into()) },
    ],
    Response::Pauses { .. } => "pauses" ["" Response::Pauses { pauses: pauses() }],
    Response::Matches { .. } => "matches" ["" Response::Matches { lines: vec![998, 17], next: Some(16) }],
    Response::Results { .. } => "results" ["" Response::Results { results: views::results() }],
    Response::Repositories { .. } => "repositories" [
        "" Response::Repositories { repositories: vec![views::repository()], total: 1 },
    ],
    Response::Nodes { .. } => "nodes" ["" Response::Nodes { nodes: vec![views::node()] }],
    Response::Tests { .. } => "tests" ["" Response::Tests { tests: views::tests_page() }],
    Response::Artifacts { .. } => "artifacts" ["" Response::Artifacts { artifacts: views::artifacts_page() }],
    Response::Artifact { .. } => "artifact" ["" Response::Artifact { bytes: "aGVsbG8K".into() }],
    Response::Annotations { .. } => "annotations" [
        "" Response::Annotations { annotations: views::annotations_page() },
    ],
    Response::Replay { .. } => "replay" ["" Response::Replay { delivery: "replay-9f86d081884c7d65".into() }],
    Response::Excerpt { .. } => "excerpt" [
        "" Response::Excerpt {
            lines: vec![
                ExcerptLine { number: 1_040, text: "E   assert 1 == 2".into() },
                ExcerptLine { number: 1_041, text: "1 failed".into() },
            ],
        },
    ],
    Response::LogMap { .. } => "log_map" [
        "" Response::LogMap { lines: 1_042, looked: 1_042, counts: vec![0, 17, 0, 1] },
    ],
    Response::Unknown => "unknown" ["" Response::Unknown],
});

variants!(roles, Role, {
    Role::Viewer => "viewer" ["" Role::Viewer],
    Role::Operator => "operator" ["" Role::Operator],
    Role::Admin => "admin" ["" Role::Admin],
});

variants!(refusal_codes, RefusalCode, {
    RefusalCode::NotFound => "not_found" ["" RefusalCode::NotFound],
    RefusalCode::Forbidden => "forbidden" ["" RefusalCode::Forbidden],
    RefusalCode::Conflict => "conflict" ["" RefusalCode::Conflict],
    RefusalCode::Invalid => "invalid" ["" RefusalCode::Invalid],
    RefusalCode::Unsupported => "unsupported" ["" RefusalCode::Unsupported],
    RefusalCode::Unavailable => "unavailable" ["" RefusalCode::Unavailable],
    RefusalCode::Internal => "internal" ["" RefusalCode::Internal],
    RefusalCode::Unknown => "unknown" ["" RefusalCode::Unknown],
});

variants!(statuses, Status, {
    Status::Waiting => "waiting" ["" Status::Waiting],
    Status::Running => "running" ["" Status::Running],
    Status::Finished => "finished" ["" Status::Finished],
});

variants!(outcomes, Outcome, {
    Outcome::Passed => "passed" ["" Outcome::Passed],
    Outcome::Failed => "failed" ["" Outcome::Failed],
    Outcome::TimedOut => "timed_out" ["" Outcome::TimedOut],
    Outcome::Cancelled => "cancelled" ["" Outcome::Cancelled],
    Outcome::OutOfMemory => "out_of_memory" ["" Outcome::OutOfMemory],
    Outcome::Lost => "lost" ["" Outcome::Lost],
    Outcome::Broken => "broken" ["" Outcome::Broken],
    Outcome::Skipped => "skipped" ["" Outcome::Skipped],
});

variants!(levels, Level, {
    Level::Error => "error" ["" Level::Error],
    Level::Warning => "warning" ["" Level::Warning],
    Level::Note => "note" ["" Level::Note],
});

variants!(case_outcomes, CaseOutcome, {
    CaseOutcome::Failed => "failed" ["" CaseOutcome::Failed],
    CaseOutcome::Error => "error" ["" CaseOutcome::Error],
    CaseOutcome::Passed => "passed" ["" CaseOutcome::Passed],
    CaseOutcome::Skipped => "skipped" ["" CaseOutcome::Skipped],
});

variants!(case_kinds, CaseKind, {
    CaseKind::Failed => "failed" ["" CaseKind::Failed],
    CaseKind::New => "new" ["" CaseKind::New],
    CaseKind::Flaky => "flaky" ["" CaseKind::Flaky],
    CaseKind::Skipped => "skipped" ["" CaseKind::Skipped],
    CaseKind::Passed => "passed" ["" CaseKind::Passed],
});

variants!(delivery_states, DeliveryState, {
    DeliveryState::Accepted => "accepted" ["" DeliveryState::Accepted],
    DeliveryState::Ignored => "ignored" ["" DeliveryState::Ignored],
    DeliveryState::Duplicate => "duplicate" ["" DeliveryState::Duplicate],
});

variants!(reasons_to_wait, WaitingFor, {
    WaitingFor::Jobs { .. } => "jobs" ["" WaitingFor::Jobs { jobs: vec!["lint".into(), "test (3.13)".into()] }],
    WaitingFor::Capacity { .. } => "capacity" ["" WaitingFor::Capacity { position: 3, running: 2, limit: 2 }],
    WaitingFor::Scheduler => "scheduler" ["" WaitingFor::Scheduler],
    WaitingFor::Engine { .. } => "engine" ["" WaitingFor::Engine { engine: "docker".into() }],
    WaitingFor::Pull { .. } => "pull" [
        "" WaitingFor::Pull {
            image: "python:3.13".into(),
            layers_done: 2,
            layers: 7,
            bytes: 31_000_000,
            total_bytes: 98_000_000,
        },
    ],
    WaitingFor::Group { .. } => "group" ["" WaitingFor::Group { group: "pull request 7".into(), held_by: 41 }],
    WaitingFor::Paused { .. } => "paused" [
        "" WaitingFor::Paused { repository: None, by: "ann's laptop".into(), since: moment(40_000), reason: None },
        "repository" WaitingFor::Paused {
            repository: Some("acme/app".into()),
            by: "local".into(),
            since: moment(50_000),
            reason: Some("the registry moves".into()),
        },
    ],
    WaitingFor::BackOff { .. } => "back_off" [
        "" WaitingFor::BackOff { until: moment(95_000), why: "the engine went away before the first step".into() },
    ],
    WaitingFor::EngineAway { .. } => "engine_away" [
        "" WaitingFor::EngineAway {
            engine: "docker".into(),
            since: moment(70_000),
            why: "nothing listens at /var/run/docker.sock".into(),
        },
    ],
    WaitingFor::Room { .. } => "room" ["" WaitingFor::Room { free_bytes: 12_000_000, wanted_bytes: 268_435_456 }],
    WaitingFor::Unknown => "unknown" ["" WaitingFor::Unknown],
});

fn json<T>(of: &'static str, variant: &'static str, ending: &str, value: T) -> Sample
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    let mut text = serde_json::to_string_pretty(&value).expect("wire types always serialise");
    text.push('\n');
    let comes_back = move |text: &str| {
        let parsed: T = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if parsed == value { Ok(()) } else { Err(format!("parsed to {parsed:?} instead of {value:?}")) }
    };
    Sample { of, variant, file: file(of, variant, ending, "json"), text, comes_back: Box::new(comes_back) }
}

/// `ClientMessage`, `subscribe`, `after` -> `client_message.subscribe.after.json`.
pub(crate) fn file(of: &str, variant: &str, ending: &str, kind: &str) -> String {
    let mut name = String::new();
    for letter in of.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    for part in [variant, ending, kind] {
        if !part.is_empty() {
            name.push('.');
            name.push_str(part);
        }
    }
    name
}

fn attempt() -> AttemptId {
    AttemptId { build: 42, job: "test (3.13)".into(), attempt: 2 }
}

fn case_filter() -> CaseFilter {
    CaseFilter { text: Some("parser overflow".into()), only: Some(CaseKind::New) }
}

fn full_filter() -> BuildFilter {
    BuildFilter {
        repository: Some("acme/app".into()),
        branch: Some("main".into()),
        event: Some("push".into()),
        author: Some("ann".into()),
        status: Some(Status::Finished),
        outcome: Some(Outcome::Failed),
        text: Some("parser overflow".into()),
    }
}

fn hello() -> Hello {
    Hello {
        protocol: 1,
        version: "0.1.0".into(),
        instance: "9f86d081884c7d65".into(),
        capabilities: vec!["log_search".into()],
        role: Role::Operator,
        now: moment(90_000),
        webhook: Some("https://ci.example.org/webhooks/github".into()),
    }
}

fn log_view() -> LogView {
    LogView { pattern: Some("error|warning".into()), invert: true, context: 3, folded: vec![0, 2] }
}

fn around() -> ViewWindow {
    ViewWindow::Around { line: 1_000, above: 20, below: 40 }
}

fn log_head() -> LogHead {
    LogHead {
        lines: 1_042,
        bytes: 81_920,
        seq: 81_920,
        finished: false,
        steps: vec![
            StepMark { step: 0, name: "install".into(), first_line: 1 },
            StepMark { step: 1, name: "pytest".into(), first_line: 203 },
        ],
    }
}

fn refusal() -> Refusal {
    Refusal::new(RefusalCode::Conflict, "build 42 is finished: there is nothing to cancel")
}

fn problem(hint: Option<String>) -> Problem {
    Problem {
        file: ".windlass.yml".into(),
        line: 12,
        column: 3,
        message: "unknown key `imge`".into(),
        text: "  imge: python:3.13".into(),
        hint,
    }
}
