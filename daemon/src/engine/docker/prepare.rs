//! What an engine needs once, before its first job: the runner's volume, the bridge, and the answer to whether it sees our
//! files. Safe to race with other daemons on the same engine. Must not know attempts.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, Network, NetworkCreateRequest,
    VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, ListContainersOptionsBuilder,
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::call::{Client, Failure, trouble};
use super::shape::{ATTEMPT_LABEL, OWNER_LABEL, RUNNER_FOLDER};
use super::{DockerSettings, image};
use crate::engine::{EngineError, TroubleKind};

/// Marks everything that daemons on one engine share.
pub(super) const SHARED_LABEL: &str = "windlass.shared";
/// On a runner's volume: when it was made, in seconds since the epoch.
pub(super) const MADE_LABEL: &str = "windlass.made";
/// A runner's volume that nobody uses goes after so long.
pub(super) const OLD: Duration = Duration::from_secs(7 * 24 * 3600);
const NO_TRAFFIC_BETWEEN: &str = "com.docker.network.bridge.enable_icc";
/// The last file that is put into the runner's volume: the executable's SHA-256. Without it the volume is not filled.
const COMPLETE: &str = "complete";
/// Where a helper container has the token that tells whether the engine sees our files.
const TOKEN: &str = "/token";

/// What tokens' files are called, on this host.
const TOKENS: &str = ".probe-";

/// What is there once an engine is prepared.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The volume with the runner.
    pub runner: String,
    /// The bridge's id: names of networks are not unique.
    pub bridge: String,
    /// The engine mounts our files: frames can go by file.
    pub shares_files: bool,
}

/// Prepares the engine; finds what an earlier daemon or another one has prepared.
pub(super) async fn prepare(docker: &Client, settings: &DockerSettings, jobs: &Path) -> Result<Prepared, EngineError> {
    let (executable, empty, bridge) = tokio::try_join!(
        Executable::read(&settings.executable),
        image::empty(docker, &settings.namespace),
        bridge(docker, settings),
    )?;
    let volume = format!("{}-runner-{}", settings.namespace, &executable.sha256[..16]);
    let mut labels = labels(settings);
    labels.insert(MADE_LABEL.to_owned(), now().to_string());
    let request = VolumeCreateRequest { name: Some(volume.clone()), labels: Some(labels), ..Default::default() };
    docker
        .quick(docker.create_volume(request))
        .await
        .map_err(|failure| failure.trouble("making the runner's volume"))?;

    let helpers = Helpers { docker, settings, empty, volume };
    let token = Token::write(jobs)?;
    let (probe, mounted) = helpers.probe(&token).await?;
    let looked = helpers.look(&probe, &executable, mounted.then_some(&token)).await;
    helpers.remove(&probe).await;
    let (filled, shares_files) = looked?;
    if !filled {
        helpers.fill(&executable).await?;
    }
    drop(token);
    helpers.remove_old(jobs).await;
    sweep(docker, settings, &helpers.volume).await;
    Ok(Prepared { runner: helpers.volume, bridge, shares_files: shares_files && !settings.frames_over_stdout })
}

fn labels(settings: &DockerSettings) -> HashMap<String, String> {
    HashMap::from([(SHARED_LABEL.to_owned(), settings.namespace.clone())])
}

/// Removes the runners of daemons that were replaced long ago. One that a container uses stays; a daemon that still counts
/// on a removed one makes it again.
async fn sweep(docker: &Client, settings: &DockerSettings, keep: &str) {
    let label = format!("{SHARED_LABEL}={}", settings.namespace);
    let filters = HashMap::from([("label", vec![label.as_str(), MADE_LABEL])]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let Ok(found) = docker.quick(docker.list_volumes(Some(options))).await else { return };
    let horizon = now().saturating_sub(OLD.as_secs());
    for volume in found.volumes.unwrap_or_default() {
        let made = volume.labels.get(MADE_LABEL).and_then(|made| made.parse::<u64>().ok());
        if volume.name != keep && made.is_some_and(|made| made < horizon) {
            let _ = docker.quick(docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>)).await;
        }
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The bridge all jobs share, on which they do not hear each other.
async fn bridge(docker: &Client, settings: &DockerSettings) -> Result<String, EngineError> {
    let name = &settings.namespace;
    if let Some(id) = find_bridge(docker, name).await? {
        return Ok(id);
    }
    let request = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        options: Some(HashMap::from([(NO_TRAFFIC_BETWEEN.to_owned(), "false".to_owned())])),
        labels: Some(labels(settings)),
        ..NetworkCreateRequest::default()
    };
    let made = match docker.slow(docker.create_network(request)).await {
        Ok(made) => Some(made.id),
        Err(failure) if failure.is_conflict() => None,
        Err(failure) => return Err(failure.trouble("making the network")),
    };
    let id = find_bridge(docker, name)
        .await?
        .ok_or_else(|| trouble(TroubleKind::Nonsense, "the network is not there after it was made"))?;
    // Engines allow two networks of one name, and show the first one last if they like: whoever made one removes all but the
    // first, as far as nobody uses them. Whoever counts on one that is gone makes it again.
    if made.is_some() {
        for other in bridges(docker, name).await?.into_iter().filter_map(|network| network.id) {
            if other != id {
                let _ = docker.quick(docker.remove_network(&other)).await;
            }
        }
    }
    Ok(id)
}

async fn find_bridge(docker: &Client, name: &str) -> Result<Option<String>, EngineError> {
    let Some(network) = bridges(docker, name).await?.into_iter().next() else { return Ok(None) };
    let quiet = network.options.iter().flatten().any(|(key, value)| key == NO_TRAFFIC_BETWEEN && value == "false");
    if !quiet || network.driver.as_deref() != Some("bridge") {
        let what = format!(
            "the network {name} is not a bridge with {NO_TRAFFIC_BETWEEN}=false: remove it, and a right one is made"
        );
        return Err(trouble(TroubleKind::Fault, what));
    }
    Ok(network.id)
}

/// All networks of that name, the first one first.
async fn bridges(docker: &Client, name: &str) -> Result<Vec<Network>, EngineError> {
    let filters = HashMap::from([("name", vec![name])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let mut found = docker
        .quick(docker.list_networks(Some(options)))
        .await
        .map_err(|failure| failure.trouble("looking for the network"))?;
    found.retain(|network| network.name.as_deref() == Some(name)); // the filter takes parts of names, too
    found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    Ok(found)
}

/// Containers that are made, never started, and removed again.
struct Helpers<'a> {
    docker: &'a Client,
    settings: &'a DockerSettings,
    empty: String,
    volume: String,
}

impl Helpers<'_> {
    /// A container with the volume and, where the engine can mount it, the token; and whether it could.
    async fn probe(&self, token: &Token) -> Result<(String, bool), EngineError> {
        match self.make(None, Some(token)).await {
            Ok(id) => Ok((id, true)),
            // An engine that does not see our files says that there is nothing to mount.
            Err(Failure::No { status: 400, .. }) => {
                let id = self.make(None, None).await.map_err(|failure| failure.trouble("making a helper container"))?;
                Ok((id, false))
            }
            Err(failure) => Err(failure.trouble("making a helper container")),
        }
    }

    async fn make(&self, name: Option<&str>, token: Option<&Token>) -> Result<String, Failure> {
        let mut mounts = vec![Mount {
            typ: Some(MountType::VOLUME),
            source: Some(self.volume.clone()),
            target: Some(RUNNER_FOLDER.to_owned()),
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        }];
        mounts.extend(token.map(|token| Mount {
            typ: Some(MountType::BIND),
            source: Some(token.path.to_string_lossy().into_owned()),
            target: Some(TOKEN.to_owned()),
            read_only: Some(true),
            ..Mount::default()
        }));
        let mut labels = labels(self.settings);
        labels.insert(OWNER_LABEL.to_owned(), self.settings.owner.clone());
        let body = ContainerCreateBody {
            image: Some(self.empty.clone()),
            cmd: Some(vec!["never started".to_owned()]),
            labels: Some(labels),
            host_config: Some(HostConfig {
                mounts: Some(mounts),
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = name.map(|name| CreateContainerOptionsBuilder::default().name(name).build());
        let mut tries = 3;
        loop {
            match self.docker.slow(self.docker.create_container(options.clone(), body.clone())).await {
                Ok(made) => return Ok(made.id),
                // While another daemon makes the empty image too, its name belongs to nobody for a moment.
                Err(failure) if failure.is_missing() && tries > 0 => {
                    tries -= 1;
                    tracing::debug!(?failure, "the empty image is not there; making it again");
                    if image::empty(self.docker, &self.settings.namespace).await.is_err() {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        // What stays behind carries our labels: the next one to prepare removes it.
        if let Err(failure) = self.docker.slow(self.docker.remove_container(id, Some(options))).await
            && !failure.is_missing()
        {
            tracing::warn!(?failure, "a helper container could not be removed");
        }
    }

    /// Removes what a daemon of ours left that was killed while it prepared: containers that would keep the volume for
    /// ever, and tokens. Called when our own are gone; the engine may have made one for the dead meanwhile.
    async fn remove_old(&self, jobs: &Path) {
        let owner = format!("{OWNER_LABEL}={}", self.settings.owner);
        let filters = HashMap::from([("label", vec![owner.as_str(), SHARED_LABEL])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        match self.docker.slow(self.docker.list_containers(Some(options))).await {
            Ok(old) => {
                // Containers have the labels of their images, too: one of a job may come of an image of ours.
                let is_helper = |labels: &HashMap<String, String>| !labels.contains_key(ATTEMPT_LABEL);
                let helpers = old.into_iter().filter(|container| container.labels.as_ref().is_some_and(is_helper));
                for id in helpers.filter_map(|container| container.id) {
                    tracing::info!(id, "removing a helper container that an earlier daemon left");
                    self.remove(&id).await;
                }
            }
            Err(failure) => tracing::debug!(?failure, "helper containers cannot be listed"),
        }
        for entry in std::fs::read_dir(jobs).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(TOKENS.as_bytes()) {
                let _ = std::fs::remove_file(entry.path()); // the next one tries again
            }
        }
    }

    /// Whether the volume is filled, and whether the container shows our token.
    async fn look(
        &self,
        id: &str,
        executable: &Executable,
        token: Option<&Token>,
    ) -> Result<(bool, bool), EngineError> {
        let filled = self.is_filled(id, executable);
        let shared = async {
            let Some(token) = token else { return Ok(false) };
            Ok(self.first_file(id, TOKEN).await?.is_some_and(|seen| seen == token.text.as_bytes()))
        };
        tokio::try_join!(filled, shared)
    }

    async fn is_filled(&self, id: &str, executable: &Executable) -> Result<bool, EngineError> {
        let marker = self.first_file(id, &format!("{RUNNER_FOLDER}/{COMPLETE}")).await?;
        Ok(marker.is_some_and(|marker| marker == executable.sha256.as_bytes()))
    }

    /// The content of a small file in a container.
    async fn first_file(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut chunks = std::pin::pin!(self.docker.download_from_container(id, Some(options)));
        let read = async {
            let mut archive = Vec::new();
            while let Some(chunk) = chunks.next().await.transpose()?
                && archive.len() < 1 << 20
            {
                archive.extend_from_slice(&chunk);
            }
            Ok(archive)
        };
        let archive = match self.docker.quick(read).await {
            Ok(archive) => archive,
            Err(failure) if failure.is_missing() => return Ok(None),
            Err(failure) => return Err(failure.trouble(&format!("reading {path} of a helper container"))),
        };
        let content = first_entry(&archive);
        let unreadable =
            |error| trouble(TroubleKind::Nonsense, format!("sent an unreadable archive of {path}: {error}"));
        content.map(Some).map_err(unreadable)
    }

    /// Puts the executable into the volume. A container's name, which only one can have, is the lock.
    async fn fill(&self, executable: &Executable) -> Result<(), EngineError> {
        let name = format!("{}-fill", self.volume);
        let begun = Instant::now();
        let filling = self.docker.deadlines.filling;
        let id = loop {
            match self.make(Some(&name), None).await {
                Ok(id) => break id,
                Err(failure) if failure.is_conflict() && begun.elapsed() < 2 * filling => {
                    if begun.elapsed() > filling {
                        self.remove(&name).await;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(failure) => return Err(failure.trouble("filling the runner's volume")),
            }
        };
        let filled = async {
            // Whoever had the name before may have done it.
            if self.is_filled(&id, executable).await? {
                return Ok(());
            }
            let options = UploadToContainerOptionsBuilder::default().path(RUNNER_FOLDER).build();
            let body = bollard::body_try_stream(executable.archive().await?);
            self.docker
                .within(filling / 2, self.docker.upload_to_container(&id, Some(options), body))
                .await
                .map_err(|failure| failure.trouble("filling the runner's volume"))
        }
        .await;
        self.remove(&id).await;
        filled
    }
}

/// A file with a text that nobody else knows; removed when dropped.
struct Token {
    path: PathBuf,
    text: String,
}

impl Token {
    fn write(folder: &Path) -> Result<Self, EngineError> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|error| trouble(TroubleKind::Host, format!("no random numbers: {error}")))?;
        let text = hex::encode(random);
        let path = folder.join(format!("{TOKENS}{text}"));
        std::fs::write(&path, &text)
            .map_err(|error| EngineError::of_host(super::KIND, format!("cannot write {}", path.display()), error))?;
        Ok(Self { path, text })
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The daemon's own executable.
struct Executable {
    path: PathBuf,
    size: u64,
    sha256: String,
}

impl Executable {
    async fn read(path: &Path) -> Result<Self, EngineError> {
        let path = path.to_owned();
        let read = move || -> io::Result<(Self, bool)> {
            let mut file = std::fs::File::open(&path)?;
            let mut digest = Sha256::new();
            let mut head = Vec::new();
            let mut buffer = vec![0; 1 << 20];
            let mut size = 0;
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                if size == 0 {
                    head = buffer[..count].to_vec();
                }
                digest.update(&buffer[..count]);
                size += count as u64;
            }
            Ok((Self { path, size, sha256: hex::encode(digest.finalize()) }, needs_loader(&head)))
        };
        let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        match read {
            Ok((executable, false)) => Ok(executable),
            Ok((executable, true)) => Err(trouble(
                TroubleKind::Host,
                format!(
                    "{} is not a static executable and cannot run inside of images: RUSTFLAGS replaced the build's own",
                    executable.path.display()
                ),
            )),
            Err(error) => {
                Err(EngineError::of_host(super::KIND, "cannot read the runner's executable".to_owned(), error))
            }
        }
    }

    /// A tar archive of the executable and, last, the mark that it is complete.
    async fn archive(
        &self,
    ) -> Result<impl futures_util::Stream<Item = io::Result<hyper::body::Bytes>> + use<>, EngineError> {
        let header = |name: &str, mode: u32, size: u64| {
            let mut header = tar::Header::new_ustar();
            header.set_path(name).expect("short names fit");
            header.set_mode(mode);
            header.set_size(size);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let padding = |size: u64| vec![0; (size.next_multiple_of(512) - size) as usize];
        let file = tokio::fs::File::open(&self.path).await.map_err(|error| {
            EngineError::of_host(super::KIND, format!("cannot open {}", self.path.display()), error)
        })?;
        let mark = self.sha256.as_bytes();
        let end = [
            padding(self.size),
            header(COMPLETE, 0o444, mark.len() as u64),
            mark.to_vec(),
            padding(mark.len() as u64),
            vec![0; 1024],
        ]
        .concat();
        let start = io::Cursor::new(header("windlassd", 0o755, self.size));
        Ok(ReaderStream::with_capacity(
            AsyncReadExt::chain(start, AsyncReadExt::take(file, self.size)).chain(io::Cursor::new(end)),
            256 << 10,
        ))
    }
}

/// The content of an archive's first entry, of which a mebibyte is plenty.
fn first_entry(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut archive = tar::Archive::new(archive);
    if let Some(entry) = archive.entries()?.next() {
        entry?.take(1 << 20).read_to_end(&mut content)?;
    }
    Ok(content)
}

/// Whether a 64-bit ELF file asks for a program interpreter, as dynamically linked ones do.
fn needs_loader(head: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| {
        head.get(at..at + length).map(|bytes| bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    head.starts_with(b"\x7fELF\x02\x01")
        && (0..count).any(|index| {
            let at = usize::try_from(table.saturating_add(index * size)).unwrap_or(usize::MAX);
            at < head.len() && number(at, 4) == Some(u64::from(PT_INTERP))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_executable_is_told_from_a_static_one() {
        let elf = |kinds: &[u32]| {
            let mut head = vec![0_u8; 64];
            head[..6].copy_from_slice(b"\x7fELF\x02\x01");
            head[32] = 64;
            head[54] = 56;
            head[56] = u8::try_from(kinds.len()).expect("few");
            for kind in kinds {
                head.extend_from_slice(&kind.to_le_bytes());
                head.extend_from_slice(&[0; 52]);
            }
            head
        };
        assert!(!needs_loader(&elf(&[1, 2, 6])));
        assert!(needs_loader(&elf(&[6, 3, 1])));
        assert!(!needs_loader(b""));
        assert!(!needs_loader(b"#!/bin/sh"));
        assert!(!needs_loader(&elf(&[1, 3])[..70]), "cut in the table");
    }

    #[tokio::test]
    async fn the_archive_holds_the_executable_and_its_mark() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("program");
        std::fs::write(&path, vec![7; 1000]).expect("written");
        let executable = Executable::read(&path).await.expect("read");
        let mut stream = std::pin::pin!(executable.archive().await.expect("opened"));
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.expect("read"));
        }
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().expect("an archive");
        let mut next = || {
            let mut entry = entries.next().expect("an entry").expect("readable");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("read");
            let header = entry.header();
            (entry.path().expect("a path").display().to_string(), header.mode().expect("a mode"), content)
        };
        assert_eq!(next(), ("windlassd".to_owned(), 0o755, vec![7; 1000]));
        let digest = hex::encode(Sha256::digest(vec![7; 1000]));
        assert_eq!(next(), ("complete".to_owned(), 0o444, digest.into_bytes()));
    }
}
