//! A registry of version 2 on 127.0.0.1, which engines take without TLS: a manifest, a configuration and one layer for any
//! name. It counts what it is asked for, and can be slow, strict or broken. Must not know who pulls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// How it answers for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    /// Half of the layer, and the rest once the gate is open.
    Gated,
    /// Who are you?
    Unauthorized,
    Unknown,
    Faulty,
    /// It never answers.
    Hangs,
}

/// Cheap to clone; ends with the runtime.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(crate) port: u16,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    images: Mutex<HashMap<String, Image>>,
    gate: watch::Sender<bool>,
}

#[derive(Debug, Clone)]
struct Image {
    mood: Mood,
    manifest: Vec<u8>,
    blobs: HashMap<String, Vec<u8>>,
    asked: Asked,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) manifests: usize,
    pub(crate) layers: usize,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let inner = Arc::new(Inner { images: Mutex::default(), gate: watch::Sender::new(false) });
        let registry = Self { port, inner };
        let serving = registry.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let registry = serving.clone();
                tokio::spawn(async move {
                    let _ = registry.serve(connection).await;
                });
            }
        });
        registry
    }

    /// Has an image from now on, of one program as `/bin/sh`; returns its full name and its digest. `label`: what the image
    /// is known by where it was pulled.
    pub(crate) fn put(&self, name: &str, mood: Mood, program: &[u8], label: (&str, &str)) -> (String, String) {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, "bin/sh", program).expect("appended");
        let layer = archive.into_inner().expect("ended");
        let config = json!({
            "architecture": match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other },
            "os": "linux",
            "config": { "Labels": { label.0: label.1 }, "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
            "history": [{ "created_by": "a test" }],
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": digest(&config),
            },
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                "size": layer.len(), "digest": digest(&layer),
            }],
        });
        let manifest = manifest.to_string().into_bytes();
        let told = digest(&manifest);
        let blobs = HashMap::from([(digest(&config), config), (digest(&layer), layer)]);
        let mut images = self.inner.images.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = images.get(name).map(|image| image.asked).unwrap_or_default();
        images.insert(name.to_owned(), Image { mood, manifest, blobs, asked });
        (format!("127.0.0.1:{}/{name}:1", self.port), told)
    }

    /// What it was asked for under this name so far.
    pub(crate) fn asked(&self, name: &str) -> Asked {
        let images = self.inner.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.get(name).map(|image| image.asked).unwrap_or_default()
    }

    pub(crate) fn open_gate(&self) {
        self.inner.gate.send_replace(true);
    }

    async fn serve(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            // Engines try TLS first: that is hung up on.
            if connection.read_buf(&mut bytes).await? == 0 || !bytes[0].is_ascii_alphabetic() {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let whole = method == "GET";
        let found = path.strip_prefix("/v2/").filter(|rest| !rest.is_empty()).and_then(|rest| {
            let (name, what) = rest
                .split_once("/manifests/")
                .map(|(name, _)| (name, None))
                .or_else(|| rest.split_once("/blobs/").map(|(name, digest)| (name, Some(digest.to_owned()))))?;
            let mut images = self.inner.images.lock().unwrap_or_else(PoisonError::into_inner);
            let image = images.get_mut(name)?;
            match &what {
                None => image.asked.manifests += 1,
                Some(digest) if is_layer(image, digest) => image.asked.layers += 1,
                Some(_) => {}
            }
            Some((image.clone(), what))
        });
        let Some((image, what)) = found else {
            let status = if path == "/v2/" { 200 } else { 404 };
            return answer(&mut connection, status, "application/json", "", b"{}", whole).await;
        };
        let code = |code: &str| json!({ "errors": [{ "code": code, "message": code.to_lowercase() }] }).to_string();
        match (image.mood, what) {
            (Mood::Hangs, _) => std::future::pending().await,
            (Mood::Unauthorized, _) => {
                let (asks, body) = ("WWW-Authenticate: Basic realm=\"test\"\r\n", code("UNAUTHORIZED"));
                answer(&mut connection, 401, "application/json", asks, body.as_bytes(), whole).await
            }
            (Mood::Unknown, _) => {
                let body = code("MANIFEST_UNKNOWN");
                answer(&mut connection, 404, "application/json", "", body.as_bytes(), whole).await
            }
            (Mood::Faulty, _) => answer(&mut connection, 500, "text/plain", "", b"out of order", whole).await,
            (_, None) => {
                let extra = format!("Docker-Content-Digest: {}\r\n", digest(&image.manifest));
                answer(&mut connection, 200, MANIFEST, &extra, &image.manifest, whole).await
            }
            (mood, Some(digest)) => {
                let Some(blob) = image.blobs.get(&digest) else {
                    return answer(&mut connection, 404, "text/plain", "", b"", whole).await;
                };
                if mood != Mood::Gated || !is_layer(&image, &digest) {
                    return answer(&mut connection, 200, "application/octet-stream", "", blob, whole).await;
                }
                let (first, rest) = blob.split_at(blob.len() / 2);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", blob.len());
                connection.write_all(head.as_bytes()).await?;
                connection.write_all(first).await?;
                let _ = self.inner.gate.subscribe().wait_for(|open| *open).await;
                connection.write_all(rest).await
            }
        }
    }
}

fn is_layer(image: &Image, digest: &str) -> bool {
    image.blobs.get(digest).is_some_and(|blob| !blob.starts_with(b"{"))
}

async fn answer(
    connection: &mut TcpStream,
    status: u16,
    kind: &str,
    extra: &str,
    body: &[u8],
    whole: bool,
) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\n{extra}\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await?;
    if whole {
        connection.write_all(body).await?;
    }
    connection.shutdown().await
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
