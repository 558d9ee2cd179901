//! How a container ends: waited for, told to stop, and made sure of. What inspecting says decides; an engine that contradicts
//! itself, or never answers again, is not waited for without end. Must not know how containers are made.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::{ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::{KillContainerOptionsBuilder, WaitContainerOptions};
use futures_util::StreamExt;
use windlass_protocol::id::AttemptId;

use super::call::trouble;
use super::{Inner, folder};
use crate::engine::{ASK, EngineError, Exit, Stop, TroubleKind};

/// Before asking again when waiting failed; doubles, up to five seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// After this long a runner that has started hears signals.
const HANDLERS: Duration = Duration::from_secs(1);
/// Between telling a runner to stop at once and doing it for it.
const NOW: Duration = Duration::from_secs(3);

impl Inner {
    /// Waits until a container has ended, across restarts of the engine.
    pub(super) async fn ended(&self, handle: &str) -> Result<Exit, EngineError> {
        let _user = self.presence.user();
        let deadlines = self.docker.deadlines;
        let mut silent_since = None;
        let mut contradicted_since = None;
        let mut pause = FIRST_PAUSE;
        loop {
            // Whatever waiting says, inspecting decides: it also fails where the container ended with an error.
            let wait = async {
                let mut answer = std::pin::pin!(self.docker.wait_container(handle, None::<WaitContainerOptions>));
                answer.next().await
            };
            let waited = tokio::time::timeout(deadlines.recheck, wait).await;
            match self.inspect(handle).await {
                Ok(seen) => {
                    if let Some(exit) = seen.state.and_then(exit) {
                        return Ok(exit);
                    }
                    silent_since = None;
                    let killed = self.killed().get(handle).map(Instant::elapsed);
                    if let Some(since) = killed.filter(|since| *since > deadlines.contradiction) {
                        let since = since.as_secs_f64();
                        let what = format!("still says that a container runs, {since:.0} s after its KILL");
                        return Err(trouble(TroubleKind::Nonsense, what));
                    }
                    let Ok(waited) = waited else {
                        (pause, contradicted_since) = (FIRST_PAUSE, None);
                        continue;
                    };
                    let code = match waited {
                        Some(Ok(ended)) => Some(ended.status_code),
                        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Some(code),
                        _ => None,
                    };
                    if let Some(code) = code {
                        let since = *contradicted_since.get_or_insert_with(Instant::now);
                        if since.elapsed() > deadlines.contradiction {
                            tracing::warn!(handle, code, "the engine says that a container both ended and runs");
                            return Ok(Exit { code, out_of_memory: false, error: None });
                        }
                    }
                }
                Err(error @ EngineError::Gone { .. }) => return Err(error),
                Err(error) => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > deadlines.patience {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn signal(&self, handle: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        match self.docker.quick(self.docker.kill_container(handle, Some(options))).await {
            Err(failure) if !failure.is_missing() && !failure.is_conflict() => {
                Err(failure.trouble(&format!("sending {signal} to a container")))
            }
            _ => Ok(()),
        }
    }

    /// Asks a container to stop. Returns at once.
    pub(super) async fn stop(self: Arc<Self>, id: &AttemptId, handle: &str, how: Stop) -> Result<(), EngineError> {
        let frames = self.folders.path(id)?.join(folder::FRAMES);
        let is_silent = move || std::fs::metadata(&frames).is_ok_and(|frames| frames.len() == 0);
        if how == Stop::Gently && is_silent() {
            // The kernel drops a signal that the first process of a container has no handler for, and this one may
            // have been started a moment ago. Its first frame says that it has.
            let (inner, handle) = (Arc::clone(&self), handle.to_owned());
            tokio::spawn(async move {
                let until = Instant::now() + HANDLERS;
                while is_silent() && Instant::now() < until {
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                if let Err(error) = inner.signal(&handle, ASK.as_str()).await {
                    tracing::warn!(%error, handle, "a container could not be told to stop");
                }
            });
            return Ok(());
        }
        if how == Stop::Gently {
            return self.signal(handle, ASK.as_str()).await;
        }
        let told = self.signal(handle, "SIGTERM").await;
        // Also when it could not be told: that is no reason to let it run.
        tokio::spawn(self.make_sure(handle.to_owned()));
        told
    }

    /// Makes sure that what was told to stop at once does. A runner that hears TERM twice kills at once and still delivers
    /// what was written; one that does not go is killed with everything in its container.
    async fn make_sure(self: Arc<Self>, handle: String) {
        let gone = async |within| tokio::time::timeout(within, self.ended(&handle)).await.is_ok();
        if self.killed().contains_key(&handle) || gone(NOW / 20).await {
            return;
        }
        let _ = self.signal(&handle, "SIGTERM").await;
        let begun = Instant::now();
        while !gone(NOW).await && begun.elapsed() < NOW + self.docker.deadlines.contradiction {
            {
                let mut killed = self.killed();
                killed.retain(|_, since| since.elapsed() < 2 * self.docker.deadlines.patience);
                killed.entry(handle.clone()).or_insert_with(Instant::now);
            }
            if let Err(error) = self.signal(&handle, "SIGKILL").await {
                tracing::warn!(%error, handle, "a container could not be killed; trying again");
            }
        }
    }

    fn killed(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a container ended; `None` while it has not.
fn exit(state: ContainerState) -> Option<Exit> {
    let error = state.error.filter(|error| !error.is_empty());
    let error = match state.status? {
        ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD => error,
        ContainerStateStatusEnum::CREATED => Some(error.unwrap_or_else(|| "it was never started".to_owned())),
        _ => return None,
    };
    Some(Exit { code: state.exit_code.unwrap_or(-1), out_of_memory: state.oom_killed.unwrap_or(false), error })
}
