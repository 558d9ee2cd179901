//! Calls to the engine: each with its own deadline, each failure with a kind. Must not know what the calls are for.

use std::time::Duration;

use bollard::errors::Error;

use crate::engine::EngineError;

/// For what the engine answers from its memory.
pub(super) const QUICK: Duration = Duration::from_secs(15);
/// For what makes it work: creating, starting, removing on a busy machine.
pub(super) const SLOW: Duration = Duration::from_secs(90);

/// Why a call gave nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The engine said nothing in time.
    Late(Duration),
    /// It said no: an HTTP status and its words.
    No { status: u16, message: String },
    /// It could not be asked, or what it said made no sense.
    Broken(Error),
}

/// Makes a call with a deadline.
pub(super) async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::from(error)),
        Err(_) => Err(Failure::Late(limit)),
    }
}

/// Trouble that has no cause below it.
pub(super) fn trouble(what: impl Into<String>) -> EngineError {
    EngineError::Trouble { engine: super::KIND, what: what.into(), source: None }
}

impl Failure {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::No { status: 404, .. })
    }

    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::No { status: 409, .. })
    }

    /// As an error of this engine. `doing` completes "while …".
    pub(super) fn trouble(self, doing: &str) -> EngineError {
        match self {
            Self::Late(limit) => trouble(format!("no answer within {} s while {doing}", limit.as_secs())),
            Self::No { status, message } => trouble(format!("answered {status} while {doing}: {}", message.trim())),
            Self::Broken(error) => EngineError::Trouble {
                engine: super::KIND,
                what: format!("could not be asked while {doing}"),
                source: Some(Box::new(error)),
            },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => Self::No { status: status_code, message },
            // A failure inside of a stream that began well: a pull, say.
            Error::DockerStreamError { error } => Self::No { status: 500, message: error },
            other => Self::Broken(other),
        }
    }
}
