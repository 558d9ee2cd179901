//! The three files of one attempt, read and written by position. The only place that opens them. Must not know what is
//! valid in them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::index::LineStart;
use super::marks::Mark;
use super::records::Records;

#[derive(Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) log: Bytes,
    pub(super) index: Records<LineStart>,
    pub(super) marks: Records<Mark>,
}

/// The log's bytes by offset. All reading goes through here: the place for compressed segments of finished logs.
#[derive(Debug)]
pub(super) struct Bytes {
    file: File,
}

impl Files {
    /// For writing; makes what is missing.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        Self::with(folder, OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600))
    }

    /// For reading.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        Self::with(folder, OpenOptions::new().read(true))
    }

    fn with(folder: &Path, how: &OpenOptions) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            log: Bytes::new(how.open(folder.join("log"))?),
            index: Records::new(how.open(folder.join("index"))?),
            marks: Records::new(how.open(folder.join("marks"))?),
        })
    }

    /// Cuts off what lies beyond these sizes.
    pub(super) fn truncate(&self, bytes: u64, records: u64, marks: u64) -> io::Result<()> {
        self.marks.truncate(marks)?;
        self.index.truncate(records)?;
        self.log.truncate(bytes)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.log.file.sync_data()?;
        self.index.sync()?;
        self.marks.sync()
    }
}

impl Bytes {
    pub(super) fn new(file: File) -> Self {
        Self { file }
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Replaces what is in `buffer` by bytes `from .. to`, which must exist.
    pub(super) fn read(&self, from: u64, to: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        // Not clear() first: only what grows is filled with zeros.
        buffer.resize(usize::try_from(to - from).expect("callers bound what they read"), 0);
        self.file.read_exact_at(buffer, from)
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        if self.len()? != length {
            self.file.set_len(length)?;
        }
        Ok(())
    }
}

/// Logs may hold secrets that no masker knows: nobody else reads them.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
