//! A file of fixed-size records. Must not know what the records mean.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;

/// Something that always takes the same number of bytes.
pub(super) trait Record: Copy {
    const SIZE: usize;

    fn put(&self, out: &mut Vec<u8>);

    /// `bytes` are exactly [`Self::SIZE`].
    fn get(bytes: &[u8]) -> Self;
}

#[derive(Debug)]
pub(super) struct Records<R> {
    file: File,
    of: PhantomData<fn() -> R>,
}

impl<R: Record> Records<R> {
    pub(super) fn new(file: File) -> Self {
        Self { file, of: PhantomData }
    }

    /// Whole records in the file.
    pub(super) fn count(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len() / R::SIZE as u64)
    }

    pub(super) fn one(&self, at: u64) -> io::Result<R> {
        let mut bytes = [0; 64];
        let bytes = &mut bytes[..R::SIZE];
        self.file.read_exact_at(bytes, at * R::SIZE as u64)?;
        Ok(R::get(bytes))
    }

    /// `count` records from `first` on; they must exist.
    pub(super) fn some(&self, first: u64, count: usize) -> io::Result<Vec<R>> {
        let mut bytes = vec![0; count * R::SIZE];
        self.file.read_exact_at(&mut bytes, first * R::SIZE as u64)?;
        Ok(bytes.chunks_exact(R::SIZE).map(R::get).collect())
    }

    /// How many of the first `count` records, sorted by it, satisfy `low`.
    pub(super) fn partition_point(&self, count: u64, low: impl Fn(&R) -> bool) -> io::Result<u64> {
        let (mut from, mut to) = (0, count);
        while from < to {
            let middle = from + (to - from) / 2;
            if low(&self.one(middle)?) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    pub(super) fn write(&self, first: u64, records: &[R]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(records.len() * R::SIZE);
        for record in records {
            record.put(&mut bytes);
        }
        self.file.write_all_at(&bytes, first * R::SIZE as u64)
    }

    pub(super) fn truncate(&self, count: u64) -> io::Result<()> {
        let length = count * R::SIZE as u64;
        if self.file.metadata()?.len() != length {
            self.file.set_len(length)?;
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Takes the next `N` bytes of a record.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk::<N>().expect("records are read whole");
    *rest = tail;
    *head
}
