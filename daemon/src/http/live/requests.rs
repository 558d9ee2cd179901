//! Requests of the live socket: asked once, answered once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use windlass_protocol::live::{Request, Response};
use windlass_protocol::refusal::RefusalCode;

use crate::http::failure::Failure;
use crate::http::guard::Caller;
use crate::http::{App, actions, view};
use crate::logs::{Pattern, Search};
use crate::store::Role;

const MATCHES_CAP: u32 = 10_000;
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
        Request::SearchLog { log, pattern, from, backwards, limit } => {
            let pattern = Pattern::new(&pattern).map_err(|error| Failure::invalid(error.to_string()))?;
            let logs = app.logs.clone();
            let limit = limit.min(MATCHES_CAP) as usize;
            // Set when this future is dropped because the client went away.
            let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
            let flag = Arc::clone(&stop.0);
            let found = tokio::task::spawn_blocking(move || {
                let search = Search { from, backwards, limit, budget: SEARCH_BUDGET, stop: &flag };
                logs.reader(&log)?.search(&pattern, &search)
            })
            .await;
            drop(stop);
            match found {
                Ok(found) => {
                    let found = found?;
                    Ok(Response::Matches { lines: found.lines, next: found.next })
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        Request::Unknown => Err(Failure::new(
            StatusCode::NOT_IMPLEMENTED,
            RefusalCode::Unsupported,
            "this daemon does not know that request: it is older than the client",
        )),
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
