//! Files that jobs left, brought here: asked for piece by piece, compared with the SHA-256 that was told, and written where
//! nothing else is. Used by the command and by the screen alike. Must not know how they are listed.

pub(crate) mod choose;
pub(crate) mod draft;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use windlass_protocol::artifact::ArtifactView;
use windlass_protocol::id::{AttemptId, BuildNumber};
use windlass_protocol::live::{ClientMessage, Request, Response, ServerMessage};
use windlass_protocol::refusal::{Refusal, RefusalCode};

use crate::link::{Link, LinkError, LinkEvent};
use draft::{Draft, Folder, Taken, There};

/// The most that a daemon gives at once.
const PIECE: u32 = 1 << 20;
/// So many pieces are asked for before the first of them is here.
const AHEAD: usize = 2;
/// What was refused for the moment is asked for again after this long.
const AGAIN: Duration = Duration::from_millis(250);
/// Without a byte for this long, connection or none, it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Of this file alone.
    #[error("{0}")]
    Left(String),
    /// It came, and is not what the daemon said.
    #[error("{0}")]
    Damaged(String),
    #[error("{0}")]
    Refused(Refusal),
    #[error("{0}")]
    Unreachable(String),
    /// There is no room here, or no permission.
    #[error("{0}")]
    Here(String),
}

/// Where a file is now.
#[derive(Debug)]
pub(crate) enum Saved {
    Now(PathBuf),
    /// The same bytes were there before.
    Before(PathBuf),
}

/// A connection, and the number of its next request.
pub(crate) struct Line<'a> {
    pub(crate) link: &'a mut Link,
    pub(crate) next_id: &'a mut u64,
}

/// A piece on its way.
struct Asked {
    id: u64,
    from: u64,
    bytes: Option<Vec<u8>>,
}

/// Writes a file below a folder, at these parts of a path: see [`choose::places`]. What is there is known by how many bytes
/// have come so far.
pub(crate) async fn save(
    build: BuildNumber,
    file: &ArtifactView,
    (folder, parts): (&Folder, &[String]),
    taken: Taken,
    line: &mut Line<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Saved, Fault> {
    let Some((name, folders)) = parts.split_last() else { return Err(Fault::Left("it has no name".to_owned())) };
    let folder = folder.below(folders).map_err(Fault::Left)?;
    let path = folder.path_of(name);
    match folder.has(name, file.bytes, &file.sha256).map_err(Fault::Left)? {
        There::Same => return Ok(Saved::Before(path)),
        There::Other if taken == Taken::Refuse => return Err(exists()),
        There::Other | There::Nothing => {}
    }
    let mut draft = Draft::begin(folder, name).map_err(Fault::Here)?;
    let mut have = 0;
    let mut take = |bytes: &[u8]| {
        draft.write(bytes)?;
        have += bytes.len() as u64;
        progress(have);
        Ok(())
    };
    read(build, file, line, &mut take).await?;
    match draft.keep(taken).map_err(Fault::Left)? {
        Some(path) => Ok(Saved::Now(path)),
        None => Err(exists()),
    }
}

/// Why a file is left out that could be written over.
pub(crate) const EXISTS: &str = "something else has its place already";

fn exists() -> Fault {
    Fault::Left(EXISTS.to_owned())
}

/// The bytes of a file, in order. Whoever takes them knows only at the end that they are what the daemon said.
pub(crate) async fn read(
    build: BuildNumber,
    file: &ArtifactView,
    line: &mut Line<'_>,
    take: &mut (dyn FnMut(&[u8]) -> Result<(), String> + Send),
) -> Result<(), Fault> {
    let attempt = AttemptId { build, job: file.job.clone(), attempt: file.attempt };
    let mut pieces = Pieces { attempt, file, asked: VecDeque::new(), next: 0, heard: Instant::now(), line };
    let (mut sum, mut have) = (Sha256::new(), 0);
    while have < file.bytes {
        let bytes = pieces.next().await?;
        sum.update(&bytes);
        have += bytes.len() as u64;
        take(&bytes).map_err(Fault::Here)?;
    }
    let sum = hex::encode(sum.finalize());
    if sum.eq_ignore_ascii_case(&file.sha256) {
        return Ok(());
    }
    Err(Fault::Damaged(format!("its bytes have the SHA-256 {sum}, and the daemon said {}", file.sha256)))
}

struct Pieces<'a, 'b> {
    attempt: AttemptId,
    file: &'a ArtifactView,
    asked: VecDeque<Asked>,
    /// Where what was not asked for yet begins.
    next: u64,
    /// When a piece came last.
    heard: Instant,
    line: &'a mut Line<'b>,
}

impl Pieces<'_, '_> {
    async fn next(&mut self) -> Result<Vec<u8>, Fault> {
        while self.asked.len() < AHEAD && self.next < self.file.bytes {
            let from = self.next;
            let id = self.ask(from);
            self.asked.push_back(Asked { id, from, bytes: None });
            self.next = from + u64::from(PIECE);
        }
        loop {
            if let Some(bytes) = self.asked.front_mut().and_then(|asked| asked.bytes.take()) {
                self.asked.pop_front();
                return Ok(bytes);
            }
            self.hear().await?;
        }
    }

    fn ask(&mut self, from: u64) -> u64 {
        let id = *self.line.next_id;
        *self.line.next_id += 1;
        let (attempt, artifact) = (self.attempt.clone(), self.file.number);
        let request = Request::ReadArtifact { attempt, artifact, from, limit: PIECE };
        self.line.link.send(ClientMessage::Request { id, request });
        id
    }

    /// Takes in what comes next. A connection that breaks is no fault: the link asks again by itself, and what it cannot ask
    /// just now is asked again here.
    async fn hear(&mut self) -> Result<(), Fault> {
        let until = self.heard + PATIENCE;
        let Ok(event) = tokio::time::timeout_at(until, self.line.link.next()).await else {
            let words = format!("the daemon has sent nothing for {} s", PATIENCE.as_secs());
            return Err(Fault::Unreachable(words));
        };
        match event {
            Some(LinkEvent::Message(message)) => match *message {
                ServerMessage::Response { id, response: Response::Artifact { bytes } } => self.take(id, &bytes),
                ServerMessage::Refused { id, refusal } => self.refused(id, refusal, until).await,
                _ => Ok(()),
            },
            Some(LinkEvent::Lost { error, .. }) if lasts(&error) => Err(Fault::Unreachable(error.to_string())),
            Some(LinkEvent::Lost { .. } | LinkEvent::Connected(_) | LinkEvent::Log(_)) => Ok(()),
            None => Err(Fault::Unreachable("the connection's task ended".to_owned())),
        }
    }

    fn take(&mut self, id: u64, bytes: &str) -> Result<(), Fault> {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.id == id) else { return Ok(()) };
        let bytes = STANDARD.decode(bytes).map_err(|error| Fault::Damaged(format!("no Base64 came: {error}")))?;
        let expected = u64::from(PIECE).min(self.file.bytes - asked.from);
        if bytes.len() as u64 != expected {
            let end = asked.from + bytes.len() as u64;
            let words = format!("byte {end} is where it ends, and the daemon said {}", self.file.bytes);
            return Err(Fault::Damaged(words));
        }
        asked.bytes = Some(bytes);
        self.heard = Instant::now();
        Ok(())
    }

    async fn refused(&mut self, id: u64, refusal: Refusal, until: Instant) -> Result<(), Fault> {
        let Some(at) = self.asked.iter().position(|asked| asked.id == id) else { return Ok(()) };
        match refusal.code {
            RefusalCode::Unavailable if Instant::now() + AGAIN < until => {
                tokio::time::sleep(AGAIN).await;
                let from = self.asked[at].from;
                self.asked[at].id = self.ask(from);
                Ok(())
            }
            RefusalCode::Unavailable => Err(Fault::Unreachable(refusal.message)),
            // It was removed meanwhile.
            RefusalCode::NotFound => Err(Fault::Left(refusal.message)),
            _ => Err(Fault::Refused(refusal)),
        }
    }
}

/// Trying again would end the same.
fn lasts(error: &LinkError) -> bool {
    matches!(error, LinkError::Denied(_) | LinkError::Untrusted(_) | LinkError::Foreign(_))
}
