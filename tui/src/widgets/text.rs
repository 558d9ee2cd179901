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

    /// The same in rows of so many columns, broken at spaces; what has none is cut when it is painted.
    #[must_use]
    pub fn wrapped(&self, width: usize) -> Vec<Self> {
        let (mut rows, mut row, mut column) = (Vec::new(), Self::new(), 0);
        for (text, tone) in &self.0 {
            for word in text.as_str().split_inclusive(' ') {
                if column > 0 && column + label(word.trim_end()).width() > width {
                    rows.push(std::mem::take(&mut row));
                    column = 0;
                }
                let word = label(word);
                column += word.width();
                row.0.push((word, *tone));
            }
        }
        rows.push(row);
        rows
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(words: &Words, width: usize) -> Vec<String> {
        let text = |row: &Words| row.0.iter().map(|(text, _)| text.as_str()).collect::<String>().trim_end().to_owned();
        words.wrapped(width).iter().map(text).collect()
    }

    #[test]
    fn rows_break_at_spaces() {
        let words = Words::from((Tone::Bad, "one two ")).plain("three four");
        assert_eq!(rows(&words, 9), ["one two", "three", "four"]);
        assert_eq!(rows(&words, 40), ["one two three four"]);
        assert_eq!(rows(&words, 1), ["one", "two", "three", "four"]);
        assert_eq!(rows(&Words::new(), 9), [""]);
        assert_eq!(rows(&Words::new().plain("\u{4f60}\u{597d} \u{4f60}"), 5), ["\u{4f60}\u{597d}", "\u{4f60}"]);
    }
}
