//! The artifacts of an attempt, written down as they come. They come from a stranger: what is too much is let go, and told.
//! Must not know where they are kept.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use windlass_protocol::artifact::ArtifactCounts;

use crate::artifacts::{Artifact, ArtifactWriter};
use crate::frame::file::FilePart;
use crate::plan::MOST_FILES;
use crate::shortage::is_shortage;
use crate::troubles::Troubles;

/// So long room on the disk is waited for: artifacts may be what fills it, and then it does not come back by itself.
const WAIT_FOR_ROOM: Duration = Duration::from_secs(5 * 60);

/// `None` inside: the job keeps none, so whatever comes is nobody's.
#[derive(Debug)]
pub(super) struct Artifacts(Option<Taken>);

#[derive(Debug)]
struct Taken {
    writer: ArtifactWriter,
    /// For all together.
    most_bytes: u64,
    bytes: u64,
    counts: ArtifactCounts,
    troubles: Troubles,
    /// Something came: the runner got as far as its artifacts.
    came: bool,
    short_since: Option<Instant>,
}

/// What there is to record.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) counts: ArtifactCounts,
    pub(super) list: Vec<Artifact>,
}

impl Artifacts {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn of(writer: ArtifactWriter, most_bytes: u64) -> Self {
        let counts = ArtifactCounts::default();
        Self(Some(Taken {
            writer,
            most_bytes,
            bytes: 0,
            counts,
            troubles: Troubles::default(),
            came: false,
            short_since: None,
        }))
    }

    /// Fails when there is no room; then the same part is to come again.
    pub(super) fn take(&mut self, part: &FilePart) -> io::Result<()> {
        let Some(taken) = &mut self.0 else { return Ok(()) };
        taken.came = true;
        match taken.put(part) {
            Ok(()) => taken.short_since = None,
            Err(error) if is_shortage(&error) => {
                let since = *taken.short_since.get_or_insert_with(|| {
                    tracing::warn!(%error, "no room for artifacts; holding them back until there is");
                    Instant::now()
                });
                if since.elapsed() < WAIT_FOR_ROOM {
                    return Err(error);
                }
                taken.give_up(part, &format!("there is no room for it on the daemon's disk: {error}"));
            }
            Err(error) => {
                tracing::error!(%error, "an artifact cannot be written");
                taken.give_up(part, &format!("cannot be written on the daemon's disk: {error}"));
            }
        }
        Ok(())
    }

    /// All that came. `None`: the job keeps none. `cancelled`: none are waited for.
    pub(super) async fn finish(self, cancelled: bool) -> Option<Kept> {
        let mut taken = self.0?;
        if let Some(path) = taken.writer.coming().map(str::to_owned) {
            taken.drop_coming();
            taken.trouble(&path, "did not arrive whole");
        }
        if !taken.came {
            let why = match cancelled {
                true => "none are kept of a job that was cancelled",
                false => "none came: the job ended before they could be kept",
            };
            taken.trouble("artifacts", why);
        }
        let Taken { writer, mut counts, troubles, .. } = taken;
        let synced = tokio::task::spawn_blocking(move || writer.finish()).await;
        let list = synced.unwrap_or_else(|error| Err(io::Error::other(error))).unwrap_or_else(|error| {
            tracing::error!(%error, "artifacts cannot be written");
            counts.troubles.push(format!("artifacts: they could not be written on the daemon's disk: {error}"));
            Vec::new()
        });
        if troubles.untold() > 0 {
            counts.troubles.push(format!("and {} more", troubles.untold()));
        }
        counts.files = list.len() as u64;
        counts.bytes = list.iter().map(|artifact| artifact.bytes).sum();
        Some(Kept { counts, list })
    }
}

impl Taken {
    fn put(&mut self, part: &FilePart) -> io::Result<()> {
        match part {
            FilePart::Begins { path, .. } => {
                if let Some(path) = self.writer.coming().map(str::to_owned) {
                    self.drop_coming();
                    self.trouble(&path, "did not arrive whole");
                }
                if self.writer.count() < MOST_FILES {
                    self.writer.begin(path)?;
                }
            }
            FilePart::Bytes(bytes) => {
                let Some(path) = self.writer.coming().map(str::to_owned) else { return Ok(()) };
                if self.bytes.saturating_add(bytes.len() as u64) > self.most_bytes {
                    self.drop_coming();
                    self.trouble(&path, "more than all artifacts of a job may have");
                    return Ok(());
                }
                self.writer.append(bytes)?;
                self.bytes += bytes.len() as u64;
            }
            FilePart::Ends => self.writer.end(),
            FilePart::Refused { path, why, .. } => {
                self.drop_coming();
                self.trouble(path, why);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, part: &FilePart, why: &str) {
        let path = match part {
            FilePart::Begins { path, .. } | FilePart::Refused { path, .. } => path.clone(),
            FilePart::Bytes(_) | FilePart::Ends => self.writer.coming().unwrap_or_default().to_owned(),
        };
        self.drop_coming();
        self.trouble(&path, why);
    }

    /// What was written of it counts all the same: whoever sends halves of files for ever comes to an end.
    fn drop_coming(&mut self) {
        self.writer.drop_coming();
    }

    fn trouble(&mut self, path: &str, why: &str) {
        self.troubles.tell(&mut self.counts.troubles, path, why);
    }
}

/// What the log says of them: only what could not be kept, so that otherwise it is what the steps wrote and nothing else.
pub(super) fn words(counts: &ArtifactCounts) -> Vec<String> {
    counts.troubles.iter().map(|trouble| format!("[windlass] artifact {trouble}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::ArtifactStore;
    use crate::frame::file::Purpose;
    use crate::troubles::MOST;

    fn begins(path: &str) -> FilePart {
        FilePart::Begins { of: Purpose::Artifact, path: path.to_owned() }
    }

    fn refused(path: &str, why: &str) -> FilePart {
        FilePart::Refused { of: Purpose::Artifact, path: path.to_owned(), why: why.to_owned() }
    }

    fn bytes(text: &str) -> FilePart {
        FilePart::Bytes(text.as_bytes().to_vec())
    }

    async fn all(parts: &[FilePart], most_bytes: u64) -> Kept {
        let home = tempfile::tempdir().expect("a folder");
        let store = ArtifactStore::open(home.path()).expect("a store");
        let writer = store.writer(&"7/test#1".parse().expect("an id"));
        let mut artifacts = Artifacts::of(writer, most_bytes);
        for part in parts {
            artifacts.take(part).expect("there is room");
        }
        artifacts.finish(false).await.expect("asked for")
    }

    #[tokio::test]
    async fn what_comes_whole_is_kept_and_the_rest_is_told() {
        let parts = [
            begins("a"),
            bytes("12"),
            bytes("3"),
            FilePart::Ends,
            begins("half"),
            begins("b"),
            FilePart::Ends,
            refused("*.deb", "no such file was written"),
            begins("shrank"),
            bytes("x"),
            refused("shrank", "cannot be read: gone\x1b[2J"),
            begins("cut"),
        ];
        let Kept { counts, list } = all(&parts, 100).await;
        let told: Vec<(&str, u64)> = list.iter().map(|of| (of.path.as_str(), of.bytes)).collect();
        assert_eq!(told, [("a", 3), ("b", 0)]);
        assert_eq!((counts.files, counts.bytes), (2, 3));
        assert_eq!(
            words(&counts),
            [
                "[windlass] artifact half: did not arrive whole",
                "[windlass] artifact *.deb: no such file was written",
                "[windlass] artifact shrank: cannot be read: gone\u{fffd}[2J",
                "[windlass] artifact cut: did not arrive whole",
            ]
        );
        let Kept { counts, .. } = all(&[], 100).await;
        assert_eq!(counts.troubles, ["artifacts: none came: the job ended before they could be kept"]);
        assert!(Artifacts::none().finish(false).await.is_none());
    }

    #[tokio::test]
    async fn forged_frames_take_no_more_than_they_may() {
        let mut parts = vec![bytes("nobody's"), FilePart::Ends, begins("large"), bytes("123456"), bytes("7890")];
        parts.extend([bytes("x"), FilePart::Ends, begins("small"), bytes("7"), FilePart::Ends]);
        let Kept { counts, list } = all(&parts, 8).await;
        assert_eq!(list.iter().map(|of| of.path.as_str()).collect::<Vec<_>>(), ["small"]);
        assert_eq!(counts.troubles, ["large: more than all artifacts of a job may have"]);

        let mut parts = Vec::new();
        for n in 0..MOST_FILES + 10 {
            parts.extend([begins(&n.to_string()), FilePart::Ends]);
        }
        parts.extend((0..50).map(|n| refused(&n.to_string(), "why")));
        let Kept { counts, .. } = all(&parts, 8).await;
        assert_eq!((counts.files, counts.troubles.len()), (MOST_FILES as u64, MOST + 1));
        assert_eq!(counts.troubles[MOST], "and 30 more");
    }
}
