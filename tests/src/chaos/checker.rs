//! Holds the ledger against the evidence, promise by promise. Pure: the same two give the same answer, so that it can be
//! shown what it finds. Must not know the daemon's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use windlass_protocol::id::AttemptId;

use super::evidence::{Attempt, Build, Evidence};
use super::ledger::Ledger;
use super::recipe::{Fate, Job, Recipe, sha256};

/// What is promised; see the promises that the daemon's README gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// What was acknowledged is there and was worked on.
    Durable,
    /// One end for each attempt, for ever.
    OneEnd,
    /// No step runs twice for one attempt.
    Once,
    /// The outcome is what happened.
    Truth,
    /// The log is what was written.
    ExactLog,
    /// All goes on to its end, and nothing is left behind.
    Survives,
    /// The harness itself did not do its part.
    Harness,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub promise: Promise,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

/// Everything that is wrong.
#[must_use]
pub fn check(ledger: &Ledger, evidence: &Evidence) -> Vec<Violation> {
    let mut check = Check { ledger, evidence, steps: Noted::read(&ledger.steps), found: Vec::new() };
    check.deliveries();
    check.attempts();
    check.steps();
    for job in check.jobs() {
        check.job(&job);
    }
    check.left();
    check.found
}

struct Check<'a> {
    ledger: &'a Ledger,
    evidence: &'a Evidence,
    steps: Noted,
    found: Vec<Violation>,
}

/// All attempts of one job, with what it was made to do.
struct Told<'a> {
    build: &'a Build,
    job: Option<&'a Job>,
    recipe: &'a Recipe,
    attempts: Vec<&'a Attempt>,
}

/// What steps wrote down: how often each began and ended, by attempt.
#[derive(Debug, Default)]
struct Noted {
    begun: BTreeMap<AttemptId, BTreeMap<usize, u32>>,
    ended: BTreeMap<AttemptId, BTreeMap<usize, u32>>,
    strange: Vec<String>,
}

impl Noted {
    fn read(lines: &[String]) -> Self {
        let mut noted = Self::default();
        for line in lines {
            let mut words = line.split(' ');
            let id = words.next().and_then(|id| id.parse::<AttemptId>().ok());
            let step = words.next().and_then(|step| step.parse::<usize>().ok());
            let of = match words.next() {
                Some("begin") => &mut noted.begun,
                Some("end") => &mut noted.ended,
                _ => {
                    noted.strange.push(line.clone());
                    continue;
                }
            };
            let (Some(id), Some(step)) = (id, step) else {
                noted.strange.push(line.clone());
                continue;
            };
            *of.entry(id).or_default().entry(step).or_default() += 1;
        }
        noted
    }

    /// The steps of an attempt that began, in order.
    fn begun(&self, id: &AttemptId) -> Vec<usize> {
        self.begun.get(id).map(|steps| steps.keys().copied().collect()).unwrap_or_default()
    }

    fn ended(&self, id: &AttemptId) -> Vec<usize> {
        self.ended.get(id).map(|steps| steps.keys().copied().collect()).unwrap_or_default()
    }
}

impl<'a> Check<'a> {
    fn wrong(&mut self, promise: Promise, what: String) {
        self.found.push(Violation { promise, what });
    }

    fn deliveries(&mut self) {
        let (ledger, evidence) = (self.ledger, self.evidence);
        for (id, sha) in &ledger.deliveries {
            let Some(row) = evidence.deliveries.iter().find(|row| row.delivery_id == *id) else {
                self.wrong(Promise::Durable, format!("delivery {id} was acknowledged and is not there"));
                continue;
            };
            if row.settled_at.is_none() {
                self.wrong(Promise::Durable, format!("delivery {id} was never worked on"));
            }
            let builds: Vec<&Build> =
                evidence.builds.iter().filter(|build| build.delivery_id.as_deref() == Some(id)).collect();
            match (sha, builds.as_slice()) {
                (None, []) => {}
                (Some(sha), [build]) if build.sha == *sha => {}
                (_, builds) => {
                    let of: Vec<i64> = builds.iter().map(|build| build.number).collect();
                    self.wrong(Promise::Durable, format!("delivery {id} of commit {sha:?} became builds {of:?}"));
                }
            }
        }
        for build in &evidence.builds {
            let asked = build.delivery_id.as_ref().is_some_and(|id| {
                let sha = ledger.recipes.contains_key(&build.sha);
                sha && evidence.deliveries.iter().any(|row| row.delivery_id == *id)
            });
            if !asked {
                self.wrong(Promise::Durable, format!("nobody asked for build {}", build.number));
            }
        }
        for fault in &ledger.faults {
            let promise = if fault.contains("later") { Promise::OneEnd } else { Promise::ExactLog };
            let promise = if fault.contains("POST") || fault.contains("answered") { Promise::Harness } else { promise };
            self.wrong(promise, fault.clone());
        }
    }

    /// What holds for each attempt, whatever it was made to do.
    fn attempts(&mut self) {
        for attempt in &self.evidence.attempts {
            let id = attempt.id();
            match &attempt.outcome {
                Some(outcome) if attempt.state == "finished" => {
                    if let Some(seen) = self.ledger.ends.get(&id)
                        && seen != outcome
                    {
                        self.wrong(Promise::OneEnd, format!("{id} is {outcome}, and was seen {seen}"));
                    }
                }
                _ => self.wrong(Promise::Survives, format!("{id} is not over: {}", attempt.state)),
            }
        }
        let known: BTreeSet<AttemptId> = self.evidence.attempts.iter().map(Attempt::id).collect();
        for id in self.ledger.ends.keys().filter(|id| !known.contains(id)) {
            self.wrong(Promise::OneEnd, format!("{id} was seen and is not there"));
        }
        for id in self.steps.begun.keys().filter(|id| !known.contains(id)).cloned().collect::<Vec<_>>() {
            self.wrong(Promise::Once, format!("steps of {id} ran, and there is no such attempt"));
        }
        for build in &self.evidence.builds {
            if let Some(state) = &build.group_state {
                self.wrong(Promise::Survives, format!("build {} is over and {state} in its group", build.number));
            }
        }
    }

    fn steps(&mut self) {
        let mut found = Vec::new();
        for (what, noted) in [("began", &self.steps.begun), ("ended", &self.steps.ended)] {
            for (id, steps) in noted {
                for (step, times) in steps.iter().filter(|(_, times)| **times != 1) {
                    found.push(format!("step {step} of {id} {what} {times} times"));
                }
            }
        }
        found.into_iter().for_each(|what| self.wrong(Promise::Once, what));
        for line in self.steps.strange.clone() {
            self.wrong(Promise::Harness, format!("a step wrote down {line:?}"));
        }
    }

    fn jobs(&self) -> Vec<Told<'a>> {
        let mut jobs: BTreeMap<(i64, &str), Vec<&Attempt>> = BTreeMap::new();
        for attempt in &self.evidence.attempts {
            jobs.entry((attempt.build, attempt.job.as_str())).or_default().push(attempt);
        }
        let told = |((number, job), attempts): ((i64, &str), Vec<&'a Attempt>)| {
            let build = self.evidence.builds.iter().find(|build| build.number == number)?;
            let recipe = self.ledger.recipes.get(&build.sha)?;
            Some(Told { build, job: recipe.job(job), recipe, attempts })
        };
        jobs.into_iter().filter_map(told).collect()
    }

    fn job(&mut self, told: &Told<'_>) {
        for (at, attempt) in told.attempts.iter().enumerate() {
            let id = attempt.id();
            let last = at + 1 == told.attempts.len();
            if usize::try_from(attempt.number).ok() != Some(at + 1) || (attempt.current == 1) != last {
                self.wrong(
                    Promise::OneEnd,
                    format!("{id} is out of order: attempts are numbered from 1, the last is current"),
                );
            }
            if let Some(next) = told.attempts.get(at + 1) {
                self.followed_rightly(attempt, next);
            } else if attempt.outcome.as_deref() == Some("lost") && !self.was_cancelled(told.build, attempt) {
                self.wrong(Promise::Truth, format!("{id} is lost and was not tried again: {:?}", attempt.reason));
            }
            match told.job {
                Some(job) if !told.recipe.broken => self.attempt(told, job, attempt),
                _ if told.recipe.broken && attempt.job == "spec" => {
                    if attempt.outcome.as_deref() != Some("broken") {
                        self.wrong(Promise::Truth, format!("{id} is {:?}, and its spec is broken", attempt.outcome));
                    }
                }
                _ => self.wrong(Promise::Truth, format!("{id} is of a job that its commit does not have")),
            }
        }
    }

    /// Another attempt is there because somebody asked, or because the one before was lost.
    fn followed_rightly(&mut self, attempt: &Attempt, next: &Attempt) {
        let by_itself = next.because.as_deref().is_some_and(|why| why.starts_with("tried again by itself"));
        let lost = attempt.outcome.as_deref() == Some("lost");
        let asked = self.ledger.retries.contains(&attempt.id().build);
        if (by_itself && !lost) || (!by_itself && !asked) {
            let (id, because) = (next.id(), &next.because);
            self.wrong(Promise::Truth, format!("{id} ({because:?}) follows one that is {:?}", attempt.outcome));
        }
    }

    fn was_cancelled(&self, build: &Build, attempt: &Attempt) -> bool {
        let newer = |other: &Build| {
            other.number > build.number
                && other.repository == build.repository
                && build.pull_request.is_some()
                && other.pull_request == build.pull_request
        };
        self.ledger.cancels.contains(&attempt.id().build) || self.evidence.builds.iter().any(newer)
    }

    fn attempt(&mut self, told: &Told<'_>, job: &Job, attempt: &Attempt) {
        let id = attempt.id();
        let (begun, ended) = (self.steps.begun(&id), self.steps.ended(&id));
        let (count, fate) = job.course();
        let all: Vec<usize> = (0..count).collect();
        let mut wrong = |what: String| self.found.push(Violation { promise: Promise::Truth, what });
        let ran = format!("its steps {begun:?} began and {ended:?} ended, {count} of {} were to run", job.steps.len());
        let whole = begun == all && ended == all;
        match attempt.outcome.as_deref() {
            Some("passed") if fate == Fate::Passes => {
                if !whole {
                    wrong(format!("{id} passed, and {ran}"));
                }
            }
            Some("failed") if matches!(fate, Fate::Fails(_)) => {
                let Fate::Fails(code) = fate else { return };
                if !whole || attempt.exit_code != Some(i64::from(code)) {
                    wrong(format!("{id} failed with {:?} instead of {code}, and {ran}", attempt.exit_code));
                }
            }
            Some("cancelled") => {
                if begun != all[..begun.len().min(count)] {
                    wrong(format!("{id} was cancelled, and {ran}"));
                }
                if !self.was_cancelled(told.build, attempt) {
                    self.wrong(
                        Promise::Truth,
                        format!("{id} is cancelled, and nobody asked for it: {:?}", attempt.reason),
                    );
                }
            }
            Some("skipped") => self.skipped(told, job, attempt),
            Some("lost") => {}
            None => return, // told already
            Some(other) => wrong(format!("{id} is {other} where {fate:?} was to come, {ran}: {:?}", attempt.reason)),
        }
        if matches!(attempt.outcome.as_deref(), Some("skipped" | "lost")) && !begun.is_empty() {
            self.wrong(Promise::Survives, format!("{id} is {:?} although it ran: {ran}", attempt.outcome));
        }
        // Whoever is told twice to end does so at once, also when nothing is left but the report.
        if matches!(attempt.outcome.as_deref(), Some("passed" | "failed")) && !self.was_cancelled(told.build, attempt) {
            self.report(attempt);
            self.artifacts(job, attempt);
        }
        self.log(told, job, attempt);
    }

    /// Every job reports one test, which passed.
    fn report(&mut self, attempt: &Attempt) {
        let tests = attempt.tests.as_deref().unwrap_or("null");
        let counts: serde_json::Value = serde_json::from_str(tests).unwrap_or_default();
        if (counts["passed"].as_u64(), counts["troubles"].is_null()) != (Some(1), true) {
            self.wrong(Promise::Truth, format!("{} reported one test, and has {tests}", attempt.id()));
        }
    }

    /// Every job leaves the files that its steps wrote from.
    fn artifacts(&mut self, job: &Job, attempt: &Attempt) {
        let files = job.files();
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let told = attempt.artifacts.as_deref().unwrap_or("null");
        let counts: serde_json::Value = serde_json::from_str(told).unwrap_or_default();
        let as_written = (counts["files"].as_u64(), counts["bytes"].as_u64())
            == (Some(files.len() as u64), Some(bytes as u64))
            && counts["troubles"].is_null();
        if !as_written {
            let (id, files) = (attempt.id(), files.len());
            self.wrong(Promise::Truth, format!("{id} left {files} files of {bytes} bytes, and is told to have {told}"));
        }
        let expected: Vec<String> = files.iter().map(|(_, bytes)| sha256(bytes)).collect();
        let kept = self.evidence.kept.get(&attempt.id());
        if kept.is_none_or(|kept| *kept != expected) {
            self.wrong(Promise::Truth, format!("{}: other files are kept than it left: {kept:?}", attempt.id()));
        }
    }

    /// A job whose needs all passed in the end is not skipped.
    fn skipped(&mut self, told: &Told<'_>, job: &Job, attempt: &Attempt) {
        let passed = |need: &String| {
            let mut of_build = self.evidence.attempts.iter().filter(|other| other.build == attempt.build);
            of_build.any(|other| other.job == *need && other.current == 1 && other.outcome.as_deref() == Some("passed"))
        };
        if attempt.current == 1 && job.needs.iter().all(passed) && !self.was_cancelled(told.build, attempt) {
            self.wrong(Promise::Truth, format!("{} is skipped although all it needs has passed", attempt.id()));
        }
    }

    fn log(&mut self, told: &Told<'_>, job: &Job, attempt: &Attempt) {
        let id = attempt.id();
        let nothing = Vec::new();
        let served = self.evidence.logs.get(&id).unwrap_or(&nothing);
        let sum = sha256(served);
        let recorded = (attempt.log_bytes, attempt.log_sha256.clone());
        let there = i64::try_from(served.len()).unwrap_or(i64::MAX);
        if recorded.0 != there || recorded.1.as_ref().is_some_and(|recorded| *recorded != sum) {
            self.wrong(
                Promise::ExactLog,
                format!("{id}: {there} bytes of {sum} are served, {recorded:?} are recorded"),
            );
        }
        match self.ledger.followed.get(&id) {
            Some(log) if log.finished => {
                if log.bytes != *served {
                    let (saw, sum) = (log.bytes.len(), sha256(&log.bytes));
                    self.wrong(
                        Promise::ExactLog,
                        format!("{id}: a client saw {saw} bytes of {sum}, {there} are served"),
                    );
                }
            }
            _ if served.is_empty() => {}
            _ => self.wrong(Promise::ExactLog, format!("{id}: no client was told the end of its log")),
        }
        let written = job.output();
        let exact = match attempt.outcome.as_deref() {
            // A cancel that came too late has left its words all the same.
            Some("passed" | "failed") if self.was_cancelled(told.build, attempt) => {
                missing(served, &written).is_some_and(<[u8]>::is_empty)
            }
            Some("passed" | "failed") => *served == written,
            // The daemon's own words stand where it was stopped; what comes before is as it was written.
            Some("cancelled") if !self.steps.begun(&id).is_empty() => missing(served, &written).is_some(),
            // Nothing of it ran: whatever is there are words of the runner's and the daemon's own.
            _ => true,
        };
        if !exact {
            let at = served.iter().zip(&written).take_while(|(one, other)| one == other).count();
            let shown = String::from_utf8_lossy(&served[at..served.len().min(at + 120)]).into_owned();
            let (outcome, long) = (&attempt.outcome, written.len());
            self.wrong(
                Promise::ExactLog,
                format!(
                    "{id} ({outcome:?}): {there} bytes are served, {long} were written; they differ at {at}: {shown:?}"
                ),
            );
        }
    }

    fn left(&mut self) {
        for left in &self.evidence.left {
            self.wrong(Promise::Survives, format!("left behind: {left}"));
        }
        if !matches!(self.evidence.exit_code, None | Some(0)) {
            self.wrong(Promise::Survives, format!("the last daemon ended with {:?}", self.evidence.exit_code));
        }
    }
}

const NOTICE: &[u8] = b"[windlass] ";

/// What of `written` comes after `log`, which has it from the beginning and lines of the daemon's own in between; `None`:
/// it has something else.
fn missing<'a>(log: &[u8], written: &'a [u8]) -> Option<&'a [u8]> {
    let Some(at) = log.windows(NOTICE.len()).position(|window| window == NOTICE) else {
        return written.strip_prefix(log);
    };
    let (piece, rest) = log.split_at(at);
    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    // A notice starts on a line of its own: the line feed before it may be the daemon's, too.
    let pieces = [Some(piece), piece.strip_suffix(b"\n")];
    pieces.into_iter().flatten().find_map(|piece| missing(&rest[end..], written.strip_prefix(piece)?))
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn a_cut_log_is_the_beginning_of_what_was_written() {
        for (log, fits) in [
            ("", true),
            ("abc", true),
            ("abc\n[windlass] asked to stop\n", true),
            ("abc\n[windlass] asked to stop\nde", true),
            ("abc\n[windlass] asked to stop\nde\n[windlass] gone\n", true),
            ("[windlass] cancelled\n", true),
            ("abd", false),
            ("abc\n[windlass] asked to stop\nxe", false),
            ("abcdefgh", false),
        ] {
            assert_eq!(missing(log.as_bytes(), b"abcdefg").is_some(), fits, "{log:?}");
        }
        assert_eq!(missing(b"a\n[windlass] x\nb", b"a\nb"), Some(&b""[..]));
        assert_eq!(missing(b"ab\n[windlass] x\n", b"abc"), Some(&b"c"[..]));
        assert_eq!(missing(b"a\n[windlass] x\n\nb", b"a\nb"), Some(&b""[..]), "the daemon's, before that of the job");
        assert_eq!(missing(b"a\n[windlass] x\n[windlass] y\n\nb", b"a\nb"), Some(&b""[..]));
        assert_eq!(missing(b"a\n[windlass] x\n\n\nb", b"a\nb"), None);
    }
}
