//! How `windlass` ends: the one list of exit codes, and what went wrong in words. Must not know which command ran.

use std::io;
use std::process::ExitCode;

use windlass_protocol::refusal::Refusal;
use windlass_protocol::view::Outcome;

use crate::safe_text::label;

/// What a script may branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or the build passed.
    Ok = 0,
    /// The build did not pass: failed, timed out, out of memory.
    NotPassed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// The build was cancelled or skipped.
    Cancelled = 3,
    /// Not the build's fault: lost, broken, or a fault of this program.
    Ours = 4,
    /// The daemon cannot be reached.
    Unreachable = 5,
    /// The daemon refused: not found, forbidden, not possible now.
    Refused = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::NotPassed,
        Self::Usage,
        Self::Cancelled,
        Self::Ours,
        Self::Unreachable,
        Self::Refused,
        Self::Interrupted,
    ];
}

/// The list as `--help` shows it.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done; with watch: the build passed
    1  the build did not pass (failed, timed out, out of memory)
    2  the command line or the configuration is wrong
    3  the build was cancelled or skipped
    4  not the build's fault (lost, broken), or a fault of this program
    5  the daemon cannot be reached
    6  the daemon refused (not found, forbidden, not possible now)
  130  interrupted";

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Ok,
            Outcome::Failed | Outcome::TimedOut | Outcome::OutOfMemory => Self::NotPassed,
            Outcome::Cancelled | Outcome::Skipped => Self::Cancelled,
            Outcome::Lost | Outcome::Broken => Self::Ours,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Ours(String),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
            Self::Interrupted => Exit::Interrupted,
            // Whoever read our output has seen enough: `windlass logs 42 | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Output(_) | Self::Ours(_) => Exit::Ours,
        }
    }

    /// The same for a program: `{"error": {"code", "message"}}`. JSON escapes what is not safe.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        let words = self.words()?;
        let code = match self {
            Self::Usage(_) => serde_json::json!("usage"),
            Self::Unreachable(_) => serde_json::json!("unreachable"),
            Self::Refused(refusal) => serde_json::json!(refusal.code),
            Self::Interrupted | Self::Output(_) | Self::Ours(_) => serde_json::json!("failed"),
        };
        Some(serde_json::json!({ "error": { "code": code, "message": words } }))
    }

    /// What a person is told, made safe. `None`: there is nothing to say.
    pub(crate) fn words(&self) -> Option<String> {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Output(error) => Some(format!("cannot write the output: {error}")),
            Self::Interrupted => None,
            // Our own words may have several lines; each is made safe alone.
            other => Some(
                other.to_string().lines().map(|line| label(line).as_str().to_owned()).collect::<Vec<_>>().join("\n"),
            ),
        }
    }
}
