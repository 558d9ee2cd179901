//! A log that grows fast: what comes, how late, and what a key does meanwhile.

use std::time::Duration;

use windlass_tests::numbered::{in_order, now_ms, stamp_of};
use windlass_tests::tail::Tail;
use windlass_tests::terminal::Terminal;

use super::{FILLED, LATE, long_log, opened};
use crate::{Goal, Row, ms, percentile, progress};

/// As fast as the job can write.
const FLOOD: u64 = 3_000_000;
const PACE: u64 = 200_000;
const PACED: u64 = 10 * PACE;
const CALM: u64 = 100_000;
const KEYS: u64 = 100;
/// Between two keys: about as fast as somebody presses them.
const BETWEEN: Duration = Duration::from_millis(70);

pub(crate) fn following() -> Vec<Row> {
    let mut rows = flood();
    rows.extend(paced());
    rows.extend(keys());
    rows
}

fn flood() -> Vec<Row> {
    progress("3,000,000 lines as fast as they can be written");
    let log = long_log(FLOOD, 0);
    let mut tail = Tail::start(&log.daemon.connect(), log.daemon.root(), log.build);
    let screen = opened(&log, &[]);
    log.say("go");
    screen.until("the last line", FILLED, |screen| shows_last(&screen.contents(), FLOOD));
    log.say("end");
    assert_eq!(tail.wait_end(FILLED), Some(0));
    let seen = tail.seen();
    let took = seen.last.zip(seen.first).map_or(f64::NAN, |(last, first)| (last - first).as_secs_f64());
    let wrong = seen.lines.lost + seen.lines.twice + FLOOD.abs_diff(seen.lines.last);
    vec![
        Row::of("lines a second, written, stored and followed", FLOOD as f64 / took, "/s", Goal::AtLeast(PACE as f64)),
        Row::of("of these, lost or twice", wrong as f64, "lines", Goal::AtMost(0.0)),
    ]
}

fn shows_last(screen: &str, lines: u64) -> Option<()> {
    screen.contains(&format!("line {lines} at")).then_some(())
}

/// How late the newest line on the screen is.
fn lag(screen: &str) -> Option<f64> {
    let row = screen.lines().rev().find_map(|row| Some(&row[row.find("line ")?..]))?;
    Some(now_ms().saturating_sub(stamp_of(row)?) as f64)
}

fn paced() -> Vec<Row> {
    progress("10 s of 200,000 lines a second");
    let log = long_log(PACED, PACE);
    let mut tail = Tail::start(&log.daemon.connect(), log.daemon.root(), log.build);
    let screen = opened(&log, &[]);
    log.say("go");
    let (mut lags, mut wrong) = (Vec::new(), 0);
    screen.until("the last line", FILLED, |screen| {
        let screen = screen.contents();
        lags.extend(lag(&screen));
        if let Err(words) = in_order(&screen) {
            wrong += 1;
            progress(&words);
        }
        shows_last(&screen, PACED)
    });
    log.say("end");
    assert_eq!(tail.wait_end(FILLED), Some(0));
    let mut seen = tail.seen();
    let lost = seen.lines.lost + seen.lines.twice + PACED.abs_diff(seen.lines.last);
    let late = percentile(&mut seen.lags, 99);
    vec![
        Row::of("200,000 lines/s, lost or twice, logs -f", lost as f64, "lines", Goal::AtMost(0.0)),
        Row::of("200,000 lines/s, screens out of order", f64::from(wrong), "screens", Goal::AtMost(0.0)),
        Row::of("200,000 lines/s, logs -f is behind, p99", late, "ms", Goal::AtMost(250.0)),
        Row::of("200,000 lines/s, the screen is behind, p99", percentile(&mut lags, 99), "ms", Goal::AtMost(250.0)),
    ]
}

fn keys() -> Vec<Row> {
    progress("keys while 100,000 lines a second come");
    let log = long_log(600 * CALM, CALM);
    let screen = opened(&log, &[]);
    log.say("go");
    screen.until("lines come", FILLED, |screen| screen.contents().contains("line ").then_some(()));
    let mut times = Vec::new();
    for _ in 0..KEYS {
        std::thread::sleep(BETWEEN);
        times.push(pressed(&screen, "k", "paused"));
        std::thread::sleep(BETWEEN);
        times.push(pressed(&screen, "G", "● following"));
    }
    log.say("stop");
    log.say("end");
    let what = "a key to its frame, 100,000 lines/s come, p99";
    vec![Row::of(what, percentile(&mut times, 99), "ms", Goal::AtMost(33.0))]
}

fn pressed(screen: &Terminal, key: &str, word: &str) -> f64 {
    assert!(!screen.screen().contains(word), "{word} is there before {key}:\n{}", screen.screen());
    ms(screen.time_words(key, LATE, &[word]))
}
