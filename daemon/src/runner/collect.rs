//! Finds the files that a spec wants to keep, below the job's folder and nowhere else. What the job left there is a
//! stranger's: every folder on the way is opened by itself and is never a link, only regular files are read, and the
//! looking has an end. Must not know what the files are for.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use crate::plan::MOST_FILES;
use crate::plan::pattern::{Part, Pattern};

/// Names that are looked at for all patterns together.
const MOST_NAMES: usize = 200_000;
/// `**` goes so deep.
const MOST_DEPTH: usize = 64;
/// What all of the looking may take.
const LONGEST: Duration = Duration::from_secs(20);

/// What is wanted of the files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// What a file is, in words: `a report`, `reports`.
    pub(super) one: &'static str,
    pub(super) all: &'static str,
    pub(super) file_bytes: u64,
    pub(super) bytes: u64,
    /// For whatever `tell` does with the files.
    pub(super) telling: Duration,
}

/// What is left for the patterns that are still to come.
#[derive(Debug)]
pub(super) struct Room {
    bounds: Bounds,
    names: usize,
    files: usize,
    bytes: u64,
    looking: Duration,
    telling: Duration,
}

/// What a pattern led to.
#[derive(Debug)]
pub(super) enum Found {
    File {
        path: String,
        file: File,
    },
    /// Why there is no file; `path` may be the pattern.
    Nothing {
        path: String,
        why: String,
    },
}

/// The looking ended early.
enum Enough {
    Because(String),
    /// Nobody wants to know any more.
    Unwanted,
}

struct Look<'r> {
    room: &'r mut Room,
    /// Each file is done with before the next is opened. `false`: that was enough.
    tell: &'r mut dyn FnMut(Found) -> bool,
    /// Whether anything was told.
    told: bool,
    /// Below the folder, with slashes.
    path: Vec<Vec<u8>>,
    /// Links and the like that would have matched.
    odd: usize,
}

impl Bounds {
    /// Why a file is not read.
    pub(super) fn too_large(&self) -> String {
        format!("larger than the {} that {} may have", size(self.file_bytes), self.one)
    }
}

impl Room {
    pub(super) fn new(bounds: Bounds) -> Self {
        let Bounds { bytes, telling, .. } = bounds;
        Self { bounds, names: MOST_NAMES, files: MOST_FILES, bytes, looking: LONGEST, telling }
    }
}

/// Tells what `pattern` means below `root`, by name; never nothing at all. `tell` says whether it wants more.
pub(super) fn find(root: &Path, pattern: &str, room: &mut Room, tell: &mut dyn FnMut(Found) -> bool) {
    let nothing = |why: String| Found::Nothing { path: pattern.to_owned(), why };
    let parsed = match Pattern::parse(pattern) {
        Ok(parsed) => parsed,
        Err(error) => {
            tell(nothing(format!("not a file of the job's folder: {error}")));
            return;
        }
    };
    let folder = match open(root, FOLDER, Mode::empty()) {
        Ok(folder) => folder,
        Err(error) => {
            tell(nothing(format!("the job's folder cannot be opened: {}", words(error))));
            return;
        }
    };
    let mut look = Look { room, tell, told: false, path: Vec::new(), odd: 0 };
    let end = look.descend(folder, parsed.parts());
    let Look { tell, told, odd, .. } = look;
    match end {
        Err(Enough::Because(why)) => {
            tell(nothing(why));
        }
        Ok(()) if !told => {
            tell(nothing(match odd {
                0 => "no such file was written".to_owned(),
                1 => "what is there is a link or no regular file, and is not followed".to_owned(),
                odd => format!("what is there are {odd} links or other things that are no regular files"),
            }));
        }
        Ok(()) | Err(Enough::Unwanted) => {}
    }
}

/// In the largest unit that says it exactly, as sizes are configured.
fn size(bytes: u64) -> String {
    let (mut number, mut unit) = (bytes, 0);
    while number > 0 && number.is_multiple_of(1024) && unit < 3 {
        number /= 1024;
        unit += 1;
    }
    format!("{number} {}", ["B", "KiB", "MiB", "GiB"][unit])
}

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// Without waiting for whoever has the other end of a pipe.
const FILE: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

impl Look<'_> {
    fn descend(&mut self, folder: OwnedFd, parts: &[Part]) -> Result<(), Enough> {
        match parts {
            [] => Ok(()),
            [Part::Name(name), rest @ ..] => match CString::new(name.as_bytes()) {
                Ok(name) => self.enter(&folder, &name, rest, true),
                Err(_) => Ok(()),
            },
            [Part::Like(like), rest @ ..] => {
                for (name, kind) in self.names(&folder)? {
                    let wanted = like.is_match(name.to_bytes());
                    if wanted && (rest.is_empty() || may_be_folder(kind)) {
                        self.enter(&folder, &name, rest, false)?;
                    }
                }
                Ok(())
            }
            [Part::Folders, rest @ ..] => {
                if self.path.len() > MOST_DEPTH {
                    return Err(Enough::Because(
                        "its folders are nested too deep; not all of them were looked into".into(),
                    ));
                }
                let names = self.names(&folder)?;
                if let Ok(again) = openat(&folder, ".", FOLDER, Mode::empty()) {
                    self.descend(again, rest)?;
                }
                for (name, kind) in names {
                    // What git keeps there is large and never meant.
                    if may_be_folder(kind) && name.to_bytes() != b".git" {
                        self.enter(&folder, &name, parts, false)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Goes on in `folder` with the entry `name`: a file where nothing is left of the pattern, a folder otherwise. `named`:
    /// the pattern says exactly this, so it is told when it is something else.
    fn enter(&mut self, folder: &OwnedFd, name: &CStr, rest: &[Part], named: bool) -> Result<(), Enough> {
        self.path.push(name.to_bytes().to_vec());
        let entered = if rest.is_empty() {
            self.take(folder, name, named)
        } else {
            match openat(folder, name, FOLDER, Mode::empty()) {
                Ok(inside) => self.descend(inside, rest),
                Err(Errno::ENOENT) => Ok(()),
                Err(Errno::ELOOP | Errno::ENOTDIR) => {
                    self.odd += usize::from(named);
                    Ok(())
                }
                Err(error) => self.nothing(format!("cannot be opened: {}", words(error))),
            }
        };
        self.path.pop();
        entered
    }

    fn take(&mut self, folder: &OwnedFd, name: &CStr, named: bool) -> Result<(), Enough> {
        let file = match openat(folder, name, FILE, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(()),
            // A link, a socket, a device that is not there.
            Err(Errno::ELOOP | Errno::ENXIO) => {
                self.odd += 1;
                return Ok(());
            }
            Err(error) => return self.nothing(format!("cannot be opened: {}", words(error))),
        };
        let length = match file.metadata() {
            Ok(data) if data.is_file() => data.len(),
            Ok(data) if data.is_dir() && named => {
                let path = self.shown();
                return self.nothing(format!("a folder: `{path}/**` would be all files in it"));
            }
            Ok(data) if data.is_dir() => return Ok(()),
            _ => {
                self.odd += 1;
                return Ok(());
            }
        };
        if self.room.files == 0 {
            return Err(Enough::Because(
                "more files than the 2,000 that a job may leave; the others are left out".into(),
            ));
        }
        self.room.files -= 1;
        let bounds = self.room.bounds;
        if length > bounds.file_bytes {
            return self.nothing(bounds.too_large());
        }
        if length > self.room.bytes {
            let (most, all) = (size(bounds.bytes), bounds.all);
            return Err(Enough::Because(format!(
                "more than the {most} that all {all} of a job may have; the others are left out"
            )));
        }
        if self.room.telling.is_zero() {
            let minutes = bounds.telling.as_secs() / 60;
            return Err(Enough::Because(format!("handing over took more than {minutes} min; the others are left out")));
        }
        self.room.bytes -= length;
        let path = self.shown();
        self.told(Found::File { path, file })
    }

    /// What is in a folder, by name, so that the same folder is always told the same way.
    fn names(&mut self, folder: &OwnedFd) -> Result<Vec<(CString, Option<Type>)>, Enough> {
        // Opened anew: how far a folder is read belongs to whoever opened it.
        let dir = match Dir::openat(folder, ".", FOLDER, Mode::empty()) {
            Ok(dir) => dir,
            Err(error) => {
                self.nothing(format!("cannot be read: {}", words(error)))?;
                return Ok(Vec::new());
            }
        };
        let mut names = Vec::new();
        let begun = Instant::now();
        for entry in dir {
            let Ok(entry) = entry else { break };
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            self.room.names = self.room.names.saturating_sub(1);
            if self.room.names == 0 {
                return Err(Enough::Because("more than 200,000 files to look at; not all of them were".into()));
            }
            if begun.elapsed() >= self.room.looking {
                let why = "looking took more than 20 s; what was not found by then is left out";
                return Err(Enough::Because(why.to_owned()));
            }
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
        self.room.looking = self.room.looking.saturating_sub(begun.elapsed());
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(names)
    }

    fn nothing(&mut self, why: String) -> Result<(), Enough> {
        let path = self.shown();
        self.told(Found::Nothing { path, why })
    }

    fn told(&mut self, found: Found) -> Result<(), Enough> {
        self.told = true;
        let begun = Instant::now();
        let more = (self.tell)(found);
        self.room.telling = self.room.telling.saturating_sub(begun.elapsed());
        if more { Ok(()) } else { Err(Enough::Unwanted) }
    }

    fn shown(&self) -> String {
        OsStr::from_bytes(&self.path.join(&b'/')).to_string_lossy().into_owned()
    }
}

/// Some file systems do not say what an entry is.
fn may_be_folder(kind: Option<Type>) -> bool {
    matches!(kind, None | Some(Type::Directory))
}

fn words(error: Errno) -> String {
    error.desc().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    const REPORTS: Bounds = Bounds {
        one: "a report",
        all: "reports",
        file_bytes: 16 << 20,
        bytes: 64 << 20,
        telling: Duration::from_mins(1),
    };

    fn made(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        home
    }

    /// Files with what is in them, everything else with why not.
    fn told(root: &Path, pattern: &str) -> Vec<(String, String)> {
        let tell = |found| match found {
            Found::File { path, mut file } => {
                let mut text = String::new();
                file.read_to_string(&mut text).expect("read");
                (path, text)
            }
            Found::Nothing { path, why } => (path, format!("! {why}")),
        };
        all(root, pattern, &mut Room::new(REPORTS)).into_iter().map(tell).collect()
    }

    fn all(root: &Path, pattern: &str, room: &mut Room) -> Vec<Found> {
        let mut list = Vec::new();
        find(root, pattern, room, &mut |found| {
            list.push(found);
            true
        });
        list
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn patterns_find_files_by_name_and_in_order() {
        let home = made(&[
            ("report.xml", "r"),
            ("a/TEST-2.xml", "2"),
            ("a/TEST-1.xml", "1"),
            ("a/b/c/TEST-3.xml", "3"),
            ("a/b/other.txt", "x"),
            (".git/TEST-0.xml", "0"),
        ]);
        assert_eq!(told(home.path(), "report.xml"), pairs(&[("report.xml", "r")]));
        assert_eq!(told(home.path(), "./a/T*.xml"), pairs(&[("a/TEST-1.xml", "1"), ("a/TEST-2.xml", "2")]));
        assert_eq!(
            told(home.path(), "**/TEST-*.xml"),
            pairs(&[("a/TEST-1.xml", "1"), ("a/TEST-2.xml", "2"), ("a/b/c/TEST-3.xml", "3")])
        );
        assert_eq!(told(home.path(), "a/**/c/*.xml"), pairs(&[("a/b/c/TEST-3.xml", "3")]));
        assert_eq!(told(home.path(), "none/*.xml"), pairs(&[("none/*.xml", "! no such file was written")]));
        assert_eq!(told(home.path(), "a"), pairs(&[("a", "! a folder: `a/**` would be all files in it")]));
        let below = ["a/TEST-1.xml", "a/TEST-2.xml", "a/b/other.txt", "a/b/c/TEST-3.xml"];
        let found: Vec<String> = told(home.path(), "a/**").into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, below, "folders that match are none of them");
    }

    const ODD: &str = "! what is there is a link or no regular file, and is not followed";

    #[test]
    fn nothing_leads_out_of_the_folder_and_nothing_is_waited_for() {
        let outside = made(&[("secret.xml", "secret")]);
        let home = made(&[("real/inside.xml", "inside")]);
        symlink(outside.path(), home.path().join("out")).expect("linked");
        symlink(outside.path().join("secret.xml"), home.path().join("file.xml")).expect("linked");
        symlink(home.path().join("real"), home.path().join("within")).expect("linked");
        nix::unistd::mkfifo(&home.path().join("pipe.xml"), Mode::S_IRWXU).expect("made");
        for pattern in ["out/secret.xml", "file.xml", "within/inside.xml", "pipe.xml"] {
            assert_eq!(told(home.path(), pattern), pairs(&[(pattern, ODD)]), "{pattern}");
        }
        assert_eq!(told(home.path(), "**/*.xml"), pairs(&[("real/inside.xml", "inside")]));
        let two = "! what is there are 2 links or other things that are no regular files";
        assert_eq!(told(home.path(), "*.xml"), pairs(&[("*.xml", two)]));
        for pattern in ["../x", "/etc/passwd"] {
            let why = "! not a file of the job's folder: not below the job's folder";
            assert_eq!(told(home.path(), pattern), pairs(&[(pattern, why)]));
        }

        let link = outside.path().join("folder");
        symlink(home.path(), &link).expect("linked");
        let found = told(&link, "real/inside.xml");
        assert!(found[0].1.starts_with("! the job's folder cannot be opened"), "{found:?}");
    }

    #[test]
    fn what_is_too_large_or_too_much_is_told() {
        let home = made(&[("small.xml", "s")]);
        let large = File::create(home.path().join("large.xml")).expect("made");
        large.set_len(200 << 20).expect("a hole");
        assert_eq!(
            told(home.path(), "*.xml"),
            pairs(&[("large.xml", "! larger than the 16 MiB that a report may have"), ("small.xml", "s")])
        );
        for n in 0..6 {
            let file = File::create(home.path().join(format!("{n}.bin"))).expect("made");
            file.set_len(15 << 20).expect("a hole");
        }
        let found = all(home.path(), "*.bin", &mut Room::new(REPORTS));
        assert!(matches!(found[..], [Found::File { .. }, .., Found::Nothing { .. }]), "{found:?}");
        assert_eq!(found.len(), 5);
        let mut room = Room { names: 3, ..Room::new(REPORTS) };
        assert!(matches!(all(home.path(), "**/x", &mut room)[..], [Found::Nothing { .. }]));
        let mut room = Room { telling: Duration::ZERO, ..Room::new(REPORTS) };
        let found = all(home.path(), "small.xml", &mut room);
        let [Found::Nothing { why, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!(why, "handing over took more than 1 min; the others are left out");
        let mut room = Room { looking: Duration::ZERO, ..Room::new(REPORTS) };
        assert!(matches!(all(home.path(), "*.xml", &mut room)[..], [Found::Nothing { .. }]));
    }
}
