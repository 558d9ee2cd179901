//! The terminal client: paints, fits any size, writes nothing when nothing happens, and leaves the terminal as it was.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, binaries, wait_for};

/// A daemon with one finished build of `acme/app`.
fn daemon() -> (Daemon, Repository) {
    let (repository, commit) = Repository::with_spec("jobs: { test: { execute: [echo hello] } }\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    daemon.wait_finished(daemon.push(&repository, &commit));
    (daemon, repository)
}

fn client(daemon: &Daemon, rows: u16, columns: u16, environment: &[(&str, &str)]) -> Terminal {
    let to = daemon.connect();
    Terminal::start_with(&binaries::windlass(), &["--connect", &to], daemon.root(), rows, columns, environment)
}

#[test]
fn it_paints_and_quitting_restores_the_terminal() {
    let (daemon, _repository) = daemon();
    for keys in ["q", "\x03"] {
        let mut terminal = client(&daemon, 40, 120, &[]);
        terminal.wait_words(&["acme/app", "passed"]);
        terminal.keys(keys);
        assert_eq!(terminal.wait_end(), 0, "{keys:?}: {}", terminal.screen());
        assert_eq!(terminal.left_behind(), Vec::<&str>::new(), "{keys:?}");
    }
    assert_eq!(daemon.builds().len(), 1, "quitting touches no build");
}

#[test]
fn signals_restore_the_terminal_too() {
    let (daemon, _repository) = daemon();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut terminal = client(&daemon, 24, 80, &[]);
        terminal.wait_words(&["acme/app"]);
        terminal.signal(signal);
        terminal.wait_end();
        assert_eq!(terminal.left_behind(), Vec::<&str>::new(), "{signal}");
    }
}

#[test]
fn every_size_is_survived() {
    let (daemon, _repository) = daemon();
    let mut terminal = client(&daemon, 50, 200, &[]);
    terminal.wait_words(&["acme/app"]);
    for (rows, columns) in [(10, 40), (5, 20), (2, 2), (1, 1), (1, 300), (200, 1)] {
        terminal.resize(rows, columns);
        terminal.wait_still(Duration::from_millis(300));
        terminal.assert_runs();
    }
    terminal.resize(10, 40);
    terminal.wait_words(&["add the spec"]);
    terminal.keys("q");
    assert_eq!(terminal.wait_end(), 0);
}

#[test]
fn idle_means_not_a_single_byte() {
    let (daemon, _repository) = daemon();
    let mut terminal = client(&daemon, 40, 120, &[]);
    terminal.wait_words(&["acme/app", "passed"]);
    // Comes to rest, and stays there: any byte in these seconds would have begun them anew, past the deadline.
    terminal.wait_still(Duration::from_secs(10));
    terminal.assert_runs();
}

#[test]
fn no_color_is_honoured() {
    let (daemon, _repository) = daemon();
    let terminal = client(&daemon, 40, 120, &[("NO_COLOR", "1")]);
    terminal.wait_words(&["acme/app"]);
    terminal.wait_still(Duration::from_millis(300));
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    for colour in sgr(&raw) {
        let coloured = matches!(colour, 30..=37 | 40..=47 | 90..=97 | 100..=107 | 38 | 48);
        assert!(!coloured, "colour {colour} was written");
    }
}

/// The numbers of all SGR sequences.
fn sgr(raw: &str) -> Vec<u32> {
    let sequences = raw.split("\x1b[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        rest[end..].starts_with('m').then(|| &rest[..end])
    });
    sequences.flat_map(|numbers| numbers.split(';').filter_map(|number| number.parse().ok())).collect()
}

#[test]
fn it_stays_when_the_daemon_goes_and_goes_on_when_it_comes_back() {
    let (mut daemon, repository) = daemon();
    let mut terminal = client(&daemon, 40, 120, &[]);
    terminal.wait_words(&["acme/app", "passed"]);
    daemon.kill9();
    let before = terminal.screen();
    wait_for("the screen tells that the daemon is gone", Duration::from_secs(10), || {
        let now = terminal.screen();
        if now != before { Ok(()) } else { Err(now) }
    });
    terminal.assert_runs();
    assert!(terminal.screen().contains("acme/app"), "what was known stays visible:\n{}", terminal.screen());
    daemon.restart();
    let commit = repository.commit("main", &[("more", "x")], "zebra");
    daemon.wait_finished(daemon.push(&repository, &commit));
    terminal.wait_words(&["zebra"]);
    terminal.keys("q");
    assert_eq!(terminal.wait_end(), 0);
}

#[test]
fn hostile_words_reach_no_terminal() {
    let repository = Repository::new("acme/app");
    let title = "title \x1b]0;owned\x07\x1b[2J\x1b[?1049l end";
    let log =
        "jobs: { test: { execute: [\"printf 'line \\\\033]0;owned\\\\007 \\\\033[2J \\\\033[6n end\\\\n'\"] } }\n";
    let commit = repository.commit("main", &[(".windlass.yml", log)], title);
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_finished(number);
    let mut terminal = client(&daemon, 40, 120, &[]);
    terminal.wait_words(&["acme/app", "end"]);
    terminal.keys("\r"); // into the build
    terminal.wait_words(&["test"]);
    terminal.keys("\r"); // into its log
    terminal.wait_words(&["line", "end"]);
    terminal.keys("\x03");
    terminal.wait_end();
    let raw = terminal.raw();
    // Neither as an escape sequence nor as the C1 control that means the same; as plain text it harms nobody.
    for sequence in [b"\x1b]".as_slice(), b"\xc2\x9d", b"\x07", b"\x1b[6n"] {
        let found = raw.windows(sequence.len()).any(|window| window == sequence);
        assert!(!found, "{} reached the terminal in {}", sequence.escape_ascii(), raw.escape_ascii());
    }

    // The same on the way to a terminal by the command; to a pipe the bytes are exact.
    let address = format!("{number}/test");
    let to = daemon.connect();
    let arguments = ["--connect", to.as_str(), "logs", address.as_str()];
    let mut printed = Terminal::start(&binaries::windlass(), &arguments, Path::new(daemon.root()), 24, 80);
    printed.wait_end();
    let raw = printed.raw();
    assert!(!raw.windows(2).any(|window| window == b"\x1b]"), "{}", raw.escape_ascii());
    assert!(daemon.raw_log(&address).windows(8).any(|window| window == b"]0;owned"));
}
