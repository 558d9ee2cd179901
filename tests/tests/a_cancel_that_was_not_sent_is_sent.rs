//! A daemon that dies between the order and its execution leaves nobody waiting: the next one asks the job to stop at once,
//! and the job has its grace and its `finally` steps as if nothing had been.

use std::time::{Duration, Instant};

use windlass_tests::{Daemon, DaemonOptions, LONG, Repository, wait_for};

const SPEC: &str = "jobs:
  test:
    execute:
      - \"trap 'echo told; exit 1' TERM; echo up; while :; do sleep 0.1 || :; done\"
    finally: [echo cleaned]
";

#[test]
fn a_cancel_that_was_not_sent_is_sent() {
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[(".windlass.yml", SPEC)], "first");
    let options = DaemonOptions::local().with(&repository).set("limits", "grace = \"10m\"");
    let mut daemon = Daemon::start_with(&options, &[("WINDLASS_FAILPOINTS", "cancel.noted")]);
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "up");

    let _ = daemon.cli(&["cancel", &number.to_string()]); // the daemon may die before it has answered
    wait_for("the daemon's death", LONG, || if daemon.has_ended() { Ok(()) } else { Err("it lives") });
    let begun = Instant::now();
    daemon.restart();
    let build = daemon.wait_finished(number);
    assert!(begun.elapsed() < Duration::from_secs(60), "it waited for the end of its grace: {:?}", begun.elapsed());
    assert_eq!(build.job("test").outcome(), "cancelled", "{:#}", build.0);
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert!(log.contains("told\n") && log.contains("cleaned\n"), "{log}");
}
