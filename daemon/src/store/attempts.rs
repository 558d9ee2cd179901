//! The life of an attempt: claimed, started, followed, finished. Each step is a compare-and-set that enforces what
//! `state::attempt` allows; a refused one is `StoreError::Conflict` and changes nothing.

use std::collections::BTreeMap;

use sqlx::FromRow;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{LogSummary, StepView};

use super::rows::AttemptRow;
use super::{Attempt, Store, StoreError, signed, sql, text, touch, unsigned};
use crate::plan::Site;
use crate::state::attempt::Verdict;

/// What the scheduler got.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub id: AttemptId,
    /// Needed to start it; nobody else knows it.
    pub token: String,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct Finish {
    pub verdict: Verdict,
    pub at: Timestamp,
    pub steps: Vec<StepView>,
    pub log: LogSummary,
}

/// An unfinished attempt with what lists say of its build.
#[derive(Debug, Clone)]
pub struct OpenAttempt {
    pub attempt: Attempt,
    pub repository: String,
    pub branch: Option<String>,
    pub title: String,
    pub needs: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    pub blocked: u64,
    pub waiting: u64,
    /// Claimed or running: slots that are taken.
    pub taken: u64,
}

#[derive(Debug, FromRow)]
struct OpenRow {
    #[sqlx(flatten)]
    attempt: AttemptRow,
    repository: String,
    branch: Option<String>,
    title: String,
    plan: String,
}

/// Of a plan only this is wanted here.
#[derive(Debug, serde::Deserialize)]
struct Needs {
    #[serde(default)]
    needs: Vec<String>,
}

#[derive(Debug, FromRow)]
struct IdRow {
    build: i64,
    job: String,
    number: i64,
}

impl Store {
    /// Takes the oldest attempt that can run, if there is one and fewer than `limit` slots are taken.
    pub async fn claim_attempt(&self, token: &str, limit: u64, now: Timestamp) -> Result<Option<Claimed>, StoreError> {
        let mut writing = self.write().await?;
        let row: Option<IdRow> = sqlx::query_as(sql!("attempt_claim"))
            .bind(now.0)
            .bind(token)
            .bind(signed(limit))
            .fetch_optional(&mut *writing.tx)
            .await
            .map_err(StoreError::at("attempt_claim"))?;
        let Some(row) = row else { return Ok(None) };
        let id =
            AttemptId { build: unsigned(row.build), job: row.job, attempt: u32::try_from(row.number).unwrap_or(0) };
        touch(&mut writing.tx, id.build).await?;
        writing.commit().await?;
        Ok(Some(Claimed { id, token: token.to_owned() }))
    }

    /// Gives a claimed attempt back: nothing of it ran.
    pub async fn release_attempt(&self, id: &AttemptId) -> Result<(), StoreError> {
        self.change(id, "is not claimed any more", "attempt_release", |q| q, sql!("attempt_release"), None).await
    }

    /// The one-time claim: exactly one caller ever succeeds for an attempt, and may then hand out plan and source.
    pub async fn start_attempt(&self, claimed: &Claimed, site: &Site, now: Timestamp) -> Result<(), StoreError> {
        let site = serde_json::to_string(site).expect("a site is data that always serialises");
        self.change(
            &claimed.id,
            "was cancelled or is not claimed any more",
            "attempt_start",
            |q| q.bind(site).bind(now.0).bind(claimed.token.clone()),
            sql!("attempt_start"),
            None,
        )
        .await
    }

    /// How far its steps are.
    pub async fn record_steps(&self, id: &AttemptId, steps: &[StepView]) -> Result<(), StoreError> {
        let steps = serde_json::to_string(steps).expect("steps are data that always serialise");
        self.change(id, "does not run any more", "attempt_steps", |q| q.bind(steps), sql!("attempt_steps"), None).await
    }

    /// The one terminal state; what hangs on the job is unblocked or skipped with it.
    pub async fn finish_attempt(&self, id: &AttemptId, finish: &Finish) -> Result<(), StoreError> {
        let steps = serde_json::to_string(&finish.steps).expect("steps are data that always serialise");
        let verdict = &finish.verdict;
        self.change(
            id,
            "is finished already, or did not run",
            "attempt_finish",
            |q| {
                q.bind(verdict.outcome.word())
                    .bind(verdict.reason.as_deref().map(text))
                    .bind(verdict.exit_code.map(i64::from))
                    .bind(verdict.signal.map(i64::from))
                    .bind(finish.at.0)
                    .bind(steps)
                    .bind(signed(finish.log.lines))
                    .bind(signed(finish.log.bytes))
                    .bind(finish.log.sha256.clone())
            },
            sql!("attempt_finish"),
            Some(finish.at),
        )
        .await
    }

    pub async fn attempt(&self, id: &AttemptId) -> Result<Attempt, StoreError> {
        let row: Option<AttemptRow> = sqlx::query_as(sql!("attempt_one"))
            .bind(signed(id.build))
            .bind(&id.job)
            .bind(i64::from(id.attempt))
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::at("attempt_one"))?;
        row.ok_or_else(|| StoreError::Missing { what: format!("attempt {id}") })?.try_into()
    }

    /// Everything unfinished: what runs, then in the order in which it will start, then what is blocked.
    pub async fn open_attempts(&self, limit: u32) -> Result<Vec<OpenAttempt>, StoreError> {
        let rows: Vec<OpenRow> = sqlx::query_as(sql!("attempt_open"))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("attempt_open"))?;
        rows.into_iter()
            .map(|row| {
                Ok(OpenAttempt {
                    attempt: row.attempt.try_into()?,
                    repository: row.repository,
                    branch: row.branch,
                    title: row.title,
                    needs: super::rows::json::<Needs>("plan", &row.plan)?.needs,
                })
            })
            .collect()
    }

    pub async fn queue_counts(&self) -> Result<QueueCounts, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(sql!("attempt_counts"))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("attempt_counts"))?;
        let by_state: BTreeMap<String, u64> = rows.into_iter().map(|(state, many)| (state, unsigned(many))).collect();
        let many = |state: &str| by_state.get(state).copied().unwrap_or(0);
        Ok(QueueCounts { blocked: many("blocked"), waiting: many("waiting"), taken: many("claimed") + many("running") })
    }

    /// How many waiting attempts will start before this one.
    pub async fn ahead_of(&self, id: &AttemptId) -> Result<u64, StoreError> {
        let ahead: i64 = sqlx::query_scalar(sql!("attempt_ahead"))
            .bind(signed(id.build))
            .bind(&id.job)
            .bind(i64::from(id.attempt))
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::at("attempt_ahead"))?;
        Ok(unsigned(ahead))
    }

    /// One compare-and-set on one attempt: the statement's first three parameters name it, and it returns a row when it
    /// did something. `settle_at`: what hangs on the job is settled with it.
    async fn change(
        &self,
        id: &AttemptId,
        otherwise: &str,
        name: &'static str,
        bind: impl for<'q> FnOnce(Bound<'q>) -> Bound<'q>,
        statement: &'static str,
        settle_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let query =
            sqlx::query_scalar(statement).bind(signed(id.build)).bind(id.job.clone()).bind(i64::from(id.attempt));
        let row: Option<i64> = bind(query).fetch_optional(&mut *writing.tx).await.map_err(StoreError::at(name))?;
        if row.is_none() {
            return Err(StoreError::Conflict { why: format!("{id} {otherwise}") });
        }
        if let Some(now) = settle_at {
            super::orders::settle(&mut writing.tx, id.build, now).await?;
        }
        touch(&mut writing.tx, id.build).await?;
        writing.commit().await
    }
}

type Bound<'q> = sqlx::query::QueryScalar<'q, sqlx::Any, i64, sqlx::any::AnyArguments>;
