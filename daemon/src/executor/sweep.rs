//! Removes what engines still have of attempts that are over, or that nobody knows: containers and job folders under our
//! labels. Must not know how attempts run.

use std::collections::HashSet;

use windlass_protocol::id::AttemptId;

use super::Executor;
use crate::engine::{Engine as _, Found, Kind};
use crate::error_chain::chain;
use crate::failpoint::{self, Sabotage};

impl Executor {
    /// What could not be removed when attempts ended. One engine that does not answer does not keep the others from it.
    pub async fn sweep(&self) {
        for kind in [Kind::Local, Kind::Docker] {
            let Ok(engine) = self.engines.pick(Some(kind)) else { continue };
            // The engine first: what is made after that is not in the list, what is open after that is not removed.
            match engine.adopt().await {
                Ok(found) => self.remove_leftovers(found).await,
                Err(error) => tracing::debug!(error = %chain(&error), "an engine cannot be asked for leftovers"),
            }
        }
    }

    /// Removes those of `found` whose attempts neither run nor are about to.
    pub(super) async fn remove_leftovers(&self, found: Vec<Found>) {
        let open: HashSet<AttemptId> = match self.store.begun_attempts().await {
            Ok(open) => open.into_iter().collect(),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "open attempts cannot be read");
                return;
            }
        };
        // An attempt that ended a moment ago is being removed already; twice does no harm.
        for found in found.into_iter().filter(|found| !open.contains(&found.attempt)) {
            tracing::info!(attempt = %found.attempt, "is finished, or unknown; removing what is left of it");
            failpoint::reached!("sweep.found");
            self.remove(&found.attempt, Some(&found)).await;
            failpoint::reached!("sweep.removed");
        }
    }

    /// Whether it is gone.
    pub(super) async fn remove(&self, id: &AttemptId, found: Option<&Found>) -> bool {
        if failpoint::is_sabotaged(Sabotage::LeaveBehind) {
            return true;
        }
        let removed = match found {
            Some(found) => match self.engines.of(&found.site) {
                Ok(engine) => engine.clean(id).await,
                Err(error) => Err(error),
            },
            None => self.engines.clean(id).await,
        };
        if let Err(error) = &removed {
            tracing::warn!(attempt = %id, error = %chain(error), "its leftovers could not be removed");
        }
        removed.is_ok()
    }
}
