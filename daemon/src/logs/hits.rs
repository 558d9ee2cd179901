//! What was found in a log, kept while somebody has the log open: a pattern that is asked for by several, or for its lines
//! and its map, is looked for once, and of a log that grows only in what is new. Must not know who asks.
//!
//! Kept is the beginning of what there is: every match before some line. Who needs more looks further from there, one at a
//! time; the others wait for what is found. So that memory is bounded, only so many matches are kept; the rest of a pattern
//! that matches more often is looked for by each for itself.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::search::{self, Found, Pattern, Search};
use super::{LogError, LogReader, lock};

/// Of one log. What was not asked for longest makes room.
const PATTERNS: usize = 8;
/// Of one pattern.
const MATCHES: usize = 16 << 10;
/// Looked through at once: little at first, then ever more. Who waits for something in it waits for all of it.
const FIRST: u64 = 4 << 20;
const MOST: u64 = 128 << 20;

/// Of one log.
#[derive(Debug, Default)]
pub(super) struct Hits(Mutex<Vec<OfPattern>>);

#[derive(Debug)]
struct OfPattern {
    /// The number of the log's removals before it: what takes a removed log's place is another log.
    removals: u64,
    text: String,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    matches: Mutex<Matches>,
    /// `looking` ended.
    looked: Condvar,
}

#[derive(Debug, Default)]
struct Matches {
    /// All before line `end`, in order.
    lines: Vec<u64>,
    end: u64,
    /// What was looked through last, in bytes.
    slice: u64,
    /// Somebody looks further just now.
    looking: bool,
}

impl Hits {
    /// The log may be another one from here on.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }

    fn of(&self, removals: u64, pattern: &Pattern) -> Arc<Known> {
        let mut all = lock(&self.0);
        let found = all.iter().position(|one| one.removals == removals && one.text == pattern.text());
        let one = match found {
            Some(at) => all.remove(at),
            None => OfPattern { removals, text: pattern.text().to_owned(), known: Arc::default() },
        };
        let known = Arc::clone(&one.known);
        all.push(one);
        if all.len() > PATTERNS {
            all.remove(0);
        }
        known
    }
}

impl Matches {
    /// Those of lines `from .. to`.
    fn within(&self, from: u64, to: u64) -> &[u64] {
        let before = |line| self.lines.partition_point(|at| *at < line);
        &self.lines[before(from)..before(to.max(from))]
    }
}

/// Ends a look whatever becomes of it: others may wait for it.
struct Turn<'a>(&'a Known);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.matches).looking = false;
        self.0.looked.notify_all();
    }
}

impl LogReader {
    /// As [`Self::search`], but what somebody else found is not looked for again. Of cut lines only those are counted that
    /// were looked at for this call.
    pub fn find(&self, pattern: &Pattern, search: &Search<'_>) -> Result<Found, LogError> {
        let known = self.shared.hits.of(self.removals, pattern);
        if search.backwards { self.find_up(pattern, search, &known) } else { self.find_down(pattern, search, &known) }
    }

    fn find_up(&self, pattern: &Pattern, search: &Search<'_>, known: &Known) -> Result<Found, LogError> {
        let from = search.from.min(self.extent().lines.saturating_sub(1));
        let matches = lock(&known.matches);
        if from >= matches.end || search.limit == 0 {
            drop(matches);
            return self.search(pattern, search);
        }
        let lines: Vec<u64> = matches.within(0, from + 1).iter().rev().take(search.limit).copied().collect();
        let last = lines.last().filter(|_| lines.len() == search.limit);
        let next = last.and_then(|last| last.checked_sub(1));
        Ok(Found { lines, next, cut_lines: 0 })
    }

    fn find_down(&self, pattern: &Pattern, search: &Search<'_>, known: &Known) -> Result<Found, LogError> {
        let (extent, mut budget) = (self.extent(), search.budget);
        // A line that may go on may still come to match, or cease to.
        let certain = extent.lines - u64::from(extent.open && !extent.finished);
        let mut matches = lock(&known.matches);
        let mut lines = loop {
            let lines = matches.within(search.from, extent.lines);
            let lines = &lines[..lines.len().min(search.limit)];
            let wanted = (search.limit - lines.len()).min(MATCHES.saturating_sub(matches.lines.len()));
            let apart = matches.end >= certain || matches.end < search.from;
            if apart || wanted == 0 || budget == 0 || search.is_stopped() {
                break lines.to_vec();
            }
            if matches.looking {
                matches = known.looked.wait(matches).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            matches.looking = true;
            matches.slice = (2 * matches.slice).clamp(FIRST, MOST);
            let (from, slice) = (matches.end, matches.slice.min(budget));
            drop(matches);
            let turn = Turn(known);
            budget -= slice;
            let further = Search { from, backwards: false, limit: wanted, budget: slice, stop: search.stop };
            let found =
                search::search(&self.files, &extent, pattern, &further).map_err(|source| self.failed(source))?;
            matches = lock(&known.matches);
            matches.lines.extend(found.lines.into_iter().filter(|line| *line < certain));
            matches.end = found.next.unwrap_or(certain).min(certain);
            drop(matches);
            drop(turn);
            matches = lock(&known.matches);
        };
        let end = matches.end;
        drop(matches);
        if let Some(last) = lines.last()
            && lines.len() == search.limit
        {
            let next = Some(last + 1).filter(|next| *next < extent.lines);
            return Ok(Found { lines, next, cut_lines: 0 });
        }
        // What is not kept: lines far from the beginning, matches that are too many, the last line of a log that grows.
        let (from, limit) = (search.from.max(end), search.limit - lines.len());
        let rest = Search { from, limit, budget, ..*search };
        let mut found = search::search(&self.files, &extent, pattern, &rest).map_err(|source| self.failed(source))?;
        lines.append(&mut found.lines);
        Ok(Found { lines, ..found })
    }
}
