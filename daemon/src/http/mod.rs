//! What the outside sees: the public listener and the control listener, apart from each other. The only home of axum.
//! Must not decide anything about builds: it asks the store and wakes the movers.

pub mod actions; // what people order, the same for socket and API
pub mod control; // the control listener: live socket, API, metrics
mod excerpt; // the last lines of a log that match
pub mod failure; // the one type that knows status codes
pub mod guard; // who may do what
pub mod live; // GET /v1/live
pub mod public; // the public listener: webhooks, pages, health
pub mod reasons; // why a job waits, and when it will start
pub mod serve; // accepting connections, with their time limits
mod slots; // how many connections there may be
mod snapshot; // the queue at one moment
pub mod view; // domain -> wire types

use std::sync::Arc;

use crate::artifacts::ArtifactStore;
use crate::config::Config;
use crate::engine::Engines;
use crate::intake::Inbox;
use crate::logs::LogStore;
use crate::room::Room;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::wake::Wake;

/// What handlers need; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub store: Store,
    pub logs: LogStore,
    pub artifacts: ArtifactStore,
    pub engines: Engines,
    pub room: Room,
    pub inbox: Inbox,
    pub wake: Wake,
    pub tasks: Tasks,
    /// Results of tests that were looked at lately.
    pub tested: view::Remembered,
    /// Different at each start of the daemon.
    pub instance: Arc<str>,
    /// Where the public listener is reached, without a slash at its end.
    pub public_url: Arc<str>,
}
