//! What this side knows, whatever the daemon says: what was acknowledged, ordered, written down by steps, and seen by a
//! client. Must not know the daemon's database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use windlass_protocol::id::AttemptId;
use windlass_protocol::view::{BuildView, Outcome, Status};

use super::evidence;
use super::recipe::Recipe;

#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Answered with 2xx: the commit that has to be built, or nothing where nothing comes of it.
    pub deliveries: BTreeMap<String, Option<String>>,
    /// By commit; written down before anybody could build it.
    pub recipes: BTreeMap<String, Recipe>,
    /// Builds of which something was asked to be cancelled, whether or not the answer came.
    pub cancels: BTreeSet<u64>,
    pub retries: BTreeSet<u64>,
    /// The end of an attempt as it was first seen.
    pub ends: BTreeMap<AttemptId, String>,
    /// What a following client got.
    pub followed: BTreeMap<AttemptId, Followed>,
    /// What steps wrote down: `42/test#1 0 begin`.
    pub steps: Vec<String>,
    /// What no client may ever see.
    pub faults: Vec<String>,
}

/// A log as it came to a client that followed it, through all kills.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    pub bytes: Vec<u8>,
    /// The daemon said that this is all.
    pub finished: bool,
}

/// Ledger and present state, shared by all who take part.
#[derive(Default)]
pub(super) struct Shared {
    ledger: Mutex<Ledger>,
    board: Mutex<BTreeMap<u64, BuildView>>,
    load_is_over: AtomicBool,
    is_over: AtomicBool,
}

/// Ends everybody when it goes.
pub(super) struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.load_is_over.store(true, Ordering::Relaxed);
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn note(&self, note: impl FnOnce(&mut Ledger)) {
        note(&mut lock(&self.ledger));
    }

    pub(super) fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    pub(super) fn recipe(&self, sha: &str) -> Option<Recipe> {
        lock(&self.ledger).recipes.get(sha).cloned()
    }

    /// How far a log is followed: bytes, and whether that is all.
    pub(super) fn followed(&self, id: &AttemptId) -> (u64, bool) {
        lock(&self.ledger).followed.get(id).map_or((0, false), |log| (log.bytes.len() as u64, log.finished))
    }

    /// Builds as they were seen last.
    pub(super) fn show(&self, builds: Vec<BuildView>) {
        lock(&self.board).extend(builds.into_iter().map(|build| (build.build.number, build)));
    }

    /// The newest builds, as they were seen last.
    pub(super) fn newest(&self, count: usize) -> Vec<BuildView> {
        lock(&self.board).values().rev().take(count).cloned().collect()
    }

    /// Builds, other than the newest, that are not over or not followed to their end.
    pub(super) fn unfollowed(&self, newest: usize) -> Vec<u64> {
        let (ledger, board) = (lock(&self.ledger), lock(&self.board));
        let is_open = |build: &BuildView| {
            // There may be another attempt before anybody has seen it.
            let runs = build.build.status != Status::Finished;
            let mut attempts = build.jobs.iter().flat_map(|job| {
                job.attempts.iter().map(|attempt| AttemptId {
                    build: build.build.number,
                    job: job.name.clone(),
                    attempt: attempt.number,
                })
            });
            runs || attempts.any(|id| ledger.followed.get(&id).is_none_or(|log| !log.finished))
        };
        board.values().rev().skip(newest).filter(|build| is_open(build)).map(|build| build.build.number).collect()
    }

    pub(super) fn open_builds(&self) -> usize {
        lock(&self.board).values().filter(|build| build.build.status != Status::Finished).count()
    }

    /// Attempts that ended like this, as far as they were seen.
    pub(super) fn ended(&self, outcome: Outcome) -> usize {
        let board = lock(&self.board);
        let attempts = board.values().flat_map(|build| &build.jobs).flat_map(|job| &job.attempts);
        attempts.filter(|attempt| attempt.outcome == Some(outcome)).count()
    }

    /// Old ones, too: whoever is retried long after it ended.
    pub(super) fn open(&self) -> Vec<BuildView> {
        lock(&self.board).values().filter(|build| build.build.status != Status::Finished).cloned().collect()
    }

    pub(super) fn stop_load(&self) {
        self.load_is_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn load_is_over(&self) -> bool {
        self.load_is_over.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn ends_on_drop(&self) -> Ends<'_> {
        Ends(self)
    }

    /// Whether the following client has the whole of each log that there is.
    pub(super) fn all_followed(&self, data: &Path) -> bool {
        evidence::logs(data).iter().all(|id| self.followed(id).1)
    }
}
