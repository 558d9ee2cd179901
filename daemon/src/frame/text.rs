//! Frames as lines of text: for engines that only keep a container's output as text lines (Docker's json-file replaces
//! bytes that are not UTF-8 and stores each line by itself). A line is the base64 of one or more whole frames, so that
//! reading can begin at any line; lines may come twice after a reconnection. Must not know where the lines come from.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

use super::{Decoder, Frame, FrameError, HEADER, Place, Sequence};

/// No line is longer, its line feed included: Docker splits entries at 16,384 bytes.
pub const MAX_LINE: usize = 16_000;

/// This many bytes of frames fit into a line.
pub const MAX_FRAMES: usize = (MAX_LINE - 1) / 4 * 3;

/// This many bytes of output fit into a frame that fits into a line.
pub const MAX_OUTPUT: usize = MAX_FRAMES - HEADER;

/// Appends whole frames, at most [`MAX_FRAMES`] bytes of them, to `out` as one line.
pub fn encode_line(frames: &[u8], out: &mut Vec<u8>) {
    debug_assert!(frames.len() <= MAX_FRAMES, "{} bytes of frames in a line", frames.len());
    let start = out.len();
    out.resize(start + frames.len().div_ceil(3) * 4, 0);
    let written = BASE64.encode_slice(frames, &mut out[start..]).expect("there are 4 bytes for each 3");
    out.truncate(start + written);
    out.push(b'\n');
}

/// Turns lines into frames, however the bytes are cut. Drops what was seen before; a gap is
/// [`FrameError::OutOfOrder`]: fetch again from the start.
#[derive(Debug)]
pub struct TextDecoder {
    sequence: Sequence,
    line: Vec<u8>,
    ready: VecDeque<Frame>,
}

impl TextDecoder {
    /// For lines of which all frames up to number `last` are known already; 0: none.
    pub fn after(last: u64) -> Self {
        Self { sequence: Sequence::after(last), line: Vec::new(), ready: VecDeque::new() }
    }

    /// Takes bytes off the front of `input` until a frame is whole. `None`: all bytes are taken, more are needed.
    /// After an error the decoder is of no use any more.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            let Some(end) = memchr::memchr(b'\n', input) else {
                self.add_to_line(input)?;
                *input = &[];
                return Ok(None);
            };
            self.add_to_line(&input[..end])?;
            *input = &input[end + 1..];
            self.read_line()?;
        }
    }

    fn add_to_line(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if self.line.len() + bytes.len() >= MAX_LINE {
            return Err(FrameError::BadLine("too long"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn read_line(&mut self) -> Result<(), FrameError> {
        let bytes = BASE64.decode(&self.line).map_err(|_| FrameError::BadLine("not base64"))?;
        self.line.clear();
        let mut decoder = Decoder::unordered();
        let mut rest = &bytes[..];
        while let Some(frame) = decoder.decode(&mut rest)? {
            match self.sequence.place(frame.seq) {
                Place::Next => self.ready.push_back(frame),
                Place::Seen => {}
                Place::Gap { expected } => return Err(FrameError::OutOfOrder { expected, found: frame.seq }),
            }
        }
        if decoder.is_mid_frame() { Err(FrameError::BadLine("half a frame")) } else { Ok(()) }
    }
}
