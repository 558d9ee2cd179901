//! One daemon a database: two with data folders of their own would each take the other's running jobs for lost. The kernel,
//! or Postgres, gives the claim back when the process ends, however it ends.

use std::fs::{File, TryLockError};

use sqlx::{AnyConnection, Connection as _};

use super::{Store, StoreError, sql};
use crate::config::Database;

/// Keep it as long as the daemon works on the database.
#[derive(Debug)]
pub struct Alone {
    _claim: Claim,
}

#[derive(Debug)]
enum Claim {
    File(#[expect(dead_code, reason = "held for its lock")] File),
    /// Session-wide: it goes with the connection.
    Session(#[expect(dead_code, reason = "held for its lock")] AnyConnection),
}

impl Store {
    /// Claims the database for this daemon, or refuses when another one has it.
    pub async fn claim_alone(database: &Database) -> Result<Alone, StoreError> {
        let taken = || StoreError::Taken { database: database.describe() };
        let claim = match database {
            Database::Sqlite(path) => {
                let mut name = path.clone().into_os_string();
                name.push(".lock");
                let open = |source| StoreError::Open { database: database.describe(), source: sqlx::Error::Io(source) };
                let file = File::options().create(true).truncate(false).write(true).open(name).map_err(open)?;
                match file.try_lock() {
                    Ok(()) => Claim::File(file),
                    Err(TryLockError::WouldBlock) => return Err(taken()),
                    Err(TryLockError::Error(source)) => return Err(open(source)),
                }
            }
            Database::Postgres(url) => {
                sqlx::any::install_default_drivers();
                let open = |source| StoreError::Open { database: database.describe(), source };
                let mut session = AnyConnection::connect(url).await.map_err(open)?;
                let got: bool = sqlx::query_scalar(sql!("claim_alone"))
                    .fetch_one(&mut session)
                    .await
                    .map_err(StoreError::at("claim_alone"))?;
                if !got {
                    return Err(taken());
                }
                Claim::Session(session)
            }
        };
        Ok(Alone { _claim: claim })
    }
}
