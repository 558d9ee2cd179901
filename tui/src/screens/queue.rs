//! What runs, and what waits and why. Must not know how jobs are chosen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::view::{QueueView, QueuedJob, Status};

use super::builds::{standing_words, watched_words};
use super::list::{free_rows, in_free_rows};
use super::{Hits, overlay};
use crate::state::State;
use crate::theme::{Theme, Tone};
use crate::waiting;
use crate::widgets::bar;
use crate::widgets::table::{Column, Row, Table, Width};
use crate::widgets::text::Words;
use crate::words::{self, Standing};

pub(super) fn paint(state: &State, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(queue) = &state.queue else {
        return overlay::empty(&["waiting for the daemon"], theme, area, buffer);
    };
    if queue.jobs.is_empty() {
        let slots = format!("nothing runs and nothing waits: {} free", words::plural(queue.limit, "slot"));
        let trouble = queue.engine.trouble.as_ref().map(|trouble| format!("the engine is in trouble: {trouble}"));
        let retry = match queue.pauses.is_empty() {
            true => "r on a build (press 1) runs it again",
            false => "P ends the pause",
        };
        let lines = [slots.as_str(), "", trouble.as_deref().unwrap_or(retry)];
        return overlay::empty(&lines, theme, area, buffer);
    }
    let shown = state.queue_len();
    if shown == 0 {
        return overlay::empty(&["no job fits the filter", "", "Esc clears it"], theme, area, buffer);
    }
    let layout = state.layout();
    let fixed = |title, width, right| Column { title, width: Width::Fixed(width), right };
    let mut columns = vec![fixed("state", 11, false)];
    let job = match area.width {
        100.. => 26,
        50.. => 14,
        _ => 10,
    };
    columns.push(fixed("job", job, false));
    if area.width >= 100 {
        columns.push(fixed("repository", 22, false));
        columns.push(fixed("branch", 18, false));
    }
    columns.push(Column { title: "step, or why it waits", width: Width::Rest, right: false });
    if area.width >= 50 {
        columns.push(fixed("for", 7, true));
    }
    let row = |index: usize| {
        let job = state.queued(index)?;
        Some(Row { cells: columns.iter().map(|column| cell(column.title, job, state)).collect(), marked: false })
    };
    let table = Table {
        columns: &columns,
        length: shown,
        top: state.queue_cursor.top,
        selected: Some(state.queue_cursor.at),
        row: &row,
        titles: true,
    };
    let list = Rect { height: layout.list() + 1, ..area };
    hits.rows(table.paint(list, theme, buffer));
    let about = state.queued_job().map(|job| {
        let name = Words::new().and(Tone::Strong, format!("{}#{} ", job.id, job.attempt)).plain(&job.title);
        [name, Words::from((Tone::Dim, at_length(job, state)))]
    });
    if layout.detail() == 0 {
        let free = free_rows(list, shown.saturating_sub(state.queue_cursor.top));
        return if let Some(about) = about {
            in_free_rows(&about, theme, free, buffer)
        };
    }
    let strip = Rect { y: list.bottom(), height: 1, ..area };
    let counts = match state.queue_filter.is_on() {
        true => format!("{shown} shown of {}, filter \"{}\"", queue.jobs.len(), state.queue_filter.text.trim()),
        false => slots(queue),
    };
    overlay::rule(&counts, theme, strip, buffer);
    for (words, y) in about.iter().flatten().zip(strip.y + 1..) {
        let line = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 };
        words.paint(line, Style::new(), theme, buffer);
    }
}

fn slots(queue: &QueueView) -> String {
    format!(
        "{} {} of {} slots taken, {} waiting, {} blocked",
        bar::slots(queue.running, queue.limit),
        queue.running,
        queue.limit,
        queue.waiting,
        queue.blocked
    )
}

fn cell(title: &str, job: &QueuedJob, state: &State) -> Words {
    match title {
        "state" if state.watches.has(job.id.build) => watched_words(standing(job)),
        "state" => standing_words(standing(job)),
        "job" => Words::from((Tone::Strong, job.id.to_string())),
        "repository" => Words::new().plain(&job.repository),
        "branch" => Words::from((Tone::Accent, job.branch.as_deref().unwrap_or_default())),
        "for" => {
            let since = job.started_at.unwrap_or(job.queued_at);
            let tone = if job.status == Status::Running { Tone::Running } else { Tone::Dim };
            Words::from((tone, words::running_duration(state.daemon_now().since(since))))
        }
        _ => Words::new().plain(why(job, state)),
    }
}

fn standing(job: &QueuedJob) -> Standing {
    if job.cancelling { Standing::Stopping } else { Standing::of(job.status, None) }
}

/// The same with how long it usually takes.
fn at_length(job: &QueuedJob, state: &State) -> String {
    let parts = [Some(why(job, state)).filter(|why| !why.is_empty()), waiting::takes(job.estimate.as_ref())];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn why(job: &QueuedJob, state: &State) -> String {
    match (job.status, &job.step) {
        (Status::Waiting, _) => waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), state.daemon_now()),
        (_, Some(step)) => step.clone(),
        _ => String::new(),
    }
}
