//! Images: pulled when missing, and the empty one that helper containers are made of. Must not know attempts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::call::{Failure, QUICK, SLOW, within};
use super::prepare::SHARED_LABEL;
use crate::engine::EngineError;

/// A pull that shows no progress for so long has failed.
const STALLED: Duration = Duration::from_secs(120);
/// Between two lines about the progress of a pull.
const REPORT: Duration = Duration::from_secs(5);

/// Gets an image from its registry, telling how it goes. Lines that nobody takes are dropped: a pull never waits for its
/// reader.
pub(super) async fn pull(docker: &Docker, image: &str, say: &mpsc::Sender<String>) -> Result<(), EngineError> {
    let tell = |line: String| drop(say.try_send(line));
    let refused = |why: &str| EngineError::Refused {
        what: format!("image {image} is not there and cannot be pulled: {}", why.trim()),
    };
    tell(format!("pulling {image}"));
    let begun = Instant::now();
    let (name, tag) = split(image);
    let mut options = CreateImageOptionsBuilder::default().from_image(name);
    if let Some(tag) = tag {
        options = options.tag(tag);
    }
    let mut events = std::pin::pin!(docker.create_image(Some(options.build()), None, None));
    let mut progress = Progress::default();
    let mut told = Instant::now();
    loop {
        let event = match tokio::time::timeout(STALLED, events.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => match Failure::from(error) {
                Failure::No { message, .. } => return Err(refused(&message)),
                failure => return Err(failure.trouble(&format!("pulling {image}"))),
            },
            Err(_) => return Err(Failure::Late(STALLED).trouble(&format!("pulling {image}"))),
        };
        progress.note(event);
        if told.elapsed() >= REPORT {
            told = Instant::now();
            tell(format!("pulling {image}: {progress}"));
        }
    }
    tell(format!("pulled {image} in {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Makes sure that the empty image is there and returns its name. Helper containers are never started, so they need
/// nothing in it; using somebody else's image would depend on nobody removing it.
pub(super) async fn empty(docker: &Docker, namespace: &str) -> Result<String, EngineError> {
    let repository = format!("{namespace}-empty");
    let name = format!("{repository}:1");
    match within(QUICK, docker.inspect_image(&name)).await {
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
    for image in within(QUICK, docker.list_images(Some(options))).await.unwrap_or_default() {
        // Fails while a helper container still uses it; then it stays, without a byte in it.
        let _ = within(QUICK, docker.remove_image(&image.id, None::<RemoveImageOptions>, None)).await;
    }
    Ok(name)
}

/// Makes the image `repository:1` of a tar archive of its files, with changes as a Dockerfile words them.
pub(super) async fn import(
    docker: &Docker,
    repository: &str,
    changes: &[String],
    archive: Vec<u8>,
) -> Result<(), EngineError> {
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag("1");
    let options = options.changes(changes.to_vec()).build();
    let mut events = std::pin::pin!(docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None));
    while let Some(event) = within(SLOW, async { events.next().await.transpose() })
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
    bytes: i64,
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
            layer.bytes = event.progress_detail.and_then(|detail| detail.current).unwrap_or(layer.bytes);
        }
        layer.done = matches!(status.as_str(), "Pull complete" | "Already exists");
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let done = self.layers.values().filter(|layer| layer.done).count();
        let bytes: i64 = self.layers.values().map(|layer| layer.bytes).sum();
        write!(f, "{done} of {} layers, {} MB", self.layers.len(), bytes / 1_000_000)
    }
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
            progress_detail: Some(bollard::models::ProgressDetail { current, total: None }),
            ..CreateImageInfo::default()
        };
        progress.note(event("3.22", "Pulling from library/alpine", None));
        progress.note(event("aa", "Downloading", Some(3_000_000)));
        progress.note(event("bb", "Downloading", Some(4_000_000)));
        progress.note(event("aa", "Pull complete", None));
        assert_eq!(progress.to_string(), "1 of 2 layers, 7 MB");
    }
}
