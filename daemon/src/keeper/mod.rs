//! What is old goes: finished builds with their logs and artifacts, the oldest of either beyond their budget, mirrors that nobody uses, bodies of
//! deliveries that were worked on. In small steps with pauses between them, each complete by itself: whoever waits for the
//! database waits for one step, and a pass that was cut off is simply made again. Must not know engines or HTTP.

pub mod choose; // pure: which builds, logs, mirrors
pub mod disk; // what lies in the folders
mod artifacts; // removed
mod logs; // compressed, removed, put in order

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use windlass_protocol::time::Timestamp;

pub use self::artifacts::ArtifactSurvey;
use self::disk::Cached;
pub use self::logs::LogSurvey;
use crate::artifacts::ArtifactStore;
use crate::clock;
use crate::config::Config;
use crate::error_chain::chain;
use crate::failpoint;
use crate::git::Git;
use crate::logs::LogStore;
use crate::store::{KeptBuild, Store, StoreError};
use crate::wake::Wake;

/// After the start there is other work first.
const FIRST: Duration = Duration::from_secs(60);
/// Rows of one transaction.
const BATCH: u32 = 50;
/// Between two transactions: everybody else's turn.
const PAUSE: Duration = Duration::from_millis(200);
/// Rows of one read.
const PAGE: u32 = 1000;
/// A folder that is younger may belong to something that is being made.
pub const SETTLED: Duration = Duration::from_secs(60 * 60);
/// A body is wanted again only to retry a build that could not be planned.
const KEEP_BODIES: Duration = Duration::from_hours(14 * 24);
/// GitHub delivers again what is younger: the row is what makes it a duplicate.
const REDELIVERED: Duration = Duration::from_hours(3 * 24);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    pub config: Arc<Config>,
    pub store: Store,
    pub logs: LogStore,
    pub artifacts: ArtifactStore,
    pub git: Git,
    pub wake: Wake,
}

/// What a pass would do.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Builds that go, oldest first.
    pub builds: Vec<u64>,
    pub logs: LogSurvey,
    pub artifacts: ArtifactSurvey,
    /// What mirrors and source archives take of the disk.
    pub cache_bytes: u64,
    /// Mirrors that go.
    pub mirrors: Vec<Cached>,
}

/// What is to go, and nothing done about it. What was written within `settled` may belong to something that is being made.
pub async fn survey(
    config: &Config,
    store: &Store,
    (logs, artifacts): (&LogStore, &ArtifactStore),
    now: Timestamp,
) -> Result<Survey, StoreError> {
    let all = all_builds(store).await?;
    let builds = choose::builds(&all, &config.retention, now);
    let logs = logs::survey(store, logs, &config.retention, (&all, &builds)).await?;
    let artifacts = artifacts::survey(store, artifacts, &config.retention, (&all, &builds)).await?;
    let (cache_bytes, mirrors) = mirrors_to_go(config).await;
    Ok(Survey { builds, logs, artifacts, cache_bytes, mirrors })
}

/// Passes until told to stop.
pub async fn run(keeper: Keeper, stop: CancellationToken) {
    let every = keeper.config.retention.every;
    let mut rest = every.min(FIRST);
    let (mut wall, mut since) = (clock::now(), Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = stop.cancelled() => return,
        }
        rest = every;
        let now = clock::now();
        let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let set = choose::clock_was_set(wall, now, passed);
        (wall, since) = (now, Instant::now());
        if set {
            tracing::warn!("the clock was set: nothing is removed by its age this time");
            continue;
        }
        tokio::select! {
            done = keeper.pass(now) => if let Err(error) = done {
                tracing::error!(error = %chain(&error), "not everything that is old could be removed; trying again later");
            },
            () = stop.cancelled() => return,
        }
    }
}

impl Keeper {
    /// Everything once.
    pub async fn pass(&self, now: Timestamp) -> Result<(), StoreError> {
        self.compress().await;
        let survey = survey(&self.config, &self.store, (&self.logs, &self.artifacts), now).await?;
        failpoint::reached!("keeper.surveyed");
        self.drop_builds(&survey.builds).await?;
        self.drop_logs(&survey.logs, now).await?;
        self.drop_artifacts(&survey.artifacts, now).await?;
        let orphans = self.remove_logs(survey.logs.orphans).await;
        if orphans > 0 {
            tracing::info!(orphans, "logs of builds that are gone were removed");
        }
        self.trim_deliveries(now).await?;
        failpoint::reached!("keeper.trimmed");
        for mirror in &survey.mirrors {
            match self.git.forget(&mirror.path).await {
                Ok(()) => tracing::info!(mirror = %mirror.path.display(), bytes = mirror.bytes, "a mirror was removed"),
                Err(error) => tracing::warn!(error = %chain(&error), "a mirror could not be removed"),
            }
        }
        Ok(())
    }

    async fn drop_builds(&self, numbers: &[u64]) -> Result<(), StoreError> {
        for batch in numbers.chunks(BATCH as usize) {
            let dropped = self.store.drop_builds(batch).await?;
            self.wake.wake();
            // After the rows: a log without a row is found as an orphan, a row without its log would be a puzzle.
            self.remove_artifacts(&dropped).await;
            self.remove_logs(dropped).await;
            tokio::time::sleep(PAUSE).await;
        }
        if !numbers.is_empty() {
            tracing::info!(builds = numbers.len(), "old builds were removed");
        }
        Ok(())
    }

    async fn trim_deliveries(&self, now: Timestamp) -> Result<(), StoreError> {
        let before =
            |age: Duration| Timestamp(now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
        while self.store.empty_bodies(before(KEEP_BODIES), BATCH).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let Some(keep) = self.config.retention.keep_for else { return Ok(()) };
        while self.store.drop_deliveries(before(keep.max(REDELIVERED)), BATCH).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

async fn all_builds(store: &Store) -> Result<Vec<KeptBuild>, StoreError> {
    let mut all: Vec<KeptBuild> = Vec::new();
    loop {
        let after = all.last().map_or(0, |build| build.number);
        let page = store.kept_builds(after, PAGE).await?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

/// What the caches take, and of them those that nobody used for long, and beyond the budget the ones unused for longest;
/// never one of the last hour.
async fn mirrors_to_go(config: &Config) -> (u64, Vec<Cached>) {
    let data = config.data_dir.clone();
    let rules = config.retention;
    blocking(move || {
        let mut mirrors = disk::mirrors(&data.join("mirrors"));
        let total = mirrors.iter().map(|mirror| mirror.bytes).sum::<u64>() + disk::size(&data.join("sources"));
        let aged = mirrors.iter().take_while(|mirror| rules.keep_for.is_some_and(|old| mirror.idle > old)).count();
        let sizes: Vec<u64> = mirrors.iter().map(|mirror| mirror.bytes).collect();
        let crowded = rules.cache_bytes.map_or(0, |budget| choose::over_budget(&sizes, total, budget));
        mirrors.truncate(aged.max(crowded));
        mirrors.retain(|mirror| mirror.idle > SETTLED);
        (total, mirrors)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
