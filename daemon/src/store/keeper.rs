//! What the keeper needs: which builds there are, their removal in small transactions, which logs are oldest, which bodies can
//! be given back. Which of them go is decided elsewhere.

use sqlx::FromRow;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

use super::{Store, StoreError, groups, orders, signed, sql, touch, unsigned};

/// A build as retention looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBuild {
    pub number: u64,
    /// In lower case.
    pub repository: String,
    /// Branch, pull request or tag.
    pub branch: String,
    pub created_at: Timestamp,
    pub finished: bool,
}

/// The log of a finished attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedLog {
    pub id: AttemptId,
    pub finished_at: Timestamp,
    pub bytes: u64,
    pub sha256: Option<String>,
}

/// The log of a finished attempt that is not kept any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedLog {
    pub id: AttemptId,
    /// It had so many.
    pub bytes: u64,
    pub removed_at: Timestamp,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    pub builds: i64,
    pub jobs: i64,
    pub attempts: i64,
    pub deliveries: i64,
    pub tokens: i64,
}

#[derive(Debug, FromRow)]
struct BuildRow {
    number: i64,
    repository: String,
    branch: String,
    created_at: i64,
    unfinished: i64,
}

#[derive(Debug, FromRow)]
struct LogRow {
    build: i64,
    job: String,
    number: i64,
    finished_at: i64,
    log_bytes: i64,
    log_sha256: Option<String>,
}

#[derive(Debug, FromRow)]
struct RemovedRow {
    build: i64,
    job: String,
    number: i64,
    log_bytes: i64,
    log_removed_at: i64,
}

#[derive(Debug, FromRow)]
struct IdRow {
    build: i64,
    job: String,
    number: i64,
}

#[derive(Debug, FromRow)]
struct DroppedRow {
    job: String,
    number: i64,
}

pub(super) fn id(build: i64, job: String, number: i64) -> AttemptId {
    AttemptId { build: unsigned(build), job, attempt: u32::try_from(number).unwrap_or(0) }
}

impl Store {
    /// A page of builds after a number, in order.
    pub async fn kept_builds(&self, after: u64, limit: u32) -> Result<Vec<KeptBuild>, StoreError> {
        let rows: Vec<BuildRow> = sqlx::query_as(sql!("keeper_builds"))
            .bind(signed(after))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("keeper_builds"))?;
        let kept = |row: BuildRow| KeptBuild {
            number: unsigned(row.number),
            repository: row.repository,
            branch: row.branch,
            created_at: Timestamp(row.created_at),
            finished: row.unfinished == 0,
        };
        Ok(rows.into_iter().map(kept).collect())
    }

    /// Removes builds, all or none of them; one that is unfinished by now stays. Returns the attempts whose logs are to be
    /// removed next.
    pub async fn drop_builds(&self, numbers: &[u64]) -> Result<Vec<AttemptId>, StoreError> {
        let mut writing = self.write().await?;
        let mut dropped = Vec::new();
        for &number in numbers {
            let build = signed(number);
            let unfinished: i64 = sqlx::query_scalar(sql!("keeper_build_open"))
                .bind(build)
                .fetch_one(&mut *writing.tx)
                .await
                .map_err(StoreError::at("keeper_build_open"))?;
            if unfinished > 0 {
                continue;
            }
            let attempts: Vec<DroppedRow> = sqlx::query_as(sql!("keeper_drop_attempts"))
                .bind(build)
                .fetch_all(&mut *writing.tx)
                .await
                .map_err(StoreError::at("keeper_drop_attempts"))?;
            dropped.extend(attempts.into_iter().map(|row| id(build, row.job, row.number)));
            for (name, statement) in [
                ("keeper_drop_cases", sql!("keeper_drop_cases")),
                ("keeper_drop_artifacts", sql!("keeper_drop_artifacts")),
                ("keeper_drop_findings", sql!("keeper_drop_findings")),
                ("keeper_drop_jobs", sql!("keeper_drop_jobs")),
                ("keeper_drop_build", sql!("keeper_drop_build")),
            ] {
                sqlx::query(statement).bind(build).execute(&mut *writing.tx).await.map_err(StoreError::at(name))?;
            }
        }
        writing.commit().await?;
        Ok(dropped)
    }

    /// Finished attempts whose logs were not removed on purpose, in the order in which they ended; `after` is the last one
    /// of the page before.
    pub async fn finished_logs(&self, after: Option<&FinishedLog>, limit: u32) -> Result<Vec<FinishedLog>, StoreError> {
        let rows: Vec<LogRow> = sqlx::query_as(sql!("keeper_old_logs"))
            .bind(after.map_or(i64::MIN, |log| log.finished_at.0))
            .bind(after.map_or(0, |log| signed(log.id.build)))
            .bind(after.map_or("", |log| log.id.job.as_str()))
            .bind(after.map_or(0, |log| i64::from(log.id.attempt)))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("keeper_old_logs"))?;
        let log = |row: LogRow| FinishedLog {
            id: id(row.build, row.job, row.number),
            finished_at: Timestamp(row.finished_at),
            bytes: unsigned(row.log_bytes),
            sha256: row.log_sha256,
        };
        Ok(rows.into_iter().map(log).collect())
    }

    /// Notes that logs are removed on purpose; to be called before it is done.
    pub async fn note_removed_logs(&self, ids: &[AttemptId], now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        for id in ids {
            sqlx::query(sql!("keeper_log_removed"))
                .bind(signed(id.build))
                .bind(&id.job)
                .bind(i64::from(id.attempt))
                .bind(now.0)
                .execute(&mut *writing.tx)
                .await
                .map_err(StoreError::at("keeper_log_removed"))?;
        }
        writing.commit().await
    }

    /// Empties the bodies of at most `limit` deliveries that were settled before a moment; how many.
    pub async fn empty_bodies(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.some_deliveries("keeper_empty_bodies", sql!("keeper_empty_bodies"), before, limit).await
    }

    /// Removes at most `limit` settled deliveries that came before a moment and whose builds are gone; how many.
    pub async fn drop_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.some_deliveries("keeper_drop_deliveries", sql!("keeper_drop_deliveries"), before, limit).await
    }

    async fn some_deliveries(
        &self,
        name: &'static str,
        statement: &'static str,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let done = sqlx::query(statement)
            .bind(before.0)
            .bind(i64::from(limit))
            .execute(&mut *writing.tx)
            .await
            .map_err(StoreError::at(name))?;
        writing.commit().await?;
        Ok(done.rows_affected())
    }

    /// Where all builds that are known come from.
    pub async fn clone_urls(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(sql!("keeper_clone_urls"))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("keeper_clone_urls"))
    }

    /// Ends as lost what `Store::health` found odd, and lets its build go on; what is not odd any more stays as it is.
    pub async fn end_odd(&self, id: &AttemptId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let tx = &mut writing.tx;
        let row: Option<i64> = sqlx::query_scalar(sql!("keeper_end_odd"))
            .bind(signed(id.build))
            .bind(&id.job)
            .bind(i64::from(id.attempt))
            .bind(reason)
            .bind(now.0)
            .fetch_optional(&mut **tx)
            .await
            .map_err(StoreError::at("keeper_end_odd"))?;
        if row.is_none() {
            return Err(StoreError::Conflict { why: format!("{id} is not odd any more") });
        }
        orders::settle(tx, id.build, now).await?;
        groups::leave(tx, id.build, now).await?;
        touch(tx, id.build).await?;
        writing.commit().await
    }

    pub async fn counts(&self) -> Result<Counts, StoreError> {
        sqlx::query_as(sql!("keeper_counts")).fetch_one(&self.pool).await.map_err(StoreError::at("keeper_counts"))
    }

    /// What a daemon has taken up and not ended.
    pub async fn begun_attempts(&self) -> Result<Vec<AttemptId>, StoreError> {
        self.attempt_ids("keeper_begun", sql!("keeper_begun")).await
    }

    /// Attempts whose log was removed on purpose, or is to be: noted first, removed then.
    pub async fn removed_logs(&self) -> Result<Vec<RemovedLog>, StoreError> {
        let rows: Vec<RemovedRow> = sqlx::query_as(sql!("keeper_removed_logs"))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("keeper_removed_logs"))?;
        let removed = |row: RemovedRow| RemovedLog {
            id: id(row.build, row.job, row.number),
            bytes: unsigned(row.log_bytes),
            removed_at: Timestamp(row.log_removed_at),
        };
        Ok(rows.into_iter().map(removed).collect())
    }

    async fn attempt_ids(&self, name: &'static str, statement: &'static str) -> Result<Vec<AttemptId>, StoreError> {
        let rows: Vec<IdRow> = sqlx::query_as(statement).fetch_all(&self.pool).await.map_err(StoreError::at(name))?;
        Ok(rows.into_iter().map(|row| id(row.build, row.job, row.number)).collect())
    }
}
