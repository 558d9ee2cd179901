//! `windlass watch` waits for the end and tells it by its exit code; what cannot be done has codes of its own.

use windlass_tests::{Daemon, DaemonOptions, Repository};

#[test]
fn watch_tells_the_outcome() {
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    for (spec, outcome, code) in [
        ("execute: [echo fine]\n", "passed", 0),
        ("execute: [exit 9]\n", "failed", 1),
        ("jobs: { test: { timeout: 1s, execute: [sleep 600] } }\n", "timed_out", 1),
        ("execute: 5 bananas: no\n", "broken", 4),
    ] {
        let commit = repository.commit("main", &[(".windlass.yml", spec)], outcome);
        let number = daemon.push(&repository, &commit);
        let watched = daemon.cli(&["watch", &number.to_string()]);
        assert_eq!(watched.code, code, "{outcome}: {}{}", watched.text(), watched.stderr);
        assert_eq!(daemon.build(number).outcome(), outcome);
    }

    let commit = repository.commit("main", &[(".windlass.yml", "execute: ['echo up; sleep 600']\n")], "slow");
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&number.to_string(), "up");
    assert_eq!(daemon.cli(&["cancel", "--wait", &number.to_string()]).code, 0);
    assert_eq!(daemon.cli(&["watch", &number.to_string()]).code, 3);

    assert_eq!(daemon.cli(&["show", "999"]).code, 6, "the daemon refuses: there is no such build");
    assert_eq!(daemon.cli(&["show", "latest"]).code, 2, "the command line is wrong");
}

#[test]
fn nobody_there_is_told() {
    let mut daemon = Daemon::start(&DaemonOptions::local());
    daemon.kill9();
    let output = daemon.cli(&["builds"]);
    assert_eq!(output.code, 5, "{}", output.stderr);
    assert!(output.stderr.contains("control.sock"), "{}", output.stderr);
}
