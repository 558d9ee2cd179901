//! One daemon a database: two with data folders of their own would each take the other's running jobs for lost. The kernel,
//! or Postgres, gives the claim back when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::time::Duration;

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::Mutex;

use super::{Store, StoreError, sql};
use crate::config::Database;

/// Between two looks at the session that holds the claim, and between two tries to get it back.
const LOOK: Duration = Duration::from_secs(2);
/// A session that does not answer for so long is gone.
const ANSWER: Duration = Duration::from_secs(10);

/// Keep it as long as the daemon works on the database.
#[derive(Debug)]
pub struct Alone {
    claim: Claim,
}

#[derive(Debug)]
enum Claim {
    File(#[expect(dead_code, reason = "held for its lock")] File),
    /// Session-wide: it goes with the connection.
    Session {
        database: Database,
        session: Mutex<AnyConnection>,
    },
}

impl Store {
    /// Claims the database for this daemon, or refuses when another one has it.
    pub async fn claim_alone(database: &Database) -> Result<Alone, StoreError> {
        let claim = match database {
            Database::Sqlite(path) => {
                let mut name = path.clone().into_os_string();
                name.push(".lock");
                let open = |source| StoreError::Open { database: database.describe(), source: sqlx::Error::Io(source) };
                let file = File::options().create(true).truncate(false).write(true).open(name).map_err(open)?;
                match file.try_lock() {
                    Ok(()) => Claim::File(file),
                    Err(TryLockError::WouldBlock) => return Err(taken(database)),
                    Err(TryLockError::Error(source)) => return Err(open(source)),
                }
            }
            Database::Postgres(url) => {
                sqlx::any::install_default_drivers();
                let session = Mutex::new(session(database, url).await?);
                Claim::Session { database: database.clone(), session }
            }
        };
        Ok(Alone { claim })
    }
}

fn taken(database: &Database) -> StoreError {
    StoreError::Taken { database: database.describe() }
}

async fn session(database: &Database, url: &str) -> Result<AnyConnection, StoreError> {
    let open = |source| StoreError::Open { database: database.describe(), source };
    let mut session = AnyConnection::connect(url).await.map_err(open)?;
    let got: bool =
        sqlx::query_scalar(sql!("claim_alone")).fetch_one(&mut session).await.map_err(StoreError::at("claim_alone"))?;
    if got { Ok(session) } else { Err(taken(database)) }
}

impl Alone {
    /// Takes the claim again when the server was restarted or the connection broke. Returns only when somebody else was
    /// faster: two daemons must not go on.
    pub async fn keep(&self) -> StoreError {
        let Claim::Session { database, session: held } = &self.claim else { return std::future::pending().await };
        let Database::Postgres(url) = database else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK).await;
            let mut held = held.lock().await;
            if tokio::time::timeout(ANSWER, held.ping()).await.is_ok_and(|answer| answer.is_ok()) {
                continue;
            }
            match tokio::time::timeout(ANSWER, session(database, url)).await {
                Ok(Ok(new)) => {
                    *held = new;
                    tracing::info!(database = database.describe(), "the claim on the database was taken again");
                }
                // It may be our own old session, which the server has not given up yet; another daemon's stays.
                Ok(Err(taken @ StoreError::Taken { .. })) => {
                    drop(held);
                    match self.try_for(database, url).await {
                        Ok(()) => {}
                        Err(()) => return taken,
                    }
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Tries a few times more to get what another session has.
    async fn try_for(&self, database: &Database, url: &str) -> Result<(), ()> {
        let Claim::Session { session: held, .. } = &self.claim else { return Ok(()) };
        for _ in 0..3 {
            tokio::time::sleep(LOOK).await;
            if let Ok(Ok(new)) = tokio::time::timeout(ANSWER, session(database, url)).await {
                *held.lock().await = new;
                return Ok(());
            }
        }
        Err(())
    }
}
