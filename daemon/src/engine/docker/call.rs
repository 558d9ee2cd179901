//! Calls to the engine: each with its own deadline, each failure with a kind. Must not know what the calls are for.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use tokio::sync::Notify;

use super::wire;
use crate::engine::{EngineError, STALLED, TroubleKind};

/// How long things may take. The defaults are for real engines; nothing waits without one of these.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// What the engine answers from its memory.
    pub quick: Duration,
    /// What makes it work: creating, starting, removing on a busy machine.
    pub slow: Duration,
    /// A ping, by which it is told whether the engine is there.
    pub ping: Duration,
    /// A runner that takes nothing of its plan and source.
    pub feed: Duration,
    /// A pull that shows no progress.
    pub pull_stalled: Duration,
    /// A pull as a whole.
    pub pull: Duration,
    /// Whoever fills the runner's volume for longer than this has died of it.
    pub filling: Duration,
    /// A wait is given up and begun anew so often: a connection to an engine that vanished may never end by itself.
    pub recheck: Duration,
    /// An engine that answers nothing for so long has lost the containers it ran.
    pub patience: Duration,
    /// An engine that says for so long both that a container ended and that it runs is not right about the latter.
    pub contradiction: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            quick: seconds(15),
            slow: seconds(90),
            ping: seconds(5),
            feed: STALLED,
            pull_stalled: seconds(120),
            pull: seconds(2 * 3600),
            filling: seconds(120),
            recheck: seconds(30),
            patience: seconds(600),
            contradiction: seconds(60),
        }
    }
}

/// The engine's API, with deadlines. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    docker: Docker,
    pub(super) deadlines: Deadlines,
    /// Told whenever the engine did not answer: whoever watches it had better look.
    pub(super) doubt: Arc<Notify>,
}

impl Client {
    pub(super) fn new(docker: Docker, deadlines: Deadlines) -> Self {
        Self { docker, deadlines, doubt: Arc::default() }
    }

    /// For what the engine answers from its memory.
    pub(super) async fn quick<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.within(self.deadlines.quick, call).await
    }

    /// For what makes it work.
    pub(super) async fn slow<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.within(self.deadlines.slow, call).await
    }

    /// Makes a call with a deadline.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        // On the heap: the client's futures are large, and calls stand inside of calls.
        let failure = match tokio::time::timeout(limit, Box::pin(call)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::Late(limit),
        };
        if matches!(failure.kind(), TroubleKind::Away | TroubleKind::Late) {
            self.doubt.notify_one();
        }
        Err(failure)
    }
}

impl Deref for Client {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.docker
    }
}

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

/// Trouble that has no cause below it.
pub(super) fn trouble(kind: TroubleKind, what: impl Into<String>) -> EngineError {
    EngineError::Trouble { engine: super::KIND, kind, what: what.into(), source: None }
}

impl Failure {
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::No { status: 404, .. })
    }

    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::No { status: 409, .. })
    }

    pub(super) fn kind(&self) -> TroubleKind {
        match self {
            Self::Late(_) | Self::Broken(Error::RequestTimeoutError) => TroubleKind::Late,
            Self::No { message, .. } if is_full(message) => TroubleKind::Full,
            Self::No { .. } => TroubleKind::Fault,
            Self::Broken(error) if wire::is_too_much(error) => TroubleKind::Nonsense,
            Self::Broken(Error::JsonDataError { .. } | Error::StrParseError { .. }) => TroubleKind::Nonsense,
            // What was cut in the middle was JSON up to there.
            Self::Broken(Error::JsonSerdeError { err }) if !err.is_eof() => TroubleKind::Nonsense,
            Self::Broken(_) => TroubleKind::Away,
        }
    }

    /// As an error of this engine. `doing` completes "while …".
    pub(super) fn trouble(self, doing: &str) -> EngineError {
        let kind = self.kind();
        match self {
            Self::Late(limit) => {
                trouble(kind, format!("no answer within {:.0} s while {doing}", limit.as_secs_f64().max(1.0)))
            }
            Self::No { status, message } => {
                trouble(kind, format!("answered {status} while {doing}: {}", message.trim()))
            }
            Self::Broken(error) => EngineError::Trouble {
                engine: super::KIND,
                kind,
                what: match kind {
                    TroubleKind::Nonsense => format!("answered what makes no sense while {doing}"),
                    _ => format!("could not be asked while {doing}"),
                },
                source: Some(Box::new(error)),
            },
        }
    }
}

/// Whether an engine's words mean that there is no room left.
pub(super) fn is_full(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["no space left on device", "disk quota exceeded", "not enough space", "enospc"]
        .iter()
        .any(|words| message.contains(words))
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
