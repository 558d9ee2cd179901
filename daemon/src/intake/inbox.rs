//! Where verified webhooks become durable. Many at once share one transaction, so the wait for the disk is paid once for
//! all of them. Must not know what is in them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::failpoint::{self, Sabotage};
use crate::store::{NewDelivery, Recorded, Store, StoreError};
use crate::tasks::Tasks;

/// Webhooks that wait for the disk; more wait in their connections.
const WAITING: usize = 2048;
/// In one transaction.
const BATCH: usize = 512;
/// GitHub gives up after 10 s: whoever waits so long for the database is told to deliver again, while somebody listens.
const PATIENCE: Duration = Duration::from_secs(8);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox {
    sender: mpsc::Sender<Letter>,
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
        let stop = tasks.stopping();
        // Apart: of a storm, thousands of connections would be served between any two of its statements.
        tasks.spawn_loop_apart("inbox", async move {
            tokio::select! {
                () = write(store, receiver) => {}
                () = stop.cancelled() => {}
            }
        });
        Self { sender }
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

async fn write(store: Store, mut receiver: mpsc::Receiver<Letter>) {
    let mut letters = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut letters, BATCH).await > 0 {
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
                for (answer, recorded) in answers.into_iter().zip(recorded) {
                    // Whoever hung up gets a "duplicate" when it delivers again.
                    let _ = answer.send(Ok(recorded));
                }
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
