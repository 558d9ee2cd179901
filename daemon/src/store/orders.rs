//! What people and the graph of jobs order: cancel, retry, unblock, skip. Reads how a build stands and changes it in one
//! transaction, so that two orders at once have one result.

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::RetryWhat;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;

use super::builds::{NewAttempt, insert_attempt};
use super::{
    DeliveryState, FirstState, NewDelivery, Recorded, Store, StoreError, Writing, groups, rows, signed, sql, text,
    touch, unsigned,
};
use crate::failpoint;
use crate::plan::JobPlan;
use crate::plan::graph::{self, Begins, Next, NoRetry, Node, Standing};
use crate::secret::{random_token, sha256_hex};
use crate::state::again::Tried;
use crate::state::attempt::State;

/// What a cancel did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelDone {
    /// Jobs whose executor is asked to stop them.
    pub stopping: Vec<String>,
    /// Those of them that are to be killed at once: somebody wants that, or asks for the second time.
    pub killing: Vec<String>,
    /// Jobs that waited and are cancelled.
    pub cancelled: Vec<String>,
}

/// The body of the delivery that asks for a build of the newest commit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeadRetry {
    /// The delivery's own: two retries are two deliveries.
    pub id: String,
    pub build: u64,
    pub by: String,
}

impl HeadRetry {
    /// No webhook becomes one: an event of this name is ignored when it comes from outside.
    pub const EVENT: &str = "retry";
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
pub(super) struct Stands {
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
        let chosen = jobs.iter().filter(|stands| job.is_none_or(|name| stands.job == name));
        let done = cancel_jobs(tx, build, chosen, &Wish { by, force, now }).await?;
        if done == CancelDone::default() {
            let what = job.map_or_else(|| format!("build {build}"), |job| format!("job {build}/{job}"));
            return Err(StoreError::Conflict { why: format!("{what} is finished: there is nothing to cancel") });
        }
        settle(tx, build, now).await?;
        groups::leave(tx, build, now).await?;
        touch(tx, build).await?;
        failpoint::reached!("cancel.before-commit");
        writing.commit().await?;
        Ok(done)
    }

    /// Makes new attempts of what failed, of one job and what depends on it, or of everything. Old attempts stay. A build
    /// that could not be planned has nothing to run again: its delivery is worked on anew, a new build comes of it, and no
    /// attempts are returned. A build that is in a group and was over gets in its line again.
    pub async fn retry(
        &self,
        build: u64,
        what: &RetryWhat,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<AttemptId>, StoreError> {
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
        let its_turn = groups::enter(tx, build).await?;
        let line = groups::line_of(tx, build).await?;
        let because = format!("retried by {by}");
        let mut made = Vec::new();
        for again in again {
            let (number, position) = retire(tx, build, again.name).await?;
            let at = NewAttempt {
                build: signed(build),
                job: again.name,
                number: number + 1,
                position,
                queued_at: now,
                lane: &line.lane,
                not_before: Timestamp(0),
                because: Some(&because),
                tried: Tried::default(),
            };
            let first = match again.begins {
                Begins::Waiting if its_turn => FirstState::Waiting,
                Begins::Blocked | Begins::Waiting => FirstState::Blocked,
            };
            insert_attempt(tx, &at, &first).await?;
            let attempt = u32::try_from(number + 1).unwrap_or(u32::MAX);
            made.push(AttemptId { build, job: again.name.to_owned(), attempt });
        }
        settle(tx, build, now).await?;
        groups::leave(tx, build, now).await?;
        touch(tx, build).await?;
        failpoint::reached!("retry.before-commit");
        writing.commit().await?;
        Ok(made)
    }

    /// Asks for a new build of the newest commit of what `build` was made of (branch, tag, pull request). It is a delivery
    /// like any other, made by us: its id.
    pub async fn retry_head(&self, build: u64, by: &str, now: Timestamp) -> Result<String, StoreError> {
        let repository = self.build(build).await?.facts.request.repository;
        let id = format!("retry-{}", &random_token()[..16]);
        let body = serde_json::to_string(&HeadRetry { id: id.clone(), build, by: by.to_owned() })
            .expect("a retry is data that always serialises");
        let delivery = NewDelivery {
            id: id.clone(),
            event: HeadRetry::EVENT.to_owned(),
            action: Some("head".to_owned()),
            repository: Some(repository),
            body_sha256: sha256_hex(body.as_bytes()),
            body: text(body),
            received_at: now,
            state: DeliveryState::Accepted,
            reason: None,
        };
        match self.record_deliveries(&[delivery]).await?.as_slice() {
            [Recorded::New] => Ok(id),
            _ => Err(StoreError::Conflict { why: format!("build {build} is being retried already") }),
        }
    }

    /// Builds with jobs that wait for others of the same build; what waits for the turn of its group is none of them.
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
        let settled = settle(&mut writing.tx, build, now).await?;
        let changed = groups::leave(&mut writing.tx, build, now).await? || settled;
        if changed {
            touch(&mut writing.tx, build).await?;
            writing.commit().await?;
        }
        Ok(changed)
    }
}

/// Who wants something stopped, and how.
pub(super) struct Wish<'a> {
    pub(super) by: &'a str,
    pub(super) force: bool,
    pub(super) now: Timestamp,
}

/// Ends what waits, and asks the executor to stop what runs. Settles nothing.
pub(super) async fn cancel_jobs(
    tx: &mut Transaction<'static, Any>,
    build: u64,
    chosen: impl Iterator<Item = &Stands>,
    wish: &Wish<'_>,
) -> Result<CancelDone, StoreError> {
    let mut done = CancelDone::default();
    for stands in chosen {
        match stands.state {
            State::Blocked | State::Waiting => {
                let reason = format!("cancelled by {} before it began", wish.by);
                let end = End { outcome: Outcome::Cancelled, reason, by: Some(wish.by) };
                if end_unstarted(tx, build, stands, &end, wish.now).await? {
                    done.cancelled.push(stands.job.clone());
                }
            }
            State::Claimed | State::Running => {
                let force: Option<i64> = sqlx::query_scalar(sql!("attempt_ask_cancel"))
                    .bind(signed(build))
                    .bind(&stands.job)
                    .bind(stands.number)
                    .bind(text(wish.by))
                    .bind(wish.now.0)
                    .bind(i64::from(wish.force))
                    .fetch_optional(&mut **tx)
                    .await
                    .map_err(StoreError::at("attempt_ask_cancel"))?;
                if let Some(force) = force {
                    done.stopping.push(stands.job.clone());
                    if force == 1 {
                        done.killing.push(stands.job.clone());
                    }
                }
            }
            State::Finished => {}
        }
    }
    Ok(done)
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

pub(super) async fn standings(tx: &mut Transaction<'static, Any>, build: u64) -> Result<Vec<Stands>, StoreError> {
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

/// Makes room for a new attempt of a job that has finished: number and position of the old one.
pub(super) async fn retire(
    tx: &mut Transaction<'static, Any>,
    build: u64,
    job: &str,
) -> Result<(i64, i64), StoreError> {
    sqlx::query_as(sql!("attempt_retire"))
        .bind(signed(build))
        .bind(job)
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("attempt_retire"))?
        .ok_or_else(|| StoreError::Conflict { why: format!("job {build}/{job} is not finished") })
}

/// Unblocks and skips what can be; of a build that waits for the turn of its group nothing is unblocked.
pub(super) async fn settle(tx: &mut Transaction<'static, Any>, build: u64, now: Timestamp) -> Result<bool, StoreError> {
    let jobs = standings(tx, build).await?;
    let nodes: Vec<Node<'_>> = jobs.iter().map(Stands::node).collect();
    let waits = groups::line_of(tx, build).await?.waits;
    let mut changed = false;
    for (name, next) in graph::advance(&nodes) {
        let Some(stands) = jobs.iter().find(|stands| stands.job == name) else { continue };
        changed |= match next {
            Next::Blocked { .. } => false,
            Next::Waiting if waits => false,
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
        .bind(end.by.map(text))
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("attempt_end_unstarted"))?;
    Ok(row.is_some())
}
