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
            return;
        }
        let Some((across, about)) = below() else { return };
        overlay::rule(&across, theme, Rect { y: list.bottom(), height: 1, ..area }, buffer);
        for (words, y) in about.iter().zip(list.bottom() + 1..) {
            let row = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 };
            words.paint(row, Style::new(), theme, buffer);
        }
    }
}
