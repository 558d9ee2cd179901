//! The data folder: made for its user alone, held by one process at a time, and who it is. Must not know what the parts of
//! the daemon keep in it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
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
    #[error("a restore into {} was cut off: empty the folder, and restore again", data_dir.display())]
    HalfRestored { data_dir: PathBuf },
}

/// Nobody else holds the folder as long as this lives. The kernel gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "held for its lock")] File);

/// Makes the folder if it is missing, and takes it.
pub fn hold(data_dir: &Path) -> Result<Held, DataDirError> {
    let unusable = |source| DataDirError::Unusable {
        what: format!("data_dir {} cannot be used: it has to be a folder that this user can write", data_dir.display()),
        source,
    };
    std::fs::create_dir_all(data_dir).map_err(unusable)?;
    // Logs and sources of private repositories: nobody else's business.
    let mut permissions = std::fs::metadata(data_dir).map_err(unusable)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o700);
        std::fs::set_permissions(data_dir, permissions).map_err(unusable)?;
    }
    let lock = File::options().create(true).truncate(false).write(true).open(data_dir.join(LOCK)).map_err(unusable)?;
    for _ in 1..TRIES {
        if !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(AGAIN);
    }
    match lock.try_lock() {
        Ok(()) => Ok(Held(lock)),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { data_dir: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// The same for a daemon, which does not work on what a restore left half done.
pub fn hold_whole(data_dir: &Path) -> Result<Held, DataDirError> {
    let held = hold(data_dir)?;
    match data_dir.join(RESTORING).exists() {
        true => Err(DataDirError::HalfRestored { data_dir: data_dir.to_owned() }),
        false => Ok(held),
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
        let held = hold(&folder).expect("nobody has it");
        assert_eq!(folder.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        assert!(is_held(&folder).expect("looked"));
        assert!(matches!(hold(&folder), Err(DataDirError::InUse { .. })));
        drop(held);
        assert!(!is_held(&folder).expect("looked"));
        std::fs::create_dir(folder.join(RESTORING)).expect("made");
        assert!(matches!(hold_whole(&folder), Err(DataDirError::HalfRestored { .. })));
        drop(hold(&folder).expect("for whoever restores again"));
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
