//! What the system says of a running process. Must not know whose it is.

use nix::unistd::Pid;

fn status(pid: Pid, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    value.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

pub(crate) fn resident_mb(pid: Pid) -> f64 {
    status(pid, "VmRSS:") / 1024.0
}

/// The most that it ever had.
pub(crate) fn most_resident_mb(pid: Pid) -> f64 {
    status(pid, "VmHWM:") / 1024.0
}

/// Processor time used so far, in ticks of 10 ms.
pub(crate) fn ticks(pid: Pid) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = text.rsplit(')').next().expect("the name is in parentheses");
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}
