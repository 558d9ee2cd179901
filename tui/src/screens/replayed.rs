//! A screen of another time: as large as it was, whatever the terminal's size is now; or as text. Must not know how it was
//! recorded.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{ascii, paint};
use crate::state::State;
use crate::theme::{Theme, Tone};
use crate::widgets::text::Words;

/// The screen as far as it fits, and over the last row what there is to say about it.
pub fn draw_replayed(state: Option<&State>, words: &str, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if let Some(state) = state {
        let painted = whole(state, theme);
        let shared = area.intersection(painted.area);
        for (x, y) in (shared.y..shared.bottom()).flat_map(|y| (shared.x..shared.right()).map(move |x| (x, y))) {
            buffer[(x, y)] = painted[(x, y)].clone();
        }
    }
    if area.height > 0 {
        let row = Rect { y: area.bottom() - 1, height: 1, ..area };
        Words::from((Tone::Warn, words)).paint_right(row, Style::new(), theme, buffer);
    }
}

/// What stands on the screen.
#[must_use]
pub fn as_text(state: &State, theme: Theme) -> String {
    rows_of(&whole(state, theme)).map(|row| row + "\n").collect()
}

/// The text of each row, without its empty end. A wide character owns the cell after it too.
pub fn rows_of(buffer: &Buffer) -> impl Iterator<Item = String> {
    let (width, height) = (buffer.area.width, buffer.area.height);
    (0..height).map(move |y| {
        let (mut text, mut x) = (String::new(), 0);
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            text.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).unwrap_or(1);
        }
        text.trim_end().to_owned()
    })
}

/// The whole screen, in the size it had.
fn whole(state: &State, theme: Theme) -> Buffer {
    let layout = state.layout();
    let area = Rect { x: 0, y: 0, width: layout.width, height: layout.height };
    let mut buffer = Buffer::empty(area);
    paint(state, theme, area, &mut buffer);
    if theme.is_ascii() {
        ascii::rewrite(&mut buffer);
    }
    buffer
}
