//! A build as a tree of rows: the build, its jobs, their steps, and what a running one wrote last. Pure; must not know
//! terminals nor where rows are painted.

use std::collections::BTreeMap;

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, BuildView, JobView, Outcome, Status};

use crate::safe_text::{SafeLine, label};
use crate::screens::ascii;
use crate::waiting;
use crate::words::{self, Standing};

/// One row of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    depth: usize,
    /// A row of a log has none.
    standing: Option<Standing>,
    /// The standing's word is written too.
    worded: bool,
    text: String,
    /// What goes first when there is too little room: the largest.
    rank: u8,
}

/// A row made safe and cut to a width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) indent: usize,
    pub(super) standing: Option<Standing>,
    /// Glyph and, where it is written, the word.
    pub(super) sign: String,
    pub(super) text: SafeLine,
}

/// What is looked at.
pub(super) struct Look<'a> {
    /// Only this job.
    pub(super) job: Option<&'a str>,
    /// The last line of the log of jobs that run.
    pub(super) tails: &'a BTreeMap<String, String>,
    /// Why what is shown may be old.
    pub(super) trouble: Option<&'a str>,
    pub(super) now: Timestamp,
}

const HEAD: u8 = 0;
const TROUBLE: u8 = 1;
const RUNNING_JOB: u8 = 2;
const BAD_JOB: u8 = 3;
const RUNNING_STEP: u8 = 4;
const TAIL: u8 = 5;
const WAITING_JOB: u8 = 6;
const BAD_STEP: u8 = 7;
const ENDED_JOB: u8 = 8;
const STEP: u8 = 9;

/// Every row of a build.
pub(super) fn rows(view: &BuildView, look: &Look<'_>) -> Vec<Row> {
    let build = &view.build;
    let took = words::took(build.started_at, build.finished_at, look.now).map(|took| format!("  {took}"));
    let text = format!(
        "build {}{}  {} {}: {}",
        build.number,
        took.unwrap_or_default(),
        build.repository,
        words::branch_of(build),
        build.title
    );
    let standing = Some(Standing::of_build(view));
    let mut rows = vec![Row { depth: 0, standing, worded: true, text, rank: HEAD }];
    if let Some(words) = look.trouble {
        rows.push(Row { depth: 0, standing: None, worded: false, text: words.to_owned(), rank: TROUBLE });
    }
    for job in view.jobs.iter().filter(|job| look.job.is_none_or(|name| name == job.name)) {
        job_rows(job, look, &mut rows);
    }
    rows
}

fn job_rows(job: &JobView, look: &Look<'_>, rows: &mut Vec<Row>) {
    let attempt = job.attempts.last();
    let standing = Standing::of_job(job);
    let rank = match (job.status, job.outcome) {
        (Status::Running, _) => RUNNING_JOB,
        (Status::Waiting, _) => WAITING_JOB,
        (Status::Finished, outcome) if words::is_bad(outcome) => BAD_JOB,
        (Status::Finished, _) => ENDED_JOB,
    };
    rows.push(Row { depth: 1, standing: Some(standing), worded: true, text: job_text(job, look.now), rank });
    let Some(attempt) = attempt.filter(|attempt| attempt.status == job.status) else { return };
    for step in &attempt.steps {
        let standing = Standing::of_step(attempt, step);
        let mut text = format!("{}{}", step.name, if step.finally { "  (finally)" } else { "" });
        for more in
            [words::took(step.started_at, step.finished_at, look.now), words::ending(step.exit_code, step.signal)]
        {
            text += &more.map(|more| format!("  {more}")).unwrap_or_default();
        }
        let rank = match standing {
            Standing::Running | Standing::Stopping => RUNNING_STEP,
            _ if words::is_bad(step.outcome) => BAD_STEP,
            _ => STEP,
        };
        rows.push(Row { depth: 2, standing: Some(standing), worded: false, text, rank });
        if rank == RUNNING_STEP
            && let Some(tail) = look.tails.get(&job.name).filter(|tail| !tail.is_empty())
        {
            rows.push(Row { depth: 3, standing: None, worded: false, text: format!("│ {tail}"), rank: TAIL });
        }
    }
}

fn job_text(job: &JobView, now: Timestamp) -> String {
    let attempt = job.attempts.last();
    let mut text = match attempt {
        Some(attempt) if attempt.number > 1 => format!("{}#{}", job.name, attempt.number),
        _ => job.name.clone(),
    };
    let took = attempt.and_then(|attempt| words::took(attempt.started_at, attempt.finished_at, now));
    text += &took.map(|took| format!("  {took}")).unwrap_or_default();
    text += &after(job, attempt, now).map(|more| format!("  {more}")).unwrap_or_default();
    text
}

/// What else there is to say of a job.
fn after(job: &JobView, attempt: Option<&AttemptView>, now: Timestamp) -> Option<String> {
    match (job.status, attempt) {
        (Status::Waiting, _) => Some(waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now)),
        (Status::Running, Some(attempt)) => {
            let cancelling = attempt.cancelling.as_ref();
            cancelling.map(|cancelling| waiting::countdown(cancelling, &attempt.steps, now))
        }
        (Status::Finished, attempt) if job.outcome != Some(Outcome::Passed) => {
            attempt.and_then(|attempt| attempt.reason.clone()).or_else(|| job.reason.clone())
        }
        _ => None,
    }
}

/// At most so many rows. What matters least goes first, and how much went is said.
pub(super) fn fitted(rows: Vec<Row>, height: usize) -> Vec<Row> {
    if rows.len() <= height {
        return rows;
    }
    let room = height.saturating_sub(1);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| (rows[*at].rank, *at));
    let mut kept: Vec<usize> = order.into_iter().take(room).collect();
    kept.sort_unstable();
    let left = rows.len() - kept.len();
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let mut shown: Vec<Row> = kept.into_iter().filter_map(|at| rows[at].take()).collect();
    if height > 0 {
        let text = format!("… {} more {}", words::count(left as u64), if left == 1 { "row" } else { "rows" });
        shown.push(Row { depth: 0, standing: None, worded: false, text, rank: HEAD });
    }
    shown
}

impl Row {
    /// The row in this many columns. `spinner` stands for what runs.
    pub(super) fn line(&self, width: usize, spinner: Option<char>) -> Line {
        let indent = (self.depth * 2).min(width / 4);
        let sign = match self.standing {
            Some(standing) => {
                let glyph = match (standing, spinner) {
                    (Standing::Running, Some(spinner)) => spinner.to_string(),
                    _ => standing.glyph().to_owned(),
                };
                let word = if self.worded && width >= 40 { format!(" {:9}", standing.word()) } else { String::new() };
                format!("{glyph}{word} ")
            }
            None => String::new(),
        };
        let sign = label(sign).fitted(width.saturating_sub(indent)).as_str().to_owned();
        let used = indent + label(&sign).width();
        Line { indent, standing: self.standing, sign, text: label(&self.text).fitted(width.saturating_sub(used)) }
    }
}

impl Line {
    pub(super) fn in_ascii(self) -> Self {
        Self { sign: ascii::text(&self.sign), text: label(ascii::text(self.text.as_str())), ..self }
    }

    pub(super) fn width(&self) -> usize {
        self.indent + label(&self.sign).width() + self.text.width()
    }
}
