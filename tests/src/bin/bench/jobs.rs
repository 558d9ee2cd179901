//! Jobs that are processes of this host, and windows of a long log over the live socket.

use std::time::Instant;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, LogWindow, Topic};
use windlass_protocol::log::LogFrame;
use windlass_tests::live::{Live, Told};
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

use crate::{Ends, Goal, Row, median, ms, percentile};

pub(crate) fn no_op() -> Vec<Row> {
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let mut ends = Ends::of(&daemon);
    let (mut times, mut again) = (Vec::new(), Vec::new());
    for round in 0..25 {
        let commit = repository.commit("main", &[(".windlass.yml", "execute: ['true']\n")], &format!("round {round}"));
        let took = ends.time(&daemon, &Delivery::push(&repository, &commit), &commit.sha);
        let took_again = ends.time_again(round + 1);
        if round > 2 {
            times.push(ms(took));
            again.push(ms(took_again));
        }
    }
    let row =
        |what, times| Row { what, measured: median(times), unit: "ms", reference: None, goal: Goal::AtMost(30.0) };
    // A push brings a commit that has to be fetched and checked out; the same job again does not.
    vec![
        row("no-op process job again, order to its end", again),
        row("no-op process build of a new commit, POST to its end", times),
    ]
}

const LINES: u64 = 10_000_000;

pub(crate) fn windows_of_a_long_log() -> Vec<Row> {
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).set("limits", "log = \"1GiB\""));
    let spec = format!("jobs: {{ test: {{ execute: ['seq 1 {LINES}'] }} }}\n");
    let commit = repository.commit("main", &[(".windlass.yml", spec)], "a long log");
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    assert_eq!(build.job("test").attempt(1)["log"]["lines"], LINES);

    let log = AttemptId { build: number, job: "test".into(), attempt: 1 };
    let mut live = Live::unix(&daemon);
    live.hello();
    let mut times = Vec::new();
    let mut first = 1_u64;
    for sub in 1..=1_000 {
        first = (first.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)) % (LINES - 100);
        let window = LogWindow::Range { first, count: 100 };
        let start = Instant::now();
        live.say(&ClientMessage::Subscribe { sub, topic: Topic::Log { log: log.clone(), window }, after: None });
        let mut have = 0;
        let text = live.until("a hundred lines", |told| match told {
            Told::Log(LogFrame::Lines { sub: of, lines, .. }) if *of == sub => {
                have += lines.len();
                (have == 100).then(|| lines.last().map(|line| line.bytes.clone()))?
            }
            _ => None,
        });
        times.push(ms(start.elapsed()));
        assert_eq!(text, (first + 100).to_string().into_bytes(), "the right line");
        live.say(&ClientMessage::Unsubscribe { sub });
    }
    vec![Row {
        what: "any 100 of 10,000,000 lines, p99",
        measured: percentile(&mut times, 99),
        unit: "ms",
        reference: None,
        goal: Goal::AtMost(20.0),
    }]
}
