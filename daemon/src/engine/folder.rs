//! One folder per attempt, where an engine keeps what it needs on this host: the frame file, a process' workspace.
//! Must not know containers or processes; the folder's content belongs to the engine that made it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;
use windlass_protocol::id::AttemptId;

use super::{EngineError, FramePosition};

/// The file in an attempt's folder to which the runner appends its frames.
pub(super) const FRAMES: &str = "frames";
/// Holes are made of whole ones. Where a file system's are larger, it clears the rest itself.
const BLOCK: u64 = 4096;
/// How often removing is tried again while something still writes into the folder.
const REMOVALS: u32 = 20;

/// The folders of one engine, side by side.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    engine: &'static str,
    root: PathBuf,
}

impl Folders {
    /// Makes the root if it is missing, for this user alone.
    pub(super) fn open(engine: &'static str, root: PathBuf) -> Result<Self, EngineError> {
        let mut folders = Self { engine, root };
        // Absolute: runners and engines that get such paths have other working folders.
        folders.root = std::path::absolute(&folders.root)
            .and_then(|root| private_folder(&root).map(|()| root))
            .map_err(|error| folders.trouble("cannot make the folder for jobs", error))?;
        Ok(folders)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where an attempt's folder is, whether it exists or not.
    pub(super) fn path(&self, id: &AttemptId) -> Result<PathBuf, EngineError> {
        Ok(self.root.join(name(id)?))
    }

    /// Makes an attempt's folder; one that is there already stays as it is.
    pub(super) fn make(&self, id: &AttemptId) -> Result<PathBuf, EngineError> {
        let path = self.path(id)?;
        private_folder(&path).map_err(|error| self.trouble(&format!("cannot make the folder of {id}"), error))?;
        Ok(path)
    }

    /// Makes the frame file, which whoever the runner is may write.
    pub(super) fn make_frames(&self, id: &AttemptId) -> Result<PathBuf, EngineError> {
        let path = self.path(id)?.join(FRAMES);
        OpenOptions::new()
            .append(true)
            .create(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            // The process' mask would take away what an engine with user namespaces needs: its root is nobody here.
            .and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o666)))
            .map_err(|error| self.trouble(&format!("cannot make the frame file of {id}"), error))?;
        Ok(path)
    }

    /// Every attempt that has a folder. By its name alone: one that is half made, or half removed, is a folder, too.
    pub(super) fn list(&self) -> Result<Vec<AttemptId>, EngineError> {
        let entries =
            std::fs::read_dir(&self.root).map_err(|error| self.trouble("cannot read the folder for jobs", error))?;
        Ok(entries.flatten().filter_map(|entry| attempt_of(entry.file_name().to_str()?)).collect())
    }

    /// Removes an attempt's folder and all that is in it, also what a job made unwritable.
    pub(super) async fn remove(&self, id: &AttemptId) -> Result<(), EngineError> {
        let path = self.path(id)?;
        for attempt in 0.. {
            let folder = path.clone();
            let removed = tokio::task::spawn_blocking(move || remove_tree(&folder)).await;
            match removed.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                Ok(()) => break,
                Err(error) if attempt == REMOVALS => {
                    return Err(self.trouble(&format!("cannot remove the folder of {id}"), error));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        Ok(())
    }

    /// Gives back the disk space of an attempt's frames before `upto`, in the background; their places stay.
    pub(super) fn release(&self, id: &AttemptId, upto: FramePosition) {
        let Ok(path) = self.path(id).map(|folder| folder.join(FRAMES)) else { return };
        tokio::task::spawn_blocking(move || match punch(&path, upto.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(path = %path.display(), %error, "frames that were read keep their space");
            }
            _ => {}
        });
    }

    fn trouble(&self, what: &str, error: io::Error) -> EngineError {
        EngineError::of_host(self.engine, what.to_owned(), error)
    }
}

/// An attempt's folder, as somebody else than its engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFolder {
    pub attempt: AttemptId,
    pub path: PathBuf,
}

/// The folders that an engine has below `root`. Changes nothing; none where there is no such folder.
#[must_use]
pub fn job_folders(root: &Path) -> Vec<JobFolder> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let folder = |path: PathBuf| {
        let attempt = attempt_of(path.file_name()?.to_str()?)?;
        Some(JobFolder { attempt, path })
    };
    let mut found: Vec<JobFolder> = entries.filter_map(|entry| folder(entry.path())).collect();
    found.sort_by(|a, b| a.attempt.cmp(&b.attempt));
    found
}

/// Removes a folder that no engine knows of any more, with all that is in it.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_job_folder(folder: &JobFolder) -> io::Result<()> {
    remove_tree(&folder.path)
}

/// The name of an attempt's folder, also part of its container's name. It begins with a digit, so it is never `.` or `..`,
/// and tells any two attempts apart.
pub(super) fn name(id: &AttemptId) -> Result<String, EngineError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if id.job.is_empty() || id.job.len() > 64 || !id.job.bytes().all(plain) {
        return Err(EngineError::Refused {
            what: format!("{:?} cannot name a job: 1 to 64 of A-Z a-z 0-9 . _ - are allowed", id.job),
        });
    }
    Ok(format!("{}.{}.{}", id.build, id.attempt, id.job))
}

/// The attempt whose folder is called so.
fn attempt_of(folder: &str) -> Option<AttemptId> {
    let mut parts = folder.splitn(3, '.');
    let (build, attempt) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let id = AttemptId { build, job: parts.next()?.to_owned(), attempt };
    name(&id).is_ok_and(|name| name == folder).then_some(id)
}

/// Opens a file that a job may have tampered with: a regular file, never what a link or a pipe leads to.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a regular file", path.display())));
    }
    Ok(file)
}

/// Makes a hole of all whole blocks before `upto`. From the start each time: what is a hole already costs nothing, and
/// nobody has to remember how far the last one went.
fn punch(path: &Path, upto: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(upto / BLOCK * BLOCK).map_err(io::Error::other)?;
    if length == 0 {
        return Ok(());
    }
    let file = regular(OpenOptions::new().write(true), path)?;
    let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(&file, how, 0, length)?)
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove_tree(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    match gone(std::fs::remove_dir_all(path)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Package managers keep caches in folders that not even their owner may change.
            make_writable(path)?;
            gone(std::fs::remove_dir_all(path))
        }
        other => other,
    }
}

fn make_writable(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // The entry's own type: what a symbolic link points to stays untouched.
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(job: &str) -> AttemptId {
        AttemptId { build: 42, job: job.to_owned(), attempt: 2 }
    }

    #[test]
    fn names_stay_inside_the_root_and_tell_attempts_apart() {
        let table = [
            ("test", Some("42.2.test")),
            ("..", Some("42.2...")),
            ("py-3.12_x", Some("42.2.py-3.12_x")),
            ("", None),
            ("a/b", None),
            ("../x", None),
            ("a b", None),
            ("ü", None),
            ("a\0", None),
        ];
        for (job, expected) in table {
            assert_eq!(name(&attempt(job)).ok().as_deref(), expected, "{job:?}");
        }
        assert!(name(&attempt(&"x".repeat(65))).is_err());
    }

    #[tokio::test]
    async fn a_folder_with_unwritable_parts_is_removed_and_what_it_links_to_is_not() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let outside = home.path().join("outside");
        std::fs::create_dir(&outside).expect("made");
        std::fs::write(outside.join("kept"), "x").expect("written");
        let folders = Folders::open("local", home.path().join("jobs")).expect("opened");
        let path = folders.make(&attempt("test")).expect("made");
        let deep = path.join("cache/deep");
        std::fs::create_dir_all(&deep).expect("made");
        std::fs::write(deep.join("file"), "x").expect("written");
        std::os::unix::fs::symlink(&outside, path.join("cache/link")).expect("linked");
        std::fs::set_permissions(&deep, std::fs::Permissions::from_mode(0o555)).expect("changed");
        assert_eq!(folders.list().expect("listed"), [attempt("test")]);

        folders.remove(&attempt("test")).await.expect("removed");
        assert!(!path.exists());
        assert!(outside.join("kept").exists());
        assert_eq!(folders.list().expect("listed"), []);
        folders.remove(&attempt("test")).await.expect("removing what is gone is fine");
    }

    #[test]
    fn what_is_half_made_or_half_removed_is_listed_and_what_is_no_job_is_not() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folders = Folders::open("local", home.path().join("jobs")).expect("opened");
        for name in ["42.2.test", "42.2.py-3.12_x", "x", "42.test", "042.2.test", "42.2.", "42.2.a b", ".probe-1"] {
            std::fs::create_dir(folders.root().join(name)).expect("made");
        }
        let mut listed = folders.list().expect("listed");
        listed.sort();
        assert_eq!(listed, [attempt("py-3.12_x"), attempt("test")]);
    }

    #[test]
    fn links_and_pipes_are_not_read() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let file = home.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let pipe = home.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert!(open_regular(&file).is_ok());
        assert!(open_regular(&link).is_err());
        assert!(open_regular(&pipe).is_err());
    }

    #[test]
    fn frames_that_were_read_give_their_space_back_and_the_rest_stays() {
        use std::os::unix::fs::MetadataExt;
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FRAMES);
        let written: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8 + 1).collect();
        std::fs::write(&path, &written).expect("written");
        File::open(&path).and_then(|file| file.sync_all()).expect("on disk");
        let blocks = || std::fs::metadata(&path).expect("there").blocks();
        let before = blocks();

        punch(&path, 100).expect("less than a block is nothing");
        assert_eq!(blocks(), before);
        for upto in [300_000, 900_001] {
            punch(&path, upto).expect("made");
            let read = std::fs::read(&path).expect("read");
            assert_eq!(read.len(), written.len());
            assert!(read[upto as usize..] == written[upto as usize..], "bytes after {upto} changed");
        }
        assert!(blocks() < before / 4, "{} of {before} blocks are left", blocks());

        let link = home.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        assert!(punch(&link, 1_000_000).is_err());
        assert!(punch(&home.path().join("none"), 1_000_000).is_err());
    }
}
