//! How many lines match in each part of a log, for the column beside it: what is asked for when, and what came. Must not
//! know the column.

use windlass_protocol::live::LogHead;
use windlass_protocol::time::Timestamp;

/// Of a log up to this long all may be looked through again and again while it grows.
const SHORT: u64 = 200_000;
/// Between two looks at one that grows, in milliseconds.
const PAUSE: i64 = 2_000;

#[derive(Debug, Default)]
pub struct Map {
    pattern: Option<String>,
    asked: Option<Asked>,
    waiting: bool,
    lines: u64,
    looked: u64,
    counts: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Timestamp,
    lines: u64,
    parts: u32,
}

impl Map {
    /// The pattern to ask the daemon for, if what is known of it is none or too old.
    pub(super) fn wish(&mut self, pattern: Option<&str>, parts: u32, head: &LogHead, now: Timestamp) -> Option<String> {
        if self.pattern.as_deref() != pattern {
            *self = Self { pattern: pattern.map(ToOwned::to_owned), ..Self::default() };
        }
        let pattern = self.pattern.clone().filter(|_| !self.waiting && parts > 0 && head.lines > 0)?;
        let due = match self.asked {
            None => true,
            Some(asked) if asked.parts != parts => true,
            Some(asked) if asked.lines == head.lines => false,
            Some(_) if head.finished => true,
            // All of it is read anew each time, so the longer it is the seldomer.
            Some(asked) => {
                let much = head.lines >= asked.lines + asked.lines / 4 || head.lines <= SHORT;
                much && now.0 - asked.at.0 >= PAUSE
            }
        };
        if !due {
            return None;
        }
        self.waiting = true;
        self.asked = Some(Asked { at: now, lines: head.lines, parts });
        Some(pattern)
    }

    /// What came; of another pattern than the present one it means nothing.
    pub(super) fn take(&mut self, pattern: &str, lines: u64, looked: u64, counts: Vec<u64>) {
        if self.pattern.as_deref() == Some(pattern) {
            (self.waiting, self.lines, self.looked, self.counts) = (false, lines, looked, counts);
        }
    }

    /// It was refused, or never answered.
    pub(super) fn fail(&mut self, pattern: &str) {
        if self.pattern.as_deref() == Some(pattern) {
            self.waiting = false;
        }
    }

    /// An answer is to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// All lines that match, when it is known of all lines.
    pub fn total(&self, lines: u64) -> Option<u64> {
        (lines > 0 && self.lines == lines && self.looked == lines).then(|| self.counts.iter().sum())
    }

    /// The first lines of those parts in which something matches.
    pub(super) fn lines(&self) -> impl Iterator<Item = u64> {
        let parts = self.counts.len() as u128;
        let line = move |part: usize| u64::try_from(part as u128 * u128::from(self.lines) / parts).unwrap_or(u64::MAX);
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(part, _)| line(part))
    }

    /// Lines from here on were too many to be looked at.
    pub(super) fn unknown(&self) -> Option<u64> {
        (self.looked < self.lines).then_some(self.looked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: u64, finished: bool) -> LogHead {
        LogHead { lines, bytes: lines, seq: lines, finished, steps: Vec::new() }
    }

    #[test]
    fn is_asked_for_once_and_again_when_it_is_old() {
        let mut map = Map::default();
        let at = |map: &mut Map, seconds: i64, lines: u64, finished: bool, parts: u32| {
            map.wish(Some("x"), parts, &head(lines, finished), Timestamp(seconds * 1_000)).is_some()
        };
        assert!(!at(&mut map, 0, 0, false, 10), "there is nothing to look at");
        assert!(at(&mut map, 0, 100, false, 10));
        assert!(!at(&mut map, 9, 900, false, 10), "one question at a time");
        map.take("x", 100, 100, vec![1, 0, 4]);
        assert_eq!((map.total(100), map.total(900)), (Some(5), None));
        assert_eq!(map.lines().collect::<Vec<_>>(), [0, 66]);
        assert!(!at(&mut map, 1, 900, false, 10), "not so soon");
        assert!(at(&mut map, 2, 900, false, 10));
        map.take("y", 1, 1, vec![7]);
        map.fail("x");
        assert!(!at(&mut map, 99, 900, false, 10), "it is as long as it was");
        assert!(at(&mut map, 99, 900, false, 20), "the screen is another");
        map.take("x", 900, 500, vec![0; 20]);
        assert_eq!((map.unknown(), map.total(900)), (Some(500), None));
        assert!(at(&mut map, 200, 1_000_000, false, 20));
        map.fail("x");
        assert!(!at(&mut map, 300, 1_100_000, false, 20), "long ones are not read for every tenth");
        assert!(at(&mut map, 300, 1_100_000, true, 20), "but at their end");
    }

    #[test]
    fn another_pattern_begins_anew() {
        let mut map = Map::default();
        map.wish(Some("x"), 2, &head(10, true), Timestamp(0));
        map.take("x", 10, 10, vec![1, 1]);
        assert_eq!(map.wish(Some("y"), 2, &head(10, true), Timestamp(0)).as_deref(), Some("y"));
        assert_eq!(map.lines().count(), 0);
        map.take("x", 10, 10, vec![1, 1]);
        assert_eq!(map.lines().count(), 0);
        assert_eq!(map.wish(None, 2, &head(10, true), Timestamp(0)), None);
    }
}
