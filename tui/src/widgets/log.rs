//! Rows of a log: number, mark, time, text in the colours its author asked for. Paints what it is given and nothing else.
//! Must not know which rows are in view, or why.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use regex::Regex;

use super::text::Words;
use crate::safe_text::SafeLine;
use crate::theme::{Theme, Tone};

/// Hits lit up in one line at most.
const HITS: usize = 200;

pub enum Row<'a> {
    /// A heading of our own between the lines.
    Heading {
        words: Words,
        cursor: bool,
    },
    /// Lines were left out.
    Gap,
    /// It is not known yet what stands here.
    Looking,
    Text {
        /// Empty on the rows of a wrapped line after its first.
        number: String,
        time: String,
        mark: Mark,
        cursor: bool,
        selected: bool,
        text: &'a SafeLine,
        /// The first column of the text that is shown.
        from: usize,
        /// What does not fit goes on in the next row.
        wrapped: bool,
        /// Follows the text when it ends in view.
        tail: Option<String>,
        /// Stands at the right edge when it does not: how long the line really is.
        size: Option<String>,
    },
    Missing {
        number: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    Hit,
    CurrentHit,
    /// It speaks of an error.
    Error,
    Bookmark,
    /// The log beside has no such line.
    Differs,
    /// It is among those that are being selected.
    Selected,
    /// None of these, but the row that keys speak of.
    Cursor,
}

pub struct Log<'a> {
    pub rows: Vec<Row<'a>>,
    pub gutter: u16,
    pub times: u16,
    /// Columns at the right that are somebody else's.
    pub right: u16,
    /// Lit up inside of the text.
    pub hit: Option<&'a Regex>,
    /// Lit up too, but not as much: why the line is shown.
    pub only: Option<&'a Regex>,
}

impl Log<'_> {
    pub fn paint(&self, area: Rect, theme: Theme, buffer: &mut Buffer) {
        let area = Rect { width: area.width.saturating_sub(self.right), ..area }.intersection(buffer.area);
        for (row, y) in self.rows.iter().zip(area.y..area.bottom()) {
            let place = Rect { y, height: 1, ..area };
            match row {
                Row::Heading { words, cursor } => {
                    let used = words.paint(place, theme.style(Tone::Strong), theme, buffer);
                    for x in place.x + used..place.right() {
                        buffer.set_string(x, y, "─", theme.style(Tone::Dim));
                    }
                    if *cursor {
                        buffer.set_style(Rect { width: place.width.min(3), ..place }, theme.selected());
                    }
                }
                Row::Gap => {
                    let x = place.x + self.gutter.min(place.width.saturating_sub(1));
                    buffer.set_stringn(x, y, "⋯", usize::from(place.right() - x), theme.style(Tone::Dim));
                }
                Row::Looking => {
                    let x = place.x + self.gutter.min(place.width.saturating_sub(1));
                    buffer.set_stringn(x, y, "looking…", usize::from(place.right() - x), theme.style(Tone::Dim));
                }
                Row::Missing { number } => self.head(number, "", Mark::None, place, theme, buffer),
                Row::Text { number, time, mark, cursor, selected, text, from, wrapped, tail, size } => {
                    let mark = match (mark, cursor, selected) {
                        (Mark::None, true, _) => &Mark::Cursor,
                        (Mark::None, _, true) => &Mark::Selected,
                        _ => mark,
                    };
                    self.head(number, time, *mark, place, theme, buffer);
                    if *cursor || *selected {
                        let width = self.gutter.saturating_sub(u16::from(self.gutter > 1)).min(place.width);
                        buffer.set_style(Rect { width, ..place }, theme.selected());
                    }
                    let left = (self.gutter + self.times).min(place.width);
                    let place = Rect { x: place.x + left, width: place.width - left, ..place };
                    self.text(text, *from, *mark, place, theme, buffer);
                    self.end(text, *from, *wrapped, (tail.as_deref(), size.as_deref()), place, theme, buffer);
                }
            }
        }
    }

    fn head(&self, number: &str, time: &str, mark: Mark, place: Rect, theme: Theme, buffer: &mut Buffer) {
        let dim = theme.style(Tone::Dim);
        if self.gutter > 1 {
            let width = usize::from(self.gutter) - 2;
            let number = format!("{number:>width$}");
            buffer.set_stringn(place.x, place.y, number, usize::from(place.width), dim);
        }
        if self.gutter > 0 && mark != Mark::None && self.gutter <= place.width {
            let (glyph, tone) = match mark {
                Mark::CurrentHit => ("▶", Tone::Warn),
                Mark::Error => ("!", Tone::Bad),
                Mark::Cursor => (">", Tone::Strong),
                Mark::Selected => ("|", Tone::Strong),
                Mark::Bookmark => ("m", Tone::Accent),
                Mark::Differs => ("~", Tone::Warn),
                Mark::Hit | Mark::None => ("▸", Tone::Warn),
            };
            let x = place.x + self.gutter - 1 - u16::from(self.gutter > 1);
            buffer.set_string(x, place.y, glyph, theme.style(tone));
        }
        if self.times > 0 && self.gutter < place.width {
            let (x, room) = (place.x + self.gutter, usize::from(place.width - self.gutter));
            buffer.set_stringn(x, place.y, time, room.min(usize::from(self.times)), dim);
        }
    }

    fn text(&self, text: &SafeLine, from: usize, mark: Mark, place: Rect, theme: Theme, buffer: &mut Buffer) {
        let width = usize::from(place.width);
        let shown = text.columns(from, width);
        let mut x = place.x;
        for (piece, style) in shown.pieces() {
            let room = usize::from(place.right() - x);
            (x, _) = buffer.set_stringn(x, place.y, piece, room, theme.log(style));
        }
        let mut light = |regex: &Regex, style: Style| {
            for hit in regex.find_iter(text.as_str()).take(HITS) {
                let column = |at: usize| SafeLine::width_of(&text.as_str()[..at]);
                let (start, end) = (column(hit.start()).max(from), column(hit.end()).min(from + width));
                for column in start..end {
                    buffer[(place.x + (column - from) as u16, place.y)].set_style(style);
                }
            }
        };
        if let Some(regex) = self.only {
            light(regex, Style::new().add_modifier(Modifier::UNDERLINED));
        }
        if let (Some(regex), true) = (self.hit, matches!(mark, Mark::Hit | Mark::CurrentHit)) {
            light(regex, theme.hit());
        }
    }

    /// What is said after the text: that it was cut, or that it goes on to the right.
    #[expect(clippy::too_many_arguments, reason = "the end of a row depends on all of these")]
    fn end(
        &self,
        text: &SafeLine,
        from: usize,
        wrapped: bool,
        (tail, size): (Option<&str>, Option<&str>),
        place: Rect,
        theme: Theme,
        buffer: &mut Buffer,
    ) {
        let (length, width) = (text.width(), usize::from(place.width));
        if length > from + width {
            if !wrapped && width > 0 {
                let more = size.map_or_else(|| "›".to_owned(), |size| format!("› {size}"));
                let wide = u16::try_from(SafeLine::width_of(&more)).unwrap_or(1);
                let more = if wide < place.width / 2 { more.as_str() } else { "›" };
                let x = place.right() - u16::try_from(SafeLine::width_of(more)).unwrap_or(1);
                buffer.set_string(x, place.y, more, theme.style(Tone::Accent));
            }
        } else if let Some(tail) = tail {
            let x = place.x + length.saturating_sub(from) as u16;
            buffer.set_stringn(x, place.y, tail, usize::from(place.right() - x), theme.style(Tone::Warn));
        }
    }
}
