//! The one type that knows status codes. Faults of our own are logged here, once, and never told in detail.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use windlass_protocol::refusal::{Refusal, RefusalCode};

use crate::error_chain::chain;
use crate::logs::LogError;
use crate::store::StoreError;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub refusal: Refusal,
    /// Seconds after which the same may work.
    pub retry_after: Option<u32>,
}

impl Failure {
    pub fn new(status: StatusCode, code: RefusalCode, message: impl Into<String>) -> Self {
        Self { status, refusal: Refusal::new(code, message), retry_after: None }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, RefusalCode::NotFound, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, RefusalCode::Invalid, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, RefusalCode::Forbidden, message)
    }

    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, RefusalCode::Internal, "a fault in the daemon: its log says more")
    }
}

/// Middleware: what axum itself refuses (a number that is none, a method that is not there) becomes a refusal like any other.
pub async fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let is_plain =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() && is_plain) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = match status {
        StatusCode::NOT_FOUND => RefusalCode::NotFound,
        _ => RefusalCode::Invalid,
    };
    let message = if text.is_empty() { status.to_string() } else { text.into_owned() };
    let mut answer = Failure::new(status, code, message).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Missing { .. } => Self::not_found(error.to_string()),
            StoreError::Conflict { .. } => Self::new(StatusCode::CONFLICT, RefusalCode::Conflict, error.to_string()),
            passing if passing.is_passing() => {
                tracing::error!(error = %chain(&error), "the database did not do what was asked");
                Self {
                    retry_after: Some(5),
                    ..Self::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        RefusalCode::Unavailable,
                        "the database cannot do that just now (disk full or busy): try again soon",
                    )
                }
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Missing { .. } | LogError::BadName { .. } => Self::not_found(error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.refusal)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
