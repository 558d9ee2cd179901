//! The views of the client against the real daemon, in a real terminal: from view to view by digits and brackets, a build as
//! a graph, its details with the last errors, a delivery replayed; and all of it in ASCII where the terminal has no more.

use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, binaries, wait_for};

const SPEC: &str = "jobs:\n  lint: { execute: [echo fine] }\n  make: { execute: [echo made] }\n  test:\n    needs: [lint, make]\n    \
                    execute: ['echo begun', 'echo \"error: left is not right\"; exit 3']\n  ship: { needs: test, execute: [echo gone] }\n";

fn daemon() -> (Daemon, Repository, u64) {
    let (repository, commit) = Repository::with_spec(SPEC);
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(number).outcome(), "failed");
    (daemon, repository, number)
}

fn client(daemon: &Daemon, environment: &[(&str, &str)]) -> Terminal {
    Terminal::start_with(&binaries::windlass(), &["--connect", &daemon.connect()], daemon.root(), 24, 80, environment)
}

#[test]
fn every_view_shows_what_the_daemon_knows() {
    let (daemon, _repository, _) = daemon();
    let mut terminal = client(&daemon, &[("LANG", "C.UTF-8")]);
    terminal.wait_words(&["acme/app", "failed"]);
    terminal.keys("4");
    terminal.wait_words(&["1 repository", "0 of the last 1 passed"]);
    terminal.keys("5");
    terminal.wait_words(&["1 node: 0 of", "core", "GB free"]);
    terminal.keys("[");
    terminal.wait_words(&["1 repository"]);
    terminal.keys("\r");
    terminal.wait_words(&["filter \"repo:acme/app\""]);
    terminal.keys("\r");
    // There is room below the jobs: why it failed stands there without being asked for.
    terminal.wait_words(&["test: 1 attempt", "last errors of #1", "error: left is not right"]);
    terminal.keys("D");
    terminal.wait_words(&["▸ test", "▸ ship", "test needs lint, make"]);
    terminal.keys("l");
    terminal.wait_words(&["ship needs test"]);
    terminal.keys("hhk\r");
    terminal.wait_words(&["› lint", "fine"]);
    terminal.keys("qqq1q");
    assert_eq!(terminal.wait_end(), 0, "{}", terminal.screen());
    assert_eq!(terminal.left_behind(), Vec::<&str>::new());
}

#[test]
fn a_replay_is_asked_for_and_done() {
    let (daemon, _repository, first) = daemon();
    let mut terminal = client(&daemon, &[("LANG", "C.UTF-8")]);
    terminal.keys("3");
    terminal.wait_words(&["the newest 1", "accepted"]);
    terminal.keys("a");
    terminal.wait_words(&["Replay ", "a new build of the same commit", "Leave it"]);
    terminal.keys("j\r");
    terminal.wait_words(&["is worked on once more", "the newest 2"]);
    let second = wait_for("the new build", SHORT, || {
        let builds = daemon.builds();
        builds.iter().map(windlass_tests::Build::number).find(|number| *number != first).ok_or("only the old one")
    });
    assert_eq!(daemon.wait_finished(second).outcome(), "failed");
    terminal.keys("q");
    assert_eq!(terminal.wait_end(), 0);
}

#[test]
fn a_terminal_without_utf_8_gets_ascii() {
    let (daemon, _repository, _) = daemon();
    let mut terminal = client(&daemon, &[("LC_ALL", "C")]);
    terminal.wait_words(&["acme/app", "x failed"]);
    terminal.keys("\rD");
    terminal.wait_words(&["> test", "+ passed", "- skipped"]);
    terminal.keys("q?");
    terminal.wait_words(&["In a build", "+- Keys"]);
    terminal.keys("qq345q");
    assert_eq!(terminal.wait_end(), 0, "{}", terminal.screen());
    let raw = terminal.raw();
    let strange = raw.iter().position(|byte| !byte.is_ascii());
    assert_eq!(strange, None, "{}", String::from_utf8_lossy(&raw[strange.unwrap_or(0).saturating_sub(40)..]));
}

#[test]
fn a_newcomer_is_told_what_to_do() {
    let daemon = Daemon::start(&DaemonOptions::local());
    let mut terminal = client(&daemon, &[("LANG", "C.UTF-8")]);
    let port = daemon.address().rsplit(':').next().unwrap_or_default().to_owned();
    terminal.wait_words(&["no builds yet", &format!(":{port}/webhooks/github"), "GitHub does not reach", "three keys"]);
    terminal.keys("3");
    terminal.wait_words(&["no webhook was received yet"]);
    terminal.keys("4");
    terminal.wait_words(&["no repository is listed", "[[repository]]"]);
    terminal.keys("q");
    assert_eq!(terminal.wait_end(), 0);
}
