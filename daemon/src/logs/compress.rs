//! Gives finished logs their compressed form. Must not know when that is worth while, or who asks.
//!
//! The plain log is the log until the last moment: beside it the compressed one is written under a name that nobody reads,
//! brought to the disk, read back and compared byte for byte by its sum; then it gets its name, and last the plain one goes.
//! Killed in the middle, the plain log is there, and whoever opens it next removes the rest. Readers that have the plain
//! log open keep it. A writer or a removal that comes in the middle goes first, and the compression gives up.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use sha2::{Digest, Sha256};
use windlass_protocol::id::AttemptId;

use super::files::{self, Bytes, Files, UNFINISHED};
use super::packed::{BLOCK, Packed, Packer};
use super::watch::Extent;
use super::{LogError, LogStore, Shared, damaged, lock, open};
use crate::failpoint;

/// Smaller logs stay as they are: a file takes a page of the disk anyway.
pub(super) const LEAST: u64 = 4 << 10;

/// A compression that has begun. Dropping it leaves the log as it was.
pub(super) struct Compression {
    folder: PathBuf,
    shared: Arc<Shared>,
    turn: u64,
    pub(super) files: Files,
    extent: Extent,
    /// What becomes the compressed log.
    pub(super) new: fs::File,
    pub(super) block: usize,
}

impl LogStore {
    /// Compresses a finished log that nobody writes. Returns whether it is compressed now: a short one stays plain, so does
    /// one that is not finished, that is being compressed already, or that somebody opened to write, or removed, meanwhile.
    /// May be called again at any time. After an error, a full disk for one, the log is as it was. Takes about 3 s a
    /// gigabyte: not for a thread that must not block.
    pub fn compress(&self, id: &AttemptId) -> Result<bool, LogError> {
        match self.begin_compression(id, LEAST)? {
            Begun::Yes(compression) => compression.run(),
            Begun::Already => Ok(true),
            Begun::No => Ok(false),
        }
    }

    pub(super) fn begin_compression(&self, id: &AttemptId, least: u64) -> Result<Begun, LogError> {
        let folder = self.folder(id)?;
        let shared = self.shared(id);
        let mut usage = lock(&shared.usage);
        if usage.written {
            return Err(LogError::Busy { id: id.clone() });
        }
        if usage.compressing.is_some() {
            return Ok(Begun::No);
        }
        let (files, extent) = open(id, &folder, &shared, &usage)?;
        if files.log.is_packed() {
            return Ok(Begun::Already);
        }
        if !extent.finished || extent.bytes < least.max(1) {
            return Ok(Begun::No);
        }
        // Under the lock: whoever removes the folder must not find a new file in it.
        let new = files::make_unfinished(&folder)
            .map_err(|source| LogError::io("make the compressed log in", &folder, source))?;
        usage.turns += 1;
        let turn = usage.turns;
        usage.compressing = Some(turn);
        drop(usage);
        Ok(Begun::Yes(Box::new(Compression { folder, shared, turn, files, extent, new, block: BLOCK })))
    }
}

pub(super) enum Begun {
    Yes(Box<Compression>),
    Already,
    No,
}

impl Compression {
    pub(super) fn run(self: Box<Self>) -> Result<bool, LogError> {
        self.write()
            .and_then(|()| self.take_over())
            .map_err(|source| LogError::io("compress the log in", &self.folder, source))
    }

    /// Writes the compressed log, and reads it back.
    fn write(&self) -> io::Result<()> {
        let mut packer = Packer::new(io::BufWriter::new(&self.new))?;
        let written = each_block(&self.files.log, self.extent.bytes, self.block, |block| packer.block(block))?;
        packer.end()?.flush()?;
        self.new.sync_all()?;
        let packed = Bytes::Packed(Packed::open(self.new.try_clone()?)?);
        let read = each_block(&packed, packed.len()?, self.block, |_| Ok(()))?;
        if written != read {
            return Err(damaged("what was compressed is not what was read back"));
        }
        // Until now a loss of power could cost their last pages, and the log would have been cut to what they tell.
        self.files.sync_records()
    }

    /// Whether the compressed log took the plain one's place: not if somebody else was at the files meanwhile.
    fn take_over(&self) -> io::Result<bool> {
        let usage = lock(&self.shared.usage);
        if usage.compressing != Some(self.turn) {
            return Ok(false);
        }
        failpoint::reached!("compress.written");
        files::take_over(&self.folder)?;
        Ok(true)
    }
}

impl Drop for Compression {
    fn drop(&mut self) {
        let mut usage = lock(&self.shared.usage);
        if usage.compressing == Some(self.turn) {
            usage.compressing = None;
            // Given up, and gives back the room. Else it has its new name, and this finds nothing.
            let _ = fs::remove_file(self.folder.join(UNFINISHED));
        }
    }
}

/// Hands out the first `bytes` bytes in blocks of one size, and returns their sum.
pub(super) fn each_block(
    log: &Bytes,
    bytes: u64,
    block: usize,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<[u8; 32]> {
    let (mut hash, mut buffer, mut offset) = (Sha256::new(), Vec::new(), 0);
    while offset < bytes {
        let end = bytes.min(offset + block as u64);
        log.read(offset, end, &mut buffer)?;
        hash.update(&buffer);
        take(&buffer)?;
        offset = end;
    }
    Ok(hash.finalize().into())
}
