//! One folder per attempt, where an engine keeps what it needs on this host: the frame file, a process' workspace.
//! Must not know containers or processes; the folder's content belongs to the engine that made it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use windlass_protocol::id::AttemptId;

use super::EngineError;

/// The file in an attempt's folder to which the runner appends its frames.
pub(super) const FRAMES: &str = "frames";
/// The file that says whose folder it is: the attempt's id as a person writes it.
const ATTEMPT: &str = "attempt";
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
        private_folder(&path)
            .and_then(|()| std::fs::write(path.join(ATTEMPT), id.to_string()))
            .map_err(|error| self.trouble(&format!("cannot make the folder of {id}"), error))?;
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

    /// Every attempt that has a folder.
    pub(super) fn list(&self) -> Result<Vec<AttemptId>, EngineError> {
        let entries =
            std::fs::read_dir(&self.root).map_err(|error| self.trouble("cannot read the folder for jobs", error))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.path().join(ATTEMPT)).ok()?.parse().ok())
            .collect())
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

    fn trouble(&self, what: &str, error: io::Error) -> EngineError {
        EngineError::Trouble { engine: self.engine, what: what.to_owned(), source: Some(Box::new(error)) }
    }
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

/// Opens a file that a job may have tampered with: a regular file, never what a link or a pipe leads to.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a regular file", path.display())));
    }
    Ok(file)
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
}
