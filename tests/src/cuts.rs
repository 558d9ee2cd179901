//! A connection that is cut again and again while a log is followed, by the screen and by `windlass logs -f`: whether a line is
//! lost, or comes twice. Must not know how the client takes up what it had.

use std::path::Path;
use std::time::Duration;

use crate::long_log::LongLog;
use crate::numbered::{grouped, in_order};
use crate::proxy::{Proxy, Way};
use crate::tail::Tail;
use crate::terminal::Terminal;
use crate::wait::{LONG, wait_for};

/// What was wrong after all the cuts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// Lines that `windlass logs -f` lost or wrote twice, and bytes that are more or fewer than the log has.
    pub lines: u64,
    pub bytes: u64,
    /// Pictures that showed lines out of order, twice, or with a gap.
    pub screens: Vec<String>,
}

/// Lines a second while there is cutting.
const PACE: u64 = 5_000;
/// Lines that are looked at again when it is over.
const LOOKS: u64 = 50;

/// Cuts the connection `count` times; `told` hears how far it is. `writer` as for [`LongLog`].
#[must_use]
#[track_caller]
pub fn cut(writer: &Path, count: u64, size: (u16, u16), told: impl Fn(u64)) -> Wrong {
    let log = LongLog::start(writer, 24 * 3_600 * PACE, PACE);
    let proxy = Proxy::start(&log.daemon.root().join("near.sock"), &log.daemon.socket());
    let near = format!("unix:{}", proxy.socket.display());
    let mut tail = Tail::start(&near, log.daemon.root(), log.build);
    let screen = log.opened(&near, size.0, size.1, &[]);
    log.say("go");
    let mut wrong = Wrong::default();
    for cut in 0..count {
        told(cut);
        // Both have got on since the cut before.
        let before = tail.seen().lines.last;
        wait_for("logs -f goes on", LONG, || {
            let now = tail.seen().lines.last;
            if now > before { Ok(()) } else { Err(now) }
        });
        screen.until("the screen goes on", LONG, |screen| {
            let screen = screen.contents();
            let last = last(&screen, &mut wrong)?;
            (last > before && !screen.contains("no daemon")).then_some(())
        });
        proxy.set(Way::Cut);
        proxy.set(Way::Open);
    }
    log.say("stop");
    log.say("end");
    assert_eq!(tail.wait_end(LONG), Some(0), "windlass logs -f says that all is well");
    let attempt = &log.daemon.wait_finished(log.build).only_job().attempt(1)["log"];
    let number = |name: &str| attempt[name].as_u64().expect("a number");
    let (lines, seen) = (number("lines"), tail.seen());
    wrong.lines = seen.lines.lost + seen.lines.twice + lines.abs_diff(seen.lines.last);
    wrong.bytes = number("bytes").abs_diff(seen.bytes);
    let end = format!("end of {} lines", grouped(lines));
    screen.until("the end", LONG, |screen| screen.contents().contains(&end).then_some(()));
    for look in 0..LOOKS {
        go_to(&screen, 1 + lines / LOOKS * look, LONG);
        let _ = last(&screen.screen(), &mut wrong);
    }
    wrong
}

/// The newest line on the screen, if all that it shows is as it has to be.
fn last(screen: &str, wrong: &mut Wrong) -> Option<u64> {
    match in_order(screen) {
        Ok(rows) => rows.map(|rows| *rows.end()),
        Err(words) => {
            wrong.screens.push(words);
            None
        }
    }
}

/// Goes to a line by its number; how long it took from the last key until it was there.
#[track_caller]
pub fn go_to(screen: &Terminal, line: u64, within: Duration) -> Duration {
    screen.keys(&format!(":{line}"));
    screen.wait_words(&[&format!("command : {line}")]);
    screen.time_words("\r", within, &[&format!("line {line} at")])
}
