//! Takes up what an earlier daemon left: what runs is followed again from the exact byte, what was only claimed goes back to
//! the queue, what had been claimed for good and was not fed is ended and may be tried again. One attempt's trouble, or one
//! engine's, does not hold up the others. Must not know what is left of attempts that are over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;

use super::Executor;
use super::deadlines::Limits;
use super::end::{end_recorded, end_unstarted, note};
use super::files::Files;
use super::follow::{Following, follow, stop};
use super::steps::Steps;
use crate::clock;
use crate::engine::{Engine as _, Found, FoundState, Kind, Stop};
use crate::error_chain::chain;
use crate::failpoint;
use crate::logs::LogError;
use crate::state::attempt::{State, Verdict};
use crate::state::verdict::Evidence;
use crate::store::{Attempt, StoreError};

const AGAIN: Duration = Duration::from_secs(2);
/// An engine that does not answer by then is asked again in the background, and nobody waits for it.
const ANSWER: Duration = Duration::from_secs(3);
/// An engine may have been asked to start a container just before the daemon died: it gets so long to do it.
const START: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(250);

impl Executor {
    /// Called once, before anything is claimed. Returns when the engines have been asked; attempts that cannot be taken up
    /// yet, for a fault of ours or because their engine is away, are tried again in the background.
    pub async fn adopt(&self) {
        let mut told = false;
        let begun = loop {
            match self.store.taken_attempts().await {
                Ok(begun) => break begun,
                Err(error) if !told => {
                    told = true;
                    tracing::error!(error = %chain(&error), "what an earlier daemon left cannot be read; trying again");
                }
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        };
        failpoint::reached!("adopt.begun");
        let readable = |(id, attempt): (AttemptId, Result<Attempt, StoreError>)| {
            let unreadable = |error: &StoreError| tracing::error!(attempt = %id, error = %chain(error), "cannot be read; left as it is");
            attempt.inspect_err(unreadable).ok()
        };
        let (claimed, running): (Vec<_>, Vec<_>) =
            begun.into_iter().filter_map(readable).partition(|attempt| attempt.state == State::Claimed);
        for attempt in claimed {
            self.put_back(attempt).await;
        }
        let (local, docker) = running.into_iter().partition(|attempt| kind_of(attempt) == Kind::Local);
        for (kind, attempts) in [(Kind::Local, local), (Kind::Docker, docker)] {
            let left = self.take_up(kind, attempts).await;
            self.wake.wake();
            if !left.is_empty() {
                self.take_up_later(kind, left);
            }
        }
    }

    /// It had not begun: it waits again, or is cancelled where somebody asked for that. What it has on an engine is used
    /// when it is claimed again, or swept.
    async fn put_back(&self, attempt: Attempt) {
        let id = attempt.id;
        if let Some(cancel) = self.release(&id).await {
            self.cancel_claimed(&id, &cancel).await;
            return;
        }
        failpoint::reached!("adopt.put-back");
        tracing::info!(attempt = %id, "had not begun; it waits again");
    }

    /// Asks an engine once. What is returned could not be dealt with yet.
    async fn take_up(&self, kind: Kind, attempts: Vec<Attempt>) -> Vec<Attempt> {
        if kind != Kind::Local && !attempts.is_empty() {
            self.engines.reconnect().await;
        }
        let found = match self.engines.pick(Some(kind)) {
            Ok(engine) => tokio::time::timeout(ANSWER, engine.adopt()).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        // Without the engine that runs them nothing can be said of these: neither lost nor ended.
        let Some(found) = found else { return self.give_up_forced(attempts).await };
        failpoint::reached!("adopt.asked");
        let by_id: HashMap<&AttemptId, &Found> = found.iter().map(|found| (&found.attempt, found)).collect();
        let mut left = Vec::new();
        for attempt in attempts {
            match self.take_up_one(&attempt, by_id.get(&attempt.id).copied()).await {
                Ok(()) => {}
                Err(error) if is_passing(&error) => {
                    tracing::error!(attempt = %attempt.id, error = %format!("{error:#}"), "cannot be taken up yet; trying again");
                    left.push(attempt);
                }
                Err(error) => {
                    tracing::error!(attempt = %attempt.id, error = %format!("{error:#}"), "cannot be taken up again");
                    let why = format!(
                        "the daemon was restarted and cannot take it up again: {error:#}; retry it when that is mended"
                    );
                    let verdict = Verdict::infrastructure(Outcome::Lost, why, true);
                    let job = self.load(&attempt.id).await.ok().map(|(_, job)| job);
                    let writer = self.logs.writer(&attempt.id).ok();
                    end_recorded(self, &attempt, writer, job.as_ref(), verdict).await;
                }
            }
        }
        // With what is over already, also what runs on of those that could not be taken up.
        self.remove_leftovers(found).await;
        left
    }

    /// Whoever asks twice does not want to wait for an engine that may never come back. What runs there is removed when it
    /// does. Returns the others.
    async fn give_up_forced(&self, attempts: Vec<Attempt>) -> Vec<Attempt> {
        let mut left = Vec::new();
        for attempt in attempts {
            let id = &attempt.id;
            let cancel = self.store.attempt(id).await.ok().and_then(|now| now.cancel).filter(|cancel| cancel.force);
            let (Some(cancel), Ok((_, job)), Ok(writer)) = (cancel, self.load(id).await, self.logs.writer(id)) else {
                left.push(attempt);
                continue;
            };
            let why =
                format!("cancelled by {} while its engine did not answer; what runs there is removed later", cancel.by);
            let verdict = Verdict::because(Outcome::Cancelled, why);
            end_recorded(self, &attempt, Some(writer), Some(&job), verdict).await;
        }
        left
    }

    /// In the background, until all are dealt with.
    fn take_up_later(&self, kind: Kind, mut left: Vec<Attempt>) {
        tracing::warn!(engine = kind.name(), attempts = left.len(), "not taken up yet: waiting for the engine");
        for attempt in &left {
            if let Ok(mut writer) = self.logs.writer(&attempt.id) {
                let words =
                    "the daemon was restarted and cannot reach what runs this yet; it goes on, and so will this log";
                note(&mut writer, &format!("[windlass] {words}"));
            }
        }
        let executor = self.clone();
        self.tasks.spawn(async move {
            let work = async {
                while !left.is_empty() {
                    tokio::time::sleep(AGAIN).await;
                    left = executor.take_up(kind, left).await;
                    executor.wake.wake();
                }
            };
            executor.until_stopped(work).await;
        });
    }

    async fn take_up_one(&self, attempt: &Attempt, found: Option<&Found>) -> anyhow::Result<()> {
        let id = &attempt.id;
        let (_, job) = self.load(id).await?;
        let writer = self.logs.writer(id)?;
        let Some(found) = found else {
            let place = match &attempt.site {
                Some(site) => format!(" from {} ({})", site.node, site.engine),
                None => String::new(),
            };
            // What it did before it went nobody knows.
            let why = format!("it was gone{place} when the daemon came back; retry it");
            let verdict = Verdict::infrastructure(Outcome::Lost, why, true);
            end_recorded(self, attempt, Some(writer), Some(&job), verdict).await;
            return Ok(());
        };
        let engine = self.engines.of(&found.site)?;
        let mut steps = Steps::recorded(&job, attempt.steps.clone());
        steps.catch_up(&self.logs.reader(id).and_then(|reader| reader.steps())?, clock::now());
        let ready = writer.position() > 0 || steps.begun();
        let following = Following {
            id: id.clone(),
            site: found.site.clone(),
            engine,
            writer,
            steps,
            limits: Limits::of(&job, self.config.limits.grace, self.patience),
            ready,
            evidence: Evidence::default(),
            cancel: attempt.cancel.clone(),
            image_digest: attempt.image_digest.clone(),
            files: Files::of(self, id, &job),
        };
        failpoint::reached!("adopt.taken-up");
        tracing::info!(attempt = %id, state = ?found.state, "taken up again");
        let (executor, state, left) = (self.clone(), found.state, time_to_start(attempt.started_at, clock::now()));
        self.tasks.spawn(async move {
            let work = async {
                let Some(following) = executor.once_started(following, state, left).await else { return };
                failpoint::reached!("adopt.following");
                // Ordered before the restart. Whether the runner was told before the daemon died, only it knows.
                if let Some(cancel) = &following.cancel {
                    let how = if cancel.force { Stop::Now } else { Stop::Gently };
                    stop(&executor, &following.engine, &following.id, &following.site, how);
                }
                follow(&executor, following).await;
            };
            executor.until_stopped(work).await;
        });
        Ok(())
    }

    /// Made, and not started when it was looked at: the engine may be about to, for the daemon that died had asked it to.
    /// What is not started in the end is removed first, so that it never will be, and then ended: nothing of it ran, so it
    /// is tried again by itself.
    async fn once_started(&self, mut following: Following, mut state: FoundState, left: Duration) -> Option<Following> {
        let (id, until) = (following.id.clone(), Instant::now() + left);
        loop {
            if state != FoundState::Created {
                return Some(following);
            }
            failpoint::reached!("adopt.unfed");
            if Instant::now() >= until {
                break;
            }
            tokio::time::sleep(LOOK).await;
            let found = following.engine.adopt().await.unwrap_or_default();
            if let Some(found) = found.into_iter().find(|found| found.attempt == id) {
                (following.site, state) = (found.site, found.state);
            }
        }
        let found = Found { attempt: id.clone(), site: following.site, state };
        while !self.remove(&id, Some(&found)).await {
            tokio::time::sleep(AGAIN).await;
        }
        failpoint::reached!("adopt.unfed-removed");
        let why = "the daemon stopped before it could hand over plan and source; nothing of it ran: retry it";
        let verdict = Verdict::infrastructure(Outcome::Lost, why, false);
        loop {
            match self.load(&id).await {
                Ok((_, job)) => {
                    end_unstarted(self, &id, following.writer, &job, verdict).await;
                    return None;
                }
                Err(error) => tracing::error!(attempt = %id, %error, "its plan cannot be read; trying again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// How long an engine still has to start what it was asked to start when the attempt began. However many daemons died since
/// then: each of them would wait anew else, and the slot stay taken. When the wall clock was set, this is too long or too
/// short, and both do no harm: what is not started is removed before it is ended.
fn time_to_start(began: Option<Timestamp>, now: Timestamp) -> Duration {
    let since = began.and_then(|began| u64::try_from(now.0.saturating_sub(began.0)).ok());
    since.map_or(START, |ms| START.saturating_sub(Duration::from_millis(ms)))
}

/// Whether it may go away by itself. What a disk or a database gives back wrongly, and what the daemon may not open, does not.
fn is_passing(error: &anyhow::Error) -> bool {
    match (error.downcast_ref::<StoreError>(), error.downcast_ref::<LogError>()) {
        (Some(error), _) => error.is_passing(),
        (_, Some(error)) => error.is_passing(),
        _ => true,
    }
}

/// The kind of engine that has it. One whose engine is not known any more is looked for among the containers.
fn kind_of(attempt: &Attempt) -> Kind {
    match &attempt.site {
        Some(site) if site.engine == Kind::Local.name() => Kind::Local,
        _ => Kind::Docker,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn an_engine_has_its_time_once_however_often_the_daemon_dies() {
        let left = |began: Option<i64>, now| time_to_start(began.map(Timestamp), Timestamp(now)).as_millis();
        assert_eq!(left(None, 5_000), 4_000, "nobody knows when it began");
        assert_eq!(left(Some(5_000), 5_000), 4_000);
        assert_eq!(left(Some(5_000), 6_500), 2_500);
        assert_eq!(left(Some(5_000), 900_000), 0);
        assert_eq!(left(Some(5_000), 4_000), 4_000, "the clock was set back");
        assert_eq!(left(Some(i64::MIN), i64::MAX), 0);
    }

    #[test]
    fn what_nobody_mends_by_waiting_is_not_tried_for_ever() {
        let io = |kind: ErrorKind| LogError::Io { what: "open", path: "log".into(), source: Error::from(kind) };
        let damaged = LogError::Damaged { path: "log".into(), source: Error::from(ErrorKind::InvalidData) };
        let busy = LogError::Busy { id: "7/test#1".parse().expect("an id") };
        assert!(!is_passing(&damaged.into()));
        assert!(!is_passing(&io(ErrorKind::PermissionDenied).into()));
        assert!(!is_passing(&StoreError::Corrupt { what: "plan".to_owned() }.into()));
        assert!(is_passing(&io(ErrorKind::StorageFull).into()));
        assert!(is_passing(&busy.into()));
        assert!(is_passing(&StoreError::Busy.into()));
        assert!(is_passing(&anyhow::anyhow!("an engine that is away")));
    }
}
