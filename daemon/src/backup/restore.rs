//! Puts a backup in place: into a data folder that is empty, and a database that holds nothing. It is unpacked and checked
//! inside of the folder, which may be a mount or belong to another user than the folder around it; then names change, in a
//! moment. Must not know what an archive looks like.

use std::path::{Path, PathBuf};

use super::read::{private_folder, read};
use super::{Manifest, POSTGRES, Progress, Refused, SQLITE, postgres, told};
use crate::config::{Config, Database};
use crate::data_dir::{self, Held, LOCK, RESTORING};
use crate::store::{Store, newest_schema};

/// Checks everything first; what is refused leaves nothing behind.
pub async fn restore(config: &Config, file: &Path, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    let data = &config.data_dir;
    let place = Place::take(data)?;
    // Postgres: nobody else begins with it meanwhile. An SQLite that is not there yet is nobody's.
    let _alone = match &config.database {
        Database::Sqlite(path) if path.exists() => {
            let what = format!("the database {} exists already: move it away, and restore again", path.display());
            return Err(Refused::Database(what).into());
        }
        Database::Sqlite(_) => None,
        Database::Postgres(_) => {
            if Store::health(&config.database).await?.schema > 0 {
                let describe = config.database.describe();
                let what = format!("the database {describe} holds a Windlass already: name an empty one");
                return Err(Refused::Database(what).into());
            }
            Some(Store::claim_alone(&config.database).await?)
        }
    };
    let manifest = read(file, Some(&place.unpacked), progress)?;
    let kind = match &config.database {
        Database::Sqlite(_) => "sqlite",
        Database::Postgres(_) => "postgres",
    };
    if manifest.database != kind {
        let what = format!(
            "the backup is of a {} database, but database.url names a {kind} one: change it, and restore again",
            manifest.database
        );
        return Err(Refused::Database(what).into());
    }
    progress("putting it in place")?;
    match &config.database {
        Database::Sqlite(path) => {
            let copy = place.unpacked.join(SQLITE);
            let health = Store::health(&Database::Sqlite(copy.clone())).await?;
            if !health.damage.is_empty() || health.schema != manifest.schema || health.schema > newest_schema() {
                let what = format!("the database in {} is damaged: {}", file.display(), health.damage.join("; "));
                return Err(Refused::File(what).into());
            }
            put(&copy, path)?;
        }
        Database::Postgres(url) => {
            let copy = place.unpacked.join(POSTGRES);
            postgres::load(url, &copy)?;
            std::fs::remove_file(&copy)?;
        }
    }
    place.fill(data)?;
    Ok(manifest)
}

/// Under its name, also on another file system.
fn put(copy: &Path, path: &Path) -> anyhow::Result<()> {
    let failed = |error| told(&format!("{} cannot be written", path.display()), error);
    if let Some(parent) = path.parent() {
        private_folder(parent).map_err(failed)?;
    }
    if std::fs::rename(copy, path).is_err() {
        std::fs::copy(copy, path).and_then(|_| std::fs::remove_file(copy)).map_err(failed)?;
    }
    Ok(())
}

/// An empty data folder that nobody else uses, and in it what is being unpacked. Given back as it was, unless filled.
struct Place {
    unpacked: PathBuf,
    /// It was not there before.
    made: Option<PathBuf>,
    _held: Held,
}

impl Place {
    fn take(data: &Path) -> anyhow::Result<Self> {
        let made = (!data.exists()).then(|| data.to_owned());
        let held = data_dir::hold(data)?;
        let unpacked = data.join(RESTORING);
        let entries = std::fs::read_dir(data)?.flatten().map(|entry| entry.file_name());
        let others: Vec<_> = entries.filter(|name| name != LOCK && name != RESTORING).collect();
        if !others.is_empty() {
            let what = format!(
                "the data folder {} is not empty: stop its windlassd, move the folder away, and restore again",
                data.display()
            );
            return Err(Refused::Data(what).into());
        }
        // Of a restore that was killed before it put anything in place.
        if unpacked.exists() {
            std::fs::remove_dir_all(&unpacked)?;
        }
        private_folder(&unpacked)?;
        Ok(Self { unpacked, made, _held: held })
    }

    /// What was unpacked gets its names. The folder that says so goes last.
    fn fill(mut self, data: &Path) -> anyhow::Result<()> {
        self.made = None;
        for entry in std::fs::read_dir(&self.unpacked)? {
            let entry = entry?;
            let to = data.join(entry.file_name());
            std::fs::rename(entry.path(), &to)
                .map_err(|error| told(&format!("{} cannot be put in place", to.display()), error))?;
        }
        std::fs::remove_dir(&self.unpacked)?;
        std::fs::File::open(data)?.sync_all()?;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.unpacked);
        if let Some(made) = &self.made {
            let _ = std::fs::remove_file(made.join(LOCK));
            let _ = std::fs::remove_dir(made);
        }
    }
}
