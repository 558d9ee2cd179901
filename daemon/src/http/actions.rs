//! What people order: cancel and retry. The same for the live socket and the API.

use windlass_protocol::live::{Response, RetryWhat};

use super::App;
use crate::clock;
use crate::store::StoreError;

/// Stops what waits or runs of a build or of one job.
pub async fn cancel(app: &App, build: u64, job: Option<&str>, force: bool, by: &str) -> Result<Response, StoreError> {
    let done = app.store.cancel(build, job, force, by, clock::now()).await?;
    tracing::info!(build, job, force, by, stopping = ?done.stopping, cancelled = ?done.cancelled, "cancel");
    app.wake.wake();
    Ok(Response::Cancel { stopping: done.stopping, cancelled: done.cancelled })
}

/// Makes new attempts.
pub async fn retry(app: &App, build: u64, what: &RetryWhat, by: &str) -> Result<Response, StoreError> {
    let attempts = app.store.retry(build, what, by, clock::now()).await?;
    tracing::info!(build, ?what, by, attempts = attempts.len(), "retry");
    app.wake.wake();
    Ok(Response::Retry { attempts, delivery: None })
}
