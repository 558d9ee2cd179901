//! The way to an engine's socket: a connection for each request. What an engine answers from its memory is kept in ours as a
//! whole, and partly comes from strangers (an image's labels, say): of that there is a most. Must not know what is asked.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// Bytes of one answer that is kept as a whole. Thousands of containers in a list need less.
const MOST: u64 = 64 << 20;
/// Until an answer begins, in seconds; every call has its own deadline, and they are shorter.
const BEGINS: u64 = 120;

/// What is asked for goes on for as long as it takes, and is taken bit by bit.
const STREAMS: [&str; 5] = ["/attach", "/logs", "/wait", "/archive", "/images/create"];

/// More came than any sensible answer has.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {} MiB", MOST >> 20)]
struct TooMuch;

/// An engine behind a socket. Nothing is sent yet.
pub(super) fn connect(socket: &Path) -> Result<Docker, Error> {
    let socket = socket.to_owned();
    let ask = move |request| ask(socket.clone(), request);
    Docker::connect_with_custom_transport(ask, Some("http://docker"), BEGINS, API_DEFAULT_VERSION)
}

/// Whether an answer was given up because there was too much of it.
pub(super) fn is_too_much(error: &Error) -> bool {
    let mut cause = error.source();
    // An error that another one is transparent for is not its source.
    let is_it = |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<TooMuch>());
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(is_it) {
            return true;
        }
        cause = error.source();
    }
    false
}

async fn ask(socket: PathBuf, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let stream = UnixStream::connect(&socket).await?;
    let path = request.uri().path();
    let left = if STREAMS.iter().any(|stream| path.ends_with(stream)) { u64::MAX } else { MOST };
    let (mut sender, connection) = http1::handshake(TokioIo::new(Bounded { stream, left })).await?;
    // Ends with the answer, or when nobody waits for it any more.
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
    request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
    Ok(sender.send_request(request).await?)
}

/// A connection of which only so much is read.
struct Bounded {
    stream: UnixStream,
    left: u64,
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other(TooMuch))),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
