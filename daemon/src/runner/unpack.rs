//! Turns the source, a tar archive, into the working folder. Nothing is ever written outside of that folder: every
//! parent is a folder that was seen to be one, never a link. Must not know where the archive comes from.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::{Archive, Entry, EntryType};

use crate::plan::feed::SourceReader;

/// Why there is no working folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("the source did not arrive whole")]
    Source(#[source] io::Error),
    #[error("the source contains {path:?}: {why}")]
    Refused { path: PathBuf, why: &'static str },
    #[error("cannot write {path:?}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Unpacks files, folders and symbolic links into `root`, which is made if missing; reads the feed to its very end.
pub(super) fn unpack<R: Read>(mut source: SourceReader<R>, root: &Path) -> Result<(), UnpackError> {
    fs::create_dir_all(root).map_err(|source| UnpackError::Write { path: root.to_owned(), source })?;
    let mut tree = Tree { root, folders: HashSet::new(), buffer: vec![0; 64 << 10] };
    let mut archive = Archive::new(&mut source);
    for entry in archive.entries().map_err(UnpackError::Source)? {
        tree.add(entry.map_err(UnpackError::Source)?)?;
    }
    source.finish().map_err(|error| UnpackError::Source(io::Error::other(error)))
}

struct Tree<'a> {
    root: &'a Path,
    /// Relative paths of what is known to be a folder, and no link to one.
    folders: HashSet<PathBuf>,
    buffer: Vec<u8>,
}

impl Tree<'_> {
    fn add<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(()); // git writes the commit's name there
        }
        let path = inside(&entry.path().map_err(UnpackError::Source)?)?;
        let mode = entry.header().mode().map_err(UnpackError::Source)?;
        if kind.is_dir() {
            return self.folder(&path, mode);
        }
        if path.as_os_str().is_empty() {
            return Err(UnpackError::Refused { path, why: "a name that names nothing" });
        }
        self.folder(path.parent().unwrap_or(Path::new("")), 0o777)?;
        match kind {
            EntryType::Regular | EntryType::Continuous => self.file(&path, mode, &mut entry),
            EntryType::Symlink => {
                let target = entry.link_name().map_err(UnpackError::Source)?.unwrap_or_default();
                self.make(&path, |place| symlink(&target, place))
            }
            _ => Err(UnpackError::Refused { path, why: "neither a file nor a folder nor a symbolic link" }),
        }
    }

    /// Makes a folder and those above it.
    fn folder(&mut self, path: &Path, mode: u32) -> Result<(), UnpackError> {
        if path.as_os_str().is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        self.folder(path.parent().unwrap_or(Path::new("")), 0o777)?;
        let place = self.root.join(path);
        // Whatever the archive says: the job has to be able to work in it.
        match DirBuilder::new().mode(mode & 0o777 | 0o700).create(&place) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let there = fs::symlink_metadata(&place);
                if !there.map_err(|source| UnpackError::Write { path: place, source })?.is_dir() {
                    return Err(UnpackError::Refused {
                        path: path.to_owned(),
                        why: "a folder where something else is",
                    });
                }
            }
            Err(source) => return Err(UnpackError::Write { path: place, source }),
        }
        self.folders.insert(path.to_owned());
        Ok(())
    }

    fn file<R: Read>(&mut self, path: &Path, mode: u32, entry: &mut Entry<'_, R>) -> Result<(), UnpackError> {
        let mut file = self.make(path, |place| {
            // `create_new` also refuses to write through a link.
            OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(place)
        })?;
        let failed = |source| UnpackError::Write { path: self.root.join(path), source };
        loop {
            match entry.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => file.write_all(&self.buffer[..n]).map_err(failed)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Source(error)),
            }
        }
        let modified = entry.header().mtime().ok().and_then(|seconds| {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) // nonsense is ignored
        });
        modified.map_or(Ok(()), |time| set_modified(&file, time)).map_err(failed)
    }

    /// Makes something at a path; what is there already gives way, unless it is a folder.
    fn make<T>(&self, path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> Result<T, UnpackError> {
        let place = self.root.join(path);
        let made = match make(&place) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&place).and_then(|()| make(&place))
            }
            other => other,
        };
        made.map_err(|source| UnpackError::Write { path: place, source })
    }
}

fn set_modified(file: &File, time: SystemTime) -> io::Result<()> {
    match file.set_modified(time) {
        // A time that this file system cannot hold is no reason to fail.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// The path, relative, without `.`; refused if it leads out.
fn inside(path: &Path) -> Result<PathBuf, UnpackError> {
    let refused = |why| UnpackError::Refused { path: path.to_owned(), why };
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) if name == OsStr::new("") => {}
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(refused("a path that leads upwards")),
            Component::RootDir | Component::Prefix(_) => return Err(refused("a path from the root")),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tar::{Builder, Header};

    use super::*;
    use crate::plan::feed::SourceEncoder;

    /// Name, kind, mode, content or target. Names go in as they are, however hostile.
    type Item<'a> = (&'a str, EntryType, u32, &'a str);

    fn archive(items: &[Item<'_>]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, mode, content) in items {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_mtime(1_000_000_000);
            let data = if *kind == EntryType::Symlink || *kind == EntryType::Link {
                header.set_link_name_literal(content).expect("a short target");
                ""
            } else {
                content
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).expect("into memory");
        }
        builder.into_inner().expect("into memory")
    }

    fn unpack_into(root: &Path, items: &[Item<'_>]) -> Result<(), UnpackError> {
        let archive = archive(items);
        let mut encoder = SourceEncoder::new();
        let mut feed = Vec::new();
        for chunk in archive.chunks(1000) {
            feed.extend_from_slice(&encoder.chunk(chunk));
            feed.extend_from_slice(chunk);
        }
        feed.extend_from_slice(&encoder.end());
        unpack(SourceReader::new(&feed[..]), root)
    }

    #[test]
    fn files_folders_links_and_exec_bits() {
        let outer = tempfile::tempdir().expect("a folder");
        let root = outer.path().join("deep/er");
        unpack_into(
            &root,
            &[
                ("a/", EntryType::Directory, 0o555, ""),
                ("a/run", EntryType::Regular, 0o755, "#!"),
                ("./b/c/data", EntryType::Regular, 0o644, "data"),
                ("link", EntryType::Symlink, 0o777, "b/c/data"),
                ("dangling", EntryType::Symlink, 0o777, "/nowhere/at/all"),
                ("b/c/data", EntryType::Regular, 0o644, "the second wins"),
            ],
        )
        .expect("a good archive");
        let mode = |name| fs::metadata(root.join(name)).expect(name).permissions().mode();
        assert_eq!((mode("a/run") & 0o100, mode("b/c/data") & 0o111), (0o100, 0));
        assert_eq!(fs::read_to_string(root.join("link")).expect("through the link"), "the second wins");
        assert_eq!(fs::read_link(root.join("dangling")).expect("a link"), Path::new("/nowhere/at/all"));
        let modified = fs::metadata(root.join("a/run")).expect("a file").modified().expect("a time");
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    }

    #[test]
    fn what_leads_out_is_refused_and_nothing_is_written_there() {
        let file = EntryType::Regular;
        let cases: [&[Item<'_>]; 7] = [
            &[("../out", file, 0o644, "x")],
            &[("a/../../out", file, 0o644, "x")],
            &[("/out", file, 0o644, "x")],
            &[("up", EntryType::Symlink, 0o777, ".."), ("up/out", file, 0o644, "x")],
            &[("up", EntryType::Symlink, 0o777, ".."), ("up/", EntryType::Directory, 0o755, "")],
            &[("hard", EntryType::Link, 0o644, "../out")],
            &[("device", EntryType::Char, 0o644, "")],
        ];
        for items in cases {
            let outer = tempfile::tempdir().expect("a folder");
            let root = outer.path().join("root");
            let refused = unpack_into(&root, items);
            assert!(matches!(refused, Err(UnpackError::Refused { .. })), "{items:?}: {refused:?}");
            assert!(!outer.path().join("out").exists(), "{items:?}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_a_link_does_not_write_through_it() {
        let outer = tempfile::tempdir().expect("a folder");
        let root = outer.path().join("root");
        let items = [("x", EntryType::Symlink, 0o777, "../out"), ("x", EntryType::Regular, 0o644, "inside")];
        unpack_into(&root, &items).expect("the second wins");
        assert!(!outer.path().join("out").exists());
        assert_eq!(fs::read_to_string(root.join("x")).expect("a file"), "inside");
    }

    #[test]
    fn what_is_no_archive_is_no_source() {
        let outer = tempfile::tempdir().expect("a folder");
        let mut encoder = SourceEncoder::new();
        let mut feed = encoder.chunk(&[b'x'; 600]).to_vec();
        feed.extend_from_slice(&[b'x'; 600]);
        feed.extend_from_slice(&encoder.end());
        let refused = unpack(SourceReader::new(&feed[..]), outer.path());
        assert!(matches!(refused, Err(UnpackError::Source(_))), "{refused:?}");
    }
}
