//! Builds of one group run one at a time: who has the turn, who waits for it, and that it always goes on. A build that
//! waits has all its attempts blocked, so the queue need not know of groups. Inside of the transaction that gives the
//! reason; `repair_groups` finds what slipped through. Must not know why a build ended.

use sqlx::{Any, FromRow, Transaction};
use windlass_protocol::time::Timestamp;

use super::builds::Lane;
use super::{Store, StoreError, next, orders, signed, sql, touch, unsigned};
use crate::failpoint;

/// Where a build's attempts belong.
pub(super) struct Line {
    pub(super) lane: Lane,
    /// It is in a group and another build has the turn.
    pub(super) waits: bool,
}

#[derive(Debug, FromRow)]
struct LineRow {
    repository: String,
    priority: i64,
    group_state: Option<String>,
}

#[derive(Debug, FromRow)]
struct LeftRow {
    repository: String,
    group_name: String,
}

pub(super) async fn line_of(tx: &mut Transaction<'static, Any>, build: u64) -> Result<Line, StoreError> {
    let row: Option<LineRow> = sqlx::query_as(sql!("build_line"))
        .bind(signed(build))
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("build_line"))?;
    let row = row.ok_or_else(|| StoreError::Missing { what: format!("build {build}") })?;
    let waits = row.group_state.as_deref() == Some("waits");
    Ok(Line { lane: Lane { repository: row.repository, priority: row.priority }, waits })
}

/// Gets a build in the line of its group, at its end, unless it is in it already. Whether it may run now.
pub(super) async fn enter(tx: &mut Transaction<'static, Any>, build: u64) -> Result<bool, StoreError> {
    // Any number that grows will do.
    let place = next(tx, "served").await?;
    let entered: Option<String> = sqlx::query_scalar(sql!("group_enter"))
        .bind(signed(build))
        .bind(place)
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("group_enter"))?;
    match entered {
        Some(state) => Ok(state == "holds"),
        None => Ok(!line_of(tx, build).await?.waits),
    }
}

/// Takes a build of which nothing is left to run out of its group's line, and lets the next one begin.
pub(super) async fn leave(tx: &mut Transaction<'static, Any>, build: u64, now: Timestamp) -> Result<bool, StoreError> {
    let Some(left) = left(tx, build).await? else { return Ok(false) };
    failpoint::reached!("group.left");
    give_turn(tx, &left.repository, &left.group_name, now).await?;
    Ok(true)
}

async fn left(tx: &mut Transaction<'static, Any>, build: u64) -> Result<Option<LeftRow>, StoreError> {
    sqlx::query_as(sql!("group_leave"))
        .bind(signed(build))
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("group_leave"))
}

/// Gives the turn, if nobody has it, to whoever waits longest and has something to run.
async fn give_turn(
    tx: &mut Transaction<'static, Any>,
    repository: &str,
    group: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    loop {
        let turn: Option<i64> = sqlx::query_scalar(sql!("group_next"))
            .bind(repository)
            .bind(group)
            .fetch_optional(&mut **tx)
            .await
            .map_err(StoreError::at("group_next"))?;
        let Some(build) = turn.map(unsigned) else { return Ok(()) };
        failpoint::reached!("group.turned");
        orders::settle(tx, build, now).await?;
        touch(tx, build).await?;
        if left(tx, build).await?.is_none() {
            return Ok(());
        }
    }
}

/// Cancels what is left of the group's builds that are older than `newer`. Which they were.
pub(super) async fn cancel_older(
    tx: &mut Transaction<'static, Any>,
    repository: &str,
    group: &str,
    newer: u64,
    now: Timestamp,
) -> Result<Vec<u64>, StoreError> {
    let older: Vec<i64> = sqlx::query_scalar(sql!("group_outdated"))
        .bind(repository)
        .bind(group)
        .bind(signed(newer))
        .fetch_all(&mut **tx)
        .await
        .map_err(StoreError::at("group_outdated"))?;
    let older: Vec<u64> = older.into_iter().map(unsigned).collect();
    let by = format!("a newer commit (#{newer})");
    for build in &older {
        let jobs = orders::standings(tx, *build).await?;
        orders::cancel_jobs(tx, *build, jobs.iter(), &orders::Wish { by: &by, force: false, now }).await?;
        orders::settle(tx, *build, now).await?;
        leave(tx, *build, now).await?;
        touch(tx, *build).await?;
        failpoint::reached!("group.outdated");
    }
    Ok(older)
}

impl Store {
    /// Finds groups that stand still and lets them go on; the turn is handed on with each change, so there should be none.
    /// Whether anything changed.
    pub async fn repair_groups(&self, now: Timestamp) -> Result<bool, StoreError> {
        // Without a turn to write: nearly always there is nothing to do.
        let stuck: Vec<i64> = sqlx::query_scalar(sql!("group_stuck"))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::at("group_stuck"))?;
        for build in stuck.iter().copied().map(unsigned) {
            let mut writing = self.write().await?;
            let tx = &mut writing.tx;
            if !leave(tx, build, now).await?
                && let Some(group) = group_of(tx, build).await?
            {
                give_turn(tx, &group.repository, &group.group_name, now).await?;
            }
            touch(tx, build).await?;
            writing.commit().await?;
        }
        Ok(!stuck.is_empty())
    }
}

async fn group_of(tx: &mut Transaction<'static, Any>, build: u64) -> Result<Option<LeftRow>, StoreError> {
    sqlx::query_as(sql!("group_of"))
        .bind(signed(build))
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::at("group_of"))
}
