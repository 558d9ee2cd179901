//! A retry is a new attempt: the old one keeps its log and its outcome for ever.

use windlass_tests::{Daemon, DaemonOptions, Repository};

/// Fails until the file exists.
fn spec(marker: &str) -> String {
    format!(
        "jobs:\n  fine: {{ execute: [echo fine] }}\n  flaky: {{ execute: ['echo attempt $WINDLASS_ATTEMPT; test -e {marker}'] }}\n  after: {{ needs: flaky, execute: [echo after] }}\n"
    )
}

#[test]
fn retry_makes_a_new_attempt() {
    let repository = Repository::new("acme/app");
    let marker = repository.work().join("marker");
    let spec = spec(marker.to_str().expect("a plain name"));
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let first = daemon.wait_finished(number);
    assert_eq!(first.summary(), "fine: passed, flaky: failed, after: skipped");

    std::fs::write(&marker, "").expect("a file");
    let retry = daemon.cli(&["retry", &number.to_string()]);
    assert_eq!(retry.code, 0, "{}{}", retry.text(), retry.stderr);
    let second = daemon.wait_finished(number);
    assert_eq!(second.summary(), "fine: passed, flaky: passed, after: passed");
    assert_eq!(second.outcome(), "passed");

    // What passed was not run again; what failed keeps its old attempt as it was.
    assert_eq!(second.job("fine").attempts().len(), 1);
    let flaky = second.job("flaky");
    assert_eq!(flaky.attempts().len(), 2);
    assert_eq!(flaky.attempt(1), first.job("flaky").attempt(1));
    let log =
        |attempt: u64| String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/flaky#{attempt}"))).into_owned();
    assert!(log(1).contains('1') && log(2).contains('2') && log(1) != log(2), "{:?} {:?}", log(1), log(2));

    // With nothing failed, only all of it can be run again.
    let all = daemon.cli(&["retry", "--all", &number.to_string()]);
    assert_eq!(all.code, 0, "{}{}", all.text(), all.stderr);
    let third = daemon.wait_finished(number);
    assert_eq!(third.job("fine").attempts().len(), 2);
    assert_eq!(third.job("flaky").attempts().len(), 3);
}
