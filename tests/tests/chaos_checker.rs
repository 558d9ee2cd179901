//! The chaos harness finds what it is there to find: daemons that are broken on purpose, and ledgers that were tampered
//! with, each for the right reason.

use std::time::Duration;

use windlass_tests::chaos::{self, Engine, Evidence, Ledger, Options, Promise, Report, Violation};

/// A broken daemon under load, and what has to be found.
#[track_caller]
fn is_caught(sabotage: &'static str, promise: Promise, words: &str) {
    let options =
        Options { sabotage: Some(sabotage), drain: Duration::from_secs(12), ..Options::new(Engine::Local, 5, 20_263) };
    let report = chaos::run(&options, &|_| {});
    assert!(has(&report.violations, promise, words), "{sabotage}: {}\n{:#?}", report.summary(), report.violations);
}

fn has(violations: &[Violation], promise: Promise, words: &str) -> bool {
    violations.iter().any(|violation| violation.promise == promise && violation.what.contains(words))
}

#[test]
fn a_daemon_that_loses_deliveries() {
    is_caught("lose-delivery", Promise::Durable, "was acknowledged and is not there");
}

#[test]
fn a_daemon_that_forgets_ends() {
    is_caught("forget-finish", Promise::Survives, "is not over");
}

#[test]
fn a_daemon_whose_builds_always_pass() {
    is_caught("always-passed", Promise::Truth, "is passed where Fails");
}

#[test]
fn a_daemon_that_loses_bytes_of_logs() {
    is_caught("truncate-log", Promise::ExactLog, "were written");
}

#[test]
fn a_daemon_that_leaves_things_behind() {
    is_caught("leave-behind", Promise::Survives, "left behind");
}

#[test]
fn a_daemon_that_runs_jobs_twice() {
    is_caught("run-twice", Promise::Once, "began 2 times");
}

/// What is done to a good run, and what has to be found then.
type Tampering = (&'static str, fn(&mut Ledger, &mut Evidence), Promise, &'static str);

const TAMPERINGS: [Tampering; 20] = [
    ("a delivery is gone", |_, e| drop(e.deliveries.pop()), Promise::Durable, "was acknowledged and is not there"),
    ("a delivery waits for ever", |_, e| e.deliveries[0].settled_at = None, Promise::Durable, "was never worked on"),
    ("a build is gone", |_, e| drop(e.builds.remove(0)), Promise::Durable, "became builds []"),
    ("a build is there twice", twice, Promise::Durable, "became builds ["),
    ("a build comes of nothing", |_, e| e.builds[0].delivery_id = None, Promise::Durable, "nobody asked for build"),
    (
        "an attempt runs for ever",
        |_, e| e.attempts[0].state = "running".into(),
        Promise::Survives,
        "is not over: running",
    ),
    ("a number is left out", |_, e| e.attempts[0].number += 1, Promise::OneEnd, "is out of order"),
    ("no attempt is current", |_, e| e.attempts[0].current = 0, Promise::OneEnd, "is out of order"),
    ("an end was another one", another_end, Promise::OneEnd, ", and was seen"),
    (
        "an end was taken back",
        |l, _| l.faults.push("1/j0#1: was passed, and later lost".into()),
        Promise::OneEnd,
        "later",
    ),
    ("a step ran twice", |l, _| l.steps.push(l.steps[0].clone()), Promise::Once, "2 times"),
    (
        "a step of nobody ran",
        |l, _| l.steps.push("9999/j0#1 0 begin".into()),
        Promise::Once,
        "there is no such attempt",
    ),
    ("a step did not run", |l, e| forget_a_step(l, e), Promise::Truth, "passed, and its steps"),
    ("an exit code is another", another_code, Promise::Truth, "instead of"),
    ("a byte of a log is another", |_, e| flip(e), Promise::ExactLog, "are recorded"),
    ("a log was cut, and nothing tells", cut_everywhere, Promise::ExactLog, "were written"),
    ("a client missed bytes", client_missed, Promise::ExactLog, "a client saw"),
    ("a kept file is another", another_file, Promise::Truth, "other files are kept"),
    ("a kept file is not told", untold_file, Promise::Truth, "is told to have"),
    ("a container is left", |_, e| e.left.push("container 1".into()), Promise::Survives, "left behind: container 1"),
];

fn another_file(_: &mut Ledger, evidence: &mut Evidence) {
    for kept in evidence.kept.values_mut().filter_map(|kept| kept.last_mut()) {
        "another".clone_into(kept);
    }
}

fn untold_file(_: &mut Ledger, evidence: &mut Evidence) {
    for attempt in &mut evidence.attempts {
        attempt.artifacts = Some("{\"files\":0,\"bytes\":0}".to_owned());
    }
}

fn twice(_: &mut Ledger, evidence: &mut Evidence) {
    let build = evidence.builds[0].clone();
    evidence.builds.push(build);
}

fn another_end(ledger: &mut Ledger, _: &mut Evidence) {
    let end = ledger.ends.values_mut().find(|end| *end == "passed").expect("something passed");
    *end = "failed".to_owned();
}

fn forget_a_step(ledger: &mut Ledger, evidence: &mut Evidence) {
    let passed = evidence.attempts.iter().find(|attempt| attempt.outcome.as_deref() == Some("passed"));
    let id = passed.expect("something passed").id().to_string();
    let at = ledger.steps.iter().position(|line| line.starts_with(&format!("{id} "))).expect("its steps ran");
    ledger.steps.remove(at);
}

fn another_code(_: &mut Ledger, evidence: &mut Evidence) {
    let failed = evidence.attempts.iter_mut().find(|attempt| attempt.outcome.as_deref() == Some("failed"));
    failed.expect("something failed").exit_code = Some(-7);
}

fn flip(evidence: &mut Evidence) {
    let log = evidence.logs.values_mut().find(|log| log.len() > 100).expect("a log of some length");
    log[50] ^= 1;
}

/// Ledger, database and log agree with each other, and not with what the steps wrote.
fn cut_everywhere(ledger: &mut Ledger, evidence: &mut Evidence) {
    let passed = |id: &_| {
        let mut attempts = evidence.attempts.iter();
        attempts.any(|attempt| attempt.id() == *id && attempt.outcome.as_deref() == Some("passed"))
    };
    let (id, log) = evidence.logs.iter().find(|(id, log)| log.len() > 1 && passed(id)).expect("a log of some length");
    let (id, shorter) = (id.clone(), log[1..].to_vec());
    let attempt = evidence.attempts.iter_mut().find(|attempt| attempt.id() == id).expect("its attempt");
    attempt.log_bytes -= 1;
    attempt.log_sha256 = None;
    ledger.followed.get_mut(&id).expect("it was followed").bytes.clone_from(&shorter);
    evidence.logs.insert(id, shorter);
}

fn client_missed(ledger: &mut Ledger, _: &mut Evidence) {
    let followed = ledger.followed.values_mut().find(|log| log.bytes.len() > 10).expect("a log was followed");
    followed.bytes.remove(5);
}

#[test]
fn ledgers_and_databases_that_were_tampered_with() {
    let Report { ledger, evidence, violations, .. } = chaos::run(&Options::new(Engine::Local, 8, 20_264), &|_| {});
    assert_eq!(violations, [], "the run itself is good");
    for (what, tamper, promise, words) in TAMPERINGS {
        let (mut ledger, mut evidence) = (ledger.clone(), evidence.clone());
        tamper(&mut ledger, &mut evidence);
        let violations = chaos::check(&ledger, &evidence);
        assert!(has(&violations, promise, words), "{what}: {violations:#?}");
    }
    // What somebody asked for and what nobody did look the same in the database.
    let mut forgotten = ledger.clone();
    forgotten.cancels.clear();
    forgotten.retries.clear();
    let cancelled = |outcome: &str| evidence.attempts.iter().any(|attempt| attempt.outcome.as_deref() == Some(outcome));
    assert!(cancelled("cancelled"), "something was cancelled");
    assert!(has(&chaos::check(&forgotten, &evidence), Promise::Truth, "nobody asked for it"));
}
