//! What tools say about the source of a build: the worst first, and the selected one in full. Paths and messages are strangers'
//! text. Must not know how they were read.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::annotation::{AnnotationView, AnnotationsPage, Level};

use super::{Hits, overlay};
use crate::safe_text::label;
use crate::state::State;
use crate::state::annotations::{Annotations, rows};
use crate::theme::{Theme, Tone};
use crate::widgets::table::{Column, Row, Table, Width};
use crate::widgets::text::Words;
use crate::{annotated, words};

pub(super) fn paint(
    state: &State,
    annotations: &Annotations,
    theme: Theme,
    area: Rect,
    hits: &mut Hits,
    buffer: &mut Buffer,
) {
    let Some(page) = &annotations.page else {
        let words = match &annotations.refused {
            Some(why) => format!("annotations: {why}"),
            None => "waiting for the daemon".to_owned(),
        };
        return overlay::empty(&[&words], theme, area, buffer);
    };
    if page.annotations.is_empty() {
        let mut lines = vec!["no tool says anything about the source of this build", ""];
        lines.extend(page.counts.troubles.iter().map(String::as_str));
        return overlay::empty(&lines, theme, area, buffer);
    }
    let columns = columns(area.width, page);
    let row = |index: usize| {
        let annotation = page.annotations.get(index)?;
        let width = |column: &Column| match column.width {
            Width::Fixed(width) => usize::from(width),
            Width::Rest => usize::MAX,
        };
        let cells = columns.iter().map(|column| cell(column.title, width(column), annotation));
        Some(Row { cells: cells.collect(), marked: false })
    };
    let cursor = annotations.list.unwrap_or_default();
    let table = Table {
        columns: &columns,
        length: page.annotations.len(),
        top: cursor.top,
        selected: Some(cursor.at),
        row: &row,
        titles: true,
    };
    let (list, below) = rows(state.layout());
    let place = Rect { height: list + 1, ..area };
    hits.rows(table.paint(place, theme, buffer));
    if below > 0 {
        in_full(annotations, page, theme, Rect { y: place.bottom(), height: below, ..area }, buffer);
    }
}

fn columns(width: u16, page: &AnnotationsPage) -> Vec<Column> {
    let fixed = |title, width| Column { title, width: Width::Fixed(width), right: false };
    let places = page.annotations.iter().filter_map(annotated::place).map(|place| label(place).width());
    let widest = u16::try_from(places.max().unwrap_or(0)).unwrap_or(u16::MAX);
    let mut columns = vec![if width >= 60 { fixed("level", 9) } else { fixed("", 1) }];
    columns.push(fixed("place", widest.clamp(5, width * 2 / 5)));
    columns.push(Column { title: "says", width: Width::Rest, right: false });
    if width >= 110 {
        columns.push(fixed("job", 18));
    }
    columns
}

fn cell(title: &str, width: usize, annotation: &AnnotationView) -> Words {
    match title {
        "" | "level" => level(annotation.level, width > 1),
        "place" => match annotated::place(annotation) {
            Some(place) => Words::from((Tone::Accent, end_of(&place, width))),
            None => Words::from((Tone::Dim, "–")),
        },
        "job" => Words::from((Tone::Dim, &annotation.job)),
        _ => said(annotation),
    }
}

/// A glyph and a word.
pub(super) fn level(level: Level, word: bool) -> Words {
    let (tone, glyph) = match level {
        Level::Error => (Tone::Bad, "✗"),
        Level::Warning => (Tone::Warn, "!"),
        Level::Note => (Tone::Dim, "–"),
    };
    Words::from((tone, if word { format!("{glyph} {}", level.word()) } else { glyph.to_owned() }))
}

/// In one line, with the rule that was broken.
pub(super) fn said(annotation: &AnnotationView) -> Words {
    let words = Words::new().plain(annotated::said(annotation));
    match &annotation.rule {
        Some(rule) => words.and(Tone::Dim, format!(" [{rule}]")),
        None => words,
    }
}

/// Of a path that is too long, its end says most.
pub(super) fn end_of(text: &str, width: usize) -> String {
    let text = label(text);
    if text.width() <= width {
        return text.as_str().to_owned();
    }
    let ends = text.as_str().char_indices().map(|(at, _)| &text.as_str()[at..]);
    let fits = ends.skip(1).find(|end| label(*end).width() < width).unwrap_or_default();
    format!("…{fits}")
}

/// What is known of the selected one, and all that it says, as far as there is room.
fn in_full(annotations: &Annotations, page: &AnnotationsPage, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let listed = page.annotations.len() as u64;
    let mut count = annotated::counts(&page.counts);
    if page.counts.total() > listed {
        count = format!("the first {} of {count}", words::count(listed));
    }
    overlay::rule(&count, theme, Rect { height: 1, ..area }, buffer);
    let line = |y: u16| Rect { x: area.x + 1, y: area.y + y, width: area.width.saturating_sub(2), height: 1 };
    let Some(annotation) = annotations.selected() else { return };
    let place = annotated::place(annotation).unwrap_or_else(|| "nowhere in the source".to_owned());
    let mut facts = level(annotation.level, true).and(Tone::Accent, format!("  {place}"));
    if let Some(rule) = &annotation.rule {
        facts = facts.plain(format!("  [{rule}]"));
    }
    let from = match (&annotation.tool, annotation.test) {
        (Some(tool), _) => format!("  {tool}"),
        (None, true) => "  a test".to_owned(),
        (None, false) => String::new(),
    };
    facts = facts.and(Tone::Dim, format!("{from}  {}#{}", annotation.job, annotation.attempt));
    if let Some(number) = annotation.log_line {
        facts = facts.and(Tone::Dim, format!("  line {} of the log", words::count(number + 1)));
    }
    let width = usize::from(line(0).width);
    let title = annotation.title.iter().map(|title| Words::from((Tone::Strong, title)));
    let said = annotation.message.lines().map(|said| Words::new().plain(said));
    let troubles = page.counts.troubles.iter().map(|trouble| Words::from((Tone::Warn, trouble)));
    let lines: Vec<Words> =
        [facts].into_iter().chain(title).chain(said).chain(troubles).flat_map(|words| words.wrapped(width)).collect();
    let room = usize::from(area.height.saturating_sub(1));
    let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
    for (y, words) in (1..).zip(&lines[..shown]) {
        words.paint(line(y), Style::new(), theme, buffer);
    }
    if lines.len() > shown && room > 0 {
        let more = format!("… {} more", words::plural((lines.len() - shown) as u64, "line"));
        Words::from((Tone::Dim, more)).paint(line(room as u16), Style::new(), theme, buffer);
    }
}
