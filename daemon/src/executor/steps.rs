//! How far an attempt's steps are, from the runner's frames. The frames come from a container that a stranger controls:
//! steps that do not exist are left out, times are the daemon's.

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Outcome, Status, StepView};

use crate::frame::{How, StepEnd};
use crate::logs::StepStart;
use crate::plan::{JobPlan, StepPlan};

#[derive(Debug, Clone)]
pub(super) struct Steps {
    pub(super) views: Vec<StepView>,
}

impl Steps {
    pub(super) fn planned(job: &JobPlan) -> Self {
        let view = |step: &StepPlan, finally| StepView {
            name: step.name.clone(),
            status: Status::Waiting,
            outcome: None,
            exit_code: None,
            signal: None,
            started_at: None,
            finished_at: None,
            first_line: None,
            finally,
        };
        let steps = job.steps.iter().map(|step| view(step, false));
        Self { views: steps.chain(job.finally.iter().map(|step| view(step, true))).collect() }
    }

    /// As an earlier daemon recorded them, where it did.
    pub(super) fn recorded(job: &JobPlan, views: Vec<StepView>) -> Self {
        if views.len() == job.steps.len() + job.finally.len() { Self { views } } else { Self::planned(job) }
    }

    /// The same where the plan may not be readable any more.
    pub(super) fn left(job: Option<&JobPlan>, views: Vec<StepView>) -> Self {
        match job {
            Some(job) => Self::recorded(job, views),
            None => Self { views },
        }
    }

    /// Whether any step has begun.
    pub(super) fn begun(&self) -> bool {
        self.views.iter().any(|view| view.started_at.is_some())
    }

    /// Whether the plan has such a step, and it has not begun.
    pub(super) fn awaits(&self, step: u16) -> bool {
        self.views.get(usize::from(step)).is_some_and(|view| view.status == Status::Waiting)
    }

    pub(super) fn started(&mut self, step: u16, at: Timestamp, first_line: Option<u64>) {
        if let Some(view) = self.views.get_mut(usize::from(step))
            && view.status == Status::Waiting
        {
            view.status = Status::Running;
            view.started_at = Some(at);
            view.first_line = first_line;
        }
    }

    /// Whether that changed anything. An end is taken once, and only of what runs, or could not be started: after a restart
    /// it may be told again, and a job can forge as many as it likes.
    pub(super) fn ended(&mut self, step: u16, at: Timestamp, end: &StepEnd) -> bool {
        let Some(view) = self.views.get_mut(usize::from(step)) else { return false };
        match view.status {
            Status::Running => {}
            Status::Waiting if matches!(end.how, How::NotStarted(_)) => {}
            _ => return false,
        }
        view.status = Status::Finished;
        view.finished_at = Some(at);
        let (outcome, exit_code, signal) = match &end.how {
            How::Exited(0) => (Outcome::Passed, Some(0), None),
            How::Exited(code) => (Outcome::Failed, Some(*code), None),
            How::Signalled(signal) => (Outcome::Failed, None, Some(*signal)),
            How::TimedOut { .. } => (Outcome::TimedOut, None, None),
            How::Cancelled => (Outcome::Cancelled, None, None),
            How::NotStarted(_) => (Outcome::Failed, None, None),
        };
        let passed = outcome == Outcome::Passed;
        view.outcome = Some(if end.out_of_memory && !passed { Outcome::OutOfMemory } else { outcome });
        view.exit_code = exit_code;
        view.signal = signal;
        true
    }

    /// Steps that an earlier daemon saw start, by the log, and could not record: their frames do not come again.
    pub(super) fn catch_up(&mut self, starts: &[StepStart], at: Timestamp) {
        for start in starts {
            self.started(start.step, at, Some(start.line));
        }
    }

    /// The job is over: what ran ended with it, what did not begin never will.
    pub(super) fn close(&mut self, at: Timestamp, outcome: Outcome) {
        for view in &mut self.views {
            match view.status {
                Status::Running => {
                    view.finished_at = Some(at);
                    view.outcome = Some(outcome);
                }
                Status::Waiting => view.outcome = Some(Outcome::Skipped),
                Status::Finished => {}
            }
            view.status = Status::Finished;
        }
    }

    pub(super) fn name(&self, step: u16) -> String {
        self.views.get(usize::from(step)).map_or_else(|| format!("step {}", step + 1), |view| view.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use windlass_protocol::view::Status;

    use super::*;
    use crate::plan::{Command, Network, Pull, Reports, Resources, Retry};

    fn job(steps: usize, finally: usize) -> JobPlan {
        let step = |name: String| StepPlan { name, run: Command::Script("true".to_owned()), timeout_ms: None };
        JobPlan {
            name: "test".to_owned(),
            needs: Vec::new(),
            image: None,
            environment: std::collections::BTreeMap::new(),
            steps: (0..steps).map(|n| step(format!("step {n}"))).collect(),
            timeout_ms: 1000,
            network: Network::None,
            resources: Resources::default(),
            finally: (0..finally).map(|n| step(format!("last {n}"))).collect(),
            finally_timeout_ms: 1000,
            pull: Pull::default(),
            retry: Retry::default(),
            reports: Reports::default(),
            artifacts: Vec::new(),
        }
    }

    fn end(how: How) -> StepEnd {
        StepEnd { how, duration_ms: 1, out_of_memory: false }
    }

    #[test]
    fn finally_steps_come_after_the_others_and_fail_for_themselves() {
        let mut steps = Steps::planned(&job(2, 2));
        let kinds: Vec<bool> = steps.views.iter().map(|view| view.finally).collect();
        assert_eq!((kinds, steps.begun()), (vec![false, false, true, true], false));
        for (step, how) in [(0, How::Exited(1)), (2, How::Exited(9)), (3, How::Exited(0))] {
            assert!(steps.awaits(step));
            steps.started(step, Timestamp(1), None);
            assert!(steps.ended(step, Timestamp(2), &end(how)));
        }
        assert!(steps.begun() && !steps.awaits(4));
        steps.close(Timestamp(3), Outcome::Failed);
        let outcomes: Vec<_> = steps.views.iter().map(|view| view.outcome).collect();
        let (failed, skipped, passed) = (Some(Outcome::Failed), Some(Outcome::Skipped), Some(Outcome::Passed));
        assert_eq!(outcomes, [failed, skipped, failed, passed]);
        assert!(steps.views.iter().all(|view| view.status == Status::Finished));
        assert_eq!(steps.name(2), "last 0");
    }

    #[test]
    fn ends_that_are_forged_or_told_again_change_nothing() {
        let mut steps = Steps::planned(&job(2, 1));
        assert!(!steps.ended(0, Timestamp(1), &end(How::Exited(0))), "it does not run");
        assert!(!steps.ended(9, Timestamp(1), &end(How::Exited(0))), "there is none");
        steps.started(0, Timestamp(1), None);
        assert!(steps.ended(0, Timestamp(2), &end(How::Exited(0))));
        let before = steps.views.clone();
        assert!(!steps.ended(0, Timestamp(3), &end(How::Exited(1))), "told again");
        assert_eq!(steps.views, before);
        assert!(steps.ended(1, Timestamp(3), &end(How::NotStarted("no shell".to_owned()))), "it never ran");
    }

    #[test]
    fn a_start_that_only_the_log_has_is_known_after_a_restart() {
        let mut steps = Steps::planned(&job(2, 0));
        steps.catch_up(&[StepStart { step: 0, at: 1, line: 3, offset: 20 }], Timestamp(5));
        assert_eq!((steps.views[0].status, steps.views[0].first_line), (Status::Running, Some(3)));
        assert!(steps.awaits(1) && steps.ended(0, Timestamp(6), &end(How::Exited(0))));
        let before = steps.views.clone();
        steps.catch_up(&[StepStart { step: 0, at: 1, line: 3, offset: 20 }], Timestamp(7));
        assert_eq!(steps.views, before);
    }

    #[test]
    fn what_was_recorded_is_taken_only_if_it_fits() {
        let recorded = Steps::planned(&job(1, 1)).views;
        assert_eq!(Steps::recorded(&job(1, 1), recorded.clone()).views, recorded);
        assert_eq!(Steps::recorded(&job(2, 1), recorded).views.len(), 3);
    }
}
