//! Appends to one log. Must not know who reads it.
//!
//! Every call either happens wholly or, when it returns an error, not at all: the same call can be made again once there
//! is room on the disk. After a kill in the middle of a call, it did not happen either: [`LogWriter::position`] tells from
//! where the frames are wanted again.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use windlass_protocol::id::AttemptId;
use windlass_protocol::log::NO_STEP;

use super::files::Files;
use super::index::{Indexer, LineStart};
use super::marks::{Kind, Mark};
use super::recover::Recovered;
use super::watch::Extent;
use super::{LogError, Shared, lock};
use crate::failpoint::{self, Sabotage};

/// What the runner's notices may take beyond the cap, and the daemon's beyond that: a full log still tells how its job ended.
const NOTICE_ROOM: u64 = 64 << 10;

/// Marks that every log may have, and bytes that allow one more. A job that writes byte by byte gets no more marks than
/// this: its appends share them then, and with them step and time.
const FREE_MARKS: u64 = 64 << 10;
const BYTES_A_MARK: u64 = 64;

/// The one who writes a log. Dropping it leaves the log unfinished, to be opened again.
#[derive(Debug)]
pub struct LogWriter {
    id: AttemptId,
    pub(super) files: Files,
    shared: Arc<Shared>,
    cap: u64,
    extent: Extent,
    indexer: Indexer,
    hash: Sha256,
    /// Of what steps wrote, as far as it is stored.
    output_hash: Sha256,
    /// The newest mark: it may be written over to say more.
    last: Option<Mark>,
    position: u64,
    dropped: u64,
    output: u64,
}

/// A log in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSummary {
    /// An unterminated last line included.
    pub lines: u64,
    /// Of the stored log, notices included.
    pub bytes: u64,
    /// Of the stored log, in hexadecimal.
    pub sha256: String,
    /// What steps wrote, stored or not: to be compared with what the runner says it sent.
    pub output_bytes: u64,
    /// How much of that the cap left out.
    pub dropped_bytes: u64,
}

/// One append, to be made in one go.
struct Append<'a> {
    kind: Kind,
    step: u16,
    at: i64,
    position: u64,
    bytes: &'a [u8],
    /// Left out after `bytes`.
    dropped: u64,
    /// May share a mark when there are too many.
    frugal: bool,
}

impl LogWriter {
    pub(super) fn new(
        id: AttemptId,
        files: Files,
        recovered: Recovered,
        cap: Option<u64>,
        shared: Arc<Shared>,
    ) -> Self {
        let Recovered { extent, indexer, hash, output_hash, last, dropped, output } = recovered;
        shared.extent.set(Some(extent));
        let (position, cap) = (last.map_or(0, |mark| mark.position), cap.unwrap_or(u64::MAX));
        Self { id, files, shared, cap, extent, indexer, hash, output_hash, last, position, dropped, output }
    }

    /// Bytes that a step wrote, from the frame that ends at `position`.
    pub fn append(&mut self, step: u16, at: i64, bytes: &[u8], position: u64) -> Result<(), LogError> {
        let bytes = match bytes {
            [most @ .., _] if failpoint::is_sabotaged(Sabotage::TruncateLog) && !most.is_empty() => most,
            all => all,
        };
        // Once something was left out, all that follows is, even if the cap was raised since: one gap, at the end.
        let room = if self.dropped > 0 { 0 } else { self.cap.saturating_sub(self.extent.bytes) };
        let kept = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (bytes, dropped) = (&bytes[..kept], (bytes.len() - kept) as u64);
        self.commit(Append { kind: Kind::Output, step, at, position, bytes, dropped, frugal: true })
    }

    /// A step begins, by the frame that ends at `position`. Steps without output are known by this.
    pub fn step_started(&mut self, step: u16, at: i64, position: u64) -> Result<(), LogError> {
        self.commit(Append { kind: Kind::Step, step, at, position, bytes: &[], dropped: 0, frugal: true })
    }

    /// A line of the daemon's own, without line feed. It starts on a fresh line.
    pub fn notice(&mut self, at: i64, text: &str) -> Result<(), LogError> {
        self.say(Kind::Notice, at, text, self.position, false)
    }

    /// A line of the runner's own, from the frame that ends at `position`.
    pub fn runner_notice(&mut self, at: i64, text: &str, position: u64) -> Result<(), LogError> {
        self.say(Kind::Notice, at, text, position, true)
    }

    #[must_use]
    pub fn id(&self) -> &AttemptId {
        &self.id
    }

    /// Frames are stored up to here; after a crash they are wanted from here on. 0: none are. Frames that write nothing
    /// (a step's end) do not move it: they may come again.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.extent.finished
    }

    #[must_use]
    pub fn summary(&self) -> LogSummary {
        LogSummary {
            lines: self.extent.lines,
            bytes: self.extent.bytes,
            sha256: hex::encode(self.hash.clone().finalize()),
            output_bytes: self.output,
            dropped_bytes: self.dropped,
        }
    }

    /// Of exactly the bytes that steps wrote, without notices, in hexadecimal; `None` once the cap has left something out.
    /// To be compared with what the runner says it sent.
    #[must_use]
    pub fn output_sha256(&self) -> Option<String> {
        (self.dropped == 0).then(|| hex::encode(self.output_hash.clone().finalize()))
    }

    /// Nothing follows. A log that left something out says so in its last line. Finishing again is fine.
    pub fn finish(&mut self, at: i64) -> Result<LogSummary, LogError> {
        if !self.extent.finished {
            let Extent { bytes, records, marks, .. } = self.extent;
            self.files.truncate(bytes, records, marks).map_err(|source| self.failed(source))?;
            if self.dropped > 0 {
                let text = format!(
                    "[windlass] output was cut after {} bytes: {} more are not in this log",
                    self.output - self.dropped,
                    self.dropped
                );
                self.say(Kind::Gap, at, &text, self.position, false)?;
            } else {
                let (kind, position) = (Kind::Finished, self.position);
                self.commit(Append { kind, step: NO_STEP, at, position, bytes: &[], dropped: 0, frugal: false })?;
            }
        }
        Ok(self.summary())
    }

    /// Waits until everything is on the disk, also for a loss of power. Appending does not need it against a kill.
    pub fn sync(&self) -> Result<(), LogError> {
        self.files.sync().map_err(|source| self.failed(source))
    }

    fn say(&mut self, kind: Kind, at: i64, text: &str, position: u64, frugal: bool) -> Result<(), LogError> {
        let mut line = String::with_capacity(text.len() + 2);
        let fresh = if self.extent.open { "\n" } else { "" };
        writeln!(line, "{fresh}{text}").expect("a String takes everything");
        let room = if frugal { NOTICE_ROOM } else { 2 * NOTICE_ROOM };
        if kind == Kind::Notice && self.extent.bytes + line.len() as u64 > self.cap.saturating_add(room) {
            return if self.extent.finished { Err(self.finished()) } else { Ok(()) };
        }
        // Output and notices never share a mark, so this is what bounds a job that makes them take turns.
        let most = 2 * FREE_MARKS + self.extent.bytes / BYTES_A_MARK;
        if frugal && self.extent.marks >= most && self.last.is_none_or(|mark| mark.kind != Kind::Notice) {
            return if self.extent.finished { Err(self.finished()) } else { Ok(()) };
        }
        let bytes = line.as_bytes();
        self.commit(Append { kind, step: NO_STEP, at, position, bytes, dropped: 0, frugal })
    }

    fn commit(&mut self, append: Append<'_>) -> Result<(), LogError> {
        if self.extent.finished {
            return Err(self.finished());
        }
        let (mut indexer, mut starts) = (self.indexer, Vec::new());
        indexer.feed(append.bytes, &mut starts);
        let dropped = self.dropped + append.dropped;
        let Extent { bytes, records, .. } = self.extent;
        let (first_mark, marks) = self.marks_for(&append, dropped, records + starts.len() as u64);
        let written = self.write(&append, &starts, first_mark, &marks);
        if let Err(source) = written {
            // What was written of it does not count, and is written over by the next try; this only gives back the room.
            let _ = self.files.truncate(bytes, records, self.extent.marks);
            return Err(self.failed(source));
        }
        self.hash.update(append.bytes);
        self.indexer = indexer;
        self.last = marks.last().copied();
        self.position = append.position;
        self.dropped = dropped;
        if append.kind == Kind::Output {
            if dropped == 0 {
                self.output_hash.update(append.bytes);
            }
            self.output += append.bytes.len() as u64 + append.dropped;
        }
        self.extent = Extent {
            bytes: bytes + append.bytes.len() as u64,
            lines: indexer.lines(),
            open: indexer.open(),
            records: records + starts.len() as u64,
            marks: first_mark + marks.len() as u64,
            finished: matches!(append.kind, Kind::Finished | Kind::Gap),
        };
        self.shared.extent.set(Some(self.extent));
        Ok(())
    }

    /// In the order in which a kill in between does no harm: the mark counts.
    fn write(&self, append: &Append<'_>, starts: &[LineStart], first_mark: u64, marks: &[Mark]) -> io::Result<()> {
        let Extent { bytes, records, .. } = self.extent;
        self.files.log.write(bytes, append.bytes)?;
        failpoint::reached!("log.bytes");
        self.files.index.write(records, starts)?;
        failpoint::reached!("log.index");
        self.files.marks.write(first_mark, marks)?;
        failpoint::reached!("log.marked");
        Ok(())
    }

    /// The marks that make an append valid, and the number of the first: new ones, or the last one saying more.
    /// `records` are those in the index afterwards.
    fn marks_for(&self, append: &Append<'_>, dropped: u64, records: u64) -> (u64, Vec<Mark>) {
        let Append { kind, step, at, position, .. } = *append;
        let Extent { bytes: end, marks: count, .. } = self.extent;
        let length = append.bytes.len() as u64;
        let new = |kind, offset, length, more| Mark { kind, offset, length, position, at, step, more, sound: true };
        let crowded = append.frugal && count >= FREE_MARKS + end / BYTES_A_MARK;
        if let Some(last) = self.last {
            let replaced = Some(count - 1);
            // Same step, same millisecond: one mark says it all.
            let same = last.kind == Kind::Output && kind == Kind::Output && last.step == step && last.at == at;
            // Never one of another kind: what steps wrote must remain known.
            let shared = same || (crowded && last.kind == kind);
            let longer = match kind {
                Kind::Output | Kind::Notice if append.dropped == 0 && shared => replaced,
                Kind::Step if crowded => replaced,
                _ => None,
            };
            if let Some(number) = longer {
                return (number, vec![Mark { length: last.length + length, position, ..last }]);
            }
            if last.kind == Kind::Dropped && kind == Kind::Output && length == 0 {
                return (count - 1, vec![Mark { length: dropped, position, ..last }]);
            }
        }
        let marks = match kind {
            Kind::Output if append.dropped > 0 && length == 0 => vec![new(Kind::Dropped, end, dropped, false)],
            Kind::Output if append.dropped > 0 => {
                vec![new(Kind::Output, end, length, true), new(Kind::Dropped, end + length, dropped, false)]
            }
            Kind::Gap => vec![new(kind, end, length, true), new(Kind::Finished, end + length, records, false)],
            Kind::Finished => vec![new(kind, end, records, false)],
            kind => vec![new(kind, end, length, false)],
        };
        (count, marks)
    }

    fn failed(&self, source: io::Error) -> LogError {
        LogError::io("write the log in", &self.files.folder, source)
    }

    fn finished(&self) -> LogError {
        LogError::Finished { id: self.id.clone() }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        lock(&self.shared.usage).written = false;
    }
}
