//! Where the client keeps what it wants to find again: one file for each daemon in this user's folder for state. What cannot
//! be read is put aside and said, never trusted. Must not know what it means.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::state::session::Session;

/// What a file holds. Whoever changes a [`Session`] so that old ones cannot be read counts up.
const VERSION: u32 = 1;
/// The most that a file may hold; it is a few hundred bytes.
const CAP: u64 = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    session: Session,
}

/// Only the version: so that another one is not taken for damage.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The file of one daemon.
pub(crate) struct Kept {
    path: PathBuf,
}

impl Kept {
    /// The file for the daemon at this place, under the name that the configuration gives it. None where a user has no
    /// folder for such things.
    pub(crate) fn of(place: &str, profile: Option<&str>) -> Option<Self> {
        let folders = directories::ProjectDirs::from("", "", "windlass")?;
        Some(Self { path: folders.state_dir()?.join(file_name(place, profile)) })
    }

    /// What was kept; nothing the first time. `Err`: it was of no use, and this is why.
    pub(crate) fn read(&self) -> Result<Option<Session>, String> {
        let mut text = Vec::new();
        match File::open(&self.path).and_then(|file| file.take(CAP + 1).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("where you were is not known: {}: {error}", self.path.display())),
        }
        if text.len() as u64 > CAP {
            return Err(self.put_aside("it is too large"));
        }
        match serde_json::from_slice(&text) {
            Ok(Version { version: VERSION }) => {}
            Ok(Version { version }) => {
                return Err(format!("where you were is not known: another windlass kept it (version {version})"));
            }
            Err(error) => return Err(self.put_aside(&error.to_string())),
        }
        match serde_json::from_slice::<Written>(&text) {
            Ok(written) => Ok(Some(written.session)),
            Err(error) => Err(self.put_aside(&error.to_string())),
        }
    }

    fn put_aside(&self, why: &str) -> String {
        let aside = self.path.with_extension("damaged");
        let path = self.path.display();
        match std::fs::rename(&self.path, &aside) {
            Ok(()) => format!("where you were is not known: {path} is damaged ({why}) and now {}", aside.display()),
            Err(error) => format!("where you were is not known: {path} is damaged ({why}) and stays: {error}"),
        }
    }

    /// Keeps it, in one piece or not at all.
    pub(crate) fn write(&self, session: Session) -> Result<(), String> {
        let fault = |error: std::io::Error| format!("where you were is not kept: {}: {error}", self.path.display());
        let text = serde_json::to_vec(&Written { version: VERSION, session }).map_err(|error| fault(error.into()))?;
        if text.len() as u64 > CAP {
            return Err(fault(std::io::Error::other("it is too large")));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
        let new = self.path.with_extension(format!("{}.new", std::process::id()));
        let written = write_new(&new, &text).and_then(|()| std::fs::rename(&new, &self.path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&new); // half of it, or nothing
            fault(error)
        })
    }
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_data()
}

/// A name that is this daemon's alone: what a person recognises, and a sum of all of it.
fn file_name(place: &str, profile: Option<&str>) -> String {
    let whole = format!("{}\n{place}", profile.unwrap_or_default());
    let tame = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let shown: String = profile.unwrap_or(place).chars().map(tame).take(40).collect();
    // FNV-1a: the same with every version of everything.
    let sum = whole
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{shown}-{sum:016x}.json")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept() -> (tempfile::TempDir, Kept) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("windlass").join("one.json");
        (folder, Kept { path })
    }

    #[test]
    fn what_was_kept_is_found_and_belongs_to_this_user_alone() {
        let (_folder, kept) = kept();
        assert_eq!(kept.read(), Ok(None));
        let session = Session { view: "Queue".to_owned(), filter: "repo:a \u{202e}".to_owned(), ..Session::default() };
        for _ in 0..2 {
            kept.write(session.clone()).expect("it can be written");
            assert_eq!(kept.read(), Ok(Some(session.clone())));
        }
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        let folder = kept.path.parent().expect("a folder");
        assert_eq!((mode(&kept.path), mode(folder)), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 1, "nothing is left over");
    }

    #[test]
    fn what_is_damaged_is_put_aside_and_said() {
        let table: [(&[u8], &str); 5] = [
            (b"", "EOF"),
            (b"{\"version\":1,\"session\":", "EOF"),
            (b"{\"version\":1,\"session\":{\"view\":3}}", "invalid type"),
            (b"\xff\xfe", "expected value"),
            (&[b' '; 70_000], "too large"),
        ];
        for (bytes, why) in table {
            let (_folder, kept) = kept();
            std::fs::create_dir_all(kept.path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&kept.path, bytes).expect("a file");
            let words = kept.read().expect_err(why);
            assert!(words.contains(why) && words.contains("one.damaged"), "{words}");
            assert_eq!(std::fs::read(kept.path.with_extension("damaged")).expect("it is aside"), bytes);
            assert_eq!(kept.read(), Ok(None), "it is said once");
        }
    }

    #[test]
    fn what_another_version_kept_is_left_alone() {
        let (_folder, kept) = kept();
        std::fs::create_dir_all(kept.path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&kept.path, b"{\"version\":9,\"other\":true}").expect("a file");
        let words = kept.read().expect_err("it is another's");
        assert!(words.contains("another windlass kept it (version 9)") && kept.path.exists(), "{words}");
    }

    #[test]
    fn every_daemon_has_a_file_of_its_own() {
        let names = [
            file_name("unix:/run/a.sock", None),
            file_name("unix:/run/a.sock", Some("a")),
            file_name("unix:/run/a/sock", None),
            file_name("wss://ci.example.org:443", Some("../../a")),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!name.contains(['/', '\n']) && !name.starts_with('.') && !names[at + 1..].contains(name), "{name}");
        }
        assert_eq!(names[0], "unix--run-a-sock-d4ac84eb9d7b585d.json");
    }
}
