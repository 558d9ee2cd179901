//! Two logs line by line: which lines of one have no counterpart in the other, and which line of one belongs to which of the
//! other. Times are left out of the comparison. Of each log the beginning is compared, and only a sum of each line is kept.
//! Must not know where in the logs one is.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use regex::Regex;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use windlass_protocol::live::{LogHead, Sub};
use windlass_protocol::log::LogLine;

use crate::safe_text::{Sgr, log_line};

/// So many lines of each log are compared.
pub const COMPARED: u32 = 5_000;
/// A log that grows is compared anew after so many lines.
const GROWN: usize = 200;

/// Dates, times of the day, and how long something took.
static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\d{4}-\d\d-\d\d[T ]?|\d\d?:\d\d(:\d\d)?([.,]\d+)?(Z|[+-]\d\d:?\d\d)?|\d+([.,]\d+)?\s?(ms|µs|us|ns|s|secs?|seconds?|m|min|minutes?)\b";
    Regex::new(pattern).expect("it is a pattern: a test uses it")
});

#[derive(Debug)]
pub struct Compare {
    sides: [Side; 2],
    /// How many lines of each were compared last.
    compared: Option<[usize; 2]>,
    /// Where lines begin that differ, on each side.
    hunks: Vec<[u64; 2]>,
}

#[derive(Debug, Default)]
struct Side {
    sub: Sub,
    sums: Vec<u64>,
    /// Lines of the log, and whether none comes any more.
    head: Option<(u64, bool)>,
    /// Each line's counterpart.
    counterparts: Vec<Option<u64>>,
}

impl Compare {
    /// The logs come by these subscriptions.
    pub(super) fn new(subs: [Sub; 2]) -> Self {
        Self { sides: subs.map(|sub| Side { sub, ..Side::default() }), compared: None, hunks: Vec::new() }
    }

    pub(super) fn subs(&self) -> [Sub; 2] {
        [self.sides[0].sub, self.sides[1].sub]
    }

    fn side(&mut self, sub: Sub) -> Option<&mut Side> {
        self.sides.iter_mut().find(|side| side.sub == sub)
    }

    pub(super) fn take_lines(&mut self, sub: Sub, first: u64, lines: &[LogLine]) {
        let Some(side) = self.side(sub) else { return };
        for (at, line) in (usize::try_from(first).unwrap_or(usize::MAX)..).zip(lines) {
            if at > side.sums.len() || at >= COMPARED as usize {
                break;
            }
            if at == side.sums.len() {
                side.sums.push(sum(&line.bytes));
            } else {
                side.sums[at] = sum(&line.bytes);
            }
        }
        self.update();
    }

    pub(super) fn take_head(&mut self, sub: Sub, head: &LogHead) {
        if let Some(side) = self.side(sub) {
            side.head = Some((head.lines, head.finished));
            self.update();
        }
    }

    /// Compares, when there is something new that is worth it.
    fn update(&mut self) {
        let whole =
            |side: &Side| side.head.is_some_and(|(lines, _)| side.sums.len() as u64 >= lines.min(u64::from(COMPARED)));
        if !self.sides.iter().all(whole) {
            return;
        }
        let now = [self.sides[0].sums.len(), self.sides[1].sums.len()];
        let finished = self.sides.iter().all(|side| side.head.is_some_and(|(_, finished)| finished));
        let due = match self.compared {
            None => true,
            Some(before) if finished => before != now,
            Some(before) => (0..2).any(|side| now[side] >= before[side] + GROWN),
        };
        if due {
            self.compared = Some(now);
            self.diff();
        }
    }

    fn diff(&mut self) {
        let [left, right] = &mut self.sides;
        // What stands on one side only has no counterpart, whatever the rest looks like.
        let common = |of: &Side, other: &Side| {
            let there: HashSet<u64> = other.sums.iter().copied().collect();
            let lines = of.sums.iter().copied().enumerate().filter(|(_, sum)| there.contains(sum));
            lines.unzip::<usize, u64, Vec<_>, Vec<_>>()
        };
        let (left_lines, left_sums) = common(left, right);
        let (right_lines, right_sums) = common(right, left);
        left.counterparts = vec![None; left.sums.len()];
        right.counterparts = vec![None; right.sums.len()];
        self.hunks.clear();
        let (mut next_left, mut next_right) = (0, 0);
        for op in capture_diff_slices(Algorithm::Patience, &left_sums, &right_sums) {
            let DiffOp::Equal { old_index, new_index, len } = op else { continue };
            for at in 0..len {
                let (one, other) = (left_lines[old_index + at], right_lines[new_index + at]);
                left.counterparts[one] = Some(other as u64);
                right.counterparts[other] = Some(one as u64);
                if one > next_left || other > next_right {
                    self.hunks.push([next_left as u64, next_right as u64]);
                }
                (next_left, next_right) = (one + 1, other + 1);
            }
        }
        if next_left < left.sums.len() || next_right < right.sums.len() {
            self.hunks.push([next_left as u64, next_right as u64]);
        }
    }

    /// Whether a line of one side has no counterpart; also where nothing was compared it is not said to differ.
    pub fn differs(&self, side: usize, line: u64) -> bool {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        self.sides[side].counterparts.get(line).is_some_and(Option::is_none)
    }

    /// The line of the other side that stands where this one does.
    pub(super) fn across(&self, side: usize, line: u64) -> u64 {
        let counterparts = &self.sides[side].counterparts;
        let end = usize::try_from(line).unwrap_or(usize::MAX).saturating_add(1).min(counterparts.len());
        let before = counterparts[..end].iter().enumerate().rev().find_map(|(at, other)| Some((at as u64, (*other)?)));
        before.map_or(line, |(at, other)| other + (line - at))
    }

    /// Where the next lines that differ begin, from a line of one side on.
    pub(super) fn next(&self, side: usize, line: u64, forward: bool) -> Option<u64> {
        let mut begins = self.hunks.iter().map(|hunk| hunk[side]);
        if forward { begins.find(|begin| *begin > line) } else { begins.rfind(|begin| *begin < line) }
    }

    /// Where lines that differ begin on one side.
    pub fn hunks(&self, side: usize) -> impl Iterator<Item = u64> {
        self.hunks.iter().map(move |hunk| hunk[side])
    }

    /// How many lines of one side differ; none while it is not known.
    pub fn count(&self, side: usize) -> Option<u64> {
        self.compared?;
        Some(self.sides[side].counterparts.iter().filter(|other| other.is_none()).count() as u64)
    }

    /// Not all of a log was compared.
    pub fn is_partial(&self) -> bool {
        self.sides.iter().any(|side| side.head.is_some_and(|(lines, _)| lines > u64::from(COMPARED)))
    }
}

/// What a line says, without colours and times.
fn sum(bytes: &[u8]) -> u64 {
    let line = log_line(bytes, &mut Sgr::default());
    let mut hasher = DefaultHasher::new();
    TIMES.replace_all(line.as_str(), "").trim_end().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compared(left: &[&str], right: &[&str]) -> Compare {
        let mut compare = Compare::new([1, 2]);
        for (sub, texts) in [(1, left), (2, right)] {
            let line = |text: &&str| {
                let bytes = text.as_bytes().to_vec();
                LogLine { at: 0, step: 0, open: false, raw_length: bytes.len() as u64, bytes }
            };
            let lines: Vec<LogLine> = texts.iter().map(line).collect();
            compare.take_lines(sub, 0, &lines);
            let lines = texts.len() as u64;
            compare.take_head(sub, &LogHead { lines, bytes: 0, seq: 0, finished: true, steps: Vec::new() });
        }
        compare
    }

    fn differing(compare: &Compare, side: usize) -> Vec<u64> {
        (0..100).filter(|line| compare.differs(side, *line)).collect()
    }

    #[test]
    fn what_is_missing_new_or_other_differs() {
        let compare = compared(&["a", "b", "c", "d", "e"], &["a", "c", "new", "x", "e", "end"]);
        assert_eq!((differing(&compare, 0), differing(&compare, 1)), (vec![1, 3], vec![2, 3, 5]));
        assert_eq!((compare.count(0), compare.count(1), compare.is_partial()), (Some(2), Some(3), false));
        assert_eq!([0, 1, 2, 3, 4].map(|line| compare.across(0, line)), [0, 1, 1, 2, 4]);
        assert_eq!(compare.hunks(0).collect::<Vec<_>>(), [1, 3, 5]);
        assert_eq!(compare.hunks(1).collect::<Vec<_>>(), [1, 2, 5]);
        assert_eq!(
            (compare.next(0, 1, true), compare.next(0, 1, false), compare.next(1, 5, false)),
            (Some(3), None, Some(2))
        );
    }

    #[test]
    fn times_and_colours_do_not_count() {
        let left =
            ["2026-11-29T07:01:58.123Z built in 1.25s", "\x1b[32mok\x1b[0m 12 ms", "took 3 minutes", "07:01 v1.2"];
        let right = ["2025-01-02T23:59:00Z built in 900.1s", "ok 3ms", "took 7 minutes", "23:59 v1.3"];
        assert_eq!(differing(&compared(&left, &right), 0), [3], "versions are no times");
    }

    #[test]
    fn nothing_is_said_before_both_are_here_and_beyond_the_limit() {
        let mut compare = Compare::new([1, 2]);
        let line = LogLine { at: 0, step: 0, open: false, raw_length: 1, bytes: b"x".to_vec() };
        compare.take_lines(1, 0, &vec![line.clone(); COMPARED as usize + 10]);
        assert_eq!((compare.count(0), compare.differs(0, 0)), (None, false));
        let head = |lines| LogHead { lines, bytes: 0, seq: 0, finished: true, steps: Vec::new() };
        compare.take_head(1, &head(9_000));
        compare.take_lines(2, 0, &[line]);
        compare.take_head(2, &head(1));
        assert_eq!((compare.count(0), compare.count(1)), (Some(u64::from(COMPARED) - 1), Some(0)));
        assert!(compare.is_partial() && !compare.differs(0, 5_001));
        assert_eq!(compare.across(0, 8_000), 8_000, "beyond what was compared lines go by their number");
    }

    proptest! {
        #[test]
        fn counterparts_say_the_same_and_keep_their_order(
            left in proptest::collection::vec("[a-d]", 0..30),
            right in proptest::collection::vec("[a-d]", 0..30),
        ) {
            let lefts: Vec<&str> = left.iter().map(String::as_str).collect();
            let rights: Vec<&str> = right.iter().map(String::as_str).collect();
            let compare = compared(&lefts, &rights);
            let mut last = None;
            for (at, counterpart) in compare.sides[0].counterparts.iter().enumerate() {
                if let Some(counterpart) = counterpart {
                    let there = usize::try_from(*counterpart).expect("small");
                    prop_assert_eq!(lefts[at], rights[there]);
                    prop_assert!(last < Some(there));
                    last = Some(there);
                    prop_assert_eq!(compare.sides[1].counterparts[there], Some(at as u64));
                }
            }
        }
    }
}
