//! What the benches time, held to be right: the last screen of a long log, any line of it, the next error, a search; and
//! fifty cut connections that lose no line and show none twice.

use std::path::Path;

use windlass_tests::LONG;
use windlass_tests::cuts::{Wrong, cut, go_to};
use windlass_tests::long_log::LongLog;
use windlass_tests::numbered::{grouped, in_order};
use windlass_tests::terminal::Terminal;

/// Writes numbered lines when it is told to.
const WRITER: &str = env!("CARGO_BIN_EXE_bench");
const SIZE: (u16, u16) = (50, 200);
const LINES: u64 = 200_000;

#[test]
fn fifty_cut_connections_lose_nothing_and_show_nothing_twice() {
    assert_eq!(cut(Path::new(WRITER), 50, SIZE, |_| {}), Wrong::default());
}

#[test]
fn any_line_of_a_long_log_is_where_it_belongs() {
    let log = LongLog::start(Path::new(WRITER), LINES, 0);
    log.say("go");
    let screen = log.opened(&log.daemon.connect(), SIZE.0, SIZE.1, &[]);
    let all = format!("following {}", grouped(LINES));
    screen.until("all lines", LONG, |screen| screen.contents().contains(&all).then_some(()));
    looked_through(&screen);
    log.say("end");
    log.daemon.wait_finished(log.build);
    screen.keys("G");
    looked_through(&screen); // compressed by now, and the same
}

/// From the end, where it begins.
fn looked_through(screen: &Terminal) {
    let rows = |screen: &str| in_order(screen).unwrap_or_else(|words| panic!("{words}"));
    let at_end = |screen: &str| rows(screen).filter(|rows| *rows.end() == LINES);
    let (last, _) = screen.until("the last screen", LONG, |screen| at_end(&screen.contents()));
    assert!(last.count() > 40, "a screen full of lines:\n{}", screen.screen());
    for line in [1, 2, LINES / 2, 123_457, LINES - 1, LINES, 77] {
        go_to(screen, line, LONG);
        assert!(rows(&screen.screen()).is_some_and(|rows| rows.contains(&line)), "{}", screen.screen());
    }
    // One error in every hundredth part, one needle in every thousandth.
    screen.keys("g");
    for error in 1..=5 {
        screen.time_words("e", LONG, &[&format!("line {} at", error * LINES / 100)]);
    }
    screen.keys("g/needle");
    screen.wait_words(&["search / needle", "line 1 at"]);
    screen.time_words("\r", LONG, &["/needle  1/1,000  ", &format!("line {} at", LINES / 1_000)]);
    screen.time_words("N", LONG, &["/needle  1,000/1,000  ", &format!("line {LINES} at")]);
    screen.keys("\x1b");
    assert!(rows(&screen.screen()).is_some());
}
