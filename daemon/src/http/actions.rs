//! What people order: cancel, retry, replay, pause, resume. The same for the live socket and the API.

use windlass_protocol::live::{Response, RetryWhat};

use super::{App, snapshot};
use crate::clock;
use crate::failpoint;
use crate::store::StoreError;

/// Stops what waits or runs of a build or of one job.
pub async fn cancel(app: &App, build: u64, job: Option<&str>, force: bool, by: &str) -> Result<Response, StoreError> {
    let done = app.store.cancel(build, job, force, by, clock::now()).await?;
    failpoint::reached!("cancel.ordered");
    tracing::info!(build, job, force, by, stopping = ?done.stopping, cancelled = ?done.cancelled, "cancel");
    app.wake.wake();
    Ok(Response::Cancel { stopping: done.stopping, killing: done.killing, cancelled: done.cancelled })
}

/// Makes new attempts.
pub async fn retry(app: &App, build: u64, what: &RetryWhat, by: &str) -> Result<Response, StoreError> {
    let attempts = app.store.retry(build, what, by, clock::now()).await?;
    failpoint::reached!("retry.made");
    tracing::info!(build, ?what, by, attempts = attempts.len(), "retry");
    app.wake.wake();
    Ok(Response::Retry { attempts, delivery: None })
}

/// A new build of the newest commit of the same branch, tag or pull request.
pub async fn retry_head(app: &App, build: u64, by: &str) -> Result<Response, StoreError> {
    let delivery = app.store.retry_head(build, by, clock::now()).await?;
    failpoint::reached!("retry.head");
    tracing::info!(build, by, delivery, "retry of the head");
    app.wake.wake();
    Ok(Response::Retry { attempts: Vec::new(), delivery: Some(delivery) })
}

/// Works on a stored delivery once more.
pub async fn replay(app: &App, delivery: &str, by: &str) -> Result<Response, StoreError> {
    let replay = app.store.replay(delivery, by, clock::now()).await?;
    tracing::info!(delivery, by, replay, "replay");
    app.wake.wake();
    Ok(Response::Replay { delivery: replay })
}

/// Nothing new is begun, of a repository or at all.
pub async fn pause(
    app: &App,
    repository: Option<&str>,
    reason: Option<&str>,
    by: &str,
) -> Result<Response, StoreError> {
    app.store.pause(repository, by, reason, clock::now()).await?;
    tracing::info!(repository, by, reason, "pause");
    app.wake.wake();
    Ok(Response::Pauses { pauses: snapshot::pauses(app).await? })
}

/// The end of a pause.
pub async fn resume(app: &App, repository: Option<&str>, by: &str) -> Result<Response, StoreError> {
    app.store.resume(repository).await?;
    tracing::info!(repository, by, "resume");
    app.wake.wake();
    Ok(Response::Pauses { pauses: snapshot::pauses(app).await? })
}
