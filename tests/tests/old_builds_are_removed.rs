//! Builds go by count and by age, per repository and branch; what runs and the newest of a branch stay, and so does what
//! they left.

use windlass_tests::{Daemon, DaemonOptions, LONG, Repository, wait_for};

const SPEC: &str = "execute: [echo built]\n";

fn numbers(daemon: &Daemon) -> Vec<u64> {
    let mut numbers: Vec<u64> = daemon.builds().iter().map(windlass_tests::Build::number).collect();
    numbers.sort_unstable();
    numbers
}

#[track_caller]
fn wait_left(daemon: &Daemon, expected: &[u64]) {
    wait_for(&format!("only {expected:?} are left"), LONG, || {
        let left = numbers(daemon);
        if left == expected { Ok(()) } else { Err(left) }
    });
}

#[test]
fn old_builds_are_removed() {
    let (app, first) = Repository::with_spec(SPEC);
    let other = Repository::new("acme/other");
    let with = |retention: &str| {
        DaemonOptions::local()
            .with(&app)
            .with(&other)
            .jobs(4)
            .set("retention", "every = \"1s\"")
            .set("retention", retention)
    };
    let forever = with("keep_for = \"0\"\nkeep_builds = 0");
    let mut daemon = Daemon::start(&forever);
    let go = app.meeting_point().join("go");
    let waits = format!("execute: ['until [ -e {} ]; do sleep 0.05; done']\n", go.display());

    // The oldest of all runs while the others come and go.
    let slow = app.commit("main", &[(".windlass.yml", waits.as_str())], "waits");
    let runs = daemon.push(&app, &slow);
    daemon.wait_until(runs, "running", |build| build.status() == "running");
    let mut main = Vec::new();
    for n in 0..4 {
        let commit = app.commit("main", &[(".windlass.yml", SPEC)], &format!("commit {n}"));
        main.push(daemon.push(&app, &commit));
    }
    let topic = daemon.push(&app, &app.commit("topic", &[(".windlass.yml", SPEC)], "a topic"));
    let elsewhere = daemon.push(&other, &other.commit("main", &[(".windlass.yml", SPEC)], "another repository"));
    for number in main.iter().copied().chain([topic, elsewhere]) {
        assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    }
    assert_eq!(numbers(&daemon).len(), 7, "without limits nothing goes");
    assert!(!first.sha.is_empty());

    // By count: of main the newest two, of the others all they have; what runs stays.
    assert_eq!(daemon.terminate(), 0);
    daemon.configure(&with("keep_for = \"0\"\nkeep_builds = 2"));
    daemon.restart();
    wait_left(&daemon, &[runs, main[2], main[3], topic, elsewhere]);
    let gone = daemon.cli(&["logs", "--raw", &format!("{}/test", main[0])]);
    assert_ne!(gone.code, 0, "its log went with it: {}", gone.text());
    assert!(!daemon.data().join("logs").join(main[0].to_string()).exists());
    assert_eq!(daemon.build(runs).status(), "running");

    // Once it has ended it is one too many.
    std::fs::write(&go, "").expect("a file");
    wait_left(&daemon, &[main[2], main[3], topic, elsewhere]);

    // By age: the newest of each branch stays however old it is.
    assert_eq!(daemon.terminate(), 0);
    daemon.configure(&with("keep_for = \"1s\"\nkeep_builds = 0"));
    daemon.restart();
    wait_left(&daemon, &[main[3], topic, elsewhere]);
    let kept = daemon.build(main[3]);
    let job = kept.only_job();
    assert_eq!(daemon.raw_log(&format!("{}/{}", main[3], job.name())), b"built\n");

    // Numbers are never used again.
    let next = daemon.push(&app, &app.commit("main", &[("file", "x")], "once more"));
    assert!(next > elsewhere);
}
