//! Decides what runs next: unblocks and skips by the graph of jobs, claims the oldest that can run while slots are free, and
//! hands it to the executor. Level-triggered: it looks at the database, fixes what can be fixed, and sleeps until woken.
//! Must not know how a job is run.

use std::time::Duration;

use crate::clock;
use crate::error_chain::chain;
use crate::executor::Executor;
use crate::secret::random_token;
use crate::store::StoreError;

/// Nothing should need it: every change wakes. It is there for the change that did not.
const POLL: Duration = Duration::from_secs(30);
/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(2);

pub async fn run(executor: Executor) {
    let stop = executor.tasks.stopping();
    tokio::select! {
        () = executor.adopt() => {}
        () = stop.cancelled() => return,
    }
    let mut woken = executor.wake.subscribe();
    loop {
        woken.mark_seen();
        let rest = match pass(&executor).await {
            Ok(()) => POLL,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the queue cannot be worked on");
                PAUSE
            }
        };
        tokio::select! {
            () = woken.changed() => {}
            () = tokio::time::sleep(rest) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn pass(executor: &Executor) -> Result<(), StoreError> {
    let store = &executor.store;
    for build in store.blocked_builds().await? {
        if store.advance(build, clock::now()).await? {
            executor.wake.wake();
        }
    }
    let limit = executor.config.limits.jobs;
    while !executor.tasks.stopping().is_cancelled()
        && let Some(claimed) = store.claim_attempt(&random_token(), limit, clock::now()).await?
    {
        tracing::info!(attempt = %claimed.id, "claimed");
        executor.wake.wake();
        executor.begin(claimed);
    }
    Ok(())
}
