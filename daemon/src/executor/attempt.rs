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
use crate::frame::{Body, Frame, Report};
use crate::git::{Commit, GitError};
use crate::logs::{LogError, LogWriter};
use crate::plan::{AttemptPlan, JobPlan, Site};
use crate::state::attempt::Verdict;
use crate::state::verdict::{Evidence, judge};
use crate::store::{CancelAsked, Claimed, Finish, StoreError, StoredBuild};

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

/// Before an attempt that could not be begun for a fault of ours waits again.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(5);
/// Frames that were consumed are given back to the disk in pieces of this size.
const RELEASE_EVERY: u64 = 16 << 20;

/// An attempt that is being followed.
pub(super) struct Following {
    pub(super) id: AttemptId,
    pub(super) site: Site,
    pub(super) engine: AnyEngine,
    pub(super) writer: LogWriter,
    pub(super) steps: Steps,
    /// How long it may take from here on, by the spec.
    pub(super) limit: Duration,
    /// What is known already.
    pub(super) evidence: Evidence,
    /// A cancel that was carried out already.
    pub(super) cancel: Option<CancelAsked>,
}

/// From claimed to finished. Until the one-time claim is won, stopping the daemon drops everything: nothing ran, and the
/// next start puts the attempt back. From then until the runner has its plan, it does not: half a hand-over is a lost job.
pub(super) async fn run(executor: &Executor, claimed: &Claimed) {
    let stop = executor.tasks.stopping();
    let placed = tokio::select! {
        placed = place(executor, claimed) => placed,
        () = stop.cancelled() => return,
    };
    let Some(placed) = placed else { return };
    let following = hand_over(executor, placed).await;
    if let Some(following) = following {
        tokio::select! {
            () = follow(executor, following) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// An attempt that has won its claim, and where it is to run.
struct Placed {
    plan: AttemptPlan,
    site: Site,
    source: Source,
    engine: AnyEngine,
    writer: LogWriter,
}

/// Prepares and claims. `None`: it is ended, or given back.
async fn place(executor: &Executor, claimed: &Claimed) -> Option<Placed> {
    let id = &claimed.id;
    // Faults of ours, and nothing ran: it waits again, after a pause that keeps this from turning in circles.
    let (build, job) = match executor.load(id).await {
        Ok(loaded) => loaded,
        Err(error) if error.is_passing() => {
            give_back(executor, id, &error).await;
            return None;
        }
        Err(error) => {
            tracing::error!(attempt = %id, error = %chain(&error), "its plan cannot be read");
            let verdict = Verdict::because(Outcome::Broken, format!("its plan cannot be read: {error}"));
            finish(executor, id, verdict, Vec::new(), LogSummary::default()).await;
            return None;
        }
    };
    let mut writer = match executor.logs.writer(id) {
        Ok(writer) => writer,
        Err(error) => {
            give_back(executor, id, &error).await;
            return None;
        }
    };
    let engine = match executor.engine_for(&build.facts.request).await {
        Ok(engine) => engine,
        Err(error) => {
            end_unstarted(executor, id, writer, &job, from_engine(&error)).await;
            return None;
        }
    };
    let plan = executor.plan(id, &claimed.token, &build, job);
    let watch = CancelWatch::new(executor, id, None);
    let prepared = tokio::select! {
        prepared = prepare(executor, &engine, &plan, &build, &mut writer) => prepared,
        (_, cancel) = watch.asked(executor) => Err(cancelled_before(&cancel.by)),
    };
    let verdict = match prepared {
        // The one-time claim: from here on, and only here, plan and source may leave the daemon.
        Ok((site, source)) => match executor.store.start_attempt(claimed, &site, clock::now()).await {
            Ok(()) => {
                executor.wake.wake();
                return Some(Placed { plan, site, source, engine, writer });
            }
            Err(StoreError::Conflict { .. }) => match canceller(executor, id).await {
                Some(by) => cancelled_before(&by),
                // Somebody else has it, whoever that is; only what was made here goes.
                None => {
                    executor.clean_later(engine, id.clone());
                    return None;
                }
            },
            Err(error) => {
                // Nothing ran. Whether the commit went through is not known, so nobody may run it again: it is lost.
                tracing::error!(attempt = %id, error = %chain(&error), "its start could not be recorded");
                Verdict::because(Outcome::Lost, "its start could not be recorded; nothing of it ran: retry it")
            }
        },
        Err(verdict) => verdict,
    };
    end_unstarted(executor, id, writer, &plan.job, verdict).await;
    executor.clean_later(engine, id.clone());
    None
}

/// Starts the runner and gives it plan and source. `None`: it is ended. When that fails half-way the runner may have
/// something to say of it, so it is followed all the same.
async fn hand_over(executor: &Executor, placed: Placed) -> Option<Following> {
    let Placed { plan, site, source, engine, writer } = placed;
    let id = plan.id.clone();
    let watch = CancelWatch::new(executor, &id, None);
    let mut evidence = Evidence::default();
    let mut cancel = None;
    let site = tokio::select! {
        fed = engine.feed(&plan, &site, source) => match fed {
            Ok(site) => site,
            Err(error @ EngineError::Refused { .. }) => {
                end_unstarted(executor, &id, writer, &plan.job, from_engine(&error)).await;
                executor.clean_later(engine, id);
                return None;
            }
            Err(error) => {
                tracing::warn!(attempt = %id, error = %chain(&error), "could not be handed its plan and source");
                evidence.not_handed_over = Some(chain(&error));
                stop(&engine, &id, &site, Stop::Now).await;
                site
            }
        },
        (_, asked) = watch.asked(executor) => {
            tracing::info!(attempt = %id, by = asked.by, "stopping before it has its source");
            evidence.cancelled_by = Some(asked.by.clone());
            cancel = Some(CancelAsked { force: true, ..asked });
            stop(&engine, &id, &site, Stop::Now).await;
            site
        }
    };
    let steps = Steps::planned(&plan.job);
    let limit = Duration::from_millis(plan.job.timeout_ms);
    Some(Following { id, site, engine, writer, steps, limit, evidence, cancel })
}

fn cancelled_before(by: &str) -> Verdict {
    Verdict::because(Outcome::Cancelled, format!("cancelled by {by} before it began"))
}

/// Who asked for a cancel; tried until the database answers.
async fn canceller(executor: &Executor, id: &AttemptId) -> Option<String> {
    loop {
        match executor.store.attempt(id).await {
            Ok(attempt) => return attempt.cancel.map(|cancel| cancel.by),
            Err(error) => tracing::warn!(attempt = %id, error = %chain(&error), "it cannot be read; trying again"),
        }
        tokio::time::sleep(WRITE_AGAIN).await;
    }
}

async fn give_back(executor: &Executor, id: &AttemptId, why: &(dyn std::error::Error + Sync)) {
    tracing::error!(attempt = %id, error = %chain(&why), "cannot be begun just now; it waits again");
    tokio::time::sleep(GIVE_BACK_AFTER).await;
    if let Err(error) = executor.store.release_attempt(id).await {
        tracing::error!(attempt = %id, error = %chain(&error), "could not be given back; the next start does it");
    }
    executor.wake.wake();
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
            executor.git.archive(commit).await.map_err(|error| {
                // What the server does not give is the commit's fault; a full disk here, or no git, is ours.
                let outcome = if matches!(error, GitError::Fetch { .. }) { Outcome::Broken } else { Outcome::Lost };
                Verdict::because(outcome, format!("the source cannot be had: {}", chain(&error)))
            })
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
    both.map(|(made, archive)| (made.site, Source { archive }))
}

/// Follows frames and process to their end, then records it.
pub(super) async fn follow(executor: &Executor, following: Following) {
    let Following { id, site, engine, mut writer, mut steps, limit, mut evidence, cancel } = following;
    let grace = executor.config.limits.grace;
    let mut kill_at = cancel.as_ref().map(|cancel| Instant::now() + left_of_grace(cancel, grace) + RUNNER_SLOW);
    if let Some(cancel) = &cancel {
        evidence.cancelled_by = Some(cancel.by.clone());
    }
    let watch = CancelWatch::new(executor, &id, cancel.map(|cancel| cancel.force));
    let mut asked = Box::pin(watch.asked(executor));
    let mut frames = Some(engine.frames(&id, &site, FramePosition(writer.position())));
    let mut frames_again: Option<Instant> = None;
    // A frame that could not be written yet, for the disk is full. Until it is, no other is taken.
    let mut held: Option<(Frame, FramePosition)> = None;
    let mut write_at: Option<Instant> = None;
    let mut released = writer.position();
    let mut exit: Option<Result<Exit, EngineError>> = None;
    let exited = engine.exited(&id, &site);
    let mut exited = std::pin::pin!(exited);
    let mut overdue_at = Instant::now() + limit + grace + OVERDUE;
    let mut frames_end_by: Option<Instant> = None;
    let mut record_at: Option<Instant> = None;
    while frames.is_some() || exit.is_none() || held.is_some() || frames_again.is_some() {
        tokio::select! {
            frame = next(&mut frames), if held.is_none() => match frame {
                Some(Ok(frame)) => {
                    held = Some(frame);
                    // What still comes is not late, however long ago the process ended.
                    frames_end_by = frames_end_by.map(|_| Instant::now() + FRAMES_AFTER_EXIT);
                }
                Some(Err(EngineError::Garbled { at, why })) => {
                    tracing::warn!(attempt = %id, at, why, "its frames are unreadable");
                    evidence.garbled = Some(format!("at byte {at}: {why}"));
                    stop(&engine, &id, &site, Stop::Now).await;
                    frames = None;
                }
                // The disk, the engine, a lack of file handles: what is there is still there in a moment.
                Some(Err(error)) => {
                    tracing::warn!(attempt = %id, error = %chain(&error), "its frames broke off; going on where they did");
                    frames = None;
                    frames_again = Some(Instant::now() + WRITE_AGAIN);
                }
                None => frames = None,
            },
            () = at(frames_again), if frames.is_none() && held.is_none() => {
                frames_again = None;
                frames = Some(engine.frames(&id, &site, FramePosition(writer.position())));
            }
            ended = exited.as_mut(), if exit.is_none() => {
                if let Err(error) = &ended {
                    tracing::warn!(attempt = %id, error = %chain(error), "its end could not be observed");
                }
                exit = Some(ended);
                frames_end_by = Some(Instant::now() + FRAMES_AFTER_EXIT);
            }
            (watch, cancel) = &mut asked => {
                let how = if cancel.force { Stop::Now } else { Stop::Gently };
                tracing::info!(attempt = %id, by = cancel.by, force = cancel.force, "stopping");
                kill_at = Some(Instant::now() + left_of_grace(&cancel, grace) + RUNNER_SLOW);
                evidence.cancelled_by = Some(cancel.by);
                asked = Box::pin(watch.asked(executor));
                stop(&engine, &id, &site, how).await;
            }
            () = at(kill_at), if exit.is_none() => {
                tracing::warn!(attempt = %id, "did not end in its grace; killing it");
                kill_at = Some(Instant::now() + RUNNER_SLOW);
                stop(&engine, &id, &site, Stop::Now).await;
            }
            () = tokio::time::sleep_until(overdue_at), if exit.is_none() => {
                tracing::warn!(attempt = %id, "its time is over and the runner does not act; killing it");
                evidence.overdue = true;
                overdue_at = Instant::now() + OVERDUE;
                stop(&engine, &id, &site, Stop::Now).await;
            }
            // A full disk is waited for; an engine that does not end its frames is not.
            () = at(frames_end_by), if exit.is_some() && held.is_none() => {
                tracing::warn!(attempt = %id, "its process is gone, but its frames do not end");
                (frames, frames_again) = (None, None);
            }
            () = at(write_at), if held.is_some() => write_at = None,
            () = at(record_at) => {
                record_at = None;
                record_steps(executor, &id, &steps).await;
            }
        }
        if write_at.is_some() {
            continue;
        }
        let Some((frame, position)) = held.take() else { continue };
        // A step's end has to be recorded before the position passes it: after a restart it would not be told again.
        if matches!(frame.body, Body::StepStarted { .. }) && record_at.take().is_some() {
            record_steps(executor, &id, &steps).await;
        }
        match take_in(executor, &mut writer, &mut steps, &mut evidence, &frame, position) {
            Ok(false) => {}
            Ok(true) => record_at = record_at.or_else(|| Some(Instant::now() + RECORD_AFTER)),
            Err(error) if error.is_full() => {
                tracing::error!(attempt = %id, error = %chain(&error), "no room for its log; holding the job back until there is");
                held = Some((frame, position));
                write_at = Some(Instant::now() + WRITE_AGAIN);
            }
            Err(error) => {
                tracing::error!(attempt = %id, error = %chain(&error), "its log cannot be written; stopping it");
                evidence.log_fault = Some(error.to_string());
                (frames, frames_again) = (None, None);
                stop(&engine, &id, &site, Stop::Now).await;
            }
        }
        if writer.position() >= released + RELEASE_EVERY {
            released = writer.position();
            engine.release(&id, FramePosition(released));
        }
    }
    match exit {
        Some(Ok(exit)) => {
            evidence.exit_code = Some(exit.code).filter(|code| *code >= 0);
            evidence.out_of_memory = exit.out_of_memory;
            evidence.engine_error = exit.error;
        }
        Some(Err(error)) => tracing::debug!(attempt = %id, error = %chain(&error), "no exit code"),
        None => {}
    }
    let verdict = judge(&evidence, |step| steps.name(step));
    let now = clock::now();
    steps.close(now, verdict.outcome);
    let log = close_log(&id, &mut writer, evidence.report.as_ref()).await;
    finish(executor, &id, verdict, steps.views, log).await;
    executor.clean_later(engine.clone(), id.clone());
}

/// What is left of a cancel's grace, also when an earlier daemon began it.
fn left_of_grace(cancel: &CancelAsked, grace: Duration) -> Duration {
    if cancel.force {
        Duration::ZERO
    } else {
        grace.saturating_sub(Duration::from_millis(clock::now().since(cancel.at)))
    }
}

async fn record_steps(executor: &Executor, id: &AttemptId, steps: &Steps) {
    if let Err(error) = executor.store.record_steps(id, &steps.views).await {
        tracing::warn!(attempt = %id, error = %chain(&error), "how far its steps are could not be recorded");
    }
    executor.wake.wake();
}

/// Puts one frame where it belongs. Whether steps changed. Can be tried again when it fails.
fn take_in(
    executor: &Executor,
    writer: &mut LogWriter,
    steps: &mut Steps,
    evidence: &mut Evidence,
    frame: &Frame,
    position: FramePosition,
) -> Result<bool, LogError> {
    let (position, at) = (position.0, frame.at);
    // A log that is finished has these frames already: an earlier daemon ended between the log's end and the attempt's.
    let write = |result: Result<(), LogError>| match result {
        Err(LogError::Finished { .. }) => Ok(()),
        other => other,
    };
    match &frame.body {
        Body::Ready => Ok(false),
        Body::Output { step, bytes } => write(writer.append(*step, at, bytes, position)).map(|()| false),
        Body::StepStarted { step } => {
            // Frames can be forged from inside the job: only what the plan has, and once each, costs anything.
            if !steps.awaits(*step) {
                return Ok(false);
            }
            write(writer.step_started(*step, at, position))?;
            let starts =
                executor.logs.reader(&writer.id().clone()).and_then(|reader| reader.steps()).unwrap_or_default();
            let first_line = starts.iter().find(|start| start.step == *step).map(|start| start.line);
            steps.started(*step, clock::now(), first_line);
            Ok(true)
        }
        Body::StepEnded { step, end } => {
            steps.ended(*step, clock::now(), end);
            Ok(true)
        }
        Body::Notice { text } => write(writer.runner_notice(at, text, position)).map(|()| false),
        Body::Finished { report } => {
            evidence.report = Some(report.clone());
            Ok(false)
        }
    }
}

/// Finishes the log: waits for room, and for nothing else.
async fn close_log(id: &AttemptId, writer: &mut LogWriter, report: Option<&Report>) -> LogSummary {
    loop {
        match writer.finish(clock::now().0) {
            Ok(summary) => {
                if report.is_some_and(|report| report.output_bytes != summary.output_bytes) {
                    let sent = report.map(|report| report.output_bytes);
                    tracing::error!(attempt = %id, ?sent, came = summary.output_bytes, "the log is not all that its runner sent");
                }
                if let Err(error) = writer.sync() {
                    tracing::warn!(attempt = %id, error = %chain(&error), "its log may not survive a power cut");
                }
                return LogSummary {
                    lines: summary.lines,
                    bytes: summary.bytes,
                    sha256: Some(summary.sha256),
                    dropped_bytes: summary.dropped_bytes,
                };
            }
            Err(error) if error.is_full() => {
                tracing::error!(attempt = %id, error = %chain(&error), "no room to finish its log; trying again");
                tokio::time::sleep(WRITE_AGAIN).await;
            }
            Err(error) => {
                tracing::error!(attempt = %id, error = %chain(&error), "its log cannot be finished");
                let summary = writer.summary();
                return LogSummary {
                    lines: summary.lines,
                    bytes: summary.bytes,
                    sha256: None,
                    dropped_bytes: summary.dropped_bytes,
                };
            }
        }
    }
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
    let log = close_log(id, &mut writer, None).await;
    finish(executor, id, verdict, steps.views, log).await;
}

/// Records the end; tried until it is recorded, or somebody else recorded one.
async fn finish(executor: &Executor, id: &AttemptId, verdict: Verdict, steps: Vec<StepView>, log: LogSummary) {
    tracing::info!(attempt = %id, outcome = %verdict.outcome, reason = verdict.reason, "finished");
    let finish = Finish { verdict, at: clock::now(), steps, log, image_digest: None };
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
