//! From evidence to a verdict: what the runner reported, how its process ended, whether a cancel was asked for. The kind of
//! the outcome and the fault say whose it was; retry policy and the screen branch on them. Every outcome but success has
//! one sentence for a person: what happened, and what to do next. Pure.

mod words; // exit codes, signals and durations as people read them

use windlass_protocol::view::Outcome;

use self::words::{Look, bare_code, duration, exit_code, signal};
use crate::event::clean;
use crate::frame::{How, Report, StepEnd};
use crate::state::attempt::{Fault, Verdict};

/// All that is known of an attempt that has ended.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The runner's last word, if it had one.
    pub report: Option<Report>,
    /// The process's exit code by the engine's account; `None` where nobody could see it.
    pub exit_code: Option<i64>,
    /// The engine says that the kernel killed for memory.
    pub out_of_memory: bool,
    /// What the engine has to say: why it could not start.
    pub engine_error: Option<String>,
    /// Who asked for a cancel.
    pub cancelled_by: Option<String>,
    /// The daemon itself killed it because the job's limit was over and the runner had not acted.
    pub overdue: bool,
    /// Frames were unreadable: why.
    pub garbled: Option<String>,
    /// The log could not be written: why.
    pub log_fault: Option<String>,
    /// The runner did not get plan and source, or not whole: why.
    pub not_handed_over: Option<String>,
    /// How its process ended could not be seen, and so it may run on: why.
    pub unseen: Option<String>,
    /// Its process ended, and what it wrote last could not be read.
    pub unread: bool,
    /// A step had begun, or may have: only what certainly ran nothing is tried again without being asked.
    pub began: bool,
}

/// Characters of a reason.
const MOST_REASON: usize = 1000;

/// Exit codes of the runner itself; `runner::code` has the whole list.
const RUNNER_BAD_FEED: i64 = 64;
const RUNNER_TROUBLE: i64 = 70;

const MORE_MEMORY: &str = "use less, or raise `resources: { memory: … }` up to the operator's limits.memory";

/// The verdict. `step_name` tells a step's name by its index. The reason is one short line whatever the evidence says: some
/// of it comes out of the job's own container.
pub fn judge(evidence: &Evidence, step_name: impl Fn(u16) -> String) -> Verdict {
    let verdict = weigh(evidence, step_name);
    Verdict { reason: verdict.reason.map(|reason| clean(&reason, MOST_REASON)), ..verdict }
}

fn weigh(evidence: &Evidence, step_name: impl Fn(u16) -> String) -> Verdict {
    if let Some(report) = &evidence.report {
        return match &report.decided_by {
            Some((_, StepEnd { how: How::Cancelled, .. })) => stopped(evidence),
            Some((step, end)) => {
                let look = if report.output_bytes == 0 { Look::Nowhere } else { Look::Above };
                decided(&step_name(*step), end, look)
            }
            None if report.cancelled => stopped(evidence),
            None => all_passed(evidence),
        };
    }
    if let Some(why) = &evidence.unseen {
        let asked = match &evidence.cancelled_by {
            Some(by) => format!("cancelled by {by}, but "),
            None => String::new(),
        };
        let then = "what is left of it is removed as soon as its engine lets go of it";
        return lost(evidence, format!("{asked}nobody could see it end: {why}; {then}"));
    }
    if evidence.cancelled_by.is_some() || evidence.overdue {
        return stopped(evidence);
    }
    if evidence.out_of_memory {
        return of_the_job(
            Outcome::OutOfMemory,
            format!("the kernel killed the job's processes for memory: {MORE_MEMORY}"),
        );
    }
    if let Some(why) = &evidence.log_fault {
        return lost(
            evidence,
            format!("its log could not be written, so it was stopped: {why}; retry it when that is mended"),
        );
    }
    if let Some(why) = &evidence.garbled {
        let why =
            format!("what the runner wrote cannot be read ({why}): the job's steps have to leave its files alone");
        return Verdict::because(Outcome::Broken, why);
    }
    if evidence.exit_code == Some(RUNNER_BAD_FEED) && evidence.not_handed_over.is_none() {
        let why = "plan and source did not arrive whole, for the daemon stopped meanwhile; nothing of it ran: retry it";
        return lost(evidence, why.to_owned());
    }
    // Where its start failed, that is what was not handed over: the engine's trouble, not the job's.
    let not_started = evidence.not_handed_over.is_some() && evidence.exit_code != Some(RUNNER_TROUBLE);
    if let Some(error) = &evidence.engine_error
        && evidence.exit_code != Some(RUNNER_BAD_FEED)
        && !not_started
    {
        return Verdict::because(Outcome::Broken, format!("the engine could not run it: {error}"));
    }
    match (evidence.exit_code, &evidence.not_handed_over) {
        // The runner's own codes; its log line says which file or folder it was about.
        (Some(RUNNER_TROUBLE), _) => Verdict::because(
            Outcome::Broken,
            "the runner could not do its own part in this image (the log says what: no place for the checkout, mostly)",
        ),
        (_, Some(why)) => lost(evidence, format!("the job was not handed its plan and source: {why}; retry it")),
        (Some(code), None) if evidence.unread => lost(
            evidence,
            format!("it ended with {}, but what it wrote last could not be read; retry it", bare_code(code)),
        ),
        (Some(code), None) => lost(
            evidence,
            format!(
                "the runner ended with {} without a last word: it was killed from outside; retry it",
                bare_code(code)
            ),
        ),
        (None, None) => lost(evidence, "the job's processes went away without a last word; retry it".to_owned()),
    }
}

fn all_passed(evidence: &Evidence) -> Verdict {
    match evidence.exit_code {
        None | Some(0) => Verdict::passed(),
        Some(code) => lost(
            evidence,
            format!(
                "every step passed, but the runner ended with {}: the end was not clean, so it does not count; retry it",
                bare_code(code)
            ),
        ),
    }
}

/// What was running was stopped: by a person, by the daemon for a reason of its own, or by somebody else.
fn stopped(evidence: &Evidence) -> Verdict {
    if let Some(by) = &evidence.cancelled_by {
        return Verdict::because(Outcome::Cancelled, format!("cancelled by {by}"));
    }
    if evidence.overdue {
        let why = "the job's time was over and it was killed from outside: make it quicker, or raise `timeout`";
        return of_the_job(Outcome::TimedOut, why.to_owned());
    }
    if let Some(why) = &evidence.not_handed_over {
        return lost(evidence, format!("the job was not handed its plan and source: {why}; retry it"));
    }
    let why = "stopped by a TERM signal that did not come from Windlass: did its machine or its engine stop? retry it";
    lost(evidence, why.to_owned())
}

fn lost(evidence: &Evidence, reason: String) -> Verdict {
    Verdict::infrastructure(Outcome::Lost, reason, evidence.began)
}

fn of_the_job(outcome: Outcome, reason: String) -> Verdict {
    Verdict { fault: Fault::Job, ..Verdict::because(outcome, reason) }
}

/// A step decided; it was not stopped from outside.
fn decided(step: &str, end: &StepEnd, look: Look) -> Verdict {
    let (outcome, reason) = match &end.how {
        _ if end.out_of_memory => (Outcome::OutOfMemory, format!("step `{step}` ran out of memory: {MORE_MEMORY}")),
        How::Exited(code) => {
            (Outcome::Failed, format!("step `{step}` ended with {}", exit_code(i64::from(*code), look)))
        }
        How::Signalled(number) => (Outcome::Failed, format!("step `{step}` was ended by {}", signal(*number, look))),
        How::TimedOut { limit_ms, whole_job: false } => (
            Outcome::TimedOut,
            format!(
                "step `{step}` took longer than its limit of {}: make it quicker, or raise its `timeout`",
                duration(*limit_ms)
            ),
        ),
        How::TimedOut { limit_ms, whole_job: true } => (
            Outcome::TimedOut,
            format!(
                "the job took longer than its limit of {}, in step `{step}`: make it quicker, or raise `timeout`",
                duration(*limit_ms)
            ),
        ),
        How::Cancelled => (Outcome::Cancelled, "it was stopped".to_owned()),
        How::NotStarted(why) => (Outcome::Failed, format!("step `{step}` could not be started: {why}")),
    };
    let exit_code = match end.how {
        How::Exited(code) => Some(code),
        _ => None,
    };
    let signal = match end.how {
        How::Signalled(signal) => Some(signal),
        _ => None,
    };
    Verdict { exit_code, signal, ..of_the_job(outcome, reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(decided_by: Option<(u16, How)>, cancelled: bool) -> Report {
        Report {
            decided_by: decided_by.map(|(step, how)| (step, StepEnd { how, duration_ms: 1, out_of_memory: false })),
            cancelled,
            output_sha256: String::new(),
            output_bytes: 7,
            peak_memory_bytes: None,
        }
    }

    #[test]
    fn evidence_decides() {
        const BEGAN: Fault = Fault::Infrastructure { began: true };
        const NOT_BEGUN: Fault = Fault::Infrastructure { began: false };
        let none = Evidence::default();
        let by = Some("ann".to_owned());
        let why = Some("why".to_owned());
        let told = |decided_by: Option<(u16, How)>, cancelled| Some(report(decided_by, cancelled));
        let passed = told(None, false);
        let stopped = told(Some((0, How::Cancelled)), true);
        let slow = |whole_job| told(Some((0, How::TimedOut { limit_ms: 90_000, whole_job })), false);
        let table = [
            (Evidence { report: passed.clone(), exit_code: Some(0), ..none.clone() }, Outcome::Passed, Fault::None),
            (Evidence { report: passed.clone(), ..none.clone() }, Outcome::Passed, Fault::None),
            // A cancel that came when every step had passed changed nothing: one result, the true one.
            (
                Evidence { report: passed.clone(), cancelled_by: by.clone(), ..none.clone() },
                Outcome::Passed,
                Fault::None,
            ),
            (Evidence { report: passed, exit_code: Some(137), began: true, ..none.clone() }, Outcome::Lost, BEGAN),
            (
                Evidence { report: told(Some((0, How::Exited(2))), false), exit_code: Some(1), ..none.clone() },
                Outcome::Failed,
                Fault::Job,
            ),
            (
                Evidence { report: told(Some((0, How::Signalled(11))), false), ..none.clone() },
                Outcome::Failed,
                Fault::Job,
            ),
            (
                Evidence { report: told(Some((0, How::NotStarted("no".into()))), false), ..none.clone() },
                Outcome::Failed,
                Fault::Job,
            ),
            (
                Evidence { report: stopped.clone(), cancelled_by: by.clone(), ..none.clone() },
                Outcome::Cancelled,
                Fault::None,
            ),
            (
                Evidence { report: told(None, true), cancelled_by: by.clone(), ..none.clone() },
                Outcome::Cancelled,
                Fault::None,
            ),
            // Nobody asked for that: the machine goes down, or its engine does.
            (Evidence { report: stopped.clone(), began: true, ..none.clone() }, Outcome::Lost, BEGAN),
            // The daemon itself told it to stop.
            (Evidence { report: stopped.clone(), overdue: true, ..none.clone() }, Outcome::TimedOut, Fault::Job),
            (Evidence { report: stopped, not_handed_over: why.clone(), ..none.clone() }, Outcome::Lost, NOT_BEGUN),
            // A step that failed before the TERM came stays failed: one result, the true one.
            (
                Evidence { report: told(Some((0, How::Exited(1))), true), cancelled_by: by.clone(), ..none.clone() },
                Outcome::Failed,
                Fault::Job,
            ),
            (Evidence { report: slow(false), ..none.clone() }, Outcome::TimedOut, Fault::Job),
            (Evidence { report: slow(true), ..none.clone() }, Outcome::TimedOut, Fault::Job),
            (Evidence { exit_code: Some(137), cancelled_by: by, ..none.clone() }, Outcome::Cancelled, Fault::None),
            (Evidence { exit_code: Some(137), out_of_memory: true, ..none.clone() }, Outcome::OutOfMemory, Fault::Job),
            (Evidence { exit_code: Some(137), ..none.clone() }, Outcome::Lost, NOT_BEGUN),
            (Evidence { exit_code: Some(137), began: true, ..none.clone() }, Outcome::Lost, BEGAN),
            (Evidence { exit_code: Some(137), overdue: true, ..none.clone() }, Outcome::TimedOut, Fault::Job),
            (
                Evidence { exit_code: Some(127), engine_error: why.clone(), ..none.clone() },
                Outcome::Broken,
                Fault::None,
            ),
            (Evidence { exit_code: Some(0), garbled: why.clone(), ..none.clone() }, Outcome::Broken, Fault::None),
            (Evidence { exit_code: Some(RUNNER_TROUBLE), ..none.clone() }, Outcome::Broken, Fault::None),
            (Evidence { exit_code: Some(RUNNER_BAD_FEED), ..none.clone() }, Outcome::Lost, NOT_BEGUN),
            // The local engine tells the runner's own complaint as its error.
            (
                Evidence { exit_code: Some(RUNNER_BAD_FEED), engine_error: why.clone(), ..none.clone() },
                Outcome::Lost,
                NOT_BEGUN,
            ),
            (Evidence { not_handed_over: why.clone(), exit_code: Some(0), ..none.clone() }, Outcome::Lost, NOT_BEGUN),
            // Its start failed: the engine says of the container that it never ran.
            (
                Evidence {
                    not_handed_over: why.clone(),
                    exit_code: Some(0),
                    engine_error: why.clone(),
                    ..none.clone()
                },
                Outcome::Lost,
                NOT_BEGUN,
            ),
            // The runner itself gave up, so that nobody took plan and source.
            (
                Evidence { not_handed_over: why.clone(), exit_code: Some(RUNNER_TROUBLE), ..none.clone() },
                Outcome::Broken,
                Fault::None,
            ),
            // Cancelled, killed, and the engine says that it runs on: that is not an end that anybody saw.
            (
                Evidence { unseen: why.clone(), cancelled_by: Some("ann".into()), began: true, ..none.clone() },
                Outcome::Lost,
                BEGAN,
            ),
            (Evidence { unseen: why.clone(), overdue: true, ..none.clone() }, Outcome::Lost, NOT_BEGUN),
            // Its runner said how it ended, whatever its engine can tell.
            (Evidence { unseen: why.clone(), report: told(None, false), ..none.clone() }, Outcome::Passed, Fault::None),
            (Evidence { unread: true, exit_code: Some(0), began: true, ..none.clone() }, Outcome::Lost, BEGAN),
            (Evidence { log_fault: why, exit_code: Some(0), began: true, ..none.clone() }, Outcome::Lost, BEGAN),
            (none, Outcome::Lost, NOT_BEGUN),
        ];
        for (evidence, outcome, fault) in table {
            let verdict = judge(&evidence, |step| format!("step {step}"));
            assert_eq!((verdict.outcome, verdict.fault), (outcome, fault), "{evidence:?}");
            assert_eq!(
                verdict.reason.is_none(),
                outcome == Outcome::Passed,
                "a reason for all but success: {verdict:?}"
            );
        }
    }

    #[test]
    fn whoever_wrote_nothing_is_not_asked_to_read_it() {
        let of = Report { output_bytes: 0, ..report(Some((0, How::Exited(1))), false) };
        let verdict = judge(&Evidence { report: Some(of), ..Evidence::default() }, |_| "test".to_owned());
        let words = "step `test` ended with exit code 1, and nothing was written: `set -x` in the first line shows each command";
        assert_eq!(verdict.reason.as_deref(), Some(words));
    }

    #[test]
    fn numbers_are_explained() {
        let say = |how| {
            let evidence = Evidence { report: Some(report(Some((0, how)), false)), ..Evidence::default() };
            let verdict = judge(&evidence, |_| "test".to_owned());
            (verdict.reason.expect("a reason"), verdict.exit_code, verdict.signal)
        };
        let table = [
            (How::Exited(1), "step `test` ended with exit code 1: its output above says why", Some(1), None),
            (
                How::Exited(127),
                "step `test` ended with exit code 127 (a command was not found): is it in the image, and in PATH?",
                Some(127),
                None,
            ),
            (
                How::Exited(137),
                "step `test` ended with exit code 137 (128 + 9: something in it was ended by signal 9, KILL): out of memory, \
                 mostly, or a `kill -9` of its own",
                Some(137),
                None,
            ),
            (
                How::Signalled(11),
                "step `test` was ended by signal 11, SEGV: a program crashed on memory that is not its own",
                None,
                Some(11),
            ),
        ];
        for (how, reason, exit_code, signal) in table {
            assert_eq!(say(how), (reason.to_owned(), exit_code, signal));
        }
    }

    #[test]
    fn what_a_job_forges_stays_one_short_harmless_line() {
        let words = format!("\u{1b}[2J\u{202e}{}\nsecond line", "x".repeat(100_000));
        let evidence =
            Evidence { report: Some(report(Some((0, How::NotStarted(words))), false)), ..Evidence::default() };
        let reason = judge(&evidence, |_| "step".to_owned()).reason.expect("a reason");
        assert!(reason.chars().count() <= MOST_REASON + 1, "{} characters", reason.chars().count());
        assert!(!reason.contains(|c: char| c.is_control() || c == '\u{202e}'), "{reason:?}");
    }

    #[test]
    fn the_runner_s_codes_are_the_runner_s() {
        assert_eq!(RUNNER_BAD_FEED, i64::from(crate::runner::code::BAD_FEED));
        assert_eq!(RUNNER_TROUBLE, i64::from(crate::runner::code::TROUBLE));
    }
}
