//! What becomes of artifacts: those that came first beyond the budget go, those of nothing that is known too. What is removed
//! is noted in the database first and done then: what was noted and is still there is of nothing that is known. Must not
//! know why builds go.

use std::collections::{HashMap, HashSet};

use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

use super::{BATCH, Keeper, PAGE, PAUSE, SETTLED, blocking, choose};
use crate::artifacts::{ArtifactStore, StoredArtifacts};
use crate::config::Retention;
use crate::store::{KeptArtifacts, KeptBuild, Store, StoreError};

/// Which artifacts there is something to do about.
#[derive(Debug, Clone, Default)]
pub struct ArtifactSurvey {
    /// What all of them take of the disk.
    pub bytes: u64,
    /// Beyond the budget, those that came first before the others.
    pub over_budget: Vec<AttemptId>,
    /// What those take.
    pub over_bytes: u64,
    /// Of attempts that left none, or whose files were removed on purpose.
    pub orphans: Vec<AttemptId>,
    /// Nobody removed them on purpose, and they are not there.
    pub missing: Vec<AttemptId>,
}

/// Looks, and does nothing about it. `going`: builds that go anyway.
pub(super) async fn survey(
    store: &Store,
    artifacts: &ArtifactStore,
    rules: &Retention,
    (all, going): (&[KeptBuild], &[u64]),
) -> Result<ArtifactSurvey, StoreError> {
    let listing = artifacts.clone();
    let stored = blocking(move || listing.list()).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the artifacts cannot be listed");
        Vec::new()
    });
    let by_id: HashMap<&AttemptId, &StoredArtifacts> = stored.iter().map(|of| (&of.id, of)).collect();
    let going: HashSet<u64> = going.iter().copied().collect();
    let newest = choose::newest_of_branches(all);
    let mut seen = ArtifactSurvey { bytes: stored.iter().map(|of| of.bytes).sum(), ..ArtifactSurvey::default() };
    let mut known: HashSet<AttemptId> = store.begun_attempts().await?.into_iter().collect();
    let mut may_go = Vec::new();
    let mut after: Option<KeptArtifacts> = None;
    loop {
        let page = store.kept_artifacts(after.as_ref(), PAGE).await?;
        let Some(last) = page.last().cloned() else { break };
        after = Some(last);
        for kept in page {
            match by_id.get(&kept.id) {
                None => seen.missing.push(kept.id.clone()),
                Some(_) if going.contains(&kept.id.build) || newest.contains(&kept.id.build) => {}
                Some(on_disk) => may_go.push((kept.id.clone(), on_disk.bytes)),
            }
            known.insert(kept.id);
        }
    }
    let left = stored.iter().filter(|of| !going.contains(&of.id.build)).map(|of| of.bytes).sum();
    let sizes: Vec<u64> = may_go.iter().map(|(_, bytes)| *bytes).collect();
    let count = choose::over_budget(&sizes, left, rules.artifact_bytes.unwrap_or(u64::MAX));
    seen.over_bytes = sizes[..count].iter().sum();
    seen.over_budget = may_go.into_iter().take(count).map(|(id, _)| id).collect();
    // Beyond it are artifacts of another database, which only this one does not know.
    let last = store.last_build().await?;
    let orphaned = |of: &&StoredArtifacts| of.idle >= SETTLED && of.id.build <= last && !known.contains(&of.id);
    seen.orphans = stored.iter().filter(orphaned).map(|of| of.id.clone()).collect();
    Ok(seen)
}

impl Keeper {
    pub(super) async fn drop_artifacts(&self, seen: &ArtifactSurvey, now: Timestamp) -> Result<(), StoreError> {
        for batch in seen.over_budget.chunks(BATCH as usize) {
            self.store.note_removed_artifacts(batch, now).await?;
            self.remove_artifacts(batch).await;
            self.wake.wake();
            tokio::time::sleep(PAUSE).await;
        }
        if !seen.over_budget.is_empty() {
            let (attempts, bytes) = (seen.over_budget.len(), seen.over_bytes);
            tracing::info!(attempts, bytes, "the oldest artifacts were removed to keep within retention.artifacts");
        }
        if !seen.orphans.is_empty() {
            self.remove_artifacts(&seen.orphans).await;
            tracing::info!(attempts = seen.orphans.len(), "artifacts that nobody can ask for were removed");
        }
        Ok(())
    }

    pub(super) async fn remove_artifacts(&self, ids: &[AttemptId]) {
        let (artifacts, ids) = (self.artifacts.clone(), ids.to_vec());
        blocking(move || {
            for id in ids {
                if let Err(error) = artifacts.remove(&id) {
                    tracing::warn!(attempt = %id, %error, "its artifacts could not be removed; trying again later");
                }
            }
        })
        .await;
    }
}
