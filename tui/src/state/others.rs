//! What other people do to what is looked at, said as it happens. What we ordered ourselves is answered, and not said again.
//! Must not know how orders are given.

use std::collections::BTreeMap;

use windlass_protocol::id::BuildNumber;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildView, JobView, Outcome, Pause, Status};

use super::State;
use crate::waiting;
use crate::words;

/// So many milliseconds after an order or its answer, what becomes of it may still be on its way.
const OURS: i64 = 3_000;
/// How the reason of an attempt begins that nobody asked for.
const BY_ITSELF: &str = "tried again by itself";

/// Until when what happens to a build is our own doing.
#[derive(Debug, Default)]
pub(super) struct Ours {
    builds: BTreeMap<BuildNumber, Timestamp>,
    pauses: Option<Timestamp>,
}

impl Ours {
    pub(super) fn build(&mut self, number: BuildNumber, now: Timestamp) {
        self.builds.retain(|_, until| *until > now);
        self.builds.insert(number, Timestamp(now.0 + OURS));
    }

    pub(super) fn pause(&mut self, now: Timestamp) {
        self.pauses = Some(Timestamp(now.0 + OURS));
    }
}

impl State {
    /// This happened to a build that is looked at.
    pub(super) fn others_did(&mut self, number: BuildNumber, news: Vec<String>) {
        if self.ours.builds.get(&number).is_none_or(|until| *until <= self.now) {
            news.into_iter().for_each(|words| self.toast(words, false));
        }
    }

    pub(super) fn others_paused(&mut self, news: Vec<String>) {
        if self.ours.pauses.is_none_or(|until| until <= self.now) {
            news.into_iter().for_each(|words| self.toast(words, false));
        }
    }
}

/// What people did to a build, a sentence for each thing.
pub(super) fn in_build(before: &BuildView, after: &BuildView) -> Vec<String> {
    let number = after.build.number;
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for job in &after.jobs {
        let old = before.jobs.iter().find(|old| old.name == job.name);
        let Some(words) = old.and_then(|old| done_to(old, job)) else { continue };
        match said.iter_mut().find(|(known, _)| *known == words) {
            Some((_, jobs)) => jobs.push(&job.name),
            None => said.push((words, vec![&job.name])),
        }
    }
    let sentence = |(words, jobs): (String, Vec<&str>)| match jobs.as_slice() {
        [one] => format!("{number}/{one}: {words}"),
        many => format!("{} of build {number}: {words}", words::plural(many.len() as u64, "job")),
    };
    said.into_iter().map(sentence).collect()
}

/// What is paused since, and what no longer.
pub(super) fn in_queue(before: &[Pause], after: &[Pause]) -> Vec<String> {
    let is_new = |pause: &&Pause| !before.iter().any(|old| same(old, pause));
    let paused = after.iter().filter(is_new).map(|pause| {
        let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{} is paused by {}{reason}", waiting::paused_name(pause), pause.by)
    });
    let ended = before.iter().filter(|old| !after.iter().any(|pause| pause.repository == old.repository));
    let ended = ended.map(|pause| format!("{} goes on: somebody ended the pause", waiting::paused_name(pause)));
    paused.chain(ended).collect()
}

fn same(one: &Pause, other: &Pause) -> bool {
    (&one.repository, one.since) == (&other.repository, other.since)
}

/// What somebody did to a job, in words.
fn done_to(old: &JobView, new: &JobView) -> Option<String> {
    let (before, after) = (old.attempts.last(), new.attempts.last()?);
    if before.is_none_or(|before| before.number < after.number) {
        return after.because.clone().filter(|because| !because.starts_with(BY_ITSELF));
    }
    let was_asked = before.is_some_and(|before| before.cancelling.is_some());
    if let (Some(cancelling), false) = (&after.cancelling, was_asked) {
        let how = if cancelling.force { "be killed" } else { "stop" };
        return Some(format!("asked to {how} by {}", cancelling.by));
    }
    let ended = old.status != Status::Finished && new.outcome == Some(Outcome::Cancelled);
    if ended && !was_asked { after.reason.clone().or_else(|| new.reason.clone()) } else { None }
}
