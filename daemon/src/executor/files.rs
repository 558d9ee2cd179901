//! Files that the job of an attempt left, from the runner's frames: each goes to whom it is for. All of them come again after a
//! restart of the daemon, for the log's position never passes them, and count with the attempt's end or not at all. Must
//! not know what is in them.

use std::io;

use windlass_protocol::id::AttemptId;

use super::artifacts::{Artifacts, Kept};
use super::findings::SarifReports;
use super::reports::Reports;
use super::{Executor, artifacts, findings, reports};
use crate::findings::Findings;
use crate::frame::file::{FilePart, Purpose};
use crate::plan::JobPlan;
use crate::results::Results;

#[derive(Debug)]
pub(super) struct Files {
    reports: Reports,
    artifacts: Artifacts,
    sarif: SarifReports,
    /// What the one that is coming is for.
    coming: Purpose,
}

/// All that came. `None`: the job has no such files.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) results: Option<Results>,
    pub(super) artifacts: Option<Kept>,
    pub(super) findings: Option<Findings>,
}

impl Left {
    /// What the log says of them: only what could not be taken, so that otherwise it is what the steps wrote and nothing
    /// else.
    pub(super) fn words(&self) -> Vec<String> {
        let of_results = self.results.iter().flat_map(reports::words);
        let of_findings = self.findings.iter().flat_map(findings::words);
        let of_artifacts = self.artifacts.iter().flat_map(|kept| artifacts::words(&kept.counts));
        of_results.chain(of_findings).chain(of_artifacts).collect()
    }
}

impl Files {
    pub(super) fn of(executor: &Executor, id: &AttemptId, job: &JobPlan) -> Self {
        let artifacts = match job.artifacts.is_empty() {
            true => Artifacts::none(),
            false => {
                let most = executor.config.limits.artifact_bytes.unwrap_or(u64::MAX);
                Artifacts::of(executor.artifacts.writer(id), most)
            }
        };
        let sarif = SarifReports::of(job, executor.engines.workspaces(id));
        Self { reports: Reports::of(job), sarif, artifacts, coming: Purpose::default() }
    }

    /// Fails when there is no room on the disk; then the same part is to come again.
    pub(super) async fn take(&mut self, part: &FilePart) -> io::Result<()> {
        if let FilePart::Begins { of, .. } | FilePart::Refused { of, .. } = part {
            self.coming = *of;
        }
        match self.coming {
            Purpose::Junit => self.reports.take(part.clone()).await,
            Purpose::Sarif => self.sarif.take(part.clone()).await,
            Purpose::Artifact => return self.artifacts.take(part),
        }
        Ok(())
    }

    pub(super) async fn finish(self, cancelled: bool) -> Left {
        Left {
            results: self.reports.finish(),
            artifacts: self.artifacts.finish(cancelled).await,
            findings: self.sarif.finish(),
        }
    }
}
