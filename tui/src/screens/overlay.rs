//! What lies over a page or in the place of one: dialogs, toasts, rules, the words of an empty page. Must not know which
//! page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::time::Timestamp;

use super::Hits;
use crate::state::dialog::Dialog;
use crate::state::{Hit, State};
use crate::theme::{Theme, Tone};
use crate::widgets::popup::{Answer, Popup};
use crate::widgets::text::Words;

pub(super) fn dialog(dialog: &Dialog, now: Timestamp, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let countdown = dialog.killed_at.map(|at| match at.since(now).div_ceil(1_000) {
        0 => "It is being killed by itself just now.".to_owned(),
        left => format!("It is being stopped, killed in {left} s by itself. Kill it now?"),
    });
    let answer =
        |answer: &crate::state::dialog::Answer| Answer { label: answer.label.clone(), why_not: answer.why_not.clone() };
    let popup = Popup {
        title: dialog.title.clone(),
        lines: dialog.text.iter().chain(&countdown).map(|text| Words::new().plain(text)).collect(),
        answers: dialog.answers.iter().map(answer).collect(),
        focus: dialog.focus,
    };
    for (place, index) in popup.paint(area, theme, buffer) {
        hits.add(place, Hit::Answer(index));
    }
}

/// Results and refusals, above the footer at the right, the newest at the bottom. That one takes as many rows as it needs.
pub(super) fn toasts(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut bottom = area.bottom();
    for (age, toast) in state.toasts.iter().rev().enumerate() {
        let (tone, glyph) = if toast.bad { (Tone::Bad, "✗") } else { (Tone::Good, "✓") };
        let room = usize::from(area.width).saturating_sub(4);
        let words = Words::from((tone, &toast.text));
        let rows = if age == 0 { words.wrapped(room) } else { vec![words] };
        let rows: Vec<Words> = (rows.into_iter().enumerate())
            .map(|(index, row)| {
                Words::from((tone, if index == 0 { format!(" {glyph} ") } else { "   ".to_owned() })).join(row)
            })
            .collect();
        let width = rows.iter().map(|row| row.width() + 1).max().unwrap_or(0);
        let width = u16::try_from(width).unwrap_or(u16::MAX).min(area.width);
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        if bottom.saturating_sub(area.y) < height.min(area.height) {
            return;
        }
        bottom -= height.min(area.height);
        for (row, y) in rows.iter().zip(bottom..area.bottom()) {
            let place = Rect { x: area.right() - width, y, width, height: 1 };
            for x in place.x..place.right() {
                buffer[(x, y)].reset();
            }
            buffer.set_style(place, theme.strip(tone));
            row.paint(place, theme.strip(tone), theme, buffer);
        }
    }
}

/// Words in the middle of an area that has nothing to show.
pub(super) fn empty(lines: &[&str], theme: Theme, area: Rect, buffer: &mut Buffer) {
    let tone = |index: usize| if index == 0 { Tone::Plain } else { Tone::Dim };
    let words = lines.iter().enumerate().map(|(index, line)| Words::from((tone(index), line)));
    let rows: Vec<Words> = words.flat_map(|words| words.wrapped(usize::from(area.width))).collect();
    let top = area.y + area.height.saturating_sub(u16::try_from(rows.len()).unwrap_or(u16::MAX)) / 3;
    for (words, y) in rows.iter().zip(top..area.bottom()) {
        let width = u16::try_from(words.width()).unwrap_or(u16::MAX).min(area.width);
        let x = area.x + (area.width - width) / 2;
        words.paint(Rect { x, y, width, height: 1 }, Style::new(), theme, buffer);
    }
}

/// A line across, with words in it.
pub(super) fn rule(text: &str, theme: Theme, area: Rect, buffer: &mut Buffer) {
    for x in area.x..area.right() {
        buffer.set_string(x, area.y, "─", theme.style(Tone::Dim));
    }
    let words = Words::from((Tone::Dim, format!(" {text} ")));
    words.paint(Rect { x: area.x + 2, width: area.width.saturating_sub(4), ..area }, Style::new(), theme, buffer);
}
