//! One attempt of a job: its states, and the one function that says what may follow. The store enforces the same table by
//! compare-and-set; `TRANSITIONS` is what its tests check against. Must not know how states are stored.

use std::fmt;

use windlass_protocol::view::{Outcome, Status};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    /// One sentence: what happened and, where there is something to do, what.
    pub reason: Option<String>,
    /// Of the step that decided.
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    /// Whose fault it was: what trying again by itself goes by.
    pub fault: Fault,
}

/// Whose fault an end was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nobody's, or one that trying again does not mend: passed, skipped, cancelled, broken.
    #[default]
    None,
    /// The job's own: failed, timed out, out of memory.
    Job,
    /// Not the job's: engine, node, network, disk. `began`: a step had begun, so running it again may do things twice.
    Infrastructure { began: bool },
}

impl Verdict {
    #[must_use]
    pub fn passed() -> Self {
        Self { outcome: Outcome::Passed, reason: None, exit_code: Some(0), signal: None, fault: Fault::None }
    }

    #[must_use]
    pub fn because(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()), exit_code: None, signal: None, fault: Fault::None }
    }

    #[must_use]
    pub fn infrastructure(outcome: Outcome, reason: impl Into<String>, began: bool) -> Self {
        Self { fault: Fault::Infrastructure { began }, ..Self::because(outcome, reason) }
    }
}

/// The name of a state, as the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Jobs that it needs have not passed yet.
    Blocked,
    /// Could run; waits for a slot.
    Waiting,
    /// A scheduler took it; its place is being prepared. Nothing of it ran, no secret left the daemon.
    Claimed,
    /// The one-time claim is won: plan and source are, or were, on the way to the runner.
    Running,
    Finished,
}

/// What can happen to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All that it needs passed.
    Unblock,
    /// The scheduler takes it.
    Claim,
    /// The scheduler gives it back: nothing ran.
    Release,
    /// Its place is ready; plan and source may be handed out, once.
    Start,
    Finish(Verdict),
}

/// A step that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{from} does not allow {step:?}")]
pub struct Refused {
    pub from: State,
    pub step: Step,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Blocked, Self::Waiting, Self::Claimed, Self::Running, Self::Finished];

    /// The state that follows, or a refusal.
    pub fn after(self, step: Step) -> Result<Self, Refused> {
        match (self, &step) {
            (Self::Blocked, Step::Unblock) | (Self::Claimed, Step::Release) => Ok(Self::Waiting),
            (Self::Waiting, Step::Claim) => Ok(Self::Claimed),
            (Self::Claimed, Step::Start) => Ok(Self::Running),
            // What never ran ends by decree: skipped, cancelled, broken, lost.
            (Self::Blocked | Self::Waiting | Self::Claimed, Step::Finish(verdict)) if never_ran(verdict.outcome) => {
                Ok(Self::Finished)
            }
            // A running attempt is not cancelled by decree: the executor stops it and reports how it ended.
            (Self::Running, Step::Finish(verdict)) if verdict.outcome != Outcome::Skipped => Ok(Self::Finished),
            (from, _) => Err(Refused { from, step }),
        }
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Claimed => "claimed",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// What a person is shown.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Blocked | Self::Waiting | Self::Claimed => Status::Waiting,
            Self::Running => Status::Running,
            Self::Finished => Status::Finished,
        }
    }
}

/// Outcomes that something which did not run can have.
fn never_ran(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Skipped | Outcome::Cancelled | Outcome::Broken | Outcome::Lost => true,
        Outcome::Passed | Outcome::Failed | Outcome::TimedOut | Outcome::OutOfMemory => false,
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(outcome: Outcome) -> Step {
        Step::Finish(Verdict::because(outcome, "why"))
    }

    #[test]
    fn the_whole_table() {
        use State::{Claimed, Finished, Running, Waiting};
        let steps = [
            (Step::Unblock, [Some(Waiting), None, None, None, None]),
            (Step::Claim, [None, Some(Claimed), None, None, None]),
            (Step::Release, [None, None, Some(Waiting), None, None]),
            (Step::Start, [None, None, Some(Running), None, None]),
            (finish(Outcome::Passed), [None, None, None, Some(Finished), None]),
            (finish(Outcome::Failed), [None, None, None, Some(Finished), None]),
            (finish(Outcome::TimedOut), [None, None, None, Some(Finished), None]),
            (finish(Outcome::OutOfMemory), [None, None, None, Some(Finished), None]),
            (finish(Outcome::Cancelled), [Some(Finished), Some(Finished), Some(Finished), Some(Finished), None]),
            (finish(Outcome::Broken), [Some(Finished), Some(Finished), Some(Finished), Some(Finished), None]),
            (finish(Outcome::Lost), [Some(Finished), Some(Finished), Some(Finished), Some(Finished), None]),
            (finish(Outcome::Skipped), [Some(Finished), Some(Finished), Some(Finished), None, None]),
        ];
        for (step, expected) in steps {
            for (from, expected) in State::ALL.into_iter().zip(expected) {
                assert_eq!(from.after(step.clone()).ok(), expected, "{from} {step:?}");
            }
        }
    }

    #[test]
    fn words_come_back() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("paused"), None);
    }
}
