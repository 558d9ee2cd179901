//! What goes down a runner's standard input, written by an engine and read by the runner: the plan, then the source.
//! Everything has its length in front and a SHA-256, so that a writer that died in the middle is never taken for one
//! that was done. Pure; must not know async code, processes, containers or where the archive comes from.
//!
//! `WLFEED1\n`, length (u32, big-endian), SHA-256 and JSON of the [`AttemptPlan`]; then the source as a tar archive in
//! chunks (length as u32, that many bytes), ended by a length of 0 and the SHA-256 of all chunks' bytes.

use std::io::{self, ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::AttemptPlan;

/// No chunk of the source is longer.
pub const MAX_CHUNK: usize = 1 << 20;

/// No plan is longer.
pub const MAX_PLAN: usize = 16 << 20;

const MAGIC: &[u8; 8] = b"WLFEED1\n";

/// The bytes of the feed up to the source.
///
/// # Errors
/// When the plan is longer than any runner would take.
pub fn encode_plan(plan: &AttemptPlan) -> Result<Vec<u8>, FeedError> {
    let json = serde_json::to_vec(plan).expect("plain data with text keys is always JSON");
    if json.len() > MAX_PLAN {
        return Err(FeedError::TooLong { what: "plan", length: json.len(), most: MAX_PLAN });
    }
    let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + 32 + json.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(json.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&Sha256::digest(&json));
    bytes.extend_from_slice(&json);
    Ok(bytes)
}

/// Frames the source for writing: for each chunk send what [`Self::chunk`] returns and then the chunk, at last what
/// [`Self::end`] returns.
#[derive(Debug, Default)]
pub struct SourceEncoder {
    hash: Sha256,
}

impl SourceEncoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes to send in front of `chunk`.
    ///
    /// # Panics
    /// If the chunk is empty (that would mean the end) or longer than [`MAX_CHUNK`].
    pub fn chunk(&mut self, chunk: &[u8]) -> [u8; 4] {
        assert!(!chunk.is_empty() && chunk.len() <= MAX_CHUNK, "a chunk of {} bytes", chunk.len());
        self.hash.update(chunk);
        (chunk.len() as u32).to_be_bytes()
    }

    /// The bytes that end the feed.
    pub fn end(self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[4..].copy_from_slice(&self.hash.finalize());
        bytes
    }
}

/// Why a feed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the feed was cut off in {part}")]
    Cut { part: &'static str },
    #[error("this is not a feed: it starts with other bytes")]
    NoMagic,
    #[error("a {what} of {length} bytes, more than the {most} allowed")]
    TooLong { what: &'static str, length: usize, most: usize },
    #[error("the {what} was damaged on its way: its SHA-256 differs")]
    Damaged { what: &'static str },
    #[error("the plan is not one this runner understands")]
    NotAPlan(#[source] serde_json::Error),
    #[error("the feed could not be read in {part}")]
    Read {
        part: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Reads the feed up to the source.
pub fn read_plan(input: &mut impl Read) -> Result<AttemptPlan, FeedError> {
    let magic: [u8; 8] = read_array(input, "its first bytes")?;
    if &magic != MAGIC {
        return Err(FeedError::NoMagic);
    }
    let length = u32::from_be_bytes(read_array(input, "the plan's length")?) as usize;
    if length > MAX_PLAN {
        return Err(FeedError::TooLong { what: "plan", length, most: MAX_PLAN });
    }
    let hash: [u8; 32] = read_array(input, "the plan's hash")?;
    let mut json = Vec::new();
    let part = "the plan";
    input.take(length as u64).read_to_end(&mut json).map_err(|source| FeedError::Read { part, source })?;
    if json.len() < length {
        return Err(FeedError::Cut { part });
    }
    if Sha256::digest(&json)[..] != hash {
        return Err(FeedError::Damaged { what: "plan" });
    }
    serde_json::from_slice(&json).map_err(FeedError::NotAPlan)
}

/// The source's bytes, without the framing. Reads to an end only when the feed itself said that it ends and the hash is
/// right; anything else is an error that carries a [`FeedError`].
#[derive(Debug)]
pub struct SourceReader<R> {
    input: R,
    hash: Sha256,
    /// Of the chunk that is being read.
    left: usize,
    ended: bool,
}

impl<R: Read> SourceReader<R> {
    /// For a feed of which [`read_plan`] has taken its part.
    pub fn new(input: R) -> Self {
        Self { input, hash: Sha256::new(), left: 0, ended: false }
    }

    /// Reads what is left to the end, which verifies the whole: an archive may end before its bytes do.
    pub fn finish(mut self) -> Result<(), FeedError> {
        let mut rest = vec![0; 64 << 10];
        while self.read_some(&mut rest)? > 0 {}
        Ok(())
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, FeedError> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            let length = u32::from_be_bytes(read_array(&mut self.input, "the source")?) as usize;
            if length > MAX_CHUNK {
                return Err(FeedError::TooLong { what: "chunk", length, most: MAX_CHUNK });
            }
            if length == 0 {
                let hash: [u8; 32] = read_array(&mut self.input, "the source's hash")?;
                if self.hash.finalize_reset()[..] != hash {
                    return Err(FeedError::Damaged { what: "source" });
                }
                self.ended = true;
                return Ok(0);
            }
            self.left = length;
        }
        let want = self.left.min(buffer.len());
        let part = "the source";
        let n = loop {
            match self.input.read(&mut buffer[..want]) {
                Ok(0) => return Err(FeedError::Cut { part }),
                Ok(n) => break n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(FeedError::Read { part, source }),
            }
        };
        self.hash.update(&buffer[..n]);
        self.left -= n;
        Ok(n)
    }
}

impl<R: Read> Read for SourceReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer).map_err(io::Error::other)
    }
}

fn read_array<const N: usize>(input: &mut impl Read, part: &'static str) -> Result<[u8; N], FeedError> {
    let mut bytes = [0; N];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(FeedError::Cut { part }),
        Err(source) => Err(FeedError::Read { part, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::{Command, JobPlan, Network, Pull, Reports, Resources, Retry, StepPlan, Transport};

    fn plan() -> AttemptPlan {
        AttemptPlan {
            id: "42/test#1".parse().expect("an attempt's id"),
            job: JobPlan {
                name: "test".into(),
                needs: vec![],
                image: None,
                environment: BTreeMap::new(),
                steps: vec![StepPlan { name: "a".into(), run: Command::Script("true".into()), timeout_ms: None }],
                timeout_ms: 1000,
                network: Network::None,
                resources: Resources::default(),
                finally: Vec::new(),
                finally_timeout_ms: 0,
                pull: Pull::default(),
                retry: Retry::default(),
                reports: Reports::default(),
                artifacts: Vec::new(),
            },
            environment: BTreeMap::from([("CI".into(), "true".into())]),
            grace_ms: 100,
            artifact_bytes: 1 << 30,
            transport: Transport::Stdout,
            workspace: "/workspace".into(),
            token: "t".into(),
        }
    }

    fn feed(chunks: &[&[u8]]) -> Vec<u8> {
        let mut bytes = encode_plan(&plan()).expect("a small plan");
        let mut source = SourceEncoder::new();
        for chunk in chunks {
            bytes.extend_from_slice(&source.chunk(chunk));
            bytes.extend_from_slice(chunk);
        }
        bytes.extend_from_slice(&source.end());
        bytes
    }

    fn read(mut bytes: &[u8]) -> Result<(AttemptPlan, Vec<u8>), FeedError> {
        let plan = read_plan(&mut bytes)?;
        let mut reader = SourceReader::new(bytes);
        let mut all = Vec::new();
        let mut some = [0; 7];
        loop {
            match reader.read_some(&mut some)? {
                0 => return Ok((plan, all)),
                n => all.extend_from_slice(&some[..n]),
            }
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (read_plan, source) = read(&feed(&[b"first chunk, ", b"second"])).expect("a good feed");
        assert_eq!(read_plan, plan());
        assert_eq!(source, b"first chunk, second");
        assert_eq!(read(&feed(&[])).expect("an empty source").1, b"");
    }

    #[test]
    fn a_cut_anywhere_is_called_a_cut() {
        let bytes = feed(&[b"first chunk, ", b"second"]);
        for end in 0..bytes.len() {
            assert!(matches!(read(&bytes[..end]), Err(FeedError::Cut { .. })), "cut after {end} bytes");
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let bytes = feed(&[b"first chunk, ", b"second"]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at} changed");
        }
    }

    #[test]
    fn finish_verifies_what_nobody_read() {
        let mut bytes = feed(&[b"archive", b"padding"]);
        let start = encode_plan(&plan()).expect("a small plan").len();
        let good = SourceReader::new(&bytes[start..]);
        good.finish().expect("all there");
        let middle = start + 6;
        bytes[middle] ^= 1;
        assert!(matches!(SourceReader::new(&bytes[start..]).finish(), Err(FeedError::Damaged { .. })));
    }

    #[test]
    fn lengths_are_not_believed() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(read_plan(&mut &bytes[..]), Err(FeedError::TooLong { .. })));
        assert!(matches!(SourceReader::new(&[0xff; 64][..]).finish(), Err(FeedError::TooLong { .. })));
        assert!(matches!(read_plan(&mut &b"GET / HTTP/1.1"[..]), Err(FeedError::NoMagic)));
    }
}
