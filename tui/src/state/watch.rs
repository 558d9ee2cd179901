//! Builds that are watched: whoever looks elsewhere is told when they end. Must not know how a terminal is told, nor the
//! lists.

use std::collections::BTreeMap;

use windlass_protocol::id::BuildNumber;
use windlass_protocol::live::{ClientMessage, Sub, Topic};
use windlass_protocol::refusal::Refusal;
use windlass_protocol::view::{BuildView, Outcome, Status};

use super::{Effect, Page, State, View, subscribe};
use crate::safe_text::label;
use crate::words::{self, Standing};

/// A daemon gives a connection so many subscriptions that the pages find theirs beside this many.
pub(super) const MOST: usize = 40;

/// The builds that are watched, and the subscription of each.
#[derive(Debug, Default)]
pub struct Watches(BTreeMap<BuildNumber, Sub>);

impl Watches {
    #[must_use]
    pub fn has(&self, number: BuildNumber) -> bool {
        self.0.contains_key(&number)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn numbers(&self) -> impl Iterator<Item = BuildNumber> {
        self.0.keys().copied()
    }

    pub(super) fn of_sub(&self, sub: Sub) -> Option<BuildNumber> {
        self.0.iter().find(|(_, other)| **other == sub).map(|(number, _)| *number)
    }
}

impl State {
    /// Watches what is selected or marked, or no longer when all of it is watched already.
    pub(super) fn toggle_watch(&mut self, effects: &mut Vec<Effect>) {
        let chosen = self.watchable();
        if let Some(words) = self.why_no_watch() {
            return self.toast(words, true);
        }
        let new = chosen.iter().filter(|(number, ended)| !ended && !self.watches.has(*number));
        let new: Vec<BuildNumber> = new.map(|(number, _)| *number).take(MOST - self.watches.len()).collect();
        if new.is_empty() {
            let old: Vec<BuildNumber> =
                chosen.iter().map(|(number, _)| *number).filter(|number| self.watches.has(*number)).collect();
            let words = match old.as_slice() {
                [number] => format!("build {number} is no longer watched"),
                many => format!("{} builds are no longer watched", many.len()),
            };
            old.into_iter().for_each(|number| self.unwatch(number, effects));
            return self.toast(words, false);
        }
        let words = match (new.as_slice(), chosen.len()) {
            ([number], 1) => format!("build {number} is watched: you are told when it ends"),
            (many, _) => format!("{} more watched, {} in all", many.len(), self.watches.len() + many.len()),
        };
        for number in new {
            self.watch(number, effects);
        }
        self.toast(words, false);
    }

    pub(super) fn watch(&mut self, number: BuildNumber, effects: &mut Vec<Effect>) {
        let sub = self.fresh_sub();
        if let Some(old) = self.watches.0.insert(number, sub) {
            effects.push(Effect::Send(ClientMessage::Unsubscribe { sub: old }));
        }
        effects.push(subscribe(sub, Topic::Build { number }));
    }

    fn unwatch(&mut self, number: BuildNumber, effects: &mut Vec<Effect>) {
        if let Some(sub) = self.watches.0.remove(&number) {
            effects.push(Effect::Send(ClientMessage::Unsubscribe { sub }));
        }
    }

    /// Why nothing of what is selected can be watched, or no longer.
    pub(super) fn why_no_watch(&self) -> Option<String> {
        let chosen = self.watchable();
        let known = |(number, ended): &(BuildNumber, bool)| self.watches.has(*number) || !ended;
        match chosen.as_slice() {
            [] => Some("nothing is selected".to_owned()),
            [(number, true)] if !self.watches.has(*number) => Some(format!("build {number} has ended already")),
            many if !many.iter().any(known) => Some("everything marked has ended already".to_owned()),
            many if self.watches.len() >= MOST && !many.iter().all(|(number, _)| self.watches.has(*number)) => {
                Some(format!("{MOST} builds are watched already, more cannot be"))
            }
            _ => None,
        }
    }

    /// The builds that are selected or marked, and whether each has ended, as far as that is known.
    fn watchable(&self) -> Vec<(BuildNumber, bool)> {
        let ended = |number: BuildNumber| self.builds.get(number).is_some_and(|row| row.status == Status::Finished);
        match (self.pages.last(), self.view) {
            (Some(Page::Build(page)), _) => {
                let view = page.view.as_deref();
                let over = view.map_or(ended(page.number), |view| view.build.status == Status::Finished);
                vec![(page.number, over)]
            }
            (Some(Page::Log(log)), _) => vec![(log.id.build, ended(log.id.build))],
            (None, View::Builds) => self.builds.targets().into_iter().map(|number| (number, ended(number))).collect(),
            (None, View::Queue) => self.queued_job().map(|job| (job.id.build, false)).into_iter().collect(),
            (None, View::Deliveries) => {
                let all = self.deliveries.as_ref();
                let builds = all.and_then(|all| all.get(self.deliveries_cursor.at)).map(|delivery| &delivery.builds);
                builds.into_iter().flatten().map(|number| (*number, ended(*number))).collect()
            }
            (None, View::Nodes) => self.overview.node_job().map(|job| (job.build, false)).into_iter().collect(),
            (None, View::Repositories) => Vec::new(),
        }
    }

    /// News of a watched build: when it has ended that is said, once.
    pub(super) fn watched_news(&mut self, sub: Sub, view: &BuildView, effects: &mut Vec<Effect>) {
        let Some(number) = self.watches.of_sub(sub) else { return };
        if view.build.status != Status::Finished {
            return;
        }
        self.unwatch(number, effects);
        let build = &view.build;
        let standing = Standing::of(build.status, build.outcome);
        let took = words::took(build.started_at, build.finished_at, self.daemon_now());
        let took = took.map(|took| format!(" after {took}")).unwrap_or_default();
        let what = format!("{} {}: {}", build.repository, words::branch_of(build), build.title);
        let text = format!("build {number} {}{took}: {what}", standing.word());
        // It goes to the terminal beside everything that is painted: no cell makes it safe.
        let text = label(text).fitted(LONGEST).as_str().to_owned();
        self.toast(text.clone(), build.outcome != Some(Outcome::Passed));
        effects.push(Effect::Notify(text));
    }

    /// The daemon does not tell of a watched build any more: true when the subscription was one of those.
    pub(super) fn watch_ended(&mut self, sub: Sub, refusal: &Refusal) -> bool {
        let Some(number) = self.watches.of_sub(sub) else { return false };
        self.watches.0.remove(&number);
        self.toast(format!("build {number} is no longer watched: {refusal}"), true);
        true
    }
}

/// Columns of a notification: a sentence, not a page.
const LONGEST: usize = 160;
