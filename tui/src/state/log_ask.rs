//! Which part of a log is subscribed to, so that everything in view comes, and no more often than need be. Must not know
//! how what comes is shown.

use windlass_protocol::live::{LogWindow, Topic, ViewWindow};

use super::kept_lines::KeptLines;
use super::log::{LogPage, Position, Start};

/// What was asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Lines(LogWindow),
    View(ViewWindow),
}

/// The most lines asked for at once.
const MOST: u32 = 1_000;

impl LogPage {
    /// What to subscribe to so that everything in view comes; none when that is so already.
    pub(super) fn missing_window(&mut self) -> Option<Topic> {
        let log = self.id.clone();
        match self.wanted.clone() {
            None => self.missing_lines().map(|window| Topic::Log { log, window }),
            Some(view) => self.missing_rows().map(|window| Topic::LogView { log, view, window }),
        }
    }

    /// What was asked for is void: the subscription ended, or everything is to come anew.
    pub(super) fn forget_window(&mut self) {
        self.asked = None;
        self.refused = None;
        if let Some(pair) = &mut self.pair {
            pair.other.forget_window();
        }
    }

    fn rows(&self, screens: usize) -> u32 {
        u32::try_from(self.height() * screens).unwrap_or(MOST).clamp(20, MOST)
    }

    fn missing_lines(&mut self) -> Option<LogWindow> {
        let height = self.height() as u64;
        let first = self.top().0;
        let wanted = if self.following()
            || (self.head.is_none() && !matches!(self.start, Some(Start::Line(_) | Start::Around(_))))
        {
            LogWindow::Tail { count: self.rows(2) }
        } else {
            LogWindow::Range { first: first.saturating_sub(height * 3 / 2), count: self.rows(4) }
        };
        let enough = match (self.asked, wanted) {
            (Some(Asked::Lines(LogWindow::Tail { count: old })), LogWindow::Tail { count }) => old >= count,
            (Some(Asked::Lines(LogWindow::Range { first: from, count })), LogWindow::Range { .. }) => {
                let (end, margin) = (from + u64::from(count), height / 2);
                let above = from == 0 || first >= from + margin;
                above && (end >= self.lines() || first + height + margin <= end)
            }
            _ => false,
        };
        if enough {
            return None;
        }
        self.asked = Some(Asked::Lines(wanted));
        Some(wanted)
    }

    fn missing_rows(&mut self) -> Option<ViewWindow> {
        let (above, below) = (self.rows(2), self.rows(3));
        let line = match (self.start, self.position) {
            (Some(Start::Around(line) | Start::Under((line, _), _)), _) => line,
            (_, Position::At((line, _))) if self.outdated => line,
            _ => self.top().0,
        };
        let wanted = match self.following() {
            true => ViewWindow::Tail { count: above },
            false => ViewWindow::Around { line, above, below },
        };
        let enough = match (self.asked, wanted) {
            (Some(Asked::View(ViewWindow::Tail { count: old })), ViewWindow::Tail { count }) => old >= count,
            (Some(Asked::View(ViewWindow::Around { line: from, above, below })), ViewWindow::Around { .. }) => {
                self.outdated || from == line || self.rows_suffice(line, from, above as usize, below as usize)
            }
            _ => false,
        };
        if enough {
            return None;
        }
        self.asked = Some(Asked::View(wanted));
        Some(wanted)
    }

    /// Whether there is enough around the view's first line, here or on its way: `above` and `below` of `from` were asked for.
    fn rows_suffice(&self, line: u64, from: u64, above: usize, below: usize) -> bool {
        let Some(kept) = &self.kept else { return false };
        let known = kept.known();
        if !(known.start <= from.max(line) && from.min(line) <= known.end) {
            return false;
        }
        let (before, after) = (self.height() / 2, self.height() * 3 / 2);
        let is_above = known.start == 0
            || kept.has(known.start..line, before)
            || (line >= from || !kept.has(line..from, (above + 1).saturating_sub(before)));
        let is_below = known.end >= self.lines()
            || kept.has(line..known.end, after)
            || (line <= from || !kept.has(from..line, (below + 1).saturating_sub(after)));
        is_above && is_below
    }

    /// How much of the log was looked through for what is shown, when there is still something to be found in view.
    pub fn looking(&self) -> Option<Looking> {
        self.wanted.as_ref()?;
        let kept = self.kept.as_ref().filter(|_| !self.outdated);
        let Some(known) = kept.map(KeptLines::known) else { return Some(Looking::Begun) };
        let lines = self.lines();
        let shown = self.shown();
        let hole = shown.iter().any(|(_, row)| matches!(row, super::log::Shown::Hole));
        let percent = (known.end - known.start).saturating_mul(100) / lines.max(1);
        hole.then_some(Looking::Percent(percent.min(99)))
    }
}

/// How far the daemon has come with looking for lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looking {
    Begun,
    Percent(u64),
}
