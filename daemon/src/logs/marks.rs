//! Who wrote which bytes when, and up to which frame: one record an append. Must not know lines.
//!
//! 40 bytes each: `offset u64, length u64, position u64, at i64, step u16, kind u8, flags u8, check u32`, big-endian.
//! Marks follow each other without gaps: each begins where the bytes of those before it end. The last mark may be written
//! over by one that says more (it got longer, more was dropped); the check makes a torn one worthless, and the one before
//! it decides then. Readers use only what never changes in a mark: offset, time, step and kind.

use std::io;

use windlass_protocol::log::NO_STEP;

use super::records::{Record, Records, take};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of a step.
    Output,
    /// A line of the daemon's or the runner's own.
    Notice,
    /// A step started. No bytes.
    Step,
    /// The log was at its cap: `length` tells how many bytes are left out up to here, all together. No bytes.
    Dropped,
    /// The last notice of a log that left something out: it says how much. Always written together with the
    /// [`Kind::Finished`] after it, so that nothing can follow what it says.
    Gap,
    /// Nothing follows. `length` is the number of records in `index`. No bytes.
    Finished,
    /// Written by nobody; a damaged record.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: Kind,
    pub(super) offset: u64,
    pub(super) length: u64,
    /// The engine's frame position after this.
    pub(super) position: u64,
    /// Milliseconds since the epoch.
    pub(super) at: i64,
    pub(super) step: u16,
    /// Void unless the next mark is there too.
    pub(super) more: bool,
    /// The check matched when it was read.
    pub(super) sound: bool,
}

impl Mark {
    /// Bytes in `log` that it covers.
    pub(super) fn bytes(&self) -> u64 {
        match self.kind {
            Kind::Output | Kind::Notice | Kind::Gap => self.length,
            Kind::Step | Kind::Dropped | Kind::Finished | Kind::Unknown => 0,
        }
    }
}

const FLAG_MORE: u8 = 1;

impl Record for Mark {
    const SIZE: usize = 40;

    fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
        out.extend_from_slice(&self.at.to_be_bytes());
        out.extend_from_slice(&self.step.to_be_bytes());
        out.push(match self.kind {
            Kind::Output => 1,
            Kind::Notice => 2,
            Kind::Step => 3,
            Kind::Dropped => 4,
            Kind::Gap => 5,
            Kind::Finished => 6,
            Kind::Unknown => 0,
        });
        out.push(if self.more { FLAG_MORE } else { 0 });
        let check = check(&out[start..]);
        out.extend_from_slice(&check.to_be_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let offset = u64::from_be_bytes(take(&mut rest));
        let length = u64::from_be_bytes(take(&mut rest));
        let position = u64::from_be_bytes(take(&mut rest));
        let at = i64::from_be_bytes(take(&mut rest));
        let step = u16::from_be_bytes(take(&mut rest));
        let kind = match u8::from_be_bytes(take(&mut rest)) {
            1 => Kind::Output,
            2 => Kind::Notice,
            3 => Kind::Step,
            4 => Kind::Dropped,
            5 => Kind::Gap,
            6 => Kind::Finished,
            _ => Kind::Unknown,
        };
        let more = u8::from_be_bytes(take(&mut rest)) & FLAG_MORE != 0;
        let sound = kind != Kind::Unknown && u32::from_be_bytes(take(&mut rest)) == check(&bytes[..36]);
        Self { kind, offset, length, position, at, step, more, sound }
    }
}

/// FNV-1a: finds torn and zeroed records, not enemies.
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Finds the marks of ascending offsets, reading many at a time.
pub(super) struct Marks<'a> {
    file: &'a Records<Mark>,
    count: u64,
    batch: Vec<Mark>,
    /// Number of the first mark after the batch.
    end: u64,
}

const BATCH: u64 = 128;

impl<'a> Marks<'a> {
    /// Looks at the first `count` marks only.
    pub(super) fn new(file: &'a Records<Mark>, count: u64) -> Self {
        Self { file, count, batch: Vec::new(), end: 0 }
    }

    /// Step and time of the byte at `offset`, which must exist.
    pub(super) fn covering(&mut self, offset: u64) -> io::Result<(u16, i64)> {
        // Marks without bytes lie before those with bytes at the same offset: the last one that begins at or before it is it.
        let mut found = self.batch.partition_point(|mark| mark.offset <= offset);
        if found == 0 || (found == self.batch.len() && self.end < self.count) {
            let after = self.file.partition_point(self.count, |mark| mark.offset <= offset)?;
            let Some(first) = after.checked_sub(1) else { return Ok((NO_STEP, 0)) };
            self.end = self.count.min(first + BATCH);
            self.batch = self.file.some(first, usize::try_from(self.end - first).expect("at most BATCH"))?;
            found = self.batch.partition_point(|mark| mark.offset <= offset);
        }
        let mark = self.batch[found - 1];
        let step = if mark.kind == Kind::Output { mark.step } else { NO_STEP };
        Ok((step, mark.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_damage_shows() {
        let mark = Mark {
            kind: Kind::Output,
            offset: 1 << 40,
            length: 77,
            position: 12_345,
            at: -3,
            step: 9,
            more: true,
            sound: true,
        };
        let mut bytes = Vec::new();
        mark.put(&mut bytes);
        assert_eq!(bytes.len(), Mark::SIZE);
        assert_eq!(Mark::get(&bytes), mark);
        for at in 0..bytes.len() {
            bytes[at] ^= 0x10;
            assert!(!Mark::get(&bytes).sound, "byte {at}");
            bytes[at] ^= 0x10;
        }
        assert!(!Mark::get(&[0; 40]).sound, "a zeroed block is no mark");
    }
}
