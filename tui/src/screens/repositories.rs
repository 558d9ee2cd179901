//! The repositories: how their builds ended lately, how long they took, what is paused. Must not know where it comes from.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use windlass_protocol::glance::RepositoryView;
use windlass_protocol::view::Outcome;

use super::builds::standing_words;
use super::list::List;
use super::{Hits, overlay, results};
use crate::state::State;
use crate::theme::{Theme, Tone};
use crate::waiting;
use crate::widgets::bar;
use crate::widgets::table::{Column, Row, Width};
use crate::widgets::text::Words;
use crate::words::{self, Standing};

pub(super) fn paint(state: &State, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(repositories) = &state.overview.repositories else {
        return overlay::empty(&["waiting for the daemon"], theme, area, buffer);
    };
    let all = &state.overview.all_repositories;
    if repositories.is_empty() && all.is_on() {
        return overlay::empty(&["no repository fits the filter", "", "Esc clears it"], theme, area, buffer);
    }
    if repositories.is_empty() {
        let lines = [
            "no repository is listed, and none ever built",
            "",
            "a [[repository]] entry in windlassd.toml lists one:",
            "name = \"owner/name\", or \"owner/*\" for all of an owner",
        ];
        return overlay::empty(&lines, theme, area, buffer);
    }
    let columns = columns(area.width);
    let row = |index: usize| {
        let repository = repositories.get(index)?;
        let cells = columns.iter().map(|column| cell(column, repository)).collect();
        Some(Row { cells, marked: false })
    };
    let cursor = state.overview.repositories_cursor;
    let list = List { columns: &columns, length: repositories.len(), cursor, row: &row };
    list.paint(state, theme, area, hits, buffer, || {
        let repository = repositories.get(cursor.at)?;
        let count = match (repositories.len() as u64, state.overview.repositories_total) {
            (shown, _) if all.is_on() => format!("{shown} shown of {}, filter \"{}\"", all.total(), all.text.trim()),
            (1, 0 | 1) => "1 repository".to_owned(),
            (shown, all) if all > shown => format!("the first {shown} of {} repositories", words::count(all)),
            (shown, _) => format!("{} repositories", words::count(shown)),
        };
        Some((count, [figures(repository), state_of(state, repository)]))
    });
}

fn columns(width: u16) -> Vec<Column> {
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let results = match width {
        180.. => 40,
        120.. => 24,
        80.. => 12,
        _ => 8,
    };
    let mut columns = vec![fixed("newest", 11, false)];
    columns.push(Column { title: "repository", width: Width::Rest, right: false });
    if width >= 60 {
        columns.push(fixed("queue", 8, false));
    }
    columns.push(fixed("results", results, false));
    if width >= 60 {
        columns.push(fixed("passed", 6, true));
        columns.push(fixed("median", 7, true));
    }
    if width >= 80 {
        columns.push(fixed("p95", 7, true));
    }
    if width >= 120 {
        columns.push(fixed("durations", if width >= 180 { 30 } else { 16 }, false));
    }
    columns
}

fn cell(column: &Column, repository: &RepositoryView) -> Words {
    let width = if let Width::Fixed(width) = column.width { usize::from(width) } else { 0 };
    let time = |ms: Option<u64>| Words::new().plain(ms.map(words::duration).unwrap_or_default());
    match column.title {
        "newest" => match repository.results.first() {
            Some(newest) => standing_words(Standing::of(newest.status, newest.outcome)),
            None => Words::from((Tone::Dim, "no builds")),
        },
        "queue" => match (&repository.pause, repository.listed, priority(repository)) {
            (Some(_), ..) => Words::from((Tone::Warn, "‖ paused")),
            (None, false, _) => Words::from((Tone::Dim, "unlisted")),
            (None, true, Some(priority)) => Words::from((Tone::Accent, priority)),
            (None, true, None) => Words::new(),
        },
        "results" => results::spark(&repository.results, width),
        "passed" => rate(repository).map_or_else(Words::new, |rate| Words::new().plain(format!("{rate} %"))),
        "median" => time(repository.median_ms),
        "p95" => time(repository.p95_ms),
        "durations" => Words::from((Tone::Dim, bar::chart(&results::durations(&repository.results, width)))),
        _ => Words::from((if repository.listed { Tone::Strong } else { Tone::Dim }, &repository.name)),
    }
}

/// In a hundred of those that say something of the code; never 100 when one did not pass.
fn rate(repository: &RepositoryView) -> Option<u64> {
    (repository.passed * 100).checked_div(repository.judged)
}

/// `+5`, or `+5/0` when pushes and pull requests differ; nothing where it is as usual.
fn priority(repository: &RepositoryView) -> Option<String> {
    let (push, pull_request) = (repository.priority.push, repository.priority.pull_request);
    match (push, pull_request) {
        (0, 0) => None,
        (push, pull_request) if push == pull_request => Some(format!("{push:+}")),
        (push, pull_request) => Some(format!("{push:+}/{pull_request:+}")),
    }
}

fn figures(repository: &RepositoryView) -> Words {
    let words = Words::from((Tone::Strong, &repository.name));
    if repository.results.is_empty() {
        return words.and(Tone::Dim, "  nothing was built yet: a push to it makes the first build");
    }
    let mut text = format!("  {} of the last {} passed", repository.passed, repository.judged);
    if let (Some(median), Some(p95)) = (repository.median_ms, repository.p95_ms) {
        text.push_str(&format!(", in {} (median), {} (95 in 100)", words::duration(median), words::duration(p95)));
    }
    let others = repository.results.len() as u64 - repository.judged;
    if others > 0 {
        text.push_str(&format!("; {others} more run, or say nothing of the code"));
    }
    words.and(Tone::Dim, text)
}

fn state_of(state: &State, repository: &RepositoryView) -> Words {
    let now = state.daemon_now();
    if let Some(pause) = &repository.pause {
        return Words::from((Tone::Warn, format!("‖ {}", waiting::pause(pause, now))));
    }
    if !repository.listed {
        let words = "not listed in the configuration (any more): its webhooks are ignored";
        return Words::from((Tone::Warn, words));
    }
    let mut words = Words::new();
    if let Some(engine) = &repository.engine {
        words = words.and(Tone::Dim, format!("runs on {engine}"));
    }
    if let Some(priority) = priority(repository) {
        words = words.and(Tone::Dim, format!(", priority {priority} (pushes/pull requests)"));
    }
    if let Some(newest) = repository.results.first() {
        let age = words::age(newest.created_at, now);
        words = words.and(Tone::Dim, format!("; #{} came {age}", newest.number));
    }
    let bad = repository.results.iter().find(|result| words::is_bad(result.outcome));
    match bad.filter(|bad| bad.outcome != Some(Outcome::Cancelled)) {
        Some(bad) => words.and(Tone::Dim, format!("; #{} did not pass", bad.number)),
        None => words,
    }
}
