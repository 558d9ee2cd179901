//! The column beside a log: where in all of it one is, and where errors, hits and bookmarks are. Must not know glyphs.

use windlass_protocol::live::Request;
use windlass_protocol::time::Timestamp;

use super::log::LogPage;
use super::search::ERRORS;

/// What one row of the column tells of its part of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tick {
    /// Some of it is in view.
    pub in_view: bool,
    /// What stands in it; the most important alone.
    pub mark: Option<TickMark>,
}

/// In order of importance, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TickMark {
    /// Nobody looked: the log is too long.
    Unknown,
    Error,
    /// The log beside has no such lines.
    Differs,
    Hit,
    Bookmark,
}

/// The most parts that a daemon tells.
const MOST: u32 = 500;

impl LogPage {
    /// Columns that the map takes.
    pub fn map_width(&self) -> usize {
        usize::from(!self.preview && self.size().0 >= 20)
    }

    /// What has to be asked of the daemon for it.
    pub(super) fn missing_maps(&mut self, now: Timestamp) -> Vec<(String, Request)> {
        if self.map_width() == 0 {
            return Vec::new();
        }
        let parts = u32::try_from(self.height()).unwrap_or(MOST).min(MOST);
        let Some(head) = self.head.as_ref() else { return Vec::new() };
        let only = self.only.as_ref().filter(|only| !only.invert && !only.is_errors()).map(|only| &only.pattern);
        let hits = self.search.as_ref().map(|search| &search.pattern).or(only);
        let errors = self.error_map.wish(Some(ERRORS), parts, head, now);
        let hits = self.hit_map.wish(hits.map(String::as_str), parts, head, now);
        let request =
            |pattern: String| (pattern.clone(), Request::MapLog { log: self.id.clone(), pattern, buckets: parts });
        [errors, hits].into_iter().flatten().map(request).collect()
    }

    pub(super) fn take_map(&mut self, pattern: &str, lines: u64, looked: u64, counts: &[u64]) {
        self.error_map.take(pattern, lines, looked, counts.to_vec());
        self.hit_map.take(pattern, lines, looked, counts.to_vec());
    }

    pub(super) fn fail_map(&mut self, pattern: &str) {
        self.error_map.fail(pattern);
        self.hit_map.fail(pattern);
    }

    /// Nothing of the column is still to come.
    pub fn mapped(&self) -> bool {
        !self.error_map.is_waiting() && !self.hit_map.is_waiting()
    }

    /// The column, from the top; empty where there is none. Lines that differ are known to others.
    pub fn ticks(&self, differing: impl Iterator<Item = u64>) -> Vec<Tick> {
        let (rows, lines) = (self.height() as u64, self.lines());
        if self.map_width() == 0 || rows == 0 || lines == 0 {
            return Vec::new();
        }
        let mut ticks = vec![Tick::default(); self.height()];
        // The same parts as the daemon's: part `n` begins at line `n * lines / rows`.
        let row = |line: u64| {
            let row = ((u128::from(line.min(lines - 1)) + 1) * u128::from(rows)).div_ceil(u128::from(lines)) - 1;
            usize::try_from(row).unwrap_or(0)
        };
        let view = self.view();
        if view.end - view.start < lines {
            let last = row(view.end.saturating_sub(1).max(view.start));
            ticks[row(view.start)..=last].iter_mut().for_each(|tick| tick.in_view = true);
        }
        let unknown = [&self.error_map, &self.hit_map].into_iter().filter_map(super::map::Map::unknown).min();
        if let Some(unknown) = unknown {
            ticks[row(unknown)..].iter_mut().for_each(|tick| tick.mark = Some(TickMark::Unknown));
        }
        let mut put = |line: u64, mark: TickMark| {
            let tick = &mut ticks[row(line)];
            tick.mark = tick.mark.max(Some(mark));
        };
        self.error_map.lines().for_each(|line| put(line, TickMark::Error));
        differing.for_each(|line| put(line, TickMark::Differs));
        self.hit_map.lines().for_each(|line| put(line, TickMark::Hit));
        self.bookmarks.iter().for_each(|line| put(*line, TickMark::Bookmark));
        ticks
    }
}
