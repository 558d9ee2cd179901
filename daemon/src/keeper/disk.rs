//! What lies on the disk: sizes of logs, mirrors and archives, and when they were last used. Reads folders, changes nothing.
//! Must not know what is to go.

use std::fs::{DirEntry, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use windlass_protocol::id::AttemptId;

/// The folder of one attempt's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFolder {
    pub id: AttemptId,
    /// Room that it takes on the disk.
    pub bytes: u64,
    /// Since anything in it was last written.
    pub idle: Duration,
}

/// A mirror or a source archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    pub path: PathBuf,
    pub bytes: u64,
    /// Since it was last used, as far as its files tell.
    pub idle: Duration,
}

/// All logs below a folder `<build>/<job>/<attempt>/`, by their attempts.
#[must_use]
pub fn logs(dir: &Path) -> Vec<LogFolder> {
    let mut found = Vec::new();
    for build in folders(dir) {
        let Some(number) = name(&build).parse().ok() else { continue };
        for job in folders(&build.path()) {
            for attempt in folders(&job.path()) {
                let Ok(attempt_number) = name(&attempt).parse() else { continue };
                let (bytes, idle) = measure(&attempt.path(), 1);
                let id = AttemptId { build: number, job: name(&job), attempt: attempt_number };
                found.push(LogFolder { id, bytes, idle });
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// Mirrors, the one unused for longest first.
#[must_use]
pub fn mirrors(dir: &Path) -> Vec<Cached> {
    let used = |mirror: &DirEntry| {
        let path = mirror.path();
        let (bytes, _) = measure(&path, 16);
        // Each commit that is fetched adds a file here; git touches the other places.
        let places = [path.join("refs/windlass"), path.join("refs/windlass-names"), path.join("objects"), path.clone()];
        let idle = places.iter().filter_map(|place| place.metadata().ok()).map(|seen| idle(&seen)).min();
        Cached { path, bytes, idle: idle.unwrap_or_default() }
    };
    let mut found: Vec<Cached> = folders(dir).iter().filter(|entry| name(entry).ends_with(".git")).map(used).collect();
    found.sort_by_key(|mirror| std::cmp::Reverse(mirror.idle));
    found
}

/// Room that everything below a folder takes.
#[must_use]
pub fn size(dir: &Path) -> u64 {
    measure(dir, 16).0
}

fn folders(dir: &Path) -> Vec<DirEntry> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).collect()
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

/// Room taken, and the time since the last change.
fn measure(dir: &Path, depth: u32) -> (u64, Duration) {
    let mut bytes = 0;
    let mut least = Duration::MAX;
    let Ok(entries) = std::fs::read_dir(dir) else { return (0, Duration::ZERO) };
    for entry in entries.flatten() {
        // Of a link itself, never of what it points at.
        let Ok(seen) = entry.metadata() else { continue };
        least = least.min(idle(&seen));
        if seen.is_dir() {
            if depth > 0 {
                let (more, since) = measure(&entry.path(), depth - 1);
                bytes += more;
                least = least.min(since);
            }
        } else {
            bytes += seen.blocks() * 512;
        }
    }
    (bytes, least)
}

fn idle(seen: &Metadata) -> Duration {
    let changed = seen.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    changed.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_found_by_their_folders_and_nothing_else_is() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for path in ["7/test/1", "7/test/2", "10/a.b/1", "x/test/1", "7/test/none"] {
            std::fs::create_dir_all(dir.path().join(path)).expect("a folder");
            std::fs::write(dir.path().join(path).join("log"), vec![b'x'; 10_000]).expect("a file");
        }
        let found = logs(dir.path());
        let ids: Vec<String> = found.iter().map(|log| log.id.to_string()).collect();
        assert_eq!(ids, ["7/test#1", "7/test#2", "10/a.b#1"]);
        assert!(found.iter().all(|log| log.bytes >= 10_000), "{found:?}");
        assert!(logs(&dir.path().join("nowhere")).is_empty());
    }
}
