//! Notices that somebody wants an attempt stopped. Level-triggered: asks the database whenever something changed.

use windlass_protocol::id::AttemptId;

use super::Executor;
use crate::store::CancelAsked;
use crate::wake::Woken;

pub(super) struct CancelWatch {
    id: AttemptId,
    woken: Woken,
    /// What was told already.
    told: Option<bool>,
}

impl CancelWatch {
    pub(super) fn new(executor: &Executor, id: &AttemptId) -> Self {
        Self { id: id.clone(), woken: executor.wake.subscribe(), told: None }
    }

    /// Returns when a cancel is asked for, and again when it is raised to force. May be dropped and called again.
    pub(super) async fn asked(&mut self, executor: &Executor) -> CancelAsked {
        loop {
            self.woken.mark_seen();
            match executor.store.attempt(&self.id).await {
                Ok(attempt) => {
                    if let Some(cancel) = attempt.cancel
                        && self.told.is_none_or(|force| cancel.force && !force)
                    {
                        self.told = Some(cancel.force);
                        return cancel;
                    }
                }
                Err(error) => tracing::warn!(attempt = %self.id, %error, "whether it is cancelled cannot be read"),
            }
            self.woken.changed().await;
        }
    }
}
