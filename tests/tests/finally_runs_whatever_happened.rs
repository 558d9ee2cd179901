//! `finally` steps run whatever became of the steps before them, know how those ended, have a limit of their own, change
//! nothing about the job, and end at once when somebody cancels a second time.

use std::time::{Duration, Instant};

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, cleanup, wait_for};

#[test]
fn after_each_outcome_it_runs_and_knows_it() {
    let jobs = [
        ("passes", "execute: [echo hello]", "passed"),
        ("fails", "execute: ['exit 3', echo never]", "failed"),
        ("is-slow", "timeout: 1s, execute: ['echo slow; sleep 600', echo never]", "timed_out"),
        ("is-stopped", "execute: ['echo up; sleep 600', echo never]", "cancelled"),
    ];
    let finally = "finally: ['echo first of $WINDLASS_OUTCOME; exit 9', 'echo last of $WINDLASS_OUTCOME']";
    let spec: String = jobs.iter().map(|(name, rest, _)| format!("  {name}: {{ {rest}, {finally} }}\n")).collect();
    let (repository, commit) = Repository::with_spec(&format!("jobs:\n{spec}"));
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(4));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/is-stopped"), "up");
    let cancel = daemon.cli(&["cancel", &format!("{number}/is-stopped")]);
    assert_eq!(cancel.code, 0, "{}{}", cancel.text(), cancel.stderr);
    let build = daemon.wait_finished(number);
    for (name, _, outcome) in jobs {
        let job = build.job(name);
        assert_eq!(job.outcome(), outcome, "{:#}", build.0);
        let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/{name}"))).into_owned();
        assert!(log.ends_with(&format!("first of {outcome}\nlast of {outcome}\n")), "{name}: {log}");
        assert!(!log.contains("never"), "{name}: {log}");
        let attempt = job.attempt(1);
        let steps = attempt["steps"].as_array().expect("steps is a list");
        let of = |finally: bool| steps.iter().filter(move |step| (step["finally"] == true) == finally);
        let ended: Vec<_> = of(true).map(|step| step["outcome"].as_str().unwrap_or("-")).collect();
        assert_eq!(ended, ["failed", "passed"], "they fail for themselves: {attempt:#}");
        assert_eq!(of(false).count() + 2, steps.len());
    }
    assert_eq!(build.job("fails").attempt(1)["exit_code"], 3, "the step's, not that of a `finally` step");
}

#[test]
fn its_own_limit_ends_it() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  test:\n    execute: [echo hello]\n    finally:\n      - { run: \"trap '' TERM; echo tidying; while :; do sleep 600; done\", timeout: 1s }\n      - { run: echo the rest, timeout: 1m }\n",
    );
    let options = DaemonOptions::local().with(&repository).set("limits", "grace = \"1s\"");
    let daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let attempt = build.job("test").attempt(1);
    let ended: Vec<_> = attempt["steps"].as_array().into_iter().flatten().map(|step| step["outcome"].clone()).collect();
    assert_eq!(ended, ["passed", "timed_out", "passed"], "{attempt:#}");
    assert_eq!(daemon.raw_log(&format!("{number}/test")), b"hello\ntidying\nthe rest\n");
    only_the_daemon_is_left(&daemon);
}

#[test]
fn a_second_cancel_ends_it_at_once() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  test:\n    execute: ['echo up; sleep 600']\n    finally:\n      - \"trap '' TERM; echo tidying; while :; do sleep 600; done\"\n      - echo never\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let (build, job) = (number.to_string(), format!("{number}/test"));
    daemon.wait_log(&job, "up");
    assert_eq!(daemon.cli(&["cancel", &build]).code, 0);
    daemon.wait_log(&job, "tidying");
    assert_eq!(daemon.build(number).status(), "running", "a first cancel leaves `finally` its time");
    let asked = Instant::now();
    let again = daemon.cli(&["cancel", &build]);
    assert_eq!(again.code, 0, "{}{}", again.text(), again.stderr);
    let ended = daemon.wait_finished(number);
    assert!(asked.elapsed() < Duration::from_secs(9), "without any grace: {:?}", asked.elapsed());
    assert_eq!(ended.outcome(), "cancelled", "{:#}", ended.0);
    let log = String::from_utf8_lossy(&daemon.raw_log(&job)).into_owned();
    assert!(log.starts_with("up\n") && log.contains("tidying\n") && !log.contains("\nnever\n"), "{log}");
    only_the_daemon_is_left(&daemon);
}

#[track_caller]
fn only_the_daemon_is_left(daemon: &Daemon) {
    let own = daemon.pid().as_raw();
    wait_for("only the daemon is left", SHORT, || {
        let left: Vec<i32> = cleanup::left(daemon.root()).into_iter().filter(|pid| *pid != own).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
