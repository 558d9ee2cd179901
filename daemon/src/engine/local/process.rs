//! Processes of this host, as `/proc` tells of them: found again after a restart of the daemon, never mistaken for a later
//! one of the same number. Must not know jobs.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process by number and by when it started, in ticks since the machine did: `pid:start-time`. Never process 0 or 1,
/// which stand for more than one process or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pid: i32,
    started: u64,
}

struct Stat {
    state: char,
    parent: i32,
    started: u64,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn find(pid: i32) -> Option<Self> {
        let started = Stat::read(pid)?.started;
        (pid > 1).then_some(Self { pid, started })
    }

    /// Whether it still runs. One that is dead and waits for its parent to notice does not.
    pub(super) fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'))
    }

    /// Sends a signal, if it is still there.
    pub(super) fn signal(self, signal: Signal) {
        if self.is_alive() {
            // It may go at this very moment.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// Sends KILL to a process, to all that descend from it, and to whoever works in `folder`: what was left behind by a
/// runner that died. Returns how many were still there.
pub(super) fn kill_all(root: Option<Process>, folder: &Path) -> usize {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let mut doomed = HashSet::new();
    let alive = |stat: &Stat| !matches!(stat.state, 'Z' | 'X');
    for pid in pids() {
        let Some(stat) = Stat::read(pid).filter(alive) else { continue };
        children.entry(stat.parent).or_default().push(pid);
        if std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder)) {
            doomed.insert(pid);
        }
    }
    let mut parents: Vec<i32> = doomed.iter().copied().collect();
    parents.extend(root.filter(|root| root.is_alive()).map(|root| root.pid));
    while let Some(pid) = parents.pop() {
        doomed.insert(pid);
        parents.extend(children.remove(&pid).unwrap_or_default());
    }
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    doomed.retain(|pid| *pid > 1 && *pid != own);
    for pid in &doomed {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    doomed.len()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The program's name is in parentheses and may itself hold spaces and parentheses: the last one counts.
    fn parse(stat: &[u8]) -> Option<Self> {
        let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = std::str::from_utf8(&stat[after..]).ok()?.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?; // field 3
        let parent = fields.next()?.parse().ok()?; // field 4
        let started = fields.nth(17)?.parse().ok()?; // field 22
        Some(Self { state, parent, started })
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.started)
    }
}

impl FromStr for Process {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, started) = text.trim().split_once(':').ok_or(())?;
        let (pid, started) = (pid.parse().map_err(drop)?, started.parse().map_err(drop)?);
        if pid > 1 { Ok(Self { pid, started }) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_cannot_pretend_to_be_other_fields() {
        let stat = b"77 (a) R 1 (b) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 4242 23\n";
        let stat = Stat::parse(stat).expect("parsed");
        assert_eq!((stat.state, stat.parent, stat.started), ('S', 4, 4242));
        assert!(Stat::parse(b"77 (a) S 5").is_none());
        assert!(Stat::parse(b"").is_none());
    }

    #[test]
    fn handles_come_back_and_dangerous_ones_do_not() {
        let own = Process::find(i32::try_from(std::process::id()).expect("fits")).expect("this process");
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(own.is_alive());
        for text in ["", "1:5", "0:5", "-1:5", "-77:5", "77", "77:", ":5", "a:b"] {
            assert_eq!(text.parse::<Process>(), Err(()), "{text:?}");
        }
    }

    #[test]
    fn a_reused_number_is_not_taken_for_ours() {
        let own = Process::find(i32::try_from(std::process::id()).expect("fits")).expect("this process");
        let other = Process { started: own.started + 1, ..own };
        assert!(!other.is_alive());
        other.signal(Signal::SIGKILL);
    }

    #[test]
    fn a_family_is_killed_with_what_hides_in_the_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sleeper = |command: &str, at: &Path| {
            Command::new("sh").args(["-c", command]).current_dir(at).spawn().expect("started")
        };
        let mut parent = sleeper("sleep 1000 & wait", Path::new("/"));
        let mut hidden = sleeper("exec sleep 1000", folder.path());
        let mut stranger = sleeper("exec sleep 1000", Path::new("/"));
        let root = Process::find(i32::try_from(parent.id()).expect("fits"));
        while kill_all(root, folder.path()) > 0 {
            std::thread::yield_now();
        }
        assert!(!parent.wait().expect("waited").success());
        assert!(!hidden.wait().expect("waited").success());
        assert!(stranger.try_wait().expect("looked").is_none(), "a stranger lives on");
        stranger.kill().expect("killed");
        stranger.wait().expect("waited");
    }
}
