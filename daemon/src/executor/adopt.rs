//! Takes up what an earlier daemon left: what runs is followed again from the exact byte, what was only claimed goes back to
//! the queue, what nobody knows is removed.

use std::collections::HashMap;
use std::time::Duration;

use windlass_protocol::id::AttemptId;
use windlass_protocol::view::Outcome;

use super::Executor;
use super::attempt::{Following, end_unstarted, follow};
use super::steps::Steps;
use crate::engine::{Engine as _, Found, FoundState};
use crate::state::attempt::{State, Verdict};
use crate::store::Attempt;

const AGAIN: Duration = Duration::from_secs(2);
/// More can hardly run at once; what is beyond waits for the next start.
const OPEN: u32 = 10_000;

impl Executor {
    /// Called once, before anything is claimed. Returns when the engines have been asked and everything is taken up.
    pub async fn adopt(&self) {
        let mut told = false;
        while let Err(error) = self.try_adopt().await {
            if !told {
                tracing::error!(error = %format!("{error:#}"), "what an earlier daemon left cannot be taken up yet; trying again");
                told = true;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn try_adopt(&self) -> anyhow::Result<()> {
        let open = self.store.open_attempts(OPEN).await?;
        let begun: Vec<Attempt> = open
            .into_iter()
            .map(|open| open.attempt)
            .filter(|attempt| matches!(attempt.state, State::Claimed | State::Running))
            .collect();
        let mut found: HashMap<AttemptId, Found> =
            self.engines.adopt().await?.into_iter().map(|found| (found.attempt.clone(), found)).collect();
        for attempt in begun {
            let found = found.remove(&attempt.id);
            match attempt.state {
                State::Claimed => {
                    self.remove(&attempt.id, found.as_ref()).await;
                    self.store.release_attempt(&attempt.id).await?;
                    tracing::info!(attempt = %attempt.id, "had not begun; it waits again");
                }
                _ => self.take_up(attempt, found).await?,
            }
        }
        for (id, found) in found {
            tracing::info!(attempt = %id, "is finished, or unknown; removing what is left of it");
            self.remove(&id, Some(&found)).await;
        }
        self.wake.wake();
        Ok(())
    }

    async fn take_up(&self, attempt: Attempt, found: Option<Found>) -> anyhow::Result<()> {
        let id = attempt.id;
        let (_, job) = self.load(&id).await?;
        let writer = self.logs.writer(&id)?;
        let Some(found) = found.filter(|found| found.state != FoundState::Created) else {
            let reason = match &attempt.site {
                Some(site) => {
                    format!("it was gone from {} ({}) when the daemon came back; retry it", site.node, site.engine)
                }
                None => "it was gone when the daemon came back; retry it".to_owned(),
            };
            end_unstarted(self, &id, writer, &job, Verdict::because(Outcome::Lost, reason)).await;
            self.remove(&id, None).await;
            return Ok(());
        };
        let engine = self.engines.of(&found.site)?;
        tracing::info!(attempt = %id, state = ?found.state, "taken up again");
        let steps = Steps::recorded(&job, attempt.steps);
        let limit = Duration::from_millis(job.timeout_ms);
        let following = Following { id, site: found.site, engine, writer, steps, limit };
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
            tracing::warn!(attempt = %id, %error, "its leftovers could not be removed");
        }
    }
}
