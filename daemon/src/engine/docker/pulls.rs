//! Pulls that are going on: one per image, however many attempts wait for it. A pull is a task of its own; it is aborted when
//! nobody waits for it any more. Must not know containers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use windlass_protocol::id::AttemptId;

use super::call::{Client, trouble};
use super::image::{self, REPORT};
use crate::engine::{EngineError, PullProgress, TroubleKind};

/// Why a pull gave nothing: told to everybody who waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Refused(String),
    Trouble(TroubleKind, String),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) progress: PullProgress,
    pub(super) end: Option<Result<(), Fault>>,
}

/// One pull. Everybody who waits for it holds it.
#[derive(Debug)]
struct Pull {
    told: watch::Receiver<Told>,
    task: AbortHandle,
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Default)]
pub(super) struct Pulls {
    running: Mutex<HashMap<String, Weak<Pull>>>,
    waiting: Mutex<HashMap<AttemptId, watch::Receiver<Told>>>,
}

/// Says that an attempt waits, as long as it lives.
struct Waits<'a>(&'a Pulls, &'a AttemptId);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        lock(&self.0.waiting).remove(self.1);
    }
}

impl Pulls {
    /// Gets an image from its registry, telling how it goes. Lines that nobody takes are dropped: a pull never waits for
    /// its reader.
    pub(super) async fn pull(
        &self,
        docker: &Client,
        id: &AttemptId,
        image: &str,
        say: &mpsc::Sender<String>,
    ) -> Result<(), EngineError> {
        let begun = Instant::now();
        let (pull, is_new) = self.join(docker, image);
        let mut told = pull.told.clone();
        lock(&self.waiting).insert(id.clone(), told.clone());
        let _waits = Waits(self, id);
        let tell = |line: String| drop(say.try_send(line));
        tell(if is_new { format!("pulling {image}") } else { format!("pulling {image}, together with another job") });
        loop {
            let ended = async { told.wait_for(|told| told.end.is_some()).await.map(|told| told.end.clone()) };
            let end = match tokio::time::timeout(REPORT, ended).await {
                Ok(Ok(end)) => end,
                Ok(Err(_)) => Some(Err(Fault::Trouble(TroubleKind::Host, "the pull broke off".to_owned()))),
                Err(_) => None,
            };
            match end {
                Some(Ok(())) => {
                    tell(format!("pulled {image} in {:.1} s", begun.elapsed().as_secs_f64()));
                    return Ok(());
                }
                Some(Err(Fault::Refused(what))) => return Err(EngineError::Refused { what }),
                Some(Err(Fault::Trouble(kind, what))) => return Err(trouble(kind, what)),
                None => {
                    let progress = told.borrow().progress.clone();
                    tell(format!("pulling {image}: {}", image::in_words(&progress)));
                }
            }
        }
    }

    /// How far the pull is that an attempt waits for.
    pub(super) fn of(&self, id: &AttemptId) -> Option<PullProgress> {
        lock(&self.waiting).get(id).map(|told| told.borrow().progress.clone())
    }

    /// The pull of an image that is going on, or a new one; whether it is new.
    fn join(&self, docker: &Client, image: &str) -> (Arc<Pull>, bool) {
        let mut running = lock(&self.running);
        running.retain(|_, pull| pull.strong_count() > 0);
        // One that has ended says nothing about the registry as it is now.
        if let Some(pull) = running.get(image).and_then(Weak::upgrade)
            && pull.told.borrow().end.is_none()
            && !pull.task.is_finished()
        {
            return (pull, false);
        }
        let progress = PullProgress { image: image.to_owned(), ..PullProgress::default() };
        let (sender, told) = watch::channel(Told { progress, end: None });
        let (docker, name) = (docker.clone(), image.to_owned());
        let task = tokio::spawn(async move {
            let end = image::pull(&docker, &name, &sender).await;
            sender.send_modify(|told| told.end = Some(end));
        });
        let pull = Arc::new(Pull { told, task: task.abort_handle() });
        running.insert(image.to_owned(), Arc::downgrade(&pull));
        (pull, true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
