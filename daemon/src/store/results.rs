//! The newest builds of a repository or of one of its refs: how each ended, and when. Reads no more than was asked for,
//! however many builds there are. Must not know what is made of it.

use sqlx::FromRow;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;

use super::{Store, StoreError, rows, signed, sql, text, unsigned};
use crate::state::attempt::State;

/// A build among the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    pub number: u64,
    /// As the webhook wrote it.
    pub repository: String,
    pub created_at: Timestamp,
    pub jobs: Vec<JobResult>,
}

/// How the newest attempt of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobResult {
    pub state: State,
    pub outcome: Option<Outcome>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

#[derive(Debug, FromRow)]
struct ResultRow {
    number: i64,
    repository: String,
    created_at: i64,
    state: Option<String>,
    outcome: Option<String>,
    queued_at: Option<i64>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

impl Store {
    /// The newest builds of a repository, the newest first; of one of its refs, when one is named.
    pub async fn results(
        &self,
        repository: &str,
        reference: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredResult>, StoreError> {
        let repository = text(repository).to_ascii_lowercase();
        let rows: Vec<ResultRow> = match reference {
            None => sqlx::query_as(sql!("results_of_repository"))
                .bind(repository)
                .bind(signed(limit.into()))
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::at("results_of_repository"))?,
            Some(reference) => sqlx::query_as(sql!("results_of_ref"))
                .bind(repository)
                .bind(signed(limit.into()))
                .bind(text(reference))
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::at("results_of_ref"))?,
        };
        let mut results: Vec<StoredResult> = Vec::new();
        for row in rows {
            let number = unsigned(row.number);
            let job = job_result(&row)?;
            if results.last().is_none_or(|last| last.number != number) {
                let created_at = Timestamp(row.created_at);
                results.push(StoredResult { number, repository: row.repository, created_at, jobs: Vec::new() });
            }
            if let (Some(last), Some(job)) = (results.last_mut(), job) {
                last.jobs.push(job);
            }
        }
        Ok(results)
    }
}

fn job_result(row: &ResultRow) -> Result<Option<JobResult>, StoreError> {
    let (Some(state), Some(queued_at)) = (&row.state, row.queued_at) else { return Ok(None) };
    Ok(Some(JobResult {
        state: rows::state(state)?,
        outcome: rows::outcome(row.outcome.as_deref())?,
        queued_at: Timestamp(queued_at),
        started_at: row.started_at.map(Timestamp),
        finished_at: row.finished_at.map(Timestamp),
    }))
}
