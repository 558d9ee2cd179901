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
        let mut input = &chunk[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(frame)) => {
                    progress.last = frame.seq;
                    progress.finished |= matches!(frame.body, Body::Finished { .. });
                    let position = FramePosition(frame.seq);
                    if sender.send(Ok((frame, position))).await.is_err() {
                        return Ok(());
                    }
                }
                Ok(None) => break,
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
}
