//! The compressed form of a log's bytes: blocks of the same size, each compressed by itself, and a table of where they are.
//! Must not know lines, marks, or which files there are.
//!
//! It is zstd's own seekable format: independent frames, then a skippable frame with the seek table. One file, so that one
//! rename makes it count; nothing to fall out of step beside it; and `zstd -dc log.zst` prints the log on any machine. Each
//! frame carries a checksum of its content, so what is read is what was written, or an error.
//!
//! In the table, little-endian: `0x184D2A5E, its length`, for each frame `compressed length u32, length u32`, then
//! `number of frames u32, 0 u8, 0x8F92EAB1`. It is read once and checked against the file's length before it is believed,
//! so a damaged one can make no reader take more memory than the file has bytes.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound};

use super::{damaged, lock};

/// What is compressed together. Larger ones save little more, and every look at a line takes a whole one: 0.2 ms.
pub(super) const BLOCK: usize = 256 << 10;

/// No file with larger blocks is read: what one reader keeps in memory is bounded by this.
const LARGEST_BLOCK: u64 = 8 << 20;
/// zstd's own default: logs shrink to about a tenth, at some hundred megabytes a second.
const LEVEL: i32 = 3;

const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const HEADER: u64 = 8;
const ENTRY: u64 = 8;
const FOOTER: u64 = 9;

/// Compressed bytes of a log, by their place in the log.
#[derive(Debug)]
pub(super) struct Packed {
    file: File,
    /// Where each frame starts in the file; the last one is where the frames end.
    starts: Vec<u64>,
    block: u64,
    bytes: u64,
    kept: Mutex<Kept>,
}

/// The block that was last read in part. Neighbouring reads want the rest of it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    number: Option<u64>,
    bytes: Vec<u8>,
}

/// Makes blocks of it what they were.
pub(super) struct Unpacker<'a> {
    packed: &'a Packed,
    decompressor: Decompressor<'static>,
    /// Compressed bytes of one block.
    buffer: Vec<u8>,
}

/// Compresses what is fed to it into blocks of one size.
pub(super) struct Packer<W> {
    out: W,
    compressor: Compressor<'static>,
    /// Entries of the seek table so far.
    table: Vec<u8>,
    frames: u32,
    buffer: Vec<u8>,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { out, compressor, table: Vec::new(), frames: 0, buffer: Vec::new() })
    }

    /// All blocks but the last have the same length.
    pub(super) fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.resize(compress_bound(bytes.len()), 0);
        let length = self.compressor.compress_to_buffer(bytes, &mut self.buffer[..])?;
        self.out.write_all(&self.buffer[..length])?;
        self.frames = self.frames.checked_add(1).ok_or_else(too_long)?;
        for length in [length, bytes.len()] {
            let length = u32::try_from(length).map_err(|_| too_long())?;
            self.table.extend_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    /// Writes the seek table.
    pub(super) fn end(mut self) -> io::Result<W> {
        let length = u32::try_from(self.table.len() as u64 + FOOTER).map_err(|_| too_long())?;
        let mut frame = Vec::with_capacity(self.table.len() + 32);
        frame.extend_from_slice(&SKIPPABLE.to_le_bytes());
        frame.extend_from_slice(&length.to_le_bytes());
        frame.append(&mut self.table);
        frame.extend_from_slice(&self.frames.to_le_bytes());
        frame.push(0); // no checksums in the table: the frames have their own
        frame.extend_from_slice(&SEEKABLE.to_le_bytes());
        self.out.write_all(&frame)?;
        Ok(self.out)
    }
}

impl Packed {
    /// Reads the seek table, and believes it only if it fits the file to the byte.
    pub(super) fn open(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let table_end = length.checked_sub(FOOTER).ok_or_else(no_table)?;
        let mut footer = [0; FOOTER as usize];
        file.read_exact_at(&mut footer, table_end)?;
        let frames = u64::from(u32_at(&footer, 0));
        let table_start = table_end.checked_sub(frames * ENTRY).ok_or_else(no_table)?;
        let frames_end = table_start.checked_sub(HEADER).ok_or_else(no_table)?;
        let mut header = [0; HEADER as usize];
        file.read_exact_at(&mut header, frames_end)?;
        let fits = u64::from(u32_at(&header, 4)) == frames * ENTRY + FOOTER;
        if !fits || footer[4] != 0 || u32_at(&footer, 5) != SEEKABLE || u32_at(&header, 0) != SKIPPABLE || frames == 0 {
            return Err(no_table());
        }
        // Both fit into memory: there are fewer of them than the file has bytes.
        let mut table = vec![0; usize::try_from(frames * ENTRY).map_err(|_| no_table())?];
        file.read_exact_at(&mut table, table_start)?;
        let mut starts = Vec::with_capacity(table.len() / ENTRY as usize + 1);
        let (mut start, mut bytes) = (0, 0);
        let block = u64::from(u32_at(&table, 4));
        let bound = compress_bound(usize::try_from(block.min(LARGEST_BLOCK)).map_err(|_| no_table())?) as u64;
        for (number, entry) in (1..).zip(table.chunks_exact(ENTRY as usize)) {
            let (compressed, whole) = (u64::from(u32_at(entry, 0)), u64::from(u32_at(entry, 4)));
            let sound = whole == block || (number == frames && (1..block).contains(&whole));
            if !sound || whole == 0 || whole > LARGEST_BLOCK || compressed > bound {
                return Err(damaged("the compressed log's table of blocks is not sound"));
            }
            starts.push(start);
            start += compressed;
            bytes += whole;
        }
        if start != frames_end {
            return Err(damaged("the compressed log's table of blocks does not fit the file"));
        }
        starts.push(start);
        Ok(Self { file, starts, block, bytes, kept: Mutex::default() })
    }

    /// How many bytes the log has.
    pub(super) fn len(&self) -> u64 {
        self.bytes
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Fills `out` with the bytes from `from` on, which must exist. One caller after the other: see [`Packed::unpacker`].
    pub(super) fn read(&self, from: u64, out: &mut [u8]) -> io::Result<()> {
        self.unpacker()?.read(&mut lock(&self.kept), from, out)
    }

    /// For who reads much, beside others who do: what it needs is its own.
    pub(super) fn unpacker(&self) -> io::Result<Unpacker<'_>> {
        Ok(Unpacker { packed: self, decompressor: Decompressor::new()?, buffer: Vec::new() })
    }
}

impl Unpacker<'_> {
    /// Fills `out` with the bytes from `from` on, which must exist.
    pub(super) fn read(&mut self, kept: &mut Kept, from: u64, out: &mut [u8]) -> io::Result<()> {
        let &Packed { block, bytes, .. } = self.packed;
        let to = from.checked_add(out.len() as u64).filter(|to| *to <= bytes);
        let to = to.ok_or_else(|| damaged("the compressed log is shorter than its marks say"))?;
        if out.is_empty() {
            return Ok(());
        }
        let (first, last) = (from / block, (to - 1) / block);
        // Who reads upwards finds the last block kept, and will want the first one again; all others the other way round.
        let upwards = kept.number == Some(last);
        for step in 0..=last - first {
            let number = if upwards { last - step } else { first + step };
            let start = number * block;
            let end = bytes.min(start + block);
            let (part_from, part_to) = (start.max(from), end.min(to));
            let part = &mut out[index(part_from - from)..index(part_to - from)];
            if kept.number != Some(number) && (part_from, part_to) == (start, end) {
                self.unpack(number, part)?;
                continue;
            }
            if kept.number != Some(number) {
                kept.number = None; // what is in it is nothing until all went well
                kept.bytes.resize(index(end - start), 0);
                self.unpack(number, &mut kept.bytes)?;
                kept.number = Some(number);
            }
            part.copy_from_slice(&kept.bytes[index(part_from - start)..index(part_to - start)]);
        }
        Ok(())
    }

    /// Fills `out`, which has the block's length.
    fn unpack(&mut self, number: u64, out: &mut [u8]) -> io::Result<()> {
        let (start, end) = (self.packed.starts[index(number)], self.packed.starts[index(number) + 1]);
        self.buffer.resize(index(end - start), 0);
        self.packed.file.read_exact_at(&mut self.buffer, start)?;
        match self.decompressor.decompress_to_buffer(&self.buffer, &mut *out) {
            Ok(length) if length == out.len() => Ok(()),
            Ok(_) => Err(damaged("a block of the compressed log has another length than its table says")),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("block {number}: {error}"))),
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes[at..at + 4].try_into().expect("four bytes");
    u32::from_le_bytes(bytes)
}

/// Places in blocks, tables and buffers that are in memory.
fn index(place: u64) -> usize {
    usize::try_from(place).expect("in memory, so it fits")
}

fn no_table() -> io::Error {
    damaged("the compressed log does not end with its table of blocks")
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "the log is too long to be compressed")
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    fn packed(bytes: &[u8], block: usize) -> File {
        let mut packer = Packer::new(tempfile::tempfile().expect("a file")).expect("a packer");
        for block in bytes.chunks(block) {
            packer.block(block).expect("compressed");
        }
        packer.end().expect("ended")
    }

    fn some(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * n / 7) as u8).collect()
    }

    #[test]
    fn any_range_up_and_down() {
        for (length, block) in [(1, 1), (10, 3), (9, 3), (1000, 64), (1024, 64), (5000, 4096), (100, 1000)] {
            let bytes = some(length);
            let packed = Packed::open(packed(&bytes, block)).expect("opened");
            assert_eq!(packed.len(), length as u64);
            let mut out = Vec::new();
            for step in [1, 7, 64, 100, length] {
                let starts: Vec<usize> = (0..length).step_by(step).collect();
                for from in starts.iter().chain(starts.iter().rev()) {
                    out.resize(step.min(length - from), 0);
                    packed.read(*from as u64, &mut out).expect("read");
                    assert!(out == bytes[*from..from + out.len()], "{from} + {step} of {length} in blocks of {block}");
                }
            }
            packed.read(length as u64, &mut []).expect("nothing is always there");
            assert!(packed.read(length as u64, &mut [0]).is_err());
            assert!(packed.read(u64::MAX, &mut [0]).is_err());
        }
    }

    #[test]
    fn any_zstd_reads_it() {
        let bytes = some(10_000);
        let mut file = packed(&bytes, 999);
        file.rewind().expect("rewound");
        let mut decoder = zstd::Decoder::new(file).expect("a decoder");
        let mut out = Vec::new();
        io::Read::read_to_end(&mut decoder, &mut out).expect("decompressed");
        assert!(out == bytes, "other bytes");
    }

    #[test]
    fn every_spoilt_byte_and_every_cut_is_told() {
        let bytes = some(700);
        let file = packed(&bytes, 256);
        let length = file.metadata().expect("there").len();
        let mut whole = vec![0; index(length)];
        file.read_exact_at(&mut whole, 0).expect("read");
        let read = |spoilt: &[u8]| {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(spoilt).expect("written");
            let packed = Packed::open(file)?;
            let mut out = vec![0; index(packed.len())];
            packed.read(0, &mut out)?;
            Ok::<_, io::Error>(out)
        };
        let is_damage = |error: &io::Error| super::super::is_damage(error);
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut spoilt = whole.clone();
                spoilt[at] ^= flip;
                match read(&spoilt) {
                    // A bit that zstd does not look at.
                    Ok(read) => assert!(read == bytes, "byte {at} ^ {flip:#x}: other bytes, and nobody said so"),
                    Err(error) => assert!(is_damage(&error), "byte {at} ^ {flip:#x}: {error}"),
                }
            }
        }
        for cut in 0..whole.len() {
            let error = read(&whole[..cut]).expect_err("cut");
            assert!(is_damage(&error), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn a_table_that_promises_much_takes_no_memory() {
        let table = |entries: &[(u32, u32)], frames: u32| {
            let mut file = tempfile::tempfile().expect("a file");
            let words: Vec<u32> = entries.iter().flat_map(|(compressed, whole)| [*compressed, *whole]).collect();
            file.write_all(&SKIPPABLE.to_le_bytes()).expect("written");
            file.write_all(&(frames.wrapping_mul(8).wrapping_add(9)).to_le_bytes()).expect("written");
            for word in words {
                file.write_all(&word.to_le_bytes()).expect("written");
            }
            file.write_all(&frames.to_le_bytes()).expect("written");
            file.write_all(&[0]).expect("written");
            file.write_all(&SEEKABLE.to_le_bytes()).expect("written");
            Packed::open(file).expect_err("not believed")
        };
        table(&[], 0);
        table(&[], u32::MAX);
        table(&[(0, 0)], 1);
        table(&[(u32::MAX, u32::MAX)], 1);
        table(&[(0, u32::MAX)], 1);
        table(&[(0, 4), (0, 5)], 2);
        table(&[(0, 4), (0, 3), (0, 4)], 3);
        table(&[(0, 4), (0, 0)], 2);
        table(&[(0, 4)], 2);
    }
}
