//! The tests of a build: what failed first, and what the selected one says. Names and messages are strangers' text. Must not
//! know how tests are compared.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::cases::{CaseOutcome, CaseView, TestsPage};

use super::{Hits, overlay};
use crate::state::State;
use crate::state::cases::{Cases, rows};
use crate::theme::{Theme, Tone};
use crate::widgets::table::{Column, Row, Table, Width};
use crate::widgets::text::Words;
use crate::{tested, words};

pub(super) fn paint(state: &State, cases: &Cases, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(page) = &cases.page else {
        let words = match &cases.refused {
            Some(refusal) => format!("tests: {refusal}"),
            None => "waiting for the daemon".to_owned(),
        };
        return overlay::empty(&[&words], theme, area, buffer);
    };
    if cases.is_empty() && cases.filtered() {
        return overlay::empty(&["no test fits the filter", "", "Esc clears it"], theme, area, buffer);
    }
    if cases.is_empty() {
        let mut lines = vec!["the reports of this build name no tests", ""];
        lines.extend(page.troubles.iter().map(String::as_str));
        return overlay::empty(&lines, theme, area, buffer);
    }
    let columns = columns(area.width);
    let row = |index: usize| {
        let case = cases.row(index)?;
        Some(Row { cells: columns.iter().map(|column| cell(column.title, case)).collect(), marked: false })
    };
    let table = Table {
        columns: &columns,
        length: cases.len(),
        top: cases.cursor.top,
        selected: Some(cases.cursor.at),
        row: &row,
        titles: true,
    };
    let (list, below) = rows(state.layout(), cases.large);
    let place = Rect { height: list + 1, ..area };
    hits.rows(table.paint(place, theme, buffer));
    if below > 0 {
        message(cases, page, theme, Rect { y: place.bottom(), height: below, ..area }, buffer);
    }
}

fn columns(width: u16) -> Vec<Column> {
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let mut columns = vec![fixed("state", 9, false), Column { title: "test", width: Width::Rest, right: false }];
    if width >= 110 {
        columns.push(fixed("job", 18, false));
    }
    if width >= 70 {
        columns.push(fixed("before", 6, true));
    }
    columns.push(fixed("took", 8, true));
    columns
}

fn cell(title: &str, case: &CaseView) -> Words {
    match title {
        "state" => state_of(case.outcome),
        "job" => Words::from((Tone::Dim, &case.job)),
        "before" if case.failed_before > 0 => Words::from((Tone::Warn, format!("✗ {}/10", case.failed_before))),
        "before" => Words::new(),
        "took" => Words::from((Tone::Dim, words::duration(case.duration_ms))),
        _ => {
            let mut name = Words::new();
            if case.new {
                name = name.and(Tone::Bad, "new ");
            }
            if case.flaky {
                name = name.and(Tone::Warn, "flaky ");
            }
            let tone = if case.outcome.is_failure() { Tone::Strong } else { Tone::Plain };
            name.and(tone, &case.name).and(Tone::Dim, format!("  {}", case.suite))
        }
    }
}

fn state_of(outcome: CaseOutcome) -> Words {
    match outcome {
        CaseOutcome::Failed => Words::from((Tone::Bad, "✗ failed")),
        CaseOutcome::Error => Words::from((Tone::Bad, "! error")),
        CaseOutcome::Passed => Words::from((Tone::Good, "✓ passed")),
        CaseOutcome::Skipped => Words::from((Tone::Dim, "– skipped")),
    }
}

/// What is known of the selected test, and what it says, as far as there is room.
fn message(cases: &Cases, page: &TestsPage, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let count = match cases.filtered() {
        true => format!("{} of them shown", words::count(page.total)),
        false => words::plural(page.total, "test"),
    };
    overlay::rule(&format!("{count}; {}", tested::beside(&page.summary)), theme, Rect { height: 1, ..area }, buffer);
    let line = |y: u16| Rect { x: area.x + 1, y: area.y + y, width: area.width.saturating_sub(2), height: 1 };
    let Some(case) = cases.selected() else { return };
    if area.height < 2 {
        return;
    }
    let mut facts = Words::from((Tone::Strong, &case.name)).and(Tone::Dim, format!("  {}", case.suite));
    facts = facts.and(Tone::Dim, format!("  {}#{}", case.job, case.attempt));
    if let Some(place) = tested::place(case) {
        facts = facts.and(Tone::Accent, format!("  {place}"));
    }
    for mark in tested::marks(case) {
        facts = facts.and(Tone::Warn, format!("  {mark}"));
    }
    facts.paint(line(1), Style::new(), theme, buffer);
    let room = usize::from(area.height).saturating_sub(2);
    let said: Vec<&str> = case.message.iter().flat_map(|message| message.lines()).collect();
    let troubles = page.troubles.iter().map(|trouble| Words::from((Tone::Warn, format!("report of {trouble}"))));
    let plain = |text: &&str| Words::new().plain(text);
    let lines: Vec<Words> = said.iter().map(plain).chain(troubles).collect();
    let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
    for (y, words) in (2..).zip(&lines[..shown]) {
        words.paint(line(y), Style::new(), theme, buffer);
    }
    if lines.len() > shown && room > 0 {
        let more = format!("… {} more", words::plural((lines.len() - shown) as u64, "line"));
        Words::from((Tone::Dim, more)).paint(line(1 + room as u16), Style::new(), theme, buffer);
    }
}
