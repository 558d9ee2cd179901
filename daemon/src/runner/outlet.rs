//! Where frames leave the runner: numbered, counted, hashed, and written whatever it takes. A transport that cannot take
//! more makes everything wait (and so, in the end, the step that writes); nothing is dropped. Must not know where the
//! bytes come from.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::frame::{Body, Frame, HEADER, Report, StepEnd, output_header, text};
use crate::plan::Transport;

/// Output waits this long for more to come, where each frame has its price.
const HOLD: Duration = Duration::from_millis(30);

/// Bytes of a file in one frame.
const FILE_PIECE: usize = 64 << 10;

/// Between attempts to write to a full disk: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

#[derive(Debug)]
pub(super) struct Outlet {
    way: Way,
    /// The number of the last frame.
    seq: u64,
    hash: Sha256,
    output_bytes: u64,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    File(File),
    /// Lines of text; output is held back for a moment.
    Stdout {
        held: Option<Held>,
        line: Vec<u8>,
    },
}

#[derive(Debug)]
struct Held {
    step: u16,
    at: i64,
    since: Instant,
    bytes: Vec<u8>,
}

impl Outlet {
    pub(super) fn open(transport: &Transport) -> io::Result<Self> {
        let way = match transport {
            // std opens files close-on-exec: no step inherits it.
            Transport::File(path) => Way::File(OpenOptions::new().append(true).create(true).open(path)?),
            Transport::Stdout => Way::Stdout { held: None, line: Vec::new() },
        };
        Ok(Self { way, seq: 0, hash: Sha256::new(), output_bytes: 0, scratch: Vec::new() })
    }

    /// Tells anything but output, at once.
    pub(super) fn say(&mut self, body: Body) -> io::Result<()> {
        self.flush()?;
        self.seq += 1;
        self.scratch.clear();
        Frame { seq: self.seq, at: now(), body }.encode_into(&mut self.scratch);
        match &mut self.way {
            Way::File(file) => write_patiently(file, &self.scratch),
            Way::Stdout { line, .. } => write_line(line, &self.scratch),
        }
    }

    /// Tells the last word.
    pub(super) fn finish(
        &mut self,
        decided_by: Option<(u16, StepEnd)>,
        cancelled: bool,
        peak_memory_bytes: Option<u64>,
    ) -> io::Result<()> {
        let report = Report {
            decided_by,
            cancelled,
            output_sha256: hex::encode(self.hash.finalize_reset()),
            output_bytes: self.output_bytes,
            peak_memory_bytes,
        };
        self.say(Body::Finished { report })
    }

    /// Output of a step. It begins at [`HEADER`] in `buffer`; the bytes before that are the outlet's own, so that
    /// header and payload go out in one piece and nothing is copied.
    pub(super) fn output(&mut self, step: u16, buffer: &mut [u8]) -> io::Result<()> {
        let (room, bytes) = buffer.split_at_mut(HEADER);
        if bytes.is_empty() {
            return Ok(());
        }
        self.hash.update(&*bytes);
        self.output_bytes += bytes.len() as u64;
        match &mut self.way {
            Way::File(file) => {
                self.seq += 1;
                room.copy_from_slice(&output_header(step, bytes.len(), self.seq, now()));
                write_patiently(file, buffer)
            }
            Way::Stdout { .. } => self.hold(step, bytes),
        }
    }

    /// How many bytes of a file fit into one frame here.
    pub(super) fn most_at_once(&self) -> usize {
        match self.way {
            Way::File(_) => FILE_PIECE,
            Way::Stdout { .. } => text::MAX_OUTPUT,
        }
    }

    /// When [`Self::flush`] has to be called, if nothing else happens before.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        match &self.way {
            Way::Stdout { held: Some(held), .. } => Some(held.since + HOLD),
            _ => None,
        }
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Way::Stdout { held, line } = &mut self.way else { return Ok(()) };
        let Some(held) = held.take() else { return Ok(()) };
        self.seq += 1;
        self.scratch.clear();
        self.scratch.extend_from_slice(&output_header(held.step, held.bytes.len(), self.seq, held.at));
        self.scratch.extend_from_slice(&held.bytes);
        write_line(line, &self.scratch)
    }

    fn hold(&mut self, step: u16, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Way::Stdout { held, .. } = &mut self.way else { return Ok(()) };
            let held = held.get_or_insert_with(|| Held { step, at: now(), since: Instant::now(), bytes: Vec::new() });
            let (now, later) = bytes.split_at(bytes.len().min(text::MAX_OUTPUT - held.bytes.len()));
            held.bytes.extend_from_slice(now);
            bytes = later;
            if held.bytes.len() == text::MAX_OUTPUT {
                self.flush()?;
            }
        }
        Ok(())
    }
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn write_line(line: &mut Vec<u8>, frames: &[u8]) -> io::Result<()> {
    line.clear();
    text::encode_line(frames, line);
    let mut stdout = io::stdout().lock();
    write_patiently(&mut stdout, line)?;
    stdout.flush()
}

/// Writes everything. A full disk is waited for, as long as it takes: the daemon may make room, or end us.
fn write_patiently(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    let mut pause = BACK_OFF.0;
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                pause = BACK_OFF.0;
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory | ErrorKind::WouldBlock => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(BACK_OFF.1);
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as a full disk does, in between takes one byte at a time.
    #[derive(Default)]
    struct Full {
        taken: Vec<u8>,
        calls: u32,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => Err(ErrorKind::StorageFull.into()),
                1 => Err(ErrorKind::Interrupted.into()),
                _ => {
                    self.taken.push(bytes[0]);
                    Ok(1)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_and_repeats_nothing() {
        let mut full = Full::default();
        write_patiently(&mut full, b"all of this").expect("in the end");
        assert_eq!(full.taken, b"all of this");
    }

    #[test]
    fn a_closed_pipe_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        drop(reader);
        let failed = write_patiently(&mut writer, b"x").map_err(|error| error.kind());
        assert_eq!(failed, Err(ErrorKind::BrokenPipe));
    }
}
