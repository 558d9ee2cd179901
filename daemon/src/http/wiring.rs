//! Where views and orders reach what other parts of the daemon offer, one small function each. Must not decide anything.

use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Pause;

use super::App;
use super::reasons::{Away, Group, Pulling};
use crate::store::{Attempt, StoreError, StoredBuild, Summary};

/// How long jobs usually take. Wiring (queue): `pub(super) use crate::store::History`.
#[derive(Debug, Default)]
pub(super) struct History(());

impl History {
    #[expect(clippy::unused_self, reason = "as the store's own, which takes its place")]
    pub(super) fn median(&self, _repository: &str, _job: &str) -> Option<u64> {
        None
    }

    #[expect(clippy::unused_self, reason = "as the store's own, which takes its place")]
    pub(super) fn typical(&self) -> Option<u64> {
        None
    }
}

/// Wiring (queue): `app.store.history(repositories).await`.
#[expect(clippy::unused_async, reason = "it will read the database")]
pub(super) async fn history(_app: &App, _repositories: impl Iterator<Item = &str>) -> Result<History, StoreError> {
    Ok(History::default())
}

/// Wiring (queue): `app.store.pauses().await`, each `StoredPause` as a `Pause` of the same fields.
#[expect(clippy::unused_async, reason = "it will read the database")]
pub(super) async fn pauses(_app: &App) -> Result<Vec<Pause>, StoreError> {
    Ok(Vec::new())
}

/// Wiring (queue): `app.store.pause(repository, by, reason, now).await`.
#[expect(clippy::unused_async, reason = "it will write to the database")]
pub(super) async fn pause(
    _app: &App,
    _repository: Option<&str>,
    _by: &str,
    _reason: Option<&str>,
    _now: Timestamp,
) -> Result<(), StoreError> {
    Err(not_yet("pauses"))
}

/// Wiring (queue): `app.store.resume(repository).await`.
#[expect(clippy::unused_async, reason = "it will write to the database")]
pub(super) async fn resume(_app: &App, _repository: Option<&str>) -> Result<(), StoreError> {
    Err(not_yet("pauses"))
}

/// The delivery that a new build of the branch's head will come of. Wiring (queue): `app.store.retry_head(build, by, now).await`.
#[expect(clippy::unused_async, reason = "it will write to the database")]
pub(super) async fn retry_head(_app: &App, _build: u64, _by: &str, _now: Timestamp) -> Result<String, StoreError> {
    Err(not_yet("retries of a branch's head"))
}

fn not_yet(what: &str) -> StoreError {
    StoreError::Conflict { why: format!("this daemon cannot do {what}") }
}

/// The group that keeps a build waiting. Wiring (queue): of `build.group`, when its turn is `Turn::Waits { held_by }`.
pub(super) fn group(_build: &StoredBuild) -> Option<Group> {
    None
}

/// The same of an open attempt. Wiring (queue): of the same field of `OpenAttempt`.
pub(super) fn group_of_open(_open: &crate::store::OpenAttempt) -> Option<Group> {
    None
}

/// Wiring (queue): `(attempt.not_before, attempt.because.clone().unwrap_or_default())` when `not_before.0 > 0`.
pub(super) fn back_off(_attempt: &Attempt) -> Option<(Timestamp, String)> {
    None
}

/// The same of a list's row. Wiring (queue): of the same fields of `Summary`.
pub(super) fn back_off_of_row(_job: &Summary) -> Option<(Timestamp, String)> {
    None
}

/// Wiring (queue): `(attempt.because.clone(), attempt.image_digest.clone())`.
pub(super) fn because_and_digest(_attempt: &Attempt) -> (Option<String>, Option<String>) {
    (None, None)
}

/// Wiring (engine): `app.engines.away()`, its fields as they are.
pub(super) fn away(_app: &App) -> Option<Away> {
    None
}

/// Wiring (engine): `app.engines.pulling(id)`, its fields as they are.
pub(super) fn pulling(_app: &App, _id: &AttemptId) -> Option<Pulling> {
    None
}

/// Wiring (keeper): `app.room.is_tight()`.
pub(super) fn room(_app: &App) -> Option<(u64, u64)> {
    None
}
