//! Where lines start. Must not know marks, steps or times.
//!
//! A record is written at the first line start that is 256 lines or 64 KiB after the last record's. So every line starts
//! less than 64 KiB after the nearest record before it, and the line after one longer than 64 KiB always has a record:
//! giant lines cost nothing. The start of the log is a record that is not written.

use std::io;

use super::records::{Record, Records, take};

/// A line starts less than this after the record before it.
pub(super) const REACH: u64 = 64 << 10;
const LINES: u64 = 256;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineStart {
    pub(super) line: u64,
    pub(super) offset: u64,
}

impl Record for LineStart {
    const SIZE: usize = 16;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.line.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
    }

    fn get(mut bytes: &[u8]) -> Self {
        Self { line: u64::from_be_bytes(take(&mut bytes)), offset: u64::from_be_bytes(take(&mut bytes)) }
    }
}

/// Counts lines and says where records belong, fed with the log's bytes in order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Indexer {
    last: LineStart,
    /// The line that the next byte belongs to.
    current: LineStart,
    bytes: u64,
}

impl Indexer {
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<LineStart>) {
        for feed in memchr::memchr_iter(b'\n', bytes) {
            self.current = LineStart { line: self.current.line + 1, offset: self.bytes + feed as u64 + 1 };
            if self.current.line - self.last.line >= LINES || self.current.offset - self.last.offset >= REACH {
                self.last = self.current;
                out.push(self.current);
            }
        }
        self.bytes += bytes.len() as u64;
    }

    /// The last line has no line feed.
    pub(super) fn open(&self) -> bool {
        self.current.offset < self.bytes
    }

    /// An unterminated last line included.
    pub(super) fn lines(&self) -> u64 {
        self.current.line + u64::from(self.open())
    }
}

impl Records<LineStart> {
    /// The record before or at a place, and the one after, among the first `count`; `low` tells what is before or at it.
    pub(super) fn around(
        &self,
        count: u64,
        low: impl Fn(&LineStart) -> bool,
    ) -> io::Result<(LineStart, Option<LineStart>)> {
        let after = self.partition_point(count, low)?;
        let before = if after == 0 { LineStart::default() } else { self.one(after - 1)? };
        let next = if after < count { Some(self.one(after)?) } else { None };
        Ok((before, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(log: &[u8]) -> Vec<(u64, u64)> {
        let (mut indexer, mut out) = (Indexer::default(), Vec::new());
        indexer.feed(log, &mut out);
        out.iter().map(|start| (start.line, start.offset)).collect()
    }

    #[test]
    fn a_record_each_256_lines_or_64_kib() {
        assert_eq!(starts(&b"\n".repeat(255)), []);
        assert_eq!(starts(&b"\n".repeat(513)), [(256, 256), (512, 512)]);
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        assert_eq!(starts(&line.repeat(63)), []);
        assert_eq!(starts(&line.repeat(129)), [(64, 65_536), (128, 131_072)]);
    }

    #[test]
    fn the_line_after_a_giant_has_a_record() {
        let mut log = vec![b'x'; 300_000];
        assert_eq!(starts(&log), []);
        log.extend_from_slice(b"\nnext\n");
        assert_eq!(starts(&log), [(1, 300_001)]);
    }

    #[test]
    fn how_the_log_is_cut_into_chunks_does_not_matter() {
        let log: Vec<u8> = (0u32..200_000).map(|n| if n.is_multiple_of(37) { b'\n' } else { b'x' }).collect();
        let (mut indexer, mut out) = (Indexer::default(), Vec::new());
        for chunk in log.chunks(1009) {
            indexer.feed(chunk, &mut out);
        }
        assert_eq!(out.iter().map(|start| (start.line, start.offset)).collect::<Vec<_>>(), starts(&log));
        assert_eq!(indexer.lines(), 5407);
        assert!(indexer.open());
    }
}
