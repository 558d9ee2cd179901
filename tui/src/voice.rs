//! What changed, in sentences, for who cannot see a screen: the state before is remembered, and only what is new is said.
//! Pure; must not know where it is written.

use std::collections::HashMap;

use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::view::{BuildRow, QueuedJob};

use crate::left;
use crate::safe_text::label;
use crate::state::build::Row;
use crate::state::dialog::Dialog;
use crate::state::log::{Place, Shown};
use crate::state::overview::NodeRow;
use crate::state::{Connection, Page, State, Toast, View};
use crate::teller::Teller;
use crate::tested;
use crate::waiting;
use crate::words::{self, Standing};

/// So many lines of a log are read out at once at most: what is left out is said.
const LINES: usize = 200;

/// What was said already.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    link: String,
    toasts: Vec<Toast>,
    place: String,
    row: String,
    dialog: Option<Dialog>,
    /// How each build of the list stood.
    builds: HashMap<BuildNumber, &'static str>,
    loaded: bool,
    teller: Teller,
    told_of: Option<BuildNumber>,
    log: Option<ReadLog>,
}

/// How far a log was read out.
#[derive(Debug)]
struct ReadLog {
    id: AttemptId,
    /// The first line in view when it was read.
    top: u64,
    /// One past the last line.
    next: u64,
    /// The row with the cursor.
    cursor: Place,
    following: bool,
    /// Its end was reached.
    ended: bool,
}

impl Voice {
    /// What is new since the last time.
    pub(crate) fn news(&mut self, state: &State) -> Vec<String> {
        let mut said = Vec::new();
        self.link(state, &mut said);
        self.builds(state, &mut said);
        let fresh = state.toasts.iter().filter(|toast| !self.toasts.contains(toast));
        said.extend(fresh.map(|toast| if toast.bad { format!("! {}", toast.text) } else { toast.text.clone() }));
        self.toasts.clone_from(&state.toasts);
        let place = place(state);
        let moved = place != self.place;
        if moved {
            said.push(place.clone());
            self.place = place;
        }
        let row = row(state);
        if row.as_ref().is_some_and(|(key, _)| moved || *key != self.row) {
            said.extend(row.as_ref().map(|(_, words)| words.clone()));
        }
        self.row = row.map(|(key, _)| key).unwrap_or_default();
        self.jobs(state, &mut said);
        self.lines(state, &mut said);
        if state.dialog != self.dialog {
            said.extend(state.dialog.iter().flat_map(|dialog| question(dialog, state)));
            self.dialog.clone_from(&state.dialog);
        }
        said
    }

    /// Forgets where we are, so that it is said again.
    pub(crate) fn again(&mut self) {
        self.place.clear();
        self.dialog = None;
        self.log = None;
    }

    fn link(&mut self, state: &State, said: &mut Vec<String>) {
        let link = match &state.connection {
            Connection::Connecting => format!("connecting to {}", state.place),
            Connection::Up(_) => format!("connected to {}", state.place),
            Connection::Lost { error, .. } => format!("! no daemon, trying again: {error}"),
        };
        if link != self.link {
            said.push(link.clone());
            self.link = link;
        }
    }

    /// Builds that came, and those that stand otherwise now. In other places they are only noted.
    fn builds(&mut self, state: &State, said: &mut Vec<String>) {
        if !state.builds.loaded {
            return;
        }
        let aloud = self.loaded && state.pages.is_empty();
        let mut now = HashMap::new();
        for row in state.builds.here() {
            let standing = Standing::of_row(row, state.is_stopping(row));
            match self.builds.get(&row.number) {
                None if aloud && self.builds.keys().all(|known| *known < row.number) => {
                    said.push(format!("build {} came: {}", row.number, about(row)));
                }
                Some(before) if aloud && *before != standing.word() => {
                    said.push(format!("build {} is {}: {}", row.number, standing.word(), about(row)));
                }
                _ => {}
            }
            now.insert(row.number, standing.word());
        }
        (self.builds, self.loaded) = (now, true);
    }

    /// What happens to the jobs of the build that is looked at.
    fn jobs(&mut self, state: &State, said: &mut Vec<String>) {
        let Some(Page::Build(page)) = state.pages.last() else { return };
        if self.told_of != Some(page.number) {
            (self.teller, self.told_of) = (Teller::default(), Some(page.number));
        }
        let Some(view) = &page.view else {
            said.extend(page.refused.iter().map(|refusal| format!("! build {}: {refusal}", page.number)));
            return;
        };
        for job in &view.jobs {
            let news = self.teller.news(job, state.daemon_now());
            said.extend(news.into_iter().map(|(standing, text)| format!("{} {text}", standing.word())));
        }
    }

    /// What is in view of a log, and what follows while it is followed.
    fn lines(&mut self, state: &State, said: &mut Vec<String>) {
        let Some(Page::Log(page)) = state.pages.last() else {
            self.log = None;
            return;
        };
        let rows: Vec<Shown<'_>> = page.shown().into_iter().map(|(_, row)| row).collect();
        if page.head.is_none() || rows.iter().any(|row| matches!(row, Shown::Missing { .. } | Shown::Hole)) {
            return; // it is on its way
        }
        let known = self.log.take().filter(|log| log.id == page.id);
        let top = page.top().0;
        let from = match &known {
            Some(log) if page.following() => log.next,
            Some(log) if log.top == top => log.next.max(page.view().end),
            _ => 0,
        };
        let before = said.len();
        read_out(&rows, from, said);
        if said.len() > before + LINES {
            let left = said.len() - before - LINES;
            said.drain(before..before + left);
            said.insert(before, format!("… {} before these", words::plural(left as u64, "line")));
        }
        let next = page.view().end.max(from);
        let ended = page.finished() && next >= page.lines();
        if ended && !known.as_ref().is_some_and(|log| log.ended) {
            said.push("the end of the log".to_owned());
        }
        let cursor = page.cursor();
        if known.as_ref().is_some_and(|log| log.top == top && log.cursor != cursor) && !page.following() {
            let under = page.shown().into_iter().find(|(place, _)| *place == cursor).map(|(_, row)| row);
            said.extend(under.and_then(|row| match row {
                Shown::Line { number, line, .. } => Some(format!("line {}: {}", number + 1, line.text)),
                Shown::Long { number, text, .. } => Some(format!("line {}: {text}", number + 1)),
                Shown::Step(mark) => Some(format!("step {}", mark.name)),
                Shown::Missing { .. } | Shown::Gap | Shown::Hole => None,
            }));
        }
        let following = page.following();
        if following && !ended && known.is_some_and(|log| !log.following) {
            said.push("following the end".to_owned());
        }
        self.log = Some(ReadLog { id: page.id.clone(), top, next, cursor, following, ended });
    }
}

fn read_out(rows: &[Shown<'_>], from: u64, said: &mut Vec<String>) {
    let first = rows.iter().find_map(|row| if let Shown::Line { number, .. } = row { Some(*number) } else { None });
    if let Some(first) = first.filter(|first| from > 0 && *first > from) {
        said.push(format!("… {} came faster than they can be read out", words::plural(first - from, "line")));
    }
    for row in rows {
        match row {
            Shown::Step(mark) if mark.first_line >= from => said.push(format!("step {}", mark.name)),
            Shown::Line { number, row: 0, line } if *number >= from => said.push(line.text.as_str().to_owned()),
            Shown::Long { number, row: 0, text } if *number >= from => said.push(text.as_str().to_owned()),
            Shown::Gap => said.push("… lines were left out here".to_owned()),
            Shown::Step(_) | Shown::Line { .. } | Shown::Long { .. } | Shown::Missing { .. } | Shown::Hole => {}
        }
    }
}

/// Where we are. Changes only when we go elsewhere.
fn place(state: &State) -> String {
    match state.pages.last() {
        Some(Page::Log(page)) => format!("log of {}", page.id),
        Some(Page::Build(page)) if page.cases.is_some() => format!("tests of build {}", page.number),
        Some(Page::Build(page)) if page.artifacts.is_some() => format!("artifacts of build {}", page.number),
        Some(Page::Build(page)) => format!("build {}", page.number),
        None => {
            let mut place = state.view.name().to_owned();
            if state.view == View::Builds {
                if !state.builds.filter.trim().is_empty() {
                    place += &format!(", filter {}", state.builds.filter.trim());
                }
                if state.builds.only_failed {
                    place += ", only what did not pass";
                }
            }
            place
        }
    }
}

/// The selected row: what it is, and a sentence about it.
fn row(state: &State) -> Option<(String, String)> {
    let numbered = |at: usize, length: usize, words: String| format!("{} of {length}: {words}", at + 1);
    match (state.pages.last(), state.view) {
        (Some(Page::Log(_)), _) => None,
        (Some(Page::Build(page)), _) if page.cases.is_some() => {
            let cases = page.cases.as_ref()?;
            let known = cases.page.as_ref()?;
            let Some(case) = cases.selected() else {
                return known.cases.is_empty().then(|| (String::new(), "no tests".to_owned()));
            };
            let marks: String = tested::marks(case).into_iter().map(|mark| format!(", {mark}")).collect();
            let said = tested::headline(case).map(|line| format!(": {line}")).unwrap_or_default();
            let words = format!("{}, {}{marks}{said}", tested::name(case), tested::word(case.outcome));
            let key = format!("{} {}", case.job, tested::name(case));
            Some((key, numbered(cases.cursor.at, cases.len(), words)))
        }
        (Some(Page::Build(page)), _) if page.artifacts.is_some() => {
            let files = page.artifacts.as_ref().filter(|files| files.known())?;
            let Some(file) = files.selected() else {
                return Some((String::new(), format!("no artifacts: {}", left::HOW)));
            };
            let removed = if file.removed_at.is_some() { ", removed" } else { "" };
            let words = format!("{}, {}, of {}{removed}", file.path, words::bytes(file.bytes), left::whose(file));
            let key = format!("{} {}", left::whose(file), file.path);
            Some((key, numbered(files.cursor.at, files.len(), words)))
        }
        (Some(Page::Build(page)), _) => {
            let view = page.view.as_deref()?;
            let words = match page.selected() {
                Row::Whole => {
                    let standing = Standing::of_build(view);
                    let reason = view.build.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                    format!("whole build, {}{reason}", standing.word())
                }
                Row::Job(job) => {
                    let job = view.jobs.get(job)?;
                    format!("job {}, {}", job.name, Standing::of_job(job).word())
                }
                Row::Step(job, step) => {
                    let attempt = view.jobs.get(job)?.attempts.last()?;
                    let step = attempt.steps.get(step)?;
                    format!("step {}, {}", step.name, Standing::of_step(attempt, step).word())
                }
                Row::Attempt(job, attempt) => {
                    let attempt = view.jobs.get(job)?.attempts.get(attempt)?;
                    format!("attempt {}, {}", attempt.number, Standing::of_attempt(attempt).word())
                }
            };
            let key = format!("{:?}", page.selected());
            Some((key, numbered(page.cursor.at, page.rows.len(), words)))
        }
        (None, View::Builds) if state.builds.is_empty() => {
            let words = if state.builds.loaded { "no build" } else { "waiting for the daemon" };
            Some((words.to_owned(), words.to_owned()))
        }
        (None, View::Builds) => {
            let row = state.builds.selected()?;
            let standing = Standing::of_row(row, state.is_stopping(row));
            let mark = if state.builds.marks.contains(&row.number) { "marked, " } else { "" };
            let words = format!("build {}, {mark}{}: {}", row.number, standing.word(), about(row));
            let key = format!("{mark}{}", row.number);
            Some((key, numbered(state.builds.cursor.at, state.builds.len(), words)))
        }
        (None, View::Queue) => {
            let _ = state.queue.as_ref()?;
            let Some(job) = state.queued_job() else {
                let filtered = state.queue_filter.is_on();
                let words = if filtered { "no job fits the filter" } else { "nothing runs and nothing waits" };
                return Some((String::new(), words.to_owned()));
            };
            Some((job.id.to_string(), numbered(state.queue_cursor.at, state.queue_len(), queued(job, state))))
        }
        (None, View::Repositories) => {
            let all = state.overview.repositories.as_ref()?;
            let Some(one) = state.overview.repository() else {
                return Some((String::new(), "no repositories".to_owned()));
            };
            let mut words = format!("{}, {} of {} passed", one.name, one.passed, one.judged);
            if let Some(median) = one.median_ms {
                words += &format!(", takes {}", words::duration(median));
            }
            if let Some(pause) = &one.pause {
                words += &format!(", paused by {}", pause.by);
            }
            Some((one.name.clone(), numbered(state.overview.repositories_cursor.at, all.len(), words)))
        }
        (None, View::Nodes) => {
            let rows = state.overview.node_rows();
            let (key, words) = match state.overview.node_row() {
                Some(NodeRow::Node(node)) => {
                    let trouble = node.engine.trouble.as_ref().map(|trouble| format!(", {trouble}"));
                    let trouble = trouble.unwrap_or_default();
                    let words = format!("{}, {} of {} slots taken{trouble}", node.name, node.jobs.len(), node.slots);
                    (node.name.clone(), words)
                }
                Some(NodeRow::Job(job)) => {
                    (job.id.to_string(), format!("{}, {} {}", job.id, job.repository, job.title))
                }
                None => return Some((String::new(), "no nodes".to_owned())),
            };
            Some((key, numbered(state.overview.nodes_cursor.at, rows.len(), words)))
        }
        (None, View::Deliveries) => {
            let all = state.deliveries.as_ref()?;
            let Some(one) = all.get(state.deliveries_cursor.at) else {
                return Some((String::new(), "no deliveries".to_owned()));
            };
            let builds = one.builds.iter().map(|number| format!("build {number}")).collect::<Vec<_>>().join(", ");
            let reason = one.reason.clone().unwrap_or(builds);
            let words = format!("{} of {}: {reason}", one.event, one.repository.as_deref().unwrap_or("no repository"));
            Some((one.delivery.clone(), numbered(state.deliveries_cursor.at, all.len(), words)))
        }
    }
}

fn about(row: &BuildRow) -> String {
    format!("{} {}: {}", row.repository, words::branch(row), row.title)
}

fn queued(job: &QueuedJob, state: &State) -> String {
    let why = match &job.step {
        Some(step) => format!("running, step {step}"),
        None if job.waiting_for.is_some() => {
            let why = waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), state.daemon_now());
            format!("waiting: {why}")
        }
        None => job.status.to_string(),
    };
    format!("{}, {why}, {} {}", job.id, job.repository, job.title)
}

/// A question, its answers with the numbers that choose them.
fn question(dialog: &Dialog, state: &State) -> Vec<String> {
    let mut said = vec![dialog.title.clone()];
    said.extend(dialog.text.iter().filter(|text| !text.is_empty()).cloned());
    if let Some(at) = dialog.killed_at {
        let left = at.since(state.daemon_now()).div_ceil(1_000);
        said.push(format!("It is killed in {left} s in any case."));
    }
    for (index, answer) in dialog.answers.iter().enumerate() {
        let why = answer.why_not.as_ref().map(|why| format!(" (not possible: {why})")).unwrap_or_default();
        said.push(format!("{}. {}{why}", index + 1, answer.label));
    }
    said
}

/// What can be said here.
pub(crate) fn help(state: &State) -> Vec<String> {
    let mut said = vec!["42 or 42/test opens a build; these do something here:".to_owned()];
    for item in state.commands() {
        let why = item.why_not.as_ref().map(|why| format!(" (not now: {why})")).unwrap_or_default();
        said.push(format!("{}: {}{why}", item.name, item.help));
    }
    said.extend(state.profiles.iter().map(|profile| format!("daemon {profile}: look at this daemon instead")));
    said.push("An empty line says again where you are. In a question the number of an answer takes it.".to_owned());
    said
}

/// As it may be written.
pub(crate) fn safe(text: &str) -> String {
    label(text).as_str().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hostile_is_made_safe() {
        assert_eq!(safe("a \x1b]0;x\x07 \u{202e}b\n"), "a  <U+202E>b");
    }
}
