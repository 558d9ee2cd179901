//! The three files of one attempt, read and written by position. The only place that opens them, and that knows which form
//! the log's bytes have. Must not know what is valid in them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::damaged;
use super::index::LineStart;
use super::marks::Mark;
use super::packed::{Kept, Packed, Unpacker};
use super::records::Records;
use crate::failpoint;

/// The bytes as they were appended. Where it exists, it is the log, whatever lies beside it.
pub(super) const PLAIN: &str = "log";
/// The same bytes, compressed.
pub(super) const PACKED: &str = "log.zst";
/// The name of that until it is complete.
pub(super) const UNFINISHED: &str = "log.zst.new";
pub(super) const MARKS: &str = "marks";

#[derive(Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) log: Bytes,
    pub(super) index: Records<LineStart>,
    pub(super) marks: Records<Mark>,
}

/// The log's bytes by offset. All reading goes through here, whichever form they have.
#[derive(Debug)]
pub(super) enum Bytes {
    Plain(File),
    /// Of a finished log: it takes no more bytes.
    Packed(Packed),
}

/// The same bytes for one reader among several: a compressed log's others wait for each other.
pub(super) enum Apart<'a> {
    Plain(&'a File),
    Packed(Unpacker<'a>, Kept),
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
            log: Bytes::with(folder, how)?,
            index: Records::new(how.open(folder.join("index"))?),
            marks: Records::new(how.open(folder.join(MARKS))?),
        })
    }

    /// Cuts off what lies beyond these sizes.
    pub(super) fn truncate(&self, bytes: u64, records: u64, marks: u64) -> io::Result<()> {
        self.marks.truncate(marks)?;
        self.index.truncate(records)?;
        self.log.truncate(bytes)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.log {
            Bytes::Plain(file) => file.sync_data()?,
            Bytes::Packed(packed) => packed.file().sync_data()?,
        }
        self.sync_records()
    }

    /// All but the log's bytes.
    pub(super) fn sync_records(&self) -> io::Result<()> {
        self.index.sync()?;
        self.marks.sync()
    }
}

impl Bytes {
    fn with(folder: &Path, how: &OpenOptions) -> io::Result<Self> {
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match how.clone().create(false).open(folder.join(PLAIN)) {
            Err(error) if missing(&error) => {}
            plain => return Ok(Self::Plain(plain?)),
        }
        match File::open(folder.join(PACKED)) {
            Err(error) if missing(&error) => Ok(Self::Plain(how.open(folder.join(PLAIN))?)),
            packed => Ok(Self::Packed(Packed::open(packed?)?)),
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => Ok(file.metadata()?.len()),
            Self::Packed(packed) => Ok(packed.len()),
        }
    }

    /// Replaces what is in `buffer` by bytes `from .. to`, which must exist.
    pub(super) fn read(&self, from: u64, to: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        resize(buffer, from, to)?;
        match self {
            Self::Plain(file) => file.read_exact_at(buffer, from),
            Self::Packed(packed) => packed.read(from, buffer),
        }
    }

    /// For one of several threads that read much of it at the same time.
    pub(super) fn apart(&self) -> io::Result<Apart<'_>> {
        Ok(match self {
            Self::Plain(file) => Apart::Plain(file),
            Self::Packed(packed) => Apart::Packed(packed.unpacker()?, Kept::default()),
        })
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all_at(bytes, at),
            Self::Packed(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "a compressed log takes no bytes")),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) if file.metadata()?.len() != length => file.set_len(length),
            Self::Packed(packed) if packed.len() != length => Err(damaged("the marks do not fit the compressed log")),
            _ => Ok(()),
        }
    }
}

impl Apart<'_> {
    /// As [`Bytes::read`], without waiting for others.
    pub(super) fn read(&mut self, from: u64, to: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        resize(buffer, from, to)?;
        match self {
            Self::Plain(file) => file.read_exact_at(buffer, from),
            Self::Packed(unpacker, kept) => unpacker.read(kept, from, buffer),
        }
    }
}

/// To the length of `from .. to`.
fn resize(buffer: &mut Vec<u8>, from: u64, to: u64) -> io::Result<()> {
    // Callers bound what they read; only an index that is not the log's own asks for more, or for less than nothing.
    let length = to.checked_sub(from).and_then(|length| usize::try_from(length).ok());
    // Not clear() first: only what grows is filled with zeros.
    buffer.resize(length.ok_or_else(|| damaged("the index does not fit the log"))?, 0);
    Ok(())
}

/// The file that becomes the compressed log, empty.
pub(super) fn make_unfinished(folder: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(true).mode(0o600).open(folder.join(UNFINISHED))
}

/// The finished [`UNFINISHED`] takes the place of the plain log. Killed at any moment of it, one of them is there, whole.
pub(super) fn take_over(folder: &Path) -> io::Result<()> {
    fs::rename(folder.join(UNFINISHED), folder.join(PACKED))?;
    failpoint::reached!("compress.renamed");
    // The new name must not be forgotten by a loss of power that remembers that the old one is gone.
    File::open(folder)?.sync_all()?;
    fs::remove_file(folder.join(PLAIN))
}

/// Removes what a compression left that was cut short. What cannot be removed does no harm: it is never looked at.
pub(super) fn remove_leftovers(folder: &Path, log: &Bytes) {
    let _ = fs::remove_file(folder.join(UNFINISHED));
    if !log.is_packed() {
        let _ = fs::remove_file(folder.join(PACKED));
    }
}

/// Logs may hold secrets that no masker knows: nobody else reads them.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
