//! The machine that the daemon runs on: how large and how busy it is. Must not know jobs.

/// What `/proc` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    pub cpus: u64,
    /// Processes that want to run, over the last minute, in thousandths.
    pub load_milli: u64,
    pub memory_bytes: u64,
    pub memory_free_bytes: u64,
}

/// `None` where this system does not tell.
#[must_use]
pub fn look() -> Option<Host> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    let cpus = std::thread::available_parallelism().ok()?;
    Some(Host {
        cpus: cpus.get() as u64,
        load_milli: load_milli(&load)?,
        memory_bytes: kibibytes(&memory, "MemTotal:")?,
        memory_free_bytes: kibibytes(&memory, "MemAvailable:")?,
    })
}

/// The first figure of `0.52 0.58 0.59 1/467 12345`.
fn load_milli(text: &str) -> Option<u64> {
    let (whole, part) = text.split_whitespace().next()?.split_once('.')?;
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u64>().ok()? * 1_000 + part.parse::<u64>().ok()?)
}

/// The bytes of a line such as `MemTotal:  16384 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_understood() {
        assert_eq!(load_milli("0.52 0.58 0.59 1/467 12345"), Some(520));
        assert_eq!(load_milli("12.345 1 1"), Some(12_345));
        assert_eq!(load_milli(""), None);
        let memory = "MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    4096 kB\n";
        assert_eq!(kibibytes(memory, "MemTotal:"), Some(16 << 20));
        assert_eq!(kibibytes(memory, "MemAvailable:"), Some(4 << 20));
        assert_eq!(kibibytes(memory, "SwapTotal:"), None);
    }

    #[test]
    fn this_machine_has_memory() {
        let host = look().expect("tests run on Linux");
        assert!(host.cpus > 0 && host.memory_bytes > host.memory_free_bytes, "{host:?}");
    }
}
