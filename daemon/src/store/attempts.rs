//! The life of an attempt: claimed, started, followed, finished. Each step is a compare-and-set that enforces what
//! `state::attempt` allows; a refused one is `StoreError::Conflict` and changes nothing.

use std::collections::BTreeMap;

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{LogSummary, Outcome, StepView};

use super::builds::{NewAttempt, insert_attempt};
use super::rows::AttemptRow;
use super::{
    Attempt, FirstState, NewArtifacts, NewFindings, NewResults, Store, StoreError, artifacts, cases, findings, groups,
    next, orders, signed, sql, text, touch, unsigned, waiting,
};
use crate::failpoint;
use crate::plan::{JobPlan, Site};
use crate::state::again::{self, LONGEST_BACK_OFF, Tried};
use crate::state::attempt::{Fault, Verdict};

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
    /// The image that it really ran; `None` leaves what its start knew.
    pub image_digest: Option<String>,
    /// What its reports say of its tests; `None`: it has none.
    pub results: Option<NewResults>,
    pub artifacts: Option<NewArtifacts>,
    /// What tools say about its source; `None`: nothing.
    pub findings: Option<NewFindings>,
}

/// An unfinished attempt with what lists say of its build.
#[derive(Debug, Clone)]
pub struct OpenAttempt {
    pub attempt: Attempt,
    pub repository: String,
    pub branch: Option<String>,
    pub title: String,
    pub needs: Vec<String>,
    /// The group in whose line its build waits, and who has the turn there.
    pub group: Option<(String, u64)>,
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
    group_name: Option<String>,
    held_by: Option<i64>,
}

/// What decides whether an attempt that has ended is followed by another one.
#[derive(Debug, FromRow)]
struct EndedRow {
    position: i64,
    cancel_at: Option<i64>,
    started_at: Option<i64>,
    again_infrastructure: i64,
    again_failure: i64,
    plan: String,
}

#[derive(Debug, FromRow)]
struct LaneRow {
    name: String,
    priority: i64,
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
    /// Takes the attempt whose turn it is, if one can run and fewer than `limit` slots are taken: the highest priority first,
    /// then the repository that got a slot longest ago, of it the oldest. Passed over is what is paused, what was put off to a
    /// later moment, and what needs an engine that is `away`.
    pub async fn claim_attempt(
        &self,
        token: &str,
        limit: u64,
        now: Timestamp,
        away: &[&str],
    ) -> Result<Option<Claimed>, StoreError> {
        let away = format!(",{},", away.join(","));
        // Most looks find nothing: those take nobody's turn to write.
        if lane_now(&self.pool, limit, now, &away).await?.is_none() {
            return Ok(None);
        }
        let mut writing = self.write().await?;
        let tx = &mut writing.tx;
        let Some(lane) = lane_now(&mut **tx, limit, now, &away).await? else {
            writing.commit().await?;
            return Ok(None);
        };
        let row: Option<IdRow> = sqlx::query_as(sql!("attempt_claim"))
            .bind(now.0)
            .bind(token)
            .bind(&lane.name)
            .bind(lane.priority)
            .fetch_optional(&mut **tx)
            .await
            .map_err(StoreError::at("attempt_claim"))?;
        let Some(row) = row else { return Ok(None) };
        let served = next(tx, "served").await?;
        sqlx::query(sql!("repository_served"))
            .bind(&lane.name)
            .bind(served)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::at("repository_served"))?;
        let id =
            AttemptId { build: unsigned(row.build), job: row.job, attempt: u32::try_from(row.number).unwrap_or(0) };
        failpoint::reached!("claim.before-commit");
        touch(tx, id.build).await?;
        writing.commit().await?;
        Ok(Some(Claimed { id, token: token.to_owned() }))
    }

    /// When the next attempt that was put off may be claimed.
    pub async fn next_not_before(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = sqlx::query_scalar(sql!("next_not_before"))
            .bind(now.0)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::at("next_not_before"))?;
        Ok(next.map(Timestamp))
    }

    /// The wall clock was set by so many milliseconds, and says `now`: moments to which attempts were put off move with it.
    pub async fn clock_was_set(&self, by: i64, now: Timestamp) -> Result<(), StoreError> {
        let longest = i64::try_from(LONGEST_BACK_OFF.as_millis()).unwrap_or(i64::MAX);
        let mut writing = self.write().await?;
        sqlx::query(sql!("put_off_shift"))
            .bind(by)
            .bind(now.0.saturating_add(longest))
            .execute(&mut *writing.tx)
            .await
            .map_err(StoreError::at("put_off_shift"))?;
        writing.commit().await
    }

    /// Gives a claimed attempt back: nothing of it ran. Refused once a cancel was asked for: that is to be recorded instead.
    pub async fn release_attempt(&self, id: &AttemptId) -> Result<(), StoreError> {
        self.change(id, "was cancelled or is not claimed any more", "attempt_release", |q| q, sql!("attempt_release"))
            .await
    }

    /// The one-time claim: exactly one caller ever succeeds for an attempt, and may then hand out plan and source.
    /// `image_digest`: the image that it will run, where that is known.
    pub async fn start_attempt(
        &self,
        claimed: &Claimed,
        site: &Site,
        image_digest: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let image_digest = image_digest.map(text);
        let site = serde_json::to_string(site).expect("a site is data that always serialises");
        failpoint::reached!("start.before-commit");
        self.change(
            &claimed.id,
            "was cancelled or is not claimed any more",
            "attempt_start",
            |q| q.bind(site).bind(now.0).bind(claimed.token.clone()).bind(image_digest),
            sql!("attempt_start"),
        )
        .await
    }

    /// How far its steps are.
    pub async fn record_steps(&self, id: &AttemptId, steps: &[StepView]) -> Result<(), StoreError> {
        let steps = serde_json::to_string(steps).expect("steps are data that always serialise");
        failpoint::reached!("steps.before-commit");
        self.change(id, "does not run any more", "attempt_steps", |q| q.bind(steps), sql!("attempt_steps")).await
    }

    /// The one terminal state; what hangs on the job is unblocked or skipped with it. An end that is nobody's wish and that
    /// the spec lets be tried again is followed by a new attempt in the same transaction, so that nothing is skipped
    /// because of it. Whether there is one.
    pub async fn finish_attempt(&self, id: &AttemptId, finish: &Finish) -> Result<Option<AttemptId>, StoreError> {
        let steps = serde_json::to_string(&finish.steps).expect("steps are data that always serialise");
        let verdict = &finish.verdict;
        let mut writing = self.write().await?;
        let tx = &mut writing.tx;
        let row: Option<i64> = sqlx::query_scalar(sql!("attempt_finish"))
            .bind(signed(id.build))
            .bind(&id.job)
            .bind(i64::from(id.attempt))
            .bind(verdict.outcome.word())
            .bind(verdict.reason.as_deref().map(text))
            .bind(verdict.exit_code.map(i64::from))
            .bind(verdict.signal.map(i64::from))
            .bind(finish.at.0)
            .bind(steps)
            .bind(signed(finish.log.lines))
            .bind(signed(finish.log.bytes))
            .bind(finish.log.sha256.clone())
            .bind(signed(finish.log.dropped_bytes))
            .bind(finish.image_digest.as_deref().map(text))
            .bind(finish.results.as_ref().map(NewResults::counts_as_text))
            .bind(finish.artifacts.as_ref().map(NewArtifacts::counts_as_text))
            .fetch_optional(&mut **tx)
            .await
            .map_err(StoreError::at("attempt_finish"))?;
        if row.is_none() {
            return Err(StoreError::Conflict { why: format!("{id} is finished already, or did not run") });
        }
        if let Some(results) = &finish.results {
            cases::put(tx, id, results).await?;
        }
        if let Some(new) = &finish.artifacts {
            artifacts::put(tx, id, new, finish.at).await?;
        }
        if let Some(found) = &finish.findings {
            findings::put(tx, id, found).await?;
        }
        let followed = if verdict.outcome == Outcome::Passed || verdict.fault != Fault::None {
            follow(tx, id, finish).await?
        } else {
            None
        };
        orders::settle(tx, id.build, finish.at).await?;
        groups::leave(tx, id.build, finish.at).await?;
        touch(tx, id.build).await?;
        failpoint::reached!("finish.before-commit");
        writing.commit().await?;
        Ok(followed)
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

    /// Everything unfinished: what runs, then what waits, then what is blocked; each by age. See [`Store::waiting`] for the
    /// order in which it will start.
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
                    group: row.group_name.zip(row.held_by.map(unsigned)),
                })
            })
            .collect()
    }

    /// Everything that is claimed or runs, by age; each row for itself, so that one that cannot be read hides no other.
    pub async fn taken_attempts(&self) -> Result<Vec<(AttemptId, Result<Attempt, StoreError>)>, StoreError> {
        let rows: Vec<AttemptRow> = sqlx::query_as(sql!("attempt_taken"))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("attempt_taken"))?;
        Ok(rows.into_iter().map(|row| (row.id(), row.try_into())).collect())
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

    /// One compare-and-set on one attempt: the statement's first three parameters name it, and it returns a row when it
    /// did something.
    async fn change(
        &self,
        id: &AttemptId,
        otherwise: &str,
        name: &'static str,
        bind: impl for<'q> FnOnce(Bound<'q>) -> Bound<'q>,
        statement: &'static str,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let query =
            sqlx::query_scalar(statement).bind(signed(id.build)).bind(id.job.clone()).bind(i64::from(id.attempt));
        let row: Option<i64> = bind(query).fetch_optional(&mut *writing.tx).await.map_err(StoreError::at(name))?;
        if row.is_none() {
            return Err(StoreError::Conflict { why: format!("{id} {otherwise}") });
        }
        touch(&mut writing.tx, id.build).await?;
        writing.commit().await
    }
}

/// Whose turn it is.
async fn lane_now<'e>(
    executor: impl sqlx::Executor<'e, Database = Any>,
    limit: u64,
    now: Timestamp,
    away: &str,
) -> Result<Option<LaneRow>, StoreError> {
    sqlx::query_as(sql!("claim_lane"))
        .bind(now.0)
        .bind(signed(limit))
        .bind(away.to_owned())
        .fetch_optional(executor)
        .await
        .map_err(StoreError::at("claim_lane"))
}

/// Remembers how long a passed attempt took; makes the attempt that follows another by itself.
async fn follow(
    tx: &mut Transaction<'static, Any>,
    id: &AttemptId,
    finish: &Finish,
) -> Result<Option<AttemptId>, StoreError> {
    let ended: EndedRow = sqlx::query_as(sql!("attempt_ended"))
        .bind(signed(id.build))
        .bind(&id.job)
        .bind(i64::from(id.attempt))
        .fetch_one(&mut **tx)
        .await
        .map_err(StoreError::at("attempt_ended"))?;
    let line = groups::line_of(tx, id.build).await?;
    if finish.verdict.outcome == Outcome::Passed {
        if let Some(started) = ended.started_at {
            waiting::remember(tx, &line.lane.repository, &id.job, unsigned(finish.at.0 - started)).await?;
        }
        return Ok(None);
    }
    let plan: JobPlan = super::rows::json("plan", &ended.plan)?;
    let count = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    let tried = Tried { infrastructure: count(ended.again_infrastructure), failure: count(ended.again_failure) };
    let Some(again) = again::decide(&finish.verdict, plan.retry, tried, ended.cancel_at.is_some()) else {
        return Ok(None);
    };
    orders::retire(tx, id.build, &id.job).await?;
    let attempt = id.attempt.saturating_add(1);
    let at = NewAttempt {
        build: signed(id.build),
        job: &id.job,
        number: i64::from(attempt),
        position: ended.position,
        queued_at: finish.at,
        lane: &line.lane,
        not_before: Timestamp(finish.at.0 + i64::try_from(again.after.as_millis()).unwrap_or(0)),
        because: Some(&again.because),
        tried: again.tried,
    };
    // What ended before it was its build's turn begins where it ended.
    insert_attempt(tx, &at, if line.waits { &FirstState::Blocked } else { &FirstState::Waiting }).await?;
    failpoint::reached!("finish.followed");
    Ok(Some(AttemptId { build: id.build, job: id.job.clone(), attempt }))
}

type Bound<'q> = sqlx::query::QueryScalar<'q, Any, i64, sqlx::any::AnyArguments>;
