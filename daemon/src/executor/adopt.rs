//! Takes up what an earlier daemon left: what runs is followed again from the exact byte, what was only claimed goes back to
//! the queue, what nobody knows is removed. One attempt's trouble does not hold up the others.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use windlass_protocol::id::AttemptId;
use windlass_protocol::view::Outcome;

use super::Executor;
use super::attempt::{Following, end_unstarted, follow};
use super::steps::Steps;
use crate::clock;
use crate::engine::{Engine as _, Found, FoundState};
use crate::error_chain::chain;
use crate::state::attempt::{State, Verdict};
use crate::state::verdict::Evidence;
use crate::store::{Attempt, Finish};

const AGAIN: Duration = Duration::from_secs(2);
/// More can hardly run at once; what is beyond waits for the next start.
const OPEN: u32 = 10_000;

impl Executor {
    /// Called once, before anything is claimed. Returns when the engines have been asked; attempts that cannot be taken up
    /// for a fault of ours are tried again in the background.
    pub async fn adopt(&self) {
        let mut told = false;
        let left = loop {
            match self.begin_adopting().await {
                Ok(left) => break left,
                Err(error) if !told => {
                    told = true;
                    tracing::error!(error = %format!("{error:#}"), "what an earlier daemon left cannot be taken up yet; trying again");
                }
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        };
        self.wake.wake();
        if left.is_empty() {
            return;
        }
        let executor = self.clone();
        self.tasks.spawn(async move {
            let stop = executor.tasks.stopping();
            tokio::select! {
                () = executor.adopt_stragglers(left) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Everything once. What is returned could not be dealt with yet.
    async fn begin_adopting(&self) -> anyhow::Result<Vec<(Attempt, Option<Found>)>> {
        let begun = self.begun().await?;
        // Without the engine that runs them nothing can be said of these: neither lost nor ended.
        let elsewhere = |attempt: &Attempt| attempt.site.as_ref().is_some_and(|site| self.engines.of(site).is_err());
        if begun.iter().any(elsewhere) && !self.engines.reconnect().await {
            anyhow::bail!("jobs of an earlier daemon run on an engine that does not answer");
        }
        let mut found: HashMap<AttemptId, Found> =
            self.engines.adopt().await?.into_iter().map(|found| (found.attempt.clone(), found)).collect();
        let mut left = Vec::new();
        for attempt in begun {
            let found = found.remove(&attempt.id);
            if let Err(error) = self.adopt_one(&attempt, found.as_ref()).await {
                tracing::error!(attempt = %attempt.id, error = %format!("{error:#}"), "cannot be taken up yet; trying again");
                left.push((attempt, found));
            }
        }
        for (id, found) in found {
            tracing::info!(attempt = %id, "is finished, or unknown; removing what is left of it");
            self.remove(&id, Some(&found)).await;
        }
        Ok(left)
    }

    async fn adopt_stragglers(&self, mut left: Vec<(Attempt, Option<Found>)>) {
        while !left.is_empty() {
            tokio::time::sleep(AGAIN).await;
            let mut still = Vec::new();
            for (attempt, found) in left {
                if self.adopt_one(&attempt, found.as_ref()).await.is_err() {
                    still.push((attempt, found));
                }
            }
            left = still;
            self.wake.wake();
        }
    }

    /// Removes what engines have of attempts that are over: what could not be removed when they ended.
    pub async fn sweep(&self) {
        // The engines first: what is made after that is not in the list, what is open after that is not removed.
        let (found, open) = match self.engines.adopt().await {
            Ok(found) => (found, self.begun().await),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "the engines cannot be asked for leftovers");
                return;
            }
        };
        let open: HashSet<AttemptId> = match open {
            Ok(open) => open.into_iter().map(|attempt| attempt.id).collect(),
            Err(error) => {
                tracing::debug!(error = %format!("{error:#}"), "open attempts cannot be read");
                return;
            }
        };
        for found in found {
            // An attempt that ended a moment ago is being removed already; twice does no harm.
            if !open.contains(&found.attempt) {
                self.remove(&found.attempt, Some(&found)).await;
            }
        }
    }

    async fn begun(&self) -> anyhow::Result<Vec<Attempt>> {
        let open = self.store.open_attempts(OPEN).await?;
        let begun = |attempt: &Attempt| matches!(attempt.state, State::Claimed | State::Running);
        Ok(open.into_iter().map(|open| open.attempt).filter(begun).collect())
    }

    async fn adopt_one(&self, attempt: &Attempt, found: Option<&Found>) -> anyhow::Result<()> {
        let id = &attempt.id;
        if attempt.state == State::Claimed {
            self.remove(id, found).await;
            if let Some(cancel) = &attempt.cancel {
                let verdict =
                    Verdict::because(Outcome::Cancelled, format!("cancelled by {} before it began", cancel.by));
                let (steps, log) = (Vec::new(), attempt.log.clone());
                self.store
                    .finish_attempt(id, &Finish { verdict, at: clock::now(), steps, log, image_digest: None })
                    .await?;
            } else {
                self.store.release_attempt(id).await?;
                tracing::info!(attempt = %id, "had not begun; it waits again");
            }
            return Ok(());
        }
        let (_, job) = self.load(id).await?;
        let writer = self.logs.writer(id)?;
        let Some(found) = found.filter(|found| found.state != FoundState::Created) else {
            let reason = match &attempt.site {
                Some(site) => {
                    format!("it was gone from {} ({}) when the daemon came back; retry it", site.node, site.engine)
                }
                None => "it was gone when the daemon came back; retry it".to_owned(),
            };
            end_unstarted(self, id, writer, &job, Verdict::because(Outcome::Lost, reason)).await;
            self.remove(id, found).await;
            return Ok(());
        };
        let engine = self.engines.of(&found.site)?;
        tracing::info!(attempt = %id, state = ?found.state, "taken up again");
        let following = Following {
            id: id.clone(),
            site: found.site.clone(),
            engine,
            writer,
            steps: Steps::recorded(&job, attempt.steps.clone()),
            limit: Duration::from_millis(job.timeout_ms),
            evidence: Evidence::default(),
            cancel: attempt.cancel.clone(),
        };
        let executor = self.clone();
        self.tasks.spawn(async move {
            let stop = executor.tasks.stopping();
            tokio::select! {
                () = follow(&executor, following) => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(())
    }

    async fn remove(&self, id: &AttemptId, found: Option<&Found>) {
        let removed = match found {
            Some(found) => match self.engines.of(&found.site) {
                Ok(engine) => engine.clean(id).await,
                Err(error) => Err(error),
            },
            None => self.engines.clean(id).await,
        };
        if let Err(error) = removed {
            tracing::warn!(attempt = %id, error = %chain(&error), "its leftovers could not be removed");
        }
    }
}
