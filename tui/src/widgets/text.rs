//! Stretches of safe text in tones, on one row. Must not know what they say.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::safe_text::{SafeLine, label};
use crate::theme::{Theme, Tone};

/// A row of text whose parts mean different things.
#[derive(Debug, Clone, Default)]
pub struct Words(Vec<(SafeLine, Tone)>);

impl Words {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text; whatever is in it is made safe.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.0.push((label(text.as_ref()), tone));
        self
    }

    #[must_use]
    pub fn plain(self, text: impl AsRef<str>) -> Self {
        self.and(Tone::Plain, text)
    }

    /// Adds other words.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| text.width()).sum()
    }

    /// Paints at the left end of an area's first row, cut with an ellipsis. Returns the columns used.
    pub fn paint(&self, area: Rect, over: Style, theme: Theme, buffer: &mut Buffer) -> u16 {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return 0;
        }
        let (mut x, end) = (area.x, area.right());
        let whole = self.width() <= usize::from(area.width);
        for (index, (text, tone)) in self.0.iter().enumerate() {
            let room = usize::from(end - x);
            let rest: usize = self.0[index + 1..].iter().map(|(text, _)| text.width()).sum();
            // The part at which the row is cut carries the ellipsis.
            let cut = !whole && (text.width() > room || (text.width() == room && rest > 0));
            let shown = if cut { label(format!("{text} ")).fitted(room) } else { text.clone() };
            (x, _) = buffer.set_stringn(x, area.y, shown.as_str(), room, theme.style(*tone).patch(over));
            if cut || x >= end {
                break;
            }
        }
        x - area.x
    }

    /// Paints at the right end.
    pub fn paint_right(&self, area: Rect, over: Style, theme: Theme, buffer: &mut Buffer) {
        let width = u16::try_from(self.width()).unwrap_or(u16::MAX).min(area.width);
        self.paint(Rect { x: area.right() - width, width, ..area }, over, theme, buffer);
    }
}

impl<T: AsRef<str>> From<(Tone, T)> for Words {
    fn from((tone, text): (Tone, T)) -> Self {
        Self::new().and(tone, text)
    }
}
