//! A line of a log that is too long to come with the others, read by itself and shown whole, row by row. Must not know
//! where it stands.

use windlass_protocol::live::Sub;

use crate::safe_text::{SafeLine, Sgr, log_line};

/// So much of a line is read.
const MOST: usize = 1 << 20;

#[derive(Debug)]
pub struct Long {
    pub line: u64,
    pub sub: Sub,
    /// How long it really is.
    pub length: u64,
    bytes: Vec<u8>,
    text: Option<SafeLine>,
    /// The text in rows of `width` columns.
    rows: Vec<SafeLine>,
    width: usize,
}

impl Long {
    pub(super) fn new(line: u64, sub: Sub, length: u64) -> Self {
        Self { line, sub, length, bytes: Vec::new(), text: None, rows: Vec::new(), width: 0 }
    }

    /// Bytes of the line, in order; from the beginning again after a broken connection.
    pub(super) fn take(&mut self, offset: u64, bytes: &[u8]) {
        if offset == 0 {
            self.bytes.clear();
        }
        if offset == self.bytes.len() as u64 && self.text.is_none() {
            let room = MOST.saturating_sub(self.bytes.len()).min(bytes.len());
            self.bytes.extend_from_slice(&bytes[..room]);
        }
    }

    /// All of it has come.
    pub(super) fn end(&mut self, width: usize) {
        self.length = self.length.max(self.bytes.len() as u64);
        self.text = Some(log_line(&std::mem::take(&mut self.bytes), &mut Sgr::default()));
        self.width = 0;
        self.fit(width);
    }

    /// Brings it into rows of so many columns.
    pub(super) fn fit(&mut self, width: usize) {
        if let (Some(text), true) = (&self.text, self.width != width) {
            self.rows = text.rows(width);
            self.width = width;
        }
    }

    /// As it is so far: none until all has come.
    pub fn rows(&self) -> &[SafeLine] {
        &self.rows
    }

    /// Its text, if that is all of it.
    pub(super) fn whole(&self) -> Option<&str> {
        self.text.as_ref().filter(|_| self.length <= MOST as u64).map(SafeLine::as_str)
    }

    /// What is left out at its end.
    pub fn is_cut(&self) -> bool {
        self.length > MOST as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_in_rows_when_all_of_it_has_come() {
        let mut long = Long::new(7, 1, 20_000);
        long.take(0, &[b'a'; 15_000]);
        long.take(15_000, &[b'b'; 4_990]);
        long.take(0, &[b'a'; 15_000]);
        long.take(99_999, b"not in order");
        long.take(15_000, &[b'b'; 5_000]);
        assert!(long.rows().is_empty() && long.whole().is_none());
        long.end(1_000);
        assert_eq!((long.rows().len(), long.rows()[15].as_str().len()), (20, 1_000));
        assert!(long.rows()[14].as_str().ends_with('a') && long.rows()[15].as_str().starts_with('b'));
        long.fit(3_000);
        assert_eq!((long.rows().len(), long.whole().map(str::len), long.is_cut()), (7, Some(20_000), false));
    }

    #[test]
    fn memory_is_bounded() {
        let mut long = Long::new(7, 1, 3 << 20);
        (0..3).for_each(|part| long.take(part << 20, &vec![b'x'; 1 << 20]));
        long.end(1 << 10);
        assert_eq!((long.rows().len(), long.whole(), long.is_cut()), (1 << 10, None, true));
    }
}
