//! The control listener: the live socket and the API. Every request has a [`Caller`] with a role.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use windlass_protocol::live::{BuildFilter, RetryWhat};
use windlass_protocol::view::{Outcome, Status};

use super::failure::{Failure, in_our_words};
use super::guard::{Caller, FailedLogins, Sockets, identify};
use super::{App, actions, live, public, snapshot, view};
use crate::store::Role;

pub fn router(app: App) -> Router {
    let guard = middleware::from_fn_with_state((app.clone(), FailedLogins::default()), identify);
    Router::new()
        .route("/v1/live", get(live::upgrade))
        .route("/v1/builds", get(builds))
        .route("/v1/builds/{number}", get(build))
        .route("/v1/builds/{number}/jobs/{job}/log", get(public::log))
        .route("/v1/builds/{number}/cancel", post(cancel))
        .route("/v1/builds/{number}/retry", post(retry))
        .route("/v1/deliveries", get(deliveries))
        .route("/v1/deliveries/{delivery}/replay", post(replay))
        .route("/v1/queue", get(queue))
        .route("/v1/queue/pause", post(pause))
        .route("/v1/queue/resume", post(resume))
        .route("/v1/repositories", get(repositories))
        .route("/v1/nodes", get(nodes))
        .route("/metrics", get(metrics))
        .fallback(async || Failure::not_found("nothing is here: see /v1/builds, /v1/queue, /v1/live"))
        .layer(middleware::map_response(in_our_words))
        .layer(Extension(Sockets::default()))
        .layer(guard)
        .with_state(app)
}

/// The fields of `BuildFilter`, spelled out: flattened structures lose the types of numbers in a query string.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    repository: Option<String>,
    branch: Option<String>,
    event: Option<String>,
    author: Option<String>,
    status: Option<Status>,
    outcome: Option<Outcome>,
    text: Option<String>,
    #[serde(default)]
    offset: u64,
    limit: Option<u32>,
}

async fn builds(State(app): State<App>, query: Result<Query<PageQuery>, QueryRejection>) -> Result<Response, Failure> {
    let Query(query) = query.map_err(|error| Failure::invalid(error.body_text()))?;
    let PageQuery { repository, branch, event, author, status, outcome, text, offset, limit } = query;
    let filter = BuildFilter { repository, branch, event, author, status, outcome, text };
    let (_, builds) = view::build_views(&app, &filter, offset, limit.unwrap_or(50)).await?;
    Ok(Json(builds).into_response())
}

async fn build(State(app): State<App>, Path(number): Path<u64>) -> Result<Response, Failure> {
    Ok(Json(view::build_view(&app, number).await?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CancelBody {
    job: Option<String>,
    force: bool,
}

async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    caller.needs(Role::Operator, "cancel")?;
    let body: CancelBody = or_default(&body)?;
    Ok(Json(actions::cancel(&app, number, body.job.as_deref(), body.force, &caller.name).await?).into_response())
}

async fn retry(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<u64>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    caller.needs(Role::Operator, "retry")?;
    let body: RetryBody = or_default(&body)?;
    let answer = match body.head {
        true => actions::retry_head(&app, number, &caller.name).await?,
        false => actions::retry(&app, number, &body.what()?, &caller.name).await?,
    };
    Ok(Json(answer).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetryBody {
    what: Option<String>,
    job: Option<String>,
    head: bool,
}

impl RetryBody {
    fn what(self) -> Result<RetryWhat, Failure> {
        match (self.what.as_deref(), self.job) {
            (None | Some("failed"), None) => Ok(RetryWhat::Failed),
            (Some("everything"), None) => Ok(RetryWhat::Everything),
            (None | Some("job"), Some(job)) => Ok(RetryWhat::Job { job }),
            (Some("job"), None) => Err(Failure::invalid("what is \"job\": name it as job")),
            (Some(what @ ("failed" | "everything")), Some(_)) => {
                Err(Failure::invalid(format!("what is {what:?}: no job goes with it")))
            }
            (Some(what), _) => Err(Failure::invalid(format!("what is {what:?}, and may be failed, job or everything"))),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PauseBody {
    repository: Option<String>,
    reason: Option<String>,
}

async fn pause(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    caller.needs(Role::Operator, "pause")?;
    let PauseBody { repository, reason } = or_default(&body)?;
    Ok(Json(actions::pause(&app, repository.as_deref(), reason.as_deref(), &caller.name).await?).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResumeBody {
    repository: Option<String>,
}

async fn resume(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: axum::body::Bytes,
) -> Result<Response, Failure> {
    caller.needs(Role::Operator, "resume")?;
    let ResumeBody { repository } = or_default(&body)?;
    Ok(Json(actions::resume(&app, repository.as_deref(), &caller.name).await?).into_response())
}

#[derive(Debug, Deserialize)]
struct LimitQuery {
    limit: Option<u32>,
}

async fn deliveries(State(app): State<App>, Query(query): Query<LimitQuery>) -> Result<Response, Failure> {
    Ok(Json(view::deliveries(&app, query.limit.unwrap_or(50)).await?).into_response())
}

async fn replay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(delivery): Path<String>,
) -> Result<Response, Failure> {
    caller.needs(Role::Operator, "replay")?;
    Ok(Json(actions::replay(&app, &delivery, &caller.name).await?).into_response())
}

#[derive(Debug, Deserialize)]
struct ResultsQuery {
    results: Option<u32>,
}

async fn repositories(State(app): State<App>, Query(query): Query<ResultsQuery>) -> Result<Response, Failure> {
    let (_, repositories) = view::repositories(&app, query.results.unwrap_or(50)).await?;
    Ok(Json(repositories).into_response())
}

async fn nodes(State(app): State<App>) -> Result<Response, Failure> {
    Ok(Json(view::nodes(&app).await?).into_response())
}

async fn queue(State(app): State<App>) -> Result<Response, Failure> {
    Ok(Json(view::queue_view(&app).await?).into_response())
}

/// A few figures in the text format that Prometheus reads.
async fn metrics(State(app): State<App>) -> Result<Response, Failure> {
    let counts = app.store.queue_counts().await?;
    let pauses = snapshot::pauses(&app).await?;
    let text = format!(
        "# HELP windlass_jobs Unfinished jobs by state.\n# TYPE windlass_jobs gauge\n\
         windlass_jobs{{state=\"blocked\"}} {}\nwindlass_jobs{{state=\"waiting\"}} {}\nwindlass_jobs{{state=\"running\"}} {}\n\
         # HELP windlass_slots Concurrent jobs allowed.\n# TYPE windlass_slots gauge\nwindlass_slots {}\n\
         # HELP windlass_paused Whether the whole queue is paused.\n# TYPE windlass_paused gauge\nwindlass_paused {}\n\
         # HELP windlass_paused_repositories Repositories that are paused.\n# TYPE windlass_paused_repositories gauge\n\
         windlass_paused_repositories {}\n\
         # HELP windlass_changes_total Changes to builds since the database was made.\n# TYPE windlass_changes_total counter\n\
         windlass_changes_total {}\n",
        counts.blocked,
        counts.waiting,
        counts.taken,
        app.config.limits.jobs,
        u8::from(pauses.iter().any(|pause| pause.repository.is_none())),
        pauses.iter().filter(|pause| pause.repository.is_some()).count(),
        app.store.last_change().await?
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

fn or_default<T: Default + serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.is_empty() { Ok(T::default()) } else { parse(body) }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::invalid(format!("the body is not understood: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_a_retry() {
        let job = || RetryWhat::Job { job: "test".to_owned() };
        let table = [
            ("", Some((RetryWhat::Failed, false))),
            ("{}", Some((RetryWhat::Failed, false))),
            (r#"{"what": "everything"}"#, Some((RetryWhat::Everything, false))),
            (r#"{"what": "job", "job": "test"}"#, Some((job(), false))),
            (r#"{"job": "test"}"#, Some((job(), false))),
            (r#"{"head": true}"#, Some((RetryWhat::Failed, true))),
            (r#"{"what": "job"}"#, None),
            (r#"{"what": "failed", "job": "test"}"#, None),
            (r#"{"what": "all"}"#, None),
            (r#"{"haed": true}"#, None),
        ];
        for (body, expected) in table {
            let read = || {
                let body: RetryBody = or_default(body.as_bytes()).ok()?;
                let head = body.head;
                Some((body.what().ok()?, head))
            };
            assert_eq!(read(), expected, "{body}");
        }
    }

    #[test]
    fn the_bodies_of_pause_and_resume_refuse_what_they_do_not_know() {
        let pause: PauseBody = or_default(br#"{"repository": "acme/app", "reason": "moving"}"#).expect("understood");
        assert_eq!((pause.repository.as_deref(), pause.reason.as_deref()), (Some("acme/app"), Some("moving")));
        assert!(or_default::<PauseBody>(b"").expect("the whole queue").repository.is_none());
        // A word spelt wrong must not pause or resume everything.
        assert!(or_default::<PauseBody>(br#"{"repo": "acme/app"}"#).is_err());
        assert!(or_default::<ResumeBody>(br#"{"repo": "acme/app"}"#).is_err());
    }
}
