//! How many lines match in each part of a log: what a narrow column beside it can show of all of it. Must not know columns.

use std::sync::atomic::{AtomicBool, Ordering};

use super::search::{Pattern, Search};
use super::{LogError, LogReader};

/// Of `counts.len()` parts, part `n` begins at line `n * lines / parts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMap {
    pub lines: u64,
    /// Lines from here on were not looked at.
    pub looked: u64,
    pub counts: Vec<u64>,
}

/// Matches that are counted at once, and bytes that are read for them.
const MATCHES: usize = 64 << 10;
const SLICE: u64 = 64 << 20;

impl LogReader {
    /// Counts matching lines in each of `parts` parts, looking at about `budget` bytes at most.
    pub fn map(&self, pattern: &Pattern, parts: usize, budget: u64, stop: &AtomicBool) -> Result<LogMap, LogError> {
        let lines = self.head().lines;
        let mut map = LogMap { lines, looked: 0, counts: vec![0; parts.max(1)] };
        let (count, mut left) = (map.counts.len() as u128, budget);
        while map.looked < lines && left > 0 && !stop.load(Ordering::Relaxed) {
            let some = left.min(SLICE);
            left -= some;
            let search = Search { from: map.looked, backwards: false, limit: MATCHES, budget: some, stop };
            let found = self.find(pattern, &search)?;
            for line in found.lines.into_iter().filter(|line| *line < lines) {
                // The last part that begins at or before the line.
                let part = ((u128::from(line) + 1) * count).div_ceil(u128::from(lines)) - 1;
                map.counts[usize::try_from(part).expect("less than the parts")] += 1;
            }
            map.looked = found.next.unwrap_or(lines).clamp(map.looked, lines);
        }
        Ok(map)
    }
}
