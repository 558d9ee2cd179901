//! Words and glyphs for what the wire says: states, durations, names. Used by screens and commands alike. Must not know
//! where they are shown.

use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{
    AttemptView, BuildHead, BuildRow, BuildView, Cancelling, JobView, Outcome, Status, StepView,
};

/// How something stands, in the one form that is shown: status and outcome together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    Running,
    /// Asked to stop, and not stopped yet.
    Stopping,
    Ended(Outcome),
    /// Finished, and nobody said how.
    Unknown,
}

impl Standing {
    pub(crate) fn of(status: Status, outcome: Option<Outcome>) -> Self {
        match (status, outcome) {
            (Status::Waiting, _) => Self::Waiting,
            (Status::Running, _) => Self::Running,
            (Status::Finished, Some(outcome)) => Self::Ended(outcome),
            (Status::Finished, None) => Self::Unknown,
        }
    }

    /// `stopping`: all that is left of the build is being stopped.
    pub(crate) fn of_row(row: &BuildRow, stopping: bool) -> Self {
        if stopping { Self::Stopping } else { Self::of(row.status, row.outcome) }
    }

    pub(crate) fn of_build(view: &BuildView) -> Self {
        match stopping(view) {
            Some(_) => Self::Stopping,
            None => Self::of(view.build.status, view.build.outcome),
        }
    }

    pub(crate) fn of_attempt(attempt: &AttemptView) -> Self {
        if attempt.cancelling.is_some() && attempt.status != Status::Finished {
            Self::Stopping
        } else {
            Self::of(attempt.status, attempt.outcome)
        }
    }

    /// A step that nobody got to before its attempt ended waits for nothing any more.
    pub(crate) fn of_step(attempt: &AttemptView, step: &StepView) -> Self {
        match (attempt.status, step.status) {
            (Status::Finished, Status::Waiting) => Self::Ended(Outcome::Skipped),
            _ => Self::of(step.status, step.outcome),
        }
    }

    pub(crate) fn of_job(job: &JobView) -> Self {
        match job.attempts.last() {
            Some(attempt) if attempt.status == job.status => Self::of_attempt(attempt),
            _ => Self::of(job.status, job.outcome),
        }
    }

    /// One column wide in every terminal.
    pub(crate) fn glyph(self) -> &'static str {
        match self {
            Self::Waiting => "○",
            Self::Running => "●",
            Self::Stopping => "◌",
            Self::Ended(Outcome::Passed) => "✓",
            Self::Ended(Outcome::Failed) => "✗",
            Self::Ended(Outcome::TimedOut) => "◷",
            Self::Ended(Outcome::Cancelled) => "⊘",
            Self::Ended(Outcome::OutOfMemory) => "▲",
            Self::Ended(Outcome::Lost) => "?",
            Self::Ended(Outcome::Broken) => "!",
            Self::Ended(Outcome::Skipped) => "–",
            Self::Unknown => "·",
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Ended(Outcome::TimedOut) => "timed out",
            Self::Ended(Outcome::OutOfMemory) => "no memory",
            Self::Ended(outcome) => outcome.word(),
            Self::Unknown => "finished",
        }
    }
}

/// `850 ms`, `12.3 s`, `4m 07s`, `2h 03m`, `5d 01h`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..=59 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        60..=3_599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// The duration of something that still goes on: whole seconds, so that the last digit does not flicker.
pub(crate) fn running_duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    if seconds < 60 { format!("{seconds} s") } else { duration(seconds * 1_000) }
}

/// `now`, `33 s ago`, `4m ago`, `3h ago`, `12d ago`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then) / 1_000;
    let minutes = seconds / 60;
    match minutes {
        0 if seconds < 2 => "now".to_owned(),
        0 => format!("{seconds} s ago"),
        1..=59 => format!("{minutes}m ago"),
        60..=1_439 => format!("{}h ago", minutes / 60),
        _ => format!("{}d ago", minutes / 1_440),
    }
}

/// How long something took, or has taken until `now`.
pub(crate) fn took(started: Option<Timestamp>, finished: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let started = started?;
    Some(match finished {
        Some(finished) => duration(finished.since(started)),
        None => running_duration(now.since(started)),
    })
}

pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=9_999_999 => format!("{} kB", count / 1_000),
        10_000_000..=9_999_999_999 => format!("{} MB", count / 1_000_000),
        _ => format!("{} GB", count / 1_000_000_000),
    }
}

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(crate) fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// The ref without its namespace: `main`, `v1.2`, or the pull request `PR 7`.
pub(crate) fn branch(row: &BuildRow) -> String {
    short_ref(row.pull_request, row.branch.as_deref(), &row.r#ref)
}

pub(crate) fn branch_of(head: &BuildHead) -> String {
    short_ref(head.pull_request, head.branch.as_deref(), &head.r#ref)
}

fn short_ref(pull_request: Option<u64>, branch: Option<&str>, name: &str) -> String {
    if let Some(number) = pull_request {
        return format!("PR {number}");
    }
    let stripped = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name);
    branch.unwrap_or(stripped).to_owned()
}

pub(crate) fn short_sha(sha: &str) -> &str {
    sha.get(..10).unwrap_or(sha)
}

/// How a step or an attempt ended in numbers: `exit 101`, `signal 9`.
pub(crate) fn ending(exit_code: Option<i32>, signal: Option<i32>) -> Option<String> {
    match (exit_code, signal) {
        (_, Some(signal)) => Some(format!("signal {signal}")),
        (Some(code), None) if code != 0 => Some(format!("exit {code}")),
        _ => None,
    }
}

/// Did not pass, and not because something else did not.
pub(crate) fn is_bad(outcome: Option<Outcome>) -> bool {
    !matches!(outcome, None | Some(Outcome::Passed | Outcome::Skipped))
}

/// The step that decided, if one did.
pub(crate) fn failing_step(attempt: &AttemptView) -> Option<(usize, &StepView)> {
    attempt.steps.iter().enumerate().find(|(_, step)| is_bad(step.outcome))
}

/// The cancel that stops all that is left of a build: the one that takes longest.
pub(crate) fn stopping(view: &BuildView) -> Option<&Cancelling> {
    let unfinished = || view.jobs.iter().filter(|job| job.status != Status::Finished);
    let cancelling = || unfinished().filter_map(|job| job.attempts.last()?.cancelling.as_ref());
    (cancelling().count() == unfinished().count()).then(|| cancelling().max_by_key(|cancelling| cancelling.kill_at))?
}

/// The job that stands for a build without jobs of its own: its spec is broken, or nothing of it was to run.
const SPEC_JOB: &str = "spec";

/// How reading the spec ended, when that is all there is to the build.
pub(crate) fn spec_outcome(view: &BuildView) -> Option<Outcome> {
    let [job] = view.jobs.as_slice() else { return None };
    let steps = job.attempts.iter().any(|attempt| !attempt.steps.is_empty());
    job.outcome.filter(|outcome| job.name == SPEC_JOB && !steps && is_unplanned(*outcome))
}

/// The same, as far as a row tells.
pub(crate) fn spec_outcome_of(row: &BuildRow) -> Option<Outcome> {
    let [job] = row.jobs.as_slice() else { return None };
    job.outcome.filter(|outcome| job.name == SPEC_JOB && row.started_at.is_none() && is_unplanned(*outcome))
}

fn is_unplanned(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Broken | Outcome::Skipped)
}

/// The job a person most likely means by a build alone: the one that failed, or runs, or was stopped, or has a log at all.
pub(crate) fn telling_job(build: &BuildView) -> Option<&JobView> {
    let with_attempt = || build.jobs.iter().filter(|job| !job.attempts.is_empty());
    let began = |job: &&JobView| job.attempts.last().is_some_and(|attempt| attempt.started_at.is_some());
    let failed = |job: &&JobView| is_bad(job.outcome) && job.outcome != Some(Outcome::Cancelled);
    with_attempt()
        .find(failed)
        .or_else(|| with_attempt().find(|job| job.status == Status::Running))
        .or_else(|| with_attempt().filter(began).find(|job| is_bad(job.outcome)))
        .or_else(|| with_attempt().find(began))
        .or_else(|| with_attempt().next())
}

pub(crate) fn newest_attempt(build: &BuildView, job: &JobView) -> Option<AttemptId> {
    let attempt = job.attempts.last()?;
    Some(AttemptId { build: build.build.number, job: job.name.clone(), attempt: attempt.number })
}

/// An address as it has to be typed in a shell.
pub(crate) fn for_shell(address: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if address.chars().all(plain) { address.to_owned() } else { format!("'{}'", address.replace('\'', r"'\''")) }
}

/// `push by ada`; nobody is named where the event names nobody.
pub(crate) fn event_by(event: &str, author: &str) -> String {
    if author.trim().is_empty() { event.to_owned() } else { format!("{event} by {author}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (59_949, "59.9 s"),
            (60_000, "1m 00s"),
            (3_599_999, "59m 59s"),
            (3_600_000, "1h 00m"),
            (90_000_000, "1d 01h"),
        ];
        for (ms, words) in table {
            assert_eq!(duration(ms), words);
        }
        assert_eq!(running_duration(12_900), "12 s");
        assert_eq!(age(Timestamp(0), Timestamp(1_999)), "now");
        assert_eq!(age(Timestamp(0), Timestamp(59_999)), "59 s ago");
        assert_eq!(age(Timestamp(0), Timestamp(60_000)), "1m ago");
        assert_eq!(age(Timestamp(0), Timestamp(7_200_000)), "2h ago");
    }

    #[test]
    fn what_is_to_be_typed_can_be_typed() {
        assert_eq!(for_shell("42/test"), "42/test");
        assert_eq!(for_shell("42/test (3.12)"), "'42/test (3.12)'");
        assert_eq!(for_shell("1/$(a)'b"), r"'1/$(a)'\''b'");
    }

    #[test]
    fn who_is_not_known_is_not_named() {
        assert_eq!(event_by("push", "ada"), "push by ada");
        assert_eq!(event_by("push", " "), "push");
    }

    #[test]
    fn numbers() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "job"), "1 job");
        assert_eq!(plural(1_000, "line"), "1,000 lines");
    }
}
