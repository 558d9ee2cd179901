//! What is on the disk: every log, its size, and which of them could be smaller. Looks at folders and sizes, and believes
//! nothing else: what is not named like a log is not one. Must not know why logs are kept or removed.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use windlass_protocol::id::AttemptId;

use super::compress::LEAST;
use super::files::{MARKS, PLAIN};
use super::marks::{Kind, Mark};
use super::records::Records;
use super::{LogError, LogStore};
use crate::attempt_dirs::{self, idle, taken};

/// A log on the disk, in whatever state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    pub id: AttemptId,
    /// What it takes of the disk, all its files together.
    pub bytes: u64,
    /// Its length, where it is not compressed.
    pub plain: Option<u64>,
    /// Since anything of it was written.
    pub idle: Duration,
}

impl LogStore {
    /// Every log on the disk, in order. What goes away meanwhile, what cannot be looked at, and what is no log is left out.
    pub fn list(&self) -> Result<Vec<StoredLog>, LogError> {
        let stored = |(id, path): (AttemptId, PathBuf)| {
            let bytes = taken(&path).ok()?;
            let plain = fs::symlink_metadata(path.join(PLAIN)).ok().filter(fs::Metadata::is_file).map(|log| log.len());
            Some(StoredLog { id, bytes, plain, idle: idle(&path) })
        };
        Ok(self.folders()?.into_iter().filter_map(stored).collect())
    }

    /// What a log takes of the disk, all its files together.
    pub fn size(&self, id: &AttemptId) -> Result<u64, LogError> {
        let folder = self.folder(id)?;
        taken(&folder).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => LogError::Missing { id: id.clone() },
            _ => LogError::io("look at the log in", &folder, source),
        })
    }

    /// Finished logs that [`LogStore::compress`] has not seen: what a daemon left that was killed. In order.
    pub fn uncompressed(&self) -> Result<Vec<AttemptId>, LogError> {
        let logs = self.folders()?;
        Ok(logs.into_iter().filter(|(_, path)| is_uncompressed(path).unwrap_or(false)).map(|(id, _)| id).collect())
    }

    /// The folders that are named as those of logs are.
    fn folders(&self) -> Result<Vec<(AttemptId, PathBuf)>, LogError> {
        attempt_dirs::list(&self.dir).map_err(|source| LogError::io("list the logs in", &self.dir, source))
    }
}

fn is_uncompressed(folder: &Path) -> io::Result<bool> {
    let log = fs::symlink_metadata(folder.join(PLAIN))?;
    if !log.is_file() || log.len() < LEAST {
        return Ok(false);
    }
    let marks: Records<Mark> = Records::new(fs::File::open(folder.join(MARKS))?);
    let Some(last) = marks.count()?.checked_sub(1) else { return Ok(false) };
    let last = marks.one(last)?;
    Ok(last.sound && last.kind == Kind::Finished && last.offset >= LEAST)
}
