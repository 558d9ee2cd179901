//! Decides what runs next: unblocks and skips by the graph of jobs, claims what has its turn while slots are free, and hands
//! it to the executor. Level-triggered: it looks at the database, fixes what can be fixed, and sleeps until woken.
//! Must not know how a job is run.

use std::time::{Duration, Instant};

use crate::clock::{self, Steady};
use crate::config::Repository;
use crate::error_chain::chain;
use crate::executor::Executor;
use crate::failpoint;
use crate::secret::random_token;
use crate::store::{Store, StoreError};

/// Nothing should need it: every change wakes. It is there for the change that did not.
const POLL: Duration = Duration::from_secs(30);
/// Between two looks for leftovers on the engines.
const SWEEP: Duration = Duration::from_secs(60);
/// An engine that is away is looked for so often; its coming back wakes nobody.
const AWAY: Duration = Duration::from_secs(1);
/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(2);

pub async fn run(executor: Executor) {
    let stop = executor.tasks.stopping();
    tokio::select! {
        () = executor.adopt() => {}
        () = stop.cancelled() => return,
    }
    if let Err(error) = know_engines(&executor).await {
        tracing::warn!(error = %chain(&error), "where the repositories' jobs run is known from their next builds on");
    }
    let mut woken = executor.wake.subscribe();
    let mut swept = Instant::now();
    let mut steady = Steady::from(clock::now(), Instant::now());
    // Everything is looked at once, and again when the poll is due, however busy it is meanwhile.
    let mut settled: Option<Instant> = None;
    loop {
        woken.mark_seen();
        let look_at_blocked = settled.is_none_or(|at| at.elapsed() >= POLL);
        if look_at_blocked {
            settled = Some(Instant::now());
        }
        steady = keep_time(&executor, steady).await;
        let rest = match pass(&executor, look_at_blocked).await {
            Ok(rest) => rest,
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
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            let sweeper = executor.clone();
            executor.tasks.spawn(async move { sweeper.sweep().await });
        }
    }
}

/// Attempts are put off to moments of the wall clock, since that outlives a daemon. When somebody sets it, they move along:
/// none waits an hour longer, or not at all. What cannot be recorded is found again at the next look.
async fn keep_time(executor: &Executor, steady: Steady) -> Steady {
    let (wall, really) = (clock::now(), Instant::now());
    let Some(by) = steady.set_by(wall, really) else { return steady };
    match executor.store.clock_was_set(by, wall).await {
        Ok(()) => {
            tracing::warn!(
                by_seconds = by / 1000,
                "the clock was set; what was put off waits as long as it would have"
            );
            executor.wake.wake();
            Steady::from(wall, really)
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "the clock was set, and what was put off cannot be moved along yet");
            steady
        }
    }
}

/// The engines that do not answer.
fn engines_away(executor: &Executor) -> Vec<&'static str> {
    executor.engines.away().map(|away| away.engine).into_iter().collect()
}

/// The configuration may have changed since the last builds.
async fn know_engines(executor: &Executor) -> Result<(), StoreError> {
    for (name, engine) in executor.store.repositories().await? {
        let now = executor.config.repository(&name).map(Repository::engine_kind);
        if now.is_some() && now != engine.as_deref() {
            executor.store.set_engine(&name, now).await?;
        }
    }
    Ok(())
}

/// Returns after what time it is to be looked at again, if nothing wakes before.
async fn pass(executor: &Executor, look_at_blocked: bool) -> Result<Duration, StoreError> {
    let store = &executor.store;
    let limit = executor.config.limits.jobs;
    let away = engines_away(executor);
    while !executor.tasks.stopping().is_cancelled()
        && executor.room.is_tight().is_none()
        && let Some(claimed) = store.claim_attempt(&random_token(), limit, clock::now(), &away).await?
    {
        tracing::info!(attempt = %claimed.id, "claimed");
        failpoint::reached!("claim.committed");
        executor.wake.wake();
        executor.begin(claimed);
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        why_nothing(store, limit, &away).await?;
    }
    // The end of an attempt settles what hangs on it in the same transaction; this finds what slipped through.
    if look_at_blocked {
        if store.repair_groups(clock::now()).await? {
            tracing::warn!("a group of builds stood still; it goes on");
            executor.wake.wake();
        }
        for build in store.blocked_builds().await? {
            match store.advance(build, clock::now()).await {
                Ok(true) => executor.wake.wake(),
                Ok(false) => {}
                Err(error) => tracing::error!(build, error = %chain(&error), "its jobs cannot be settled"),
            }
        }
    }
    // What was put off has its moment; nothing else tells when it comes.
    let now = clock::now();
    let put_off = store.next_not_before(now).await?.map_or(POLL, |next| {
        Duration::from_millis(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0)) + Duration::from_millis(1)
    });
    Ok(put_off.min(if away.is_empty() { POLL } else { AWAY }))
}

/// Says, for whoever looks for it, why nothing more is claimed.
async fn why_nothing(store: &Store, limit: u64, away: &[&str]) -> Result<(), StoreError> {
    let waiting = store.waiting(clock::now(), away).await?;
    let counts = waiting.counts;
    let why = if counts.waiting == 0 {
        "nothing waits"
    } else if counts.taken >= limit {
        "every slot is taken"
    } else {
        "what waits is paused, put off, or its engine is away"
    };
    tracing::debug!(
        waiting = counts.waiting,
        blocked = counts.blocked,
        taken = counts.taken,
        limit,
        pauses = waiting.pauses.len(),
        ?away,
        "nothing more is claimed: {why}"
    );
    Ok(())
}
