//! When the client wakes although nothing happens: a result goes away, a running time advances, something is to be asked
//! again. Nothing else moves by itself. Must not know how time passes.

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Estimate, Status, WaitingFor};

use super::{Page, State, View};

impl State {
    /// When to wake although nothing happens: a toast goes, or a running time advances.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let toast = self.toasts.iter().map(|toast| toast.until).min();
        let second = self.counts_seconds().then(|| Timestamp((self.daemon_now().0 / 1_000 + 1) * 1_000 - self.ahead));
        [toast, second, self.overview_deadline(), self.patience.deadline()].into_iter().flatten().min()
    }

    /// Something on the screen changes with each second.
    fn counts_seconds(&self) -> bool {
        if self.stale() || self.layout().status_only() {
            return false;
        }
        let build = self.pages.iter().rev().find_map(|page| match page {
            Page::Build(page) => page.view.as_deref(),
            Page::Log(_) => None,
        });
        if let (Some(view), false) = (build, self.pages.is_empty()) {
            let mut attempts = view.jobs.iter().filter_map(|job| job.attempts.last());
            let countdown = attempts.any(|attempt| attempt.cancelling.is_some());
            let waits = view.jobs.iter().any(|job| counts_down(job.waiting_for.as_ref(), job.estimate.as_ref()));
            return countdown || (self.animation && (waits || view.build.status == Status::Running));
        }
        let rows = self.builds.cursor.top..self.builds.cursor.top + usize::from(self.layout().list());
        self.animation
            && match self.view {
                View::Builds => {
                    rows.filter_map(|index| self.builds.row(index)).any(|row| row.status == Status::Running)
                }
                View::Queue => {
                    self.queue.as_ref().is_some_and(|queue| !(queue.jobs.is_empty() && queue.pauses.is_empty()))
                }
                View::Nodes => self.overview.nodes.iter().flatten().any(|node| !node.jobs.is_empty()),
                View::Deliveries | View::Repositories => false,
            }
    }
}

/// Its words tell how long from now.
fn counts_down(waiting_for: Option<&WaitingFor>, estimate: Option<&Estimate>) -> bool {
    let moment = matches!(waiting_for, Some(WaitingFor::BackOff { .. } | WaitingFor::EngineAway { .. }));
    moment || (waiting_for.is_some() && estimate.is_some_and(|estimate| estimate.starts_at.is_some()))
}
