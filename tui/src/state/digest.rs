//! The last errors of an attempt that did not pass: asked from the daemon once, when its details are looked at. Must not
//! know how they are painted.

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::Request;
use windlass_protocol::view::{AttemptView, JobView, Status};

use super::build::{BuildPage, Row};
use super::{Effect, Page, Pending, State, search};
use crate::safe_text::{SafeLine, Sgr, log_line};
use crate::words;

/// Lines asked for.
const LINES: u32 = 12;

#[derive(Debug)]
pub enum Digest {
    Asked,
    /// Line numbers, from 0, and what stands there. Empty: no line speaks of an error.
    Lines(Vec<(u64, SafeLine)>),
    /// Why there is none.
    Refused(String),
}

impl BuildPage {
    /// The job that the details are about.
    pub fn detailed(&self) -> Option<&JobView> {
        self.view.as_deref()?.jobs.get(self.job_index()?)
    }

    /// The attempt whose errors stand in the details: the selected one, or the newest that ended badly.
    pub fn blamed(&self) -> Option<(AttemptId, &AttemptView)> {
        let job = self.detailed()?;
        let bad = |attempt: &&AttemptView| {
            attempt.status == Status::Finished && words::is_bad(attempt.outcome) && attempt.log.lines > 0
        };
        let attempt = match self.selected() {
            Row::Attempt(_, index) => job.attempts.get(index).filter(bad)?,
            _ => job.attempts.iter().rev().find(bad)?,
        };
        Some((AttemptId { build: self.number, job: job.name.clone(), attempt: attempt.number }, attempt))
    }
}

impl State {
    /// Asks for the errors that the details would show and do not have.
    pub(super) fn settle_digest(&mut self, effects: &mut Vec<Effect>) {
        if self.layout().details.is_none() || self.stale() {
            return;
        }
        let Some(Page::Build(page)) = self.pages.last_mut() else { return };
        let Some((log, _)) = page.blamed().filter(|(id, _)| !page.digests.contains_key(id)) else { return };
        page.digests.insert(log.clone(), Digest::Asked);
        let request = Request::Excerpt { log: log.clone(), pattern: search::ERRORS.to_owned(), lines: LINES };
        self.look_up(request, Pending::Excerpt { log }, effects);
    }

    pub(super) fn excerpt(&mut self, log: &AttemptId, digest: Digest) {
        let page = self.pages.iter_mut().find_map(|page| match page {
            Page::Build(page) if page.number == log.build => Some(page),
            _ => None,
        });
        if let Some(page) = page {
            page.digests.insert(log.clone(), digest);
        }
    }
}

/// The lines as they came, made safe.
pub(super) fn lines(lines: Vec<windlass_protocol::live::ExcerptLine>) -> Digest {
    let mut style = Sgr::default();
    Digest::Lines(lines.into_iter().map(|line| (line.number, log_line(line.text.as_bytes(), &mut style))).collect())
}
