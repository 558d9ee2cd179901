//! The terminal client's first frame and rest, and a daemon that has nothing to do.

use std::time::{Duration, Instant};

use nix::unistd::Pid;
use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, binaries, wait_for};

use crate::{Goal, Row, median, ms};

const REST: Duration = Duration::from_secs(10);

fn status(pid: Pid, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    value.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

fn resident_mb(pid: Pid) -> f64 {
    status(pid, "VmRSS:") / 1024.0
}

/// Processor time used so far, in ticks of 10 ms.
fn ticks(pid: Pid) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = text.rsplit(')').next().expect("the name is in parentheses");
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

pub(crate) fn idle_daemon() -> Vec<Row> {
    let mut ready = Vec::new();
    let (repository, commit) = Repository::with_spec("execute: [echo hi]\n");
    let options = DaemonOptions::local().with(&repository);
    for _ in 0..5 {
        ready.push(ms(Daemon::start(&options).ready_after));
    }
    let daemon = Daemon::start(&options);
    daemon.wait_finished(daemon.push(&repository, &commit));
    let before = ticks(daemon.pid());
    std::thread::sleep(REST); // a bench of rest has to rest
    let used = (ticks(daemon.pid()) - before) * 10.0 / ms(REST) * 100.0;
    let row = |what, measured, unit, goal| Row { what, measured, unit, reference: None, goal: Goal::AtMost(goal) };
    vec![
        row("daemon ready after", median(ready), "ms", 200.0),
        row("idle daemon, resident", resident_mb(daemon.pid()), "MB", 30.0),
        row("idle daemon, processor", used, "%", 0.5),
    ]
}

fn daemon() -> (Daemon, Repository) {
    let (repository, commit) = Repository::with_spec("execute: [echo hi]\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    daemon.wait_finished(daemon.push(&repository, &commit));
    (daemon, repository)
}

fn client(daemon: &Daemon) -> Terminal {
    Terminal::start(&binaries::windlass(), &["--connect", &daemon.connect()], daemon.root(), 50, 200)
}

pub(crate) fn first_frame() -> Vec<Row> {
    let (daemon, _repository) = daemon();
    let (mut painted, mut filled) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let start = Instant::now();
        let mut terminal = client(&daemon);
        wait_for("anything on the screen", SHORT, || {
            if terminal.screen().trim().is_empty() { Err("nothing") } else { Ok(()) }
        });
        painted.push(ms(start.elapsed()));
        terminal.wait_words(&["acme/app"]);
        filled.push(ms(start.elapsed()));
        terminal.keys("q");
        terminal.wait_end();
    }
    let row = |what, measured, goal| Row { what, measured, unit: "ms", reference: None, goal: Goal::AtMost(goal) };
    vec![
        row("client, first painted frame", median(painted), 100.0),
        row("client, first data on the screen", median(filled), 150.0),
    ]
}

pub(crate) fn idle_client() -> Vec<Row> {
    let (daemon, _repository) = daemon();
    let mut terminal = client(&daemon);
    terminal.wait_words(&["acme/app"]);
    let before = terminal.wait_still(Duration::from_secs(1));
    std::thread::sleep(REST); // a bench of rest has to rest
    terminal.assert_runs();
    let written = terminal.written() - before;
    let row = |what, measured, unit, goal| Row { what, measured, unit, reference: None, goal: Goal::AtMost(goal) };
    vec![
        row("idle client, written in 10 s", written as f64, "bytes", 0.0),
        row("idle client, resident", resident_mb(terminal.pid()), "MB", 25.0),
    ]
}
