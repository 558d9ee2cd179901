//! The first frame and the first data, a key while nothing else happens, and a client that nobody touches.

use std::time::{Duration, Instant};

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT};

use super::client;
use crate::process::{resident_mb, ticks};
use crate::{Goal, Row, ms, percentile};

const REST: Duration = Duration::from_secs(10);
const STARTS: usize = 20;
const KEYS: usize = 200;

fn daemon(log: &str) -> (Daemon, Repository) {
    let (repository, commit) = Repository::with_spec(&format!("jobs: {{ test: {{ execute: ['{log}'] }} }}\n"));
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    daemon.wait_finished(daemon.push(&repository, &commit));
    (daemon, repository)
}

pub(crate) fn first_frame() -> Vec<Row> {
    let (daemon, _repository) = daemon("echo hi");
    let (mut painted, mut filled) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let start = Instant::now();
        let mut terminal = client(&daemon.connect(), daemon.root(), &[]);
        let anything = |screen: &str| (!screen.trim().is_empty()).then_some(());
        let ((), first) = terminal.until("anything", SHORT, |screen| anything(&screen.contents()));
        painted.push(ms(first.saturating_duration_since(start)));
        let data = |screen: &str| screen.contains("acme/app").then_some(());
        let ((), data) = terminal.until("a build", SHORT, |screen| data(&screen.contents()));
        filled.push(ms(data.saturating_duration_since(start)));
        terminal.keys("q");
        terminal.wait_end();
    }
    vec![
        Row::of("client, first painted frame, p95", percentile(&mut painted, 95), "ms", Goal::AtMost(50.0)),
        Row::of("client, first data on the screen, p95", percentile(&mut filled, 95), "ms", Goal::AtMost(150.0)),
    ]
}

pub(crate) fn key_to_frame() -> Vec<Row> {
    let (daemon, _repository) = daemon("seq 1 10000");
    let terminal = client(&daemon.connect(), daemon.root(), &[]);
    terminal.wait_words(&["acme/app", "passed"]);
    terminal.keys("\r");
    terminal.wait_words(&["whole build"]);
    terminal.keys("\r");
    terminal.wait_words(&["end of 10,000 lines"]);
    let mut times = Vec::new();
    for number in 0..KEYS {
        terminal.wait_still(Duration::from_millis(20)); // what the key before asked for has come
        times.push(ms(terminal.time_frame(["\x15", "k", "\x04", "j"][number % 4])));
    }
    let what = "a key in a log to its frame, idle, p99";
    vec![Row::of(what, percentile(&mut times, 99), "ms", Goal::AtMost(16.0))]
}

pub(crate) fn idle_client() -> Vec<Row> {
    let (daemon, _repository) = daemon("echo hi");
    let mut terminal = client(&daemon.connect(), daemon.root(), &[]);
    terminal.wait_words(&["acme/app", "passed"]);
    let before = terminal.wait_still(Duration::from_secs(1));
    let ticks_before = ticks(terminal.pid());
    std::thread::sleep(REST); // a bench of rest has to rest
    terminal.assert_runs();
    let used = (ticks(terminal.pid()) - ticks_before) * 10.0 / ms(REST) * 100.0;
    let written = terminal.written() - before;
    vec![
        Row::of("idle client, written in 10 s", written as f64, "bytes", Goal::AtMost(0.0)),
        Row::of("idle client, processor", used, "%", Goal::AtMost(0.1)),
        Row::of("idle client, resident", resident_mb(terminal.pid()), "MB", Goal::AtMost(25.0)),
    ]
}
