//! Goes through a log line by line from any line on, with each line's step and time. Must not know who wants them.

use std::io;

use windlass_protocol::log::{LINE_CAP, LogLine};

use super::damaged;
use super::files::Files;
use super::index::REACH;
use super::marks::Marks;
use super::watch::Extent;

/// Where a line starts; `line` must exist, or be the one after the last.
pub(super) fn start_of(files: &Files, extent: &Extent, line: u64) -> io::Result<u64> {
    if line >= extent.lines {
        return Ok(extent.bytes);
    }
    let (before, _) = files.index.around(extent.records, |start| start.line <= line)?;
    let Some(skip) = (line - before.line).checked_sub(1) else { return Ok(before.offset) };
    let mut buffer = Vec::new();
    files.log.read(before.offset, extent.bytes.min(before.offset + REACH), &mut buffer)?;
    let skip = usize::try_from(skip).map_err(|_| damaged("the index does not fit the log"))?;
    let feed = memchr::memchr_iter(b'\n', &buffer).nth(skip);
    feed.map(|feed| before.offset + feed as u64 + 1).ok_or_else(|| damaged("the index does not fit the log"))
}

/// The line that the byte at `offset` belongs to, or would belong to.
pub(super) fn line_of(files: &Files, extent: &Extent, offset: u64) -> io::Result<u64> {
    let (before, _) = files.index.around(extent.records, |start| start.offset <= offset)?;
    let mut buffer = Vec::new();
    // A line that starts further away would have a record of its own.
    files.log.read(before.offset, offset.min(before.offset + REACH), &mut buffer)?;
    Ok(before.line + memchr::memchr_iter(b'\n', &buffer).count() as u64)
}

pub(super) struct Lines<'a> {
    files: &'a Files,
    extent: Extent,
    marks: Marks<'a>,
    line: u64,
    offset: u64,
    /// Bytes of the log from `window_at` on.
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn from(files: &'a Files, extent: Extent, line: u64) -> io::Result<Self> {
        let offset = start_of(files, &extent, line)?;
        let marks = Marks::new(&files.marks, extent.marks);
        Ok(Self { files, extent, marks, line, offset, window: Vec::new(), window_at: offset })
    }

    pub(super) fn next(&mut self) -> io::Result<Option<LogLine>> {
        let start = self.offset;
        if start >= self.extent.bytes {
            return Ok(None);
        }
        let (length, terminated) = self.measure()?;
        let (step, at) = self.marks.covering(start)?;
        let rest = self.rest();
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(LINE_CAP);
        let bytes = rest[..kept].to_vec();
        self.offset = start + length + u64::from(terminated);
        self.line += 1;
        let open = !terminated && !self.extent.finished;
        Ok(Some(LogLine { at, step, open, raw_length: length, bytes }))
    }

    /// The present line's length, and whether a line feed ends it. Its first bytes are in the window afterwards.
    fn measure(&mut self) -> io::Result<(u64, bool)> {
        if let Some(feed) = memchr::memchr(b'\n', self.rest()) {
            return Ok((feed as u64, true));
        }
        let end = self.extent.bytes.min(self.offset + REACH);
        if self.window_at + (self.window.len() as u64) < end {
            self.files.log.read(self.offset, end, &mut self.window)?;
            self.window_at = self.offset;
            if let Some(feed) = memchr::memchr(b'\n', &self.window) {
                return Ok((feed as u64, true));
            }
        }
        if end == self.extent.bytes {
            return Ok((end - self.offset, false));
        }
        // A giant: the line after it has a record, if there is one.
        let after = self.line + 1;
        let (found, _) = self.files.index.around(self.extent.records, |start| start.line <= after)?;
        if found.line == after {
            return Ok((found.offset - 1 - self.offset, true));
        }
        Ok((self.extent.bytes - self.offset, false))
    }

    fn rest(&self) -> &[u8] {
        let from = usize::try_from(self.offset - self.window_at).unwrap_or(usize::MAX);
        self.window.get(from..).unwrap_or_default()
    }
}
