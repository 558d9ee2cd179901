//! The help: the key table in words. Must not know what the keys do beyond that.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::keymap::{self, Key, Keymap};
use crate::theme::{Theme, Tone};
use crate::widgets::popup;
use crate::widgets::text::Words;

pub(super) fn paint(keys: &Keymap, top: usize, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let width = area.width.min(76);
    let place = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    popup::frame(place, "Keys", theme, buffer);
    let inner = Rect {
        x: place.x + 2,
        y: place.y + 1,
        width: place.width.saturating_sub(4),
        height: place.height.saturating_sub(2),
    };
    let lines = lines(keys);
    let top = top.min(lines.len().saturating_sub(usize::from(inner.height)));
    let shown = usize::from(inner.height).min(lines.len());
    let whereabouts = format!(" {} to {} of {} ", top + 1, top + shown, lines.len());
    let edge = Rect { y: place.bottom().saturating_sub(1), height: 1, ..inner };
    Words::from((Tone::Dim, whereabouts)).paint_right(edge, Style::new(), theme, buffer);
    for (line, y) in lines.iter().skip(top).zip(inner.y..inner.bottom()) {
        line.paint(Rect { y, height: 1, ..inner }, Style::new(), theme, buffer);
    }
}

fn lines(keymap: &Keymap) -> Vec<Words> {
    let mut lines = Vec::new();
    for (mode, title) in keymap::SECTIONS {
        if !lines.is_empty() {
            lines.push(Words::new());
        }
        lines.push(Words::from((Tone::Strong, title)));
        for binding in keymap.of(mode) {
            let keys = binding.keys.iter().copied().map(Key::name).collect::<Vec<_>>().join(" ");
            lines.push(Words::new().and(Tone::Accent, format!("  {keys:<20} ")).plain(binding.help));
        }
    }
    lines
}
