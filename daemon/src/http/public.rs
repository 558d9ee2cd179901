//! The public listener: webhooks in, build pages and health out. A webhook is verified before anything else is done with
//! it, and committed before it is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::stream;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use windlass_protocol::id::AttemptId;
use windlass_protocol::refusal::RefusalCode;
use windlass_protocol::view::{BuildView, DeliveryAnswer, DeliveryState};

use super::failure::{Failure, in_our_words};
use super::{App, view};
use crate::failpoint;
use crate::github::signature;
use crate::intake::{self, Received};
use crate::logs::LogReader;
use crate::store::Recorded;

/// A whole body has to be here within this time; GitHub itself gives up after 10 s.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Room that is made for a body before it has arrived, as far as it is announced.
const ON_TRUST: usize = 16 * 1024;
const LOG_CHUNK: usize = 256 * 1024;
/// Bodies that are held at once, over all connections: anybody may send one. More than the largest that may be allowed.
const BODIES: usize = 128 << 20;

/// What is left for bodies. Each is charged for what has arrived of it: what a stranger only announces costs nobody.
#[derive(Debug, Clone)]
struct Budget(Arc<Semaphore>);

impl Budget {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Room for so many bytes as long as what is returned lives.
    fn charge(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let room = u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(&self.0).try_acquire_many_owned(bytes).ok());
        room.ok_or_else(|| {
            tracing::warn!(bytes, "a webhook was put off: too much is being received");
            let message = "too much is being received just now: deliver it again";
            let mut failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Unavailable, message);
            failure.retry_after = Some(30);
            failure
        })
    }
}

pub fn router(app: App) -> Router {
    let mut router = Router::new()
        .route("/webhooks/github", post(webhook))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready));
    if app.config.public.pages {
        router = router.route("/builds/{number}", get(build)).route("/builds/{number}/jobs/{job}/log", get(log));
    }
    router
        .fallback(async || Failure::not_found("nothing is here"))
        .layer(axum::middleware::map_response(in_our_words))
        .layer(Extension(Budget::new(BODIES)))
        .with_state(app)
}

async fn webhook(
    State(app): State<App>,
    Extension(budget): Extension<Budget>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let reading = read_body(body, app.config.limits.webhook_body_bytes, &budget);
    let (body, _room) = tokio::time::timeout(BODY_TIME, reading).await.map_err(|_| {
        let message = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
        Failure::new(StatusCode::REQUEST_TIMEOUT, RefusalCode::Invalid, message)
    })??;
    verify(&app, &parts.headers, &body)?;
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let event = header("x-github-event").ok_or_else(|| Failure::invalid("the header X-GitHub-Event is missing"))?;
    let delivery =
        header("x-github-delivery").ok_or_else(|| Failure::invalid("the header X-GitHub-Delivery is missing"))?;
    if !is_plain(delivery, 128) || !is_plain(event, 64) {
        return Err(Failure::invalid("X-GitHub-Event or X-GitHub-Delivery is not what GitHub sends"));
    }
    if header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return Err(Failure::invalid("set the webhook's content type to application/json"));
    }
    let received = intake::read(&app.config, delivery, event, body).map_err(|error| {
        tracing::warn!(delivery, event, %error, "a signed webhook was not understood");
        Failure::invalid(error.to_string())
    })?;
    let Received { delivery: new, state, reason } = received;
    let recorded = app.inbox.deliver(new).await.map_err(|error| {
        tracing::error!(delivery, error = %error, "a webhook could not be stored");
        let message = "the webhook could not be stored just now: deliver it again";
        let mut failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Unavailable, message);
        failure.retry_after = Some(30);
        failure
    })?;
    failpoint::reached!("inbox.answering");
    let (state, reason) = match recorded {
        Recorded::New => (state, reason),
        Recorded::Duplicate { of } => (DeliveryState::Duplicate, Some(format!("seen before as delivery {of}"))),
    };
    tracing::info!(delivery, event, ?state, reason, "webhook");
    if state == DeliveryState::Accepted {
        app.wake.wake();
    }
    let answer = DeliveryAnswer { delivery: delivery.to_owned(), state, reason };
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn verify(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<(), Failure> {
    let signature = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
    signature::verify(&app.config.webhook_secrets, signature, body).map_err(|error| {
        tracing::warn!(%error, "a webhook was refused");
        Failure::new(StatusCode::UNAUTHORIZED, RefusalCode::Forbidden, error.to_string())
    })
}

/// The whole body, and the room that it takes.
async fn read_body(mut body: Body, cap: usize, budget: &Budget) -> Result<(Vec<u8>, OwnedSemaphorePermit), Failure> {
    let too_large = || {
        let message = format!("the body is larger than {cap} bytes (limits.webhook_body)");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, RefusalCode::Invalid, message)
    };
    if body.size_hint().lower() > cap as u64 {
        return Err(too_large());
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(cap);
    let mut bytes = Vec::with_capacity(announced.min(ON_TRUST));
    let mut room = budget.charge(0)?;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::invalid("the body broke off"))?.into_data() else { continue };
        if bytes.len() + data.len() > cap {
            return Err(too_large());
        }
        room.merge(budget.charge(data.len())?);
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, room))
}

/// Printable ASCII without spaces, not empty, not long.
fn is_plain(text: &str, cap: usize) -> bool {
    (1..=cap).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn ready(State(app): State<App>) -> Result<&'static str, Failure> {
    app.store.ping().await?;
    Ok("ready\n")
}

/// One build: JSON for programs that ask for it, else a page of plain text.
async fn build(State(app): State<App>, Path(number): Path<u64>, headers: HeaderMap) -> Result<Response, Failure> {
    let build = view::build_view(&app, number).await?;
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    if wants_json {
        return Ok(Json(build).into_response());
    }
    Ok((PLAIN, page(&build)).into_response())
}

const PLAIN: [(header::HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-cache"),
];

fn page(build: &BuildView) -> String {
    let head = &build.build;
    let standing = |status: &dyn std::fmt::Display, outcome: Option<&dyn std::fmt::Display>| {
        outcome.map_or_else(|| status.to_string(), ToString::to_string)
    };
    let outcome = head.outcome.as_ref().map(|outcome| outcome as &dyn std::fmt::Display);
    let mut text = format!(
        "Build {}: {}\n{} {} {}\n{}\n",
        head.number,
        standing(&head.status, outcome),
        head.repository,
        head.r#ref,
        head.sha,
        head.title
    );
    if let Some(reason) = &head.reason {
        text.push_str(&format!("{reason}\n"));
    }
    text.push('\n');
    for job in &build.jobs {
        let outcome = job.outcome.as_ref().map(|outcome| outcome as &dyn std::fmt::Display);
        text.push_str(&format!("{:<24} {}", job.name, standing(&job.status, outcome)));
        if let Some(waiting) = &job.waiting_for {
            text.push_str(&format!(": {waiting}"));
        } else if let Some(reason) = &job.reason {
            text.push_str(&format!(": {reason}"));
        }
        text.push_str(&format!("\n{:<24} /builds/{}/jobs/{}/log\n", "", head.number, job.name));
    }
    text
}

#[derive(Debug, Deserialize)]
pub(super) struct LogQuery {
    attempt: Option<u32>,
    /// Counted from 1, as people do.
    line: Option<u64>,
}

/// A job's log as it is now, byte for byte: the newest attempt's unless `?attempt=N` asks for another; with `?line=N` only
/// from that line on.
pub(super) async fn log(
    State(app): State<App>,
    Path((number, job)): Path<(u64, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Failure> {
    let attempt = match query.attempt {
        Some(attempt) => attempt,
        None => {
            let jobs = app.store.jobs(number).await?;
            let of_job = jobs.iter().find(|stored| stored.plan.name == job);
            let newest = of_job.and_then(|stored| stored.attempts.iter().find(|attempt| attempt.current));
            newest.ok_or_else(|| Failure::not_found(format!("there is no job {number}/{job}")))?.id.attempt
        }
    };
    let id = AttemptId { build: number, job, attempt };
    app.store.attempt(&id).await?;
    let (logs, line) = (app.logs.clone(), query.line.unwrap_or(1).saturating_sub(1));
    let open = move || {
        let reader = logs.reader(&id)?;
        Ok((reader.line_start(line)?, reader))
    };
    let (start, reader) = match tokio::task::spawn_blocking(open).await {
        Ok(Ok(opened)) => opened,
        // It has not begun, or never did: an empty log, not an error.
        Ok(Err(crate::logs::LogError::Missing { .. })) => return Ok((PLAIN, "").into_response()),
        Ok(Err(error)) => return Err(error.into()),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let end = reader.head().bytes;
    Ok((PLAIN, Body::from_stream(chunks(reader, start, end))).into_response())
}

fn chunks(
    reader: LogReader,
    start: u64,
    end: u64,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    stream::try_unfold((reader, start), move |(reader, from)| async move {
        let max = usize::try_from(end.saturating_sub(from)).unwrap_or(LOG_CHUNK).min(LOG_CHUNK);
        if max == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || (reader.bytes(from, max), reader)).await;
        let (bytes, reader) = read.map_err(std::io::Error::other)?;
        let bytes = bytes.map_err(std::io::Error::other)?;
        // It became shorter than it was: the body breaks off, so that nobody takes this for the whole of it.
        if bytes.is_empty() {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        let next = from + bytes.len() as u64;
        Ok(Some((bytes, (reader, next))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_are_put_off_while_others_fill_the_budget() {
        let budget = Budget::new(100);
        let (first, room) = read_body(Body::from(vec![7; 60]), 80, &budget).await.expect("there is room");
        assert_eq!((first.len(), budget.0.available_permits()), (60, 40));
        let put_off = read_body(Body::from(vec![7; 41]), 80, &budget).await.expect_err("40 are left");
        assert_eq!((put_off.status, put_off.retry_after), (StatusCode::SERVICE_UNAVAILABLE, Some(30)));
        let too_large = read_body(Body::from(vec![7; 81]), 80, &budget).await.expect_err("larger than any may be");
        assert_eq!(too_large.status, StatusCode::PAYLOAD_TOO_LARGE);
        drop(room);
        assert_eq!(budget.0.available_permits(), 100, "everything was given back");
    }

    #[tokio::test]
    async fn a_log_that_is_removed_while_it_is_sent_breaks_off() {
        use futures_util::TryStreamExt as _;
        let home = tempfile::tempdir().expect("a temporary folder");
        let logs = crate::logs::LogStore::open(home.path()).expect("a fresh folder");
        let id = AttemptId { build: 1, job: "test".to_owned(), attempt: 1 };
        let write = |bytes: &[u8]| {
            let mut writer = logs.writer(&id).expect("a writer");
            writer.append(0, 1, bytes, 1).expect("appended");
            writer.finish(2).expect("finished");
        };
        write(&vec![7; 2 * LOG_CHUNK]);
        let reader = logs.reader(&id).expect("there");
        let end = reader.head().bytes;
        let mut sent = std::pin::pin!(chunks(reader, 0, end));
        assert_eq!(sent.try_next().await.expect("read").map(|chunk| chunk.len()), Some(LOG_CHUNK));
        logs.remove(&id).expect("removed");
        // Something else is in its place, and longer.
        write(&vec![8; 3 * LOG_CHUNK]);
        sent.try_next().await.expect_err("what follows is of another log");
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_its_size_is_cut_off_at_the_cap() {
        let chunks = stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![7; 10])));
        let failure = read_body(Body::from_stream(chunks), 50, &Budget::new(1000)).await.expect_err("100 bytes");
        assert_eq!(failure.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
