//! "Something changed, look again": a wake-up without payload. Writers commit first and wake then; whoever is woken reads
//! the truth from the database. Must not carry data.

use tokio::sync::watch;

/// The sending side; cheap to clone.
#[derive(Debug, Clone)]
pub struct Wake {
    sender: watch::Sender<u64>,
}

/// One listener. What was woken since the last [`Woken::mark_seen`] is never missed.
#[derive(Debug, Clone)]
pub struct Woken {
    receiver: watch::Receiver<u64>,
}

impl Default for Wake {
    fn default() -> Self {
        Self { sender: watch::Sender::new(0) }
    }
}

impl Wake {
    pub fn wake(&self) {
        self.sender.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Subscribe before the first read, so that nothing falls between read and sleep.
    #[must_use]
    pub fn subscribe(&self) -> Woken {
        Woken { receiver: self.sender.subscribe() }
    }
}

impl Woken {
    /// Call before reading: only what is woken from here on ends the next [`Woken::changed`].
    pub fn mark_seen(&mut self) {
        self.receiver.mark_unchanged();
    }

    /// Sleeps until woken. When the daemon drops its side nothing comes any more and this never returns.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Wake;

    #[tokio::test]
    async fn a_wake_between_read_and_sleep_is_not_missed() {
        let wake = Wake::default();
        let mut woken = wake.subscribe();
        woken.mark_seen();
        wake.wake();
        wake.wake();
        tokio::time::timeout(std::time::Duration::from_secs(5), woken.changed()).await.expect("woken already");
    }
}
