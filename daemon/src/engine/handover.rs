//! Hands plan and source to a runner, down its standard input. Must not know how the runner was started.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{EngineError, Source, TroubleKind};
use crate::failpoint;
use crate::plan::AttemptPlan;
use crate::plan::feed::{SourceEncoder, encode_plan};

const CHUNK: usize = 256 << 10;
/// A runner that takes nothing for so long is stuck. There is no bound on the whole: sources are as large as they are.
pub(super) const STALLED: Duration = Duration::from_secs(120);

/// Writes the feed and half-closes. `stalled`: how long the runner may take nothing.
pub(super) async fn hand_over(
    engine: &'static str,
    plan: &AttemptPlan,
    source: &Source,
    input: &mut (impl AsyncWrite + Unpin),
    stalled: Duration,
) -> Result<(), EngineError> {
    let trouble = |what: String, error: std::io::Error| EngineError::of_host(engine, what, error);
    let head = encode_plan(plan).map_err(|error| EngineError::Refused { what: error.to_string() })?;
    let mut archive = tokio::fs::File::open(&source.archive)
        .await
        .map_err(|error| trouble(format!("cannot open the source {}", source.archive.display()), error))?;
    let unreadable = |error| trouble("cannot read the source".to_owned(), error);
    let refused = |error: std::io::Error| EngineError::Trouble {
        engine,
        kind: if error.kind() == std::io::ErrorKind::TimedOut { TroubleKind::Late } else { TroubleKind::Away },
        what: "the runner does not take its plan and source".to_owned(),
        source: Some(Box::new(error)),
    };

    put(input, &head, stalled).await.map_err(refused)?;
    failpoint::reached!("feed.plan");
    let mut encoder = SourceEncoder::new();
    // Room for the chunk's length in front of it: one write for both.
    let mut buffer = vec![0; 4 + CHUNK];
    loop {
        let count = fill(&mut archive, &mut buffer[4..]).await.map_err(unreadable)?;
        if count == 0 {
            break;
        }
        let length = encoder.chunk(&buffer[4..4 + count]);
        buffer[..4].copy_from_slice(&length);
        put(input, &buffer[..4 + count], stalled).await.map_err(refused)?;
        failpoint::reached!("feed.middle");
    }
    put(input, &encoder.end(), stalled).await.map_err(refused)?;
    failpoint::reached!("feed.written");
    let end = async {
        input.flush().await?;
        input.shutdown().await
    };
    in_time(stalled, end).await.map_err(refused)
}

/// Writes all of it, as long as some of it is taken now and then.
async fn put(output: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8], stalled: Duration) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = in_time(stalled, output.write(bytes)).await?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn fill(input: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]).await? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

async fn in_time<T>(limit: Duration, call: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no progress for {} s", limit.as_secs()));
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(late()))
}
