//! A box over the screen, with a title, lines of text and perhaps answers. Must not know what is asked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::Words;
use crate::theme::{Theme, Tone};

pub struct Popup {
    pub title: String,
    pub lines: Vec<Words>,
    pub answers: Vec<Answer>,
    pub focus: usize,
}

pub struct Answer {
    pub label: String,
    pub why_not: Option<String>,
}

impl Popup {
    /// Paints in the middle of the area. Returns the place of each answer.
    pub fn paint(&self, area: Rect, theme: Theme, buffer: &mut Buffer) -> Vec<(Rect, usize)> {
        let answers: Vec<Words> =
            self.answers.iter().enumerate().map(|(index, answer)| self.answer(index, answer)).collect();
        let widest = self.lines.iter().chain(&answers).map(Words::width).max().unwrap_or(0);
        let widest = widest.max(self.title.chars().count() + 4);
        let width = u16::try_from(widest + 6).unwrap_or(u16::MAX).min(area.width);
        // Answers are what the box is for: text gives way first.
        let room = area.height.saturating_sub(2 + answers.len() as u16);
        let lines = self.rows(usize::from(width.saturating_sub(6)), usize::from(room));
        let shown = lines.len() as u16;
        let gap = u16::from(!answers.is_empty() && shown < room);
        let height = (shown + gap + answers.len() as u16 + 2).min(area.height);
        let place =
            Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
        frame(place, &self.title, theme, buffer);
        let inner =
            |row: u16| Rect { x: place.x + 3, y: place.y + 1 + row, width: place.width.saturating_sub(6), height: 1 };
        for (row, line) in (0..shown).zip(&lines) {
            line.paint(inner(row), Style::new(), theme, buffer);
        }
        let mut places = Vec::new();
        for (index, answer) in answers.iter().enumerate() {
            let row = inner(shown + gap + index as u16);
            if row.y + 1 >= place.bottom() {
                break;
            }
            answer.paint(row, Style::new(), theme, buffer);
            if index == self.focus {
                buffer.set_style(row, theme.selected());
            }
            places.push((row, index));
        }
        places
    }

    /// The text in rows. What is too long goes on in the next row where there is room for it, the last words first: they say
    /// what will happen. Where there is not, empty rows are left out before words are.
    fn rows(&self, width: usize, room: usize) -> Vec<Words> {
        let full = |lines: &[Words]| lines.iter().map(|line| line.wrapped(width).len()).sum::<usize>();
        let mut lines = self.lines.clone();
        if full(&lines) > room {
            lines.retain(|line| line.width() > 0);
        }
        let mut spare = room.saturating_sub(lines.len());
        let mut rows = Vec::new();
        for line in lines.into_iter().rev() {
            let wrapped = line.wrapped(width);
            if wrapped.len() <= spare + 1 {
                spare -= wrapped.len() - 1;
                rows.extend(wrapped.into_iter().rev());
            } else {
                // As far as there is room; what is left goes on in the last row, and is cut there.
                let (begin, rest) = wrapped.split_at(std::mem::take(&mut spare));
                rows.push(rest.iter().cloned().fold(Words::new(), Words::join));
                rows.extend(begin.iter().rev().cloned());
            }
        }
        rows.reverse();
        rows.truncate(room);
        rows
    }

    fn answer(&self, index: usize, answer: &Answer) -> Words {
        let arrow = if index == self.focus { "▸ " } else { "  " };
        match &answer.why_not {
            None => Words::new().plain(arrow).plain(&answer.label).plain(" "),
            Some(why) => Words::new().plain(arrow).and(Tone::Dim, &answer.label).and(Tone::Dim, format!(": {why} ")),
        }
    }
}

/// An empty box with a title in its upper edge.
pub fn frame(place: Rect, title: &str, theme: Theme, buffer: &mut Buffer) {
    let place = place.intersection(buffer.area);
    if place.width < 2 || place.height < 2 {
        return;
    }
    for y in place.y..place.bottom() {
        for x in place.x..place.right() {
            buffer[(x, y)].reset();
        }
    }
    let (right, bottom) = (place.right() - 1, place.bottom() - 1);
    let style = theme.style(Tone::Accent);
    for x in place.x + 1..right {
        buffer.set_string(x, place.y, "─", style);
        buffer.set_string(x, bottom, "─", style);
    }
    for y in place.y + 1..bottom {
        buffer.set_string(place.x, y, "│", style);
        buffer.set_string(right, y, "│", style);
    }
    for ((x, y), corner) in
        [((place.x, place.y), "╭"), ((right, place.y), "╮"), ((place.x, bottom), "╰"), ((right, bottom), "╯")]
    {
        buffer.set_string(x, y, corner, style);
    }
    let words = Words::new().plain(" ").and(Tone::Strong, title).plain(" ");
    words.paint(
        Rect { x: place.x + 2, y: place.y, width: place.width.saturating_sub(4), height: 1 },
        Style::new(),
        theme,
        buffer,
    );
}
