//! The rows of a log: which lines and headings follow each other, and which of them are in view. Nothing here moves or
//! asks for anything.

use std::ops::Range;

use windlass_protocol::live::StepMark;

use super::log::{LogPage, NEARLY, Place, Position, Shown};
use super::long::Long;
use crate::safe_text::SafeLine;

impl LogPage {
    /// The steps whose headings stand before a line. The heading of a folded step is all that is left of it.
    fn steps_at(&self, line: u64) -> impl Iterator<Item = &StepMark> {
        let steps = self.head.iter().flat_map(|head| &head.steps);
        steps.filter(move |mark| mark.first_line == line && self.has_heading(mark))
    }

    pub(super) fn has_heading(&self, mark: &StepMark) -> bool {
        self.headers || self.folded.contains(&mark.step)
    }

    /// Where the text ends. While following that is the last line at hand: the head may know of lines that are still on
    /// their way, and the view must not show holes for them with every frame.
    fn text_end(&self) -> u64 {
        let last = match &self.kept {
            Some(kept) => Some(kept.known().end).filter(|end| *end > 0).map(|end| end - 1),
            None => self.cache.last(),
        };
        match last {
            Some(last) if self.following() && last + NEARLY > self.lines() => self.lines().min(last + 1),
            _ => self.lines(),
        }
    }

    /// One past the last line. Headings of steps that wrote nothing yet stand below the last line, as a line of their own.
    pub(super) fn end(&self) -> u64 {
        let end = self.text_end();
        end + u64::from(self.steps_at(end).next().is_some())
    }

    /// Whether what is kept is not known there: one row stands for all of it.
    fn is_hole(&self, line: u64) -> bool {
        let Some(kept) = &self.kept else { return false };
        let known = kept.known();
        (line + 1 == known.start) || (line == known.end && line < self.text_end())
    }

    /// The next line with rows after this one.
    fn stop_after(&self, line: u64) -> Option<u64> {
        let (next, end) = (line + 1, self.end());
        let Some(kept) = &self.kept else { return Some(next).filter(|next| *next < end) };
        let known = kept.known();
        if next < known.start {
            return Some(known.start - 1);
        }
        let heading = self.head.iter().flat_map(|head| &head.steps);
        let heading = heading.filter(|mark| self.has_heading(mark)).map(|mark| mark.first_line);
        let heading = heading.filter(|first| *first >= next && *first <= known.end).min();
        let hole = Some(known.end).filter(|hole| *hole >= next && *hole < self.text_end());
        [kept.from(next), heading, hole].into_iter().flatten().min().filter(|next| *next < end)
    }

    /// The line with rows that is before this one.
    pub(super) fn stop_before(&self, line: u64) -> Option<u64> {
        let Some(kept) = &self.kept else { return line.checked_sub(1) };
        let known = kept.known();
        if line > known.end + 1 {
            return Some(known.end).filter(|hole| *hole < self.text_end()).or_else(|| self.stop_before(known.end + 1));
        }
        let heading = self.head.iter().flat_map(|head| &head.steps);
        let heading = heading.filter(|mark| self.has_heading(mark)).map(|mark| mark.first_line);
        let heading = heading.filter(|first| *first < line && *first >= known.start).max();
        let hole = [known.start.checked_sub(1), Some(known.end).filter(|hole| *hole < self.text_end())];
        let hole = hole.into_iter().flatten().filter(|hole| *hole < line).max();
        [kept.before(line), heading, hole].into_iter().flatten().max()
    }

    /// The line itself when it has rows, or else the nearest one that does.
    pub(super) fn nearest(&self, place: Place) -> Place {
        let (line, row) = place;
        let block = self.block(line);
        if block > 0 {
            return (line, row.min(block - 1));
        }
        if self.kept.is_none() {
            return place;
        }
        let (above, below) = (self.stop_before(line), self.stop_after(line));
        let above = above.filter(|above| below.is_none_or(|below| line - above < below - line));
        match (above, below) {
            (Some(above), _) => (above, self.block(above).saturating_sub(1)),
            (None, Some(below)) => (below, 0),
            (None, None) => place,
        }
    }

    /// Lines were left out right before this one, between it and what is shown above.
    fn has_gap(&self, line: u64) -> bool {
        let around = self.only.as_ref().is_some_and(|only| only.context > 0);
        let Some(kept) = self.kept.as_ref().filter(|_| around) else { return false };
        let above = kept.before(line).filter(|above| kept.contains(line) && above + 1 < line);
        let headings = self.head.iter().flat_map(|head| &head.steps).filter(|mark| self.has_heading(mark));
        let between = |above| headings.map(|mark| mark.first_line).any(|first| first > above && first <= line);
        above.is_some_and(|above| !between(above))
    }

    fn rows_of(&self, line: u64) -> usize {
        if line >= self.text_end() {
            return 0;
        }
        if let Some(kept) = &self.kept
            && !kept.contains(line)
        {
            return usize::from(self.is_hole(line));
        }
        if let Some(rows) = self.long_rows(line) {
            return rows.len();
        }
        match self.cache.get(line) {
            Some(line) if self.wrap => line.width.div_ceil(self.text_width()).max(1),
            _ => 1,
        }
    }

    /// The rows of a line that is shown in its whole length.
    fn long_rows(&self, line: u64) -> Option<&[SafeLine]> {
        self.long.as_ref().filter(|long| long.line == line).map(Long::rows).filter(|rows| !rows.is_empty())
    }

    /// Rows before the text of a line.
    fn above_text(&self, line: u64) -> usize {
        self.steps_at(line).count() + usize::from(self.has_gap(line))
    }

    pub(super) fn block(&self, line: u64) -> usize {
        self.above_text(line) + self.rows_of(line)
    }

    /// The first row of a line's text.
    pub(super) fn text_row(&self, line: u64) -> Place {
        (line, self.above_text(line))
    }

    pub(super) fn up(&self, (mut line, mut row): Place, mut by: usize) -> Place {
        while by > row {
            let Some(above) = self.stop_before(line) else { return (line, 0) };
            by -= row;
            (line, row) = (above, self.block(above));
        }
        row -= by;
        (line, row)
    }

    pub(super) fn down(&self, (mut line, mut row): Place, mut by: usize) -> Place {
        while line < self.end() {
            let left = self.block(line).saturating_sub(row);
            if by < left {
                return (line, row + by);
            }
            by -= left;
            (line, row) = (self.stop_after(line).unwrap_or(self.end()), 0);
        }
        (line, row)
    }

    /// The last row of all.
    pub(super) fn last_row(&self) -> Place {
        self.up((self.end(), 0), 1)
    }

    /// The first row of a view that ends with the log.
    pub(super) fn bottom(&self) -> Place {
        self.up((self.end(), 0), self.height())
    }

    /// Whether it is known what stands at the log's end.
    fn end_is_known(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.known().end >= self.text_end())
    }

    /// The first row in view.
    pub fn top(&self) -> Place {
        match self.position {
            Position::At(place) if self.head.is_some() && self.end_is_known() => self.nearest(place).min(self.bottom()),
            Position::At(place) => self.nearest(place),
            Position::Follow => self.bottom(),
        }
    }

    /// The lines in view.
    pub fn view(&self) -> Range<u64> {
        let (first, (last, row)) = (self.top().0, self.down(self.top(), self.height()));
        first..last + u64::from(row > 0)
    }

    /// How much of the log lies below the view, in lines.
    pub fn below(&self) -> u64 {
        let last = self.down(self.top(), self.height()).0;
        self.lines().saturating_sub(last)
    }

    /// The rows in view, from the top, each with its place.
    pub fn shown(&self) -> Vec<(Place, Shown<'_>)> {
        let mut rows = Vec::with_capacity(self.height());
        let (mut line, mut skip) = self.top();
        while line < self.end() && rows.len() < self.height() {
            let steps: Vec<_> = self.steps_at(line).collect();
            let (above, text) = (self.above_text(line), self.rows_of(line));
            let hole = self.is_hole(line) && self.kept.as_ref().is_some_and(|kept| !kept.contains(line));
            for index in skip..above + text {
                let long = index.checked_sub(above).and_then(|row| Some((row, self.long_rows(line)?.get(row)?)));
                let shown = match (steps.get(index), self.cache.get(line)) {
                    (Some(step), _) => Shown::Step(step),
                    (None, _) if index < above => Shown::Gap,
                    (None, _) if hole => Shown::Hole,
                    (None, _) if let Some((row, text)) = long => Shown::Long { number: line, row, text },
                    (None, Some(found)) => Shown::Line { number: line, row: index - above, line: found },
                    (None, None) => Shown::Missing { number: line },
                };
                rows.push(((line, index), shown));
            }
            (line, skip) = (self.stop_after(line).unwrap_or(self.end()), 0);
        }
        rows.truncate(self.height());
        rows
    }

    /// The step that a row belongs to: of a heading its own, of text the one that began last before it.
    pub(super) fn step_of(&self, (line, row): Place) -> Option<&StepMark> {
        if let Some(step) = self.steps_at(line).nth(row) {
            return Some(step);
        }
        self.head.as_ref()?.steps.iter().rfind(|mark| mark.first_line <= line)
    }

    /// How many lines a step wrote, as far as the next one or the log's end.
    pub fn lines_of(&self, step: &StepMark) -> u64 {
        let steps = self.head.iter().flat_map(|head| &head.steps);
        let next = steps.skip_while(|mark| mark.step != step.step).nth(1);
        next.map_or(self.lines(), |next| next.first_line).saturating_sub(step.first_line)
    }
}
