//! Reports of one kind, put together in memory, one at a time. They come from a stranger: what is too much is let go. Must not
//! know what is in them.

use crate::frame::file::FilePart;
use crate::plan::{MOST_FILES, MOST_REPORT, MOST_REPORT_BYTES};

#[derive(Debug, Default)]
pub(super) struct WholeFiles {
    /// The one that is coming.
    file: Option<(String, Vec<u8>)>,
    bytes: u64,
    files: usize,
    /// Something came: the runner got as far as these.
    came: bool,
}

/// What came of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// All of a file.
    File { path: String, bytes: Vec<u8> },
    /// What there is no file of, and why.
    Trouble { path: String, why: String },
}

impl WholeFiles {
    pub(super) fn take(&mut self, part: FilePart) -> Option<Came> {
        self.came = true;
        match part {
            FilePart::Begins { path, .. } => {
                let cut = self.cut();
                self.files += 1;
                if self.files <= MOST_FILES {
                    self.file = Some((path, Vec::new()));
                }
                cut
            }
            FilePart::Bytes(bytes) => self.grow(&bytes),
            FilePart::Ends => self.file.take().map(|(path, bytes)| Came::File { path, bytes }),
            FilePart::Refused { path, why, .. } => {
                self.file = None;
                Some(Came::Trouble { path, why })
            }
        }
    }

    /// Nothing comes any more.
    pub(super) fn finish(mut self) -> Option<Came> {
        if !self.came {
            let why = "none came: the job ended before they could be read".to_owned();
            return Some(Came::Trouble { path: "reports".to_owned(), why });
        }
        self.cut()
    }

    fn grow(&mut self, bytes: &[u8]) -> Option<Came> {
        let (path, file) = self.file.as_mut()?;
        self.bytes += bytes.len() as u64;
        if (file.len() + bytes.len()) as u64 > MOST_REPORT || self.bytes > MOST_REPORT_BYTES {
            let path = std::mem::take(path);
            self.file = None;
            return Some(Came::Trouble { path, why: "larger than a report may be".to_owned() });
        }
        file.extend_from_slice(bytes);
        None
    }

    /// A file that did not end, and never will.
    fn cut(&mut self) -> Option<Came> {
        let (path, _) = self.file.take()?;
        Some(Came::Trouble { path, why: "did not arrive whole".to_owned() })
    }
}
