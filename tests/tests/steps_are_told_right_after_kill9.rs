//! What is told about the steps of a job is the same as if the daemon had never been killed.

use windlass_tests::{Daemon, DaemonOptions, Repository, wait_for_file};

/// Kills the daemon in the second of three steps, which ends before or after the next start.
#[track_caller]
fn story(step_ends_while_dead: bool) {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - seq 1 3\n      - 'echo two; touch {at}/second; until [ -e {at}/go ]; do sleep 0.02; done'\n      - 'echo three; touch {at}/third'\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    wait_for_file(&meet.join("second"));
    let running = daemon.wait_until(number, "the second step runs", |build| {
        let attempts = build.job("test").attempts();
        attempts.first().is_some_and(|attempt| attempt["steps"][1]["status"] == "running")
    });
    let before = running.job("test").attempt(1)["steps"].clone();
    assert_eq!((&before[0]["outcome"], &before[0]["first_line"]), (&"passed".into(), &0.into()), "{before:#}");

    daemon.kill9();
    let go = || std::fs::write(meet.join("go"), "").expect("a file");
    if step_ends_while_dead {
        go();
        wait_for_file(&meet.join("third"));
    }
    daemon.restart();
    if !step_ends_while_dead {
        go();
    }

    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let job = build.job("test");
    assert_eq!(job.attempts().len(), 1);
    let steps = job.attempt(1)["steps"].clone();
    assert_eq!(steps.as_array().map(Vec::len), Some(3), "{steps:#}");
    assert_eq!(steps[0], before[0], "what had ended stays as it was");
    assert_eq!(steps[1]["started_at"], before[1]["started_at"], "the second step began before the kill");
    for (index, first_line) in [0, 3, 4].into_iter().enumerate() {
        let step = &steps[index];
        assert_eq!((&step["status"], &step["outcome"]), (&"finished".into(), &"passed".into()), "{steps:#}");
        assert_eq!((&step["exit_code"], &step["first_line"]), (&0.into(), &first_line.into()), "{steps:#}");
        assert!(!step["started_at"].is_null() && !step["finished_at"].is_null(), "{steps:#}");
    }
    let log = daemon.raw_log(&format!("{number}/test"));
    assert_eq!(String::from_utf8_lossy(&log), "1\n2\n3\ntwo\nthree\n");
}

#[test]
fn steps_are_told_right_after_kill9() {
    story(false);
}

#[test]
fn steps_that_ended_while_the_daemon_was_dead_are_told_right() {
    story(true);
}
