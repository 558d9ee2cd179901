//! The processes of a job: one step's leader at a time and everything that descends from it. Must not know frames,
//! plans or why something is stopped.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// Killed processes that are still there after this long hang in the kernel: nothing more can be done about them.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Whether this process is the first of its container, to which all others belong.
pub(super) fn is_first() -> bool {
    std::process::id() == 1
}

/// From now on descendants whose parents died become children of this process, so that they can be found and reaped.
pub(super) fn adopt_orphans() -> io::Result<()> {
    if is_first() { Ok(()) } else { Ok(prctl::set_child_subreaper(true)?) }
}

/// At most one leader at a time.
#[derive(Debug, Default)]
pub(super) struct Family {
    leader: Option<Child>,
    /// Of the leader that was started last; its process group has the same number.
    group: Option<Pid>,
    status: Option<ExitStatus>,
}

impl Family {
    /// Starts a leader in a process group of its own.
    pub(super) fn start(&mut self, command: &mut Command) -> io::Result<()> {
        let child = command.process_group(0).spawn()?;
        self.group = Some(Pid::from_raw(child.id().cast_signed()));
        self.leader = Some(child);
        self.status = None;
        Ok(())
    }

    /// How the leader ended, if it has.
    pub(super) fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Collects all children that ended. `false`: none is left, dead or alive.
    pub(super) fn reap(&mut self) -> bool {
        let now = WaitPidFlag::WNOHANG;
        loop {
            // Looked at first and taken afterwards: the leader's end is taken by std, which also understands signals
            // that nix has no name for (those are EINVAL here).
            match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | now) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(status) if status.pid() != self.group || self.leader.is_none() => {
                    // A failure means that someone is gone already, which is what we want.
                    let _ = waitpid(status.pid(), Some(now));
                }
                Ok(_) | Err(Errno::EINVAL) => {
                    let ended = self.leader.as_mut().and_then(|leader| leader.try_wait().ok().flatten());
                    if ended.is_some() {
                        self.status = ended;
                        self.leader = None;
                    } else {
                        let _ = waitpid(None, Some(now));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return false, // ECHILD
            }
        }
    }

    /// Asks the leader's process group to end.
    pub(super) fn terminate(&self) {
        if let Some(group) = self.group {
            // A failure means that nobody is left in it. What is stopped has to go on to hear of it.
            let _ = kill(negative(group), Signal::SIGTERM);
            let _ = kill(negative(group), Signal::SIGCONT);
        }
    }

    /// Whether any process of the leader's group is left.
    pub(super) fn group_lives(&self) -> bool {
        self.group.is_some_and(|group| kill(negative(group), None) != Err(Errno::ESRCH))
    }

    /// Kills and reaps everything that descends from this process, whatever groups and sessions it made for itself.
    pub(super) fn kill_all(&mut self) {
        let until = Instant::now() + KILL_PATIENCE;
        let mut pause = Duration::from_micros(100);
        // Again and again: what was just being started may have missed it.
        while self.reap() && Instant::now() < until {
            if is_first() {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            } else {
                for pid in descendants().unwrap_or_default() {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                if let Some(group) = self.group {
                    let _ = kill(negative(group), Signal::SIGKILL);
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

fn negative(group: Pid) -> Pid {
    Pid::from_raw(-group.as_raw())
}

/// All living descendants of this process, by the parents that `/proc` names.
fn descendants() -> io::Result<Vec<Pid>> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Who ended meanwhile is not to be killed.
        let Ok(stat) = fs::read(format!("/proc/{pid}/stat")) else { continue };
        if let Some(parent) = parent_of(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&std::process::id().cast_signed()).unwrap_or_default();
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at]).unwrap_or_default());
        at += 1;
    }
    Ok(found.into_iter().map(Pid::from_raw).collect())
}

/// The parent, by a line of `/proc/PID/stat`, `PID (name) state parent …`; the name may contain anything. Zombies count:
/// they may still be parents of the living.
fn parent_of(stat: &[u8]) -> Option<i32> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_read_whatever_the_name() {
        assert_eq!(parent_of(b"12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent_of(b"12 (a) S 9 (b)) R 8 1"), Some(8));
        assert_eq!(parent_of(b"12 (\xff\n) Z 3 1"), Some(3));
        assert_eq!(parent_of(b"12 (sh"), None);
        assert_eq!(parent_of(b""), None);
    }

    #[test]
    fn this_process_has_the_children_it_started() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        let found = descendants().expect("/proc");
        assert!(found.contains(&Pid::from_raw(child.id().cast_signed())));
        drop(child.stdin.take());
        child.wait().expect("cat ends with its input");
    }
}
