//! The list of builds. Must not know how it is kept.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::view::{BuildRow, Status};

use super::log::clock_or_day;
use super::{Hits, home, overlay, results};
use crate::state::State;
use crate::theme::{Theme, Tone, tone_of};
use crate::widgets::table::{Column, Row, Table, Width};
use crate::widgets::text::Words;
use crate::words::{self, Standing};

pub(super) fn paint(state: &State, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let builds = &state.builds;
    if builds.is_empty() {
        return match (builds.loaded, builds.filtered()) {
            (false, _) => overlay::empty(&["waiting for the daemon"], theme, area, buffer),
            (true, true) => overlay::empty(&["no build fits the filter", "", "Esc clears it"], theme, area, buffer),
            (true, false) => home::paint(state, theme, area, buffer),
        };
    }
    let layout = state.layout();
    let columns = columns(area.width);
    let row = |index: usize| {
        let row = builds.row(index)?;
        let cells = columns.iter().map(|column| cell(column.title, row, state)).collect();
        Some(Row { cells, marked: builds.marks.contains(&row.number) })
    };
    let table = Table {
        columns: &columns,
        length: builds.len(),
        top: builds.cursor.top,
        selected: Some(builds.cursor.at),
        row: &row,
        titles: true,
    };
    let list = Rect { height: layout.list() + 1, ..area };
    hits.rows(table.paint(list, theme, buffer));
    if layout.detail() > 0 {
        detail(state, theme, Rect { y: list.bottom(), height: layout.detail(), ..area }, buffer);
    }
}

/// Which columns there is room for.
fn columns(width: u16) -> Vec<Column> {
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let title = Column { title: "title", width: Width::Rest, right: false };
    let mut columns = vec![fixed("state", 11, false), fixed("build", 6, true)];
    let names = match width {
        160.. => 22,
        120.. => 16,
        _ => 13,
    };
    if width >= 80 {
        columns.push(fixed("repository", names, false));
    }
    if width >= 60 {
        columns.push(fixed("branch", names, false));
    }
    columns.push(title);
    if width >= 140 {
        columns.push(fixed("author", 14, false));
    }
    if width >= 180 {
        columns.push(fixed("event", 12, false));
    }
    if width >= 120 {
        columns.push(fixed("jobs", 11, false));
    }
    if width >= 70 {
        columns.push(fixed("took", 7, true));
    }
    if width >= 100 {
        columns.push(fixed("came", 12, true));
    }
    columns
}

fn cell(title: &str, row: &BuildRow, state: &State) -> Words {
    let standing = Standing::of_row(row, state.is_stopping(row));
    match title {
        "state" if state.watches.has(row.number) => watched_words(standing),
        "state" => standing_words(standing),
        "build" => Words::from((Tone::Strong, row.number.to_string())),
        "repository" => Words::new().plain(&row.repository),
        "branch" => Words::from((Tone::Accent, words::branch(row))),
        "title" => Words::new().plain(&row.title),
        "author" => Words::from((Tone::Dim, &row.author)),
        "event" => Words::from((Tone::Dim, &row.event)),
        "jobs" => jobs(row),
        "took" => {
            let took = words::took(row.started_at, row.finished_at, state.daemon_now());
            let tone = if row.status == Status::Running { Tone::Running } else { Tone::Dim };
            Words::from((tone, took.unwrap_or_default()))
        }
        _ => Words::from((Tone::Dim, clock_or_day(row.created_at, state.daemon_now(), &state.zone))),
    }
}

pub(super) fn standing_words(standing: Standing) -> Words {
    Words::from((tone_of(standing), format!("{} {}", standing.glyph(), standing.word())))
}

/// The same of a build that is watched: it has not ended, and those words leave room for a sign.
pub(super) fn watched_words(standing: Standing) -> Words {
    let words = format!("{} {:8}", standing.glyph(), standing.word());
    Words::from((tone_of(standing), words)).and(Tone::Accent, WATCHED)
}

/// Stands for a build that is watched. One column wide in every terminal.
pub(super) const WATCHED: &str = "◉";

/// A glyph for each job; the number of those that do not fit.
fn jobs(row: &BuildRow) -> Words {
    const MOST: usize = 8;
    let words = row.jobs.iter().take(MOST).fold(Words::new(), |words, job| {
        let standing = Standing::of(job.status, job.outcome);
        words.and(tone_of(standing), standing.glyph())
    });
    match row.jobs.len().saturating_sub(MOST) {
        0 => words,
        more => words.and(Tone::Dim, format!(" +{more}")),
    }
}

/// What the list has no room for, about the selected build; and what the list leaves out.
fn detail(state: &State, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let builds = &state.builds;
    overlay::rule(&counts(state), theme, Rect { height: 1, ..area }, buffer);
    let Some(row) = builds.selected() else { return };
    let line = |y: u16| Rect { x: area.x + 1, y: area.y + y, width: area.width.saturating_sub(2), height: 1 };
    let standing = Standing::of_row(row, state.is_stopping(row));
    let mut words = Words::new().and(Tone::Strong, format!("#{} ", row.number)).plain(&row.title);
    words = words.and(Tone::Dim, format!("  {} {}", row.repository, words::short_sha(&row.sha)));
    words = words.and(Tone::Dim, format!("  {}", words::event_by(&row.event, &row.author)));
    words.paint(line(1), Style::new(), theme, buffer);
    let mut words = standing_words(standing);
    if let Some(reason) = &row.reason {
        words = words.plain("  ").plain(reason);
    }
    if let Some(because) = &row.because {
        words = words.and(Tone::Dim, format!("  ({because})"));
    }
    let mut room = line(2);
    if let Some(results) = state.overview.branch(row).filter(|results| results.len() > 1) {
        let columns = if area.width >= 120 { 40 } else { 12 };
        let branch =
            Words::from((Tone::Dim, format!("{}  ", words::branch(row)))).join(results::spark(results, columns));
        // The reason goes before; the results take what it leaves, if that is enough.
        let width = branch.width() as u16;
        if usize::from(width) + words.width() + 3 <= usize::from(room.width) || width <= room.width / 2 {
            branch.paint_right(room, Style::new(), theme, buffer);
            room.width -= width + 2;
        }
    }
    words.paint(room, Style::new(), theme, buffer);
}

fn counts(state: &State) -> String {
    let builds = &state.builds;
    let mut parts = Vec::new();
    if builds.filtered() {
        parts.push(format!("{} shown of {}", words::count(builds.len() as u64), words::count(builds.total())));
        if !builds.filter.trim().is_empty() {
            let at_hand = words::count(builds.at_hand() as u64);
            parts
                .push(format!("filter \"{}\": like it among the newest {at_hand}, exact in all", builds.filter.trim()));
        }
        if builds.only_failed {
            parts.push("only what did not pass".to_owned());
        }
    } else {
        parts.push(words::plural(builds.total(), "build"));
    }
    if !builds.marks.is_empty() {
        parts.push(format!("{} marked", builds.marks.len()));
    }
    if builds.marking() {
        parts.push("marking to here: V ends it".to_owned());
    }
    parts.join(", ")
}
