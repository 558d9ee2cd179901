//! Puts a backup in place: into a data folder that is empty, and a database that holds nothing. It is unpacked and checked
//! inside of the folder, which may be a mount or belong to another user than the folder around it; then names change, in a
//! moment. Must not know what an archive looks like.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::read::{private_folder, read};
use super::{Manifest, POSTGRES, Progress, Refused, SQLITE, Temporary, postgres, sqlite_files, told, with_suffix};
use crate::config::{Config, Database};
use crate::data_dir::{self, Held, LOCK, RESTORING};
use crate::store::{Store, newest_schema};

/// Checks everything first; what is refused leaves nothing behind.
pub async fn restore(config: &Config, file: &Path, progress: Progress<'_>) -> anyhow::Result<Manifest> {
    let data = &config.data_dir;
    let place = Place::take(data)?;
    // Postgres: nobody else begins with it meanwhile. An SQLite that is not there yet is nobody's.
    let _alone = match &config.database {
        Database::Sqlite(path) => {
            nothing_there(path)?;
            None
        }
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
            nothing_there(path)?;
            put(&copy, path)?;
            let placed = Store::health(&config.database).await?;
            if !placed.damage.is_empty() || placed.counts != Some(manifest.counts) {
                std::fs::remove_file(path)?;
                let what = format!("the database {} did not become that of the backup: restore again", path.display());
                return Err(Refused::Database(what).into());
            }
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

/// Neither the database nor what SQLite would read together with it: a log that another one left is replayed over this one.
fn nothing_there(path: &Path) -> Result<(), Refused> {
    let there = sqlite_files(path).into_iter().filter(|file| std::fs::symlink_metadata(file).is_ok());
    let there: Vec<String> = there.map(|file| file.display().to_string()).collect();
    match there.as_slice() {
        [] => Ok(()),
        [one] => Err(Refused::Database(format!("the database {one} exists already: move it away, and restore again"))),
        many => {
            let what = format!("the database exists already: move {} away, and restore again", many.join(" and "));
            Err(Refused::Database(what))
        }
    }
}

/// Under its name, whole or not at all, also on another file system.
fn put(copy: &Path, path: &Path) -> anyhow::Result<()> {
    let failed = |error| told(&format!("{} cannot be written", path.display()), error);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private_folder(parent).map_err(failed)?;
    if std::fs::rename(copy, path).is_err() {
        let partial = Temporary(with_suffix(path, ".part"));
        let written = || {
            std::fs::copy(copy, &partial.0)?;
            File::open(&partial.0)?.sync_all()?;
            std::fs::rename(&partial.0, path)
        };
        written().map_err(failed)?;
    }
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
    // Still there when it was copied.
    match std::fs::remove_file(copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Nothing is in the folder but what a restore may leave that was killed.
fn empty(data: &Path) -> anyhow::Result<()> {
    let failed = |error| told(&format!("{} cannot be read", data.display()), error);
    for entry in std::fs::read_dir(data).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != LOCK && name != RESTORING {
            let what = format!(
                "the data folder {} is not empty: stop its windlassd, move the folder away, and restore again",
                data.display()
            );
            return Err(Refused::Data(what).into());
        }
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
        // Before it is touched: what is refused may be anybody's folder. Whoever works on it is told so first.
        if made.is_none() {
            if data_dir::is_held(data).unwrap_or(false) {
                drop(data_dir::hold(data)?);
            }
            empty(data)?;
        }
        let held = data_dir::hold(data)?;
        let unpacked = data.join(RESTORING);
        empty(data)?;
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
        File::open(data)?.sync_all()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_database_left_is_named() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join("windlass.db");
        nothing_there(&path).expect("there is nothing");
        std::fs::write(with_suffix(&path, "-wal"), "x").expect("written");
        std::os::unix::fs::symlink("nowhere", with_suffix(&path, "-journal")).expect("made");
        let error = nothing_there(&path).expect_err("it would be replayed").to_string();
        assert!(error.contains("windlass.db-wal and ") && error.contains("windlass.db-journal away"), "{error}");
    }

    #[test]
    fn an_empty_place_is_taken_and_a_full_one_is_not_touched() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().expect("a temporary folder");
        let data = home.path().join("data");
        std::fs::create_dir(&data).expect("made");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).expect("our own folder");
        std::fs::write(data.join("mine"), "x").expect("written");
        let refused = Place::take(&data).err().expect("it is not empty");
        assert!(matches!(refused.downcast_ref(), Some(Refused::Data(_))), "{refused}");
        assert_eq!(data.metadata().expect("there").permissions().mode() & 0o777, 0o755);
        assert!(!data.join(LOCK).exists());
        std::fs::remove_file(data.join("mine")).expect("removed");
        let place = Place::take(&data).expect("it is empty");
        assert!(place.unpacked.is_dir() && data_dir::is_held(&data).expect("looked"));
    }
}
