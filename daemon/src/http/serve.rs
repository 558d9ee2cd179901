//! Accepting connections: one task each, owned by `Tasks`, with a limit on the time that headers may take (axum's own
//! `serve` has none) and a clean end when the daemon stops. How many there may be is for `slots` to say.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::slots::Slots;
use crate::tasks::Tasks;

/// Where a connection comes from; an extension of each request.
#[derive(Debug, Clone, Copy)]
pub enum Peer {
    Unix,
    Tcp(SocketAddr),
}

const HEADERS_LIMIT: Duration = Duration::from_secs(15);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Nothing could be written for so long: whoever asked does not read the answer, and others want the connection.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
pub async fn unix(listener: UnixListener, router: Router, tasks: Tasks) {
    let mut slots = Slots::new();
    let stop = tasks.stopping();
    loop {
        slots.wait(&tasks).await;
        let accepted = tokio::select! { accepted = listener.accept() => accepted, () = stop.cancelled() => return };
        match accepted {
            Ok((stream, _)) => {
                let Some(slot) = slots.take(None) else {
                    slots.refuse(stream, &tasks);
                    continue;
                };
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
    let mut slots = Slots::new();
    let stop = tasks.stopping();
    loop {
        slots.wait(&tasks).await;
        let accepted = tokio::select! { accepted = listener.accept() => accepted, () = stop.cancelled() => return };
        match accepted {
            Ok((stream, address)) => {
                let _ = stream.set_nodelay(true);
                let Some(slot) = slots.take(Some(address.ip())) else {
                    // Without TLS nobody could read the words, and with it they would cost what is scarce.
                    if tls.is_none() {
                        slots.refuse(stream, &tasks);
                    }
                    continue;
                };
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

/// Out of file handles, mostly: said once a second rather than in a busy loop.
async fn refused(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn connection<S>(stream: S, peer: Peer, router: Router, tasks: Tasks)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Here and not as a layer of the router: that would build all of its routes anew for each connection.
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_LIMIT).max_buf_size(64 * 1024);
    let stream = Unstuck::new(stream, WRITE_LIMIT);
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

/// A stream whose writes fail when nothing can be written for too long.
struct Unstuck<S> {
    stream: S,
    limit: Duration,
    /// Runs while a write waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Unstuck<S> {
    fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stuck: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let limit = self.limit;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        stuck
            .as_mut()
            .poll(context)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstuck<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstuck<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.judge(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        this.judge(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        this.judge(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn whoever_reads_slowly_gets_all_and_whoever_does_not_read_is_given_up() {
        let limit = Duration::from_millis(200);
        let (near, mut far) = tokio::io::duplex(16);
        let mut near = Unstuck::new(near, limit);
        let write = tokio::spawn(async move { (near.write_all(&[7; 1600]).await, near) });
        let mut read = [0; 1600];
        far.read_exact(&mut read).await.expect("all of it");
        let (written, mut near) = write.await.expect("no panic");
        written.expect("each byte was taken in time");

        let begun = std::time::Instant::now();
        let error = near.write_all(&[7; 17]).await.expect_err("nobody reads the last byte");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= limit);
    }
}
