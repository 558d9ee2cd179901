//! Nothing outlives a story: builds are made to outlive their daemon, so ending the daemon is not enough. Finds what is
//! left by the story's own temporary folder, which is in its working folder, arguments or mounts. Must not know engines'
//! labels or names.

use std::path::Path;
use std::process::Command;

use crate::wait::{SHORT, wait_for};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills every process that works in `root` or names it, until there is none.
pub fn processes(root: &Path) {
    for _ in 0..20 {
        let found = left(root);
        if found.is_empty() {
            return;
        }
        for pid in found {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL); // it may have ended by itself
        }
        std::thread::yield_now();
    }
}

/// Process ids, this process and zombies left out.
#[must_use]
pub fn left(root: &Path) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).expect("process ids are small");
    let root = root.to_str().expect("temporary folders have plain names");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(root));
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let names_it = arguments.windows(root.len()).any(|window| window == root.as_bytes());
        if pid != own && (works_there || names_it) {
            found.push(pid);
        }
    }
    found
}

/// Removes every container that has something of `root` mounted.
pub fn remove_containers(root: &Path) {
    for id in containers(root) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &id]).output(); // it may be gone already
    }
}

/// Ids of all containers, running or not, that have something of `root` mounted.
#[must_use]
pub fn containers(root: &Path) -> Vec<String> {
    let root = root.to_str().expect("temporary folders have plain names");
    let listed = docker(&["ps", "--all", "--quiet", "--no-trunc"]);
    listed.split_whitespace().filter(|id| docker(&["inspect", id]).contains(root)).map(str::to_owned).collect()
}

/// Waits until the engine has nothing any more that belongs to the folder: attempts are cleaned after they have ended.
#[track_caller]
pub fn no_containers_left(root: &Path) {
    wait_for("the containers are removed", SHORT, || {
        let left = containers(root);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

/// What the engine's own command prints; nothing when it fails.
#[must_use]
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_in_the_folder_or_names_it_is_killed_and_nothing_else() {
        let (mine, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let sleep = |folder: &Path| Command::new("sleep").arg("600").current_dir(folder).spawn().expect("sleep exists");
        let (mut inside, mut outside) = (sleep(mine.path()), sleep(other.path()));
        let file = mine.path().join("file");
        std::fs::write(&file, "").expect("a file");
        let mut naming = Command::new("tail").arg("-f").arg(&file).current_dir("/").spawn().expect("tail exists");
        wait_for("both are seen", SHORT, || match left(mine.path()).len() {
            2 => Ok(()),
            other => Err(other), // between fork and exec a child still looks like this process
        });
        processes(mine.path());
        inside.wait().expect("our own child");
        naming.wait().expect("our own child");
        assert!(left(mine.path()).is_empty());
        assert_eq!(outside.try_wait().expect("our own child"), None, "not in the folder");
        outside.kill().and_then(|()| outside.wait()).expect("our own child");
    }
}
