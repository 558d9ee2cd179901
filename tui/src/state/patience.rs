//! Questions that the daemon leaves open. Whoever gave an order is told after a while that nobody knows what became of it;
//! what the screen asked by itself is given up, so that it may be asked again. Must not know how questions are answered.

use std::collections::BTreeMap;

use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;

use super::{Pending, State};

/// So many milliseconds an answer may take before anybody wonders. Most take a few.
const PATIENCE: i64 = 10_000;

/// When each question was asked whose answer nobody wonders about yet.
#[derive(Debug, Default)]
pub(super) struct Patience(BTreeMap<u64, Timestamp>);

impl Patience {
    pub(super) fn begin(&mut self, id: u64, now: Timestamp) {
        self.0.insert(id, now);
    }

    pub(super) fn end(&mut self, id: u64) {
        self.0.remove(&id);
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.0.values().min().map(|asked| Timestamp(asked.0 + PATIENCE))
    }

    /// Those that have taken too long by now, each once.
    fn over(&mut self, now: Timestamp) -> Vec<u64> {
        let over: Vec<u64> = self.0.iter().filter(|(_, at)| now.0 >= at.0 + PATIENCE).map(|(id, _)| *id).collect();
        over.iter().for_each(|id| self.end(*id));
        over
    }
}

impl State {
    pub(super) fn settle_patience(&mut self) {
        let silence = format!("the daemon has not answered for {} s", PATIENCE / 1_000);
        for id in self.patience.over(self.now) {
            match self.pending.get(&id) {
                // Its answer is still welcome: it says what was done.
                Some(Pending::Order { about, .. } | Pending::Pause { about } | Pending::Replay { about }) => {
                    let words = format!("{about}: {silence}: look whether it was done");
                    self.toast(words, true);
                }
                Some(Pending::Search { .. }) => self.toast(format!("search: {silence}"), true),
                Some(_) => self.refused(id, &Refusal::new(RefusalCode::Unavailable, silence.clone())),
                None => {}
            }
        }
    }
}
