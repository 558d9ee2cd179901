//! Turns to write: one writer at a time, in order; and what becomes of a connection whose transaction did not end as it
//! should. Must not know what is written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Any, AnyConnection, Connection as _, Transaction};

use super::checkpoint::Commits;
use super::{BUSY, CONNECTIONS, Kind, Store, StoreError};

/// After a transaction that was not committed, connections are looked at for so long before they are used again.
const DOUBT: Duration = Duration::from_secs(10);

/// A transaction that may write: the only one from its start to its end, so what it reads stays true and it never fails
/// half-way because of another.
pub(super) struct Writing<'a> {
    unless_committed: Doubt,
    commits: &'a Commits,
    pub(super) tx: Transaction<'static, Any>,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Writing<'_> {
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let Self { mut unless_committed, commits, tx, _turn } = self;
        tx.commit().await.map_err(StoreError::at("commit"))?;
        commits.one_more();
        unless_committed.committed = true;
        Ok(())
    }
}

impl Store {
    /// Waits for its turn, not for ever.
    pub(super) async fn write(&self) -> Result<Writing<'_>, StoreError> {
        let turn = tokio::time::timeout(BUSY, self.writing.lock()).await.map_err(|_| StoreError::Busy)?;
        let begin = match self.kind {
            Kind::Sqlite => "begin immediate",
            // The row's lock keeps out the writers of other processes: without it, what was read a statement ago may not
            // be so any more (a cancel would miss what was claimed meanwhile), and two orders of locks are a deadlock.
            Kind::Postgres => "begin; select value from counter where name = 'change' for update",
        };
        let mut others = CONNECTIONS;
        let tx = loop {
            match self.pool.begin_with(begin).await {
                // This connection is of no use any more; the next one may be.
                Err(sqlx::Error::InvalidSavePointStatement) if others > 0 => {
                    self.doubts.raise();
                    others -= 1;
                }
                begun => break begun.map_err(StoreError::at("begin"))?,
            }
        };
        let unless_committed = Doubt { doubts: self.doubts.clone(), committed: false };
        Ok(Writing { unless_committed, commits: &self.commits, tx, _turn: turn })
    }
}

/// Raises doubts about a transaction that was not committed.
struct Doubt {
    doubts: Doubts,
    committed: bool,
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if !self.committed {
            self.doubts.raise();
        }
    }
}

/// SQLite may end a transaction by itself when the disk is full; the library then counts it as open for ever, and the
/// connection could never write again. So a connection whose transaction failed is asked before it is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts(Arc<Mutex<Option<Instant>>>);

impl Doubts {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection that was given back can be used again.
    pub(super) async fn settle(&self, connection: &mut AnyConnection) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.is_none_or(|raised| raised.elapsed() > DOUBT) {
            return true;
        }
        match connection.begin_with("begin").await {
            Ok(tx) => tx.rollback().await.is_ok(),
            Err(error) => {
                tracing::warn!(%error, "a database connection does not know where its transaction is; it is replaced");
                false
            }
        }
    }
}
