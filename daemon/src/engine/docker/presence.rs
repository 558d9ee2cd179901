//! Whether the engine answers: a light watch by pings, often while jobs need it and seldom else. Must not know jobs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use windlass_protocol::time::Timestamp;

use super::call::Client;
use crate::clock;
use crate::engine::Away;
use crate::error_chain::chain;

const BUSY: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(15);
/// Between a doubt, or a ping that failed, and the next ping.
const SOON: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Presence {
    /// How many calls hang on the engine just now.
    users: AtomicUsize,
    away: Mutex<Option<Away>>,
}

/// Somebody needs the engine, as long as it lives.
pub(super) struct User<'a>(&'a Presence);

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Presence {
    pub(super) fn user(&self) -> User<'_> {
        self.users.fetch_add(1, Ordering::Relaxed);
        User(self)
    }

    pub(super) fn away(&self) -> Option<Away> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, away: Option<Away>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
    }

    /// Watches until nobody has the presence any more.
    pub(super) fn watch(self: &Arc<Self>, client: Client) {
        tokio::spawn(watch(Arc::downgrade(self), client));
    }
}

async fn watch(presence: Weak<Presence>, client: Client) {
    let mut failed: Option<Timestamp> = None;
    loop {
        let Some(busy) = presence.upgrade().map(|presence| presence.users.load(Ordering::Relaxed) > 0) else { return };
        let pause = match (failed, busy) {
            (Some(_), _) => SOON,
            (None, true) => BUSY,
            (None, false) => IDLE,
        };
        // A doubt is looked into soon, and no more often than that, however many there are.
        tokio::time::sleep(SOON).await;
        tokio::select! {
            () = tokio::time::sleep(pause - SOON) => {}
            () = client.doubt.notified(), if failed.is_none() => {}
        }
        let answer = client.within(client.deadlines.ping, client.ping()).await;
        let Some(presence) = presence.upgrade() else { return };
        match answer {
            Ok(_) => {
                if let Some(away) = presence.away() {
                    tracing::info!(engine = away.engine, since = %away.since, "the engine answers again");
                }
                failed = None;
                presence.set(None);
            }
            Err(failure) => {
                let why = chain(&failure.trouble("asking whether it is there"));
                let Some(since) = failed else {
                    failed = Some(clock::now());
                    continue;
                };
                if presence.away().is_none() {
                    tracing::warn!(why, "the engine does not answer");
                }
                presence.set(Some(Away { engine: super::KIND, since, why }));
            }
        }
    }
}
