//! Where verified webhooks become durable. Many at once share one transaction, so the wait for the disk is paid once for
//! all of them. Must not know what is in them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::failpoint::{self, Sabotage};
use crate::store::{NewDelivery, Recorded, Store, StoreError};
use crate::tasks::Tasks;

/// Webhooks that wait for the disk; more wait in their connections.
const WAITING: usize = 2048;
/// In one transaction.
const BATCH: usize = 512;
/// GitHub gives up after 10 s: whoever waits so long for the database is told to deliver again, while somebody listens.
const PATIENCE: Duration = Duration::from_secs(8);
/// What can wait does so for webhooks that are on their way to the disk, but not for ever.
const CALM: Duration = Duration::from_millis(250);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox {
    sender: mpsc::Sender<Letter>,
    busy: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Letter {
    delivery: NewDelivery,
    answer: oneshot::Sender<Result<Recorded, DeliverError>>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliverError {
    #[error("the database refused it: {0}")]
    Store(Arc<StoreError>),
    #[error("the database was busy for {} s", PATIENCE.as_secs())]
    Busy,
    #[error("the daemon is stopping")]
    Stopping,
}

impl Inbox {
    /// Starts the writer; it ends when every `Inbox` is gone or the daemon stops.
    #[must_use]
    pub fn open(store: Store, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (writing, busy) = watch::channel(false);
        let stop = tasks.stopping();
        let of_tasks = tasks.clone();
        // Apart: of a storm, thousands of connections would be served between any two of its statements.
        tasks.spawn_loop_apart("inbox", async move {
            tokio::select! {
                () = write(store, receiver, writing, of_tasks) => {}
                () = stop.cancelled() => {}
            }
        });
        Self { sender, busy }
    }

    /// Returns when no webhook waits for the disk, or after a moment: what turns webhooks into builds would make those wait
    /// that GitHub has not been answered yet.
    pub(super) async fn calm(&self) {
        let mut busy = self.busy.clone();
        let _ = tokio::time::timeout(CALM, busy.wait_for(|busy| !busy)).await;
    }

    /// Returns once the delivery is committed. What was given up may be stored all the same: delivered again, it is a
    /// duplicate then.
    pub async fn deliver(&self, delivery: NewDelivery) -> Result<Recorded, DeliverError> {
        let (answer, answered) = oneshot::channel();
        let stored = async {
            self.sender.send(Letter { delivery, answer }).await.map_err(|_| DeliverError::Stopping)?;
            answered.await.map_err(|_| DeliverError::Stopping)?
        };
        tokio::time::timeout(PATIENCE, stored).await.unwrap_or(Err(DeliverError::Busy))
    }
}

async fn write(store: Store, mut receiver: mpsc::Receiver<Letter>, busy: watch::Sender<bool>, tasks: Tasks) {
    let mut letters = Vec::with_capacity(BATCH);
    loop {
        let more = !receiver.is_empty();
        busy.send_if_modified(|busy| std::mem::replace(busy, more) != more);
        if receiver.recv_many(&mut letters, BATCH).await == 0 {
            return;
        }
        busy.send_replace(true);
        let (deliveries, answers): (Vec<_>, Vec<_>) =
            letters.drain(..).map(|letter| (letter.delivery, letter.answer)).unzip();
        failpoint::reached!("inbox.received");
        let lost = failpoint::is_sabotaged(Sabotage::LoseDelivery)
            && deliveries.iter().any(|one| one.id.ends_with(['1', '5', '9', 'd']));
        let recorded = match lost {
            true => Ok(deliveries.iter().map(|_| Recorded::New).collect()),
            false => store.record_deliveries(&deliveries).await,
        };
        match recorded {
            Ok(recorded) => {
                failpoint::reached!("inbox.committed");
                // Waking hundreds of connections takes as long as writing what they brought: the next ones do not wait for it.
                tasks.spawn(async move {
                    for (answer, recorded) in answers.into_iter().zip(recorded) {
                        // Whoever hung up gets a "duplicate" when it delivers again.
                        let _ = answer.send(Ok(recorded));
                    }
                });
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(DeliverError::Store(Arc::clone(&error))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_does_so_while_webhooks_are_written_but_not_for_ever() {
        let (writing, busy) = watch::channel(false);
        let inbox = Inbox { sender: mpsc::channel(1).0, busy };
        let waited = async || {
            let begun = tokio::time::Instant::now();
            inbox.calm().await;
            begun.elapsed()
        };
        assert_eq!(waited().await, Duration::ZERO);
        writing.send_replace(true);
        assert!(waited().await >= CALM, "one of many that never end");
        let (took, ()) = tokio::join!(waited(), async {
            tokio::time::sleep(CALM / 2).await;
            writing.send_replace(false);
        });
        assert!((CALM / 2..CALM).contains(&took), "{took:?}");
    }
}
