//! Follows a frame file that a runner appends to: from a byte offset, until the runner is gone and everything it wrote is
//! delivered. The file comes from a stranger: it may be cut, garbled or endless. Must not know which engine it is for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use tokio::sync::mpsc;

use super::{EngineError, FramePosition, Frames, folder};
use crate::frame::{Decoder, Frame};

/// Frames on their way to whoever stores them. When it is full, reading stops: the file is the buffer.
const ON_THE_WAY: usize = 16;
const READ: usize = 1 << 20;
/// Changes are looked for so often even when the kernel tells of none.
const RECHECK: Duration = Duration::from_secs(1);
/// … and so often where the kernel cannot tell: each user has a limited number of watches.
const POLL: Duration = Duration::from_millis(20);

/// Follows the file at `path`. `gone` ends when the runner is gone; what it wrote until then still comes.
pub(super) fn follow(
    engine: &'static str,
    path: PathBuf,
    after: FramePosition,
    gone: impl Future<Output = ()> + Send + 'static,
) -> Frames {
    let (sender, frames) = mpsc::channel(ON_THE_WAY);
    tokio::spawn(async move {
        let mut changes = Changes::of(&path); // before the first read, so that nothing is missed
        tokio::select! {
            () = sender.closed() => {}
            result = run(engine, &path, after, gone, &mut changes, &sender) => {
                if let Err(error) = result {
                    let _ = sender.send(Err(error)).await;
                }
            }
        }
        drop(sender);
        // Closing a watch waits some milliseconds inside of the kernel: nobody shall wait with it.
        tokio::task::spawn_blocking(move || drop(changes));
    });
    frames
}

async fn run(
    engine: &'static str,
    path: &Path,
    after: FramePosition,
    gone: impl Future<Output = ()>,
    changes: &mut Changes,
    sender: &mpsc::Sender<Result<(Frame, FramePosition), EngineError>>,
) -> Result<(), EngineError> {
    let trouble = |error: io::Error| EngineError::of_host(engine, format!("cannot read {}", path.display()), error);
    let file = match folder::open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EngineError::Gone { handle: path.display().to_string() });
        }
        Err(error) => return Err(trouble(error)),
    };
    let mut reader = Reader { file, offset: after.0, decoder: Decoder::at(after.0), buffer: vec![0; READ] };
    let mut gone = std::pin::pin!(gone);
    let mut last_time = false;
    loop {
        loop {
            let batch;
            (reader, batch) = tokio::task::spawn_blocking(move || {
                let batch = reader.read();
                (reader, batch)
            })
            .await
            .map_err(|panic| trouble(io::Error::other(panic)))?;
            let batch = batch.map_err(trouble)?;
            for item in batch.frames {
                if sender.send(Ok(item)).await.is_err() {
                    return Ok(());
                }
            }
            batch.end?;
            if batch.bytes == 0 {
                break;
            }
        }
        if last_time {
            // Half a frame at the end is what a killed runner leaves behind: it is no frame and stands for nothing.
            return Ok(());
        }
        tokio::select! {
            () = &mut gone => last_time = true,
            () = changes.next() => {}
        }
    }
}

struct Reader {
    file: File,
    /// Of the next byte to read; the decoder's position is at or before it.
    offset: u64,
    decoder: Decoder,
    buffer: Vec<u8>,
}

/// What one read gave. `end`: why nothing can follow it.
struct Batch {
    bytes: usize,
    frames: Vec<(Frame, FramePosition)>,
    end: Result<(), EngineError>,
}

impl Reader {
    fn read(&mut self) -> io::Result<Batch> {
        let garbled = |at: u64, why: String| Err(EngineError::Garbled { at, why });
        let bytes = self.file.read_at(&mut self.buffer, self.offset)?;
        let mut batch = Batch { bytes, frames: Vec::new(), end: Ok(()) };
        if bytes == 0 {
            let length = self.file.metadata()?.len();
            if length < self.offset {
                batch.end = garbled(self.decoder.position(), format!("the file was cut to {length} bytes"));
            }
            return Ok(batch);
        }
        self.offset += bytes as u64;
        let mut input = &self.buffer[..bytes];
        loop {
            match self.decoder.decode(&mut input) {
                Ok(Some(frame)) => batch.frames.push((frame, FramePosition(self.decoder.position()))),
                Ok(None) => break,
                Err(error) => {
                    batch.end = garbled(self.decoder.position(), error.to_string());
                    break;
                }
            }
        }
        Ok(batch)
    }
}

/// Tells when a file may have changed.
struct Changes(Option<EventStream<Vec<u8>>>);

impl Changes {
    fn of(path: &Path) -> Self {
        let watch = || -> io::Result<_> {
            let inotify = Inotify::init()?;
            inotify.watches().add(path, WatchMask::MODIFY)?;
            inotify.into_event_stream(vec![0; 4096])
        };
        Self(watch().inspect_err(|error| tracing::debug!(%error, "a frame file is polled instead of watched")).ok())
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(events) => match tokio::time::timeout(RECHECK, events.next()).await {
                Ok(Some(Ok(_))) | Err(_) => {}
                Ok(Some(Err(_)) | None) => self.0 = None,
            },
            None => tokio::time::sleep(POLL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use tokio::sync::oneshot;

    use super::*;
    use crate::frame::Body;

    struct Story {
        _home: tempfile::TempDir,
        path: PathBuf,
        file: File,
        next: u64,
    }

    impl Story {
        fn new() -> Self {
            let home = tempfile::tempdir().expect("a temporary folder");
            let path = home.path().join("frames");
            let file = File::options().append(true).create(true).open(&path).expect("made");
            Self { _home: home, path, file, next: 1 }
        }

        fn output(&mut self, length: usize) -> Vec<u8> {
            let frame =
                Frame { seq: self.next, at: 0, body: Body::Output { step: 0, bytes: vec![self.next as u8; length] } };
            self.next += 1;
            let mut bytes = Vec::new();
            frame.encode_into(&mut bytes);
            bytes
        }

        fn append(&mut self, bytes: &[u8]) {
            self.file.write_all(bytes).expect("written");
        }

        fn follow(&self, after: u64) -> (Frames, oneshot::Sender<()>) {
            let (gone, when_gone) = oneshot::channel::<()>();
            let frames = follow("local", self.path.clone(), FramePosition(after), async { drop(when_gone.await) });
            (frames, gone)
        }
    }

    async fn next(frames: &mut Frames) -> Option<(u64, u64)> {
        let item = tokio::time::timeout(Duration::from_secs(10), frames.recv()).await.expect("in time");
        item.map(|item| item.expect("a frame")).map(|(frame, position)| (frame.seq, position.0))
    }

    #[tokio::test]
    async fn frames_come_as_they_are_written_and_go_on_at_any_position() {
        let mut story = Story::new();
        let (mut frames, gone) = story.follow(0);
        let (first, second) = (story.output(10), story.output(2_000_000 / 2));
        story.append(&first);
        assert_eq!(next(&mut frames).await, Some((1, 36)));
        // A frame in two halves comes when it is whole.
        story.append(&second[..500_000]);
        story.append(&second[500_000..]);
        let end = 36 + second.len() as u64;
        assert_eq!(next(&mut frames).await, Some((2, end)));

        let (mut again, _gone) = story.follow(36);
        assert_eq!(next(&mut again).await, Some((2, end)));

        // What was written before the end is delivered after it.
        let third = story.output(5);
        story.append(&third);
        drop(gone);
        assert_eq!(next(&mut frames).await, Some((3, end + 31)));
        assert_eq!(next(&mut frames).await, None);
    }

    #[tokio::test]
    async fn half_a_frame_of_a_killed_runner_is_no_error() {
        let mut story = Story::new();
        let (first, second) = (story.output(10), story.output(10));
        story.append(&first);
        story.append(&second[..20]);
        let (mut frames, gone) = story.follow(0);
        drop(gone);
        assert_eq!(next(&mut frames).await, Some((1, 36)));
        assert_eq!(next(&mut frames).await, None);
    }

    #[tokio::test]
    async fn tampering_is_told_with_its_place() {
        for tamper in [
            |story: &Story| story.file.set_len(3).expect("cut"),
            |story: &Story| {
                (&story.file).write_all(b"garbage").expect("written");
            },
        ] {
            let mut story = Story::new();
            let first = story.output(10);
            story.append(&first);
            let (mut frames, _gone) = story.follow(0);
            assert_eq!(next(&mut frames).await, Some((1, 36)));
            tamper(&story);
            match frames.recv().await {
                Some(Err(EngineError::Garbled { at: 36, .. })) => {}
                other => panic!("{other:?}"),
            }
            assert!(frames.recv().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_link_in_place_of_the_file_is_not_followed() {
        let story = Story::new();
        let link = story.path.with_file_name("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).expect("linked");
        let mut frames = follow("local", link, FramePosition(0), std::future::pending());
        assert!(matches!(frames.recv().await, Some(Err(EngineError::Trouble { .. }))));
    }

    #[tokio::test]
    async fn a_slow_taker_stops_the_reading_and_loses_nothing() {
        let mut story = Story::new();
        for _ in 0..200 {
            let frame = story.output(100_000);
            story.append(&frame);
        }
        let (mut frames, gone) = story.follow(0);
        drop(gone);
        for seq in 1..=200 {
            assert_eq!(next(&mut frames).await.map(|(seq, _)| seq), Some(seq));
            assert!(frames.len() <= ON_THE_WAY);
        }
        assert_eq!(next(&mut frames).await, None);
    }

    /// A floor far below what it does, so that a copy too many or a wait per frame is noticed and a busy machine is not.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flood_passes_at_tens_of_megabytes_a_second_even_unoptimised() {
        let mut story = Story::new();
        for _ in 0..1000 {
            let frame = story.output(100_000);
            story.append(&frame);
        }
        let (mut frames, gone) = story.follow(0);
        drop(gone);
        let begun = Instant::now();
        let mut bytes = 0;
        while let Some(item) = frames.recv().await {
            if let Body::Output { bytes: output, .. } = item.expect("a frame").0.body {
                bytes += output.len();
            }
        }
        assert_eq!(bytes, 100_000_000);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
