//! Where the client keeps what it wants to find again: one file for each daemon in this user's folder for state, written now
//! and then while something is done, and when one leaves. What cannot be read is put aside and said, never trusted. Must not
//! know what it means.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::Instant;

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

/// From something being done until what is to be kept is looked at; a client that dies loses no more than this.
const SOON: Duration = Duration::from_secs(3);

/// The file of one daemon.
#[derive(Clone)]
pub(crate) struct Kept {
    path: PathBuf,
    /// The newest order to write that was carried out; held while one is.
    carried_out: Arc<Mutex<u64>>,
}

/// Keeps what changed while the client runs. Where nothing is done nothing is looked at, and nothing is written.
pub(crate) struct Keeper {
    kept: Option<Kept>,
    orders: u64,
    /// What was ordered to be written last.
    last: Option<Session>,
    due: Option<Instant>,
    writing: Option<JoinHandle<Result<(), String>>>,
    /// It went wrong and was said.
    failed: bool,
}

/// What a keeper wakes up for.
pub(crate) enum Woken {
    /// Time to look at what is to be kept.
    Due,
    /// It could not be kept, for the first time.
    Failed(String),
}

impl Keeper {
    pub(crate) fn new(kept: Option<Kept>) -> Self {
        Self { kept, orders: 0, last: None, due: None, writing: None, failed: false }
    }

    /// Somebody did something: what is to be kept may be another by now.
    pub(crate) fn touched(&mut self) {
        if self.kept.is_some() {
            self.due.get_or_insert_with(|| Instant::now() + SOON);
        }
    }

    pub(crate) async fn next(&mut self) -> Woken {
        if let Some(writing) = &mut self.writing {
            let written = writing.await.unwrap_or_else(|error| Err(format!("where you were is not kept: {error}")));
            self.writing = None;
            if let Err(words) = written
                && !std::mem::replace(&mut self.failed, true)
            {
                return Woken::Failed(words);
            }
        }
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        self.due = None;
        Woken::Due
    }

    /// Writes it beside everything else, if it is another than before.
    pub(crate) fn keep(&mut self, session: Session) {
        let Some(kept) = self.kept.clone().filter(|_| self.last.as_ref() != Some(&session)) else { return };
        self.orders += 1;
        let number = self.orders;
        self.last = Some(session.clone());
        self.writing = Some(tokio::task::spawn_blocking(move || kept.carry_out(number, session)));
    }

    /// Writes it for good: what was ordered before and was not begun is not written any more.
    pub(crate) fn finish(&mut self, session: Session) -> Result<(), String> {
        self.due = None;
        self.kept.as_ref().map_or(Ok(()), |kept| kept.carry_out(u64::MAX, session))
    }
}

impl Kept {
    /// The file for the daemon at this place, under the name that the configuration gives it. None where a user has no
    /// folder for such things.
    pub(crate) fn of(place: &str, profile: Option<&str>) -> Option<Self> {
        let folders = directories::ProjectDirs::from("", "", "windlass")?;
        Some(Self::at(folders.state_dir()?.join(file_name(place, profile))))
    }

    fn at(path: PathBuf) -> Self {
        Self { path, carried_out: Arc::default() }
    }

    /// Keeps it, unless something newer was kept meanwhile.
    fn carry_out(&self, number: u64, session: Session) -> Result<(), String> {
        let mut carried_out = self.carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        if *carried_out > number {
            return Ok(());
        }
        *carried_out = number;
        self.write(session)
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

    use futures_util::FutureExt;

    use super::*;

    fn kept() -> (tempfile::TempDir, Kept) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("windlass").join("one.json");
        (folder, Kept::at(path))
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

    fn at_view(view: &str) -> Session {
        Session { view: view.to_owned(), ..Session::default() }
    }

    #[tokio::test]
    async fn what_changes_is_kept_soon_and_only_once() {
        let (_folder, kept) = kept();
        let mut keeper = Keeper::new(Some(kept.clone()));
        assert!(
            keeper.due.is_none() && keeper.next().now_or_never().is_none(),
            "where nothing is done nothing wakes it"
        );
        keeper.touched();
        let due = keeper.due.expect("something was done");
        assert!(due <= Instant::now() + SOON);
        keeper.touched();
        assert_eq!(keeper.due, Some(due), "it is not put off");
        keeper.due = Some(Instant::now());
        assert!(matches!(keeper.next().await, Woken::Due));
        assert_eq!(keeper.due, None);
        keeper.keep(at_view("Queue"));
        let written = keeper.writing.take().expect("it is another").await.expect("it does not panic");
        assert_eq!((written, kept.read()), (Ok(()), Ok(Some(at_view("Queue")))));
        keeper.keep(at_view("Queue"));
        assert!(keeper.writing.is_none(), "it is what was written last");
        keeper.keep(at_view("Nodes"));
        keeper.finish(at_view("Builds")).expect("it can be written");
        keeper.writing.take().expect("it is another").await.expect("it does not panic").expect("it can be written");
        assert_eq!(kept.read(), Ok(Some(at_view("Builds"))), "the last word is the last");
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_said_once() {
        let (folder, kept) = kept();
        std::fs::write(folder.path().join("windlass"), "a file where the folder should be").expect("a file");
        let mut keeper = Keeper::new(Some(kept));
        keeper.keep(at_view("Queue"));
        let Woken::Failed(words) = keeper.next().await else { panic!("nothing was touched") };
        assert!(words.contains("where you were is not kept"), "{words}");
        keeper.keep(at_view("Nodes"));
        keeper.due = Some(Instant::now());
        assert!(matches!(keeper.next().await, Woken::Due), "it was said");
        assert!(keeper.finish(at_view("Nodes")).is_err());
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
