//! Reads any part of one log, finished or growing. Must not know who writes it, and never waits.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use windlass_protocol::id::AttemptId;
use windlass_protocol::log::LogLine;

use super::files::Files;
use super::lines::{self, Lines};
use super::marks::Kind;
use super::search::{self, Found, Pattern, Search};
use super::watch::Extent;
use super::{LogError, Shared};

/// Each call sees the log as far as it is complete at that moment. Reads files: not for a thread that must not block.
#[derive(Debug)]
pub struct LogReader {
    id: AttemptId,
    pub(super) files: Files,
    pub(super) shared: Arc<Shared>,
    /// Of the log that was opened.
    pub(super) removals: u64,
}

/// How long a log is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// An unterminated last line included.
    pub lines: u64,
    pub bytes: u64,
    /// Nothing follows.
    pub finished: bool,
}

/// Where a step starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepStart {
    pub step: u16,
    pub at: i64,
    /// The line that holds its first byte, or would: another step's, when that one left its last line open.
    pub line: u64,
    pub offset: u64,
}

const BATCH: u64 = 4096;

impl LogReader {
    /// While nobody can remove the log: under the lock of its usage.
    pub(super) fn new(id: AttemptId, files: Files, shared: Arc<Shared>) -> Self {
        let removals = shared.removals.load(Ordering::Acquire);
        Self { id, files, shared, removals }
    }

    #[must_use]
    pub fn head(&self) -> Head {
        let Extent { lines, bytes, finished, .. } = self.extent();
        Head { lines, bytes, finished }
    }

    /// Lines from `first` on, as far as they exist: at most `count`, and no more than fit into `max_bytes`, but one.
    pub fn lines(&self, first: u64, count: usize, max_bytes: usize) -> Result<Vec<LogLine>, LogError> {
        let read = || {
            let extent = self.extent();
            let (mut out, mut size) = (Vec::new(), 0);
            if first >= extent.lines || count == 0 {
                return Ok(out);
            }
            let mut lines = Lines::from(&self.files, extent, first)?;
            while out.len() < count
                && let Some(line) = lines.next()?
            {
                size += line.bytes.len();
                if size > max_bytes && !out.is_empty() {
                    break;
                }
                out.push(line);
            }
            Ok(out)
        };
        read().map_err(|source| self.failed(source))
    }

    /// The last lines, and the number of the first of them: at most `count`, and no more than fit into `max_bytes`, but one.
    pub fn tail(&self, count: usize, max_bytes: usize) -> Result<(u64, Vec<LogLine>), LogError> {
        let read = || {
            let extent = self.extent();
            let first = extent.lines.saturating_sub(count as u64);
            let (mut out, mut size) = (VecDeque::new(), 0);
            let mut lines = Lines::from(&self.files, extent, first)?;
            while let Some(line) = lines.next()? {
                size += line.bytes.len();
                out.push_back(line);
                while size > max_bytes && out.len() > 1 {
                    size -= out.pop_front().map_or(0, |line: LogLine| line.bytes.len());
                }
            }
            Ok((extent.lines - out.len() as u64, out.into()))
        };
        read().map_err(|source| self.failed(source))
    }

    /// The log's own bytes from `from` on, as far as they exist, at most `max`; of a removed log none, which is an error.
    pub fn bytes(&self, from: u64, max: usize) -> Result<Vec<u8>, LogError> {
        let extent = self.present().ok_or_else(|| LogError::Missing { id: self.id.clone() })?;
        let end = extent.bytes.min(from.saturating_add(max as u64));
        let mut out = Vec::new();
        if from < end {
            self.files.log.read(from, end, &mut out).map_err(|source| self.failed(source))?;
        }
        Ok(out)
    }

    /// The bytes of one line, without its line feed, from its byte `from` on: at most `max`. None of a line that is not there.
    pub fn line_bytes(&self, line: u64, from: u64, max: usize) -> Result<Vec<u8>, LogError> {
        let read = || {
            let (extent, mut out) = (self.extent(), Vec::new());
            if line >= extent.lines {
                return Ok(out);
            }
            let start = lines::start_of(&self.files, &extent, line)?;
            let open = line + 1 == extent.lines && extent.open;
            let end = lines::start_of(&self.files, &extent, line + 1)? - u64::from(!open);
            let from = start.saturating_add(from).min(end);
            self.files.log.read(from, end.min(from.saturating_add(max as u64)), &mut out)?;
            Ok(out)
        };
        read().map_err(|source| self.failed(source))
    }

    /// Where a line begins; the log's end for one that is not there.
    pub fn line_start(&self, line: u64) -> Result<u64, LogError> {
        lines::start_of(&self.files, &self.extent(), line).map_err(|source| self.failed(source))
    }

    /// The steps that started, in order.
    pub fn steps(&self) -> Result<Vec<StepStart>, LogError> {
        let read = || {
            let extent = self.extent();
            let (mut out, mut next) = (Vec::new(), 0);
            while next < extent.marks {
                let batch = usize::try_from((extent.marks - next).min(BATCH)).expect("at most BATCH");
                for mark in self.files.marks.some(next, batch)? {
                    if mark.kind == Kind::Step {
                        let line = lines::line_of(&self.files, &extent, mark.offset)?;
                        out.push(StepStart { step: mark.step, at: mark.at, line, offset: mark.offset });
                    }
                }
                next += batch as u64;
            }
            Ok(out)
        };
        read().map_err(|source| self.failed(source))
    }

    /// Lines that match; see [`Search`]. Looks at each of them, whatever is known already.
    pub fn search(&self, pattern: &Pattern, search: &Search<'_>) -> Result<Found, LogError> {
        search::search(&self.files, &self.extent(), pattern, search).map_err(|source| self.failed(source))
    }

    /// Of a removed log nothing is known, but that nothing follows.
    pub(super) fn extent(&self) -> Extent {
        self.present().unwrap_or(Extent { finished: true, ..Extent::default() })
    }

    /// `None`: the log was removed. What was put in its place meanwhile is not in the files that are open here.
    fn present(&self) -> Option<Extent> {
        let extent = self.shared.extent.get();
        extent.filter(|_| self.shared.removals.load(Ordering::Acquire) == self.removals)
    }

    pub(super) fn failed(&self, source: io::Error) -> LogError {
        LogError::io("read the log in", &self.files.folder, source)
    }
}
