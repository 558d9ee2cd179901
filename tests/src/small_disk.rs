//! A disk that can be filled: a file system in memory of a few megabytes, mounted where a story wants it. Needs root, or a
//! user who may have a namespace of his own. Must not know what is kept on it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statvfs::statvfs;

/// Says to a test that was started again that it is inside.
const INSIDE: &str = "WINDLASS_TEST_OWN_NAMESPACE";

/// Unmounted when it goes out of scope.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

/// Runs a story that mounts. Without root the test runs itself again, where it may: in namespaces of its own.
#[track_caller]
pub fn with_mounts(test: &str, story: impl FnOnce()) {
    if nix::unistd::geteuid().is_root() || std::env::var_os(INSIDE).is_some() {
        return story();
    }
    let own = std::env::current_exe().expect("a test knows where it is");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]).arg(own).args([test, "--exact", "--nocapture"]);
    let status = command.env(INSIDE, "1").status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "this story mounts a small file system: run it as root, or as a user who may have a namespace of his own ({status:?})"
    );
}

impl SmallDisk {
    /// So many megabytes in the place of a folder, which is made.
    #[must_use]
    #[track_caller]
    pub fn mount(at: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        let size = format!("size={megabytes}m,mode=0700");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "windlass-test"]).arg(at).output();
        let output = output.expect("mount is installed");
        assert!(output.status.success(), "cannot mount: {}", String::from_utf8_lossy(&output.stderr));
        Self { at: at.to_owned() }
    }

    /// Bytes that are free.
    #[must_use]
    #[track_caller]
    pub fn free(&self) -> u64 {
        let seen = statvfs(&self.at).expect("it is mounted");
        seen.blocks_available() * seen.fragment_size()
    }

    /// Takes room until about so many bytes are free; 0: until nothing more can be written. What is taken is taken until
    /// [`Self::clear`].
    #[track_caller]
    pub fn fill(&self, leave: u64) {
        let mut ballast =
            File::options().create(true).append(true).open(self.ballast()).expect("a file can be made, or is there");
        while self.free() > leave || leave == 0 {
            let block = usize::try_from((self.free() - leave).clamp(1, 1 << 16)).expect("small");
            match ballast.write(&vec![0; block]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("filling the disk: {error}"),
            }
        }
    }

    /// Gives the room back.
    #[track_caller]
    pub fn clear(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whatever still works there is being ended.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_filled_and_cleared() {
        with_mounts("small_disk::tests::is_filled_and_cleared", || {
            let home = tempfile::tempdir().expect("a folder");
            let disk = SmallDisk::mount(&home.path().join("disk"), 4);
            let whole = disk.free();
            assert!(whole > 3 << 20 && whole <= 4 << 20, "{whole}");
            disk.fill(1 << 20);
            assert!(disk.free().abs_diff(1 << 20) <= 1 << 16, "{}", disk.free());
            disk.fill(0);
            assert_eq!(disk.free(), 0);
            let refused = std::fs::write(home.path().join("disk/more"), [7; 8192]).map_err(|error| error.kind());
            assert_eq!(refused, Err(ErrorKind::StorageFull));
            disk.clear();
            assert!(disk.free() > 3 << 20);
            drop(disk);
            std::fs::remove_dir(home.path().join("disk")).expect("nothing is mounted there any more");
        });
    }
}
