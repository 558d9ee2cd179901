//! Samples of what messages carry: a build that waits, runs and has been tried before, its row, the queue, deliveries.

use windlass_protocol::annotation::{AnnotationCounts, AnnotationView, AnnotationsPage, Level};
use windlass_protocol::artifact::{ArtifactCounts, ArtifactView, ArtifactsPage};
use windlass_protocol::cases::{CaseOutcome, CaseView, TestCounts, TestsPage, TestsSummary};
use windlass_protocol::glance::{BuildResult, Disk, Machine, NodeJob, NodeView, PriorityView, RepositoryView};
use windlass_protocol::id::JobId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{
    AttemptView, BuildHead, BuildRow, BuildView, Cancelling, DeliveryAnswer, DeliveryState, DeliveryView, EngineView,
    Estimate, JobSummary, JobView, LogSummary, Outcome, Pause, QueueView, QueuedJob, Status, StepView, WaitingFor,
};

use crate::samples::{Sample, record};

const SHA: &str = "2f1c9e0d7b6a5948372615a4b3c2d1e0f9a8b7c6";

/// So many milliseconds after a day in November.
pub(crate) fn moment(after: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + after)
}

pub(crate) fn records() -> Vec<Sample> {
    vec![
        record("BuildRow", "", build_row()),
        record("BuildView", "", build_view()),
        record("DeliveryView", "", delivery()),
        record("DeliveryAnswer", "", delivery_answer()),
        record("QueueView", "", queue()),
        record("BuildResult", "", results().remove(1)),
        record("RepositoryView", "", repository()),
        record("NodeView", "", node()),
        record("TestsPage", "", tests_page()),
        record("ArtifactsPage", "", artifacts_page()),
        record("AnnotationsPage", "", annotations_page()),
        record("EngineView", "", EngineView { kind: "docker".into(), version: Some("27.1.1".into()), trouble: None }),
    ]
}

pub(crate) fn build_row() -> BuildRow {
    BuildRow {
        number: 42,
        seq: 1_207,
        repository: "acme/app".into(),
        event: "push".into(),
        r#ref: "refs/heads/main".into(),
        branch: Some("main".into()),
        pull_request: None,
        sha: SHA.into(),
        title: "parser: refuse numbers that overflow".into(),
        author: "ann".into(),
        status: Status::Running,
        outcome: None,
        reason: None,
        cancelling: false,
        because: Some("retried by ada".into()),
        jobs: vec![
            JobSummary { name: "lint".into(), status: Status::Finished, outcome: Some(Outcome::Passed) },
            JobSummary { name: "test (3.13)".into(), status: Status::Running, outcome: None },
        ],
        created_at: moment(0),
        started_at: Some(moment(1_500)),
        finished_at: None,
    }
}

/// A pull request's build: `lint` passed, `test (3.13)` is tried again and being cancelled, `deploy` waits.
pub(crate) fn build_view() -> BuildView {
    BuildView {
        build: BuildHead {
            number: 42,
            seq: 1_207,
            repository: "acme/app".into(),
            event: "pull_request".into(),
            action: Some("synchronize".into()),
            r#ref: "refs/pull/7/head".into(),
            branch: Some("overflow".into()),
            tag: None,
            base_branch: Some("main".into()),
            pull_request: Some(7),
            sha: SHA.into(),
            title: "parser: refuse numbers that overflow".into(),
            author: "ann".into(),
            delivery: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
            status: Status::Running,
            outcome: None,
            reason: None,
            created_at: moment(0),
            started_at: Some(moment(1_500)),
            finished_at: None,
        },
        jobs: vec![passed_job(), running_job(), waiting_job()],
        tests: Some(summary()),
        annotations: Some(annotations_page().counts),
    }
}

pub(crate) fn delivery() -> DeliveryView {
    DeliveryView {
        delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958".into(),
        event: "pull_request".into(),
        action: Some("synchronize".into()),
        repository: Some("acme/app".into()),
        received_at: moment(0),
        state: DeliveryState::Accepted,
        reason: None,
        builds: vec![42],
        no_replay: None,
    }
}

pub(crate) fn results() -> Vec<BuildResult> {
    vec![
        BuildResult { number: 42, status: Status::Running, outcome: None, took_ms: None, created_at: moment(0) },
        BuildResult {
            number: 41,
            status: Status::Finished,
            outcome: Some(Outcome::Passed),
            took_ms: Some(61_000),
            created_at: moment(-90_000),
        },
    ]
}

pub(crate) fn repository() -> RepositoryView {
    RepositoryView {
        name: "acme/app".into(),
        listed: true,
        engine: Some("docker".into()),
        priority: PriorityView { push: 5, pull_request: 0 },
        pause: pauses().pop(),
        results: results(),
        judged: 1,
        passed: 1,
        median_ms: Some(61_000),
        p95_ms: Some(61_000),
    }
}

pub(crate) fn node() -> NodeView {
    NodeView {
        name: "builder-1".into(),
        engine: EngineView { kind: "docker".into(), version: Some("27.1.1".into()), trouble: None },
        answered_at: moment(90_000),
        slots: 2,
        jobs: vec![NodeJob {
            id: JobId { build: 42, job: "test (3.13)".into() },
            attempt: 2,
            repository: "acme/app".into(),
            title: "parser: refuse numbers that overflow".into(),
            step: Some("pytest".into()),
            started_at: Some(moment(61_000)),
        }],
        machine: Some(Machine {
            cpus: 8,
            load_milli: 1_520,
            memory_bytes: 16_777_216_000,
            memory_free_bytes: 9_000_000_000,
        }),
        disk: Some(Disk { free_bytes: 120_000_000_000, total_bytes: 500_000_000_000, wanted_bytes: 268_435_456 }),
    }
}

pub(crate) fn delivery_answer() -> DeliveryAnswer {
    DeliveryAnswer {
        delivery: "0b989ba4-242f-11e5-81e1-c7b6966d2516".into(),
        state: DeliveryState::Duplicate,
        reason: Some("seen before as delivery 72d3162e-cc78-11e3-81ab-4c9367dc0958".into()),
    }
}

pub(crate) fn queue() -> QueueView {
    QueueView {
        running: 1,
        waiting: 1,
        blocked: 0,
        limit: 1,
        jobs: vec![
            QueuedJob {
                id: JobId { build: 42, job: "test (3.13)".into() },
                attempt: 2,
                repository: "acme/app".into(),
                branch: Some("overflow".into()),
                title: "parser: refuse numbers that overflow".into(),
                status: Status::Running,
                waiting_for: None,
                estimate: None,
                cancelling: true,
                step: Some("pytest".into()),
                queued_at: moment(60_000),
                started_at: Some(moment(61_000)),
            },
            QueuedJob {
                id: JobId { build: 43, job: "main".into() },
                attempt: 1,
                repository: "acme/site".into(),
                branch: None,
                title: "v2.0".into(),
                status: Status::Waiting,
                waiting_for: Some(WaitingFor::Capacity { position: 1, running: 1, limit: 1 }),
                estimate: Some(Estimate { starts_at: Some(moment(120_000)), takes_ms: Some(45_000) }),
                cancelling: false,
                step: None,
                queued_at: moment(80_000),
                started_at: None,
            },
        ],
        engine: EngineView { kind: "docker".into(), version: None, trouble: Some("the engine does not answer".into()) },
        pauses: pauses(),
    }
}

pub(crate) fn pauses() -> Vec<Pause> {
    vec![
        Pause { repository: None, by: "ann's laptop".into(), since: moment(40_000), reason: None },
        Pause {
            repository: Some("acme/app".into()),
            by: "local".into(),
            since: moment(50_000),
            reason: Some("the registry moves".into()),
        },
    ]
}

fn passed_job() -> JobView {
    let log = LogSummary { lines: 12, bytes: 640, sha256: Some("e3b0c44298fc1c14".repeat(4)), dropped_bytes: 0 };
    let step = step("cargo fmt --check", Status::Finished, Some(Outcome::Passed), Some(1_600));
    let attempt = AttemptView { log, steps: vec![step], ..attempt(1, Outcome::Passed) };
    JobView {
        name: "lint".into(),
        needs: vec![],
        image: Some("rust:1.95".into()),
        status: Status::Finished,
        outcome: Some(Outcome::Passed),
        reason: None,
        waiting_for: None,
        estimate: None,
        attempts: vec![attempt],
    }
}

fn running_job() -> JobView {
    let first = AttemptView {
        reason: Some("step \"pytest\" ended with exit code 1".into()),
        exit_code: Some(1),
        log: LogSummary { lines: 900, bytes: 70_000, sha256: Some("2c26b46b68ffc68f".repeat(4)), dropped_bytes: 5_000 },
        tests: Some(TestCounts {
            passed: 1_204,
            failed: 2,
            errors: 1,
            skipped: 3,
            duration_ms: 61_500,
            troubles: troubles(),
        }),
        annotations: Some(counted()),
        artifacts: Some(ArtifactCounts {
            files: 2,
            bytes: 1_264_511,
            troubles: vec!["dist/*.deb: no such file was written".into()],
            removed_at: None,
        }),
        ..attempt(1, Outcome::Failed)
    };
    let second = AttemptView {
        number: 2,
        because: Some("asked for by ann's laptop".into()),
        image_digest: Some(format!("sha256:{}", "9f86d081884c7d65".repeat(4))),
        status: Status::Running,
        outcome: None,
        queued_at: moment(60_000),
        started_at: Some(moment(61_000)),
        finished_at: None,
        cancelling: Some(Cancelling {
            by: "ann's laptop".into(),
            since: moment(88_000),
            kill_at: moment(98_000),
            force: false,
        }),
        steps: vec![
            step("install", Status::Finished, Some(Outcome::Passed), Some(61_100)),
            step("pytest", Status::Running, None, Some(70_000)),
            step("report", Status::Waiting, None, None),
            StepView { finally: true, ..step("ls -l", Status::Waiting, None, None) },
        ],
        log: LogSummary { lines: 1_042, bytes: 81_920, sha256: None, dropped_bytes: 0 },
        ..attempt(2, Outcome::Passed)
    };
    JobView {
        name: "test (3.13)".into(),
        needs: vec!["lint".into()],
        image: Some("python:3.13".into()),
        status: Status::Running,
        outcome: None,
        reason: None,
        waiting_for: None,
        estimate: Some(Estimate { starts_at: None, takes_ms: Some(28_500) }),
        attempts: vec![first, second],
    }
}

fn troubles() -> Vec<String> {
    vec!["slow.xml: left out: it ends in the middle (line 90)".into()]
}

fn summary() -> TestsSummary {
    TestsSummary {
        passed: 1_204,
        failed: 2,
        errors: 1,
        skipped: 3,
        duration_ms: 61_500,
        new: 2,
        flaky: 1,
        base: Some(40),
        base_branch: Some("main".into()),
    }
}

pub(crate) fn tests_page() -> TestsPage {
    let failed = CaseView {
        job: "test (3.13)".into(),
        attempt: 2,
        suite: "tests.test_parser".into(),
        name: "test_overflow[2**64]".into(),
        file: Some("tests/test_parser.py".into()),
        line: Some(17),
        outcome: CaseOutcome::Failed,
        duration_ms: 12,
        message: Some("assert 0 == 18446744073709551616\ntests/test_parser.py:20: AssertionError".into()),
        new: true,
        flaky: true,
        failed_before: 3,
    };
    let passed = CaseView {
        name: "test_small".into(),
        file: None,
        line: None,
        outcome: CaseOutcome::Passed,
        message: None,
        new: false,
        flaky: false,
        failed_before: 0,
        ..failed.clone()
    };
    TestsPage {
        build: 42,
        summary: summary(),
        total: 1_210,
        offset: 0,
        cases: vec![failed, passed],
        troubles: troubles(),
    }
}

pub(crate) fn artifacts_page() -> ArtifactsPage {
    let kept = ArtifactView {
        job: "test (3.13)".into(),
        attempt: 1,
        number: 1,
        path: "dist/app-1.0-py3-none-any.whl".into(),
        bytes: 1_264_500,
        sha256: "4e388ab32b10dc8d".repeat(4),
        removed_at: None,
    };
    let removed = ArtifactView {
        job: "lint".into(),
        number: 2,
        path: "fixed.patch".into(),
        bytes: 11,
        removed_at: Some(moment(95_000)),
        ..kept.clone()
    };
    ArtifactsPage {
        build: 42,
        total: 2,
        bytes: 1_264_511,
        offset: 0,
        artifacts: vec![removed, kept],
        troubles: vec!["test (3.13): dist/*.deb: no such file was written".into()],
    }
}

fn counted() -> AnnotationCounts {
    AnnotationCounts {
        errors: 1,
        warnings: 1,
        notes: 3,
        troubles: vec!["lint.sarif: left out: it ends in the middle (line 1)".into()],
    }
}

pub(crate) fn annotations_page() -> AnnotationsPage {
    let error = AnnotationView {
        job: "test (3.13)".into(),
        attempt: 1,
        level: Level::Error,
        path: Some("src/parser.py".into()),
        line: Some(17),
        column: Some(5),
        end_line: Some(19),
        message: "`int(text)` overflows".into(),
        title: Some("Number too large".into()),
        rule: Some("py/overflow".into()),
        tool: Some("semgrep".into()),
        log_line: Some(118),
        test: true,
    };
    let warning = AnnotationView {
        level: Level::Warning,
        path: None,
        line: None,
        column: None,
        end_line: None,
        message: "no licence".into(),
        title: None,
        rule: None,
        tool: None,
        log_line: None,
        test: false,
        ..error.clone()
    };
    let counts =
        AnnotationCounts { troubles: vec!["test (3.13): lint.sarif: no such file was written".into()], ..counted() };
    AnnotationsPage { build: 42, counts, total: 2, offset: 0, annotations: vec![error, warning] }
}

fn waiting_job() -> JobView {
    let needs = vec!["test (3.13)".to_owned()];
    JobView {
        name: "deploy".into(),
        needs: needs.clone(),
        image: None,
        status: Status::Waiting,
        outcome: None,
        reason: None,
        waiting_for: Some(WaitingFor::Jobs { jobs: needs }),
        estimate: Some(Estimate { starts_at: Some(moment(100_000)), takes_ms: None }),
        attempts: vec![],
    }
}

fn attempt(number: u32, outcome: Outcome) -> AttemptView {
    AttemptView {
        number,
        status: Status::Finished,
        outcome: Some(outcome),
        reason: None,
        exit_code: None,
        signal: None,
        engine: Some("docker".into()),
        node: Some("builder-1".into()),
        because: None,
        image_digest: None,
        queued_at: moment(0),
        started_at: Some(moment(1_500)),
        finished_at: Some(moment(30_000)),
        cancelling: None,
        steps: vec![],
        log: LogSummary::default(),
        tests: None,
        annotations: None,
        artifacts: None,
    }
}

fn step(name: &str, status: Status, outcome: Option<Outcome>, started: Option<i64>) -> StepView {
    StepView {
        name: name.into(),
        status,
        outcome,
        exit_code: outcome.map(|outcome| i32::from(outcome != Outcome::Passed)),
        signal: None,
        started_at: started.map(moment),
        finished_at: started.filter(|_| outcome.is_some()).map(|started| moment(started + 4_000)),
        first_line: started.map(|started| u64::try_from(started / 100).expect("after the epoch")),
        finally: false,
    }
}
