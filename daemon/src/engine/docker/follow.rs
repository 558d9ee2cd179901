//! Frames over a container's standard output, for engines that do not see our files: the engine keeps the lines and gives
//! them again from the start as often as asked, so that what was seen already is dropped by its number. Must not know
//! how containers are made.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::call::{Client, Failure};
use crate::engine::{EngineError, FramePosition, Frames, TroubleKind};
use crate::frame::text::TextDecoder;
use crate::frame::{Body, Frame, FrameError};

const ON_THE_WAY: usize = 64;
const PAUSE: Duration = Duration::from_millis(200);

type Sender = mpsc::Sender<Result<(Frame, FramePosition), EngineError>>;

/// How far reading came.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// The last frame's number.
    last: u64,
    /// The runner has said its last word.
    finished: bool,
}

/// Follows the output of a container. `gone` ends when it has exited.
pub(super) fn follow(
    docker: Client,
    container: String,
    after: FramePosition,
    gone: impl Future<Output = ()> + Send + 'static,
) -> Frames {
    let (sender, frames) = mpsc::channel(ON_THE_WAY);
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            result = run(&docker, &container, after, gone, &sender) => {
                if let Err(error) = result {
                    let _ = sender.send(Err(error)).await;
                }
            }
        }
    });
    frames
}

async fn run(
    docker: &Client,
    container: &str,
    after: FramePosition,
    gone: impl Future<Output = ()>,
    sender: &Sender,
) -> Result<(), EngineError> {
    let mut progress = Progress { last: after.0, finished: false };
    let mut gone = std::pin::pin!(gone);
    // The end of the stream says nothing: it ends when the engine restarts, and may go on when the container has ended.
    loop {
        let exited = tokio::select! {
            biased;
            read = read(docker, container, true, &mut progress, sender) => {
                read.or_else(forgivable)?;
                false
            }
            () = &mut gone => true,
        };
        if exited {
            break;
        }
        tokio::select! {
            () = &mut gone => break,
            () = tokio::time::sleep(PAUSE), if !progress.finished => {}
        }
    }
    if !progress.finished {
        read(docker, container, false, &mut progress, sender).await?;
    }
    Ok(())
}

/// While the container may still run, the engine may restart or skip lines; what is missing is fetched from the start.
fn forgivable(error: EngineError) -> Result<(), EngineError> {
    match error {
        EngineError::Trouble { .. } => Ok(()),
        other => Err(other),
    }
}

/// Reads the container's output from its start, delivering what is new.
async fn read(
    docker: &Client,
    container: &str,
    follow: bool,
    progress: &mut Progress,
    sender: &Sender,
) -> Result<(), EngineError> {
    let options = LogsOptionsBuilder::default().follow(follow).stdout(true).stderr(false).tail("all").build();
    let mut output = std::pin::pin!(docker.logs(container, Some(options)));
    let mut decoder = TextDecoder::after(progress.last);
    loop {
        // A job that runs may be silent; what one has left behind comes at once.
        let next = match follow {
            true => output.next().await.transpose().map_err(Failure::from),
            false => docker.slow(async { output.next().await.transpose() }).await,
        };
        let Some(chunk) = next.transpose() else { return Ok(()) };
        let chunk = match chunk {
            Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => message,
            Ok(_) => continue,
            Err(failure) if failure.is_missing() => return Err(EngineError::Gone { handle: container.to_owned() }),
            Err(failure) => return Err(failure.trouble("reading a container's output")),
        };
        match deliver(&mut decoder, &chunk, progress, sender).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error @ FrameError::OutOfOrder { .. }) if follow => {
                return Err(super::call::trouble(
                    TroubleKind::Nonsense,
                    format!("left out a part of the output: {error}"),
                ));
            }
            Err(error) => return Err(EngineError::Garbled { at: progress.last, why: error.to_string() }),
        }
    }
}

/// Sends what a piece of output completes. Whether somebody still listens. This is dropped while it waits for room when the
/// container exits, so that only what is on its way counts as progress.
async fn deliver(
    decoder: &mut TextDecoder,
    mut input: &[u8],
    progress: &mut Progress,
    sender: &Sender,
) -> Result<bool, FrameError> {
    while let Some(frame) = decoder.decode(&mut input)? {
        let (seq, finished) = (frame.seq, matches!(frame.body, Body::Finished { .. }));
        if sender.send(Ok((frame, FramePosition(seq)))).await.is_err() {
            return Ok(false);
        }
        progress.last = seq;
        progress.finished |= finished;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Report, text};

    #[tokio::test]
    async fn a_frame_that_waited_for_room_when_its_container_exited_is_read_again() {
        let report = Report {
            decided_by: None,
            cancelled: false,
            output_sha256: String::new(),
            output_bytes: 0,
            peak_memory_bytes: None,
        };
        let mut lines = Vec::new();
        for (seq, body) in [(1, Body::Ready), (2, Body::Finished { report })] {
            let mut bytes = Vec::new();
            Frame { seq, at: 1, body }.encode_into(&mut bytes);
            text::encode_line(&bytes, &mut lines);
        }
        let (sender, mut frames) = mpsc::channel(1);
        let mut progress = Progress { last: 0, finished: false };
        let mut decoder = TextDecoder::after(0);
        let exited = tokio::select! {
            biased;
            _ = deliver(&mut decoder, &lines, &mut progress, &sender) => false,
            () = std::future::ready(()) => true,
        };
        assert!(exited, "there is room for one only");
        assert_eq!((progress.last, progress.finished), (1, false), "the second was not sent");
        let first = frames.recv().await.expect("sent").expect("a frame");
        assert_eq!(first.1, FramePosition(1));

        let mut decoder = TextDecoder::after(progress.last);
        assert!(deliver(&mut decoder, &lines, &mut progress, &sender).await.expect("frames"));
        assert_eq!((progress.last, progress.finished), (2, true));
        let second = frames.recv().await.expect("sent").expect("a frame");
        assert!(matches!(second.0.body, Body::Finished { .. }));
        assert!(frames.try_recv().is_err(), "and nothing twice");
    }
}
