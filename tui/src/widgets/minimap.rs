//! A column that stands for all of a long text: one row for each part of it. Letters, not blocks, so that it can be read
//! without colours and without UTF-8. Must not know what the text is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::theme::{Theme, Tone};

/// What a row shows: a sign with its tone, and whether its part is in view.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub sign: Option<(char, Tone)>,
    pub in_view: bool,
}

pub fn paint(cells: &[Cell], area: Rect, theme: Theme, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    if area.width == 0 {
        return;
    }
    for (cell, y) in cells.iter().zip(area.y..area.bottom()) {
        let (sign, tone) = cell.sign.unwrap_or(if cell.in_view { ('|', Tone::Plain) } else { (' ', Tone::Plain) });
        let mut style = theme.style(tone);
        if cell.in_view {
            style = style.add_modifier(Modifier::REVERSED);
        }
        buffer[(area.x, y)].set_char(sign).set_style(style);
    }
}
