//! Takes claimed attempts to their one end: prepares a place, wins the one-time claim, hands over plan and source, follows
//! frames into the log, and records how it ended. After a restart it takes up what still runs. Must not know GitHub or HTTP.

mod adopt; // what an earlier daemon left
mod attempt; // one attempt, from claimed until its runner is fed
mod cancel; // notices that somebody wants it stopped
mod deadlines; // when the daemon acts by itself
mod end; // log finished and compared, end recorded
mod follow; // frames into the log, steps into the database, to the end
mod inflow; // frames as they come
mod artifacts; // what it left to be kept
mod files; // what a job left, each to whom it is for
mod findings; // what tools say about its source
mod reports; // results of its tests
mod steps; // how far the steps are
mod sweep; // what engines still have of attempts that are over

use std::sync::Arc;

use windlass_protocol::id::AttemptId;

pub use self::deadlines::Patience;

use crate::artifacts::ArtifactStore;
use crate::config::{Config, EngineChoice};
use crate::engine::{AnyEngine, Engine as _, EngineError, Engines, Kind};
use crate::event::{self, BuildRequest};
use crate::failpoint::{self, Sabotage};
use crate::git::Git;
use crate::logs::LogStore;
use crate::plan::{AttemptPlan, JobPlan, Transport};
use crate::room::Room;
use crate::store::{Claimed, Store, StoreError, StoredBuild};
use crate::tasks::Tasks;
use crate::wake::Wake;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Executor {
    pub config: Arc<Config>,
    pub store: Store,
    pub logs: LogStore,
    pub artifacts: ArtifactStore,
    pub git: Git,
    pub engines: Engines,
    pub wake: Wake,
    pub tasks: Tasks,
    /// Nothing is claimed while it is tight.
    pub room: Room,
    pub patience: Patience,
    /// What links to builds begin with.
    pub public_url: Arc<str>,
}

impl Executor {
    /// Runs a claimed attempt in a task of its own.
    pub fn begin(&self, claimed: Claimed) {
        let executor = self.clone();
        // When the daemon stops, what runs goes on running, and is taken up again at the next start.
        self.tasks.spawn(async move { attempt::run(&executor, &claimed).await });
    }

    /// `None`: the daemon stops, and the work was dropped.
    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let stop = self.tasks.stopping();
        tokio::select! {
            done = work => Some(done),
            () = stop.cancelled() => None,
        }
    }

    /// The build and the plan of an attempt.
    async fn load(&self, id: &AttemptId) -> Result<(StoredBuild, JobPlan), StoreError> {
        let build = self.store.build(id.build).await?;
        let jobs = self.store.jobs(id.build).await?;
        let job = jobs.into_iter().find(|job| job.plan.name == id.job);
        let job = job.ok_or_else(|| StoreError::Missing { what: format!("job {}", id.job_id()) })?;
        Ok((build, job.plan))
    }

    fn plan(&self, id: &AttemptId, token: &str, build: &StoredBuild, job: JobPlan) -> AttemptPlan {
        let status_url = format!("{}/builds/{}", self.public_url, id.build);
        let mut environment = job.environment.clone();
        environment.extend(event::environment(&build.facts.request, id.build, &id.job, id.attempt, &status_url));
        AttemptPlan {
            id: id.clone(),
            job,
            environment,
            grace_ms: u64::try_from(self.config.limits.grace.as_millis()).unwrap_or(u64::MAX),
            artifact_bytes: self.config.limits.artifact_bytes.unwrap_or(u64::MAX),
            transport: Transport::Stdout,
            workspace: String::new(),
            token: token.to_owned(),
        }
    }

    /// The engine for a build's jobs. Processes of this host only where the operator wrote it down, and never for code
    /// from a fork: it would run as the daemon's own user.
    async fn engine_for(&self, request: &BuildRequest) -> Result<AnyEngine, EngineError> {
        let repository = &request.repository;
        let refused = |what: String| Err(EngineError::Refused { what });
        let Some(entry) = self.config.repository(repository) else {
            return refused(format!("the repository {repository} is not listed in the configuration any more"));
        };
        if entry.engine == Some(EngineChoice::Local) {
            if request.from_fork {
                return refused("code from a fork does not run on the host itself".to_owned());
            }
            return self.engines.pick(Some(Kind::Local));
        }
        if self.config.engine == EngineChoice::Local {
            return refused(format!(
                "this daemon looks for no container engine ([engine] kind = \"local\"), and {repository} may not run on \
                 the host itself: give its [[repository]] entry the line engine = \"local\", or choose another kind"
            ));
        }
        // It may have come since the daemon started.
        self.engines.reconnect().await;
        self.engines.pick(Some(Kind::Docker))
    }

    /// Removes what an ended attempt leaves; in the background, for nobody waits for it.
    fn clean_later(&self, engine: AnyEngine, id: AttemptId) {
        if failpoint::is_sabotaged(Sabotage::LeaveBehind) {
            return;
        }
        self.tasks.spawn(async move {
            failpoint::reached!("clean.begun");
            if let Err(error) = engine.clean(&id).await {
                tracing::warn!(attempt = %id, %error, "its leftovers could not be removed; the next start tries again");
            }
            failpoint::reached!("clean.done");
        });
    }
}
