//! Whether an attempt that has ended is followed by another one without anybody asking: decided by whose fault the end was
//! and by what the spec allows. Pure; must not know how attempts are stored.

use std::time::Duration;

use windlass_protocol::view::Outcome;

use super::attempt::{Fault, Verdict};
use crate::event::clean;
use crate::plan::Retry;

/// How many attempts in a row were followed by another one by themselves. Whoever asks for a retry begins anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    pub infrastructure: u32,
    pub failure: u32,
}

/// Another attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// It begins no sooner.
    pub after: Duration,
    /// Why there is this attempt.
    pub because: String,
    pub tried: Tried,
}

/// After faults that are not the job's, where the spec says nothing and no step had begun.
const USUAL: u32 = 2;

/// Before the first, the second and each later one. Engines and registries that have trouble are not helped by haste.
const BACK_OFF: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), LONGEST_BACK_OFF];
/// Nothing is put off for longer.
pub const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);

/// Characters of the reason that is handed on.
const MOST_REASON: usize = 300;

/// `cancel_asked`: somebody wanted this attempt stopped, however it ended.
#[must_use]
pub fn decide(verdict: &Verdict, policy: Retry, tried: Tried, cancel_asked: bool) -> Option<Again> {
    if cancel_asked || matches!(verdict.outcome, Outcome::Passed | Outcome::Cancelled | Outcome::Skipped) {
        return None;
    }
    let tried = match verdict.fault {
        Fault::None => return None,
        Fault::Job if tried.failure < policy.failure => Tried { failure: tried.failure + 1, ..tried },
        Fault::Infrastructure { began } => {
            // Once a step had begun it may have done something that must not be done twice: only the spec knows.
            let allowed = policy.infrastructure.unwrap_or(if began { 0 } else { USUAL });
            if tried.infrastructure >= allowed {
                return None;
            }
            Tried { infrastructure: tried.infrastructure + 1, ..tried }
        }
        Fault::Job => return None,
    };
    let so_far = (tried.infrastructure + tried.failure).saturating_sub(1) as usize;
    let after = BACK_OFF[so_far.min(BACK_OFF.len() - 1)];
    let why = verdict.reason.as_deref().map_or_else(|| verdict.outcome.to_string(), |why| clean(why, MOST_REASON));
    Some(Again { after, because: format!("tried again by itself: {why}"), tried })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Fault = Fault::Job;
    const EARLY: Fault = Fault::Infrastructure { began: false };
    const LATE: Fault = Fault::Infrastructure { began: true };

    /// How often a job that always ends in the same way is tried again.
    fn times(outcome: Outcome, fault: Fault, policy: Retry) -> u32 {
        let verdict = Verdict { fault, ..Verdict::because(outcome, "why") };
        let mut tried = Tried::default();
        let mut times = 0;
        while let Some(again) = decide(&verdict, policy, tried, false) {
            assert_eq!(again.because, "tried again by itself: why");
            tried = again.tried;
            times += 1;
            assert!(times < 100, "it never ends");
        }
        times
    }

    #[test]
    fn faults_and_the_spec_decide_how_often() {
        let nothing = Retry::default();
        let never = Retry { infrastructure: Some(0), failure: 0 };
        let both = Retry { infrastructure: Some(3), failure: 1 };
        let table = [
            (Outcome::Lost, EARLY, nothing, 2),
            (Outcome::Broken, EARLY, nothing, 2),
            (Outcome::Lost, LATE, nothing, 0),
            (Outcome::Lost, EARLY, never, 0),
            (Outcome::Lost, EARLY, both, 3),
            (Outcome::Lost, LATE, both, 3),
            (Outcome::Failed, JOB, nothing, 0),
            (Outcome::Failed, JOB, both, 1),
            (Outcome::TimedOut, JOB, both, 1),
            (Outcome::OutOfMemory, JOB, both, 1),
            (Outcome::Failed, Fault::None, both, 0),
            (Outcome::Broken, Fault::None, both, 0),
            (Outcome::Cancelled, LATE, both, 0),
            (Outcome::Cancelled, JOB, both, 0),
            (Outcome::Passed, JOB, both, 0),
            (Outcome::Skipped, EARLY, both, 0),
        ];
        for (outcome, fault, policy, expected) in table {
            assert_eq!(times(outcome, fault, policy), expected, "{outcome} {fault:?} {policy:?}");
        }
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let policy = Retry { infrastructure: Some(9), failure: 0 };
        let verdict = Verdict::infrastructure(Outcome::Lost, "why", false);
        let pauses: Vec<u64> = (0..6)
            .map(|infrastructure| {
                let tried = Tried { infrastructure, failure: 0 };
                decide(&verdict, policy, tried, false).expect("allowed").after.as_secs()
            })
            .collect();
        assert_eq!(pauses, [5, 30, 120, 300, 300, 300]);
    }

    #[test]
    fn what_somebody_wanted_stopped_stays_ended() {
        let verdict = Verdict::infrastructure(Outcome::Lost, "why", false);
        assert_eq!(decide(&verdict, Retry::default(), Tried::default(), true), None);
    }

    #[test]
    fn a_long_reason_is_cut() {
        let verdict = Verdict::infrastructure(Outcome::Lost, "x\n".repeat(5_000), false);
        let again = decide(&verdict, Retry::default(), Tried::default(), false).expect("allowed");
        assert!(again.because.chars().count() < 400 && !again.because.contains('\n'), "{}", again.because);
    }
}
