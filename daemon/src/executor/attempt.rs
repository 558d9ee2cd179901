//! One attempt, from claimed to finished.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::{LogSummary, Outcome, StepView};

use super::Executor;
use super::cancel::CancelWatch;
use super::steps::Steps;
use crate::clock;
use crate::engine::{AnyEngine, Engine as _, EngineError, Exit, FramePosition, Source, Stop};
use crate::error_chain::chain;
use crate::frame::{Body, Frame};
use crate::git::Commit;
use crate::logs::{LogError, LogWriter};
use crate::plan::{AttemptPlan, JobPlan, Site};
use crate::state::attempt::Verdict;
use crate::state::verdict::{Evidence, judge};
use crate::store::{Claimed, Finish, StoreError, StoredBuild};

/// The runner keeps the job's limit itself; the daemon steps in this much later.
const OVERDUE: Duration = Duration::from_secs(60);
/// After the grace of a cancel the runner kills everything; the daemon kills the runner this much later.
const RUNNER_SLOW: Duration = Duration::from_secs(5);
/// Between a change of the steps and its record: several changes become one.
const RECORD_AFTER: Duration = Duration::from_millis(25);
/// The process is gone, its frames do not end: the engine is confused.
const FRAMES_AFTER_EXIT: Duration = Duration::from_secs(30);
/// Before a failed write is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// An attempt that is being followed.
pub(super) struct Following {
    pub(super) id: AttemptId,
    pub(super) site: Site,
    pub(super) engine: AnyEngine,
    pub(super) writer: LogWriter,
    pub(super) steps: Steps,
    /// How long it may take from here on, by the spec.
    pub(super) limit: Duration,
}

/// From claimed to finished.
pub(super) async fn run(executor: &Executor, claimed: &Claimed) {
    let id = &claimed.id;
    let (build, job) = match executor.load(id).await {
        Ok(loaded) => loaded,
        Err(error) => {
            tracing::error!(attempt = %id, %error, "its plan cannot be read");
            let verdict = Verdict::because(Outcome::Broken, format!("its plan cannot be read: {error}"));
            return finish(executor, id, verdict, Vec::new(), LogSummary::default()).await;
        }
    };
    let writer = match executor.logs.writer(id) {
        Ok(writer) => writer,
        Err(error) => {
            tracing::error!(attempt = %id, error = %chain(&error), "its log cannot be written");
            let verdict = Verdict::because(Outcome::Lost, "its log cannot be written: see the daemon's own log");
            return finish(executor, id, verdict, Vec::new(), LogSummary::default()).await;
        }
    };
    let engine = match executor.engine_for(&build.facts.request.repository) {
        Ok(engine) => engine,
        Err(error) => return end_unstarted(executor, id, writer, &job, from_engine(&error)).await,
    };
    let plan = executor.plan(id, &claimed.token, &build, job.clone());
    let mut watch = CancelWatch::new(executor, id);
    let mut writer = writer;
    let prepared = tokio::select! {
        prepared = prepare(executor, &engine, &plan, &build, &mut writer) => prepared,
        cancel = watch.asked(executor) => Err(Verdict::because(Outcome::Cancelled, format!("cancelled by {} before it began", cancel.by))),
    };
    let (site, source) = match prepared {
        Ok(prepared) => prepared,
        Err(verdict) => {
            end_unstarted(executor, id, writer, &job, verdict).await;
            return executor.clean_later(engine, id.clone());
        }
    };
    // The one-time claim: from here on, and only here, plan and source may leave the daemon.
    match executor.store.start_attempt(claimed, &site, clock::now()).await {
        Ok(()) => executor.wake.wake(),
        Err(StoreError::Conflict { .. }) => {
            let by = executor.store.attempt(id).await.ok().and_then(|attempt| attempt.cancel).map(|cancel| cancel.by);
            if let Some(by) = by {
                let verdict = Verdict::because(Outcome::Cancelled, format!("cancelled by {by} before it began"));
                end_unstarted(executor, id, writer, &job, verdict).await;
            }
            return executor.clean_later(engine, id.clone());
        }
        Err(error) => {
            // Nothing ran. Whether the commit went through is not known, so nobody may run it again: it is lost.
            tracing::error!(attempt = %id, %error, "its start could not be recorded");
            let verdict =
                Verdict::because(Outcome::Lost, "its start could not be recorded; nothing of it ran: retry it");
            end_unstarted(executor, id, writer, &job, verdict).await;
            return executor.clean_later(engine, id.clone());
        }
    }
    let site = match engine.feed(&plan, &site, source).await {
        Ok(site) => site,
        Err(error) => {
            tracing::warn!(attempt = %id, error = %chain(&error), "could not be started");
            end_unstarted(executor, id, writer, &job, from_engine(&error)).await;
            return executor.clean_later(engine, id.clone());
        }
    };
    let limit = Duration::from_millis(job.timeout_ms);
    let following = Following { id: id.clone(), site, engine, writer, steps: Steps::planned(&job), limit };
    follow(executor, following).await;
}

/// Place and source, side by side. What the engine has to say goes into the log.
async fn prepare(
    executor: &Executor,
    engine: &AnyEngine,
    plan: &AttemptPlan,
    build: &StoredBuild,
    writer: &mut LogWriter,
) -> Result<(Site, Source), Verdict> {
    let (say, mut said) = mpsc::channel::<String>(16);
    let request = &build.facts.request;
    let commit = Commit { clone_url: &request.clone_url, sha: &request.sha, reference: &request.r#ref };
    let both = async move {
        let create = async { engine.create(plan, &say).await.map_err(|error| from_engine(&error)) };
        let archive = async {
            executor
                .git
                .archive(commit)
                .await
                .map_err(|error| Verdict::because(Outcome::Broken, format!("the source cannot be had: {error}")))
        };
        let both = tokio::try_join!(create, archive);
        drop(say);
        both
    };
    let listen = async {
        while let Some(line) = said.recv().await {
            if let Err(error) = writer.notice(clock::now().0, &line) {
                tracing::warn!(error = %chain(&error), line, "a notice is not in the log");
            }
        }
    };
    let (both, ()) = tokio::join!(both, listen);
    both.map(|(site, archive)| (site, Source { archive }))
}

/// Follows frames and process to their end, then records it.
pub(super) async fn follow(executor: &Executor, following: Following) {
    let Following { id, site, engine, mut writer, mut steps, limit } = following;
    let mut evidence = Evidence::default();
    let mut watch = CancelWatch::new(executor, &id);
    let mut frames = Some(engine.frames(&id, &site, FramePosition(writer.position())));
    let mut exit: Option<Result<Exit, EngineError>> = None;
    let exited = engine.exited(&id, &site);
    let mut exited = std::pin::pin!(exited);
    let grace = executor.config.limits.grace;
    let mut overdue_at = Instant::now() + limit + grace + OVERDUE;
    let mut kill_at: Option<Instant> = None;
    let mut frames_end_by: Option<Instant> = None;
    let mut record_at: Option<Instant> = None;
    while frames.is_some() || exit.is_none() {
        tokio::select! {
            frame = next(&mut frames) => match frame {
                Some(Ok((frame, position))) => {
                    let changed = take_in(executor, &id, &mut writer, &mut steps, &mut evidence, frame, position).await;
                    if changed && record_at.is_none() {
                        record_at = Some(Instant::now() + RECORD_AFTER);
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(attempt = %id, error = %chain(&error), "its frames broke off");
                    if let EngineError::Garbled { .. } = &error {
                        evidence.garbled = Some(error.to_string());
                        stop(&engine, &id, &site, Stop::Now).await;
                    }
                    frames = None;
                }
                None => frames = None,
            },
            ended = exited.as_mut(), if exit.is_none() => {
                if let Err(error) = &ended {
                    tracing::warn!(attempt = %id, error = %chain(error), "its end could not be observed");
                }
                exit = Some(ended);
                frames_end_by = Some(Instant::now() + FRAMES_AFTER_EXIT);
            }
            cancel = watch.asked(executor) => {
                let how = if cancel.force { Stop::Now } else { Stop::Gently };
                tracing::info!(attempt = %id, by = cancel.by, force = cancel.force, "stopping");
                kill_at = Some(Instant::now() + if cancel.force { RUNNER_SLOW } else { grace + RUNNER_SLOW });
                evidence.cancelled_by = Some(cancel.by);
                stop(&engine, &id, &site, how).await;
            }
            () = at(kill_at) => {
                tracing::warn!(attempt = %id, "did not end in its grace; killing it");
                kill_at = Some(Instant::now() + RUNNER_SLOW);
                stop(&engine, &id, &site, Stop::Now).await;
            }
            () = tokio::time::sleep_until(overdue_at) => {
                tracing::warn!(attempt = %id, "its time is over and the runner does not act; killing it");
                evidence.overdue = true;
                overdue_at = Instant::now() + OVERDUE;
                stop(&engine, &id, &site, Stop::Now).await;
            }
            () = at(frames_end_by), if frames.is_some() && exit.is_some() => {
                tracing::warn!(attempt = %id, "its process is gone, but its frames do not end");
                frames = None;
            }
            () = at(record_at) => {
                record_at = None;
                if let Err(error) = executor.store.record_steps(&id, &steps.views).await {
                    tracing::debug!(attempt = %id, %error, "its steps could not be recorded");
                }
                executor.wake.wake();
            }
        }
    }
    match exit {
        Some(Ok(exit)) => {
            evidence.exit_code = Some(exit.code).filter(|code| *code >= 0);
            evidence.out_of_memory = exit.out_of_memory;
            evidence.engine_error = exit.error;
        }
        Some(Err(error)) if evidence.engine_error.is_none() => {
            tracing::debug!(attempt = %id, %error, "no exit code");
        }
        _ => {}
    }
    let verdict = judge(&evidence, |step| steps.name(step));
    let now = clock::now();
    steps.close(now, verdict.outcome);
    let log = close_log(&id, &mut writer).await;
    finish(executor, &id, verdict, steps.views, log).await;
    executor.clean_later(engine.clone(), id.clone());
}

/// Puts one frame where it belongs. Whether steps changed.
async fn take_in(
    executor: &Executor,
    id: &AttemptId,
    writer: &mut LogWriter,
    steps: &mut Steps,
    evidence: &mut Evidence,
    frame: Frame,
    position: FramePosition,
) -> bool {
    let position = position.0;
    let at = frame.at;
    match frame.body {
        Body::Ready => false,
        Body::Output { step, bytes } => {
            stubborn(id, || writer.append(step, at, &bytes, position)).await;
            false
        }
        Body::StepStarted { step } => {
            stubborn(id, || writer.step_started(step, at, position)).await;
            let starts = executor.logs.reader(id).and_then(|reader| reader.steps()).unwrap_or_default();
            let first_line = starts.iter().find(|start| start.step == step).map(|start| start.line);
            steps.started(step, clock::now(), first_line);
            true
        }
        Body::StepEnded { step, end } => {
            steps.ended(step, clock::now(), &end);
            true
        }
        Body::Notice { text } => {
            stubborn(id, || writer.runner_notice(at, &text, position)).await;
            false
        }
        Body::Finished { report } => {
            evidence.report = Some(report);
            false
        }
    }
}

/// A write that must not be left out: tried again until there is room. Meanwhile nothing more is read from the job.
async fn stubborn(id: &AttemptId, mut write: impl FnMut() -> Result<(), LogError>) {
    let mut told = false;
    while let Err(error) = write() {
        if !told {
            tracing::error!(attempt = %id, error = %chain(&error), "its log cannot be written; holding the job back until it can");
            told = true;
        }
        tokio::time::sleep(WRITE_AGAIN).await;
    }
}

async fn close_log(id: &AttemptId, writer: &mut LogWriter) -> LogSummary {
    let mut summary = None;
    stubborn(id, || {
        summary = Some(writer.finish(clock::now().0)?);
        Ok(())
    })
    .await;
    summary.map_or_else(LogSummary::default, |summary| LogSummary {
        lines: summary.lines,
        bytes: summary.bytes,
        sha256: Some(summary.sha256),
    })
}

/// Ends an attempt of which nothing ran, or of which nobody will ever know more.
pub(super) async fn end_unstarted(
    executor: &Executor,
    id: &AttemptId,
    mut writer: LogWriter,
    job: &JobPlan,
    verdict: Verdict,
) {
    if let Some(reason) = &verdict.reason
        && let Err(error) = writer.notice(clock::now().0, &format!("[windlass] {reason}"))
    {
        tracing::warn!(attempt = %id, error = %chain(&error), "the reason is not in the log");
    }
    let mut steps = Steps::planned(job);
    steps.close(clock::now(), Outcome::Skipped);
    let log = close_log(id, &mut writer).await;
    finish(executor, id, verdict, steps.views, log).await;
}

/// Records the end; tried until it is recorded, or somebody else recorded one.
async fn finish(executor: &Executor, id: &AttemptId, verdict: Verdict, steps: Vec<StepView>, log: LogSummary) {
    tracing::info!(attempt = %id, outcome = %verdict.outcome, reason = verdict.reason, "finished");
    let finish = Finish { verdict, at: clock::now(), steps, log };
    loop {
        match executor.store.finish_attempt(id, &finish).await {
            Ok(()) => break,
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
    executor.wake.wake();
}

async fn stop(engine: &AnyEngine, id: &AttemptId, site: &Site, how: Stop) {
    if let Err(error) = engine.stop(id, site, how).await {
        tracing::warn!(attempt = %id, error = %chain(&error), "could not be told to stop");
    }
}

async fn next(frames: &mut Option<crate::engine::Frames>) -> Option<Result<(Frame, FramePosition), EngineError>> {
    match frames {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Whose fault an engine's error is.
fn from_engine(error: &EngineError) -> Verdict {
    let outcome = match error {
        EngineError::Refused { .. } | EngineError::Garbled { .. } => Outcome::Broken,
        EngineError::Trouble { .. } | EngineError::Gone { .. } => Outcome::Lost,
    };
    Verdict::because(outcome, chain(error))
}
