//! How many connections a listener may have: never so many that builds lack file handles, and one stranger's never so many
//! that webhooks find none. Whoever is too many waits a moment and is then told to come back. Must not know what is asked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use windlass_protocol::refusal::{Refusal, RefusalCode};

use crate::tasks::Tasks;

/// Open connections a listener, where the system lets us have enough file handles. A storm of webhooks should find room
/// while the first of it waits for the disk; each connection may hold 64 kB of headers.
const CONNECTIONS: u64 = 2048;
/// Connections of one listener get no more than this part of all handles: there are two or three, and builds need some.
const SHARE: u64 = 5;
/// One address gets no more than this part of a listener's connections. This host's own have no such limit: a proxy in
/// front brings everybody's.
const SHARE_OF_ONE: usize = 4;
/// While every slot is taken, connections wait in the kernel's queue for so long; then they are refused in words until one
/// is free again.
const FULL: Duration = Duration::from_secs(2);
/// Whoever is refused may go on sending for so long: hanging up in the middle of it would lose the words.
const LINGER: Duration = Duration::from_millis(500);
/// Refused at once; more are hung up on without a word.
const REFUSALS: usize = 4;

pub(super) struct Slots {
    free: Arc<Semaphore>,
    of_one: usize,
    taken: Taken,
    refusals: Arc<Semaphore>,
    /// The operator is told once when it begins.
    told: bool,
}

/// A connection's right to be; given back when it goes.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
struct Taken(Arc<Mutex<HashMap<IpAddr, Count>>>);

#[derive(Debug, Default)]
struct Count {
    open: usize,
    /// The operator is told once of each address, until it has no connection any more.
    told: bool,
}

/// One connection of an address.
struct Share {
    taken: Taken,
    of: IpAddr,
}

impl Slots {
    pub(super) fn new() -> Self {
        let handles = getrlimit(Resource::RLIMIT_NOFILE).map_or(CONNECTIONS, |(soft, _)| soft);
        Self::with(usize::try_from((handles / SHARE).clamp(1, CONNECTIONS)).unwrap_or(1))
    }

    fn with(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            of_one: (most / SHARE_OF_ONE).max(1),
            taken: Taken::default(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            told: false,
        }
    }

    /// Until a slot is free, it had better be told that none is, or the daemon stops.
    pub(super) async fn wait(&self, tasks: &Tasks) {
        if self.told {
            return;
        }
        let stop = tasks.stopping();
        tokio::select! {
            _slot = self.free.acquire() => {}
            () = tokio::time::sleep(FULL) => {}
            () = stop.cancelled() => {}
        }
    }

    /// For a connection from this address, if it has one.
    pub(super) fn take(&mut self, from: Option<IpAddr>) -> Option<Slot> {
        let stranger = from.map(|from| from.to_canonical()).filter(|from| !from.is_loopback());
        let share = match stranger {
            Some(of) => Some(self.taken.one_more(network(of), self.of_one)?),
            None => None,
        };
        let permit = Arc::clone(&self.free).try_acquire_owned().ok();
        match (&permit, self.told) {
            (None, false) => tracing::warn!("every connection is taken; more are refused until one is free"),
            (Some(_), true) => tracing::info!("connections are free again"),
            _ => {}
        }
        self.told = permit.is_none();
        Some(Slot { _permit: permit?, _share: share })
    }

    /// In words that programs understand, without reading what was asked.
    pub(super) fn refuse<S>(&self, mut stream: S, tasks: &Tasks)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        tasks.spawn(async move {
            let why = "too many connections just now: try again soon";
            let body = serde_json::to_string(&Refusal::new(RefusalCode::Unavailable, why)).unwrap_or_default();
            let words = format!(
                "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Retry-After: 5\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let told = async {
                stream.write_all(words.as_bytes()).await?;
                stream.shutdown().await?;
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            };
            // Whoever has hung up already does not want to be told.
            let _ = tokio::time::timeout(LINGER, told).await;
            drop(permit);
        });
    }
}

/// Whoever has one address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
    }
}

impl Taken {
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one_more(&self, of: IpAddr, most: usize) -> Option<Share> {
        let mut counts = self.counts();
        let count = counts.entry(of).or_default();
        if count.open >= most {
            if !count.told {
                tracing::warn!(address = %of, connections = most, "an address has its share of connections; more of it are refused");
            }
            count.told = true;
            return None;
        }
        count.open += 1;
        Some(Share { taken: self.clone(), of })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.taken.counts();
        if let Some(count) = counts.get_mut(&self.of) {
            count.open = count.open.saturating_sub(1);
            if count.open == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn whoever_is_too_many_is_told_so_in_words() {
        let (tasks, mut slots) = (Tasks::default(), Slots::new());
        let taken: Vec<_> = std::iter::from_fn(|| slots.take(None)).collect();
        assert!(!taken.is_empty() && slots.told);
        slots.wait(&tasks).await; // returns at once while it is full
        let (near, mut far) = tokio::io::duplex(4096);
        slots.refuse(near, &tasks);
        far.write_all(&[b'x'; 1000]).await.expect("what was being sent may be sent");
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 5\r\n"), "{answer}");
        let refusal = answer.split("\r\n\r\n").nth(1).expect("a body");
        let refusal: Refusal = serde_json::from_str(refusal).expect("a refusal");
        assert_eq!(refusal.code, RefusalCode::Unavailable);
        drop(taken);
        assert!(slots.take(None).is_some() && !slots.told);
    }

    #[test]
    fn a_stranger_has_a_quarter_and_this_host_all() {
        let mut slots = Slots::with(40);
        let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        let greedy: Vec<_> = std::iter::from_fn(|| slots.take(address("192.0.2.1"))).collect();
        assert_eq!(greedy.len(), 10);
        assert!(slots.take(address("::ffff:192.0.2.1")).is_none(), "the same one in the clothes of IPv6");
        assert!(!slots.told, "the others have theirs");
        let wide: Vec<_> =
            (1..=20_u32).filter_map(|host| slots.take(address(&format!("2001:db8::{host:x}")))).collect();
        assert_eq!(wide.len(), 10, "a /64 is one stranger");
        let local: Vec<_> = std::iter::from_fn(|| slots.take(address("127.0.0.1"))).collect();
        assert_eq!(local.len(), 20);
        assert!(slots.take(address("192.0.2.2")).is_none() && slots.told, "nothing is left for anybody");
        drop((greedy, wide, local));
        assert!(slots.taken.counts().is_empty(), "all were given back");
        assert!(slots.take(address("192.0.2.1")).is_some());
    }
}
