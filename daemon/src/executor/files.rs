//! Files that the job of an attempt left, from the runner's frames: each goes to whom it is for. All of them come again after a
//! restart of the daemon, for the log's position never passes them, and count with the attempt's end or not at all. Must
//! not know what is in them.

use super::findings::SarifReports;
use super::reports::Reports;
use crate::findings::Findings;
use crate::findings::place::Roots;
use crate::frame::file::{FilePart, Purpose};
use crate::plan::JobPlan;
use crate::results::Results;

#[derive(Debug)]
pub(super) struct Files {
    reports: Reports,
    sarif: SarifReports,
    /// What the one that is coming is for.
    coming: Purpose,
}

/// All that came. `None`: the job has no such files.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) results: Option<Results>,
    pub(super) findings: Option<Findings>,
}

impl Files {
    /// `roots`: where its folder is.
    pub(super) fn of(job: &JobPlan, roots: Roots) -> Self {
        Self { reports: Reports::of(job), sarif: SarifReports::of(job, roots), coming: Purpose::default() }
    }

    pub(super) async fn take(&mut self, part: FilePart) {
        if let FilePart::Begins { of, .. } | FilePart::Refused { of, .. } = &part {
            self.coming = *of;
        }
        match self.coming {
            Purpose::Junit => self.reports.take(part).await,
            Purpose::Sarif => self.sarif.take(part).await,
            Purpose::Artifact => {}
        }
    }

    pub(super) fn finish(self) -> Left {
        Left { results: self.reports.finish(), findings: self.sarif.finish() }
    }
}
