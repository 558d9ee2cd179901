//! Why a request was not carried out. One vocabulary for the live socket and the HTTP API.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A request that was understood and not carried out, or not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: RefusalCode,
    /// One sentence for a person: what was wrong and what to do.
    pub message: String,
}

impl Refusal {
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a program may branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// There is no such build, job, attempt or log.
    NotFound,
    /// The token's role is too small for the command.
    Forbidden,
    /// The state does not allow it: a finished build cannot be cancelled.
    Conflict,
    /// The request itself makes no sense: a pattern that is no regular expression.
    Invalid,
    /// The daemon does not know this request; it is older than the client.
    Unsupported,
    /// The daemon cannot just now: stopping, disk full, database busy.
    Unavailable,
    /// A fault of the daemon's own; its log says more.
    Internal,
    /// A code that this side does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Forbidden => "forbidden",
            Self::Conflict => "not possible in this state",
            Self::Invalid => "invalid request",
            Self::Unsupported => "not supported by this daemon",
            Self::Unavailable => "unavailable just now",
            Self::Internal => "fault in the daemon",
            Self::Unknown => "refused",
        })
    }
}
