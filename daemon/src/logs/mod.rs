//! Log files: one folder an attempt, `<dir>/<build>/<job>/<attempt>/`, with three append-only files.
//! Must not know engines, builds' states, sockets, or what the bytes mean. Files, never database rows.
//!
//! * `log`: the bytes, exactly as they were appended. Of a finished log they are later kept as `log.zst` instead, compressed
//!   in blocks of which each can be read by itself ([`packed`]); how one takes the other's place: [`compress`].
//! * `index`: where lines start, sparsely ([`index`]): any line is a binary search and a scan of at most 64 KiB away.
//! * `marks`: who wrote which bytes when, and from which frame position to go on after a crash ([`marks`]).
//!
//! A change is written in the order log, index, marks: the mark is the commit. Whatever lies beyond the last mark does not
//! exist, and is cut off when the log is next opened ([`recover`]). Readers are told by the writer, in this process, how
//! far the files are valid ([`watch`]); they never look further. One daemon owns the folder: nobody else writes there.
//! *Invariant:* reading never asks in which form the bytes are; only `files` knows.
//!
//! A notice, the daemon's or the runner's own line, lies in `log` between the steps' bytes, and starts with a line feed of
//! its own when a step's line was open. Its mark says that it is one, so the steps' exact bytes remain known, and with them
//! the sum that the runner's is compared with ([`LogWriter::output_sha256`]).

mod compress; // finished logs change their form
mod files; // the three files of one attempt
mod hits; // what was found, for who asks again
mod index;
mod lines; // line by line, with step and time
mod literals; // what a pattern cannot match without
mod listing; // what is on the disk
mod marks;
mod packed; // the compressed form
mod reader;
mod records; // files of fixed-size records
mod recover;
mod search;
mod map; // how many lines match, and where
mod sum; // end to end, changing nothing
mod view; // only some of the lines
mod watch;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::{fs, io};

use windlass_protocol::id::AttemptId;

pub use listing::StoredLog;
pub use map::LogMap;
pub use reader::{Head, LogReader, StepStart};
pub use search::{BadPattern, Found, Pattern, Search};
pub use sum::Sum;
pub use view::{Look, Rows, View};
pub use watch::LogWatch;
pub use writer::{LogSummary, LogWriter};

use crate::attempt_dirs;
use crate::shortage::is_shortage;

use files::Files;
use hits::Hits;
use watch::Extent;

/// How much of one attempt's output is kept unless the operator says otherwise.
pub const DEFAULT_CAP: u64 = 64 << 20;

/// What went wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{job:?} cannot be a job's name")]
    BadName { job: String },
    #[error("{id} has no log")]
    Missing { id: AttemptId },
    #[error("the log of {id} is being written")]
    Busy { id: AttemptId },
    #[error("the log of {id} is finished")]
    Finished { id: AttemptId },
    /// The disk did not keep what was written. Nothing of the log that can still be read is wrong.
    #[error("the log in {path} is damaged")]
    Damaged {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl LogError {
    /// No room on the disk, or no quota: nothing is broken, the same call may succeed later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// The same call may succeed later by itself: nothing has to be mended first.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. }) || matches!(self, Self::Io { source, .. } if is_shortage(source))
    }

    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_damage(&source) { Self::Damaged { path, source } } else { Self::Io { what, path, source } }
    }
}

/// All logs. Clones are the same store.
#[derive(Debug, Clone)]
pub struct LogStore {
    dir: PathBuf,
    cap: Option<u64>,
    /// What is known of logs that somebody writes, reads or watches just now.
    known: Arc<Mutex<HashMap<AttemptId, Weak<Shared>>>>,
}

/// What the writer, the readers and the watchers of one log share.
#[derive(Debug)]
struct Shared {
    /// Held while the files are opened, recovered, removed, or exchanged for their compressed form.
    usage: Mutex<Usage>,
    extent: watch::Sender,
    /// How often the log was removed: who opened it before reads files that are none any more.
    removals: AtomicU64,
    hits: Hits,
}

/// Who is at a log's files, besides readers.
#[derive(Debug, Default)]
struct Usage {
    /// A writer exists.
    written: bool,
    /// The turn of the one who compresses the log. Whoever changes the files takes it away.
    compressing: Option<u64>,
    turns: u64,
}

impl LogStore {
    /// `dir` is the folder for all logs; it is made if missing.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LogError> {
        let dir = dir.into();
        files::make_folder(&dir).map_err(|source| LogError::io("make folder", &dir, source))?;
        Ok(Self { dir, cap: Some(DEFAULT_CAP), known: Arc::default() })
    }

    /// Another cap on the bytes kept of one attempt; `None`: no cap. Holds for writers made from here on.
    #[must_use]
    pub fn with_cap(self, cap: Option<u64>) -> Self {
        Self { cap, ..self }
    }

    /// Makes the log, or opens it again where its last complete append ended. One writer at a time.
    pub fn writer(&self, id: &AttemptId) -> Result<LogWriter, LogError> {
        let folder = self.folder(id)?;
        let shared = self.shared(id);
        let mut usage = lock(&shared.usage);
        if usage.written {
            return Err(LogError::Busy { id: id.clone() });
        }
        let failed = |source| LogError::io("open the log in", &folder, source);
        let files = {
            let _folders = lock(&self.known); // nobody removes an empty parent just now
            Files::create(&folder).map_err(failed)?
        };
        usage.compressing = None;
        files::remove_leftovers(&folder, &files.log);
        let recovered = recover::recover(&files, true).map_err(failed)?;
        usage.written = true;
        shared.hits.forget();
        drop(usage);
        Ok(LogWriter::new(id.clone(), files, recovered, self.cap, shared))
    }

    /// Reads a log, finished or growing. It may be kept: it sees what is appended later.
    pub fn reader(&self, id: &AttemptId) -> Result<LogReader, LogError> {
        let folder = self.folder(id)?;
        let shared = self.shared(id);
        let usage = lock(&shared.usage);
        let (files, _) = open(id, &folder, &shared, &usage)?;
        let reader = LogReader::new(id.clone(), files, Arc::clone(&shared));
        drop(usage);
        Ok(reader)
    }

    /// Wakes when the log changes. Works before the log exists, too. Subscribe first, then read: nothing is missed.
    pub fn watch(&self, id: &AttemptId) -> LogWatch {
        LogWatch::new(self.shared(id))
    }

    /// Deletes a log that nobody writes; fine if there is none. Readers of it keep what they have open.
    pub fn remove(&self, id: &AttemptId) -> Result<(), LogError> {
        let folder = self.folder(id)?;
        let shared = self.shared(id);
        let mut usage = lock(&shared.usage);
        if usage.written {
            return Err(LogError::Busy { id: id.clone() });
        }
        usage.compressing = None;
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(LogError::io("remove", &folder, source));
            }
            _ => {}
        }
        shared.removals.fetch_add(1, Ordering::Release);
        shared.extent.set(None);
        shared.hits.forget();
        // The job's and the build's folders go with their last log; with others in them, they stay.
        let _folders = lock(&self.known);
        attempt_dirs::remove_empty_parents(&folder);
        Ok(())
    }

    fn folder(&self, id: &AttemptId) -> Result<PathBuf, LogError> {
        attempt_dirs::path(&self.dir, id).ok_or_else(|| LogError::BadName { job: id.job.clone() })
    }

    fn shared(&self, id: &AttemptId) -> Arc<Shared> {
        let mut known = lock(&self.known);
        if let Some(shared) = known.get(id).and_then(Weak::upgrade) {
            return shared;
        }
        known.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared {
            usage: Mutex::default(),
            extent: watch::Sender::new(),
            removals: AtomicU64::new(0),
            hits: Hits::default(),
        });
        known.insert(id.clone(), Arc::downgrade(&shared));
        shared
    }
}

/// Opens a log for reading, and makes sure that its extent is known.
fn open(id: &AttemptId, folder: &Path, shared: &Shared, usage: &Usage) -> Result<(Files, Extent), LogError> {
    let files = Files::open(folder).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => LogError::Missing { id: id.clone() },
        _ => LogError::io("open the log in", folder, source),
    })?;
    if usage.compressing.is_none() {
        files::remove_leftovers(folder, &files.log);
    }
    if let Some(extent) = shared.extent.get() {
        return Ok((files, extent));
    }
    let failed = |source| LogError::io("read the log in", folder, source);
    let extent = match recover::finished(&files).map_err(failed)? {
        Some(extent) => extent,
        // Nobody has written it since the daemon was killed: put it in order first, as the writer would.
        None => recover::recover(&Files::create(folder).map_err(failed)?, false).map_err(failed)?.extent,
    };
    shared.extent.set(Some(extent));
    Ok((files, extent))
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Files that hold something else than they must, or less of it.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// What these locks guard is valid at every moment, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
