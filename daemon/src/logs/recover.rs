//! What a log's files really hold when they are opened: the last complete mark whose bytes are all there decides.
//! Must not know who asks.

use std::io;

use sha2::{Digest, Sha256};

use super::damaged;
use super::files::Files;
use super::index::{Indexer, LineStart, REACH};
use super::marks::{Kind, Mark};
use super::watch::Extent;

/// Everything a writer has to know to go on.
pub(super) struct Recovered {
    pub(super) extent: Extent,
    pub(super) indexer: Indexer,
    /// Of all bytes, if it was asked for.
    pub(super) hash: Sha256,
    /// Of what steps wrote as far as it is stored, if it was asked for.
    pub(super) output_hash: Sha256,
    pub(super) last: Option<Mark>,
    pub(super) dropped: u64,
    /// What steps wrote, dropped or not.
    pub(super) output: u64,
}

const BATCH: u64 = 4096;
const BLOCK: u64 = 1 << 20;

/// Reads every mark, cuts the files to what is complete, and makes the index anew where it differs from the log.
pub(super) fn recover(files: &Files, hashed: bool) -> io::Result<Recovered> {
    let kept = complete_marks(files)?;
    let finished = kept.last.is_some_and(|mark| mark.kind == Kind::Finished);
    if files.log.is_packed() && !(finished && kept.bytes == files.log.len()?) {
        // Only finished logs are compressed, and nothing was to be cut off of them: this is no crash.
        return Err(damaged("the marks do not fit the compressed log"));
    }
    let mut outputs = Outputs::new(files, kept.marks);
    let (mut indexer, mut starts, mut hash) = (Indexer::default(), Vec::new(), Sha256::new());
    let (mut offset, mut buffer) = (0, Vec::new());
    while offset < kept.bytes {
        let end = kept.bytes.min(offset + BLOCK);
        files.log.read(offset, end, &mut buffer)?;
        indexer.feed(&buffer, &mut starts);
        if hashed {
            hash.update(&buffer);
            outputs.feed(&buffer)?;
        }
        offset = end;
    }
    let records = starts.len() as u64;
    let stored = files.index.count()?.min(records);
    let stored: Vec<LineStart> = files.index.some(0, usize::try_from(stored).expect("no more than starts"))?;
    let same = stored.iter().zip(&starts).take_while(|(stored, start)| stored == start).count();
    files.index.write(same as u64, &starts[same..])?;
    files.truncate(kept.bytes, records, kept.marks)?;
    let extent = Extent {
        bytes: kept.bytes,
        lines: indexer.lines(),
        open: indexer.open(),
        records,
        marks: kept.marks,
        finished,
    };
    let Kept { last, dropped, output, .. } = kept;
    Ok(Recovered { extent, indexer, hash, output_hash: outputs.hash, last, dropped, output })
}

/// The extent of a log that was finished and is whole, without reading it all; `None`: recover it.
pub(super) fn finished(files: &Files) -> io::Result<Option<Extent>> {
    let marks = files.marks.count()?;
    let Some(last) = marks.checked_sub(1) else { return Ok(None) };
    let mark = files.marks.one(last)?;
    if !mark.sound || mark.kind != Kind::Finished {
        return Ok(None);
    }
    let (bytes, records) = (mark.offset, mark.length);
    let length = files.log.len()?;
    if length < bytes || (files.log.is_packed() && length != bytes) || files.index.count()? < records {
        return Ok(None);
    }
    let start = match records.checked_sub(1) {
        Some(last) => files.index.one(last)?,
        None => LineStart::default(),
    };
    if start.offset > bytes {
        return Ok(None);
    }
    let mut buffer = Vec::new();
    files.log.read(start.offset, bytes.min(start.offset + REACH), &mut buffer)?;
    let feeds = memchr::memchr_iter(b'\n', &buffer).count() as u64;
    let open = bytes > 0 && {
        files.log.read(bytes - 1, bytes, &mut buffer)?;
        buffer != b"\n"
    };
    let lines = start.line + feeds + u64::from(open);
    Ok(Some(Extent { bytes, lines, open, records, marks, finished: true }))
}

#[derive(Default, Clone, Copy)]
struct Kept {
    marks: u64,
    bytes: u64,
    dropped: u64,
    output: u64,
    last: Option<Mark>,
}

fn complete_marks(files: &Files) -> io::Result<Kept> {
    let (count, length) = (files.marks.count()?, files.log.len()?);
    let (mut kept, mut seen) = (Kept::default(), Kept::default());
    while seen.marks < count {
        let batch = usize::try_from((count - seen.marks).min(BATCH)).expect("at most BATCH");
        for mark in files.marks.some(seen.marks, batch)? {
            let end = seen.bytes.checked_add(mark.bytes());
            let Some(end) = end.filter(|end| mark.sound && mark.offset == seen.bytes && *end <= length) else {
                return Ok(kept);
            };
            match mark.kind {
                Kind::Output => seen.output += mark.length,
                // Its `length` is the sum so far.
                Kind::Dropped => {
                    seen.output += mark.length.saturating_sub(seen.dropped);
                    seen.dropped = mark.length;
                }
                Kind::Notice | Kind::Step | Kind::Gap | Kind::Finished | Kind::Unknown => {}
            }
            seen = Kept { marks: seen.marks + 1, bytes: end, last: Some(mark), ..seen };
            if !mark.more {
                kept = seen;
            }
        }
    }
    Ok(kept)
}

/// Sums up what steps wrote: fed with the log's bytes in order, it leaves out what is somebody else's.
struct Outputs<'a> {
    files: &'a Files,
    marks: u64,
    next: u64,
    batch: std::vec::IntoIter<Mark>,
    /// Of the present mark: whether a step wrote it, and how many of its bytes are still to come.
    output: bool,
    left: u64,
    hash: Sha256,
}

impl<'a> Outputs<'a> {
    fn new(files: &'a Files, marks: u64) -> Self {
        Self { files, marks, next: 0, batch: Vec::new().into_iter(), output: false, left: 0, hash: Sha256::new() }
    }

    fn feed(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let mark = self.mark()?;
                (self.output, self.left) = (mark.kind == Kind::Output, mark.bytes());
            }
            let here = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            if self.output {
                self.hash.update(&bytes[..here]);
            }
            bytes = &bytes[here..];
            self.left -= here as u64;
        }
        Ok(())
    }

    fn mark(&mut self) -> io::Result<Mark> {
        if let Some(mark) = self.batch.next() {
            return Ok(mark);
        }
        let count = usize::try_from((self.marks - self.next).min(BATCH)).expect("at most BATCH");
        self.batch = self.files.marks.some(self.next, count)?.into_iter();
        self.next += count as u64;
        self.batch.next().ok_or_else(|| damaged("the marks end before the log does"))
    }
}
