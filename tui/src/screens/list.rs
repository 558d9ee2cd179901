//! A view that is one list: the table, and where there is room for them, a line across with a count and two rows about what is
//! selected. Must not know what is listed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Hits, overlay};
use crate::state::State;
use crate::state::cursor::Cursor;
use crate::theme::Theme;
use crate::widgets::table::{Column, Row, Table};
use crate::widgets::text::Words;

pub(super) struct List<'a> {
    pub(super) columns: &'a [Column],
    pub(super) length: usize,
    pub(super) cursor: Cursor,
    /// `None` for a row that is not here yet.
    pub(super) row: &'a dyn Fn(usize) -> Option<Row>,
}

impl List<'_> {
    /// `below`: what stands across, and what is said of the selected row. It is asked for only where it is shown.
    pub(super) fn paint(
        &self,
        state: &State,
        theme: Theme,
        area: Rect,
        hits: &mut Hits,
        buffer: &mut Buffer,
        below: impl FnOnce() -> Option<(String, [Words; 2])>,
    ) {
        let table = Table {
            columns: self.columns,
            length: self.length,
            top: self.cursor.top,
            selected: Some(self.cursor.at),
            row: self.row,
            titles: true,
        };
        let layout = state.layout();
        let list = Rect { height: layout.list() + 1, ..area };
        hits.rows(table.paint(list, theme, buffer));
        if layout.detail() == 0 {
            let free = free_rows(list, self.length.saturating_sub(self.cursor.top));
            return if let (1.., Some((_, about))) = (free.height, below()) {
                in_free_rows(&about, theme, free, buffer)
            };
        }
        let Some((across, about)) = below() else { return };
        overlay::rule(&across, theme, Rect { y: list.bottom(), height: 1, ..area }, buffer);
        for (words, y) in about.iter().zip(list.bottom() + 1..) {
            let row = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 };
            words.paint(row, Style::new(), theme, buffer);
        }
    }
}

/// What a list of so many rows leaves of its area, below its titles and with an empty row between.
pub(super) fn free_rows(list: Rect, rows: usize) -> Rect {
    let taken = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2).min(list.height);
    Rect { y: list.y + taken, height: list.height - taken, ..list }
}

/// In a small terminal: what is said of the selected row, at the bottom and in as many rows as it needs. Where there are too
/// few, the last words stay: the first ones repeat the row.
pub(super) fn in_free_rows(about: &[Words; 2], theme: Theme, free: Rect, buffer: &mut Buffer) {
    let width = free.width.saturating_sub(2);
    let room = usize::from(free.height);
    let mut rows = about[1].wrapped(usize::from(width));
    if rows.len() > room {
        let rest = rows.split_off(room.saturating_sub(1));
        rows.push(rest.into_iter().fold(Words::new(), Words::join));
    } else {
        let first = about[0].wrapped(usize::from(width));
        if rows.len() + first.len() <= room {
            rows.splice(0..0, first);
        }
    }
    let top = free.bottom().saturating_sub(u16::try_from(rows.len()).unwrap_or(u16::MAX));
    for (row, y) in rows.iter().zip(top..free.bottom()) {
        row.paint(Rect { x: free.x + 1, y, width, height: 1 }, Style::new(), theme, buffer);
    }
}
