//! What is old goes: finished builds with their logs, the oldest logs beyond their budget, mirrors that nobody uses, bodies of
//! deliveries that were worked on. In small steps with pauses between them, each complete by itself: whoever waits for the
//! database waits for one step, and a pass that was cut off is simply made again. Must not know engines or HTTP.

pub mod choose; // pure: which builds, logs, mirrors
pub mod disk; // what lies in the folders

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

use self::disk::{Cached, LogFolder};
use crate::clock;
use crate::config::Config;
use crate::error_chain::chain;
use crate::failpoint;
use crate::git::Git;
use crate::logs::{LogError, LogStore};
use crate::store::{FinishedLog, KeptBuild, Store, StoreError};
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
const SETTLED: Duration = Duration::from_secs(60 * 60);
/// A body is wanted again only to retry a build that could not be planned.
const KEEP_BODIES_MS: u64 = 14 * choose::DAY;
/// GitHub delivers again what is younger: the row is what makes it a duplicate.
const REDELIVERED_MS: u64 = 3 * choose::DAY;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    pub config: Arc<Config>,
    pub store: Store,
    pub logs: LogStore,
    pub git: Git,
    pub wake: Wake,
}

/// What a pass would do.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Builds that go, oldest first.
    pub builds: Vec<u64>,
    /// Logs beyond the budget.
    pub logs: Vec<FinishedLog>,
    /// Of `logs`.
    pub log_bytes: u64,
    /// Log folders of builds that are not in the database.
    pub orphans: Vec<AttemptId>,
    /// Mirrors that go.
    pub mirrors: Vec<Cached>,
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
    /// What is to go, and nothing done about it.
    pub async fn survey(&self, now: Timestamp) -> Result<Survey, StoreError> {
        let all = self.all_builds().await?;
        let builds = choose::builds(&all, &self.config.retention, now);
        let folders = self.log_folders().await;
        let (logs, log_bytes) = self.logs_over_budget(&folders, &builds).await?;
        let orphans = orphans(&all, &folders);
        Ok(Survey { builds, logs, log_bytes, orphans, mirrors: self.mirrors_to_go().await })
    }

    /// Everything once.
    pub async fn pass(&self, now: Timestamp) -> Result<(), StoreError> {
        let survey = self.survey(now).await?;
        failpoint::reached!("keeper.surveyed");
        self.drop_builds(&survey.builds).await?;
        self.drop_logs(&survey.logs, now).await?;
        self.drop_orphans(&survey.orphans).await;
        self.trim_deliveries(now).await?;
        failpoint::reached!("keeper.trimmed");
        for mirror in &survey.mirrors {
            match self.git.forget(&mirror.path).await {
                Ok(()) => tracing::info!(mirror = %mirror.path.display(), bytes = mirror.bytes, "a mirror was removed"),
                Err(error) => tracing::warn!(%error, "a mirror could not be removed"),
            }
        }
        Ok(())
    }

    async fn all_builds(&self) -> Result<Vec<KeptBuild>, StoreError> {
        let mut all: Vec<KeptBuild> = Vec::new();
        loop {
            let after = all.last().map_or(0, |build| build.number);
            let page = self.store.kept_builds(after, PAGE).await?;
            let last = page.len() < PAGE as usize;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    async fn log_folders(&self) -> Vec<LogFolder> {
        let dir = self.config.data_dir.join("logs");
        blocking(move || disk::logs(&dir)).await
    }

    /// The logs that finished first, as many as have to go. What goes with its build does not count.
    async fn logs_over_budget(
        &self,
        folders: &[LogFolder],
        going: &[u64],
    ) -> Result<(Vec<FinishedLog>, u64), StoreError> {
        let going: HashSet<u64> = going.iter().copied().collect();
        let sizes: std::collections::HashMap<&AttemptId, u64> = folders
            .iter()
            .filter(|folder| !going.contains(&folder.id.build))
            .map(|folder| (&folder.id, folder.bytes))
            .collect();
        let mut left: u64 = sizes.values().sum();
        let total = left;
        let Some(budget) = self.config.retention.log_bytes else { return Ok((Vec::new(), 0)) };
        let mut go: Vec<FinishedLog> = Vec::new();
        let mut after: Option<FinishedLog> = None;
        while left > budget {
            let page = self.store.finished_logs(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            let there: Vec<FinishedLog> = page.into_iter().filter(|log| sizes.contains_key(&log.id)).collect();
            let of_page: Vec<u64> = there.iter().map(|log| sizes[&log.id]).collect();
            let count = choose::over_budget(&of_page, left, budget);
            left = left.saturating_sub(of_page[..count].iter().sum());
            go.extend(there.into_iter().take(count));
        }
        Ok((go, total - left))
    }

    async fn drop_builds(&self, numbers: &[u64]) -> Result<(), StoreError> {
        for batch in numbers.chunks(BATCH as usize) {
            let dropped = self.store.drop_builds(batch).await?;
            self.wake.wake();
            // After the rows: a log without a row is found as an orphan, a row without its log would be a puzzle.
            let logs = self.logs.clone();
            blocking(move || {
                for id in dropped {
                    remove(&logs, &id);
                }
            })
            .await;
            tokio::time::sleep(PAUSE).await;
        }
        if !numbers.is_empty() {
            tracing::info!(builds = numbers.len(), "old builds were removed");
        }
        Ok(())
    }

    /// In the place of a log comes a sentence, so that whoever reads it knows.
    async fn drop_logs(&self, logs: &[FinishedLog], now: Timestamp) -> Result<(), StoreError> {
        for batch in logs.chunks(BATCH as usize) {
            let (store, todo) = (self.logs.clone(), batch.to_vec());
            let done = blocking(move || {
                let done = todo.iter().filter(|log| match say_removed(&store, log, now) {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(attempt = %log.id, error = %chain(&error), "a log could not be removed");
                        false
                    }
                });
                done.map(|log| log.id.clone()).collect::<Vec<_>>()
            })
            .await;
            self.store.note_removed_logs(&done, now).await?;
            self.wake.wake();
            tokio::time::sleep(PAUSE).await;
        }
        if !logs.is_empty() {
            tracing::info!(logs = logs.len(), "the oldest logs were removed to keep within retention.logs");
        }
        Ok(())
    }

    async fn drop_orphans(&self, orphans: &[AttemptId]) {
        let (logs, orphans) = (self.logs.clone(), orphans.to_vec());
        blocking(move || {
            for id in orphans {
                remove(&logs, &id);
            }
        })
        .await;
    }

    async fn trim_deliveries(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = |ms: u64| Timestamp(now.0.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)));
        while self.store.empty_bodies(before(KEEP_BODIES_MS), BATCH).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let Some(days) = self.config.retention.keep_days else { return Ok(()) };
        let keep = days.saturating_mul(choose::DAY).max(REDELIVERED_MS);
        while self.store.drop_deliveries(before(keep), BATCH).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Those that nobody used for long, and beyond the budget the ones unused for longest; never one of the last hour.
    async fn mirrors_to_go(&self) -> Vec<Cached> {
        let data = self.config.data_dir.clone();
        let rules = self.config.retention;
        blocking(move || {
            let mut mirrors = disk::mirrors(&data.join("mirrors"));
            let total = mirrors.iter().map(|mirror| mirror.bytes).sum::<u64>() + disk::size(&data.join("sources"));
            let old = rules.keep_days.map(|days| Duration::from_millis(days.saturating_mul(choose::DAY)));
            let aged = mirrors.iter().take_while(|mirror| old.is_some_and(|old| mirror.idle > old)).count();
            let sizes: Vec<u64> = mirrors.iter().map(|mirror| mirror.bytes).collect();
            let crowded = rules.cache_bytes.map_or(0, |budget| choose::over_budget(&sizes, total, budget));
            mirrors.truncate(aged.max(crowded));
            mirrors.retain(|mirror| mirror.idle > SETTLED);
            mirrors
        })
        .await
    }
}

/// Log folders whose build is not there, and that nobody has written for an hour.
fn orphans(all: &[KeptBuild], folders: &[LogFolder]) -> Vec<AttemptId> {
    let known: HashSet<u64> = all.iter().map(|build| build.number).collect();
    let orphan = |folder: &&LogFolder| folder.idle > SETTLED && !known.contains(&folder.id.build);
    folders.iter().filter(orphan).map(|folder| folder.id.clone()).collect()
}

fn remove(logs: &LogStore, id: &AttemptId) {
    match logs.remove(id) {
        // Job names that cannot be folders never had one.
        Ok(()) | Err(LogError::BadName { .. }) => {}
        Err(error) => tracing::warn!(attempt = %id, error = %chain(&error), "a log could not be removed"),
    }
}

fn say_removed(logs: &LogStore, log: &FinishedLog, now: Timestamp) -> Result<(), LogError> {
    logs.remove(&log.id)?;
    let mut writer = logs.writer(&log.id)?;
    let size = log.bytes;
    writer.notice(
        now.0,
        &format!("[windlass] this log of {size} bytes was removed at {now} to keep within retention.logs"),
    )?;
    writer.finish(now.0)?;
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
