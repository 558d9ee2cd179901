//! A log of 10,000,000 lines and 1 GB, while its job still runs and after it has ended (compressed then), and one of a
//! hundredth of that: how long until its last screen is there, any line, the next error, what is searched.

use std::path::PathBuf;
use std::time::Instant;

use windlass_tests::cuts::go_to;
use windlass_tests::long_log::LongLog;
use windlass_tests::numbered::grouped;
use windlass_tests::terminal::Terminal;

use super::others;
use super::{FILLED, LATE, client, long_log, opened};
use crate::process::most_resident_mb;
use crate::{Goal, Row, median, ms, percentile, progress};

const LINES: u64 = 10_000_000;
const PART: u64 = LINES / 100;
const STARTS: usize = 15;
const JUMPS: u64 = 100;
/// Each is in the same lines; a pattern that was looked for before is not looked for again.
const PATTERNS: [&str; 5] = ["needle", "needl", "eedle", "eedl", "need"];

pub(crate) fn big_log() -> Vec<Row> {
    let small = Big::written(PART);
    let small = small.figures();
    let big = Big::written(LINES);
    let growing = big.figures();
    big.end();
    let ended = big.figures();
    let mut rows = vec![
        Row::of("attach to 10,000,000 lines, start to last line", growing.attach, "ms", Goal::AtMost(200.0)),
        Row {
            what: "the same, to that of 100,000 lines",
            measured: growing.attach,
            unit: "ms",
            reference: Some(("100,000 lines", small.attach)),
            goal: Goal::AtMost(1.5),
        },
        Row::of("attach to it when it has ended", ended.attach, "ms", Goal::AtMost(200.0)),
        Row::of("open it, key to last line", growing.open, "ms", Goal::AtMost(200.0)),
        Row::of("open it when it has ended", ended.open, "ms", Goal::AtMost(200.0)),
        Row::of("jump to any line of it, p99", growing.jump, "ms", Goal::AtMost(50.0)),
        Row::of("jump to any line when it has ended, p99", ended.jump, "ms", Goal::AtMost(50.0)),
        Row::of("its first error, from its beginning", growing.first_error, "ms", Goal::AtMost(100.0)),
        Row::of("its first error when it has ended", ended.first_error, "ms", Goal::AtMost(100.0)),
        Row::of("next error of it, p99", growing.next_error, "ms", Goal::AtMost(50.0)),
        Row::of("next error when it has ended, p99", ended.next_error, "ms", Goal::AtMost(50.0)),
        Row::of("search of 1 GB, first hit", growing.first_hit, "ms", Goal::AtMost(100.0)),
        Row::of("search of 1 GB, all 1,000 hits", growing.all_hits, "ms", Goal::AtMost(1_000.0)),
        Row::of("search when it has ended, first hit", ended.first_hit, "ms", Goal::AtMost(100.0)),
        Row::of("search when it has ended, all 1,000 hits", ended.all_hits, "ms", Goal::AtMost(1_000.0)),
        Row::of("the client's most memory with it", growing.resident.max(ended.resident), "MB", Goal::AtMost(40.0)),
        Row {
            what: "the same, to that with 100,000 lines",
            measured: growing.resident.max(ended.resident),
            unit: "MB",
            reference: Some(("100,000 lines", small.resident)),
            goal: Goal::AtMost(1.25),
        },
    ];
    rows.extend(others::rows(LINES, &growing));
    rows
}

struct Big {
    log: LongLog,
    lines: u64,
    /// Where the client keeps that it was in this log.
    state: PathBuf,
}

/// Milliseconds, and megabytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) attach: f64,
    pub(super) open: f64,
    pub(super) jump: f64,
    first_error: f64,
    next_error: f64,
    pub(super) first_hit: f64,
    pub(super) all_hits: f64,
    resident: f64,
}

impl Big {
    fn written(lines: u64) -> Self {
        progress(&format!("a log of {} lines is written", grouped(lines)));
        let log = long_log(lines, 0);
        let state = log.daemon.root().join("state-big");
        log.say("go");
        let big = Self { log, lines, state };
        let mut screen = opened(&big.log, &big.environment());
        let all = format!("following {} lines", grouped(lines));
        screen.until("all lines", FILLED, |screen| screen.contents().contains(&all).then_some(()));
        screen.keys("\x03");
        screen.wait_end();
        big
    }

    fn environment(&self) -> [(&str, &str); 1] {
        [("XDG_STATE_HOME", self.state.to_str().expect("a plain name"))]
    }

    fn end(&self) {
        progress("the job ends, and its log is compressed");
        self.log.say("end");
        self.log.daemon.wait_finished(self.log.build);
    }

    fn attached(&self) -> Terminal {
        client(&self.log.daemon.connect(), self.log.daemon.root(), &self.environment())
    }

    /// As the log's page shows it, not the preview beside a build.
    fn row(line: u64) -> String {
        format!("{line}  line {line} at")
    }

    fn figures(&self) -> Figures {
        progress(&format!("{} lines: attach", grouped(self.lines)));
        let last = Self::row(self.lines);
        let mut attach = Vec::new();
        for _ in 0..STARTS {
            let start = Instant::now();
            let mut screen = self.attached();
            let there = |screen: &str| screen.contains(&last).then_some(());
            let ((), at) = screen.until("the last line", LATE, |screen| there(&screen.contents()));
            attach.push(ms(at.saturating_duration_since(start)));
            screen.keys("\x03");
            screen.wait_end();
        }
        let mut screen = self.attached();
        screen.wait_words(&[&last]);
        let open = (0..STARTS).map(|_| {
            screen.keys("q");
            screen.wait_words(&["whole build"]);
            ms(screen.time_words("\r", LATE, &[&last]))
        });
        let open = median(open.collect());
        progress("jumps");
        let mut jumps: Vec<f64> =
            (0..JUMPS).map(|round| ms(go_to(&screen, scattered(round, self.lines), LATE))).collect();
        progress("errors");
        go_to(&screen, 1, LATE);
        let every = self.lines / super::writer::ERRORS;
        let error = |number: u64| ms(screen.time_words("e", LATE, &[&format!(" line {} at", number * every)]));
        let first_error = error(1);
        let mut errors: Vec<f64> = (2..=super::writer::ERRORS).map(error).collect();
        progress("searches");
        let (mut first_hits, mut all_hits) = (Vec::new(), Vec::new());
        for pattern in PATTERNS {
            go_to(&screen, 1, LATE);
            let (first, all) = self.search(&screen, pattern);
            first_hits.push(first);
            all_hits.push(all);
        }
        let resident = most_resident_mb(screen.pid());
        // The next client finds this one's place again: the end.
        screen.keys("G\x03");
        screen.wait_end();
        Figures {
            attach: median(attach),
            open,
            jump: percentile(&mut jumps, 99),
            first_error,
            next_error: percentile(&mut errors, 99),
            first_hit: median(first_hits),
            all_hits: median(all_hits),
            resident,
        }
    }

    fn search(&self, screen: &Terminal, pattern: &str) -> (f64, f64) {
        screen.keys(&format!("/{pattern}"));
        screen.wait_words(&[&format!("search / {pattern}")]);
        let every = self.lines / super::writer::NEEDLES;
        let (hit, all) = (format!("line {every} at"), format!("/{pattern}  1/1,000  "));
        let start = Instant::now();
        screen.keys("\r");
        let ((), first) = screen.until("the first hit", LATE, |screen| screen.contents().contains(&hit).then_some(()));
        let ((), counted) = screen.until("all hits", LATE, |screen| screen.contents().contains(&all).then_some(()));
        screen.keys("\x1b");
        screen.until("no search", LATE, |screen| (!screen.contents().contains(&all)).then_some(()));
        (ms(first.saturating_duration_since(start)), ms(counted.saturating_duration_since(start)))
    }
}

/// A line anywhere; the same ones in every run.
fn scattered(round: u64, lines: u64) -> u64 {
    1 + (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % lines
}
