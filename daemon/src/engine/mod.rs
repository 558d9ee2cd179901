//! Where jobs run. One trait, one file per engine. Must not know the database, git, GitHub or HTTP listeners.
//!
//! The order of calls for one attempt: `create` (nothing of the job's runs yet), then the caller wins the one-time claim
//! in the database, then `feed` (starts it, hands over plan and source), `frames` and `exited` side by side, `clean`.
//! After a restart of the daemon: `adopt`, then `frames` and `exited` for what is found, `clean` for what nobody wants.

pub mod docker;
pub mod local;

mod any; // the engines a daemon has, behind one face
mod folder; // one folder per attempt on this host
mod handover; // plan and source, down a runner's standard input
mod tail; // follows an append-only frame file by byte offset

use std::io::ErrorKind;
use std::path::PathBuf;

use tokio::sync::mpsc;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

pub use self::any::{AnyEngine, Choice, Engines, Kind};
use self::handover::{STALLED, hand_over};
use crate::frame::Frame;
pub use crate::plan::Site;

use crate::plan::AttemptPlan;

/// The clean checkout that a job works on: a tar archive on this host, made by `git`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub archive: PathBuf,
}

/// A position in an attempt's frames from which following can go on: bytes of the frame file that were consumed,
/// or, where frames come over standard output, the sequence number of the last frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FramePosition(pub u64);

/// Frames as they come, each with the position after it. Ends (closes) when the engine is sure that no more will come:
/// the runner is gone and everything it wrote has been delivered. An error is the last item.
pub type Frames = mpsc::Receiver<Result<(Frame, FramePosition), EngineError>>;

/// How the runner's process ended, by the engine's own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// 128 + signal when a signal ended it; -1 when nobody could see it (a local runner that ended while no daemon ran):
    /// its last frame tells then.
    pub code: i64,
    /// The kernel killed something in it for memory.
    pub out_of_memory: bool,
    /// What the engine itself has to say of it: why it could not start.
    pub error: Option<String>,
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// TERM to the runner, which gives the step its grace and kills what is left.
    Gently,
    /// The same, unless it was told already: whether a daemon that died had told it, nobody knows.
    Remind,
    /// Everything at once.
    Now,
}

/// Something of ours that an engine still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub attempt: AttemptId,
    pub site: Site,
    pub state: FoundState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundState {
    /// Made, never started: nothing of the job ran.
    Created,
    Running,
    Exited,
}

/// What went wrong with an engine. The kind says whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The job asks for something that cannot be had: its image, say. The job's fault; trying again does not help.
    #[error("{what}")]
    Refused {
        /// One sentence for the person who reads the build.
        what: String,
    },
    /// The engine did not answer, or answered with a fault of its own. Ours; trying again may help.
    #[error("{engine} engine: {what}")]
    Trouble {
        engine: &'static str,
        kind: TroubleKind,
        what: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// It is not there any more.
    #[error("{handle} is gone")]
    Gone { handle: String },
    /// What came from the runner is no frame: the job tampered with its frame file, or the disk did.
    #[error("the runner's frames are unreadable at byte {at}: {why}")]
    Garbled { at: u64, why: String },
}

/// What kind of trouble an engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// It is not there, or the connection to it broke.
    Away,
    /// It did not answer in time.
    Late,
    /// It answered with a fault of its own.
    Fault,
    /// What it answered makes no sense, or contradicts what it said before.
    Nonsense,
    /// A registry cannot be reached, or has a fault of its own.
    Registry,
    /// A registry wants fewer requests.
    RateLimit,
    /// No room is left where the engine or the daemon writes.
    Full,
    /// A file or a process of this host.
    Host,
}

/// What was made for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub site: Site,
    /// `sha256:…`, what the image's name stood for; `None` where there are no images.
    pub image_digest: Option<String>,
}

/// How far the pull of an image is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullProgress {
    pub image: String,
    pub layers_done: u32,
    pub layers: u32,
    pub bytes: u64,
    /// Grows while more of the layers' sizes become known.
    pub total_bytes: u64,
}

/// An engine that does not answer just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    pub engine: &'static str,
    pub since: Timestamp,
    /// What was heard, or not, when it was asked last.
    pub why: String,
}

impl EngineError {
    /// Whether it is the fault of machines and not of the job: trying again may help.
    #[must_use]
    pub fn is_infrastructure(&self) -> bool {
        match self {
            Self::Trouble { .. } | Self::Gone { .. } => true,
            Self::Refused { .. } | Self::Garbled { .. } => false,
        }
    }

    /// The kind of trouble, where it is one.
    #[must_use]
    pub fn trouble_kind(&self) -> Option<TroubleKind> {
        match self {
            Self::Trouble { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Trouble with a file or a process of this host.
    fn of_host(engine: &'static str, what: String, error: std::io::Error) -> Self {
        let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let kind = if full { TroubleKind::Full } else { TroubleKind::Host };
        Self::Trouble { engine, kind, what, source: Some(Box::new(error)) }
    }
}

/// Where jobs run. Every call is idempotent by attempt id, and has its own deadline inside.
pub trait Engine: Send + Sync {
    /// Makes the container or folder for an attempt; nothing of the job runs yet. Pulls the image as the plan's policy
    /// says; `say` gets lines for the attempt's log ("pulling alpine:3.22").
    fn create(
        &self,
        plan: &AttemptPlan,
        say: &mpsc::Sender<String>,
    ) -> impl Future<Output = Result<Made, EngineError>> + Send;

    /// How far the image is that `create` waits for just now. From memory: may be asked often.
    fn pulling(&self, id: &AttemptId) -> Option<PullProgress>;

    /// Starts the runner and hands it plan and source. Returns the site as it is from now on, once both are on their way
    /// in full; the runner's `Ready` says that it has them. The engine fills in the plan's transport and workspace.
    /// Once for each attempt: a second time is refused.
    fn feed(
        &self,
        plan: &AttemptPlan,
        site: &Site,
        source: Source,
    ) -> impl Future<Output = Result<Site, EngineError>> + Send;

    /// The runner's frames after `after`.
    fn frames(&self, id: &AttemptId, site: &Site, after: FramePosition) -> Frames;

    /// Waits for the end of the runner's process.
    fn exited(&self, id: &AttemptId, site: &Site) -> impl Future<Output = Result<Exit, EngineError>> + Send;

    /// Asks it to stop. Returns at once; `exited` tells when it has. Stopping what is gone is fine.
    fn stop(&self, id: &AttemptId, site: &Site, how: Stop) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Everything of ours that the engine still has.
    fn adopt(&self) -> impl Future<Output = Result<Vec<Found>, EngineError>> + Send;

    /// Removes every trace of an attempt, also of one we no longer remember; running or not.
    fn clean(&self, id: &AttemptId) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Frames before this position are not wanted any more: what they take up may be given back. A hint: it cannot fail,
    /// and where frames are no file nothing happens.
    fn release(&self, id: &AttemptId, upto: FramePosition);
}
