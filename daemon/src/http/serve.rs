//! Accepting connections: one task each, owned by `Tasks`, with a limit on the time that headers may take (axum's own
//! `serve` has none) and a clean end when the daemon stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::tasks::Tasks;

/// Where a connection comes from; an extension of each request.
#[derive(Debug, Clone, Copy)]
pub enum Peer {
    Unix,
    Tcp(SocketAddr),
}

const HEADERS_LIMIT: Duration = Duration::from_secs(15);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Open connections a listener; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;

pub async fn unix(listener: UnixListener, router: Router, tasks: Tasks) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let stop = tasks.stopping();
    loop {
        let Some(slot) = slot(&slots, &tasks).await else { return };
        let accepted = tokio::select! { accepted = listener.accept() => accepted, () = stop.cancelled() => return };
        match accepted {
            Ok((stream, _)) => {
                let (router, of_tasks) = (router.clone(), tasks.clone());
                tasks.spawn(async move {
                    connection(stream, Peer::Unix, router, of_tasks).await;
                    drop(slot);
                });
            }
            Err(error) => refused(&error).await,
        }
    }
}

pub async fn tcp(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, tasks: Tasks) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let stop = tasks.stopping();
    loop {
        let Some(slot) = slot(&slots, &tasks).await else { return };
        let accepted = tokio::select! { accepted = listener.accept() => accepted, () = stop.cancelled() => return };
        match accepted {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                let (router, of_tasks, tls) = (router.clone(), tasks.clone(), tls.clone());
                tasks.spawn(async move {
                    match tls {
                        None => connection(stream, Peer::Tcp(address), router, of_tasks).await,
                        Some(tls) => match tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(stream)).await {
                            Ok(Ok(stream)) => connection(stream, Peer::Tcp(address), router, of_tasks).await,
                            Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS"),
                            Err(_) => tracing::debug!(%address, "no TLS in time"),
                        },
                    }
                    drop(slot);
                });
            }
            Err(error) => refused(&error).await,
        }
    }
}

async fn slot(slots: &Arc<Semaphore>, tasks: &Tasks) -> Option<tokio::sync::OwnedSemaphorePermit> {
    let stop = tasks.stopping();
    tokio::select! {
        slot = Arc::clone(slots).acquire_owned() => slot.ok(),
        () = stop.cancelled() => None,
    }
}

/// Out of file handles, mostly: said once a second rather than in a busy loop.
async fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn connection<S>(stream: S, peer: Peer, router: Router, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(axum::Extension(peer)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_LIMIT).max_buf_size(64 * 1024);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let stop = tasks.stopping();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, %error, "a connection ended early");
    }
}
