//! Notices that somebody wants an attempt stopped. Level-triggered: asks the database whenever something changed.

use std::time::Duration;

use windlass_protocol::id::AttemptId;

use super::Executor;
use crate::store::CancelAsked;
use crate::wake::Woken;

/// Before the database is asked again when it did not answer.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct CancelWatch {
    id: AttemptId,
    woken: Woken,
    /// Whether what was told already was a force.
    told: Option<bool>,
}

impl CancelWatch {
    /// `told`: a cancel that an earlier daemon carried out already, and whether it was a force.
    pub(super) fn new(executor: &Executor, id: &AttemptId, told: Option<bool>) -> Self {
        Self { id: id.clone(), woken: executor.wake.subscribe(), told }
    }

    /// Returns when a cancel is asked for, and again when it is raised to force. Takes and returns the watch, so that one
    /// future can be kept across the turns of a loop instead of asking the database anew at each.
    pub(super) async fn asked(mut self, executor: &Executor) -> (Self, CancelAsked) {
        loop {
            self.woken.mark_seen();
            match executor.store.attempt(&self.id).await {
                Ok(attempt) => {
                    if let Some(cancel) = attempt.cancel
                        && self.told.is_none_or(|force| cancel.force && !force)
                    {
                        self.told = Some(cancel.force);
                        return (self, cancel);
                    }
                }
                Err(error) => {
                    // What it was woken for may have been this cancel.
                    tracing::warn!(attempt = %self.id, %error, "whether it is cancelled cannot be read; trying again");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            self.woken.changed().await;
        }
    }
}
