//! Who looks at a build sees what others do to it, and who they are.

use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, binaries};

#[test]
fn a_cancel_and_a_retry_by_somebody_else() {
    let (repository, commit) = Repository::with_spec("jobs: { runs: { execute: ['echo up; sleep 600'] } }\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/runs"), "up");
    let to = daemon.connect();
    let start = |keys: &str| {
        let terminal = Terminal::start(&binaries::windlass(), &["--connect", &to], daemon.root(), 30, 110);
        terminal.wait_words(&["acme/app", "running"]);
        terminal.keys(keys);
        terminal
    };
    let looking = start("\r");
    looking.wait_words(&["whole build"]);
    let elsewhere = start("");

    let number = number.to_string();
    assert_eq!(daemon.cli(&["cancel", &number]).code, 0);
    looking.wait_words(&["1/runs: asked to stop by "]);
    daemon.wait_finished(1);
    assert_eq!(daemon.cli(&["retry", &number]).code, 0);
    looking.wait_words(&["1/runs: retried by "]);
    // The row of the build says it too; that it was said there would be one too many.
    elsewhere.wait_words(&["(retried by "]);
    assert!(!String::from_utf8_lossy(&elsewhere.raw()).contains("1/runs: "), "it looks at no build");

    daemon.wait_log(&format!("{number}/runs"), "up");
    assert_eq!(daemon.cli(&["pause", "--reason", "the registry moves"]).code, 0);
    looking.wait_words(&["the queue is paused by ", "the registry moves"]);
    elsewhere.wait_words(&["the queue is paused by "]);
    assert_eq!(daemon.cli(&["cancel", "--force", &number]).code, 0);
}
