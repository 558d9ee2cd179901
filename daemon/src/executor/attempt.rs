//! One attempt from claimed until its runner is fed: its place is prepared, the one-time claim is won, plan and source are
//! handed over. `follow` takes it from there, `end` to its end.

use std::time::Duration;

use tokio::sync::mpsc;
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::Outcome;

use super::Executor;
use super::cancel::CancelWatch;
use super::deadlines::Limits;
use super::end::{End, WRITE_AGAIN, end_unstarted, end_without_log, finish, note};
use super::files::Files;
use super::follow::{Following, follow, stop};
use super::steps::Steps;
use crate::clock;
use crate::engine::{AnyEngine, Engine as _, EngineError, Made, Source, Stop, TroubleKind};
use crate::error_chain::chain;
use crate::failpoint;
use crate::git::{Commit, GitError};
use crate::logs::LogWriter;
use crate::plan::AttemptPlan;
use crate::state::attempt::{State, Verdict};
use crate::state::verdict::Evidence;
use crate::store::{Attempt, CancelAsked, Claimed, StoreError, StoredBuild};

/// Before an attempt that could not be begun for a fault of ours waits again.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(5);

/// From claimed to finished. Until the one-time claim is won, stopping the daemon drops everything: nothing ran, and the
/// next start puts the attempt back. From then until the runner has its plan, it does not: half a hand-over is a lost job.
pub(super) async fn run(executor: &Executor, claimed: &Claimed) {
    let Some(Some(placed)) = executor.until_stopped(place(executor, claimed)).await else { return };
    if let Some(following) = hand_over(executor, placed).await {
        // It goes on running, and is taken up again at the next start.
        executor.until_stopped(follow(executor, following)).await;
    }
}

/// An attempt that has won its claim, and where it is to run.
struct Placed {
    plan: AttemptPlan,
    made: Made,
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
            finish(executor, id, End::bare(verdict)).await;
            return None;
        }
    };
    failpoint::reached!("place.loaded");
    let mut writer = match executor.logs.writer(id) {
        Ok(writer) => writer,
        Err(error) if error.is_passing() => {
            give_back(executor, id, &error).await;
            return None;
        }
        Err(error) => {
            tracing::error!(attempt = %id, error = %chain(&error), "its log cannot be opened");
            let why =
                format!("its log cannot be opened: {}; nothing of it ran: retry it when that is mended", chain(&error));
            let verdict = Verdict::infrastructure(Outcome::Lost, why, false);
            end_without_log(executor, id, &job, verdict).await;
            return None;
        }
    };
    failpoint::reached!("place.log-open");
    if writer.is_finished() {
        // Whatever it would write now, nobody would see; another attempt has a log of its own.
        end_unstarted(executor, id, writer, &job, end_unrecorded()).await;
        return None;
    }
    let engine = match executor.engine_for(&build.facts.request).await {
        Ok(engine) => engine,
        // Its engine has not been found yet, or went a moment ago: it waits for that.
        Err(error) if error.is_infrastructure() => {
            drop(writer); // whoever claims it next writes it
            give_back(executor, id, &error).await;
            return None;
        }
        Err(error) => {
            end_unstarted(executor, id, writer, &job, from_engine(&error)).await;
            return None;
        }
    };
    let plan = executor.plan(id, &claimed.token, &build, job);
    let watch = CancelWatch::new(executor, id, None);
    let prepared = tokio::select! {
        prepared = prepare(executor, &engine, &plan, &build, &mut writer) => prepared,
        (_, cancel) = watch.asked(executor) => Err(Unprepared::Ended(cancelled_before(&cancel.by))),
    };
    let verdict = match prepared {
        // The one-time claim: from here on, and only here, plan and source may leave the daemon.
        Ok((made, source)) => match won(executor, claimed, &made).await {
            Won::Yes => {
                failpoint::reached!("place.claimed");
                executor.wake.wake();
                return Some(Placed { plan, made, source, engine, writer });
            }
            Won::Cancelled { by } => cancelled_before(&by),
            // Somebody else has it, whoever that is; only what was made here goes.
            Won::No => {
                executor.clean_later(engine, id.clone());
                return None;
            }
        },
        Err(Unprepared::Short(why)) => {
            drop(writer);
            give_back(executor, id, &*why).await;
            return None;
        }
        Err(Unprepared::Ended(verdict)) => verdict,
    };
    end_unstarted(executor, id, writer, &plan.job, verdict).await;
    executor.clean_later(engine, id.clone());
    None
}

/// Why there is no place, or no source.
enum Unprepared {
    /// This host lacks room, handles or the like: it waits again, for nobody is at fault and nothing ran.
    Short(Box<dyn std::error::Error + Send + Sync>),
    Ended(Verdict),
}

/// What came of the one-time claim.
enum Won {
    Yes,
    Cancelled { by: String },
    No,
}

/// The one-time claim, tried until the database says what came of it. When an answer was lost with the connection, the
/// claim may have been won all the same: only we have its token, so what runs by now was started by us.
async fn won(executor: &Executor, claimed: &Claimed, made: &Made) -> Won {
    let id = &claimed.id;
    let mut in_doubt = false;
    loop {
        match executor.store.start_attempt(claimed, &made.site, made.image_digest.as_deref(), clock::now()).await {
            Ok(()) => return Won::Yes,
            Err(StoreError::Conflict { .. }) => {
                let attempt = read(executor, id).await;
                return match attempt.cancel {
                    _ if in_doubt && attempt.state == State::Running => Won::Yes,
                    Some(cancel) => Won::Cancelled { by: cancel.by },
                    None => Won::No,
                };
            }
            Err(error) => {
                tracing::error!(attempt = %id, error = %chain(&error), "its start cannot be recorded yet; trying again");
                in_doubt = true;
            }
        }
        tokio::time::sleep(WRITE_AGAIN).await;
    }
}

/// Starts the runner and gives it plan and source. `None`: it is ended. When that fails half-way the runner may have
/// something to say of it, so it is followed all the same.
async fn hand_over(executor: &Executor, placed: Placed) -> Option<Following> {
    let Placed { plan, made: Made { site, image_digest }, source, engine, mut writer } = placed;
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
                stop(executor, &engine, &id, &site, Stop::Now);
                site
            }
        },
        (_, asked) = watch.asked(executor) => {
            tracing::info!(attempt = %id, by = asked.by, "stopping before it has its source");
            note(&mut writer, &format!("[windlass] asked to stop by {} before it had its source: KILL now", asked.by));
            evidence.cancelled_by = Some(asked.by.clone());
            cancel = Some(CancelAsked { force: true, ..asked });
            stop(executor, &engine, &id, &site, Stop::Now);
            site
        }
    };
    failpoint::reached!("feed.done");
    let steps = Steps::planned(&plan.job);
    let limits = Limits::of(&plan.job, executor.config.limits.grace, executor.patience);
    let files = Files::of(executor, &id, &plan.job);
    Some(Following { id, site, engine, writer, steps, limits, ready: false, evidence, cancel, image_digest, files })
}

fn end_unrecorded() -> Verdict {
    let why = "the daemon stopped while recording its end; nothing of it ran";
    Verdict::infrastructure(Outcome::Lost, why, false)
}

fn cancelled_before(by: &str) -> Verdict {
    Verdict::because(Outcome::Cancelled, format!("cancelled by {by} before it began"))
}

/// The attempt as it is now; tried until the database answers.
async fn read(executor: &Executor, id: &AttemptId) -> Attempt {
    loop {
        match executor.store.attempt(id).await {
            Ok(attempt) => return attempt,
            Err(error) => tracing::warn!(attempt = %id, error = %chain(&error), "it cannot be read; trying again"),
        }
        tokio::time::sleep(WRITE_AGAIN).await;
    }
}

/// It waits again; or is cancelled, where somebody asked for that. Its log must not be held.
async fn give_back(executor: &Executor, id: &AttemptId, why: &(dyn std::error::Error + Send + Sync + 'static)) {
    tracing::error!(attempt = %id, error = %chain(why), "cannot be begun just now; it waits again");
    tokio::time::sleep(GIVE_BACK_AFTER).await;
    if let Some(cancel) = executor.release(id).await {
        executor.cancel_claimed(id, &cancel).await;
    }
}

impl Executor {
    /// Gives a claimed attempt back; tried until it is, or turns out not to be claimed any more. `Some`: it is still claimed,
    /// for somebody asked for its end, which is the caller's to record.
    pub(super) async fn release(&self, id: &AttemptId) -> Option<CancelAsked> {
        loop {
            match self.store.release_attempt(id).await {
                Ok(()) => break,
                Err(StoreError::Conflict { .. }) => {
                    let attempt = read(self, id).await;
                    if attempt.state == State::Claimed && attempt.cancel.is_some() {
                        return attempt.cancel;
                    }
                    break;
                }
                Err(error) => {
                    tracing::error!(attempt = %id, error = %chain(&error), "cannot be given back yet; trying again");
                }
            }
            tokio::time::sleep(WRITE_AGAIN).await;
        }
        self.wake.wake();
        None
    }

    /// Ends a claimed attempt of which nothing ran, for somebody asked for that.
    pub(super) async fn cancel_claimed(&self, id: &AttemptId, cancel: &CancelAsked) {
        let verdict = cancelled_before(&cancel.by);
        let Ok((_, job)) = self.load(id).await else {
            return finish(self, id, End::bare(verdict)).await;
        };
        match self.logs.writer(id) {
            // It may have words in it already, or be finished.
            Ok(writer) => end_unstarted(self, id, writer, &job, verdict).await,
            Err(_) => end_without_log(self, id, &job, verdict).await,
        }
    }
}

/// Place and source, side by side. What the engine has to say goes into the log.
async fn prepare(
    executor: &Executor,
    engine: &AnyEngine,
    plan: &AttemptPlan,
    build: &StoredBuild,
    writer: &mut LogWriter,
) -> Result<(Made, Source), Unprepared> {
    let (say, mut said) = mpsc::channel::<String>(16);
    let request = &build.facts.request;
    let commit = Commit { clone_url: &request.clone_url, sha: &request.sha, reference: &request.r#ref };
    let both = async move {
        let create = async {
            engine.create(plan, &say).await.map_err(|error| match error {
                // Where the engine is full that is somebody else's to mend; what this host lacks comes back.
                EngineError::Trouble { kind: TroubleKind::Full, source: Some(_), .. } => {
                    Unprepared::Short(error.into())
                }
                error => Unprepared::Ended(from_engine(&error)),
            })
        };
        let archive = async {
            executor.git.archive(commit).await.map_err(|error| {
                if error.is_shortage() {
                    return Unprepared::Short(error.into());
                }
                let why = format!("the source cannot be had: {}", chain(&error));
                Unprepared::Ended(match error {
                    // What the server does not give is the commit's fault.
                    GitError::Fetch { .. } => {
                        Verdict::because(Outcome::Broken, format!("{why}; retry it once the commit is there"))
                    }
                    // A server that hangs, or no git, is ours.
                    _ => Verdict::infrastructure(Outcome::Lost, format!("{why}; retry it when that is mended"), false),
                })
            })
        };
        let both = tokio::try_join!(create, archive);
        drop(say);
        both
    };
    let listen = async {
        while let Some(line) = said.recv().await {
            note(writer, &line);
        }
    };
    let (both, ()) = tokio::join!(both, listen);
    failpoint::reached!("place.prepared");
    both.map(|(made, archive)| (made, Source { archive }))
}

/// Whose fault an engine's error is that came before any step had begun.
pub(super) fn from_engine(error: &EngineError) -> Verdict {
    if error.is_infrastructure() {
        return Verdict::infrastructure(Outcome::Lost, format!("{}; nothing of it ran: retry it", chain(error)), false);
    }
    Verdict::because(Outcome::Broken, chain(error))
}
