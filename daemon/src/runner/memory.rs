//! What the kernel says of this control group's memory: kills and the peak, of either version of control groups. Where
//! it says nothing (no such files in the image's view), nothing is known. Must not know steps.

use std::fs;
use std::path::{Path, PathBuf};

use super::family;

/// The files that count, where there are any.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kills: Option<PathBuf>,
    peak: Option<PathBuf>,
}

impl Memory {
    pub(super) fn find() -> Self {
        Self::below(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
    }

    /// `groups`: lines `number:controllers:path`.
    fn below(root: &Path, groups: &str) -> Self {
        let path_of = |wanted: &str| {
            groups.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let controllers = parts.next()?;
                let path = parts.next()?;
                controllers.split(',').any(|name| name == wanted).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        // A container sees its own group as the root, whatever it is called outside: both places are tried.
        let find = |base: PathBuf, group: Option<String>, name: &str| {
            group
                .map(|group| base.join(group).join(name))
                .into_iter()
                .chain([base.join(name)])
                .find(|file| file.exists())
        };
        let (one, two) = (|| root.join("memory"), || root.to_owned());
        Self {
            kills: find(two(), path_of(""), "memory.events")
                .or_else(|| find(one(), path_of("memory"), "memory.oom_control")),
            peak: find(two(), path_of(""), "memory.peak")
                .or_else(|| find(one(), path_of("memory"), "memory.max_usage_in_bytes")),
        }
    }

    /// How many processes of this group the kernel has killed for memory so far.
    pub(super) fn kills(&self) -> u64 {
        let text = self.kills.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }

    /// What this container has used at most. Not known outside of one: the group is then shared with others.
    pub(super) fn peak(&self) -> Option<u64> {
        if !family::is_first() {
            return None;
        }
        fs::read_to_string(self.peak.as_ref()?).ok()?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files with their text, the lines of `/proc/self/cgroup`, kills, the file with the peak.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u64, Option<&'a str>);

    fn with(files: &[(&str, &str)], groups: &str) -> (u64, Option<PathBuf>) {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let memory = Memory::below(root.path(), groups);
        (memory.kills(), memory.peak.map(|path| path.strip_prefix(root.path()).expect("below the root").to_owned()))
    }

    #[test]
    fn both_versions_inside_and_outside_of_containers() {
        let one = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let two = "low 0\nhigh 0\nmax 5\noom 2\noom_kill 2\n";
        let cases: [Case<'_>; 6] = [
            (
                &[("memory/memory.oom_control", one), ("memory/memory.max_usage_in_bytes", "9")],
                "4:memory:/docker/ab\n",
                3,
                Some("memory/memory.max_usage_in_bytes"),
            ),
            (
                &[("memory/x/memory.oom_control", one), ("memory/memory.oom_control", "oom_kill 9")],
                "4:cpu,memory:/x\n",
                3,
                None,
            ),
            (&[("memory.events", two), ("memory.peak", "9")], "0::/\n", 2, Some("memory.peak")),
            (&[("user.slice/memory.events", two)], "0::/user.slice\n", 2, None),
            (&[("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")], "", 0, None),
            (&[], "0::/\n", 0, None),
        ];
        for (files, groups, kills, peak) in cases {
            assert_eq!(with(files, groups), (kills, peak.map(PathBuf::from)), "{files:?}");
        }
    }
}
