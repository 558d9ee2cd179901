//! A cancel promises a grace. The daemon's death neither shortens it nor forgets the cancel.

use std::path::Path;
use std::time::{Duration, Instant};

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, cleanup, wait_for, wait_for_file};

const GRACE: Duration = Duration::from_secs(20);

/// Waits until the job has left so many lines more than now.
#[track_caller]
fn wait_more(marks: &Path, more: usize) {
    let lines = || std::fs::read_to_string(marks).unwrap_or_default().lines().count();
    let from = lines();
    wait_for(&format!("{more} more marks"), SHORT, || match lines() {
        now if now >= from + more => Ok(()),
        now => Err(format!("{} more", now - from)),
    });
}

#[test]
fn a_cancel_survives_a_restart() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - \"trap 'echo told; touch {at}/told' TERM; echo up; while :; do echo mark >>{at}/marks; sleep 1 || true; done\"\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let options = DaemonOptions::local().with(&repository).set("limits", "grace = \"20s\"");
    let mut daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "up");
    let marks = meet.join("marks");

    let asked = Instant::now();
    let cancel = daemon.cli(&["cancel", &number.to_string()]);
    assert_eq!(cancel.code, 0, "{}{}", cancel.text(), cancel.stderr);
    wait_for_file(&meet.join("told"));
    wait_more(&marks, 2); // TERM ended one `sleep`, another takes its second
    daemon.kill9();
    daemon.restart();
    let build = daemon.build(number);
    assert_eq!(build.status(), "running", "it still has its grace: {:#}", build.0);
    assert!(!build.job("test").attempt(1)["cancelling"].is_null(), "the cancel is known: {:#}", build.0);
    wait_more(&marks, 5);

    let build = daemon.wait_finished(number);
    let took = asked.elapsed();
    assert_eq!((build.outcome(), build.job("test").outcome()), ("cancelled", "cancelled"), "{:#}", build.0);
    assert!(took >= GRACE - Duration::from_secs(2), "the grace was cut short: {took:?}");
    assert!(took < GRACE * 2 + Duration::from_secs(10), "the grace had no end: {took:?}");
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert_eq!(log.matches("told").count(), 1, "TERM came once: {log}");
    let own = daemon.pid().as_raw();
    wait_for("only the daemon is left", SHORT, || {
        let left: Vec<i32> = cleanup::left(daemon.root()).into_iter().filter(|pid| *pid != own).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
