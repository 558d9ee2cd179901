//! Files that jobs left to be kept, as a client asks for them: listed, and fetched piece by piece.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use windlass_protocol::artifact::{ArtifactView, ArtifactsPage};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{Request, Response};
use windlass_protocol::refusal::Refusal;

use crate::Daemon;
use crate::live::Live;

/// What the newest attempts of a build left.
pub fn artifacts(daemon: &Daemon, number: u64) -> ArtifactsPage {
    let request = Request::Artifacts { number, job: None, attempt: None, offset: 0, limit: 500 };
    match asked(daemon, request).expect("it is answered") {
        Response::Artifacts { artifacts } => artifacts,
        other => panic!("no list of artifacts: {other:?}"),
    }
}

/// The bytes of one of them, compared with what was told of it.
pub fn fetch(daemon: &Daemon, build: u64, of: &ArtifactView) -> Result<Vec<u8>, Refusal> {
    const PIECE: u32 = 1 << 20;
    let attempt = AttemptId { build, job: of.job.clone(), attempt: of.attempt };
    let mut bytes = Vec::new();
    let mut live = Live::unix(daemon);
    live.hello();
    loop {
        let from = bytes.len() as u64;
        let request = Request::ReadArtifact { attempt: attempt.clone(), artifact: of.number, from, limit: PIECE };
        let piece = match live.request(request)? {
            Response::Artifact { bytes } => STANDARD.decode(bytes).expect("Base64"),
            other => panic!("no bytes: {other:?}"),
        };
        let last = piece.len() < PIECE as usize;
        bytes.extend(piece);
        if last {
            break;
        }
    }
    assert_eq!((bytes.len() as u64, hex::encode(Sha256::digest(&bytes))), (of.bytes, of.sha256.clone()), "{}", of.path);
    Ok(bytes)
}

pub fn asked(daemon: &Daemon, request: Request) -> Result<Response, Refusal> {
    let mut live = Live::unix(daemon);
    live.hello();
    live.request(request)
}
