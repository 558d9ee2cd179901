//! What can be taken back for a few seconds: marks, a filter, the cancel of what had not begun. Must not know keys.

use std::collections::BTreeSet;

use windlass_protocol::id::BuildNumber;
use windlass_protocol::live::{Request, RetryWhat};
use windlass_protocol::time::Timestamp;

use super::batch::Verb;
use super::dialog::Task;
use super::{Effect, State};
use crate::words;

/// For so many milliseconds.
const TIME: i64 = 5_000;
/// So many of the newest can be taken back, one after the other.
const MOST: usize = 20;

/// Something that was done, as it was before.
#[derive(Debug)]
pub(super) enum Undo {
    /// Jobs that waited and were cancelled. How an attempt ended stays so for ever: they get new ones.
    Cancel(Vec<(BuildNumber, Vec<String>)>),
    Marks(BTreeSet<BuildNumber>),
    Filter {
        text: String,
        only_failed: bool,
    },
}

#[derive(Debug)]
pub(super) struct Done {
    until: Timestamp,
    undo: Undo,
}

impl State {
    pub(super) fn can_be_undone(&mut self, undo: Undo) {
        self.done.push(Done { until: Timestamp(self.now.0 + TIME), undo });
        let extra = self.done.len().saturating_sub(MOST);
        self.done.drain(..extra);
    }

    /// Remembers the marks before something changes them.
    pub(super) fn marks_change(&mut self, change: impl FnOnce(&mut super::Builds)) {
        let before = self.builds.marks.clone();
        change(&mut self.builds);
        if before != self.builds.marks {
            self.can_be_undone(Undo::Marks(before));
        }
    }

    /// The filter was another one before.
    pub(super) fn filter_changed(&mut self, text: String, only_failed: bool) {
        if text != self.builds.filter || only_failed != self.builds.only_failed {
            self.can_be_undone(Undo::Filter { text, only_failed });
        }
    }

    pub(super) fn why_no_undo(&self) -> Option<String> {
        let done = self.done.iter().any(|done| done.until > self.now);
        (!done).then(|| format!("nothing was done in the last {} s that can be taken back", TIME / 1_000))
    }

    pub(super) fn undo(&mut self, effects: &mut Vec<Effect>) {
        let now = self.now;
        self.done.retain(|done| done.until > now);
        let Some(Done { undo, .. }) = self.done.pop() else {
            let words = self.why_no_undo().unwrap_or_default();
            return self.toast(words, true);
        };
        match undo {
            Undo::Marks(before) => {
                self.builds.set_marks(before);
                self.toast(format!("{} marked, as before", self.builds.marks.len()), false);
            }
            Undo::Filter { text, only_failed } => {
                self.builds.only_failed = only_failed;
                let what = if text.trim().is_empty() { "no filter".to_owned() } else { format!("filter \"{text}\"") };
                self.filter(text, effects);
                self.toast(format!("{what}, as before"), false);
            }
            Undo::Cancel(builds) => {
                let task = |(build, jobs): (BuildNumber, Vec<String>)| {
                    let about = match jobs.as_slice() {
                        [job] => format!("{build}/{job}"),
                        many => format!("{} of build {build}", words::plural(many.len() as u64, "job")),
                    };
                    Task { request: Request::Retry { build, what: RetryWhat::Jobs { jobs }, head: false }, about }
                };
                self.order(Verb::TakeBack, builds.into_iter().map(task).collect(), effects);
            }
        }
    }
}
