//! Decides what runs next: unblocks and skips by the graph of jobs, claims the oldest that can run while slots are free, and
//! hands it to the executor. Level-triggered: it looks at the database, fixes what can be fixed, and sleeps until woken.
//! Must not know how a job is run.

use std::time::{Duration, Instant};

use crate::clock;
use crate::error_chain::chain;
use crate::executor::Executor;
use crate::secret::random_token;
use crate::store::StoreError;

/// Nothing should need it: every change wakes. It is there for the change that did not.
const POLL: Duration = Duration::from_secs(30);
/// Between two looks for leftovers on the engines.
const SWEEP: Duration = Duration::from_secs(60);
/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(2);

pub async fn run(executor: Executor) {
    let stop = executor.tasks.stopping();
    tokio::select! {
        () = executor.adopt() => {}
        () = stop.cancelled() => return,
    }
    let mut woken = executor.wake.subscribe();
    let mut swept = Instant::now();
    // Everything is looked at once; later only what a change, or the poll, gives reason to.
    let mut look_at_blocked = true;
    loop {
        woken.mark_seen();
        let rest = match pass(&executor, look_at_blocked).await {
            Ok(()) => POLL,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the queue cannot be worked on");
                PAUSE
            }
        };
        tokio::select! {
            () = woken.changed() => look_at_blocked = false,
            () = tokio::time::sleep(rest) => look_at_blocked = true,
            () = stop.cancelled() => return,
        }
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            let sweeper = executor.clone();
            executor.tasks.spawn(async move { sweeper.sweep().await });
        }
    }
}

async fn pass(executor: &Executor, look_at_blocked: bool) -> Result<(), StoreError> {
    let store = &executor.store;
    let limit = executor.config.limits.jobs;
    while !executor.tasks.stopping().is_cancelled()
        && executor.room.is_tight().is_none()
        && let Some(claimed) = store.claim_attempt(&random_token(), limit, clock::now()).await?
    {
        tracing::info!(attempt = %claimed.id, "claimed");
        executor.wake.wake();
        executor.begin(claimed);
    }
    // The end of an attempt settles what hangs on it in the same transaction; this finds what slipped through.
    if look_at_blocked {
        for build in store.blocked_builds().await? {
            match store.advance(build, clock::now()).await {
                Ok(true) => executor.wake.wake(),
                Ok(false) => {}
                Err(error) => tracing::error!(build, error = %chain(&error), "its jobs cannot be settled"),
            }
        }
    }
    Ok(())
}
