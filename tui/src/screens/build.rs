//! One build: its jobs and steps, and beside them, where there is room, the selected one's log. Must not know the lists.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, BuildView, JobView, Status};

use super::builds::standing_words;
use super::log::clock_or_day;
use super::{Hits, artifacts, cases, details, graph, log, overlay};
use crate::keymap::Mode;
use crate::left;
use crate::state::State;
use crate::state::build::{BuildPage, Row};
use crate::state::layout::Border;
use crate::tested;
use crate::theme::{Theme, Tone, tone_of};
use crate::waiting;
use crate::widgets::bar;
use crate::widgets::table::{self, Column, Table, Width};
use crate::widgets::text::Words;
use crate::words::{self, Standing};

pub(super) fn paint(state: &State, page: &BuildPage, theme: Theme, area: Rect, hits: &mut Hits, buffer: &mut Buffer) {
    let Some(view) = &page.view else {
        let words = match &page.refused {
            Some(refusal) => format!("build {}: {refusal}", page.number),
            None => format!("waiting for build {}", page.number),
        };
        return overlay::empty(&[&words], theme, area, buffer);
    };
    let layout = state.layout();
    head(state, view, page.job(), theme, Rect { height: layout.build_head(), ..area }, buffer);
    if let Some(cases) = &page.cases {
        let below = Rect { y: area.y + layout.build_head(), height: layout.build(), ..area };
        return cases::paint(state, cases, theme, below, hits, buffer);
    }
    if let Some(files) = &page.artifacts {
        let below = Rect { y: area.y + layout.build_head(), height: layout.build(), ..area };
        return artifacts::paint(state, (page.number, files), theme, below, hits, buffer);
    }
    if let Some(picture) = &page.picture {
        let below = Rect { y: area.y + layout.build_head(), height: layout.build(), ..area };
        return graph::paint(state, (page, view, picture), theme, below, hits, buffer);
    }
    let jobs = Rect { y: area.y + layout.build_head(), width: layout.jobs_width(), height: layout.jobs(), ..area };
    let bars = jobs.width >= 60;
    let mut columns = vec![
        Column { title: "state", width: Width::Fixed(11), right: false },
        Column { title: "job", width: Width::Rest, right: false },
    ];
    if bars {
        columns.push(Column { title: "share", width: Width::Fixed(BAR), right: false });
    }
    columns.push(Column { title: "took", width: Width::Fixed(if bars { 8 } else { 7 }), right: true });
    let row = |index: usize| {
        let row = *page.rows.get(index)?;
        let mut cells = cells(state, view, row);
        if bars && cells.len() == 3 {
            cells.insert(2, share(state, view, row));
        }
        Some(table::Row { cells, marked: false })
    };
    let table = Table {
        columns: &columns,
        length: page.rows.len(),
        top: page.cursor.top,
        selected: Some(page.cursor.at),
        row: &row,
        titles: false,
    };
    hits.rows(table.paint(jobs, theme, buffer));
    if let Some((width, height)) = layout.preview() {
        let beside = Rect { x: jobs.right() + 2, y: jobs.y, width, height: height + 2 };
        for y in beside.y..beside.bottom() {
            buffer.set_string(jobs.right(), y, "│", theme.style(Tone::Dim));
        }
        hits.border(Rect { x: jobs.right(), width: 1, ..beside }, Border::Jobs);
        preview(state, page, view, theme, beside, buffer);
    }
    if let Some((width, height)) = layout.details() {
        let beside = jobs.width < area.width;
        if beside {
            for y in jobs.y..jobs.y + height {
                buffer.set_string(jobs.right(), y, "│", theme.style(Tone::Dim));
            }
            hits.border(Rect { x: jobs.right(), y: jobs.y, width: 1, height }, Border::Jobs);
        } else {
            hits.border(Rect { y: jobs.bottom(), height: 1, ..area }, Border::Details);
        }
        let place = match beside {
            true => Rect { x: jobs.right() + 2, y: jobs.y, width, height },
            false => Rect { x: area.x, y: jobs.bottom(), width, height: height + 1 },
        };
        details::paint(state, page, theme, place, buffer);
    }
}

/// Columns of a bar.
const BAR: u16 = 10;

/// A bar: which part of its job's time a step took, which part of the build's a job.
fn share(state: &State, view: &BuildView, row: Row) -> Words {
    let now = state.daemon_now();
    let took = |started: Option<Timestamp>, finished: Option<Timestamp>| Some(finished.unwrap_or(now).since(started?));
    let of_attempt = |attempt: &AttemptView| took(attempt.started_at, attempt.finished_at);
    let (part, whole, running) = match row {
        Row::Whole | Row::Attempt(..) => return Words::new(),
        Row::Job(job) => {
            let Some(attempt) = view.jobs[job].attempts.last() else { return Words::new() };
            let whole = took(view.build.started_at, view.build.finished_at);
            (of_attempt(attempt), whole, attempt.status == Status::Running)
        }
        Row::Step(job, step) => {
            let Some(attempt) = view.jobs[job].attempts.last() else { return Words::new() };
            let Some(step) = attempt.steps.get(step) else { return Words::new() };
            (took(step.started_at, step.finished_at), of_attempt(attempt), step.status == Status::Running)
        }
    };
    let bar = bar::share(part.unwrap_or(0), whole.unwrap_or(0), usize::from(BAR));
    let tone = match (running, row) {
        (true, _) => Tone::Running,
        (false, Row::Step(..)) => Tone::Plain,
        (false, _) => Tone::Dim,
    };
    Words::from((tone, bar))
}

fn head(state: &State, view: &BuildView, selected: Option<&JobView>, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let build = &view.build;
    let now = state.daemon_now();
    let line = |y: u16| Rect { x: area.x + 1, y: area.y + y, width: area.width.saturating_sub(2), height: 1 };
    let cancelling = words::stopping(view);
    let standing = Standing::of_build(view);
    let title = Words::new().and(tone_of(standing), format!("{} {}", standing.glyph(), standing.word()));
    let title = title.and(Tone::Strong, format!("  #{} {}", build.number, build.title));
    title.paint(line(0), Style::new(), theme, buffer);
    let mut facts = Words::new().plain(&build.repository).plain("  ").and(Tone::Accent, words::branch_of(build));
    facts = facts.and(
        Tone::Dim,
        format!("  {}  {}", words::short_sha(&build.sha), words::event_by(&build.event, &build.author)),
    );
    facts = facts.and(Tone::Dim, format!("  came {}", clock_or_day(build.created_at, now, &state.zone)));
    if let Some(took) = words::took(build.started_at, build.finished_at, now) {
        facts = facts.and(Tone::Dim, "  took ").plain(took);
    }
    if area.height >= 3 {
        facts.paint(line(1), Style::new(), theme, buffer);
    }
    if area.height >= 4 {
        let reason = match (selected.and_then(|job| job_reason(job, now)), cancelling, &build.reason) {
            (Some(words), ..) => words,
            (None, Some(cancelling), _) => Words::from((Tone::Warn, waiting::countdown(cancelling, &[], now))),
            (None, None, Some(reason)) => Words::from((tone_of(standing), reason)),
            (None, None, None) => Words::new(),
        };
        reason.paint(line(2), Style::new(), theme, buffer);
    }
    let jobs = words::plural(view.jobs.len() as u64, "job");
    let needs = selected.filter(|job| state.mode() == Mode::Graph && !job.needs.is_empty());
    let needs = needs.map(|job| format!("; {} needs {}", job.name, job.needs.join(", "))).unwrap_or_default();
    let tests = view.tests.as_ref().map(|tests| format!("; {}", tested::in_a_line(tests))).unwrap_or_default();
    let left = left::of_build(view).filter(|(files, _)| *files > 0);
    let left = left.map(|(files, bytes)| format!("; left {}", left::counts(files, bytes))).unwrap_or_default();
    overlay::rule(
        &format!("{jobs}{needs}{tests}{left}"),
        theme,
        Rect { y: area.bottom() - 1, height: 1, ..area },
        buffer,
    );
}

fn cells(state: &State, view: &BuildView, row: Row) -> Vec<Words> {
    let now = state.daemon_now();
    let time = |attempt: &AttemptView| {
        let tone = if attempt.status == Status::Running { Tone::Running } else { Tone::Dim };
        Words::from((tone, words::took(attempt.started_at, attempt.finished_at, now).unwrap_or_default()))
    };
    match row {
        Row::Whole => {
            let build = &view.build;
            let took = words::took(build.started_at, build.finished_at, now).unwrap_or_default();
            let standing = Standing::of_build(view);
            vec![standing_words(standing), Words::from((Tone::Strong, "whole build")), Words::from((Tone::Dim, took))]
        }
        Row::Job(index) => {
            let job = &view.jobs[index];
            let attempt = job.attempts.last();
            vec![standing_words(Standing::of_job(job)), job_words(job, now), attempt.map_or_else(Words::new, time)]
        }
        Row::Step(job, index) => {
            let job = &view.jobs[job];
            let Some(attempt) = job.attempts.last() else { return Vec::new() };
            let Some(step) = attempt.steps.get(index) else { return Vec::new() };
            let standing = Standing::of_step(attempt, step);
            let last = attempt.steps.len() == index + 1;
            let branch = if last && job.attempts.len() == 1 { "  └ " } else { "  ├ " };
            let mut name = Words::new().and(Tone::Dim, branch).plain(&step.name);
            if step.finally {
                name = name.and(Tone::Dim, "  finally");
            }
            if let Some(ending) = words::ending(step.exit_code, step.signal) {
                name = name.and(Tone::Bad, format!("  {ending}"));
            }
            let took = words::took(step.started_at, step.finished_at, now).unwrap_or_default();
            let tone = if step.status == Status::Running { Tone::Running } else { Tone::Dim };
            vec![standing_words(standing), name, Words::from((tone, took))]
        }
        Row::Attempt(job, index) => {
            let Some(attempt) = view.jobs[job].attempts.get(index) else { return Vec::new() };
            let mut name = Words::new().and(Tone::Dim, format!("  └ earlier attempt #{}", attempt.number));
            if let Some(because) = &attempt.because {
                name = name.and(Tone::Dim, format!("  ({because})"));
            }
            if let Some(reason) = &attempt.reason {
                name = name.and(Tone::Dim, format!("  {reason}"));
            }
            vec![standing_words(Standing::of_attempt(attempt)), name, time(attempt)]
        }
    }
}

/// A job's name and why it is as it is, with the whole width for it.
fn job_reason(job: &JobView, now: Timestamp) -> Option<Words> {
    let name = Words::new().and(Tone::Strong, &job.name).plain(": ");
    let attempt = job.attempts.last();
    let reason = attempt.and_then(|attempt| attempt.reason.as_ref()).or(job.reason.as_ref());
    let because = attempt.and_then(|attempt| attempt.because.as_ref());
    let because = because.map(|because| format!("  ({because})")).unwrap_or_default();
    match (waiting::stopping(job, now), reason) {
        _ if job.status == Status::Waiting => {
            let why = waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now);
            let takes = waiting::takes(job.estimate.as_ref()).map(|takes| format!(", {takes}")).unwrap_or_default();
            Some(name.and(Tone::Dim, format!("{why}{takes}{because}")))
        }
        (Some(stopping), _) => Some(name.and(Tone::Warn, stopping)),
        (None, Some(reason)) => Some(name.and(tone_of(Standing::of_job(job)), reason).and(Tone::Dim, because)),
        (None, None) => {
            let takes = waiting::takes(job.estimate.as_ref()).filter(|_| job.status == Status::Running);
            let words = format!("{}{because}", takes.unwrap_or_default());
            (!words.is_empty()).then(|| name.and(Tone::Dim, words.trim_start()))
        }
    }
}

/// A job's name, and the most important thing to know about it.
fn job_words(job: &JobView, now: Timestamp) -> Words {
    let mut words = Words::new().and(Tone::Strong, &job.name);
    let attempt = job.attempts.last();
    if job.attempts.len() > 1 {
        words = words.and(Tone::Dim, format!(" #{}", job.attempts.len()));
    }
    if job.status == Status::Waiting {
        let why = waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now);
        return words.and(Tone::Dim, format!("  {why}"));
    }
    if let Some(stopping) = waiting::stopping(job, now) {
        return words.and(Tone::Warn, format!("  {stopping}"));
    }
    let reason = attempt.and_then(|attempt| attempt.reason.as_ref()).or(job.reason.as_ref());
    match reason {
        Some(reason) => words.and(tone_of(Standing::of_job(job)), format!("  {reason}")),
        None => words,
    }
}

/// What is known of the selected job beyond its row, and its log as it would open.
fn preview(state: &State, page: &BuildPage, view: &BuildView, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(shown) = &page.preview else {
        let job = page.job().or(view.jobs.first());
        let Some((job, reason)) = job.and_then(|job| Some((job, job.waiting_for.as_ref()?))) else {
            return overlay::empty(&["it never ran"], theme, area, buffer);
        };
        let now = state.daemon_now();
        let words = format!("it has not begun: {}", waiting::reason(Some(reason), now));
        let start = waiting::start(Some(reason), job.estimate.as_ref(), now).unwrap_or_default();
        let takes = waiting::takes(job.estimate.as_ref()).unwrap_or_default();
        let to_do = waiting::what_to_do(reason).unwrap_or_default();
        return overlay::empty(&[&words, &start, &takes, &to_do], theme, area, buffer);
    };
    let line = Rect { height: 1, ..area };
    let mut words = Words::new().and(Tone::Strong, shown.id.to_string());
    if let Some(attempt) = page.attempt(&shown.id) {
        let on =
            [attempt.engine.as_deref(), attempt.node.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" on ");
        // Of the same head as the rows below, not of the build's last news.
        let (lines, bytes) = match &shown.head {
            Some(head) => (head.lines, head.bytes),
            None => (attempt.log.lines, attempt.log.bytes),
        };
        let size = format!("{}, {}", words::plural(lines, "line"), words::bytes(bytes));
        words = words.and(Tone::Dim, format!("  {on}  {size}"));
        if attempt.log.dropped_bytes > 0 {
            words = words.and(Tone::Warn, format!("  {} left out", words::bytes(attempt.log.dropped_bytes)));
        }
    }
    if let Some(image) = page.job().and_then(|job| job.image.as_ref()) {
        words = words.and(Tone::Dim, format!("  {image}"));
    }
    words.paint(line, Style::new(), theme, buffer);
    log::rows(state, shown, theme, Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area }, buffer);
}
