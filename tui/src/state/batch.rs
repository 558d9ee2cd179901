//! Orders that were given together, and the one sentence on what became of them. Must not know keys.

use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::{Request, Response};
use windlass_protocol::refusal::Refusal;

use super::dialog::Task;
use super::undo::Undo;
use super::{Effect, Pending, State};
use crate::words;

/// What was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Stop,
    Retry,
    /// A cancel is undone.
    TakeBack,
}

/// What has come back so far.
#[derive(Debug)]
pub(super) struct Batch {
    verb: Verb,
    asked: usize,
    left: usize,
    /// Jobs that are being stopped, and those of them that are killed.
    stopping: u64,
    killing: u64,
    /// Jobs that waited, of each build.
    cancelled: Vec<(BuildNumber, Vec<String>)>,
    /// Jobs that will run.
    again: Vec<AttemptId>,
    /// Builds that will be made anew.
    anew: u64,
    /// A retry of the head, if it is one.
    head: bool,
    /// What was refused, and why.
    refused: Vec<(String, String)>,
}

impl State {
    /// Asks for everything, as one order.
    pub(super) fn order(&mut self, verb: Verb, tasks: Vec<Task>, effects: &mut Vec<Effect>) {
        let (id, asked) = (self.next_request, tasks.len());
        let batch = Batch {
            verb,
            asked,
            left: asked,
            stopping: 0,
            killing: 0,
            cancelled: Vec::new(),
            again: Vec::new(),
            anew: 0,
            head: false,
            refused: Vec::new(),
        };
        if asked > 0 {
            self.batches.insert(id, batch);
        }
        for Task { request, about } in tasks {
            let build = match &request {
                Request::Cancel { build, .. } | Request::Retry { build, .. } => *build,
                _ => 0, // nothing else is ordered so
            };
            self.ours.build(build, self.now);
            self.ask(request, Pending::Order { about, build, batch: id }, effects);
        }
    }

    /// One of them is answered. With the last one it is said what became of all.
    pub(super) fn order_answered(
        &mut self,
        id: u64,
        about: String,
        build: BuildNumber,
        answer: Result<Response, &Refusal>,
    ) {
        self.ours.build(build, self.now);
        let Some(batch) = self.batches.get_mut(&id) else { return };
        batch.left = batch.left.saturating_sub(1);
        match answer {
            Ok(Response::Cancel { stopping, killing, cancelled }) => {
                batch.stopping += stopping.len() as u64;
                batch.killing += killing.len() as u64;
                if !cancelled.is_empty() {
                    batch.cancelled.push((build, cancelled));
                }
            }
            Ok(Response::Retry { attempts, delivery }) => {
                batch.head |= delivery.is_some();
                batch.anew += u64::from(attempts.is_empty());
                batch.again.extend(attempts);
            }
            Ok(_) => batch.refused.push((about.clone(), "the daemon answered something else".to_owned())),
            Err(refusal) => batch.refused.push((about.clone(), format!("{}: {refusal}", refusal.code))),
        }
        if batch.left > 0 {
            return;
        }
        if let Some(batch) = self.batches.remove(&id) {
            let bad = !batch.refused.is_empty();
            let undo = if batch.cancelled.is_empty() { "" } else { " (u takes back what had not begun)" };
            self.toast(format!("{}{undo}", batch.words(&about)), bad);
            if !batch.cancelled.is_empty() {
                self.can_be_undone(Undo::Cancel(batch.cancelled));
            }
        }
    }
}

impl Batch {
    /// `about`: what the only one was about.
    fn words(&self, about: &str) -> String {
        let done = (self.asked - self.refused.len()) as u64;
        let what = match (self.asked, done) {
            (1, _) => about.to_owned(),
            (all, done) if done == all as u64 => words::plural(done, "build"),
            (all, done) => format!("{done} of {}", words::plural(all as u64, "build")),
        };
        let mut parts = Vec::new();
        if done > 0 || self.asked > 1 {
            parts.push(self.done_words(&what));
        }
        match self.refused.as_slice() {
            [] => {}
            [(about, why)] => parts.push(format!("{about}: {why}")),
            [(about, why), rest @ ..] => parts.push(format!("{} refused: {about}: {why}", rest.len() + 1)),
        }
        parts.join("; ")
    }

    fn done_words(&self, what: &str) -> String {
        let cancelled: u64 = self.cancelled.iter().map(|(_, jobs)| jobs.len() as u64).sum();
        let (some, jobs) = (self.stopping, words::plural(self.stopping, "job"));
        let are = if self.asked == 1 { "is" } else { "are" };
        match (self.verb, self.again.as_slice()) {
            (Verb::Stop, _) => match (some, cancelled) {
                (0, 0) => format!("{what}: nothing was left to stop"),
                (0, _) => format!("{what} {are} cancelled"),
                (some, 0) if self.killing == some => format!("{what} {are} being killed ({jobs})"),
                (_, 0) => format!("{what} {are} being stopped ({jobs})"),
                (_, more) => format!("{what}: {jobs} being stopped, {more} cancelled while waiting"),
            },
            (Verb::TakeBack, [one]) => format!("taken back: {one} will run"),
            (Verb::TakeBack, many) => {
                format!("taken back: {} will run", words::plural(many.len() as u64, "job"))
            }
            (Verb::Retry, []) if self.head => match self.asked {
                1 => format!("{what}: the newest commit is read: a new build follows"),
                _ => format!("{what}: the newest commits are read: new builds follow"),
            },
            (Verb::Retry, []) => match self.anew {
                0 => format!("{what}: nothing to run"),
                1 => format!("{what}: the commit is read again: a new build follows"),
                more => format!("{what}: {more} commits are read again: new builds follow"),
            },
            (Verb::Retry, [one]) if self.asked == 1 => format!("{one} will run"),
            (Verb::Retry, many) => format!("{what}: {} will run again", words::plural(many.len() as u64, "job")),
        }
    }
}
