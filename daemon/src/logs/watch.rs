//! How far a log's files are valid, told by its writer to everybody who reads or waits. The only place in the log store
//! that touches tokio. Must not know the files.

use std::sync::Arc;

use tokio::sync::watch;

use super::Shared;

/// How far the files are valid. Grows only, except when a log is recovered or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) bytes: u64,
    /// An unterminated last line included.
    pub(super) lines: u64,
    /// The last line has no line feed.
    pub(super) open: bool,
    /// Records in `index`.
    pub(super) records: u64,
    /// Records in `marks`.
    pub(super) marks: u64,
    pub(super) finished: bool,
}

/// Holds the present extent; `None` as long as it is not known or there is no log.
#[derive(Debug)]
pub(super) struct Sender(watch::Sender<Option<Extent>>);

impl Sender {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(super) fn get(&self) -> Option<Extent> {
        *self.0.borrow()
    }

    /// Wakes whoever waits.
    pub(super) fn set(&self, extent: Option<Extent>) {
        self.0.send_replace(extent);
    }
}

/// Sleeps until a log changes. Carries nothing: whoever wakes reads what it wants. A finished log never changes.
#[derive(Debug, Clone)]
pub struct LogWatch {
    receiver: watch::Receiver<Option<Extent>>,
    /// Keeps the sending side alive, so that waiting cannot fail.
    _shared: Arc<Shared>,
}

impl LogWatch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { receiver: shared.extent.0.subscribe(), _shared: shared }
    }

    /// Forgets changes so far. Call it before reading, then wait for what comes later.
    pub fn mark_unchanged(&mut self) {
        self.receiver.mark_unchanged();
    }

    /// Returns once the log has changed since the last call, or since [`Self::mark_unchanged`]. May be dropped at any
    /// time without losing a change.
    pub async fn changed(&mut self) {
        self.receiver.changed().await.expect("the sender lives in _shared");
    }

    /// Whether [`Self::changed`] would return at once.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.receiver.has_changed().expect("the sender lives in _shared")
    }
}
