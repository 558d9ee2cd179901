//! Moving through a log: the cursor, and what is in view. Must not know keys.

use super::log::{LogPage, Motion, NEARLY, Place, Position, Shown, Start};

impl LogPage {
    /// The row that keys speak of.
    pub fn cursor(&self) -> Place {
        if self.following() { self.last_row() } else { self.nearest(self.cursor) }
    }

    /// The line that keys speak of, if there is one under the cursor.
    pub(super) fn line(&self) -> Option<u64> {
        let (line, row) = self.cursor();
        (line < self.lines() && row >= self.text_row(line).1).then_some(line)
    }

    pub(super) fn set_cursor(&mut self, place: Place) {
        if self.following() {
            self.position = Position::At(self.top());
        }
        self.start = None;
        self.cursor = place;
        self.keep_cursor_in_view();
    }

    /// Puts the cursor on a row of the view, counted from its top.
    pub(super) fn click(&mut self, row: usize) {
        let place = self.shown().get(row).map(|(place, _)| *place);
        if let Some(place) = place {
            self.set_cursor(place);
        }
    }

    /// Puts the cursor on the heading of a step, which begins at a line.
    pub(super) fn go_to_heading(&mut self, step: u16, line: u64) {
        let steps = self.head.iter().flat_map(|head| &head.steps);
        let before = steps.filter(|mark| mark.first_line == line && mark.step < step && self.has_heading(mark)).count();
        let rows = self.rows_above_cursor();
        self.cursor = (line, before);
        if self.outdated {
            self.start = Some(Start::Under(self.cursor, rows));
        } else {
            self.keep_cursor_in_view();
        }
    }

    /// How many rows of the view are above the cursor.
    pub(super) fn rows_above_cursor(&self) -> usize {
        let cursor = self.cursor();
        self.shown().iter().position(|(place, _)| *place >= cursor).unwrap_or(self.height() / 2)
    }

    pub(super) fn keep_cursor_in_view(&mut self) {
        let (top, cursor) = (self.top(), self.nearest(self.cursor));
        let last = self.down(top, self.height().saturating_sub(1));
        if cursor < top {
            self.position = Position::At(cursor);
        } else if cursor > last {
            self.position = Position::At(self.up(cursor, self.height().saturating_sub(1)));
        }
    }

    /// What is not known of the view's lines is asked for from here on, and what was known is elsewhere.
    fn leap(&mut self, line: u64) {
        if let Some(kept) = &mut self.kept {
            kept.leap(line);
        }
    }

    pub(super) fn go(&mut self, motion: Motion) {
        let (top, cursor, bottom) = (self.top(), self.cursor(), self.bottom());
        let was_following = self.following();
        self.start = None;
        self.forget_opening();
        match motion {
            Motion::Above | Motion::Below if self.preview => {}
            Motion::Below if was_following => {}
            Motion::Above => {
                self.position = Position::At(top);
                self.cursor = self.up(cursor, 1);
                self.keep_cursor_in_view();
            }
            Motion::Below => {
                self.position = Position::At(top);
                self.cursor = self.down(cursor, 1).min(self.last_row());
                self.keep_cursor_in_view();
            }
            Motion::Up(by) => {
                self.position = Position::At(self.up(top, by));
                self.cursor = self.up(cursor, by);
                self.keep_cursor_in_view();
            }
            Motion::Down(_) if was_following => {}
            Motion::Down(by) => {
                let down = self.down(top, by);
                self.position = Position::At(if self.kept.is_some() { down } else { down.min(bottom) });
                self.cursor = self.down(cursor, by).min(self.last_row());
                self.position = Position::At(self.top());
                self.keep_cursor_in_view();
            }
            Motion::First => {
                self.leap(0);
                (self.position, self.cursor) = (Position::At((0, 0)), (0, 0));
            }
            Motion::End => {
                let end = self.lines();
                if self.kept.as_ref().is_some_and(|kept| kept.known().end + NEARLY < end) {
                    self.leap(end);
                }
                self.position = Position::Follow;
            }
        }
    }

    pub(super) fn page(&self) -> usize {
        self.height().saturating_sub(1).max(1)
    }

    pub(super) fn toggle_follow(&mut self) {
        if self.following() {
            (self.cursor, self.position) = (self.cursor(), Position::At(self.top()));
            self.start = None;
            self.forget_opening();
        } else {
            self.go(Motion::End);
        }
    }

    /// Shows a line with some of what stands before it.
    pub(super) fn reveal(&mut self, line: u64) {
        self.leap(line);
        // Where rows are still to come, it is known only then how far up the view has to begin.
        self.start = self.outdated.then_some(Start::Around(line));
        self.around(line);
    }

    pub(super) fn around(&mut self, line: u64) {
        self.cursor = self.text_row(line);
        self.position = Position::At(self.up(self.cursor, self.height() / 3));
    }

    /// Begins at a line after all: what is around it may not have come yet.
    pub(super) fn begin_around(&mut self, line: u64) {
        self.start = Some(Start::Around(line));
        self.settle();
    }

    pub(super) fn sideways(&mut self, right: bool) {
        let by = (self.text_width() / 2).max(8);
        self.column = if right { self.column + by } else { self.column.saturating_sub(by) };
        // Not beyond the longest line in view.
        let longest = self.shown().into_iter().filter_map(|(_, row)| match row {
            Shown::Line { line, .. } => Some(line.width),
            _ => None,
        });
        let limit = longest.max().unwrap_or(0).saturating_sub(self.text_width() / 2);
        self.column = self.column.min(limit);
    }
}
