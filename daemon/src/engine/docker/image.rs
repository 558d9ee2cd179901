//! Images: pulled when missing, and the empty one that helper containers are made of. Must not know attempts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions};
use futures_util::StreamExt;
use tokio::sync::watch;

use super::call::{Client, Failure};
use super::prepare::SHARED_LABEL;
use super::pulls::{Fault, Told};
use super::refusal::{self, Meaning};
use crate::engine::{EngineError, PullProgress, TroubleKind};
use crate::error_chain::chain;

/// Between two lines about the progress of a pull.
pub(super) const REPORT: Duration = Duration::from_secs(5);

/// Gets an image from its registry, telling how far it is.
pub(super) async fn pull(docker: &Client, image: &str, told: &watch::Sender<Told>) -> Result<(), Fault> {
    let ours = |failure: Failure| {
        let kind = failure.kind();
        Fault::Trouble(kind, in_short(&failure.trouble(&format!("pulling {image}"))))
    };
    let (name, tag) = split(image);
    let mut options = CreateImageOptionsBuilder::default().from_image(name);
    if let Some(tag) = tag {
        options = options.tag(tag);
    }
    let mut events = std::pin::pin!(docker.create_image(Some(options.build()), None, None));
    let mut progress = Progress::default();
    let (begun, whole) = (Instant::now(), docker.deadlines.pull);
    loop {
        let event = match tokio::time::timeout(docker.deadlines.pull_stalled, events.next()).await {
            _ if begun.elapsed() > whole => return Err(ours(Failure::Late(whole))),
            Ok(None) => return Ok(()),
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => match Failure::from(error) {
                Failure::No { status, message } => return Err(meaning(image, status, &message)),
                failure => return Err(ours(failure)),
            },
            Err(_) => {
                let what = format!("the pull of {image} shows no progress any more");
                return Err(Fault::Trouble(TroubleKind::Late, what));
            }
        };
        progress.note(event);
        told.send_modify(|told| progress.tell(&mut told.progress));
    }
}

fn meaning(image: &str, status: u16, message: &str) -> Fault {
    let message = message.trim();
    match refusal::of_pull(status, message) {
        Meaning::Job(advice) => {
            Fault::Refused(format!("image {image} is not there and cannot be pulled: {message}: {advice}"))
        }
        Meaning::Ours(kind) => Fault::Trouble(kind, format!("image {image} could not be pulled just now: {message}")),
    }
}

/// An engine's trouble without the engine's name, which comes in front of it again.
fn in_short(error: &EngineError) -> String {
    let text = chain(error);
    text.strip_prefix(&format!("{} engine: ", super::KIND)).unwrap_or(&text).to_owned()
}

/// What an image's name stands for on the engine: `sha256:…`. `None`: the engine does not have it.
pub(super) async fn digest(docker: &Client, image: &str) -> Result<Option<String>, Failure> {
    let seen = match docker.quick(docker.inspect_image(image)).await {
        Ok(seen) => seen,
        Err(failure) if failure.is_missing() => return Ok(None),
        Err(failure) => return Err(failure),
    };
    // The registry's digest is what others can get the same image by; an image that was never pushed has only an id.
    let (name, _) = split(image);
    let name = name.split('@').next().unwrap_or(name);
    let pushed = seen.repo_digests.unwrap_or_default();
    let digests = || pushed.iter().filter_map(|pushed| pushed.split_once('@'));
    let same = digests().find(|(repository, _)| *repository == name).or_else(|| digests().next());
    Ok(Some(same.map(|(_, digest)| digest.to_owned()).or(seen.id).unwrap_or_default()))
}

/// Makes sure that the empty image is there and returns its name. Helper containers are never started, so they need
/// nothing in it; using somebody else's image would depend on nobody removing it.
pub(super) async fn empty(docker: &Client, namespace: &str) -> Result<String, EngineError> {
    let repository = format!("{namespace}-empty");
    let name = format!("{repository}:1");
    match docker.quick(docker.inspect_image(&name)).await {
        Ok(_) => return Ok(name),
        Err(failure) if failure.is_missing() => {}
        Err(failure) => return Err(failure.trouble("looking for the empty image")),
    }
    let label = format!("{SHARED_LABEL}={namespace}");
    let nothing = vec![0; 1024]; // a tar archive without entries
    import(docker, &repository, &[format!("LABEL {label}")], nothing).await?;
    // Two daemons at once make it twice; the name then belongs to the later one, and the earlier one has to go.
    let filters = HashMap::from([("label", vec![label.as_str()]), ("dangling", vec!["true"])]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    for image in docker.quick(docker.list_images(Some(options))).await.unwrap_or_default() {
        // Fails while a helper container still uses it; then it stays, without a byte in it.
        let _ = docker.quick(docker.remove_image(&image.id, None::<RemoveImageOptions>, None)).await;
    }
    Ok(name)
}

/// Makes the image `repository:1` of a tar archive of its files, with changes as a Dockerfile words them.
pub(super) async fn import(
    docker: &Client,
    repository: &str,
    changes: &[String],
    archive: Vec<u8>,
) -> Result<(), EngineError> {
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag("1");
    let options = options.changes(changes.to_vec()).build();
    let mut events = std::pin::pin!(docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None));
    while let Some(event) = docker
        .slow(async { events.next().await.transpose() })
        .await
        .map_err(|failure| failure.trouble(&format!("importing {repository}")))?
    {
        drop(event);
    }
    Ok(())
}

/// The name and the tag to ask for. Without a tag the engine would pull every tag there is.
fn split(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    match image.rsplit_once(':') {
        // A colon before the last slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, Some("latest")),
    }
}

/// How far a pull is, added up from what the engine says of each layer.
#[derive(Default)]
struct Progress {
    layers: HashMap<String, Layer>,
}

#[derive(Default)]
struct Layer {
    bytes: u64,
    total: u64,
    done: bool,
}

impl Progress {
    fn note(&mut self, event: CreateImageInfo) {
        let (Some(id), Some(status)) = (event.id, event.status) else { return };
        if !matches!(
            status.as_str(),
            "Pulling fs layer"
                | "Waiting"
                | "Downloading"
                | "Download complete"
                | "Extracting"
                | "Pull complete"
                | "Already exists"
        ) {
            return;
        }
        let layer = self.layers.entry(id).or_default();
        if status == "Downloading" {
            let detail = event.progress_detail.unwrap_or_default();
            let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
            layer.bytes = bytes(detail.current).unwrap_or(layer.bytes);
            layer.total = bytes(detail.total).unwrap_or(layer.total);
        }
        if status == "Download complete" {
            layer.bytes = layer.bytes.max(layer.total);
        }
        layer.done = matches!(status.as_str(), "Pull complete" | "Already exists");
    }

    fn tell(&self, told: &mut PullProgress) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        told.layers = count(self.layers.len());
        told.layers_done = count(self.layers.values().filter(|layer| layer.done).count());
        told.bytes = self.layers.values().map(|layer| layer.bytes).fold(0, u64::saturating_add);
        let total = self.layers.values().map(|layer| layer.total.max(layer.bytes));
        told.total_bytes = total.fold(0, u64::saturating_add);
    }
}

pub(super) fn in_words(progress: &PullProgress) -> String {
    let PullProgress { layers_done, layers, bytes, total_bytes, .. } = progress;
    format!("{layers_done} of {layers} layers, {} of {} MB", bytes / 1_000_000, total_bytes / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_tag_is_pulled() {
        let table = [
            ("alpine", ("alpine", Some("latest"))),
            ("alpine:3.22", ("alpine", Some("3.22"))),
            ("localhost:5000/a/b", ("localhost:5000/a/b", Some("latest"))),
            ("localhost:5000/a/b:1", ("localhost:5000/a/b", Some("1"))),
            ("a/b@sha256:00", ("a/b@sha256:00", None)),
            ("a/b:1@sha256:00", ("a/b:1@sha256:00", None)),
        ];
        for (image, expected) in table {
            assert_eq!(split(image), expected, "{image}");
        }
    }

    #[test]
    fn progress_adds_up_layers_and_ignores_chatter() {
        let mut progress = Progress::default();
        let event = |id: &str, status: &str, current: Option<i64>| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(bollard::models::ProgressDetail { current, total: Some(8_000_000) }),
            ..CreateImageInfo::default()
        };
        progress.note(event("3.22", "Pulling from library/alpine", None));
        progress.note(event("aa", "Downloading", Some(3_000_000)));
        progress.note(event("bb", "Downloading", Some(4_000_000)));
        progress.note(event("aa", "Pull complete", None));
        let mut told = PullProgress::default();
        progress.tell(&mut told);
        assert_eq!(in_words(&told), "1 of 2 layers, 7 of 16 MB");
    }
}
