//! A view of a log: only some of its lines, found from any place upwards or downwards, as many as are wanted. Nothing is
//! remembered between two looks, so that memory does not depend on the log. Must not know who shows the lines.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::search::{Pattern, Search};
use super::{LogError, LogReader};

/// Which lines are kept.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Only lines that match.
    pub pattern: Option<Pattern>,
    /// Only lines that do not.
    pub invert: bool,
    /// So many lines around each of them too.
    pub context: u64,
    /// Never these lines; in order.
    pub folds: Vec<Range<u64>>,
}

/// How far to look.
#[derive(Debug)]
pub struct Look<'a> {
    /// Ends after so many lines that are kept.
    pub want: u64,
    /// Ends after about so many bytes of log, but never without having got on.
    pub budget: u64,
    /// Ends soon after this is set.
    pub stop: &'a AtomicBool,
}

/// Of the lines `from .. to` exactly those in `runs` are kept, as the log is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    pub from: u64,
    pub to: u64,
    pub runs: Vec<Range<u64>>,
}

/// Matches that are taken in at once.
const MATCHES: usize = 4096;
/// Read between two looks at what was found.
const SLICE: u64 = 8 << 20;

impl Rows {
    /// How many lines are kept.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// How many of them from a line on.
    #[must_use]
    pub fn count_from(&self, line: u64) -> u64 {
        self.runs.iter().map(|run| run.end.saturating_sub(run.start.max(line))).sum()
    }
}

impl LogReader {
    /// Lines from `from` on that a view keeps.
    pub fn rows_down(&self, view: &View, from: u64, look: &Look<'_>) -> Result<Rows, LogError> {
        let lines = self.head().lines;
        let mut rows = Rows { from, to: from, runs: Vec::new() };
        if from >= lines {
            return Ok(rows);
        }
        let mut budget = look.budget;
        // A match before the place brings lines after it along.
        let mut at = view.after_fold(from.saturating_sub(view.context));
        while at < lines {
            let (matching, next) = self.slice_down(view, at, lines, look, &mut budget)?;
            for part in matching.into_iter().flat_map(|part| view.unfolded(part)) {
                let part = part.start.saturating_sub(view.context).max(from)..(part.end + view.context).min(lines);
                view.unfolded(part).into_iter().for_each(|part| push(&mut rows.runs, part));
            }
            at = view.after_fold(next);
            // A match further on may bring lines along that stand this much before it.
            rows.to = at.saturating_sub(view.context).clamp(rows.to, lines);
            let spent = budget == 0 || look.stop.load(Ordering::Relaxed);
            if rows.known() >= look.want || (spent && rows.to > from) {
                break;
            }
        }
        if at >= lines {
            rows.to = lines;
        }
        rows.keep_first(look.want);
        Ok(rows)
    }

    /// Lines before `before` that a view keeps, not looking at those before `floor`.
    pub fn rows_up(&self, view: &View, floor: u64, before: u64, look: &Look<'_>) -> Result<Rows, LogError> {
        let lines = self.head().lines;
        let (before, floor) = (before.min(lines), floor.min(before.min(lines)));
        let mut rows = Rows { from: before, to: before, runs: Vec::new() };
        if floor == before {
            return Ok(rows);
        }
        let mut budget = look.budget;
        let bottom = floor.saturating_sub(view.context);
        // Everything from here on was looked at.
        let mut at = view.before_fold((before + view.context).min(lines));
        while at > bottom {
            let (matching, next) = self.slice_up(view, at, bottom, look, &mut budget)?;
            for part in matching.into_iter().flat_map(|part| view.unfolded(part).into_iter().rev()) {
                let part = part.start.saturating_sub(view.context).max(floor)..(part.end + view.context).min(before);
                view.unfolded(part).into_iter().rev().for_each(|part| push_front(&mut rows.runs, part));
            }
            at = view.before_fold(next);
            rows.from = (at + view.context).clamp(floor, rows.from);
            let spent = budget == 0 || look.stop.load(Ordering::Relaxed);
            if rows.known() >= look.want || (spent && rows.from < before) {
                break;
            }
        }
        if at <= bottom {
            rows.from = floor;
        }
        rows.runs.reverse();
        rows.keep_last(look.want);
        Ok(rows)
    }

    /// The matching ones among the lines from `at` on, and from where to look on.
    fn slice_down(
        &self,
        view: &View,
        at: u64,
        lines: u64,
        look: &Look<'_>,
        budget: &mut u64,
    ) -> Result<(Vec<Range<u64>>, u64), LogError> {
        let Some(pattern) = &view.pattern else {
            let fold = view.folds.iter().map(|fold| fold.start).find(|start| *start > at).unwrap_or(lines);
            let end = at.saturating_add(look.want.max(1)).min(fold).min(lines);
            return Ok((std::iter::once(at..end).collect(), end));
        };
        let (found, next) = self.slice(pattern, at, false, look, budget)?;
        let next = next.unwrap_or(lines).clamp(at + 1, lines);
        Ok(match view.invert {
            false => (found.into_iter().map(|line| line..line + 1).collect(), next),
            true => (gaps(found.into_iter(), at..next), next),
        })
    }

    /// The matching ones among the lines before `at`, the last one first, and before which line to look on.
    fn slice_up(
        &self,
        view: &View,
        at: u64,
        bottom: u64,
        look: &Look<'_>,
        budget: &mut u64,
    ) -> Result<(Vec<Range<u64>>, u64), LogError> {
        let Some(pattern) = &view.pattern else {
            let fold = view.folds.iter().rev().map(|fold| fold.end).find(|end| *end < at).unwrap_or(0);
            let start = at.saturating_sub(look.want.max(1)).max(fold).max(bottom);
            return Ok((std::iter::once(start..at).collect(), start));
        };
        let (mut found, next) = self.slice(pattern, at - 1, true, look, budget)?;
        let next = next.map_or(0, |next| next + 1).min(at - 1);
        Ok(match view.invert {
            false => (found.into_iter().map(|line| line..line + 1).collect(), next),
            true => {
                found.reverse();
                let mut parts = gaps(found.into_iter(), next..at);
                parts.reverse();
                (parts, next)
            }
        })
    }

    fn slice(
        &self,
        pattern: &Pattern,
        from: u64,
        backwards: bool,
        look: &Look<'_>,
        budget: &mut u64,
    ) -> Result<(Vec<u64>, Option<u64>), LogError> {
        let some = (*budget).clamp(1, SLICE);
        *budget -= some.min(*budget);
        let found = self.search(pattern, &Search { from, backwards, limit: MATCHES, budget: some, stop: look.stop })?;
        Ok((found.lines, found.next))
    }
}

impl View {
    /// The first line from here on that is not folded.
    fn after_fold(&self, line: u64) -> u64 {
        self.folds.iter().fold(line, |line, fold| if fold.contains(&line) { fold.end } else { line })
    }

    /// The same upwards: the line before it is not folded.
    fn before_fold(&self, line: u64) -> u64 {
        let inside = |line: u64, fold: &Range<u64>| fold.start < line && line <= fold.end;
        self.folds.iter().rev().fold(line, |line, fold| if inside(line, fold) { fold.start } else { line })
    }

    fn unfolded(&self, lines: Range<u64>) -> Vec<Range<u64>> {
        let (mut at, mut parts) = (lines.start, Vec::new());
        for fold in &self.folds {
            if fold.start >= lines.end || fold.end <= at {
                continue;
            }
            if fold.start > at {
                parts.push(at..fold.start);
            }
            at = fold.end;
        }
        if at < lines.end {
            parts.push(at..lines.end);
        }
        parts
    }
}

impl Rows {
    /// How many of the lines that were found are certain.
    fn known(&self) -> u64 {
        let within = |run: &Range<u64>| run.end.min(self.to).saturating_sub(run.start.max(self.from));
        self.runs.iter().map(within).sum()
    }

    fn keep_first(&mut self, most: u64) {
        self.runs.retain_mut(|run| {
            run.end = run.end.min(self.to);
            run.start < run.end
        });
        let mut left = most;
        for (index, run) in self.runs.iter_mut().enumerate() {
            let length = run.end - run.start;
            if length > left || (length == left && left > 0) {
                run.end = run.start + left;
                self.to = run.end;
                self.runs.truncate(index + usize::from(left > 0));
                return;
            }
            left -= length;
        }
    }

    fn keep_last(&mut self, most: u64) {
        self.runs.retain_mut(|run| {
            run.start = run.start.max(self.from);
            run.start < run.end
        });
        let mut left = most;
        for (index, run) in self.runs.iter_mut().enumerate().rev() {
            let length = run.end - run.start;
            if length > left || (length == left && left > 0) {
                run.start = run.end - left;
                self.from = run.start;
                self.runs.drain(..index + usize::from(left == 0));
                return;
            }
            left -= length;
        }
    }
}

/// What lies between these lines, which are in order.
fn gaps(lines: impl Iterator<Item = u64>, within: Range<u64>) -> Vec<Range<u64>> {
    let mut at = within.start;
    let mut out = Vec::new();
    for line in lines.chain([within.end]) {
        if line > at {
            out.push(at..line);
        }
        at = line + 1;
    }
    out
}

/// Adds lines that begin at or behind the beginning of the last ones.
fn push(runs: &mut Vec<Range<u64>>, lines: Range<u64>) {
    match runs.last_mut() {
        Some(last) if lines.start <= last.end => last.end = last.end.max(lines.end),
        _ => runs.push(lines),
    }
}

/// The same downwards, the last lines first.
fn push_front(runs: &mut Vec<Range<u64>>, lines: Range<u64>) {
    match runs.last_mut() {
        Some(first) if lines.end >= first.start => first.start = first.start.min(lines.start),
        _ => runs.push(lines),
    }
}
