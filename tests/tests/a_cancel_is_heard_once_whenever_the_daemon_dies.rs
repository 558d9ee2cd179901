//! A cancel reaches the job exactly once, whether the daemon dies before it has told the runner or right after: the step
//! gets its TERM and its grace, and `finally` steps run.

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, wait_for, wait_for_file};

#[track_caller]
fn heard_once_when_it_dies_at(point: &str) {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - \"trap 'echo told >>{at}/told' TERM; touch {at}/up; until [ -e {at}/told ] && [ -e {at}/go ]; do sleep 0.05 || true; done; exit 1\"\n    finally: [echo finally]\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository).set("limits", "grace = \"60s\""));
    let number = daemon.push(&repository, &commit);
    wait_for_file(&meet.join("up"));
    daemon.kill9();
    daemon.begin_again(&[("WINDLASS_FAILPOINTS", point)]);
    wait_for("the daemon is ready", SHORT, || if daemon.is_ready() { Ok(()) } else { Err("not yet") });
    // The answer may come or not: the daemon dies in the middle of it.
    let _ = daemon.cli(&["cancel", &number.to_string()]);
    wait_for("the daemon has died", SHORT, || if daemon.has_ended() { Ok(()) } else { Err("it lives") });
    daemon.restart();
    wait_for_file(&meet.join("told"));
    std::fs::write(meet.join("go"), "").expect("a file");
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "cancelled", "{point}: {:#}", build.0);
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert!(log.contains("finally\n"), "{point}: {log}");
    assert_eq!(std::fs::read_to_string(meet.join("told")).expect("a file"), "told\n", "{point}: it was told once");
}

#[test]
fn before_anybody_knows_of_it() {
    heard_once_when_it_dies_at("cancel.ordered");
}

#[test]
fn before_the_runner_is_told() {
    heard_once_when_it_dies_at("cancel.noted");
}

#[test]
fn after_the_runner_was_told() {
    heard_once_when_it_dies_at("cancel.sent");
}
