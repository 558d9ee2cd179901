//! Files that jobs left, in words. Must not know where they are shown, nor how they are fetched.

use windlass_protocol::artifact::{ArtifactCounts, ArtifactView};
use windlass_protocol::live::Hello;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::BuildView;

use crate::words::{age, bytes, plural};

/// What says in a spec that files are kept: for those who have none.
pub(crate) const HOW: &str = "`artifacts: [dist/**]` of a job in .windlass.yml says what is kept";

/// `3 files, 12 MB`.
pub(crate) fn counts(files: u64, size: u64) -> String {
    format!("{}, {}", plural(files, "file"), bytes(size))
}

/// The same of an attempt, and what became of them.
pub(crate) fn of_attempt(known: &ArtifactCounts, now: Timestamp) -> String {
    let removed = known.removed_at.map(|at| format!(", removed {}", age(at, now))).unwrap_or_default();
    format!("{}{removed}", counts(known.files, known.bytes))
}

/// How many files the newest attempts of all jobs left, and their size; `None`: no job keeps any.
pub(crate) fn of_build(view: &BuildView) -> Option<(u64, u64)> {
    let known = view.jobs.iter().filter_map(|job| job.attempts.last()?.artifacts.as_ref());
    known.fold(None, |sum, known| {
        let (files, bytes) = sum.unwrap_or((0, 0));
        Some((files + known.files, bytes + known.bytes))
    })
}

/// `artifacts: 3 files, 12 MB: windlass artifacts 42`, of the newest attempts that left some.
pub(crate) fn in_a_line(view: &BuildView) -> Option<String> {
    let (files, bytes) = of_build(view).filter(|(files, _)| *files > 0)?;
    Some(format!("artifacts: {}: windlass artifacts {}", counts(files, bytes), view.build.number))
}

/// What could not be kept of an attempt.
pub(crate) fn troubles(known: &ArtifactCounts) -> impl Iterator<Item = String> + '_ {
    known.troubles.iter().map(|trouble| format!("not kept: {trouble}"))
}

/// Whose file it is: `test`, `test#2`.
pub(crate) fn whose(file: &ArtifactView) -> String {
    if file.attempt == 1 { file.job.clone() } else { format!("{}#{}", file.job, file.attempt) }
}

/// The daemon is too old to know of files.
pub(crate) fn unknown_to(hello: &Hello) -> Option<String> {
    let known = hello.capabilities.iter().any(|name| name == "artifacts");
    (!known).then(|| "this daemon is older than the client and keeps no files of jobs".to_owned())
}
