//! What a runner tells its daemon: frames, the same on every transport. They come out of a container that a stranger
//! controls, so decoding trusts nothing. Pure; must not know transports or where bytes end up.
//!
//! A frame is a header of 26 bytes, big-endian, and a payload:
//!
//! | bytes | what |
//! |---|---|
//! | 0..3 | magic `f7 57 4c` |
//! | 3 | kind |
//! | 4..6 | step, 0 where the kind has none |
//! | 6..10 | length of the payload, at most 1 MiB |
//! | 10..18 | sequence number |
//! | 18..26 | time, milliseconds since the epoch |

pub mod file; // files that a job left for its daemon
pub mod text; // frames as lines of text, for transports that damage other bytes

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::file::FilePart;

/// No payload is longer.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Bytes in front of each payload.
pub const HEADER: usize = 26;

/// A runner's own words are cut to this many bytes, so that such a frame fits every transport.
const MAX_WORDS: usize = 4096;

/// Payloads other than output: the longest words, each of their bytes escaped, and what stands around them.
const MAX_TOLD: usize = 32 << 10;

const MAGIC: [u8; 3] = [0xf7, b'W', b'L'];

/// One thing a runner tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counted from 1 without gaps.
    pub seq: u64,
    /// Milliseconds since the epoch, by the runner's clock.
    pub at: i64,
    pub body: Body,
}

/// Steps are counted from 0, as they stand in the plan, `finally` steps on from those. `Output` comes only between its
/// step's start and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The runner has its plan and source; the first step follows.
    Ready,
    StepStarted {
        step: u16,
    },
    /// Bytes exactly as the step's processes wrote them, standard output and standard error in the order they came.
    Output {
        step: u16,
        bytes: Vec<u8>,
    },
    StepEnded {
        step: u16,
        end: StepEnd,
    },
    /// A line of the runner's own for the log: without a line feed.
    Notice {
        text: String,
    },
    /// A piece of a file that the job left. All of them come after the last step's end, and no other frame but the last
    /// comes after the first of them: whoever reads the frames again from where the log is has all of them again.
    File(FilePart),
    /// Nothing follows.
    Finished {
        report: Report,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd {
    pub how: How,
    pub duration_ms: u64,
    /// The kernel killed something in it for memory.
    #[serde(default)]
    pub out_of_memory: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Exited(i32),
    Signalled(i32),
    /// By the step's own limit or the job's.
    TimedOut {
        limit_ms: u64,
        whole_job: bool,
    },
    /// TERM came from the daemon.
    Cancelled,
    /// The program could not be executed: no such file, no shell in the image.
    NotStarted(String),
}

/// The runner's last word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The step that decided, and how; `None`: every step that ran passed.
    pub decided_by: Option<(u16, StepEnd)>,
    /// TERM came before the end. Never when every step passed.
    pub cancelled: bool,
    /// SHA-256 (hex) and length of all `Output` bytes, in order.
    pub output_sha256: String,
    pub output_bytes: u64,
    /// What the container used at most, where it can be known.
    pub peak_memory_bytes: Option<u64>,
}

/// Why bytes are no frames.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("no frame starts here")]
    NoMagic,
    #[error("unknown kind of frame {0}")]
    UnknownKind(u8),
    #[error("payload of {0} bytes, more than any frame has")]
    TooLong(usize),
    #[error("frame {found} where {expected} should come")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("{0}")]
    BadPayload(&'static str),
    /// Only in [`text`].
    #[error("a line that is no frame: {0}")]
    BadLine(&'static str),
}

impl Frame {
    /// Appends the frame's bytes to `out`. An `Output` of more than [`MAX_PAYLOAD`] bytes has to be split before.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let (kind, step) = self.body.kind_and_step();
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        match &self.body {
            Body::Ready | Body::StepStarted { .. } => {}
            Body::Output { bytes, .. } => out.extend_from_slice(bytes),
            Body::StepEnded { end, .. } => out.extend_from_slice(&json(&end.with_bounded_words())),
            Body::Notice { text } => out.extend_from_slice(bounded(text).replace('\n', " ").as_bytes()),
            Body::File(part) => part.encode_into(out),
            Body::Finished { report } => {
                let decided_by = report.decided_by.as_ref().map(|(step, end)| (*step, end.with_bounded_words()));
                out.extend_from_slice(&json(&Report { decided_by, ..report.clone() }));
            }
        }
        let length = out.len() - start - HEADER;
        debug_assert!(length <= MAX_PAYLOAD, "a frame of {length} bytes");
        out[start..start + HEADER].copy_from_slice(&header(kind, step, length, self.seq, self.at));
    }
}

/// The header of an `Output` frame whose payload the caller writes itself: spares copying the bytes.
pub fn output_header(step: u16, length: usize, seq: u64, at: i64) -> [u8; HEADER] {
    header(Kind::Output, step, length, seq, at)
}

/// Turns bytes into frames, however the bytes are cut. Takes each payload once, straight into its frame, and never
/// allocates more than what has arrived (to the next power of two).
#[derive(Debug)]
pub struct Decoder {
    /// After the last whole frame.
    position: u64,
    expects: Expects,
    /// The frame that is being read: header bytes so far, then the payload so far.
    header: [u8; HEADER],
    header_filled: usize,
    payload: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Expects {
    /// Exactly this number.
    Exactly(u64),
    /// The first may have any, after that they count up.
    AnyFirst,
    /// Never mind: someone else looks at the numbers.
    Anything,
}

impl Decoder {
    /// For a frame file that is read from byte `position` on, which is 0 or the end of a frame. Sequence numbers have
    /// to count up without gaps, from 1 at the start of the file.
    pub fn at(position: u64) -> Self {
        Self::new(position, if position == 0 { Expects::Exactly(1) } else { Expects::AnyFirst })
    }

    /// Looks at no sequence numbers.
    pub fn unordered() -> Self {
        Self::new(0, Expects::Anything)
    }

    fn new(position: u64, expects: Expects) -> Self {
        Self { position, expects, header: [0; HEADER], header_filled: 0, payload: Vec::new() }
    }

    /// The position after the last frame that [`Self::decode`] returned.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether a frame has begun and not ended: bytes after [`Self::position`] that are no whole frame yet.
    pub fn is_mid_frame(&self) -> bool {
        self.header_filled > 0
    }

    /// Takes bytes off the front of `input` until a frame is whole. `None`: all bytes are taken, more are needed.
    /// After an error the decoder is of no use any more.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        if self.header_filled < HEADER {
            let taken = take(input, HEADER - self.header_filled);
            self.header[self.header_filled..self.header_filled + taken.len()].copy_from_slice(taken);
            self.header_filled += taken.len();
            if self.header_filled < HEADER {
                // Garbage shall be noticed at once, not when enough of it has come.
                return match self.header_filled.min(MAGIC.len()) {
                    n if self.header[..n] == MAGIC[..n] => Ok(None),
                    _ => Err(FrameError::NoMagic),
                };
            }
        }
        let head = Head::parse(&self.header)?;
        self.expects.check(head.seq)?;
        let taken = take(input, head.length - self.payload.len());
        if self.payload.is_empty() {
            self.payload.reserve_exact(taken.len());
        }
        self.payload.extend_from_slice(taken);
        if self.payload.len() < head.length {
            return Ok(None);
        }
        let payload = std::mem::take(&mut self.payload);
        self.header_filled = 0;
        let body = body(&head, payload)?;
        self.expects.note(head.seq);
        self.position += (HEADER + head.length) as u64;
        Ok(Some(Frame { seq: head.seq, at: head.at, body }))
    }
}

/// Where a frame stands among those seen before: for transports that repeat themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Next,
    /// Came before: drop it.
    Seen,
    /// `expected` and perhaps more are missing.
    Gap {
        expected: u64,
    },
}

/// The numbers of the frames seen so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sequence {
    last: u64,
}

impl Sequence {
    /// After the frame `last`; 0: none was seen.
    pub fn after(last: u64) -> Self {
        Self { last }
    }

    /// Where `seq` stands; counts it as seen when it is the next.
    pub fn place(&mut self, seq: u64) -> Place {
        if seq <= self.last {
            Place::Seen
        } else if seq == self.last + 1 {
            self.last = seq;
            Place::Next
        } else {
            Place::Gap { expected: self.last + 1 }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ready = 1,
    StepStarted = 2,
    Output = 3,
    StepEnded = 4,
    Notice = 5,
    Finished = 6,
    FileBegins = 7,
    FileBytes = 8,
    FileEnds = 9,
    FileRefused = 10,
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, FrameError> {
        Ok(match byte {
            1 => Self::Ready,
            2 => Self::StepStarted,
            3 => Self::Output,
            4 => Self::StepEnded,
            5 => Self::Notice,
            6 => Self::Finished,
            7 => Self::FileBegins,
            8 => Self::FileBytes,
            9 => Self::FileEnds,
            10 => Self::FileRefused,
            other => return Err(FrameError::UnknownKind(other)),
        })
    }
}

impl Body {
    fn kind_and_step(&self) -> (Kind, u16) {
        match self {
            Self::Ready => (Kind::Ready, 0),
            Self::StepStarted { step } => (Kind::StepStarted, *step),
            Self::Output { step, .. } => (Kind::Output, *step),
            Self::StepEnded { step, .. } => (Kind::StepEnded, *step),
            Self::Notice { .. } => (Kind::Notice, 0),
            Self::File(FilePart::Begins { .. }) => (Kind::FileBegins, 0),
            Self::File(FilePart::Bytes(_)) => (Kind::FileBytes, 0),
            Self::File(FilePart::Ends) => (Kind::FileEnds, 0),
            Self::File(FilePart::Refused { .. }) => (Kind::FileRefused, 0),
            Self::Finished { .. } => (Kind::Finished, 0),
        }
    }
}

impl StepEnd {
    fn with_bounded_words(&self) -> Self {
        match &self.how {
            How::NotStarted(words) => Self { how: How::NotStarted(bounded(words).to_owned()), ..self.clone() },
            _ => self.clone(),
        }
    }
}

impl Expects {
    fn check(self, seq: u64) -> Result<(), FrameError> {
        match self {
            Self::Exactly(expected) if seq != expected => Err(FrameError::OutOfOrder { expected, found: seq }),
            _ => Ok(()),
        }
    }

    fn note(&mut self, seq: u64) {
        if !matches!(self, Self::Anything) {
            *self = Self::Exactly(seq.saturating_add(1));
        }
    }
}

#[derive(Debug)]
struct Head {
    kind: Kind,
    step: u16,
    length: usize,
    seq: u64,
    at: i64,
}

impl Head {
    fn parse(bytes: &[u8; HEADER]) -> Result<Self, FrameError> {
        let (magic, rest) = bytes.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(FrameError::NoMagic);
        }
        let kind = Kind::from_byte(rest[0])?;
        let length = u32::from_be_bytes(part(bytes, 6)) as usize;
        let most = if matches!(kind, Kind::Output | Kind::FileBytes) { MAX_PAYLOAD } else { MAX_TOLD };
        if length > most {
            return Err(FrameError::TooLong(length));
        }
        Ok(Self {
            kind,
            step: u16::from_be_bytes(part(bytes, 4)),
            length,
            seq: u64::from_be_bytes(part(bytes, 10)),
            at: i64::from_be_bytes(part(bytes, 18)),
        })
    }
}

fn part<const N: usize>(bytes: &[u8; HEADER], from: usize) -> [u8; N] {
    bytes[from..from + N].try_into().expect("the slice has N bytes")
}

fn header(kind: Kind, step: u16, length: usize, seq: u64, at: i64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..3].copy_from_slice(&MAGIC);
    bytes[3] = kind as u8;
    bytes[4..6].copy_from_slice(&step.to_be_bytes());
    bytes[6..10].copy_from_slice(&(length as u32).to_be_bytes());
    bytes[10..18].copy_from_slice(&seq.to_be_bytes());
    bytes[18..].copy_from_slice(&at.to_be_bytes());
    bytes
}

fn body(head: &Head, payload: Vec<u8>) -> Result<Body, FrameError> {
    let step = head.step;
    match head.kind {
        Kind::Ready | Kind::StepStarted | Kind::FileEnds if !payload.is_empty() => {
            Err(FrameError::BadPayload("a payload where none goes"))
        }
        Kind::Ready => Ok(Body::Ready),
        Kind::StepStarted => Ok(Body::StepStarted { step }),
        Kind::Output => Ok(Body::Output { step, bytes: payload }),
        Kind::StepEnded => serde_json::from_slice(&payload)
            .map(|end| Body::StepEnded { step, end })
            .map_err(|_| FrameError::BadPayload("the end of a step is not readable")),
        Kind::Notice => match String::from_utf8(payload) {
            Ok(text) if !text.contains('\n') => Ok(Body::Notice { text }),
            _ => Err(FrameError::BadPayload("a notice that is not one line of text")),
        },
        Kind::FileBegins => file::begins(&payload).map(Body::File),
        Kind::FileBytes => Ok(Body::File(FilePart::Bytes(payload))),
        Kind::FileEnds => Ok(Body::File(FilePart::Ends)),
        Kind::FileRefused => file::refused(&payload).map(Body::File),
        Kind::Finished => serde_json::from_slice(&payload)
            .map(|report| Body::Finished { report })
            .map_err(|_| FrameError::BadPayload("the report is not readable")),
    }
}

/// Up to `n` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(n.min(input.len()));
    *input = rest;
    taken
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data with text keys is always JSON")
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(MAX_WORDS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
