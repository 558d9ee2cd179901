//! HTTP to ourselves: signed webhooks as GitHub would deliver them, and questions at the control socket.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};

use super::sample::Push;
use crate::github::signature;
use crate::secret::random_token;

pub(super) enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// Delivers a push.
pub(super) async fn deliver(hook: &Address, secret: &SecretString, push: &Push) -> anyhow::Result<()> {
    let body = push.payload().to_string();
    let request = Request::post("/webhooks/github")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", &random_token()[..32])
        .header("x-hub-signature-256", signature::sign(secret, body.as_bytes()))
        .body(Full::new(Bytes::from(body)))?;
    ask(hook, request).await.map(drop)
}

/// The body of a `GET`.
pub(super) async fn get(address: &Address, path: &str) -> anyhow::Result<Bytes> {
    let request = Request::get(path).header(header::HOST, "localhost").body(Full::default())?;
    ask(address, request).await
}

pub(super) async fn post(address: &Address, path: &str, body: &str) -> anyhow::Result<Bytes> {
    let request =
        Request::post(path).header(header::HOST, "localhost").body(Full::new(Bytes::from(body.to_owned())))?;
    ask(address, request).await
}

async fn ask(address: &Address, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
    match address {
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await.with_context(|| format!("{}", path.display()))?;
            over(stream, request).await
        }
        Address::Tcp(address) => {
            let stream = tokio::net::TcpStream::connect(address).await.with_context(|| address.to_string())?;
            over(stream, request).await
        }
    }
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        drop(sender);
        if !status.is_success() {
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    };
    let (body, _) = tokio::join!(exchange, connection);
    body
}
