//! What people and the graph of jobs order: cancel, retry, unblock, skip. Reads how a build stands and changes it in one
//! transaction, so that two orders at once have one result.

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::RetryWhat;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;

use super::builds::{NewAttempt, insert_attempt};
use super::{FirstState, Store, StoreError, Writing, rows, signed, sql, touch, unsigned};
use crate::plan::JobPlan;
use crate::plan::graph::{self, Begins, Next, NoRetry, Node, Standing};
use crate::state::attempt::State;

/// What a cancel did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelDone {
    /// Jobs whose executor is asked to stop them.
    pub stopping: Vec<String>,
    /// Jobs that waited and are cancelled.
    pub cancelled: Vec<String>,
}

#[derive(Debug, FromRow)]
struct StandingRow {
    job: String,
    number: i64,
    state: String,
    outcome: Option<String>,
    plan: String,
}

/// A job as it stands.
struct Stands {
    job: String,
    number: i64,
    state: State,
    standing: Standing,
    plan: JobPlan,
}

impl TryFrom<StandingRow> for Stands {
    type Error = StoreError;

    fn try_from(row: StandingRow) -> Result<Self, StoreError> {
        let state = rows::state(&row.state)?;
        let outcome = row.outcome.as_deref().and_then(Outcome::from_word);
        let standing = match (state, outcome) {
            (State::Blocked, _) => Standing::Blocked,
            (State::Waiting, _) => Standing::Waiting,
            (State::Claimed | State::Running, _) => Standing::Running,
            (State::Finished, Some(outcome)) => Standing::Finished(outcome),
            (State::Finished, None) => {
                return Err(StoreError::Corrupt { what: "a finished attempt without outcome".into() });
            }
        };
        let plan = serde_json::from_str(&row.plan)
            .map_err(|error| StoreError::Corrupt { what: format!("plan of {}: {error}", row.job) })?;
        Ok(Self { job: row.job, number: row.number, state, standing, plan })
    }
}

impl Stands {
    fn node(&self) -> Node<'_> {
        Node { name: &self.job, needs: &self.plan.needs, standing: self.standing }
    }
}

impl Store {
    /// Stops a build, or one job of it: what waits is cancelled now, what runs is asked to stop.
    pub async fn cancel(
        &self,
        build: u64,
        job: Option<&str>,
        force: bool,
        by: &str,
        now: Timestamp,
    ) -> Result<CancelDone, StoreError> {
        let mut writing = self.write().await?;
        let tx = &mut writing.tx;
        let jobs = standings(tx, build).await?;
        if let Some(name) = job
            && !jobs.iter().any(|stands| stands.job == name)
        {
            return Err(StoreError::Missing { what: format!("job {build}/{name}") });
        }
        let mut done = CancelDone::default();
        let chosen = jobs.iter().filter(|stands| job.is_none_or(|name| stands.job == name));
        for stands in chosen {
            match stands.state {
                State::Blocked | State::Waiting => {
                    let reason = format!("cancelled by {by} before it began");
                    let end = End { outcome: Outcome::Cancelled, reason, by: Some(by) };
                    if end_unstarted(tx, build, stands, &end, now).await? {
                        done.cancelled.push(stands.job.clone());
                    }
                }
                State::Claimed | State::Running => {
                    let row: Option<i64> = sqlx::query_scalar(sql!("attempt_ask_cancel"))
                        .bind(signed(build))
                        .bind(&stands.job)
                        .bind(stands.number)
                        .bind(by)
                        .bind(now.0)
                        .bind(i64::from(force))
                        .fetch_optional(&mut **tx)
                        .await
                        .map_err(StoreError::at("attempt_ask_cancel"))?;
                    if row.is_some() {
                        done.stopping.push(stands.job.clone());
                    }
                }
                State::Finished => {}
            }
        }
        if done == CancelDone::default() {
            let what = job.map_or_else(|| format!("build {build}"), |job| format!("job {build}/{job}"));
            return Err(StoreError::Conflict { why: format!("{what} is finished: there is nothing to cancel") });
        }
        settle(tx, build, now).await?;
        touch(tx, build).await?;
        writing.commit().await?;
        Ok(done)
    }

    /// Makes new attempts of what failed, of one job and what depends on it, or of everything. Old attempts stay. A build
    /// that could not be planned has nothing to run again: its delivery is worked on anew, a new build comes of it, and no
    /// attempts are returned.
    pub async fn retry(&self, build: u64, what: &RetryWhat, now: Timestamp) -> Result<Vec<AttemptId>, StoreError> {
        let mut writing = self.write().await?;
        let tx = &mut writing.tx;
        let jobs = standings(tx, build).await?;
        if jobs.iter().all(|stands| stands.plan.steps.is_empty()) {
            return replan(writing, build, &jobs).await;
        }
        let nodes: Vec<Node<'_>> = jobs.iter().map(Stands::node).collect();
        let again = graph::retry(&nodes, what).map_err(|refused| match refused {
            NoRetry::NoSuchJob { .. } => {
                StoreError::Missing { what: refused.to_string().replacen("there is no ", "", 1) }
            }
            other => StoreError::Conflict { why: other.to_string() },
        })?;
        let mut made = Vec::new();
        for again in again {
            let stale = || StoreError::Conflict { why: format!("job {build}/{} is not finished", again.name) };
            let (number, position): (i64, i64) = sqlx::query_as(sql!("attempt_retire"))
                .bind(signed(build))
                .bind(again.name)
                .fetch_optional(&mut **tx)
                .await
                .map_err(StoreError::at("attempt_retire"))?
                .ok_or_else(stale)?;
            let at = NewAttempt { build: signed(build), job: again.name, number: number + 1, position, queued_at: now };
            let first = match again.begins {
                Begins::Blocked => FirstState::Blocked,
                Begins::Waiting => FirstState::Waiting,
            };
            insert_attempt(tx, &at, &first).await?;
            let attempt = u32::try_from(number + 1).unwrap_or(u32::MAX);
            made.push(AttemptId { build, job: again.name.to_owned(), attempt });
        }
        settle(tx, build, now).await?;
        touch(tx, build).await?;
        writing.commit().await?;
        Ok(made)
    }

    /// Builds with jobs that wait for others of the same build.
    pub async fn blocked_builds(&self) -> Result<Vec<u64>, StoreError> {
        let rows: Vec<i64> = sqlx::query_scalar(sql!("blocked_builds"))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("blocked_builds"))?;
        Ok(rows.into_iter().map(unsigned).collect())
    }

    /// Unblocks and skips what can be, after jobs of the build have finished. Whether anything changed.
    pub async fn advance(&self, build: u64, now: Timestamp) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let changed = settle(&mut writing.tx, build, now).await?;
        if changed {
            touch(&mut writing.tx, build).await?;
            writing.commit().await?;
        }
        Ok(changed)
    }
}

async fn replan(mut writing: Writing<'_>, build: u64, jobs: &[Stands]) -> Result<Vec<AttemptId>, StoreError> {
    if !jobs.iter().any(|stands| stands.standing == Standing::Finished(Outcome::Broken)) {
        let why = format!("build {build} was skipped because its commit asks for it: there is nothing to run again");
        return Err(StoreError::Conflict { why });
    }
    let reopened: Option<String> = sqlx::query_scalar(sql!("delivery_reopen"))
        .bind(signed(build))
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(StoreError::at("delivery_reopen"))?;
    if reopened.is_none() {
        let why = format!("the webhook of build {build} is being worked on already, or is not kept any more");
        return Err(StoreError::Conflict { why });
    }
    writing.commit().await?;
    Ok(Vec::new())
}

async fn standings(tx: &mut Transaction<'static, Any>, build: u64) -> Result<Vec<Stands>, StoreError> {
    let rows: Vec<StandingRow> = sqlx::query_as(sql!("standing_of_build"))
        .bind(signed(build))
        .fetch_all(&mut **tx)
        .await
        .map_err(StoreError::at("standing_of_build"))?;
    if rows.is_empty() {
        return Err(StoreError::Missing { what: format!("build {build}") });
    }
    rows.into_iter().map(Stands::try_from).collect()
}

pub(super) async fn settle(tx: &mut Transaction<'static, Any>, build: u64, now: Timestamp) -> Result<bool, StoreError> {
    let jobs = standings(tx, build).await?;
    let nodes: Vec<Node<'_>> = jobs.iter().map(Stands::node).collect();
    let mut changed = false;
    for (name, next) in graph::advance(&nodes) {
        let Some(stands) = jobs.iter().find(|stands| stands.job == name) else { continue };
        changed |= match next {
            Next::Blocked { .. } => false,
            Next::Skipped { reason } => {
                let end = End { outcome: Outcome::Skipped, reason, by: None };
                end_unstarted(tx, build, stands, &end, now).await?
            }
            Next::Waiting => {
                let row: Option<i64> = sqlx::query_scalar(sql!("attempt_unblock"))
                    .bind(signed(build))
                    .bind(&stands.job)
                    .bind(stands.number)
                    .fetch_optional(&mut **tx)
                    .await
                    .map_err(StoreError::at("attempt_unblock"))?;
                row.is_some()
            }
        };
    }
    Ok(changed)
}

struct End<'a> {
    outcome: Outcome,
    reason: String,
    by: Option<&'a str>,
}

async fn end_unstarted(
    tx: &mut Transaction<'static, Any>,
    build: u64,
    stands: &Stands,
    end: &End<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row: Option<i64> = sqlx::query_scalar(sql!("attempt_end_unstarted"))
        .bind(signed(build))
        .bind(&stands.job)
        .bind(stands.number)
        .bind(end.outcome.word())
        .bind(&end.reason)
        .bind(now.0)
        .bind(end.by)
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("attempt_end_unstarted"))?;
    Ok(row.is_some())
}
