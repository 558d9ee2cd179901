//! What screens and the API say about waiting: the fair order of the queue, what is paused, how long jobs usually take. A
//! few cheap reads a view, however much waits. Must not know how any of it is shown.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::id::JobId;
use windlass_protocol::time::Timestamp;

use super::{OpenAttempt, QueueCounts, Store, StoreError, StoredPause, rows, signed, sql, unsigned};
use crate::plan::queue::{Lane, Order, median};
use crate::state::attempt::State;

/// The queue at one moment.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub counts: QueueCounts,
    pub pauses: Vec<StoredPause>,
    /// Of what could start: not of what is paused or put off.
    order: Order,
    now: Timestamp,
}

/// Where a waiting attempt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In lower case.
    pub repository: String,
    pub priority: i64,
    /// How many of the same repository and priority come before it.
    pub ahead: u64,
}

/// How long jobs usually take.
#[derive(Debug, Clone, Default)]
pub struct History {
    medians: BTreeMap<(String, String), u64>,
}

/// Of each job only its last passed attempts count.
const REMEMBERED: usize = 20;

#[derive(Debug, FromRow)]
struct LaneRow {
    repository: String,
    priority: i64,
    many: i64,
    served: i64,
    engine: Option<String>,
}

#[derive(Debug, FromRow)]
struct RankRow {
    build: i64,
    job: String,
    repository: String,
    priority: i64,
    ahead: i64,
}

impl Waiting {
    /// What pauses a repository: the queue's pause before its own.
    #[must_use]
    pub fn paused(&self, repository: &str) -> Option<&StoredPause> {
        let ours = |pause: &&StoredPause| {
            pause.repository.as_deref().is_none_or(|paused| paused.eq_ignore_ascii_case(repository))
        };
        self.pauses.iter().find(ours)
    }

    /// How many attempts start before this one, if nothing else comes. `None`: it does not start as things are.
    #[must_use]
    pub fn position(&self, place: &Place) -> Option<u64> {
        self.order.position(&place.repository, place.priority, place.ahead)
    }

    /// The position of each of `open`, which has to be what [`Store::open_attempts`] returned: with what waits by age, none
    /// left out between. `None` of what does not wait, is paused or is put off.
    #[must_use]
    pub fn positions(&self, open: &[OpenAttempt]) -> Vec<Option<u64>> {
        let mut ahead: HashMap<(String, i64), u64> = HashMap::new();
        open.iter()
            .map(|open| {
                let attempt = &open.attempt;
                if attempt.state != State::Waiting || attempt.not_before > self.now {
                    return None;
                }
                let lane = (open.repository.to_ascii_lowercase(), attempt.priority);
                let before = ahead.entry(lane.clone()).or_default();
                let place = Place { repository: lane.0, priority: lane.1, ahead: *before };
                *before += 1;
                self.position(&place)
            })
            .collect()
    }
}

impl History {
    /// The median of its last passed attempts, in milliseconds.
    #[must_use]
    pub fn median(&self, repository: &str, job: &str) -> Option<u64> {
        self.medians.get(&(repository.to_ascii_lowercase(), job.to_owned())).copied()
    }

    /// The median of all that is known here: a guess for what is not.
    #[must_use]
    pub fn typical(&self) -> Option<u64> {
        median(&self.medians.values().copied().collect::<Vec<_>>())
    }
}

impl Store {
    /// The queue as it is now, once a view. `away`: the engines that do not answer.
    pub async fn waiting(&self, now: Timestamp, away: &[&str]) -> Result<Waiting, StoreError> {
        let counts = self.queue_counts().await?;
        let pauses = self.pauses().await?;
        let rows: Vec<LaneRow> = sqlx::query_as(sql!("lane_list"))
            .bind(now.0)
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("lane_list"))?;
        let mut waiting = Waiting { counts, pauses, order: Order::default(), now };
        let lanes: Vec<Lane> = rows
            .into_iter()
            .filter(|row| waiting.paused(&row.repository).is_none())
            .filter(|row| !row.engine.as_deref().is_some_and(|engine| away.contains(&engine)))
            .map(|row| Lane {
                repository: row.repository,
                priority: row.priority,
                waiting: unsigned(row.many),
                served: unsigned(row.served),
            })
            .collect();
        waiting.order = Order::of(&lanes);
        Ok(waiting)
    }

    /// Where the waiting attempts of a range of builds stand, in one read. What is put off is left out.
    pub async fn places(&self, from: u64, to: u64, now: Timestamp) -> Result<HashMap<JobId, Place>, StoreError> {
        let rows: Vec<RankRow> = sqlx::query_as(sql!("lane_ranks"))
            .bind(now.0)
            .bind(signed(from))
            .bind(signed(to))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("lane_ranks"))?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let place = Place { repository: row.repository, priority: row.priority, ahead: unsigned(row.ahead) };
                (JobId { build: unsigned(row.build), job: row.job }, place)
            })
            .collect())
    }

    /// How long the jobs of these repositories usually take.
    pub async fn history(&self, repositories: impl IntoIterator<Item = &str>) -> Result<History, StoreError> {
        let mut names: Vec<String> = repositories.into_iter().map(str::to_ascii_lowercase).collect();
        names.sort_unstable();
        names.dedup();
        let mut medians = BTreeMap::new();
        for repository in names {
            let rows: Vec<(String, String)> = sqlx::query_as(sql!("history_of"))
                .bind(&repository)
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::at("history_of"))?;
            for (job, recent) in rows {
                if let Some(median) = median(&rows::json::<Vec<u64>>("history", &recent)?) {
                    medians.insert((repository.clone(), job), median);
                }
            }
        }
        Ok(History { medians })
    }

    /// Every repository that ever built, in lower case, and where its jobs run.
    pub async fn repositories(&self) -> Result<Vec<(String, Option<String>)>, StoreError> {
        sqlx::query_as(sql!("repository_list")).fetch_all(&self.pool).await.map_err(StoreError::at("repository_list"))
    }

    /// Where the jobs of a repository run, by the configuration of today.
    pub async fn set_engine(&self, repository: &str, engine: Option<&str>) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(sql!("repository_known"))
            .bind(repository.to_ascii_lowercase())
            .bind(engine)
            .execute(&mut *writing.tx)
            .await
            .map_err(StoreError::at("repository_known"))?;
        writing.commit().await
    }
}

/// A passed attempt took so long.
pub(super) async fn remember(
    tx: &mut Transaction<'static, Any>,
    repository: &str,
    job: &str,
    took_ms: u64,
) -> Result<(), StoreError> {
    let recent: Option<String> = sqlx::query_scalar(sql!("history_one"))
        .bind(repository)
        .bind(job)
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("history_one"))?;
    // What cannot be read is begun anew: a guess is not worth an attempt's end.
    let mut recent: Vec<u64> = recent.and_then(|recent| serde_json::from_str(&recent).ok()).unwrap_or_default();
    recent.push(took_ms);
    let old = recent.len().saturating_sub(REMEMBERED);
    recent.drain(..old);
    sqlx::query(sql!("history_put"))
        .bind(repository)
        .bind(job)
        .bind(serde_json::to_string(&recent).expect("numbers always serialise"))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("history_put"))?;
    Ok(())
}
