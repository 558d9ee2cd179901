//! From evidence to a verdict: what the runner reported, how its process ended, whether a cancel was asked for. The kind of
//! the outcome says whose fault it was; retry policy and the screen branch on it. Pure.

use windlass_protocol::view::Outcome;

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
}

/// Characters of a reason.
const MOST_REASON: usize = 1000;

/// Exit codes of the runner itself; `runner::code` has the whole list.
const RUNNER_BAD_FEED: i64 = 64;
const RUNNER_TROUBLE: i64 = 70;

/// The verdict. `step_name` tells a step's name by its index. The reason is one short line whatever the evidence says: some
/// of it comes out of the job's own container.
pub fn judge(evidence: &Evidence, step_name: impl Fn(u16) -> String) -> Verdict {
    let verdict = weigh(evidence, step_name);
    Verdict { reason: verdict.reason.map(|reason| clean(&reason, MOST_REASON)), ..verdict }
}

fn weigh(evidence: &Evidence, step_name: impl Fn(u16) -> String) -> Verdict {
    if let Some(report) = &evidence.report {
        if let Some((step, end)) = &report.decided_by {
            return decided(&step_name(*step), end, evidence);
        }
        if report.cancelled {
            return cancelled(evidence);
        }
        return match evidence.exit_code {
            None | Some(0) => Verdict::passed(),
            Some(code) => Verdict::because(
                Outcome::Lost,
                format!(
                    "every step passed, but the runner ended with code {code}: the end was not clean, so it does not count"
                ),
            ),
        };
    }
    if evidence.cancelled_by.is_some() {
        return cancelled(evidence);
    }
    if evidence.overdue {
        return Verdict::because(Outcome::TimedOut, "the job's time was over and it was killed from outside");
    }
    if evidence.out_of_memory {
        return Verdict::because(
            Outcome::OutOfMemory,
            "the kernel killed the job's processes for memory: use less, or raise `resources: {memory: …}` up to the operator's \
             limits.memory",
        );
    }
    if let Some(why) = &evidence.log_fault {
        let why = format!("its log could not be written, so it was stopped: {why}; retry it when that is mended");
        return Verdict::because(Outcome::Lost, why);
    }
    if let Some(why) = &evidence.garbled {
        return Verdict::because(Outcome::Broken, format!("what the runner wrote cannot be read: {why}"));
    }
    if let Some(error) = &evidence.engine_error {
        return Verdict::because(Outcome::Broken, error.clone());
    }
    match evidence.exit_code {
        // The runner's own codes; its log line says which file or folder it was about.
        Some(RUNNER_TROUBLE) => Verdict::because(
            Outcome::Broken,
            "the runner could not do its own part in this image (the log says what: no place for the checkout, mostly)",
        ),
        _ if evidence.not_handed_over.is_some() => {
            let why = evidence.not_handed_over.as_deref().unwrap_or_default();
            Verdict::because(Outcome::Lost, format!("the job was not handed its plan and source: {why}; retry it"))
        }
        Some(RUNNER_BAD_FEED) => Verdict::because(
            Outcome::Lost,
            "plan and source did not arrive whole: the daemon stopped meanwhile; nothing of it ran: retry it",
        ),
        Some(code) => Verdict::because(
            Outcome::Lost,
            format!("the runner ended with code {code} without a last word: it was killed from outside; retry it"),
        ),
        None => Verdict::because(Outcome::Lost, "the job's processes went away without a last word; retry it"),
    }
}

fn cancelled(evidence: &Evidence) -> Verdict {
    let reason = match &evidence.cancelled_by {
        Some(by) => format!("cancelled by {by}"),
        None => "stopped by a TERM signal that did not come from Windlass".to_owned(),
    };
    Verdict::because(Outcome::Cancelled, reason)
}

fn decided(step: &str, end: &StepEnd, evidence: &Evidence) -> Verdict {
    if end.out_of_memory {
        return Verdict {
            outcome: Outcome::OutOfMemory,
            reason: Some(format!(
                "step `{step}` ran out of memory: use less, or raise `resources: {{memory: …}}` up to the operator's limits.memory"
            )),
            exit_code: match end.how {
                How::Exited(code) => Some(code),
                _ => None,
            },
            signal: match end.how {
                How::Signalled(signal) => Some(signal),
                _ => None,
            },
            fault: Fault::Job,
        };
    }
    match &end.how {
        How::Exited(code) => Verdict {
            outcome: Outcome::Failed,
            reason: Some(format!("step `{step}` ended with exit code {code}")),
            exit_code: Some(*code),
            signal: None,
            fault: Fault::Job,
        },
        How::Signalled(signal) => Verdict {
            outcome: Outcome::Failed,
            reason: Some(format!("step `{step}` was ended by signal {signal}")),
            exit_code: None,
            signal: Some(*signal),
            fault: Fault::Job,
        },
        How::TimedOut { limit_ms, whole_job: false } => Verdict::because(
            Outcome::TimedOut,
            format!("step `{step}` took longer than its limit of {}", duration(*limit_ms)),
        ),
        How::TimedOut { limit_ms, whole_job: true } => Verdict::because(
            Outcome::TimedOut,
            format!("the job took longer than its limit of {}, in step `{step}`", duration(*limit_ms)),
        ),
        How::Cancelled => cancelled(evidence),
        How::NotStarted(why) => Verdict::because(Outcome::Failed, format!("step `{step}` could not be started: {why}")),
    }
}

/// `90s`, `5m`, `1h30m`: as the spec writes durations.
fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    if !ms.is_multiple_of(1000) {
        return format!("{ms}ms");
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    let mut text = String::new();
    for (value, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s")] {
        if value > 0 {
            text.push_str(&format!("{value}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(decided_by: Option<(u16, How)>, cancelled: bool) -> Report {
        Report {
            decided_by: decided_by.map(|(step, how)| (step, StepEnd { how, duration_ms: 1, out_of_memory: false })),
            cancelled,
            output_sha256: String::new(),
            output_bytes: 0,
            peak_memory_bytes: None,
        }
    }

    #[test]
    fn evidence_decides() {
        let by = Some("ann".to_owned());
        let table = [
            (
                Evidence { report: Some(report(None, false)), exit_code: Some(0), ..Evidence::default() },
                Outcome::Passed,
            ),
            (Evidence { report: Some(report(None, false)), ..Evidence::default() }, Outcome::Passed),
            (
                Evidence { report: Some(report(None, false)), exit_code: Some(137), ..Evidence::default() },
                Outcome::Lost,
            ),
            (
                Evidence {
                    report: Some(report(Some((0, How::Exited(2))), false)),
                    exit_code: Some(1),
                    ..Evidence::default()
                },
                Outcome::Failed,
            ),
            (
                Evidence {
                    report: Some(report(Some((0, How::Cancelled)), true)),
                    cancelled_by: by.clone(),
                    ..Evidence::default()
                },
                Outcome::Cancelled,
            ),
            // A step that failed before the TERM came stays failed: one result, the true one.
            (
                Evidence {
                    report: Some(report(Some((0, How::Exited(1))), true)),
                    cancelled_by: by.clone(),
                    ..Evidence::default()
                },
                Outcome::Failed,
            ),
            (
                Evidence {
                    report: Some(report(Some((0, How::TimedOut { limit_ms: 90_000, whole_job: false })), false)),
                    ..Evidence::default()
                },
                Outcome::TimedOut,
            ),
            (Evidence { exit_code: Some(137), cancelled_by: by, ..Evidence::default() }, Outcome::Cancelled),
            (Evidence { exit_code: Some(137), out_of_memory: true, ..Evidence::default() }, Outcome::OutOfMemory),
            (Evidence { exit_code: Some(137), ..Evidence::default() }, Outcome::Lost),
            (Evidence { exit_code: Some(137), overdue: true, ..Evidence::default() }, Outcome::TimedOut),
            (
                Evidence { exit_code: Some(127), engine_error: Some("no such file".into()), ..Evidence::default() },
                Outcome::Broken,
            ),
            (
                Evidence { exit_code: Some(0), garbled: Some("bad magic".into()), ..Evidence::default() },
                Outcome::Broken,
            ),
            (Evidence { exit_code: Some(RUNNER_TROUBLE), ..Evidence::default() }, Outcome::Broken),
            (Evidence { exit_code: Some(RUNNER_BAD_FEED), ..Evidence::default() }, Outcome::Lost),
            (
                Evidence { not_handed_over: Some("broken pipe".into()), exit_code: Some(0), ..Evidence::default() },
                Outcome::Lost,
            ),
            (
                Evidence { log_fault: Some("I/O error".into()), exit_code: Some(0), ..Evidence::default() },
                Outcome::Lost,
            ),
            (Evidence::default(), Outcome::Lost),
        ];
        for (evidence, outcome) in table {
            let verdict = judge(&evidence, |step| format!("step {step}"));
            assert_eq!(verdict.outcome, outcome, "{evidence:?}");
            assert_eq!(
                verdict.reason.is_none(),
                outcome == Outcome::Passed,
                "a reason for all but success: {verdict:?}"
            );
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

    #[test]
    fn durations_read_as_the_spec_writes_them() {
        let table = [(0, "0s"), (90_000, "1m30s"), (5_400_000, "1h30m"), (3_600_000, "1h"), (1500, "1500ms")];
        for (ms, text) in table {
            assert_eq!(duration(ms), text);
        }
    }
}
