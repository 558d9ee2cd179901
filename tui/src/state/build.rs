//! One build on the screen: its jobs and their steps as rows. Must not know logs nor the other screens.

use std::collections::BTreeMap;
use std::ops::Range;

use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::Sub;
use windlass_protocol::refusal::Refusal;
use windlass_protocol::view::{AttemptView, BuildView, JobView, Outcome, Status};

use super::artifacts::Artifacts;
use super::cases::Cases;
use super::cursor::{Cursor, Move};
use super::digest::Digest;
use super::log::{LogPage, Start};
use super::picture::Picture;
use crate::words;

#[derive(Debug)]
pub struct BuildPage {
    pub number: BuildNumber,
    pub sub: Sub,
    pub view: Option<Box<BuildView>>,
    /// Why the daemon does not show it.
    pub refused: Option<Refusal>,
    pub cursor: Cursor,
    pub rows: Vec<Row>,
    /// The job to put the cursor on as soon as it is known.
    wanted: Option<String>,
    /// The log of the selected job, where there is room beside the jobs.
    pub preview: Option<LogPage>,
    /// The jobs are shown as a graph.
    pub picture: Option<Picture>,
    /// Its tests are shown instead of its jobs.
    pub cases: Option<Box<Cases>>,
    /// The files that its jobs left are.
    pub artifacts: Option<Box<Artifacts>>,
    /// The details of the selected job were wished, or not; without a word they are shown where there is room.
    pub details: Option<bool>,
    /// The last errors of attempts, as far as they were asked for.
    pub digests: BTreeMap<AttemptId, Digest>,
}

/// A row of the page. Numbers are indices of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Whole,
    Job(usize),
    /// A step of the job's newest attempt.
    Step(usize, usize),
    /// An older attempt.
    Attempt(usize, usize),
}

impl BuildPage {
    pub(super) fn new(number: BuildNumber, sub: Sub, wanted: Option<String>) -> Self {
        let rows = vec![Row::Whole];
        Self {
            number,
            sub,
            view: None,
            refused: None,
            cursor: Cursor::default(),
            rows,
            wanted,
            preview: None,
            picture: None,
            cases: None,
            artifacts: None,
            details: None,
            digests: BTreeMap::new(),
        }
    }

    pub(super) fn show(&mut self, view: Box<BuildView>, height: usize) {
        let selected = self.selected();
        self.rows = rows(&view);
        let first = self.view.is_none();
        let wanted = match self.wanted.take() {
            Some(name) => view.jobs.iter().position(|job| job.name == name).map(Row::Job),
            // A build opens on what went wrong with it.
            None if first => view.jobs.iter().position(|job| words::is_bad(job.outcome)).map(Row::Job),
            None => Some(selected),
        };
        if let Some(index) = wanted.and_then(|row| self.rows.iter().position(|other| *other == row)) {
            self.cursor.at = index;
        }
        self.refused = None;
        self.view = Some(view);
        self.cursor.settle(self.rows.len(), height);
    }

    /// Its jobs are shown as a list, not something else in their place.
    pub(super) fn shows_jobs(&self) -> bool {
        self.picture.is_none() && self.cases.is_none() && self.artifacts.is_none()
    }

    pub fn selected(&self) -> Row {
        self.rows.get(self.cursor.at).copied().unwrap_or(Row::Whole)
    }

    pub(super) fn go(&mut self, step: Move, height: usize) {
        self.cursor.go(step, self.rows.len(), height);
    }

    pub(super) fn go_to_failed(&mut self, forward: bool, height: usize) {
        let Some(view) = &self.view else { return };
        let bad = |index: &usize| match self.rows[*index] {
            Row::Job(job) => words::is_bad(view.jobs[job].outcome),
            _ => false,
        };
        let at = self.cursor.at;
        let index = if forward { (at + 1..self.rows.len()).find(bad) } else { (0..at).rev().find(bad) };
        if let Some(index) = index {
            self.go(Move::By(index as isize - at as isize), height);
        }
    }

    /// Puts the cursor on a job, by its index in the view.
    pub(super) fn select_job(&mut self, job: usize, height: usize) {
        if let Some(at) = self.rows.iter().position(|row| *row == Row::Job(job)) {
            self.go(Move::By(at as isize - self.cursor.at as isize), height);
        }
    }

    /// The index of the selected job; of the whole build, the job that stands for it.
    pub fn job_index(&self) -> Option<usize> {
        let view = self.view.as_deref()?;
        match self.selected() {
            Row::Whole => {
                let job = whole(view).or(view.jobs.first())?;
                view.jobs.iter().position(|other| other.name == job.name)
            }
            Row::Job(job) | Row::Step(job, _) | Row::Attempt(job, _) => Some(job),
        }
    }

    /// The job of the selected row; none when the whole build is selected.
    pub fn job(&self) -> Option<&JobView> {
        let view = self.view.as_deref()?;
        match self.selected() {
            Row::Whole => None,
            Row::Job(job) | Row::Step(job, _) | Row::Attempt(job, _) => view.jobs.get(job),
        }
    }

    /// The log that the selected row means, and where to begin in it.
    pub(super) fn log(&self) -> Option<(AttemptId, Start)> {
        let view = self.view.as_deref()?;
        let (job, attempt, step) = match self.selected() {
            Row::Whole => (whole(view)?, None, None),
            Row::Job(job) => (view.jobs.get(job)?, None, None),
            Row::Step(job, step) => (view.jobs.get(job)?, None, Some(step)),
            Row::Attempt(job, attempt) => (view.jobs.get(job)?, Some(attempt), None),
        };
        let attempt = match attempt {
            Some(index) => job.attempts.get(index)?,
            None => job.attempts.last()?,
        };
        let id = AttemptId { build: self.number, job: job.name.clone(), attempt: attempt.number };
        let start = match step {
            Some(index) => match attempt.steps.get(index) {
                Some(step) if words::is_bad(step.outcome) => Start::EndOfStep(index),
                Some(step) => step.first_line.map_or(Start::End, Start::Line),
                None => Start::End,
            },
            None => words::failing_step(attempt).map_or(Start::End, |(index, _)| Start::EndOfStep(index)),
        };
        Some((id, start))
    }

    /// The lines of the step that made an attempt fail, and how many lines there are.
    pub(super) fn failing_lines(&self, id: &AttemptId) -> Option<(Range<u64>, u64)> {
        let attempt = self.attempt(id)?;
        let (index, step) = words::failing_step(attempt)?;
        let after = attempt.steps.get(index + 1..)?.iter().find_map(|step| step.first_line);
        Some((step.first_line?..after.unwrap_or(u64::MAX), attempt.log.lines))
    }

    /// Where the log of an attempt of this build stands.
    pub fn attempt(&self, id: &AttemptId) -> Option<&AttemptView> {
        let job = self.view.as_ref()?.jobs.iter().find(|job| job.name == id.job)?;
        job.attempts.iter().find(|attempt| attempt.number == id.attempt)
    }
}

/// The job whose log stands for the whole build: one that failed or runs, or else one that is to run again.
fn whole(view: &BuildView) -> Option<&JobView> {
    let telling = words::telling_job(view);
    let busy = |job: &&JobView| {
        job.status == Status::Running || (words::is_bad(job.outcome) && job.outcome != Some(Outcome::Cancelled))
    };
    let again = |job: &&JobView| job.status == Status::Waiting && job.attempts.len() > 1;
    telling.filter(busy).or_else(|| view.jobs.iter().find(again)).or(telling)
}

fn rows(view: &BuildView) -> Vec<Row> {
    let mut rows = vec![Row::Whole];
    for (index, job) in view.jobs.iter().enumerate() {
        rows.push(Row::Job(index));
        let steps = job.attempts.last().map_or(0, |attempt| attempt.steps.len());
        rows.extend((0..steps).map(|step| Row::Step(index, step)));
        rows.extend((0..job.attempts.len().saturating_sub(1)).rev().map(|attempt| Row::Attempt(index, attempt)));
    }
    rows
}
