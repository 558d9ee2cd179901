//! Named points at which tests end the daemon as a crash would, and switches that break it on purpose, so that whoever
//! checks it can be checked. In release builds all of this is empty. Must not know what happens at its points.
//!
//! `WINDLASS_FAILPOINTS=name` or `name:3`, several with commas: at the first, or third, time that the point is reached the
//! process notes the name in the file that `WINDLASS_FAILPOINT_LEDGER` names and kills itself. `WINDLASS_SABOTAGE=name`
//! turns a switch on. `windlassd fail-points` lists the points.

/// A place in the daemon's code.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub name: &'static str,
    pub on: On,
    /// Reached only by a daemon whose predecessor died at that other point; empty: by any.
    pub after: &'static str,
}

/// The engine whose jobs lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Any,
    Local,
    Docker,
}

impl On {
    #[must_use]
    #[inline]
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

const fn any(name: &'static str) -> Point {
    Point { name, on: On::Any, after: "" }
}

const fn local(name: &'static str) -> Point {
    Point { name, on: On::Local, after: "" }
}

const fn docker(name: &'static str) -> Point {
    Point { name, on: On::Docker, after: "" }
}

impl Point {
    const fn after(self, name: &'static str) -> Self {
        Self { after: name, ..self }
    }
}

/// All there are, in the order of an attempt's life. A name that is not here does not compile; one that is never reached
/// fails the chaos tests.
pub const POINTS: &[Point] = &[
    // a webhook comes in
    any("inbox.received"),
    any("inbox.before-commit"),
    any("inbox.committed"),
    any("inbox.answering"),
    // it becomes a build
    any("intake.taken"),
    any("intake.fetched"),
    any("intake.planned"),
    any("intake.told"),
    any("intake.numbered"),
    any("build.before-commit"),
    any("build.made"),
    any("group.outdated"),
    any("head.tip"),
    // its turn comes
    any("claim.before-commit"),
    any("claim.committed"),
    any("place.loaded"),
    any("place.log-open"),
    local("local.folder"),
    local("local.made"),
    docker("docker.folder"),
    docker("docker.image"),
    docker("docker.created"),
    any("place.prepared"),
    any("start.before-commit"),
    any("place.claimed"),
    // it gets plan and source
    local("local.spawned"),
    local("local.site-written"),
    docker("docker.attached"),
    docker("docker.starting"),
    docker("docker.started"),
    any("feed.plan"),
    any("feed.middle"),
    any("feed.written"),
    any("feed.done"),
    // it is followed
    any("follow.begun"),
    any("frame.came"),
    any("log.bytes"),
    any("log.index"),
    any("log.marked"),
    any("step.started"),
    any("step.ended"),
    any("steps.before-commit"),
    any("steps.recorded"),
    any("report.taken"),
    any("frame.last"),
    any("follow.exited"),
    any("follow.over"),
    // it ends
    any("files.kept"),
    any("end.judged"),
    any("end.log-finished"),
    any("end.log-synced"),
    any("finish.before-commit"),
    any("finish.followed").after("feed.middle"),
    any("finish.committed"),
    any("compress.written"),
    any("compress.renamed"),
    any("clean.begun"),
    local("local.killed"),
    docker("docker.removed"),
    any("clean.done"),
    // people and groups
    any("cancel.before-commit"),
    any("cancel.ordered"),
    any("cancel.seen"),
    any("cancel.noted"),
    any("cancel.sent"),
    any("retry.before-commit"),
    any("retry.made"),
    any("retry.head"),
    any("group.left"),
    any("group.turned"),
    // the next daemon
    any("adopt.begun"),
    any("adopt.put-back").after("place.loaded"),
    any("adopt.asked"),
    any("adopt.taken-up").after("step.started"),
    any("adopt.following").after("step.started"),
    any("adopt.unfed").after("place.claimed"),
    any("adopt.unfed-removed").after("place.claimed"),
    any("sweep.found").after("finish.committed"),
    any("sweep.removed").after("finish.committed"),
    // housekeeping
    any("keeper.surveyed"),
    any("keeper.trimmed"),
];

/// Whether a point of this name is in the table. Asked by the compiler only: `inline` keeps it and the table out of releases.
#[must_use]
#[inline]
pub const fn is_listed(name: &str) -> bool {
    let mut index = 0;
    while index < POINTS.len() {
        if is_same(POINTS[index].name.as_bytes(), name.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

#[inline]
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The daemon is at a named point, which has to be in the table.
macro_rules! reached {
    ($name:literal) => {{
        const { assert!($crate::failpoint::is_listed($name), "no such fail point") };
        $crate::failpoint::at($name);
    }};
}
pub(crate) use reached;

/// Ways to break the daemon on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Some webhooks are answered and not stored.
    LoseDelivery,
    /// Some ends are not recorded.
    ForgetFinish,
    /// Whatever happened, it passed.
    AlwaysPassed,
    /// Some bytes are not in the log.
    TruncateLog,
    /// Nothing is cleaned.
    LeaveBehind,
    /// Jobs run twice side by side; on the local engine.
    RunTwice,
}

#[cfg(not(debug_assertions))]
mod inside {
    use super::Sabotage;

    #[inline(always)]
    pub(crate) fn at(_name: &str) {}

    #[inline(always)]
    pub(crate) fn is_sabotaged(_how: Sabotage) -> bool {
        false
    }
}

#[cfg(debug_assertions)]
mod inside {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::getpid;

    use super::Sabotage;

    /// A point that is armed: its name, and how often it is still to be passed.
    type Armed = (String, AtomicU32);

    pub(super) fn armed(text: &str) -> Vec<Armed> {
        let one = |word: &str| match word.split_once(':') {
            Some((name, count)) => (name.to_owned(), AtomicU32::new(count.parse().unwrap_or(1))),
            None => (word.to_owned(), AtomicU32::new(1)),
        };
        text.split(',').filter(|word| !word.is_empty()).map(one).collect()
    }

    /// Whether this is the time to die.
    pub(super) fn is_due(armed: &[Armed], name: &str) -> bool {
        let mut of_name = armed.iter().filter(|(armed, _)| armed == name);
        of_name.any(|(_, left)| left.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    pub(crate) fn at(name: &str) {
        static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
        let from_environment = || armed(&std::env::var("WINDLASS_FAILPOINTS").unwrap_or_default());
        if !is_due(ARMED.get_or_init(from_environment), name) {
            return;
        }
        if let Some(ledger) = std::env::var_os("WINDLASS_FAILPOINT_LEDGER")
            && let Ok(mut file) = File::options().append(true).create(true).open(ledger)
        {
            // Without the note it dies all the same, and the test that looks for the note fails.
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
        let _ = kill(getpid(), Signal::SIGKILL);
    }

    pub(crate) fn is_sabotaged(how: Sabotage) -> bool {
        static BROKEN: OnceLock<Option<Sabotage>> = OnceLock::new();
        let broken = BROKEN.get_or_init(|| std::env::var("WINDLASS_SABOTAGE").ok().as_deref().and_then(sabotage));
        *broken == Some(how)
    }

    pub(super) fn sabotage(name: &str) -> Option<Sabotage> {
        Some(match name {
            "lose-delivery" => Sabotage::LoseDelivery,
            "forget-finish" => Sabotage::ForgetFinish,
            "always-passed" => Sabotage::AlwaysPassed,
            "truncate-log" => Sabotage::TruncateLog,
            "leave-behind" => Sabotage::LeaveBehind,
            "run-twice" => Sabotage::RunTwice,
            _ => return None,
        })
    }
}

pub(crate) use inside::{at, is_sabotaged};

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::collections::BTreeSet;

    use super::inside::{armed, is_due, sabotage};
    use super::*;

    #[test]
    fn names_are_unique_and_what_comes_after_something_names_it() {
        let names: BTreeSet<&str> = POINTS.iter().map(|point| point.name).collect();
        assert_eq!(names.len(), POINTS.len());
        for point in POINTS {
            assert!(point.after.is_empty() || names.contains(point.after), "{} after {}", point.name, point.after);
            assert!(is_listed(point.name));
        }
        assert!(!is_listed("inbox") && !is_listed("") && !is_listed("inbox.received "));
    }

    #[test]
    fn a_point_is_due_once_at_its_count() {
        let armed = armed("a,b:3,,c:x");
        assert!(is_due(&armed, "a") && !is_due(&armed, "a"));
        assert_eq!([(); 4].map(|()| is_due(&armed, "b")), [false, false, true, false]);
        assert!(is_due(&armed, "c") && !is_due(&armed, "d"));
        assert!(armed.iter().all(|(name, _)| !name.is_empty()));
    }

    #[test]
    fn switches_have_names() {
        assert_eq!(sabotage("run-twice"), Some(Sabotage::RunTwice));
        assert_eq!(sabotage("run-thrice"), None);
    }
}
