//! Log lines and log bytes as binary WebSocket frames. Integers are big-endian. Must not know where logs are kept.
//!
//! Lines: `1u8, sub u32, first line u64, count u32`, then for each line `time (epoch ms) i64, step u16, flags u8,
//! raw length u64, sent length u32, bytes`. Lines are consecutive. Bytes: `2u8, sub u32, offset u64, bytes`.

use crate::live::Sub;

/// The most bytes of one line that are sent; `raw_length` tells how long it really is.
pub const LINE_CAP: usize = 16 * 1024;

/// Step number of lines that belong to no step: the daemon's and the runner's own words.
pub const NO_STEP: u16 = u16::MAX;

const LINES: u8 = 1;
const BYTES: u8 = 2;
const FLAG_OPEN: u8 = 1;

/// One line, without its line feed. The bytes are exactly those the step wrote: hostile until made safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When its first byte came, milliseconds since the epoch.
    pub at: i64,
    /// Index of the step that wrote it, or [`NO_STEP`].
    pub step: u16,
    /// No line feed yet: more may come.
    pub open: bool,
    /// Length of the whole line; larger than `bytes.len()` when it was cut at [`LINE_CAP`].
    pub raw_length: u64,
    pub bytes: Vec<u8>,
}

/// A binary frame of the live socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFrame {
    Lines { sub: Sub, first: u64, lines: Vec<LogLine> },
    Bytes { sub: Sub, offset: u64, bytes: Vec<u8> },
}

/// Why bytes are no [`LogFrame`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadFrame {
    #[error("frame ends in the middle")]
    Short,
    #[error("frame of unknown kind {0}")]
    Kind(u8),
    #[error("{0} bytes after the frame's end")]
    Trailing(usize),
}

impl LogFrame {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Lines { sub, first, lines } => {
                let size: usize = lines.iter().map(|line| 23 + line.bytes.len()).sum();
                let mut out = Vec::with_capacity(17 + size);
                out.push(LINES);
                out.extend_from_slice(&sub.to_be_bytes());
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&u32::try_from(lines.len()).unwrap_or(u32::MAX).to_be_bytes());
                for line in lines {
                    out.extend_from_slice(&line.at.to_be_bytes());
                    out.extend_from_slice(&line.step.to_be_bytes());
                    out.push(if line.open { FLAG_OPEN } else { 0 });
                    out.extend_from_slice(&line.raw_length.to_be_bytes());
                    out.extend_from_slice(&u32::try_from(line.bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
                    out.extend_from_slice(&line.bytes);
                }
                out
            }
            Self::Bytes { sub, offset, bytes } => {
                let mut out = Vec::with_capacity(13 + bytes.len());
                out.push(BYTES);
                out.extend_from_slice(&sub.to_be_bytes());
                out.extend_from_slice(&offset.to_be_bytes());
                out.extend_from_slice(bytes);
                out
            }
        }
    }

    pub fn decode(frame: &[u8]) -> Result<Self, BadFrame> {
        let mut rest = frame;
        match u8::from_be_bytes(take(&mut rest)?) {
            LINES => {
                let sub = u32::from_be_bytes(take(&mut rest)?);
                let first = u64::from_be_bytes(take(&mut rest)?);
                let count = u32::from_be_bytes(take(&mut rest)?);
                let mut lines = Vec::new(); // not with_capacity(count): the count is the other side's word
                for _ in 0..count {
                    let at = i64::from_be_bytes(take(&mut rest)?);
                    let step = u16::from_be_bytes(take(&mut rest)?);
                    let flags = u8::from_be_bytes(take(&mut rest)?);
                    let raw_length = u64::from_be_bytes(take(&mut rest)?);
                    let length = u32::from_be_bytes(take(&mut rest)?);
                    let length = usize::try_from(length).map_err(|_| BadFrame::Short)?;
                    let (bytes, after) = rest.split_at_checked(length).ok_or(BadFrame::Short)?;
                    rest = after;
                    lines.push(LogLine { at, step, open: flags & FLAG_OPEN != 0, raw_length, bytes: bytes.to_vec() });
                }
                if !rest.is_empty() {
                    return Err(BadFrame::Trailing(rest.len()));
                }
                Ok(Self::Lines { sub, first, lines })
            }
            BYTES => {
                let sub = u32::from_be_bytes(take(&mut rest)?);
                let offset = u64::from_be_bytes(take(&mut rest)?);
                Ok(Self::Bytes { sub, offset, bytes: rest.to_vec() })
            }
            kind => Err(BadFrame::Kind(kind)),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadFrame> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(BadFrame::Short)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_line() -> impl Strategy<Value = LogLine> {
        (any::<i64>(), any::<u16>(), any::<bool>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(at, step, open, raw_length, bytes)| LogLine { at, step, open, raw_length, bytes })
    }

    proptest! {
        #[test]
        fn lines_come_back(sub: u32, first: u64, lines in proptest::collection::vec(any_line(), 0..8)) {
            let frame = LogFrame::Lines { sub, first, lines };
            prop_assert_eq!(LogFrame::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn bytes_come_back(sub: u32, offset: u64, bytes: Vec<u8>) {
            let frame = LogFrame::Bytes { sub, offset, bytes };
            prop_assert_eq!(LogFrame::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn nonsense_is_refused_without_a_panic(bytes: Vec<u8>) {
            if let Ok(frame) = LogFrame::decode(&bytes) {
                prop_assert_eq!(LogFrame::decode(&frame.encode()), Ok(frame));
            }
        }

        #[test]
        fn a_cut_frame_is_refused(lines in proptest::collection::vec(any_line(), 1..4), cut in 1usize..20) {
            let whole = LogFrame::Lines { sub: 1, first: 0, lines }.encode();
            let cut = whole.len().saturating_sub(cut);
            prop_assert_eq!(LogFrame::decode(&whole[..cut]), Err(BadFrame::Short));
        }
    }
}
