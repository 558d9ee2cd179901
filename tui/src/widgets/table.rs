//! A list of any length in columns: only the rows in view are made. Must not know what the rows are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::Words;
use crate::theme::{Theme, Tone};

pub struct Column {
    pub title: &'static str,
    pub width: Width,
    pub right: bool,
}

#[derive(Clone, Copy)]
pub enum Width {
    Fixed(u16),
    /// Shares what the others leave.
    Rest,
}

pub struct Row {
    pub cells: Vec<Words>,
    pub marked: bool,
}

pub struct Table<'a> {
    pub columns: &'a [Column],
    pub length: usize,
    pub top: usize,
    /// The row the keyboard is on; none when another part of the screen has it.
    pub selected: Option<usize>,
    /// `None` for a row that is not here yet.
    pub row: &'a dyn Fn(usize) -> Option<Row>,
    /// Whether the titles of the columns are shown.
    pub titles: bool,
}

impl Table<'_> {
    /// Returns the place of each row that was painted.
    pub fn paint(&self, area: Rect, theme: Theme, buffer: &mut Buffer) -> Vec<(Rect, usize)> {
        let area = area.intersection(buffer.area);
        let widths = self.widths(area.width.saturating_sub(2));
        let mut places = Vec::new();
        if area.is_empty() {
            return places;
        }
        let mut y = area.y;
        if self.titles {
            let titles = self.columns.iter().map(|column| Words::from((Tone::Dim, column.title)));
            self.line(&titles.collect::<Vec<_>>(), &widths, Rect { y, height: 1, ..area }, theme, buffer);
            y += 1;
        }
        let rows = usize::from(area.bottom() - y);
        for index in self.top..self.length.min(self.top + rows) {
            let place = Rect { y, height: 1, ..area };
            match (self.row)(index) {
                Some(row) => {
                    self.line(&row.cells, &widths, place, theme, buffer);
                    if row.marked {
                        buffer.set_string(place.x, y, "▌", theme.style(Tone::Accent));
                    }
                }
                None => {
                    Words::from((Tone::Dim, "  …")).paint(place, theme.style(Tone::Dim), theme, buffer);
                }
            }
            if self.selected == Some(index) {
                buffer.set_style(place, theme.selected());
            }
            places.push((place, index));
            y += 1;
        }
        if self.length > rows && rows > 1 {
            self.thumb(Rect { y: y - rows as u16, height: rows as u16, ..area }, theme, buffer);
        }
        places
    }

    /// Where in the list the view is, at the right edge.
    fn thumb(&self, area: Rect, theme: Theme, buffer: &mut Buffer) {
        let rows = usize::from(area.height);
        let size = (rows * rows / self.length).max(1);
        let at = (self.top * (rows - size)).checked_div(self.length - rows).unwrap_or(0);
        for row in at..(at + size).min(rows) {
            buffer.set_string(area.right() - 1, area.y + row as u16, "▐", theme.style(Tone::Dim));
        }
    }

    fn line(&self, cells: &[Words], widths: &[u16], area: Rect, theme: Theme, buffer: &mut Buffer) {
        let mut x = area.x + 1;
        for (index, ((cell, width), column)) in cells.iter().zip(widths).zip(self.columns).enumerate() {
            // What follows may be empty in this row: then there is more room.
            let last = cells[index + 1..].iter().all(|cell| cell.width() == 0);
            let room = area.right().saturating_sub(x);
            let width = if last && !column.right { room.saturating_sub(1) } else { *width };
            let place = Rect { x, width: width.min(room), ..area };
            if place.width == 0 {
                continue;
            }
            if column.right {
                cell.paint_right(place, theme.style(Tone::Plain), theme, buffer);
            } else {
                cell.paint(place, theme.style(Tone::Plain), theme, buffer);
            }
            x = x.saturating_add(width + 2).min(area.right());
        }
    }

    fn widths(&self, width: u16) -> Vec<u16> {
        let gaps = 2 * u16::try_from(self.columns.len().saturating_sub(1)).unwrap_or(0);
        let fixed = self.columns.iter().map(|column| if let Width::Fixed(width) = column.width { width } else { 0 });
        let left = width.saturating_sub(fixed.sum::<u16>() + gaps);
        let sharing = self.columns.iter().filter(|column| matches!(column.width, Width::Rest)).count().max(1);
        let share = left / u16::try_from(sharing).unwrap_or(1);
        let width = |column: &Column| if let Width::Fixed(width) = column.width { width } else { share };
        self.columns.iter().map(width).collect()
    }
}
