//! Which lines of a log are shown while only some are: as far as the daemon has told, near to where the reader is, and
//! bounded however many there are. Must not know why a line is kept.

use std::collections::BTreeSet;
use std::ops::Range;

use windlass_protocol::live::LineRun;

/// Line numbers that are remembered at most.
const MOST: usize = 20_000;

#[derive(Debug, Default)]
pub struct KeptLines {
    /// Of these lines it is known which are kept.
    known: Range<u64>,
    lines: BTreeSet<u64>,
}

impl KeptLines {
    /// Nothing is known but where one begins.
    pub(super) fn at(line: u64) -> Self {
        Self { known: line..line, lines: BTreeSet::new() }
    }

    /// Goes to a line. If nothing is known of it, what is known of others is of no use.
    pub(super) fn leap(&mut self, line: u64) {
        if !self.known.contains(&line) {
            *self = Self::at(line);
        }
    }

    /// Takes in that of the lines `from .. to` exactly those of `runs` are kept. What touches nothing that was known
    /// replaces all of it: lines between were skipped. What is farthest from `near` goes when there is too much.
    pub(super) fn take(&mut self, from: u64, to: u64, runs: &[LineRun], near: u64) {
        let to = to.max(from);
        if to < self.known.start || from > self.known.end {
            self.lines.clear();
            self.known = from..to;
        }
        let gone: Vec<u64> = self.lines.range(from..to).copied().collect();
        gone.iter().for_each(|line| {
            self.lines.remove(line);
        });
        self.known = self.known.start.min(from)..self.known.end.max(to);
        for run in runs {
            // No more than what was said to be known, whatever else the other side says.
            let end = run.first.saturating_add(run.count.min(MOST as u64)).min(to);
            self.lines.extend(run.first.max(from)..end);
        }
        while self.lines.len() > MOST {
            let (first, last) = (*self.lines.first().expect("many"), *self.lines.last().expect("many"));
            if first.abs_diff(near) > last.abs_diff(near) {
                self.lines.remove(&first);
                self.known.start = first + 1;
            } else {
                self.lines.remove(&last);
                self.known.end = last;
            }
        }
    }

    pub fn known(&self) -> Range<u64> {
        self.known.clone()
    }

    pub fn contains(&self, line: u64) -> bool {
        self.lines.contains(&line)
    }

    /// The first kept line from here on.
    pub(super) fn from(&self, line: u64) -> Option<u64> {
        self.lines.range(line..).next().copied()
    }

    /// The last kept line before here.
    pub(super) fn before(&self, line: u64) -> Option<u64> {
        self.lines.range(..line).next_back().copied()
    }

    /// Whether at least so many lines of these are kept.
    pub(super) fn has(&self, lines: Range<u64>, count: usize) -> bool {
        count == 0 || (lines.start < lines.end && self.lines.range(lines).nth(count - 1).is_some())
    }

    /// It is known that this line is not kept.
    pub(super) fn leaves_out(&self, line: u64) -> bool {
        self.known.contains(&line) && !self.lines.contains(&line)
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kept: &KeptLines) -> Vec<u64> {
        kept.lines.iter().copied().collect()
    }

    fn run(first: u64, count: u64) -> LineRun {
        LineRun { first, count }
    }

    #[test]
    fn what_touches_joins_and_what_does_not_replaces() {
        let mut kept = KeptLines::default();
        kept.take(100, 200, &[run(110, 2), run(150, 1)], 150);
        kept.take(50, 100, &[run(60, 1)], 150);
        assert_eq!((all(&kept), kept.known()), (vec![60, 110, 111, 150], 50..200));
        kept.take(110, 220, &[run(111, 1), run(219, 1)], 150);
        assert_eq!((all(&kept), kept.known()), (vec![60, 111, 219], 50..220));
        assert_eq!((kept.from(61), kept.before(219), kept.from(220)), (Some(111), Some(111), None));
        assert!(kept.has(60..220, 3) && !kept.has(61..220, 3) && kept.has(5..5, 0));
        kept.take(500, 600, &[run(550, 1)], 150);
        assert_eq!((all(&kept), kept.known()), (vec![550], 500..600));
        kept.take(600, 600, &[], 600);
        assert_eq!((all(&kept), kept.known()), (vec![550], 500..600));
    }

    #[test]
    fn memory_is_bounded_and_the_near_stays() {
        let mut kept = KeptLines::default();
        for part in 0..10 {
            kept.take(part * 10_000, (part + 1) * 10_000, &[run(part * 10_000, 10_000)], 95_000);
        }
        kept.take(100_000, 100_001, &[run(0, u64::MAX)], 95_000);
        assert!(kept.lines.len() <= MOST);
        assert!(kept.contains(95_000) && kept.known().end == 100_001 && kept.known().start > 70_000);
    }
}
