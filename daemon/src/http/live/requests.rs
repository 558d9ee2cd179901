//! Requests of the live socket: asked once, answered once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{Request, Response};
use windlass_protocol::refusal::RefusalCode;

use super::logs::blocking;
use crate::http::failure::Failure;
use crate::http::guard::Caller;
use crate::http::{App, actions, excerpt, view};
use crate::logs::{LogError, LogMap, LogReader, Pattern, Search};
use crate::store::Role;

const MATCHES_CAP: u32 = 10_000;
const PARTS_CAP: u32 = 500;
/// Of one search, after which the client has to ask for more: it may have lost interest.
const SEARCH_BUDGET: u64 = 4 << 30;

pub(super) async fn answer(app: &App, caller: &Caller, request: Request) -> Result<Response, Failure> {
    match request {
        Request::Builds { filter, offset, limit } => {
            let (total, builds) = view::build_views(app, &filter, offset, limit).await?;
            Ok(Response::Builds { total, builds })
        }
        Request::Build { number } => Ok(Response::Build { build: Box::new(view::build_view(app, number).await?) }),
        Request::Deliveries { limit } => Ok(Response::Deliveries { deliveries: view::deliveries(app, limit).await? }),
        Request::Cancel { build, job, force } => {
            caller.still_needs(app, Role::Operator, "cancel").await?;
            Ok(actions::cancel(app, build, job.as_deref(), force, &caller.name).await?)
        }
        Request::Retry { build, what, head } => {
            caller.still_needs(app, Role::Operator, "retry").await?;
            match head {
                false => Ok(actions::retry(app, build, &what, &caller.name).await?),
                true => Ok(actions::retry_head(app, build, &caller.name).await?),
            }
        }
        Request::Pause { repository, reason } => {
            caller.still_needs(app, Role::Operator, "pause").await?;
            Ok(actions::pause(app, repository.as_deref(), reason.as_deref(), &caller.name).await?)
        }
        Request::Resume { repository } => {
            caller.still_needs(app, Role::Operator, "resume").await?;
            Ok(actions::resume(app, repository.as_deref(), &caller.name).await?)
        }
        Request::Results { repository, r#ref, limit } => {
            let results = view::results(app, &repository, r#ref.as_deref(), limit).await?;
            Ok(Response::Results { results })
        }
        Request::Repositories { results } => {
            let (total, repositories) = view::repositories(app, results).await?;
            Ok(Response::Repositories { repositories, total })
        }
        Request::Nodes => Ok(Response::Nodes { nodes: view::nodes(app).await? }),
        Request::Tests { number, filter, offset, limit } => {
            Ok(Response::Tests { tests: view::tests_page(app, number, &filter, offset, limit).await? })
        }
        Request::Artifacts { number, job, attempt, offset, limit } => {
            let of = (job.as_deref(), attempt);
            Ok(Response::Artifacts { artifacts: view::artifacts_page(app, number, of, offset, limit).await? })
        }
        Request::ReadArtifact { attempt, artifact, from, limit } => {
            Ok(Response::Artifact { bytes: view::artifact_piece(app, &attempt, artifact, from, limit).await? })
        }
        Request::Annotations { number, offset, limit } => {
            Ok(Response::Annotations { annotations: view::annotations_page(app, number, offset, limit).await? })
        }
        Request::Replay { delivery } => {
            caller.still_needs(app, Role::Operator, "replay").await?;
            Ok(actions::replay(app, &delivery, &caller.name).await?)
        }
        Request::SearchLog { log, pattern, from, backwards, limit } => {
            let limit = limit.min(MATCHES_CAP) as usize;
            let found = looking(app, log, &pattern, move |reader, pattern, stop| {
                reader.find(pattern, &Search { from, backwards, limit, budget: SEARCH_BUDGET, stop })
            });
            let found = found.await?;
            Ok(Response::Matches { lines: found.lines, next: found.next })
        }
        Request::Excerpt { log, pattern, lines } => {
            let excerpt = looking(app, log, &pattern, move |reader, pattern, stop| {
                excerpt::excerpt(reader, pattern, lines, stop)
            });
            Ok(Response::Excerpt { lines: excerpt.await? })
        }
        Request::MapLog { log, pattern, buckets } => {
            let parts = buckets.clamp(1, PARTS_CAP) as usize;
            let map = looking(app, log, &pattern, move |reader, pattern, stop| {
                reader.map(pattern, parts, SEARCH_BUDGET, stop)
            });
            let LogMap { lines, looked, counts } = map.await?;
            Ok(Response::LogMap { lines, looked, counts })
        }
        Request::Unknown => Err(Failure::new(
            StatusCode::NOT_IMPLEMENTED,
            RefusalCode::Unsupported,
            "this daemon does not know that request: it is older than the client",
        )),
    }
}

/// Looks through a log on a thread that may block, and stops when nobody waits for it any more.
async fn looking<T: Send + 'static>(
    app: &App,
    log: AttemptId,
    pattern: &str,
    look: impl FnOnce(&LogReader, &Pattern, &AtomicBool) -> Result<T, LogError> + Send + 'static,
) -> Result<T, Failure> {
    let pattern = Pattern::new(pattern).map_err(|error| Failure::invalid(error.to_string()))?;
    let logs = app.logs.clone();
    let stop = StopOnDrop::default();
    let flag = stop.flag();
    let found = blocking(move || look(&logs.reader(&log)?, &pattern, &flag)).await;
    drop(stop);
    Ok(found?)
}

/// Set when whoever waits went away.
#[derive(Debug, Default)]
pub(super) struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
