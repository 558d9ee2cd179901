//! Pauses of the queue and of single repositories: nothing new is begun, what runs goes on. Kept in the database, so they
//! survive a restart. Must not know who may ask for one.

use sqlx::FromRow;
use windlass_protocol::time::Timestamp;

use super::{Store, StoreError, next, sql, text};

/// Nothing new is begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPause {
    /// In lower case. `None`: the whole queue.
    pub repository: Option<String>,
    pub by: String,
    pub since: Timestamp,
    pub reason: Option<String>,
}

#[derive(Debug, FromRow)]
struct PauseRow {
    repository: String,
    paused_by: String,
    paused_at: i64,
    reason: Option<String>,
}

/// How the database calls a repository, or the queue.
fn key(repository: Option<&str>) -> String {
    repository.map(|name| text(name).to_ascii_lowercase()).unwrap_or_default()
}

fn named(repository: Option<&str>) -> String {
    repository.map_or_else(|| "the queue".to_owned(), ToOwned::to_owned)
}

impl Store {
    /// Nothing new is begun of a repository, or of any. A conflict when it is paused already.
    pub async fn pause(
        &self,
        repository: Option<&str>,
        by: &str,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let made: Option<String> = sqlx::query_scalar(sql!("pause_insert"))
            .bind(key(repository))
            .bind(text(by))
            .bind(now.0)
            .bind(reason.map(text))
            .fetch_optional(&mut *writing.tx)
            .await
            .map_err(StoreError::at("pause_insert"))?;
        if made.is_none() {
            return Err(StoreError::Conflict { why: format!("{} is paused already", named(repository)) });
        }
        // Clients hear of it.
        next(&mut writing.tx, "change").await?;
        writing.commit().await
    }

    /// A conflict when it is not paused.
    pub async fn resume(&self, repository: Option<&str>) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let gone: Option<String> = sqlx::query_scalar(sql!("pause_delete"))
            .bind(key(repository))
            .fetch_optional(&mut *writing.tx)
            .await
            .map_err(StoreError::at("pause_delete"))?;
        if gone.is_none() {
            return Err(StoreError::Conflict { why: format!("{} is not paused", named(repository)) });
        }
        next(&mut writing.tx, "change").await?;
        writing.commit().await
    }

    /// The queue first.
    pub async fn pauses(&self) -> Result<Vec<StoredPause>, StoreError> {
        let rows: Vec<PauseRow> =
            sqlx::query_as(sql!("pause_list")).fetch_all(&self.pool).await.map_err(StoreError::at("pause_list"))?;
        Ok(rows
            .into_iter()
            .map(|row| StoredPause {
                repository: Some(row.repository).filter(|name| !name.is_empty()),
                by: row.paused_by,
                since: Timestamp(row.paused_at),
                reason: row.reason,
            })
            .collect())
    }
}
