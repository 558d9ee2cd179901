//! Everything in one file, and back: a tar archive compressed with zstd that holds a consistent copy of the database and the
//! logs and artifacts of attempts that were finished in it. The manifest comes last and names the size and SHA-256 of every member, so the
//! archive is written and checked in one go. Restoring checks everything before anything is in place.
//!
//! Who the data folder is to the engine is left out: what is restored beside a daemon that still works must not take its
//! containers for leftovers.

mod postgres; // pg_dump and pg_restore
mod read; // check
mod restore; // put in place

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;

pub use self::read::verify;
pub use self::restore::restore;
use crate::attempt_dirs;
use crate::clock;
use crate::config::{Config, Database};
use crate::data_dir::known_owner;
use crate::logs::LogStore;
use crate::secret::random_token;
use crate::store::{Counts, KeptArtifacts, Store, newest_schema};

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this layout: 1.
    pub format: u32,
    /// The windlassd that wrote it.
    pub windlass: String,
    /// The newest migration in the database.
    pub schema: i64,
    /// `sqlite` or `postgres`.
    pub database: String,
    pub made_at: Timestamp,
    pub with_secrets: bool,
    pub counts: Counts,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
}

const FORMAT: u32 = 1;
/// What every backup begins with.
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const MANIFEST: &str = "manifest.json";
const SQLITE: &str = "database.sqlite";
const POSTGRES: &str = "database.pgdump";

/// What a copy of the database is called while it is being made, in the data folder.
const COPY: (&str, &str) = ("backup-", ".part");
const COPY_TOKEN: usize = 12;

/// Whether a file is called so, or is what SQLite keeps beside such a one.
#[must_use]
pub fn is_copy(name: &str) -> bool {
    let token = name.strip_prefix(COPY.0).and_then(|rest| rest.split_at_checked(COPY_TOKEN));
    token.is_some_and(|(token, rest)| {
        let beside = rest.strip_prefix(COPY.1);
        token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && beside.is_some_and(|beside| ["", "-journal", "-wal"].contains(&beside))
    })
}

/// Told what is being done, now and then; an error from it ends the work, which then leaves nothing half-made.
pub type Progress<'a> = &'a mut dyn FnMut(&str) -> anyhow::Result<()>;

/// Why there is no backup, or none restored.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The data folder is not as it has to be.
    #[error("{0}")]
    Data(String),
    /// The database is not as it has to be.
    #[error("{0}")]
    Database(String),
    /// The backup is not as it has to be.
    #[error("{0}")]
    File(String),
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub with_secrets: bool,
    /// What is restored knows of artifacts, and does not have them.
    pub without_artifacts: bool,
    /// Take the place of a file that is there.
    pub replace: bool,
}

/// Writes the backup, and checks what was written; a daemon may work meanwhile. The file appears whole or not at all.
pub async fn backup(
    config: &Config,
    file: &Path,
    options: Options,
    progress: Progress<'_>,
) -> anyhow::Result<Manifest> {
    may_be_written(config, file, options.replace)?;
    let health = Store::health(&config.database).await?;
    let refused = |what: String| anyhow::Error::new(Refused::Database(what));
    if !health.missing.is_empty() || !health.unknown.is_empty() {
        return Err(refused(format!(
            "the database has schema {}, this windlassd has {}: use the windlassd that it belongs to",
            health.schema,
            newest_schema()
        )));
    }
    if !health.damage.is_empty() {
        let damage = health.damage.join("; ");
        return Err(refused(format!("the database is damaged: {damage}; `windlassd doctor` says what to do")));
    }
    // Beside what it copies: both are as private, and there is room for one as for the other.
    let copy = Temporary(config.data_dir.join(format!("{}{}{}", COPY.0, &random_token()[..COPY_TOKEN], COPY.1)));
    progress("copying the database")?;
    let (name, kind, Contents { counts, finished, kept }) = match &config.database {
        Database::Sqlite(path) => {
            Store::copy_sqlite(path, &copy.0).await?;
            let copy = Database::Sqlite(copy.0.clone());
            let contents = contents(config, &copy).await?;
            disown(&copy).await?;
            (SQLITE, "sqlite", contents)
        }
        Database::Postgres(url) => {
            // Asked before the copy is made: what is finished now is so in the copy.
            let contents = contents(config, &config.database).await?;
            postgres::dump(url, &copy.0)?;
            (POSTGRES, "postgres", contents)
        }
    };
    let partial = Temporary(with_suffix(file, &format!(".{}.part", &random_token()[..8])));
    let mut archive = Archive::create(&partial.0)?;
    archive.file(name, &copy.0)?;
    drop(copy);
    archive_logs(&mut archive, config, &finished, progress)?;
    if !options.without_artifacts {
        archive_artifacts(&mut archive, config, &kept, progress)?;
    }
    if options.with_secrets {
        archive_secrets(&mut archive, config)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        windlass: env!("CARGO_PKG_VERSION").to_owned(),
        schema: health.schema,
        database: kind.to_owned(),
        made_at: clock::now(),
        with_secrets: options.with_secrets,
        counts,
        members: std::mem::take(&mut archive.members),
    };
    archive.finish(&manifest)?;
    // What the disk kept, not what was sent to it.
    let kept = verify(&partial.0, progress)?;
    if kept != manifest {
        return Err(Refused::File(format!("{} was not kept as it was written", file.display())).into());
    }
    may_be_written(config, file, options.replace)?;
    let named = match options.replace {
        true => std::fs::rename(&partial.0, file),
        false => name_new(&partial.0, file),
    };
    named.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists_already(file).into(),
        _ => told(&format!("cannot make {}", file.display()), error),
    })?;
    File::open(folder_of(file))?.sync_all()?;
    Ok(manifest)
}

/// Neither one of the daemon's own files nor anything but a backup is written over.
fn may_be_written(config: &Config, file: &Path, replace: bool) -> anyhow::Result<()> {
    let refused = |what: String| Err(Refused::File(what).into());
    let shown = file.display();
    let real = |path: &Path| match (std::fs::canonicalize(folder_of(path)), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    };
    let (to, data) = (real(file), std::fs::canonicalize(&config.data_dir));
    if data.is_ok_and(|data| to.starts_with(data)) {
        return refused(format!("{shown} is in the data folder, which is the daemon's own: name a file elsewhere"));
    }
    if let Database::Sqlite(path) = &config.database
        && sqlite_files(path).iter().any(|of_database| real(of_database) == to)
    {
        return refused(format!("{shown} is the database: name another file"));
    }
    match std::fs::symlink_metadata(file) {
        Err(_) => Ok(()), // what cannot be made is told when it is
        Ok(_) if !replace => Err(exists_already(file).into()),
        Ok(there) if there.is_file() && begins_as_one(file) => Ok(()),
        Ok(_) => refused(format!("{shown} is there and no backup: --force only replaces a backup")),
    }
}

fn exists_already(file: &Path) -> Refused {
    Refused::File(format!("{} exists already: name a new file, or say --force", file.display()))
}

fn begins_as_one(file: &Path) -> bool {
    let mut begin = [0; ZSTD.len()];
    File::open(file).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == ZSTD
}

/// Gives it a name that nothing has, even if somebody else tries the same at this moment.
fn name_new(partial: &Path, file: &Path) -> io::Result<()> {
    match std::fs::hard_link(partial, file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // Not every file system has links.
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
            std::fs::rename(partial, file)
        }
        done => done,
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What is restored belongs to the data folder that it is restored into.
async fn disown(copy: &Database) -> anyhow::Result<()> {
    let store = Store::open(copy).await?;
    store.belong_to_nobody().await?;
    store.close().await;
    Ok(())
}

/// What belongs to a database.
struct Contents {
    counts: Counts,
    /// Attempts that have a log.
    finished: BTreeSet<AttemptId>,
    /// Attempts whose artifacts are there.
    kept: Vec<AttemptId>,
}

/// That of another data folder's database is not here.
async fn contents(config: &Config, database: &Database) -> anyhow::Result<Contents> {
    const PAGE: u32 = 1000;
    let store = Store::open(database).await?;
    store.is_of(known_owner(&config.data_dir).as_deref()).await?;
    let counts = store.counts().await?;
    let mut finished: BTreeSet<AttemptId> = store.removed_logs().await?.into_iter().map(|log| log.id).collect();
    let mut after = None;
    loop {
        let page = store.finished_logs(after.as_ref(), PAGE).await?;
        let Some(last) = page.last().cloned() else { break };
        finished.extend(page.into_iter().map(|log| log.id));
        after = Some(last);
    }
    let mut kept: Vec<KeptArtifacts> = Vec::new();
    loop {
        let page = store.kept_artifacts(kept.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        kept.extend(page);
    }
    store.close().await;
    Ok(Contents { counts, finished, kept: kept.into_iter().map(|of| of.id).collect() })
}

fn archive_logs(
    archive: &mut Archive,
    config: &Config,
    finished: &BTreeSet<AttemptId>,
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let logs = config.data_dir.join("logs");
    let ids: Vec<AttemptId> = match logs.exists() {
        true => LogStore::open(&logs)?.list()?.into_iter().map(|log| log.id).collect(),
        false => Vec::new(),
    };
    let ids: Vec<AttemptId> = ids.into_iter().filter(|id| finished.contains(id)).collect();
    for (done, id) in ids.iter().enumerate() {
        progress(&format!("copying logs: {done} of {}", ids.len()))?;
        let below = format!("{}/{}/{}", id.build, id.job, id.attempt);
        let mut tries = 0;
        loop {
            match archive.folder(&format!("logs/{below}"), &logs.join(&below)) {
                // It was compressed, or removed with its build, while it was read: look again.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 3 => tries += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                other => break other.map_err(|error| told(&format!("the log of {id} cannot be copied"), error))?,
            }
        }
    }
    Ok(())
}

fn archive_artifacts(
    archive: &mut Archive,
    config: &Config,
    kept: &[AttemptId],
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let dir = config.data_dir.join("artifacts");
    for (done, id) in kept.iter().enumerate() {
        progress(&format!("copying artifacts: of {done} attempts of {}", kept.len()))?;
        let Some(folder) = attempt_dirs::path(&dir, id) else { continue };
        match archive.folder(&format!("artifacts/{}/{}/{}", id.build, id.job, id.attempt), &folder) {
            // Removed to make room, or with its build, while it was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|error| told(&format!("the artifacts of {id} cannot be copied"), error))?,
        }
    }
    Ok(())
}

fn archive_secrets(archive: &mut Archive, config: &Config) -> anyhow::Result<()> {
    for (number, secret) in (1..).zip(&config.webhook_secrets) {
        archive.bytes(&format!("secrets/webhook-{number}.secret"), secret.expose_secret().as_bytes())?;
    }
    if let Some((certificate, key)) = config.control.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref()) {
        archive.file("secrets/control.crt", certificate)?;
        archive.file("secrets/control.key", key)?;
    }
    if let Some(file) = &config.file {
        archive.file("secrets/windlassd.toml", file)?;
    }
    Ok(())
}

fn told(what: &str, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(what.to_owned())
}

/// An SQLite database, and what it keeps beside it.
fn sqlite_files(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|suffix| with_suffix(path, suffix))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removed when it goes, if it is still there.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Archive {
    tar: tar::Builder<zstd::Encoder<'static, BufWriter<File>>>,
    members: Vec<Member>,
    /// What is inside by now: whatever was begun is never written a second time.
    names: BTreeSet<String>,
}

impl Archive {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let open = || {
            // Logs and tokens: nobody else's business.
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            zstd::Encoder::new(BufWriter::with_capacity(1 << 20, file), 3)
        };
        let encoder = open().map_err(|error| told(&format!("{} cannot be written", path.display()), error))?;
        Ok(Self { tar: tar::Builder::new(encoder), members: Vec::new(), names: BTreeSet::new() })
    }

    fn file(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        self.append(name, bytes, file)
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.append(name, bytes.len() as u64, bytes)
    }

    fn folder(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let mut files: Vec<_> = std::fs::read_dir(path)?.collect::<io::Result<_>>()?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for entry in files {
            let member = format!("{name}/{}", entry.file_name().to_string_lossy());
            // A compression that is not done yet has nothing that its log does not have.
            if entry.file_type()?.is_file() && !member.ends_with(".new") && !self.names.contains(&member) {
                self.file(&member, &entry.path())?;
            }
        }
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: u64, from: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(0);
        let mut hashing = Hashing { from: from.take(bytes), hash: Sha256::new(), read: 0 };
        self.tar.append_data(&mut header, name, &mut hashing)?;
        if hashing.read != bytes {
            return Err(io::Error::other(format!("{name} became shorter while it was read")));
        }
        self.names.insert(name.to_owned());
        self.members.push(Member { name: name.to_owned(), bytes, sha256: hex::encode(hashing.hash.finalize()) });
        Ok(())
    }

    fn finish(mut self, manifest: &Manifest) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(manifest)?;
        self.bytes(MANIFEST, &text)?;
        let mut file = self.tar.into_inner()?.finish()?;
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(())
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    from: R,
    hash: Sha256,
    read: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.read += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_backup_is_written_over() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let text = "data_dir = \"data\"\n[database]\nurl = \"sqlite:../elsewhere.db\"\n";
        let configuration = home.path().join("windlassd.toml");
        std::fs::write(&configuration, text).expect("written");
        let overrides =
            crate::config::Overrides { config: Some(configuration.clone()), ..crate::config::Overrides::default() };
        let config = crate::config::load(&overrides).expect("it is right");
        std::fs::create_dir_all(config.data_dir.join("logs")).expect("made");
        let Database::Sqlite(database) = &config.database else { panic!("not the database that was named") };
        let (old, link) = (home.path().join("old"), home.path().join("link"));
        std::fs::write(&old, [&ZSTD[..], b"rest"].concat()).expect("written");
        std::os::unix::fs::symlink(&old, &link).expect("made");
        let new = home.path().join("new");
        let words = |file: &Path, replace| may_be_written(&config, file, replace).err().map(|error| error.to_string());
        assert_eq!((words(&new, false), words(&new, true), words(&old, true)), (None, None, None));
        for (file, replace, expected) in [
            (old.clone(), false, "exists already"),
            (configuration, true, "no backup"),
            (link, true, "no backup"),
            (home.path().to_owned(), true, "no backup"),
            (config.data_dir.join("new"), false, "in the data folder"),
            (config.data_dir.join("logs/../new"), true, "in the data folder"),
            (database.clone(), true, "is the database"),
            (with_suffix(database, "-wal"), false, "is the database"),
        ] {
            let said = words(&file, replace);
            assert!(said.as_ref().is_some_and(|said| said.contains(expected)), "{}: {said:?}", file.display());
        }
        name_new(&old, &new).expect("nothing is there");
        assert_eq!(name_new(&old, &new).expect_err("it is taken").kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn only_copies_of_ours_are_called_so() {
        for ours in ["backup-0123456789ab.part", "backup-0123456789ab.part-wal", "backup-0123456789ab.part-journal"] {
            assert!(is_copy(ours), "{ours}");
        }
        for others in [
            "backup-friday.part",
            "backup-0123456789ab.part1",
            "backup-0123456789ab.partial",
            "backup-0123456789ab",
            "backup-0123456789abc.part",
            "backup-0123456789aé.part",
            "backup-2026-11-29.tar.part",
        ] {
            assert!(!is_copy(others), "{others}");
        }
    }
}
