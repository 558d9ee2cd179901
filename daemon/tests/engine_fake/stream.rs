//! Sends answers, right or broken. Must not know what they are about.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::engine::{Answer, Engine, bytes};
use super::faults::Fault;
use super::http;

/// What comes bit by bit.
pub(crate) enum Flow {
    /// JSON, a line each.
    Lines(Vec<Value>),
    /// One object, when a container has ended.
    Wait(String),
    /// What a container wrote; `follow`: until it has ended.
    Log { id: String, follow: bool },
}

/// Log entries are no longer.
const ENTRY: usize = 16_384;

pub(crate) async fn send(
    engine: &Engine,
    connection: &mut UnixStream,
    answer: Answer,
    fault: Option<&Fault>,
    rest: Vec<u8>,
) -> io::Result<()> {
    match fault {
        Some(Fault::Hang) => return silent(connection).await,
        Some(Fault::ResetAtOnce) => return Ok(()),
        Some(Fault::Say(status, words)) => {
            let words = serde_json::json!({ "message": words }).to_string();
            return connection.write_all(&http::whole(*status, "application/json", words.as_bytes())).await;
        }
        Some(Fault::Body(body)) => {
            return connection.write_all(&http::whole(200, "application/json", body.as_bytes())).await;
        }
        Some(Fault::Endless) => return endless(connection).await,
        _ => {}
    }
    match answer {
        Answer::Upgrade(id) => match fault {
            Some(Fault::ResetInHead) => connection.write_all(&http::UPGRADED[..30]).await,
            Some(Fault::BreakAfter(most)) => {
                connection.write_all(http::UPGRADED).await?;
                let mut taken = vec![0; *most];
                connection.read_exact(&mut taken).await?;
                engine.change(&id, |container| container.input_closed = true);
                Ok(())
            }
            Some(Fault::StallAfter(_)) => {
                connection.write_all(http::UPGRADED).await?;
                // It takes nothing, and does not end.
                std::future::pending().await
            }
            _ => {
                connection.write_all(http::UPGRADED).await?;
                engine.take(&id, connection, &rest).await;
                Ok(())
            }
        },
        Answer::Stream(flow) => {
            let mut sender = Sender { connection, fault, sent: 0 };
            match sender.flow(engine, flow).await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                other => other,
            }
        }
        mut answer => {
            if let (Some(Fault::Change(change)), Answer::Json(_, value)) = (fault, &mut answer) {
                change(value);
            }
            if let (Some(Fault::HalfJson), Answer::Json(status, value)) = (fault, &answer) {
                let text = value.to_string();
                let half = &text.as_bytes()[..text.len() / 2];
                return connection.write_all(&http::whole(*status, "application/json", half)).await;
            }
            let whole = bytes(&answer);
            let cut = match fault {
                Some(Fault::ResetInHead) => 20,
                Some(Fault::ResetInBody) => whole.len() - 3,
                _ => whole.len(),
            };
            connection.write_all(&whole[..cut]).await
        }
    }
}

/// Until the client has enough of it.
async fn silent(connection: &mut UnixStream) -> io::Result<()> {
    let mut taken = Vec::new();
    while connection.read_buf(&mut taken).await? > 0 {
        taken.clear();
    }
    Ok(())
}

/// JSON that never ends, as fast as it is taken.
async fn endless(connection: &mut UnixStream) -> io::Result<()> {
    connection.write_all(http::STREAM_HEAD).await?;
    http::chunk(connection, b"{\"Id\":\"").await?;
    let more = vec![b'x'; 1 << 20];
    loop {
        http::chunk(connection, &more).await?;
    }
}

/// Sends a stream until its fault ends it; that end is [`io::ErrorKind::Interrupted`].
struct Sender<'a> {
    connection: &'a mut UnixStream,
    fault: Option<&'a Fault>,
    sent: usize,
}

impl Sender<'_> {
    async fn flow(&mut self, engine: &Engine, flow: Flow) -> io::Result<()> {
        self.connection.write_all(http::STREAM_HEAD).await?;
        match flow {
            Flow::Lines(lines) => {
                for line in lines {
                    self.put(format!("{line}\r\n").as_bytes()).await?;
                }
            }
            Flow::Wait(id) => {
                engine.until(&id, |container| container.exited.is_some()).await;
                let code = engine.container(&id).and_then(|container| container.exited).unwrap_or(0);
                let mut said = serde_json::json!({ "StatusCode": code });
                if let Some(Fault::Change(change)) = self.fault {
                    change(&mut said);
                }
                self.put(said.to_string().as_bytes()).await?;
            }
            Flow::Log { id, follow } => {
                let mut seen = engine.changes();
                let mut at = 0;
                while let Some(container) = engine.container(&id) {
                    let over = !follow || container.exited.is_some();
                    while let Some(line) = container.log[at..].split_inclusive(|byte| *byte == b'\n').next() {
                        let entry = &line[..line.len().min(ENTRY)];
                        if !entry.ends_with(b"\n") && !over && entry.len() < ENTRY {
                            break;
                        }
                        let length = u32::try_from(entry.len()).expect("short").to_be_bytes();
                        self.put(&[&[1, 0, 0, 0], &length[..], entry].concat()).await?;
                        at += entry.len();
                    }
                    if over {
                        break;
                    }
                    engine.changed(&mut seen).await;
                }
            }
        }
        self.connection.write_all(http::STREAM_END).await
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let over = || io::Error::from(io::ErrorKind::Interrupted);
        let size = match self.fault {
            Some(Fault::Pieces(size)) => *size,
            _ => bytes.len().max(1),
        };
        for piece in bytes.chunks(size) {
            let most = match self.fault {
                Some(Fault::EndAfter(most) | Fault::StallAfter(most) | Fault::BreakAfter(most)) => *most - self.sent,
                _ => piece.len(),
            };
            let piece = &piece[..piece.len().min(most)];
            if !piece.is_empty() {
                http::chunk(self.connection, piece).await?;
            }
            self.sent += piece.len();
            if piece.len() == most {
                match self.fault {
                    Some(Fault::EndAfter(_)) => {
                        self.connection.write_all(http::STREAM_END).await?;
                        return Err(over());
                    }
                    Some(Fault::StallAfter(_)) => std::future::pending().await,
                    Some(Fault::BreakAfter(_)) => return Err(over()),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
