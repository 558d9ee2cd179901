//! Room on the disk that holds the data folder: looked at every second, so that nothing new begins while little is left. What
//! is held back here is what the database needs to go on when logs have filled the rest. Must not know who asks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    wanted: u64,
    free: AtomicU64,
    /// The operator is told once when it begins and once when it ends.
    told: AtomicBool,
}

impl Room {
    /// Looks once. `wanted` bytes have to stay free; 0: it is never tight.
    #[must_use]
    pub fn new(folder: PathBuf, wanted: u64) -> Self {
        let room =
            Self(Arc::new(Inner { folder, wanted, free: AtomicU64::new(u64::MAX), told: AtomicBool::new(false) }));
        room.look();
        room
    }

    /// Free bytes and those wanted, while less is free than wanted.
    #[must_use]
    pub fn is_tight(&self) -> Option<(u64, u64)> {
        let free = self.0.free.load(Ordering::Relaxed);
        (free < self.0.wanted).then_some((free, self.0.wanted))
    }

    /// Looks every second until told to stop; `changed` is called when it became tight, and when there is room again.
    pub async fn watch(self, stop: CancellationToken, changed: impl Fn()) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            let room = self.clone();
            // A file system that hangs must not hold up others.
            if tokio::task::spawn_blocking(move || room.look()).await.unwrap_or(false) {
                changed();
            }
        }
    }

    /// Whether it became tight, or stopped to be.
    fn look(&self) -> bool {
        let inner = &*self.0;
        match free_bytes(&inner.folder) {
            Ok(free) => inner.free.store(free, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "free space cannot be read"),
        }
        let tight = self.is_tight();
        if inner.told.swap(tight.is_some(), Ordering::Relaxed) == tight.is_some() {
            return false;
        }
        match tight {
            Some((free, wanted)) => tracing::warn!(
                free,
                wanted,
                folder = %inner.folder.display(),
                "little room on the disk: no job begins until limits.free_disk is free again"
            ),
            None => tracing::info!(folder = %inner.folder.display(), "there is room on the disk again"),
        }
        true
    }
}

/// What this user may still write on the file system of a folder.
pub fn free_bytes(folder: &std::path::Path) -> std::io::Result<u64> {
    let seen = statvfs(folder)?;
    #[expect(clippy::useless_conversion, reason = "the C types differ between platforms")]
    Ok(u64::from(seen.blocks_available()).saturating_mul(u64::from(seen.fragment_size())))
}

/// How large the file system of a folder is.
pub fn total_bytes(folder: &std::path::Path) -> std::io::Result<u64> {
    let seen = statvfs(folder)?;
    #[expect(clippy::useless_conversion, reason = "the C types differ between platforms")]
    Ok(u64::from(seen.blocks()).saturating_mul(u64::from(seen.fragment_size())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_tight_exactly_below_what_is_wanted() {
        let here = std::env::temp_dir();
        assert_eq!(Room::new(here.clone(), 0).is_tight(), None);
        let (free, wanted) = Room::new(here, u64::MAX).is_tight().expect("nobody has so much");
        assert!(free < wanted);
    }

    #[test]
    fn a_folder_that_cannot_be_looked_at_is_not_tight() {
        assert_eq!(Room::new("/nowhere/at/all".into(), 1).is_tight(), None);
    }
}
