//! The database: the truth. Methods are use cases; what must be atomic is one method that owns its transaction. One SQL
//! statement a file in `sql/`, the same text for SQLite and Postgres. Must not know HTTP, engines or git.

mod alone; // one daemon a database
mod artifacts; // files that attempts left
mod attempts; // claim, start, steps, finish
mod belongs; // one data folder a database
mod builds; // create, read
mod cases; // results of tests
mod checkpoint; // what was committed, into SQLite's file
mod deliveries; // webhooks
mod findings; // what tools say about places in the source
mod groups; // builds that run one at a time
mod health; // looked at without being changed
mod keeper; // what is removed when it is old
mod orders; // what people ask for: cancel, retry
mod pauses; // nothing new is begun
mod replay; // a delivery once more
mod results; // the newest builds of a repository or a ref
mod rows; // what comes out of the database
mod tokens;
mod writing; // turns to write
mod waiting; // why what waits does so, and how long jobs usually take

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor as _, Transaction};

pub use alone::Alone;
pub use artifacts::{KeptArtifacts, LeftByAttempt, NewArtifacts};
pub use attempts::{Claimed, Finish, OpenAttempt, QueueCounts};
pub use builds::{
    BuildFacts, BuildPage, FirstState, NewBuild, NewJob, PageFilter, StoredBuild, StoredGroup, StoredJob, Turn,
};
pub use cases::{NewResults, StoredCases};
pub use deliveries::{DeliveryState, NewDelivery, PendingDelivery, Recorded, StoredDelivery};
pub use findings::{NewFindings, StoredFindings};
pub use health::{Health, newest_schema};
pub use keeper::{Counts, FinishedLog, KeptBuild, RemovedLog};
pub use orders::{CancelDone, HeadRetry};
pub use pauses::StoredPause;
pub use replay::{Kept, NoReplay, Replay};
pub use results::{JobResult, StoredResult};
pub use rows::{Attempt, CancelAsked, Summary};
pub use tokens::{Role, Token};
pub use waiting::{History, Place, Waiting};

use self::checkpoint::Commits;
use self::writing::{Doubts, Writing};
use crate::config::Database;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    kind: Kind,
    /// There is one writer at a time: waiting here, in order, beats waiting inside of the database (SQLite's back-off,
    /// Postgres' connections that readers need).
    writing: Arc<tokio::sync::Mutex<()>>,
    doubts: Doubts,
    commits: Commits,
}

/// A write that does not get its turn in this time is refused.
const BUSY: Duration = Duration::from_secs(10);

/// At most so many at once.
const CONNECTIONS: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no {what}")]
    Missing { what: String },
    /// The state changed in between, or does not allow it.
    #[error("{why}")]
    Conflict { why: String },
    #[error("query {query} failed")]
    Query {
        query: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("another windlassd uses the database {database}: stop it first, or give this one a database of its own")]
    Taken { database: String },
    #[error(
        "the database belongs to another data folder (there the file `owner` says {other}): name that one in data_dir, or \
         another database; if that folder is gone for good, and its logs with it, `windlassd serve --take-database`"
    )]
    Foreign { other: String },
    #[error("the database was busy for {} s", BUSY.as_secs())]
    Busy,
    #[error("the database holds something this version does not understand: {what}")]
    Corrupt { what: String },
    #[error("the database {database} cannot be opened")]
    Open {
        database: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("the database {database} cannot be brought to this version's schema")]
    Migrate {
        database: String,
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    #[error(
        "SQLite {version} is linked, but before 3.51.3 it can corrupt its files: build with the pinned libsqlite3-sys"
    )]
    OldSqlite { version: String },
}

impl StoreError {
    /// Names the statement that failed.
    fn at(query: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Query { query, source }
    }

    /// Disk full, database busy, server away: may work later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::Busy)
    }
}

/// `Statement` and `name` for error messages, from one place.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("sql/", $name, ".sql"))
    };
}
use sql;

impl Store {
    /// Opens and migrates.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let describe = database.describe();
        let open = |source| StoreError::Open { database: describe.clone(), source };
        let (kind, url) = match database {
            Database::Sqlite(path) => {
                refuse_old_sqlite()?;
                (Kind::Sqlite, sqlite_url(path))
            }
            Database::Postgres(url) => (Kind::Postgres, url.clone()),
        };
        let options: AnyConnectOptions = url.parse().map_err(open)?;
        // One plain connection first: a pool would try again and again, and say in the end only that it took too long.
        let mut first = AnyConnection::connect_with(&options).await.map_err(open)?;
        if kind == Kind::Sqlite {
            first.execute("pragma schema_version; select count(*) from sqlite_schema").await.map_err(open)?;
        }
        first.close().await.map_err(open)?;
        let doubts = Doubts::default();
        let pool = AnyPoolOptions::new()
            .max_connections(match kind {
                Kind::Sqlite => CONNECTIONS / 2,
                Kind::Postgres => CONNECTIONS,
            })
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if kind == Kind::Sqlite {
                        // FULL: an answered webhook survives a power cut, not only a crash of ours. `checkpoint` copies the
                        // log into the database; a commit does so only when 16,000 pages of 4 kB are in it, and the file
                        // keeps that size. A transaction is written when it ends, not before it has 4,096 pages.
                        connection
                            .execute(
                                "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; \
                                 pragma busy_timeout = 5000; pragma cache_size = -2000; pragma cache_spill = 4096; \
                                 pragma wal_autocheckpoint = 16000; pragma journal_size_limit = 67108864;",
                            )
                            .await?;
                    } else {
                        // A database that went silent must not hold up whoever waits for a turn to write.
                        connection.execute("set statement_timeout = '30s'").await?;
                    }
                    Ok(())
                })
            })
            .after_release({
                let doubts = doubts.clone();
                move |connection, _| {
                    let doubts = doubts.clone();
                    Box::pin(async move { Ok(doubts.settle(connection).await) })
                }
            })
            .connect_with(options)
            .await
            .map_err(open)?;
        let migrations = match kind {
            Kind::Sqlite => sqlx::migrate!("src/store/migrations/sqlite"),
            Kind::Postgres => sqlx::migrate!("src/store/migrations/postgres"),
        };
        migrations.run(&pool).await.map_err(|source| StoreError::Migrate { database: describe.clone(), source })?;
        Ok(Self { pool, kind, writing: Arc::default(), doubts, commits: Commits::default() })
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").fetch_one(&self.pool).await.map_err(StoreError::at("ping"))?;
        Ok(())
    }

    /// The sequence number of the newest change.
    pub async fn last_change(&self) -> Result<u64, StoreError> {
        self.counter("change").await
    }

    /// The highest number that a build ever had here, also one that was removed.
    pub async fn last_build(&self) -> Result<u64, StoreError> {
        self.counter("build").await
    }

    async fn counter(&self, name: &'static str) -> Result<u64, StoreError> {
        let value: i64 = sqlx::query_scalar(sql!("counter_value"))
            .bind(name)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::at("counter_value"))?;
        Ok(unsigned(value))
    }
}

/// The next number of a counter, inside of a transaction.
async fn next(tx: &mut Transaction<'static, Any>, counter: &'static str) -> Result<i64, StoreError> {
    sqlx::query_scalar(sql!("counter_next"))
        .bind(counter)
        .fetch_one(&mut **tx)
        .await
        .map_err(StoreError::at("counter_next"))
}

/// Marks a build as changed, so that clients hear of it.
async fn touch(tx: &mut Transaction<'static, Any>, build: u64) -> Result<(), StoreError> {
    let seq = next(tx, "change").await?;
    sqlx::query(sql!("build_touch"))
        .bind(signed(build))
        .bind(seq)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::at("build_touch"))?;
    Ok(())
}

fn refuse_old_sqlite() -> Result<(), StoreError> {
    const OLDEST: i32 = 3_051_003;
    if libsqlite3_sys::SQLITE_VERSION_NUMBER < OLDEST {
        let version = libsqlite3_sys::SQLITE_VERSION.to_string_lossy().into_owned();
        return Err(StoreError::OldSqlite { version });
    }
    Ok(())
}

fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => url.push(char::from(*byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url.push_str("?mode=rwc");
    url
}

/// Text from elsewhere, as both databases can keep it: Postgres has no NUL.
fn text(from: impl AsRef<str>) -> String {
    from.as_ref().replace('\0', "\u{fffd}")
}

/// Numbers of ours are never negative; the database only has signed ones.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
