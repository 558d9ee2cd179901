//! Deliveries become builds. `read` looks at a verified webhook before it is stored, `inbox` stores it, the loop here works
//! on what is stored: level-triggered, so a restart goes on where the last daemon stopped. Must not know HTTP.

mod head;
mod inbox;
mod planning;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use windlass_protocol::view::DeliveryState as Told;

pub use inbox::Inbox;

use crate::clock;
use crate::config::Config;
use crate::error_chain::chain;
use crate::event::{self, BuildRequest, Decision};
use crate::failpoint;
use crate::git::Git;
use crate::github::payload::{self, PayloadError};
use crate::logs::LogStore;
use crate::secret::sha256_hex;
use crate::store::{DeliveryState, HeadRetry, NewDelivery, PendingDelivery, Replay, Store, StoreError};
use crate::tasks::Tasks;
use crate::wake::Wake;

/// Deliveries worked on at once; of one repository only one, so that its builds are numbered in the order of its pushes.
const AT_ONCE: usize = 32;
const POLL: Duration = Duration::from_secs(30);

/// A verified webhook, read: what to store, and what to answer if it is new.
#[derive(Debug)]
pub struct Received {
    pub delivery: NewDelivery,
    pub state: Told,
    pub reason: Option<String>,
}

/// Reads a verified webhook. What nothing will come of is known at once, and why.
pub fn read(config: &Config, id: &str, event_name: &str, body: Vec<u8>) -> Result<Received, PayloadError> {
    let event = payload::parse(event_name, &body)?;
    let ignored = match event::decide(&event) {
        Decision::Build(request) => not_listed(config, &request),
        Decision::Ignore(reason) => Some(reason),
    };
    let state = if ignored.is_some() { DeliveryState::Ignored } else { DeliveryState::Accepted };
    let body_sha256 = sha256_hex(&body);
    let text = match state {
        // JSON that parsed is UTF-8, so it is not copied; what nothing comes of need not be kept.
        DeliveryState::Accepted => {
            String::from_utf8(body).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned())
        }
        DeliveryState::Ignored => String::new(),
    };
    let delivery = NewDelivery {
        id: id.to_owned(),
        event: event_name.to_owned(),
        action: event.action.as_deref().map(|action| event::clean(action, 100)),
        repository: event.repository.as_ref().map(|repository| repository.full_name.clone()),
        body_sha256,
        body: text,
        received_at: clock::now(),
        state,
        reason: ignored.clone(),
    };
    let told = if ignored.is_some() { Told::Ignored } else { Told::Accepted };
    Ok(Received { delivery, state: told, reason: ignored })
}

fn not_listed(config: &Config, request: &BuildRequest) -> Option<String> {
    config.repository(&request.repository).is_none().then(|| {
        let name = event::clean(&request.repository, 200);
        format!("the repository {name} is not listed in the configuration: add a [[repository]] entry for it")
    })
}

/// What the loop works with; cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    pub config: Arc<Config>,
    pub store: Store,
    pub inbox: Inbox,
    pub logs: LogStore,
    pub git: Git,
    pub wake: Wake,
    pub tasks: Tasks,
}

/// Works on stored deliveries until told to stop.
pub async fn run(intake: Intake) {
    let stop = intake.tasks.stopping();
    let mut woken = intake.wake.subscribe();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let busy = Arc::new(Mutex::new(HashSet::<String>::new()));
    loop {
        intake.inbox.calm().await;
        woken.mark_seen();
        match intake.store.pending_deliveries().await {
            Ok(pending) => {
                for delivery in pending {
                    let repository = delivery.repository.clone().unwrap_or_default().to_lowercase();
                    let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
                    if !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(repository.clone()) {
                        continue;
                    }
                    let free = Free { busy: Arc::clone(&busy), repository, wake: intake.wake.clone() };
                    let intake = intake.clone();
                    intake.tasks.clone().spawn(async move {
                        let _free = free;
                        work_on(&intake, &delivery).await;
                        drop(slot);
                    });
                }
            }
            Err(error) => tracing::error!(error = %chain(&error), "pending deliveries cannot be read"),
        }
        tokio::select! {
            () = woken.changed() => {}
            () = tokio::time::sleep(POLL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Makes a repository free for its next delivery, however the work on the last one ended.
struct Free {
    busy: Arc<Mutex<HashSet<String>>>,
    repository: String,
    wake: Wake,
}

impl Drop for Free {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.repository);
        self.wake.wake();
    }
}

/// One delivery, to its end. What fails for reasons of ours stays pending and is tried again.
async fn work_on(intake: &Intake, delivery: &PendingDelivery) {
    let stop = intake.tasks.stopping();
    let result = tokio::select! {
        result = settle(intake, delivery) => result,
        () = stop.cancelled() => return,
    };
    if let Err(error) = result {
        tracing::error!(delivery = delivery.delivery_id, error = %format!("{error:#}"), "a delivery could not be worked on; trying again");
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn settle(intake: &Intake, delivery: &PendingDelivery) -> anyhow::Result<()> {
    let id = &delivery.delivery_id;
    let body = intake.store.delivery_body(id).await?;
    failpoint::reached!("intake.taken");
    if delivery.event != Replay::EVENT {
        return settle_as(intake, id, &delivery.event, &body).await;
    }
    let of = serde_json::from_str::<Replay>(&body).ok().map(|replay| replay.of);
    let kept = match of {
        Some(of) => intake.store.kept_delivery(&of).await?,
        None => None,
    };
    match kept {
        Some(kept) => settle_as(intake, id, &kept.event, &kept.body).await,
        None => {
            let reason = "what is to be replayed is not kept any more";
            Ok(intake.store.ignore_delivery(id, reason, clock::now()).await?)
        }
    }
}

/// Makes of an event what is to be made of it, under the delivery's id.
async fn settle_as(intake: &Intake, id: &str, event_name: &str, body: &str) -> anyhow::Result<()> {
    if event_name == HeadRetry::EVENT {
        return head::settle(intake, id, body).await;
    }
    // It was understood when it came; a later version may think otherwise, and must not try for ever.
    let decision = match payload::parse(event_name, body.as_bytes()) {
        Ok(event) => event::decide(&event),
        Err(error) => Decision::Ignore(format!("not understood any more: {error}")),
    };
    let request = match decision {
        Decision::Build(request) => *request,
        Decision::Ignore(reason) => return Ok(intake.store.ignore_delivery(id, &reason, clock::now()).await?),
    };
    let Some(entry) = intake.config.repository(&request.repository) else {
        let reason = not_listed(&intake.config, &request).unwrap_or_default();
        return Ok(intake.store.ignore_delivery(id, &reason, clock::now()).await?);
    };
    made(planning::make_build(intake, id, request, entry).await)
}

/// Somebody settled the delivery meanwhile: nothing is left to do.
fn made(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::Conflict { .. })) => Ok(()),
        other => other,
    }
}
