//! When the daemon acts by itself on an attempt that runs, for its runner or its engine has not. Counted from what this
//! daemon saw, by a clock that nobody sets. Must not know the time of day, nor what is done then.

use std::time::Duration;

use tokio::time::Instant;

use crate::plan::{ARTIFACTS_TIMEOUT, JobPlan};

/// Between a change of the steps and its record: several changes become one.
const RECORD_AFTER: Duration = Duration::from_millis(25);

/// Between a record that failed and the next try.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// How long a runner and its engine are waited for beyond what the spec says.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The runner keeps the job's limits itself; the daemon steps in this much later.
    pub overdue: Duration,
    /// After the grace of a cancel the runner kills everything; the daemon kills the runner this much later.
    pub runner_slow: Duration,
    /// The process is gone, its frames do not end: the engine is confused.
    pub frames_after_exit: Duration,
    /// A runner that has said its last word ends at once; one that does not hangs.
    pub exit_after_report: Duration,
    /// A runner that an earlier daemon may not have fed waits for its plan for ever, if nobody ends it.
    pub ready: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            overdue: seconds(60),
            runner_slow: seconds(5),
            frames_after_exit: seconds(30),
            exit_after_report: seconds(60),
            ready: seconds(60),
        }
    }
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    patience: Patience,
    /// By the spec.
    steps: Duration,
    pub(super) grace: Duration,
    /// With its own graces; nothing where there are no `finally` steps.
    pub(super) finally: Duration,
    /// For handing over artifacts.
    files: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Cancelled, and still there.
    Kill,
    /// Its time is over, and it is still there.
    Overdue,
    /// It has not told that it has its plan.
    NeverReady,
    /// It has said its last word, and is still there.
    Lingers,
    /// Its process is gone, and its frames do not end.
    FramesEnd,
    /// Its steps have changed.
    Record,
}

#[derive(Debug)]
pub(super) struct Deadlines {
    limits: Limits,
    kill_at: Option<Instant>,
    overdue_at: Instant,
    ready_by: Option<Instant>,
    exit_by: Option<Instant>,
    frames_end_by: Option<Instant>,
    record_at: Option<Instant>,
}

impl Limits {
    pub(super) fn of(job: &JobPlan, grace: Duration, patience: Patience) -> Self {
        let finally = match job.finally.is_empty() {
            true => Duration::ZERO,
            false => Duration::from_millis(job.finally_timeout_ms) + grace,
        };
        let files = if job.artifacts.is_empty() { Duration::ZERO } else { ARTIFACTS_TIMEOUT };
        Self { patience, steps: Duration::from_millis(job.timeout_ms), grace, finally, files }
    }

    /// What a cancelled attempt has until its runner is killed. The whole of it also when an earlier daemon began the
    /// cancel: the runner has kept count since then, and how long that is only the time of day could say, which may have
    /// been set.
    fn after_cancel(&self, force: bool) -> Duration {
        let slow = self.patience.runner_slow;
        if force { slow } else { self.grace + self.finally + slow }
    }
}

impl Deadlines {
    /// From now on. `ready`: it has told that it has its plan, or will for certain.
    pub(super) fn new(limits: Limits, ready: bool) -> Self {
        let now = Instant::now();
        Self {
            limits,
            kill_at: None,
            overdue_at: now + limits.steps + limits.grace + limits.finally + limits.files + limits.patience.overdue,
            ready_by: (!ready).then(|| now + limits.patience.ready),
            exit_by: None,
            frames_end_by: None,
            record_at: None,
        }
    }

    /// A cancel was asked for, or raised to `force`; or an earlier daemon told the runner of it.
    pub(super) fn cancelled(&mut self, force: bool) {
        self.kill_at = Some(Instant::now() + self.limits.after_cancel(force));
    }

    /// A frame came: what still comes is not late, however long ago the process ended.
    pub(super) fn frame_came(&mut self) {
        self.ready_by = None;
        let patience = self.limits.patience.frames_after_exit;
        self.frames_end_by = self.frames_end_by.map(|_| Instant::now() + patience);
    }

    /// The runner has said its last word.
    pub(super) fn reported(&mut self) {
        self.exit_by = Some(Instant::now() + self.limits.patience.exit_after_report);
    }

    pub(super) fn exited(&mut self) {
        self.frames_end_by = Some(Instant::now() + self.limits.patience.frames_after_exit);
    }

    pub(super) fn steps_changed(&mut self) {
        self.record_at = self.record_at.or_else(|| Some(Instant::now() + RECORD_AFTER));
    }

    /// They could not be recorded; that is tried again, also when nothing else changes.
    pub(super) fn record_failed(&mut self) {
        self.record_at = self.record_at.or_else(|| Some(Instant::now() + RECORD_AGAIN));
    }

    /// Whether the steps have to be recorded; from here on they are.
    pub(super) fn take_record(&mut self) -> bool {
        self.record_at.take().is_some()
    }

    /// The next thing to be done, when it is time. `exited`: the process is gone. `holding`: a frame waits for room on the
    /// disk, and an engine that does not end its frames meanwhile is not to blame.
    pub(super) async fn due(&self, exited: bool, holding: bool) -> Due {
        let alive = |at: Option<Instant>| at.filter(|_| !exited);
        let all = [
            (alive(self.kill_at), Due::Kill),
            (alive(Some(self.overdue_at)), Due::Overdue),
            (alive(self.ready_by), Due::NeverReady),
            (alive(self.exit_by), Due::Lingers),
            (self.frames_end_by.filter(|_| exited && !holding), Due::FramesEnd),
            (self.record_at, Due::Record),
        ];
        match all.into_iter().filter_map(|(at, due)| Some((at?, due))).min_by_key(|(at, _)| *at) {
            Some((at, due)) => {
                tokio::time::sleep_until(at).await;
                due
            }
            None => std::future::pending().await,
        }
    }

    /// It is being done; where it does not help, it is due again.
    pub(super) fn done(&mut self, due: Due) {
        match due {
            Due::Kill => self.kill_at = Some(Instant::now() + self.limits.patience.runner_slow),
            Due::Overdue => self.overdue_at = Instant::now() + self.limits.patience.overdue,
            Due::NeverReady => self.ready_by = None,
            Due::Lingers => self.reported(),
            Due::FramesEnd => self.frames_end_by = None,
            Due::Record => self.record_at = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn limits() -> Limits {
        let patience = Patience::default();
        Limits { patience, steps: seconds(100), grace: seconds(10), finally: seconds(300), files: Duration::ZERO }
    }

    /// What is due next, and after how long, to the second.
    async fn next(deadlines: &Deadlines, exited: bool, holding: bool) -> (Due, u64) {
        let begun = Instant::now();
        let due = deadlines.due(exited, holding).await;
        (due, (begun.elapsed() + Duration::from_millis(500)).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn finally_has_its_time_before_anything_is_killed() {
        let mut deadlines = Deadlines::new(limits(), true);
        assert_eq!(next(&deadlines, false, false).await, (Due::Overdue, 100 + 10 + 300 + 60));
        deadlines.done(Due::Overdue);
        assert_eq!(next(&deadlines, false, false).await, (Due::Overdue, 60));

        let mut deadlines = Deadlines::new(limits(), true);
        deadlines.cancelled(false);
        assert_eq!(next(&deadlines, false, false).await, (Due::Kill, 10 + 300 + 5));
        deadlines.done(Due::Kill);
        assert_eq!(next(&deadlines, false, false).await, (Due::Kill, 5));
        let mut deadlines = Deadlines::new(limits(), true);
        deadlines.cancelled(true);
        assert_eq!(next(&deadlines, false, false).await, (Due::Kill, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_never_fed_is_not_waited_for() {
        let mut deadlines = Deadlines::new(limits(), false);
        assert_eq!(next(&deadlines, false, false).await, (Due::NeverReady, 60));
        deadlines.frame_came();
        assert_eq!(next(&deadlines, false, false).await.0, Due::Overdue);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_said_the_last_word_has_to_go() {
        let mut deadlines = Deadlines::new(limits(), true);
        deadlines.reported();
        assert_eq!(next(&deadlines, false, false).await, (Due::Lingers, 60));
        deadlines.done(Due::Lingers);
        assert_eq!(next(&deadlines, false, false).await, (Due::Lingers, 60), "and is told again");
        deadlines.exited();
        assert_eq!(next(&deadlines, true, false).await.0, Due::FramesEnd);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_have_their_time_after_the_end() {
        let mut deadlines = Deadlines::new(limits(), true);
        deadlines.exited();
        assert_eq!(next(&deadlines, true, false).await, (Due::FramesEnd, 30));
        deadlines.frame_came();
        assert_eq!(next(&deadlines, true, false).await, (Due::FramesEnd, 30));
        deadlines.steps_changed();
        assert_eq!(next(&deadlines, true, true).await, (Due::Record, 0), "a full disk is waited for");
        assert!(deadlines.take_record() && !deadlines.take_record());
        deadlines.record_failed();
        assert_eq!(next(&deadlines, true, true).await, (Due::Record, 1), "a record that failed is tried again");
    }
}
