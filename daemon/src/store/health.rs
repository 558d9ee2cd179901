//! Looks at a database without changing it: whether it opens, is whole, is of this version's schema, and makes sense. `vacuum into` and
//! `pg_dump` copy it while a daemon works on it. Must not migrate.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Executor as _, FromRow, Row as _};

use windlass_protocol::id::AttemptId;

use super::{Counts, Kind, Store, StoreError, sql, sqlite_url};
use crate::config::Database;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Health {
    pub version: String,
    /// Migrations that were run on it.
    pub schema: i64,
    /// Migrations of this version that were not.
    pub missing: Vec<i64>,
    /// Migrations that this version does not know: a newer one was here.
    pub unknown: Vec<i64>,
    /// How much there is, where this version's tables are there.
    pub counts: Option<Counts>,
    /// What the database says of itself when asked whether it is whole.
    pub damage: Vec<String>,
    /// Attempts whose state contradicts itself: which, and what.
    pub odd: Vec<(AttemptId, String)>,
    /// Builds because of which the line of their group stands still.
    pub stuck: Vec<u64>,
}

#[derive(Debug, FromRow)]
struct OddRow {
    build: i64,
    job: String,
    number: i64,
    what: String,
}

/// The newest migration that this version has.
#[must_use]
pub fn newest_schema() -> i64 {
    sqlx::migrate!("src/store/migrations/sqlite").iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn connect(database: &Database) -> Result<(AnyConnection, Kind), StoreError> {
    sqlx::any::install_default_drivers();
    let open = |source| StoreError::Open { database: database.describe(), source };
    let (url, kind) = match database {
        // Not made when it is missing.
        Database::Sqlite(path) => (sqlite_url(path).replace("?mode=rwc", "?mode=rw"), Kind::Sqlite),
        Database::Postgres(url) => (url.clone(), Kind::Postgres),
    };
    let mut connection = AnyConnection::connect(&url).await.map_err(open)?;
    if kind == Kind::Sqlite {
        connection.execute("pragma busy_timeout = 20000").await.map_err(open)?;
    }
    Ok((connection, kind))
}

impl Store {
    /// Looks at it; a database that does not exist is an error.
    pub async fn health(database: &Database) -> Result<Health, StoreError> {
        let (mut connection, kind) = connect(database).await?;
        let health = look(&mut connection, kind).await;
        let _ = connection.close().await;
        health
    }

    /// A consistent copy of an SQLite database as one new file, while others work on it.
    pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), StoreError> {
        let (mut connection, _) = connect(&Database::Sqlite(from.to_owned())).await?;
        let copied = sqlx::query("vacuum into $1")
            .bind(to.display().to_string())
            .execute(&mut connection)
            .await
            .map_err(StoreError::at("vacuum into"));
        let _ = connection.close().await;
        copied.map(|_| ())
    }
}

async fn look(connection: &mut AnyConnection, kind: Kind) -> Result<Health, StoreError> {
    let ask = if kind == Kind::Sqlite { "select sqlite_version()" } else { "select version()" };
    let mut health = Health {
        version: sqlx::query_scalar(ask).fetch_one(&mut *connection).await.map_err(StoreError::at("version"))?,
        ..Health::default()
    };
    if kind == Kind::Sqlite {
        let rows: Vec<String> = sqlx::query_scalar("pragma quick_check(20)")
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::at("quick_check"))?;
        health.damage.extend(rows.into_iter().filter(|row| row != "ok"));
        let broken = sqlx::query("pragma foreign_key_check")
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::at("foreign_key_check"))?;
        for row in broken.iter().take(20) {
            let (table, parent): (String, String) = (row.get(0), row.get(2));
            health.damage.push(format!("a row of {table} points at a row of {parent} that is not there"));
        }
    }
    // Without the table of migrations nothing of ours was ever here.
    let done = sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
        .fetch_all(&mut *connection)
        .await;
    let done: BTreeSet<i64> = done.unwrap_or_default().into_iter().collect();
    let ours: BTreeSet<i64> =
        sqlx::migrate!("src/store/migrations/sqlite").iter().map(|migration| migration.version).collect();
    health.schema = done.last().copied().unwrap_or(0);
    health.missing = ours.difference(&done).copied().collect();
    health.unknown = done.difference(&ours).copied().collect();
    health.counts = sqlx::query_as(sql!("keeper_counts")).fetch_one(&mut *connection).await.ok();
    if health.missing.is_empty() && health.unknown.is_empty() {
        let odd: Vec<OddRow> = sqlx::query_as(sql!("keeper_odd_attempts"))
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::at("keeper_odd_attempts"))?;
        health.odd = odd.into_iter().map(|row| (super::keeper::id(row.build, row.job, row.number), row.what)).collect();
        let stuck: Vec<i64> = sqlx::query_scalar(sql!("group_stuck"))
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::at("group_stuck"))?;
        health.stuck = stuck.into_iter().map(super::unsigned).collect();
    }
    Ok(health)
}
