//! One folder for each attempt, `<dir>/<build>/<job>/<attempt>/`: how it is called, and which there are. Believes names and
//! nothing else: what is not called so is none. Must not know what is in them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use windlass_protocol::id::AttemptId;

/// The folder of an attempt below `dir`. `None`: its job's name cannot be one of a folder.
#[must_use]
pub fn path(dir: &Path, id: &AttemptId) -> Option<PathBuf> {
    let job = id.job.as_str();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = (1..=64).contains(&job.len()) && job.bytes().all(allowed) && job != "." && job != "..";
    good.then(|| dir.join(id.build.to_string()).join(job).join(id.attempt.to_string()))
}

/// All that are there, in order. What goes away meanwhile and what is called otherwise is left out.
pub fn list(dir: &Path) -> io::Result<Vec<(AttemptId, PathBuf)>> {
    let mut found = Vec::new();
    for (build, of_build) in within(dir)? {
        let Ok(build) = build.parse() else { continue };
        for (job, of_job) in within(&of_build).unwrap_or_default() {
            for (attempt, folder) in within(&of_job).unwrap_or_default() {
                let Ok(attempt) = attempt.parse() else { continue };
                let id = AttemptId { build, job: job.clone(), attempt };
                // Also tells `007` and `+7` from 7.
                if path(dir, &id).is_some_and(|path| path == folder) {
                    found.push((id, folder));
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes the folders above an attempt's, of its job and its build, unless others are in them.
pub fn remove_empty_parents(folder: &Path) {
    for parent in folder.ancestors().skip(1).take(2) {
        if fs::remove_dir(parent).is_err() {
            break;
        }
    }
}

/// What the files of a folder take of the disk. Whole pages count, as the disk counts; holes too, so that nothing can
/// pretend to be small.
pub fn taken(folder: &Path) -> io::Result<u64> {
    let entries = fs::read_dir(folder)?.filter_map(Result::ok);
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    Ok(files.map(|file| file.len().max(file.blocks().saturating_mul(512))).fold(0, u64::saturating_add))
}

/// Since the folder or a file in it was last written. One from the future was written just now.
#[must_use]
pub fn idle(folder: &Path) -> Duration {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let seen = entries.filter_map(|entry| entry.metadata().ok()).chain(fs::symlink_metadata(folder).ok());
    let newest = seen.filter_map(|seen| seen.modified().ok()).max();
    newest.and_then(|newest| newest.elapsed().ok()).unwrap_or_default()
}

/// The folders in a folder; no links to some.
fn within(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder)?.filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect())
}
