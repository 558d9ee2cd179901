//! A file that is being written: beside its place, under another name, until it is whole. Every folder on the way is opened
//! by itself and no link is followed, so that nothing is written anywhere else, whoever put what into the folder. Must not
//! know where the bytes come from.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use sha2::{Digest, Sha256};

/// What is done when something has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Refuse,
    WriteOver,
    /// Another name: `app-2.whl`.
    Number,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum There {
    Nothing,
    /// A file with exactly these bytes.
    Same,
    Other,
}

/// A folder that is held open.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// A folder that a person named: made where it is not there, and its links are followed.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let fault = |error: &dyn std::fmt::Display| format!("cannot write into {}: {error}", path.display());
        std::fs::create_dir_all(path).map_err(|error| fault(&error))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|error| fault(&error.desc()))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// A folder below: made where it is not there.
    pub(crate) fn below(&self, parts: &[String]) -> Result<Self, String> {
        let fd = self.fd.try_clone().map_err(|error| format!("cannot write into {}: {error}", self.path.display()))?;
        let mut folder = Self { fd, path: self.path.clone() };
        for part in parts {
            folder = folder.child(part)?;
        }
        Ok(folder)
    }

    fn child(&self, name: &str) -> Result<Self, String> {
        let path = self.path.join(name);
        let enter = || {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(&self.fd, name, flags, Mode::empty())
        };
        let entered = match enter() {
            Err(Errno::ENOENT) => match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o777)) {
                Ok(()) | Err(Errno::EEXIST) => enter(),
                Err(error) => Err(error),
            },
            entered => entered,
        };
        match entered {
            Ok(fd) => Ok(Self { fd, path }),
            Err(Errno::ENOTDIR | Errno::ELOOP) => Err(format!("{} is a link or a file, not a folder", path.display())),
            Err(error) => Err(format!("cannot write into {}: {}", path.display(), error.desc())),
        }
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What has this name, compared with a file of this length and SHA-256.
    pub(crate) fn has(&self, name: &str, bytes: u64, sha256: &str) -> Result<There, String> {
        let fault = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", self.path.join(name).display());
        let known = match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(known) => known,
            Err(Errno::ENOENT) => return Ok(There::Nothing),
            Err(error) => return Err(fault(&error.desc())),
        };
        let is_file = SFlag::from_bits_truncate(known.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        if !is_file || u64::try_from(known.st_size) != Ok(bytes) {
            return Ok(There::Other);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(fd) = openat(&self.fd, name, flags, Mode::empty()) else { return Ok(There::Other) };
        let (mut file, mut sum, mut piece) = (File::from(fd), Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => sum.update(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        let same = hex::encode(sum.finalize()).eq_ignore_ascii_case(sha256);
        Ok(if same { There::Same } else { There::Other })
    }
}

/// Half a file. Without [`Draft::keep`] nothing is left of it.
#[derive(Debug)]
pub(crate) struct Draft {
    folder: Folder,
    name: String,
    beside: String,
    file: File,
}

impl Draft {
    pub(crate) fn begin(folder: Folder, name: &str) -> Result<Self, String> {
        for number in 0.. {
            let beside = format!(".windlass-{}-{number}.part", std::process::id());
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            match openat(&folder.fd, beside.as_str(), flags, Mode::from_bits_truncate(0o666)) {
                Ok(fd) => return Ok(Self { folder, name: name.to_owned(), beside, file: File::from(fd) }),
                Err(Errno::EEXIST) => {} // of another download, or of one that was killed
                Err(error) => return Err(format!("cannot write into {}: {}", folder.path.display(), error.desc())),
            }
        }
        unreachable!("some number is free")
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|error| format!("cannot write {}: {error}", self.path().display()))
    }

    /// Gives the file its name. `Ok(None)`: something has it.
    pub(crate) fn keep(self, taken: Taken) -> Result<Option<PathBuf>, String> {
        let fault = |name: &str, error: Errno| {
            Err(format!("cannot write {}: {}", self.folder.path.join(name).display(), error.desc()))
        };
        if taken == Taken::WriteOver {
            return match self.rename(&self.name) {
                Ok(()) => Ok(Some(self.path())),
                Err(Errno::EISDIR | Errno::ENOTEMPTY | Errno::EEXIST) => {
                    Err(format!("{} is a folder", self.path().display()))
                }
                Err(error) => fault(&self.name, error),
            };
        }
        for name in names(&self.name) {
            match self.rename_to_free(&name) {
                Ok(()) => return Ok(Some(self.folder.path.join(name))),
                Err(Errno::EEXIST) if taken == Taken::Number => {}
                Err(Errno::EEXIST) => return Ok(None),
                Err(error) => return fault(&name, error),
            }
        }
        Ok(None)
    }

    fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    fn rename(&self, name: &str) -> Result<(), Errno> {
        renameat(&self.folder.fd, self.beside.as_str(), &self.folder.fd, name)
    }

    /// Never in the place of something else. The other name goes when this value does.
    fn rename_to_free(&self, name: &str) -> Result<(), Errno> {
        let fd = self.folder.fd.as_fd();
        match linkat(fd, self.beside.as_str(), fd, name, AtFlags::empty()) {
            // A file system without hard links: looked at first, which is as near as it comes.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EMLINK) => {
                match fstatat(fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                    Ok(_) => Err(Errno::EEXIST),
                    Err(Errno::ENOENT) => self.rename(name),
                    Err(error) => Err(error),
                }
            }
            linked => linked,
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is gone already where it was renamed; where it cannot be removed nobody is left to do it.
        let _ = unlinkat(&self.folder.fd, self.beside.as_str(), UnlinkatFlags::NoRemoveDir);
    }
}

/// The name, and others like it: `app.whl`, `app-2.whl`, `app-3.whl`.
fn names(name: &str) -> impl Iterator<Item = String> {
    let end = name.rfind('.').filter(|at| *at > 0).unwrap_or(name.len());
    let end = name[..end].strip_suffix(".tar").filter(|stem| !stem.is_empty()).map_or(end, str::len);
    let (stem, rest) = (name[..end].to_owned(), name[end..].to_owned());
    std::iter::once(name.to_owned()).chain((2..1_000).map(move |number| format!("{stem}-{number}{rest}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn parts(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    fn draft(top: &Folder, path: &str, bytes: &[u8]) -> Result<Draft, String> {
        let parts = parts(path);
        let (name, folders) = parts.split_last().expect("a name");
        let mut draft = Draft::begin(top.below(folders)?, name)?;
        draft.write(bytes)?;
        Ok(draft)
    }

    fn listed(path: &Path) -> Vec<String> {
        let names = std::fs::read_dir(path).expect("a folder");
        let mut names: Vec<String> =
            names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let place = tempfile::tempdir().expect("a folder");
        let top = Folder::open(&place.path().join("new/out")).expect("made");
        let out = place.path().join("new/out");
        drop(draft(&top, "a/b.txt", b"half").expect("begun"));
        assert_eq!(listed(&out.join("a")), [""; 0], "nothing is left of half a file");
        let kept = draft(&top, "a/b.txt", b"whole").expect("begun").keep(Taken::Refuse).expect("kept");
        assert_eq!(kept, Some(out.join("a/b.txt")));
        assert_eq!(std::fs::read(out.join("a/b.txt")).expect("there"), b"whole");
        assert_eq!(listed(&out.join("a")), ["b.txt"]);
        // It is not written over, unless somebody says so.
        let again = draft(&top, "a/b.txt", b"other").expect("begun").keep(Taken::Refuse).expect("no fault");
        assert_eq!(again, None);
        assert_eq!(std::fs::read(out.join("a/b.txt")).expect("there"), b"whole");
        draft(&top, "a/b.txt", b"other").expect("begun").keep(Taken::WriteOver).expect("kept");
        assert_eq!(std::fs::read(out.join("a/b.txt")).expect("there"), b"other");
        let numbered = draft(&top, "a/b.txt", b"third").expect("begun").keep(Taken::Number).expect("kept");
        assert_eq!(numbered, Some(out.join("a/b-2.txt")));
        assert_eq!(listed(&out.join("a")), ["b-2.txt", "b.txt"]);
        let folder = draft(&top, "a", b"x").expect("begun").keep(Taken::WriteOver).expect_err("a folder has the name");
        assert!(folder.ends_with("a is a folder"), "{folder}");
        assert_eq!(listed(&out), ["a"]);
    }

    #[test]
    fn no_link_is_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let (out, elsewhere) = (place.path().join("out"), place.path().join("elsewhere"));
        std::fs::create_dir(&elsewhere).expect("made");
        std::fs::write(elsewhere.join("file"), b"precious").expect("written");
        let top = Folder::open(&out).expect("made");
        symlink(&elsewhere, out.join("folder")).expect("a link");
        symlink(elsewhere.join("file"), out.join("file")).expect("a link");
        symlink(elsewhere.join("none"), out.join("dangling")).expect("a link");
        for path in ["folder/x", "folder/a/b", "file/x", "dangling/x"] {
            let refused = draft(&top, path, b"x").expect_err(path);
            assert!(refused.ends_with("is a link or a file, not a folder"), "{refused}");
        }
        for path in ["file", "dangling", "folder"] {
            assert_eq!(draft(&top, path, b"x").expect("begun").keep(Taken::Refuse).expect("no fault"), None, "{path}");
            assert_eq!(top.has(path, 8, &hex::encode(Sha256::digest(b"precious"))), Ok(There::Other), "{path}");
        }
        // Whoever insists gets a file in the place of the link, not one behind it.
        draft(&top, "file", b"x").expect("begun").keep(Taken::WriteOver).expect("kept");
        assert!(out.join("file").symlink_metadata().expect("there").is_file());
        assert_eq!(listed(&elsewhere), ["file"]);
        assert_eq!(std::fs::read(elsewhere.join("file")).expect("there"), b"precious");
    }

    #[test]
    fn a_file_that_is_there_already_is_known() {
        let place = tempfile::tempdir().expect("a folder");
        let top = Folder::open(place.path()).expect("there");
        std::fs::write(place.path().join("x"), b"whole").expect("written");
        let sum = hex::encode(Sha256::digest(b"whole"));
        assert_eq!(top.has("x", 5, &sum), Ok(There::Same));
        assert_eq!(top.has("x", 4, &sum), Ok(There::Other));
        assert_eq!(top.has("x", 5, &hex::encode(Sha256::digest(b"other"))), Ok(There::Other));
        assert_eq!(top.has("y", 5, &sum), Ok(There::Nothing));
    }

    #[test]
    fn names_are_numbered_before_their_ending() {
        for (name, second) in [
            ("app.whl", "app-2.whl"),
            ("app-1.2.tar.gz", "app-1.2-2.tar.gz"),
            (".env", ".env-2"),
            ("LICENSE", "LICENSE-2"),
            (".tar.gz", ".tar-2.gz"),
        ] {
            assert_eq!(names(name).nth(1).as_deref(), Some(second));
        }
    }
}
