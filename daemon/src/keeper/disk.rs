//! What mirrors and archives take of the disk, and when they were last used. Reads folders, changes nothing. Must not know
//! what is to go.

use std::fs::{DirEntry, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A mirror or a source archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    pub path: PathBuf,
    pub bytes: u64,
    /// Since it was last used, as far as its files tell.
    pub idle: Duration,
}

/// Mirrors, the one unused for longest first.
#[must_use]
pub fn mirrors(dir: &Path) -> Vec<Cached> {
    let used = |mirror: &DirEntry| {
        let path = mirror.path();
        let bytes = measure(&path, 16);
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
    measure(dir, 16)
}

fn folders(dir: &Path) -> Vec<DirEntry> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).collect()
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

/// Room taken.
fn measure(dir: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    // Of a link itself, never of what it points at.
    let seen = entries.flatten().filter_map(|entry| Some((entry.metadata().ok()?, entry)));
    seen.map(|(seen, entry)| match seen.is_dir() {
        true if depth > 0 => measure(&entry.path(), depth - 1),
        true => 0,
        false => seen.blocks() * 512,
    })
    .sum()
}

fn idle(seen: &Metadata) -> Duration {
    let changed = seen.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    changed.elapsed().unwrap_or_default()
}
