//! The end of an attempt: its log is finished and compared with what the runner sent, its one terminal state is recorded.
//! Must not know how it came to its end.

use std::time::Duration;

use windlass_protocol::id::AttemptId;
use windlass_protocol::view::{LogSummary, Outcome, StepView};

use super::artifacts::Kept;
use super::steps::Steps;
use super::{Executor, findings};
use crate::clock;
use crate::error_chain::chain;
use crate::failpoint::{self, Sabotage};
use crate::findings::Findings;
use crate::frame::Report;
use crate::logs::LogWriter;
use crate::plan::JobPlan;
use crate::results::{Results, kept};
use crate::state::attempt::Verdict;
use crate::store::{Attempt, Finish, NewArtifacts, NewResults, StoreError};

/// Before a failed write is tried again.
pub(super) const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// All that is recorded of an end.
pub(super) struct End {
    pub(super) verdict: Verdict,
    pub(super) steps: Vec<StepView>,
    pub(super) log: LogSummary,
    /// The image that it really ran, where that is known.
    pub(super) image_digest: Option<String>,
    /// What its reports say of its tests; `None`: it has none.
    pub(super) results: Option<Results>,
    /// What it left to be kept; `None`: it keeps nothing.
    pub(super) artifacts: Option<Kept>,
    /// What its reports say about its source; `None`: it has none. The log may say more.
    pub(super) findings: Option<Findings>,
}

impl End {
    /// Of one of which nothing else is known.
    pub(super) fn bare(verdict: Verdict) -> Self {
        Self {
            verdict,
            steps: Vec::new(),
            log: LogSummary::default(),
            image_digest: None,
            results: None,
            artifacts: None,
            findings: None,
        }
    }
}

/// Ends an attempt of which nothing ran.
pub(super) async fn end_unstarted(
    executor: &Executor,
    id: &AttemptId,
    mut writer: LogWriter,
    job: &JobPlan,
    verdict: Verdict,
) {
    // A daemon that died between the log's end and the attempt's has said it already.
    if let (Some(reason), false) = (&verdict.reason, writer.is_finished()) {
        note(&mut writer, &format!("[windlass] {reason}"));
    }
    let mut steps = Steps::planned(job);
    steps.close(clock::now(), Outcome::Skipped);
    let log = close_log(id, writer).await;
    finish(executor, id, End { steps: steps.views, log, ..End::bare(verdict) }).await;
}

/// Ends an attempt that ran, and of which nobody will ever know more than what was recorded of it. `writer` and `job`, where
/// they can be had.
pub(super) async fn end_recorded(
    executor: &Executor,
    attempt: &Attempt,
    writer: Option<LogWriter>,
    job: Option<&JobPlan>,
    verdict: Verdict,
) {
    let id = &attempt.id;
    let mut steps = Steps::left(job, attempt.steps.clone());
    steps.close(clock::now(), verdict.outcome);
    let log = match writer {
        Some(mut writer) => {
            if let (Some(reason), false) = (&verdict.reason, writer.is_finished()) {
                note(&mut writer, &format!("[windlass] {reason}"));
            }
            close_log(id, writer).await
        }
        None => attempt.log.clone(),
    };
    let image_digest = attempt.image_digest.clone();
    finish(executor, id, End { steps: steps.views, log, image_digest, ..End::bare(verdict) }).await;
}

/// Ends one of which nothing ran and whose log cannot be written.
pub(super) async fn end_without_log(executor: &Executor, id: &AttemptId, job: &JobPlan, verdict: Verdict) {
    let mut steps = Steps::planned(job);
    steps.close(clock::now(), Outcome::Skipped);
    finish(executor, id, End { steps: steps.views, ..End::bare(verdict) }).await;
}

/// A line of the daemon's own. Without room, or in a log that is finished, it is missing; nobody waits for it.
pub(super) fn note(writer: &mut LogWriter, line: &str) {
    if let Err(error) = writer.notice(clock::now().0, line) {
        tracing::warn!(attempt = %writer.id(), error = %chain(&error), line, "a notice is not in the log");
    }
}

/// What of the output did not arrive as the runner sent it, in words; `None`: all did, as far as can be told.
pub(super) fn difference(report: &Report, writer: &LogWriter) -> Option<String> {
    let (sent, came) = (report.output_bytes, writer.summary().output_bytes);
    if sent != came {
        return Some(format!("its log is not exact: the runner sent {sent} bytes of output, {came} arrived"));
    }
    let came = writer.output_sha256()?;
    (came != report.output_sha256).then(|| {
        format!("its log is not exact: the runner sent output of SHA-256 {}, {came} arrived", report.output_sha256)
    })
}

/// Says in the log and in the reason when they differ; the outcome stays what it is.
pub(super) fn compare(report: Option<&Report>, writer: &mut LogWriter, verdict: &mut Verdict) {
    let Some(words) = report.and_then(|report| difference(report, writer)) else { return };
    tracing::error!(attempt = %writer.id(), words, "the log is not all that its runner sent");
    note(writer, &format!("[windlass] {words}"));
    verdict.reason = Some(match verdict.reason.take() {
        Some(reason) => format!("{reason}; {words}"),
        None => words,
    });
}

/// Finishes the log: waits for room, and for nothing else.
pub(super) async fn close_log(id: &AttemptId, mut writer: LogWriter) -> LogSummary {
    let (summary, sha256) = loop {
        match writer.finish(clock::now().0) {
            Ok(summary) => {
                failpoint::reached!("end.log-finished");
                if let Err(error) = writer.sync() {
                    tracing::warn!(attempt = %id, error = %chain(&error), "its log may not survive a power cut");
                }
                let sha256 = Some(summary.sha256.clone());
                failpoint::reached!("end.log-synced");
                break (summary, sha256);
            }
            Err(error) if error.is_full() => {
                tracing::error!(attempt = %id, error = %chain(&error), "no room to finish its log; trying again");
                tokio::time::sleep(WRITE_AGAIN).await;
            }
            Err(error) => {
                tracing::error!(attempt = %id, error = %chain(&error), "its log cannot be finished");
                break (writer.summary(), None);
            }
        }
    };
    LogSummary { lines: summary.lines, bytes: summary.bytes, sha256, dropped_bytes: summary.dropped_bytes }
}

/// Records the end; tried until it is recorded, or somebody else recorded one.
pub(super) async fn finish(executor: &Executor, id: &AttemptId, end: End) {
    let End { mut verdict, steps, log, image_digest, results, artifacts, findings } = end;
    let results = match results {
        Some(results) => Some(packed(results).await),
        None => None,
    };
    let artifacts = artifacts.map(|Kept { counts, list }| NewArtifacts::new(counts, &list));
    let findings = findings::all(executor, id, findings).await;
    if failpoint::is_sabotaged(Sabotage::ForgetFinish) && id.build.is_multiple_of(3) {
        return;
    }
    if failpoint::is_sabotaged(Sabotage::AlwaysPassed) && verdict.outcome == Outcome::Failed {
        verdict = Verdict::passed();
    }
    let fault = verdict.fault;
    tracing::info!(attempt = %id, outcome = %verdict.outcome, reason = verdict.reason, ?fault, image_digest, "finished");
    let finish = Finish { verdict, at: clock::now(), steps, log, image_digest, results, artifacts, findings };
    loop {
        match executor.store.finish_attempt(id, &finish).await {
            Ok(None) => break,
            Ok(Some(next)) => {
                tracing::info!(attempt = %next, "is tried again by itself");
                break;
            }
            Err(StoreError::Conflict { why }) => {
                tracing::error!(attempt = %id, why, "its end was recorded before");
                break;
            }
            Err(error) => {
                tracing::error!(attempt = %id, error = %chain(&error), "its end could not be recorded; trying again");
                tokio::time::sleep(WRITE_AGAIN).await;
            }
        }
    }
    failpoint::reached!("finish.committed");
    executor.wake.wake();
    compress_later(executor, id.clone());
}

/// As they are kept. Some milliseconds of work where there are thousands of them.
async fn packed(results: Results) -> NewResults {
    let Results { counts, cases, .. } = results;
    let pack = tokio::task::spawn_blocking(move || kept::pack(&cases));
    let cases = pack.await.unwrap_or_else(|error| {
        tracing::error!(%error, "packing results of tests ended early");
        kept::pack(&[])
    });
    NewResults { counts, cases }
}

/// Nobody waits for it, and what is not done when the daemon ends is done later.
fn compress_later(executor: &Executor, id: AttemptId) {
    let logs = executor.logs.clone();
    executor.tasks.spawn(async move {
        let of = id.clone();
        match tokio::task::spawn_blocking(move || logs.compress(&of)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(attempt = %id, error = %chain(&error), "its log could not be compressed"),
            Err(error) => tracing::error!(attempt = %id, %error, "compressing its log ended early"),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LogStore;
    use crate::state::attempt::Fault;

    fn report(output_bytes: u64) -> Report {
        Report {
            decided_by: None,
            cancelled: false,
            output_sha256: String::new(),
            output_bytes,
            peak_memory_bytes: None,
        }
    }

    #[test]
    fn a_log_that_is_not_all_of_it_says_so_and_changes_no_outcome() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = LogStore::open(folder.path()).expect("a store");
        let id: AttemptId = "7/test#1".parse().expect("an id");
        let mut writer = logs.writer(&id).expect("a writer");
        writer.append(0, 1, b"hello\n", 1).expect("written");
        assert!(difference(&report(7), &writer).is_some());

        let mut passed = Verdict::passed();
        compare(None, &mut writer, &mut passed);
        assert_eq!(passed, Verdict::passed());
        compare(Some(&report(9)), &mut writer, &mut passed);
        assert_eq!((passed.outcome, passed.fault), (Outcome::Passed, Fault::None));
        let words = "its log is not exact: the runner sent 9 bytes of output, 6 arrived";
        assert_eq!(passed.reason.as_deref(), Some(words));
        let mut failed = Verdict::because(Outcome::Failed, "step `a` failed");
        compare(Some(&report(9)), &mut writer, &mut failed);
        assert_eq!(failed.reason, Some(format!("step `a` failed; {words}")));
        assert!(writer.summary().bytes > 6, "a notice is in the log");
    }
}
