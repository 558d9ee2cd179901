//! What a finished log really holds, read from end to end. Changes nothing, not even what a crash left: so another process
//! than the log's own daemon may ask, too. Must not know what it should hold.

use std::io;

use windlass_protocol::id::AttemptId;

use super::compress::each_block;
use super::files::Files;
use super::packed::BLOCK;
use super::{LogError, LogStore, recover};

/// How much of a log's beginning is told.
const BEGIN: u64 = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
    /// The first bytes.
    pub begin: Vec<u8>,
}

impl LogStore {
    /// Sums a finished log up; `None`: it is not finished.
    pub fn sum(&self, id: &AttemptId) -> Result<Option<Sum>, LogError> {
        let folder = self.folder(id)?;
        let read = || {
            let files = Files::open(&folder)?;
            let Some(extent) = recover::finished(&files)? else { return Ok(None) };
            let sha256 = each_block(&files.log, extent.bytes, BLOCK, |_| Ok(()))?;
            let mut begin = Vec::new();
            files.log.read(0, extent.bytes.min(BEGIN), &mut begin)?;
            Ok(Some(Sum { bytes: extent.bytes, sha256: hex::encode(sha256), begin }))
        };
        read().map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => LogError::Missing { id: id.clone() },
            _ => LogError::io("read the log in", &folder, source),
        })
    }
}
