//! What becomes of logs: finished ones are compressed, the oldest beyond the budget make room for a sentence, those of no
//! build go. What is removed is noted in the database first and done then, so whoever was killed in between, or restored a
//! backup, finds in the database what is still to do. Must not know why builds go.

use std::collections::{HashMap, HashSet};

use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

use super::{BATCH, Keeper, PAGE, PAUSE, SETTLED, blocking, choose};
use crate::config::Retention;
use crate::error_chain::chain;
use crate::logs::{LogError, LogStore, StoredLog, Sum};
use crate::store::{FinishedLog, KeptBuild, RemovedLog, Store, StoreError};

/// A sentence takes the room of three files, as a short log does: nothing is gained by putting one in place of the other.
const NOTHING_GAINED: u64 = 16 << 10;
/// No sentence is longer.
const LONGEST_SENTENCE: u64 = 200;
const SENTENCE: (&str, &str) = ("[windlass] this log of ", " was removed at ");

/// Which logs there is something to do about.
#[derive(Debug, Clone, Default)]
pub struct LogSurvey {
    /// What all logs take of the disk.
    pub bytes: u64,
    /// Beyond the budget, the one that finished first comes first.
    pub over_budget: Vec<FinishedLog>,
    /// What those take.
    pub over_bytes: u64,
    /// In the database they are removed, and are not.
    pub unreplaced: Vec<RemovedLog>,
    /// A sentence is there, and the database does not know.
    pub unnoted: Vec<AttemptId>,
    /// Of builds that are not in the database any more.
    pub orphans: Vec<AttemptId>,
    /// Of finished attempts that wrote something and have no log.
    pub missing: Vec<AttemptId>,
}

/// Looks, and does nothing about it. `going`: builds that go anyway.
pub(super) async fn survey(
    store: &Store,
    logs: &LogStore,
    rules: &Retention,
    (all, going): (&[KeptBuild], &[u64]),
) -> Result<LogSurvey, StoreError> {
    let listing = logs.clone();
    let stored = blocking(move || listing.list()).await.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "the logs cannot be listed");
        Vec::new()
    });
    let going: HashSet<u64> = going.iter().copied().collect();
    // Beyond it are logs of another database, which only this one does not know.
    let last = store.last_build().await?;
    let known: HashSet<u64> = all.iter().map(|build| build.number).collect();
    let mut seen = LogSurvey {
        bytes: stored.iter().map(|log| log.bytes).sum(),
        orphans: stored
            .iter()
            .filter(|log| log.idle >= SETTLED && log.id.build <= last && !known.contains(&log.id.build))
            .map(|log| log.id.clone())
            .collect(),
        ..LogSurvey::default()
    };
    let by_id: HashMap<&AttemptId, &StoredLog> =
        stored.iter().filter(|log| !going.contains(&log.id.build)).map(|log| (&log.id, log)).collect();
    let mut left: u64 = by_id.values().map(|log| log.bytes).sum();
    let budget = rules.log_bytes.unwrap_or(u64::MAX);
    let mut doubtful: Vec<FinishedLog> = Vec::new();
    let mut after: Option<FinishedLog> = None;
    loop {
        let page = store.finished_logs(after.as_ref(), PAGE).await?;
        let Some(last) = page.last().cloned() else { break };
        after = Some(last);
        let mut there = Vec::new();
        for log in page.into_iter().filter(|log| !going.contains(&log.id.build)) {
            match by_id.get(&log.id) {
                None if log.bytes > 0 => seen.missing.push(log.id),
                None => {}
                Some(on_disk) => {
                    let other = |length| length != log.bytes && length <= LONGEST_SENTENCE;
                    if on_disk.plain.is_some_and(other) {
                        doubtful.push(log.clone());
                    }
                    if on_disk.bytes > NOTHING_GAINED {
                        there.push((log, on_disk.bytes));
                    }
                }
            }
        }
        let sizes: Vec<u64> = there.iter().map(|(_, bytes)| *bytes).collect();
        let count = choose::over_budget(&sizes, left, budget);
        let go: u64 = sizes[..count].iter().sum();
        left = left.saturating_sub(go);
        seen.over_bytes += go;
        seen.over_budget.extend(there.into_iter().take(count).map(|(log, _)| log));
    }
    let mut removed = store.removed_logs().await?;
    removed.retain(|log| !going.contains(&log.id.build));
    let logs = logs.clone();
    (seen.unreplaced, seen.unnoted) = blocking(move || {
        removed.retain(|log| !matches!(logs.sum(&log.id), Ok(Some(sum)) if is_sentence(&sum)));
        let is_removed = |log: &FinishedLog| {
            matches!(logs.sum(&log.id), Ok(Some(sum)) if is_sentence(&sum) && Some(&sum.sha256) != log.sha256.as_ref())
        };
        (removed, doubtful.into_iter().filter(is_removed).map(|log| log.id).collect())
    })
    .await;
    Ok(seen)
}

impl Keeper {
    /// What a daemon that was killed did not come to. One after the other: each takes its time.
    pub(super) async fn compress(&self) {
        let logs = self.logs.clone();
        let todo = blocking(move || logs.uncompressed()).await.unwrap_or_default();
        let mut done = 0_usize;
        for id in todo {
            let logs = self.logs.clone();
            let of = id.clone();
            match blocking(move || logs.compress(&of)).await {
                Ok(compressed) => done += usize::from(compressed),
                // It is being written again, or was removed, which is somebody else's business.
                Err(LogError::Busy { .. } | LogError::Missing { .. }) => {}
                Err(error) => {
                    tracing::warn!(attempt = %id, error = %chain(&error), "its log could not be compressed");
                    if error.is_full() {
                        break;
                    }
                }
            }
        }
        if done > 0 {
            tracing::info!(logs = done, "finished logs were compressed");
        }
    }

    /// In the place of a log comes a sentence, so that whoever reads it knows.
    pub(super) async fn drop_logs(&self, seen: &LogSurvey, now: Timestamp) -> Result<(), StoreError> {
        for batch in seen.unnoted.chunks(BATCH as usize) {
            self.store.note_removed_logs(batch, now).await?;
        }
        self.replace(&seen.unreplaced).await;
        for batch in seen.over_budget.chunks(BATCH as usize) {
            let ids: Vec<AttemptId> = batch.iter().map(|log| log.id.clone()).collect();
            self.store.note_removed_logs(&ids, now).await?;
            let removed = |log: &FinishedLog| RemovedLog { id: log.id.clone(), bytes: log.bytes, removed_at: now };
            self.replace(&batch.iter().map(removed).collect::<Vec<_>>()).await;
            self.wake.wake();
            tokio::time::sleep(PAUSE).await;
        }
        if !seen.over_budget.is_empty() {
            let (logs, bytes) = (seen.over_budget.len(), seen.over_bytes);
            tracing::info!(logs, bytes, "the oldest logs were removed to keep within retention.logs");
        }
        Ok(())
    }

    async fn replace(&self, removed: &[RemovedLog]) {
        let (logs, removed) = (self.logs.clone(), removed.to_vec());
        blocking(move || {
            for log in removed {
                if let Err(error) = say_removed(&logs, &log) {
                    tracing::warn!(attempt = %log.id, error = %chain(&error), "a log could not be removed; trying again later");
                }
            }
        })
        .await;
    }

    /// Logs that nobody can ask for; how many went.
    pub(super) async fn remove_logs(&self, ids: Vec<AttemptId>) -> usize {
        let logs = self.logs.clone();
        blocking(move || {
            let mut removed = 0;
            for id in ids {
                match logs.remove(&id) {
                    Ok(()) => removed += 1,
                    // Job names that cannot be folders never had one.
                    Err(LogError::BadName { .. }) => {}
                    Err(error) => {
                        tracing::warn!(attempt = %id, error = %chain(&error), "a log could not be removed");
                    }
                }
            }
            removed
        })
        .await
    }
}

fn say_removed(logs: &LogStore, log: &RemovedLog) -> Result<(), LogError> {
    logs.remove(&log.id)?;
    let mut writer = logs.writer(&log.id)?;
    let at = log.removed_at;
    let words = format!("{}{} bytes{}{at} to keep within retention.logs", SENTENCE.0, log.bytes, SENTENCE.1);
    writer.notice(at.0, &words)?;
    writer.finish(at.0)?;
    Ok(())
}

/// Whether a finished log is what was put in the place of another.
fn is_sentence(sum: &Sum) -> bool {
    let text = String::from_utf8_lossy(&sum.begin);
    sum.bytes <= LONGEST_SENTENCE && text.starts_with(SENTENCE.0) && text.contains(SENTENCE.1)
}
