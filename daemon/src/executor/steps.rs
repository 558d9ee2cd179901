//! How far an attempt's steps are, from the runner's frames. The frames come from a container that a stranger controls:
//! steps that do not exist are left out, times are the daemon's.

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Outcome, Status, StepView};

use crate::frame::{How, StepEnd};
use crate::plan::JobPlan;

#[derive(Debug, Clone)]
pub(super) struct Steps {
    pub(super) views: Vec<StepView>,
}

impl Steps {
    pub(super) fn planned(job: &JobPlan) -> Self {
        let views = job
            .steps
            .iter()
            .map(|step| StepView {
                name: step.name.clone(),
                status: Status::Waiting,
                outcome: None,
                exit_code: None,
                signal: None,
                started_at: None,
                finished_at: None,
                first_line: None,
                finally: false,
            })
            .collect();
        Self { views }
    }

    /// As an earlier daemon recorded them, where it did.
    pub(super) fn recorded(job: &JobPlan, views: Vec<StepView>) -> Self {
        if views.len() == job.steps.len() { Self { views } } else { Self::planned(job) }
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

    pub(super) fn ended(&mut self, step: u16, at: Timestamp, end: &StepEnd) {
        let Some(view) = self.views.get_mut(usize::from(step)) else { return };
        if view.status == Status::Finished {
            return; // told again after a restart
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
