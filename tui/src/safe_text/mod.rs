//! The one door through which text from elsewhere reaches a terminal: bytes in, [`SafeLine`] out. Log bytes, titles,
//! branches, job names, error texts: all are hostile until they passed here. Must not know widgets, colours of a theme,
//! or where the text came from.
//!
//! *Invariant:* the text of a [`SafeLine`] holds no control character, no bidi control, no invisible character.

mod lines;
mod parse;
mod sgr;
#[cfg(test)]
mod tests;

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

pub use lines::Lines;
pub use sgr::{Colour, Sgr};

/// One line of text that is safe to put on a terminal, with the styles its author asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SafeLine {
    text: String,
    /// Styled stretches in order, not overlapping; what lies between them is plain.
    spans: Vec<SafeSpan>,
}

/// A stretch of a line in one style. Offsets are bytes of the text, on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafeSpan {
    pub start: usize,
    pub end: usize,
    pub style: Sgr,
}

/// A name, title or sentence from elsewhere: one line, without any style.
#[must_use]
pub fn label(text: impl AsRef<[u8]>) -> SafeLine {
    let bytes = text.as_ref();
    if bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return SafeLine { text: bytes.iter().map(|byte| char::from(*byte)).collect(), spans: Vec::new() };
    }
    let mut line = parse::parse(bytes, &mut Sgr::default(), parse::Breaks::AsSpaces);
    line.spans.clear();
    line
}

/// A line of a log. `style` is what the lines before it left switched on, and afterwards what this one leaves.
#[must_use]
pub fn log_line(bytes: &[u8], style: &mut Sgr) -> SafeLine {
    parse::parse(bytes, style, parse::Breaks::LastState)
}

impl SafeLine {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Columns that the line takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.text.width()
    }

    /// Columns that a stretch of a safe line takes.
    pub(crate) fn width_of(text: &str) -> usize {
        text.width()
    }

    /// About how many bytes it occupies in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.text.len() + self.spans.len() * size_of::<SafeSpan>() + size_of::<Self>()
    }

    /// The line as stretches of one style each, in order.
    pub fn pieces(&self) -> impl Iterator<Item = (&str, Sgr)> {
        let ends = self.spans.last().map_or(0, |span| span.end);
        let mut at = 0;
        self.spans
            .iter()
            .flat_map(move |span| {
                let before = (&self.text[at..span.start], Sgr::default());
                at = span.end;
                [before, (&self.text[span.start..span.end], span.style)]
            })
            .chain([(&self.text[ends..], Sgr::default())])
            .filter(|(text, _)| !text.is_empty())
    }

    /// The columns `from .. from + width`. A wide character that is cut at either edge becomes spaces.
    #[must_use]
    pub fn columns(&self, from: usize, width: usize) -> Self {
        if from == 0 && self.text.len() <= width {
            return self.clone(); // no text has more columns than bytes
        }
        let (mut line, mut column) = (Self::default(), 0);
        let until = from.saturating_add(width);
        for (piece, style) in self.pieces() {
            let start = line.text.len();
            for grapheme in piece.graphemes(true) {
                if column >= until {
                    break;
                }
                let after = column + grapheme.width();
                if column >= from && after <= until {
                    line.text.push_str(grapheme);
                } else if after > from {
                    line.text.extend(std::iter::repeat_n(' ', after.min(until) - column.max(from)));
                }
                column = after;
            }
            line.span(start, style);
        }
        line
    }

    /// The line as rows of `width` columns. A wide character that does not fit any more begins the next one.
    #[must_use]
    pub fn rows(&self, width: usize) -> Vec<Self> {
        let width = width.max(1);
        let (mut rows, mut row, mut column) = (Vec::new(), Self::default(), 0);
        for (piece, style) in self.pieces() {
            let mut start = row.text.len();
            for grapheme in piece.graphemes(true) {
                let wide = grapheme.width();
                if column > 0 && column + wide > width {
                    row.span(start, style);
                    rows.push(std::mem::take(&mut row));
                    (start, column) = (0, 0);
                }
                row.text.push_str(grapheme);
                column += wide;
            }
            row.span(start, style);
        }
        rows.push(row);
        rows
    }

    /// What stands from a place on to the end has a style.
    fn span(&mut self, start: usize, style: Sgr) {
        if style != Sgr::default() && self.text.len() > start {
            self.spans.push(SafeSpan { start, end: self.text.len(), style });
        }
    }

    /// The line cut to `width` columns, the cut shown by an ellipsis.
    #[must_use]
    pub fn fitted(&self, width: usize) -> Self {
        if self.text.len() <= width || self.width() <= width {
            return self.clone();
        }
        let mut line = self.columns(0, width.saturating_sub(1));
        if width > 0 {
            line.text.push('…');
        }
        line
    }

    /// The line with its colours as escape sequences, for plain output to a terminal. Ends in the plain style.
    #[must_use]
    pub fn to_ansi(&self) -> String {
        let mut out = String::with_capacity(self.text.len() + self.spans.len() * 12);
        for (text, style) in self.pieces() {
            if style == Sgr::default() {
                out.push_str(text);
            } else {
                style.write_ansi(&mut out);
                out.push_str(text);
                out.push_str("\x1b[0m");
            }
        }
        out
    }
}

impl fmt::Display for SafeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
