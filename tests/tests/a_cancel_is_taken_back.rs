//! The cancel of what had not begun is undone from the keyboard: exactly those jobs, and what was skipped because of them,
//! get new attempts. How the old ones ended stays.

use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, binaries};

#[test]
fn what_waited_runs_after_all_and_nothing_else_does() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  runs: { execute: ['echo up; sleep 600'] }\n  waits: { execute: [echo ran] }\n  \
         behind: { needs: waits, execute: [echo ran] }\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(1));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/runs"), "up");

    let to = daemon.connect();
    let mut terminal = Terminal::start(&binaries::windlass(), &["--connect", &to], daemon.root(), 30, 110);
    terminal.wait_words(&["acme/app", "running"]);
    // In the queue: what runs stands first, then what waits.
    terminal.keys("2");
    terminal.wait_words(&["1/runs", "1/waits"]);
    terminal.keys("jx");
    terminal.wait_words(&["Cancel 1/waits?"]);
    terminal.keys("j\r");
    terminal.wait_words(&["1/waits is cancelled (u takes back what had not begun)"]);
    let build = daemon.build(number);
    assert_eq!((build.job("waits").outcome(), build.job("behind").outcome()), ("cancelled", "skipped"));
    terminal.keys("u");
    terminal.wait_words(&["taken back: 2 jobs will run"]);
    terminal.keys("\x03");
    assert_eq!(terminal.wait_end(), 0);

    let again = daemon.build(number);
    assert_eq!((again.job("waits").status(), again.job("behind").status()), ("waiting", "waiting"));
    assert_eq!(daemon.cli(&["cancel", &format!("{number}/runs")]).code, 0);
    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "runs: cancelled, waits: passed, behind: passed");
    for (job, first) in [("waits", "cancelled"), ("behind", "skipped")] {
        let attempts = build.job(job).attempts();
        assert_eq!(attempts.len(), 2, "{job}: {attempts:?}");
        assert_eq!(attempts[0]["outcome"], first, "what has ended stays as it ended");
        assert!(attempts[1]["because"].as_str().is_some_and(|why| why.starts_with("retried by ")), "{attempts:?}");
    }
    assert_eq!(build.job("runs").attempts().len(), 1);
}
