//! Cancel ends what runs within its grace, kills what does not listen, and ends what waits at once.

use std::time::{Duration, Instant};

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, cleanup, wait_for};

#[test]
fn a_running_job_ends_and_a_waiting_one_at_once() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  runs: { execute: ['echo up; sleep 600'] }\n  waits: { execute: [echo never] }\n  hangs: { needs: runs, execute: [echo never] }\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(1));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/runs"), "up");

    let asked = Instant::now();
    let cancel = daemon.cli(&["cancel", &number.to_string()]);
    assert_eq!(cancel.code, 0, "{}{}", cancel.text(), cancel.stderr);
    let build = daemon.build(number);
    assert_eq!(build.job("waits").outcome(), "cancelled", "{:#}", build.0);
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "cancelled");
    assert_eq!(build.summary(), "runs: cancelled, waits: cancelled, hangs: cancelled");
    // `sleep` ends by TERM, so nobody waited for the grace of 10 s.
    assert!(asked.elapsed() < Duration::from_secs(9), "took {:?}", asked.elapsed());
    let log = daemon.raw_log(&format!("{number}/runs"));
    assert!(log.starts_with(b"up\n"), "the log from before the cancel is kept");

    let again = daemon.cli(&["cancel", &number.to_string()]);
    assert_ne!(again.code, 0, "cancelling what has ended is refused: {}", again.text());
}

#[test]
fn force_kills_what_ignores_term_and_its_children() {
    let spec = "execute:\n  - |\n    trap '' TERM\n    (trap '' TERM; while :; do sleep 600; done) &\n    echo up\n    while :; do sleep 600; done\n";
    let (repository, commit) = Repository::with_spec(spec);
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let name = daemon.build(number).only_job().name().to_owned();
    daemon.wait_log(&format!("{number}/{name}"), "up");

    let asked = Instant::now();
    assert_eq!(daemon.cli(&["cancel", "--force", &number.to_string()]).code, 0);
    assert_eq!(daemon.wait_finished(number).outcome(), "cancelled");
    assert!(asked.elapsed() < Duration::from_secs(9), "force does not wait for the grace: {:?}", asked.elapsed());
    let own = daemon.pid().as_raw();
    wait_for("only the daemon is left", SHORT, || {
        let left: Vec<i32> = cleanup::left(daemon.root()).into_iter().filter(|pid| *pid != own).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
