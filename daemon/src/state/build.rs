//! A build's status and outcome, derived from its jobs and stored nowhere. Pure.

use windlass_protocol::view::{Outcome, Status};

/// How one job stands: its newest attempt's status and outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    pub status: Status,
    pub outcome: Option<Outcome>,
}

/// What follows for the build: finished when every job is; running when any runs or ran; else waiting.
#[must_use]
pub fn derive(jobs: &[JobStanding]) -> (Status, Option<Outcome>) {
    if jobs.iter().all(|job| job.status == Status::Finished) {
        return (Status::Finished, Some(worst(jobs)));
    }
    // A skipped or cancelled job alone does not make a build "running": nothing of it ran.
    let begun = jobs.iter().any(|job| match (job.status, job.outcome) {
        (Status::Running, _) => true,
        (Status::Finished, outcome) => !matches!(outcome, Some(Outcome::Skipped | Outcome::Cancelled)),
        (Status::Waiting, _) => false,
    });
    (if begun { Status::Running } else { Status::Waiting }, None)
}

/// The outcome that matters most to whoever looks: what failed by itself, before what only followed from it.
fn worst(jobs: &[JobStanding]) -> Outcome {
    const BY_WEIGHT: [Outcome; 6] =
        [Outcome::Failed, Outcome::OutOfMemory, Outcome::TimedOut, Outcome::Broken, Outcome::Lost, Outcome::Cancelled];
    let has = |outcome: Outcome| jobs.iter().any(|job| job.outcome == Some(outcome));
    if let Some(outcome) = BY_WEIGHT.into_iter().find(|outcome| has(*outcome)) {
        return outcome;
    }
    if has(Outcome::Passed) { Outcome::Passed } else { Outcome::Skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_what_its_jobs_are() {
        use Outcome::{Cancelled, Failed, Lost, Passed, Skipped};
        let waiting = JobStanding { status: Status::Waiting, outcome: None };
        let running = JobStanding { status: Status::Running, outcome: None };
        let ended = |outcome| JobStanding { status: Status::Finished, outcome: Some(outcome) };
        let table: [(&[JobStanding], Status, Option<Outcome>); 9] = [
            (&[waiting, waiting], Status::Waiting, None),
            (&[running, waiting], Status::Running, None),
            (&[ended(Passed), waiting], Status::Running, None),
            (&[ended(Cancelled), waiting], Status::Waiting, None),
            (&[ended(Passed), ended(Passed)], Status::Finished, Some(Passed)),
            (&[ended(Failed), ended(Skipped)], Status::Finished, Some(Failed)),
            (&[ended(Passed), ended(Skipped)], Status::Finished, Some(Passed)),
            (&[ended(Skipped)], Status::Finished, Some(Skipped)),
            (&[ended(Lost), ended(Cancelled), ended(Passed)], Status::Finished, Some(Lost)),
        ];
        for (jobs, status, outcome) in table {
            assert_eq!(derive(jobs), (status, outcome), "{jobs:?}");
        }
    }
}
