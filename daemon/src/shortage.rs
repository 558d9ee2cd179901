//! What this host may lack for a moment: room on a disk, file handles, processes, memory. Nobody's build is at fault then,
//! and the same may work in a moment. Pure; must not know who failed for it.

use std::io::{Error, ErrorKind};

use nix::errno::Errno;

/// Whether an operation failed for want of something that comes back.
#[must_use]
pub fn is_shortage(error: &Error) -> bool {
    let kind = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory);
    let scarce = [Errno::EMFILE, Errno::ENFILE, Errno::EAGAIN, Errno::ENOMEM, Errno::ENOBUFS];
    kind || error.raw_os_error().is_some_and(|code| scarce.contains(&Errno::from_raw(code)))
}

/// The same, in the words of a program that was run. What another host said to it (`remote: …`) is that host's business.
#[must_use]
pub fn tells_of_shortage(said: &str) -> bool {
    const WORDS: [&str; 6] = [
        "No space left on device",
        "Disk quota exceeded",
        "Too many open files",
        "Cannot allocate memory",
        "Resource temporarily unavailable",
        "Out of memory",
    ];
    said.lines()
        .filter(|line| !line.trim_start().starts_with("remote:"))
        .any(|line| WORDS.iter().any(|word| line.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_told_from_what_does_not() {
        for errno in [Errno::ENOSPC, Errno::EDQUOT, Errno::EMFILE, Errno::ENFILE, Errno::EAGAIN, Errno::ENOMEM] {
            assert!(is_shortage(&Error::from_raw_os_error(errno as i32)), "{errno}");
        }
        for errno in [Errno::ENOENT, Errno::EACCES, Errno::EIO, Errno::EROFS] {
            assert!(!is_shortage(&Error::from_raw_os_error(errno as i32)), "{errno}");
        }
        assert!(!is_shortage(&Error::other("No space left on device")));
    }

    #[test]
    fn a_remote_host_s_shortage_is_not_ours() {
        assert!(tells_of_shortage("fatal: write error: No space left on device"));
        assert!(tells_of_shortage("error: x\nfatal: cannot create thread: Resource temporarily unavailable\n"));
        assert!(!tells_of_shortage("remote: fatal: write error: No space left on device\nfatal: early EOF"));
        assert!(!tells_of_shortage("fatal: couldn't find remote ref"));
    }
}
