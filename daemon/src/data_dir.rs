//! The data folder: made for its user alone, held by one process at a time, and who it is. Must not know what the parts of
//! the daemon keep in it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::secret::random_token;

/// What a restore unpacks into before anything is in place. While it is there, the data folder is not whole.
pub const RESTORING: &str = "restore-in-progress";
/// Held by whoever works on the folder; it is never removed while somebody may.
pub const LOCK: &str = "lock";
const OWNER: &str = "owner";

/// Somebody may only have looked whether it is held; or a daemon was killed while it started a program, and that child has
/// a copy of the lock for a moment. Whoever holds it for a second is another daemon.
const TRIES: u32 = 50;
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{what}")]
    Unusable {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("another windlassd uses {}: stop it first, or give this one a data_dir of its own", data_dir.display())]
    InUse { data_dir: PathBuf },
    #[error(
        "{} is no data folder of a windlassd, and others can reach what is in it: name another data_dir, or close it with \
         `chmod 700`",
        data_dir.display()
    )]
    Foreign { data_dir: PathBuf },
    #[error("a restore into {} was cut off: empty the folder, and restore again", data_dir.display())]
    HalfRestored { data_dir: PathBuf },
}

/// Nobody else holds the folder as long as this lives. The kernel gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "held for its lock")] File);

fn unusable(data_dir: &Path, source: io::Error) -> DataDirError {
    let what =
        format!("data_dir {} cannot be used: it has to be a folder that this user can write", data_dir.display());
    DataDirError::Unusable { what, source }
}

/// Makes the folder if it is missing, and closes it to others: logs and sources of private repositories are nobody else's
/// business. A folder that is open to others and full of something else is not ours to close.
fn make(data_dir: &Path) -> Result<(), DataDirError> {
    let unusable = |source| unusable(data_dir, source);
    if !data_dir.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(unusable)?;
    }
    let mut permissions = std::fs::metadata(data_dir).map_err(unusable)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    let ours = [LOCK, OWNER, RESTORING].iter().any(|name| data_dir.join(name).exists());
    // One where everybody may write, as in /tmp, is meant to be so.
    let shared = permissions.mode() & 0o1002 == 0o1002;
    if shared || (!ours && std::fs::read_dir(data_dir).map_err(unusable)?.next().is_some()) {
        return Err(DataDirError::Foreign { data_dir: data_dir.to_owned() });
    }
    permissions.set_mode(0o700);
    std::fs::set_permissions(data_dir, permissions).map_err(unusable)
}

/// Makes the folder if it is missing, and takes it.
pub fn hold(data_dir: &Path) -> Result<Held, DataDirError> {
    let unusable = |source| unusable(data_dir, source);
    make(data_dir)?;
    let path = data_dir.join(LOCK);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
    for _ in 1..TRIES {
        if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(AGAIN);
    }
    match lock.try_lock() {
        // Whoever had it may have removed it together with the folder, which is then not held by this.
        Ok(()) => match (lock.metadata(), std::fs::metadata(&path)) {
            (Ok(ours), Ok(there)) if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) => Ok(Held(lock)),
            _ => Err(DataDirError::InUse { data_dir: data_dir.to_owned() }),
        },
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { data_dir: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// The same for a daemon, which does not work on what a restore left half done.
pub fn hold_whole(data_dir: &Path) -> Result<Held, DataDirError> {
    let held = hold(data_dir)?;
    whole(data_dir).map(|()| held)
}

/// Makes the folder if it is missing, for those who work beside a daemon, or before there is one. As little as a daemon do
/// they work on what a restore left half done.
pub fn make_whole(data_dir: &Path) -> Result<(), DataDirError> {
    whole(data_dir)?;
    // One that is there is its daemon's, or its operator's.
    if data_dir.exists() { Ok(()) } else { make(data_dir) }
}

fn whole(data_dir: &Path) -> Result<(), DataDirError> {
    match data_dir.join(RESTORING).exists() {
        true => Err(DataDirError::HalfRestored { data_dir: data_dir.to_owned() }),
        false => Ok(()),
    }
}

/// Whether somebody holds the folder just now. Changes nothing.
pub fn is_held(data_dir: &Path) -> io::Result<bool> {
    let lock = match File::open(data_dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Tells this data folder's containers from those of other daemons on the same engine; made once, kept.
pub fn owner(data_dir: &Path) -> Result<String, DataDirError> {
    if let Some(owner) = known_owner(data_dir) {
        return Ok(owner);
    }
    let file = data_dir.join(OWNER);
    let owner = random_token()[..12].to_owned();
    std::fs::write(&file, &owner)
        .map_err(|source| DataDirError::Unusable { what: format!("{} cannot be written", file.display()), source })?;
    Ok(owner)
}

/// The same, where it was made already.
#[must_use]
pub fn known_owner(data_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data_dir.join(OWNER)).ok()?;
    let owner = text.trim();
    (!owner.is_empty()).then(|| owner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_others_see_that() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("data");
        assert!(!is_held(&folder).expect("a folder that is not there is nobody's"));
        assert!(!folder.exists(), "looking makes nothing");
        make_whole(&folder).expect("made");
        let held = hold(&folder).expect("nobody has it");
        assert_eq!(folder.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        assert!(is_held(&folder).expect("looked"));
        assert!(matches!(hold(&folder), Err(DataDirError::InUse { .. })));
        drop(held);
        assert!(!is_held(&folder).expect("looked"));
        std::fs::create_dir(folder.join(RESTORING)).expect("made");
        assert!(matches!(hold_whole(&folder), Err(DataDirError::HalfRestored { .. })));
        assert!(matches!(make_whole(&folder), Err(DataDirError::HalfRestored { .. })));
        drop(hold(&folder).expect("for whoever restores again"));
    }

    #[test]
    fn what_is_somebody_elses_is_not_closed() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mode = |mode| std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(mode));
        let seen = || home.path().metadata().expect("there").permissions().mode() & 0o7777;
        let mine = home.path().join("mine");
        std::fs::write(&mine, "x").expect("written");
        mode(0o755).expect("our own folder");
        assert!(matches!(hold(home.path()), Err(DataDirError::Foreign { .. })));
        assert_eq!((seen(), home.path().join(LOCK).exists()), (0o755, false), "refused before it was touched");
        std::fs::remove_file(&mine).expect("removed");
        mode(0o1777).expect("our own folder");
        assert!(matches!(hold(home.path()), Err(DataDirError::Foreign { .. })));
        mode(0o755).expect("our own folder");
        drop(hold(home.path()).expect("an empty one is taken"));
        std::fs::write(&mine, "x").expect("written");
        mode(0o750).expect("our own folder");
        drop(hold(home.path()).expect("and then it is known"));
        assert_eq!(seen(), 0o700);
    }

    #[test]
    fn who_it_is_stays() {
        let home = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(known_owner(home.path()), None);
        let owner = owner(home.path()).expect("made");
        assert_eq!(super::owner(home.path()).expect("read"), owner);
        assert_eq!(known_owner(home.path()), Some(owner));
    }
}
