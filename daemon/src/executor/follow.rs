//! Follows an attempt whose runner has been fed, by this daemon or an earlier one: frames into the log, steps into the
//! database, to the end of its process. Must not know how it was begun.

use windlass_protocol::id::AttemptId;
use windlass_protocol::view::Outcome;

use super::Executor;
use super::cancel::CancelWatch;
use super::deadlines::{Deadlines, Due, Limits};
use super::end::{self, End, note};
use super::files::{Files, Left};
use super::inflow::{Came, Inflow};
use super::steps::Steps;
use crate::clock;
use crate::engine::{AnyEngine, Engine as _, EngineError, Exit, FramePosition, Stop};
use crate::error_chain::chain;
use crate::failpoint;
use crate::frame::{Body, Frame};
use crate::logs::{LogError, LogWriter};
use crate::plan::Site;
use crate::state::verdict::{Evidence, judge};
use crate::store::CancelAsked;

/// Frames that were consumed are given back to the disk in pieces of this size.
const RELEASE_EVERY: u64 = 16 << 20;

/// An attempt that is to be followed.
pub(super) struct Following {
    pub(super) id: AttemptId,
    pub(super) site: Site,
    pub(super) engine: AnyEngine,
    pub(super) writer: LogWriter,
    pub(super) steps: Steps,
    /// How long it may take from here on.
    pub(super) limits: Limits,
    /// Whether it has its plan, for all that is known.
    pub(super) ready: bool,
    /// What is known already.
    pub(super) evidence: Evidence,
    /// A cancel that was carried out already.
    pub(super) cancel: Option<CancelAsked>,
    pub(super) image_digest: Option<String>,
    pub(super) files: Files,
}

struct Follower<'e> {
    executor: &'e Executor,
    id: AttemptId,
    site: Site,
    engine: AnyEngine,
    writer: LogWriter,
    steps: Steps,
    limits: Limits,
    evidence: Evidence,
    image_digest: Option<String>,
    files: Files,
    inflow: Inflow,
    deadlines: Deadlines,
    /// Up to here frames were given back to the disk.
    released: u64,
    /// Its log was finished when this began, and has these frames already: an earlier daemon ended between the log's end and
    /// the attempt's.
    had_all: bool,
    /// A step has ended, and that is not recorded yet.
    end_unrecorded: bool,
    /// Frames were left unread: a step may have begun of which nothing is known.
    cut: bool,
}

/// Follows frames and process to their end, then records it.
pub(super) async fn follow(executor: &Executor, following: Following) {
    let Following { id, site, engine, writer, steps, limits, ready, mut evidence, cancel, image_digest, files } =
        following;
    failpoint::reached!("follow.begun");
    let mut deadlines = Deadlines::new(limits, ready);
    if let Some(cancel) = &cancel {
        evidence.cancelled_by = Some(cancel.by.clone());
        deadlines.cancelled(cancel.force);
    }
    let watch = CancelWatch::new(executor, &id, cancel.map(|cancel| cancel.force));
    let mut asked = Box::pin(watch.asked(executor));
    let exited = {
        let (engine, id, site) = (engine.clone(), id.clone(), site.clone());
        async move { engine.exited(&id, &site).await }
    };
    let mut exited = std::pin::pin!(exited);
    let mut exit: Option<Result<Exit, EngineError>> = None;
    let (released, had_all) = (writer.position(), writer.is_finished());
    let inflow = Inflow::of(engine.frames(&id, &site, FramePosition(released)));
    let mut it = Follower {
        executor,
        id,
        site,
        engine,
        writer,
        steps,
        limits,
        evidence,
        image_digest,
        files,
        inflow,
        deadlines,
        released,
        had_all,
        end_unrecorded: false,
        cut: false,
    };
    while it.inflow.is_open() || exit.is_none() {
        let (ended, holding) = (exit.is_some(), it.inflow.holds());
        let open = || it.engine.frames(&it.id, &it.site, FramePosition(it.writer.position()));
        tokio::select! {
            came = it.inflow.next(open) => it.take(came).await,
            how = exited.as_mut(), if exit.is_none() => {
                if let Err(error) = &how {
                    tracing::warn!(attempt = %it.id, error = %chain(error), "its end could not be observed");
                }
                exit = Some(how);
                failpoint::reached!("follow.exited");
                it.deadlines.exited();
            }
            (watch, cancel) = &mut asked => {
                asked = Box::pin(watch.asked(executor));
                it.cancel(cancel);
            }
            due = it.deadlines.due(ended, holding) => it.act(due).await,
        }
    }
    failpoint::reached!("follow.over");
    it.conclude(exit).await;
}

impl Follower<'_> {
    async fn take(&mut self, came: Came) {
        match came {
            Came::Frame(frame, position) => self.take_frame(frame, position).await,
            Came::Garbled { at, why } => {
                tracing::warn!(attempt = %self.id, at, why, "its frames are unreadable");
                self.evidence.garbled = Some(format!("at byte {at}: {why}"));
                self.cut = true;
                self.stop(Stop::Now);
            }
            Came::BrokeOff(error) => {
                tracing::warn!(attempt = %self.id, error = %chain(&error), "its frames broke off; going on where they did");
            }
            Came::End => {}
        }
    }

    async fn take_frame(&mut self, frame: Frame, position: FramePosition) {
        self.deadlines.frame_came();
        failpoint::reached!("frame.came");
        if let Body::File(part) = &frame.body {
            // It says so itself, once.
            if self.files.take(part).await.is_err() {
                self.inflow.hold(frame, position);
            }
            failpoint::reached!("report.taken");
            return;
        }
        // A step's end has to be recorded before the position passes it: after a restart it would not be told again. A start is
        // in the log, and can wait.
        if self.end_unrecorded && moves_position(&frame.body) && self.deadlines.take_record() {
            self.record_steps().await;
        }
        match self.put(&frame, position) {
            Ok(false) => {}
            Ok(true) => {
                self.end_unrecorded |= matches!(frame.body, Body::StepEnded { .. });
                self.deadlines.steps_changed();
            }
            Err(error) if error.is_full() => {
                tracing::error!(
                    attempt = %self.id,
                    error = %chain(&error),
                    "no room for its log; holding the job back until there is"
                );
                self.inflow.hold(frame, position);
            }
            Err(error) => {
                tracing::error!(attempt = %self.id, error = %chain(&error), "its log cannot be written; stopping it");
                self.evidence.log_fault = Some(error.to_string());
                self.inflow.close();
                self.cut = true;
                self.stop(Stop::Now);
            }
        }
        if self.writer.position() >= self.released + RELEASE_EVERY {
            self.released = self.writer.position();
            self.engine.release(&self.id, FramePosition(self.released));
        }
    }

    /// Puts one frame where it belongs. Whether steps changed. Can be tried again when it fails.
    fn put(&mut self, frame: &Frame, position: FramePosition) -> Result<bool, LogError> {
        let (position, at) = (position.0, frame.at);
        let had_all = self.had_all;
        let write = |result: Result<(), LogError>| match result {
            Err(LogError::Finished { .. }) if had_all => Ok(()),
            other => other,
        };
        match &frame.body {
            Body::Ready | Body::File(_) => Ok(false),
            Body::Output { step, bytes } => write(self.writer.append(*step, at, bytes, position)).map(|()| false),
            Body::StepStarted { step } => {
                // Frames can be forged from inside the job: only what the plan has, and once each, costs anything.
                if !self.steps.awaits(*step) {
                    return Ok(false);
                }
                write(self.writer.step_started(*step, at, position))?;
                let starts = self.executor.logs.reader(&self.id).and_then(|reader| reader.steps()).unwrap_or_default();
                let first_line = starts.iter().find(|start| start.step == *step).map(|start| start.line);
                self.steps.started(*step, clock::now(), first_line);
                failpoint::reached!("step.started");
                Ok(true)
            }
            Body::StepEnded { step, end } => {
                let changed = self.steps.ended(*step, clock::now(), end);
                failpoint::reached!("step.ended");
                Ok(changed)
            }
            Body::Notice { text } => write(self.writer.runner_notice(at, text, position)).map(|()| false),
            Body::Finished { report } => {
                self.evidence.report = Some(report.clone());
                self.deadlines.reported();
                failpoint::reached!("frame.last");
                Ok(false)
            }
        }
    }

    /// Somebody wants it stopped, or wants it stopped at once.
    fn cancel(&mut self, cancel: CancelAsked) {
        let how = if cancel.force { Stop::Now } else { Stop::Gently };
        tracing::info!(attempt = %self.id, by = cancel.by, force = cancel.force, "stopping");
        failpoint::reached!("cancel.seen");
        self.deadlines.cancelled(cancel.force);
        let then = match (cancel.force, self.limits.finally.is_zero()) {
            (false, false) => format!("TERM now, KILL in {} s, then `finally` steps", self.limits.grace.as_secs()),
            (false, true) => format!("TERM now, KILL in {} s", self.limits.grace.as_secs()),
            (true, false) => "KILL now, what is left of `finally` is left out".to_owned(),
            (true, true) => "KILL now".to_owned(),
        };
        note(&mut self.writer, &format!("[windlass] asked to stop by {}: {then}", cancel.by));
        failpoint::reached!("cancel.noted");
        self.evidence.cancelled_by = Some(cancel.by);
        self.stop(how);
    }

    async fn act(&mut self, due: Due) {
        self.deadlines.done(due);
        let why = match due {
            Due::Record => return self.record_steps().await,
            Due::FramesEnd => {
                tracing::warn!(attempt = %self.id, "its process is gone, but its frames do not end");
                self.evidence.unread = true;
                self.inflow.close();
                self.cut = true;
                return;
            }
            Due::Kill => "did not end in its grace",
            Due::Overdue => {
                self.evidence.overdue = true;
                "its time is over and the runner does not act"
            }
            Due::Lingers => "it has said its last word and does not go",
            Due::NeverReady => {
                self.evidence.not_handed_over = Some("its runner never said that it has them".to_owned());
                "it was never fed"
            }
        };
        tracing::warn!(attempt = %self.id, why, "killing it");
        self.stop(Stop::Now);
    }

    fn stop(&self, how: Stop) {
        stop(self.executor, &self.engine, &self.id, &self.site, how);
    }

    async fn record_steps(&mut self) {
        // Tried once before the log goes on, and then beside it: a database that is away holds no output up.
        self.end_unrecorded = false;
        if let Err(error) = self.executor.store.record_steps(&self.id, &self.steps.views).await {
            tracing::warn!(attempt = %self.id, error = %chain(&error), "how far its steps are could not be recorded");
            if error.is_passing() {
                self.deadlines.record_failed();
            }
        }
        failpoint::reached!("steps.recorded");
        self.executor.wake.wake();
    }

    async fn conclude(mut self, exit: Option<Result<Exit, EngineError>>) {
        match exit {
            Some(Ok(exit)) => {
                self.evidence.exit_code = Some(exit.code).filter(|code| *code >= 0);
                self.evidence.out_of_memory = exit.out_of_memory;
                self.evidence.engine_error = exit.error;
            }
            // Somebody removed it: it has ended, however it did.
            Some(Err(EngineError::Gone { .. })) | None => {}
            Some(Err(error)) => self.evidence.unseen = Some(chain(&error)),
        }
        self.evidence.began = self.cut || self.steps.begun();
        let mut verdict = judge(&self.evidence, |step| self.steps.name(step));
        self.steps.close(clock::now(), verdict.outcome);
        end::compare(self.evidence.report.as_ref(), &mut self.writer, &mut verdict);
        let cancelled = verdict.outcome == Outcome::Cancelled;
        let left = self.files.finish(cancelled).await;
        failpoint::reached!("files.kept");
        // An earlier daemon that had finished the log has said it there.
        if !self.writer.is_finished() {
            for line in left.words() {
                note(&mut self.writer, &line);
            }
        }
        let Left { results, artifacts, findings } = left;
        failpoint::reached!("end.judged");
        let log = end::close_log(&self.id, self.writer).await;
        let end = End {
            verdict,
            steps: self.steps.views,
            log,
            image_digest: self.image_digest,
            results,
            artifacts,
            findings,
        };
        end::finish(self.executor, &self.id, end).await;
        self.executor.clean_later(self.engine, self.id);
    }
}

/// Whether the log remembers with this frame how far reading came.
fn moves_position(body: &Body) -> bool {
    matches!(body, Body::Output { .. } | Body::StepStarted { .. } | Body::Notice { .. })
}

/// In the background: an engine that does not answer must not hold up the log, nor the deadlines that are there for it.
pub(super) fn stop(executor: &Executor, engine: &AnyEngine, id: &AttemptId, site: &Site, how: Stop) {
    let (executor, engine, id, site) = (executor.clone(), engine.clone(), id.clone(), site.clone());
    let tasks = executor.tasks.clone();
    tasks.spawn(async move {
        if let Some(Err(error)) = executor.until_stopped(engine.stop(&id, &site, how)).await {
            tracing::warn!(attempt = %id, error = %chain(&error), "could not be told to stop");
        }
        failpoint::reached!("cancel.sent");
    });
}
