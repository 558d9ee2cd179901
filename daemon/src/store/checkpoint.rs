//! SQLite's write-ahead log, copied into the database in quiet moments. A commit that has to do it takes several times as
//! long, and whoever waits for it does so in the middle of a storm. Must not know what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Executor as _;
use tokio_util::sync::CancellationToken;

use super::{Kind, Store, StoreError};

/// Between two looks at whether anything was committed.
const PAUSE: Duration = Duration::from_secs(5);

/// How many transactions were committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Commits(Arc<AtomicU64>);

impl Commits {
    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Store {
    /// Keeps the log short until told to stop. What is committed is safe without it.
    pub async fn keep_log_short(self, stop: CancellationToken) {
        let (mut copied, mut told) = (0, false);
        loop {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => return,
            }
            let committed = self.commits.count();
            if self.kind != Kind::Sqlite || committed == copied {
                continue;
            }
            match self.checkpoint().await {
                Ok(()) => (copied, told) = (committed, false),
                // The commits do it themselves when the log has become long.
                Err(error) if !told => {
                    tracing::warn!(error = %crate::error_chain::chain(&error), "the database's log could not be copied into it");
                    told = true;
                }
                Err(_) => {}
            }
        }
    }

    /// As much as readers allow; nobody waits for it.
    async fn checkpoint(&self) -> Result<(), StoreError> {
        self.pool.execute("pragma wal_checkpoint(passive)").await.map_err(StoreError::at("wal_checkpoint"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Database;
    use crate::store::{DeliveryState, NewDelivery, Store};
    use windlass_protocol::time::Timestamp;

    #[tokio::test]
    async fn what_was_committed_is_in_the_file_itself() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (file, copy) = (dir.path().join("windlass.db"), dir.path().join("copy.db"));
        let store = Store::open(&Database::Sqlite(file.clone())).await.expect("a fresh database");
        let delivery = NewDelivery {
            id: "one".to_owned(),
            event: "push".to_owned(),
            action: None,
            repository: None,
            body_sha256: String::new(),
            body: "{}".to_owned(),
            received_at: Timestamp(1),
            state: DeliveryState::Accepted,
            reason: None,
        };
        let before = store.commits.count();
        store.record_deliveries(&[delivery]).await.expect("recorded");
        assert_eq!(store.commits.count(), before + 1);
        store.checkpoint().await.expect("copied");
        std::fs::copy(&file, &copy).expect("the file without its log");
        let copied = Store::open(&Database::Sqlite(copy)).await.expect("whole");
        assert_eq!(copied.delivery_body("one").await.expect("it is there"), "{}");
        copied.close().await;
        store.close().await;
    }
}
