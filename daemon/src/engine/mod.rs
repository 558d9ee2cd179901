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

use std::path::PathBuf;

use tokio::sync::mpsc;
use windlass_protocol::id::AttemptId;

pub use self::any::{AnyEngine, Choice, Engines, Kind};
use self::handover::hand_over;
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

/// Where jobs run. Every call is idempotent by attempt id, and has its own deadline inside.
pub trait Engine: Send + Sync {
    /// Makes the container or folder for an attempt; nothing of the job runs yet. Pulls the image if it is missing;
    /// `say` gets lines for the attempt's log ("pulling alpine:3.22 …").
    fn create(
        &self,
        plan: &AttemptPlan,
        say: &mpsc::Sender<String>,
    ) -> impl Future<Output = Result<Site, EngineError>> + Send;

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
