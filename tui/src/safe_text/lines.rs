//! Lines out of bytes that come in pieces. Must not know where the pieces come from.

use super::{SafeLine, Sgr, log_line};

/// Makes a stream of log bytes safe, line by line. A line without an end is cut at [`Lines::CAP`].
#[derive(Default)]
pub struct Lines {
    rest: Vec<u8>,
    style: Sgr,
}

impl Lines {
    const CAP: usize = 64 * 1024;

    /// The lines that are complete with these bytes.
    #[must_use]
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<SafeLine> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end], &mut lines);
            lines.push(self.take());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes, &mut lines);
        lines
    }

    /// What is left when nothing follows.
    #[must_use]
    pub fn finish(&mut self) -> Option<SafeLine> {
        (!self.rest.is_empty()).then(|| self.take())
    }

    fn keep(&mut self, mut bytes: &[u8], lines: &mut Vec<SafeLine>) {
        while self.rest.len() + bytes.len() > Self::CAP {
            let (head, tail) = bytes.split_at(Self::CAP - self.rest.len());
            self.rest.extend_from_slice(head);
            lines.push(self.take());
            bytes = tail;
        }
        self.rest.extend_from_slice(bytes);
    }

    fn take(&mut self) -> SafeLine {
        let line = log_line(&self.rest, &mut self.style);
        self.rest.clear();
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_cut_at_line_feeds_and_at_the_cap() {
        let mut lines = Lines::default();
        assert!(lines.push(b"one").is_empty());
        let whole: Vec<_> = lines.push(b" and\ntwo\nthr").iter().map(ToString::to_string).collect();
        assert_eq!(whole, ["one and", "two"]);
        let long = vec![b'x'; Lines::CAP * 2];
        assert_eq!(lines.push(&long).len(), 2);
        assert_eq!(lines.finish().map(|line| line.width()), Some(3));
        assert_eq!(lines.finish(), None);
    }

    proptest! {
        #[test]
        fn the_same_lines_however_the_bytes_come(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..300) {
            let whole = { let mut c = Lines::default(); let mut l = c.push(&bytes); l.extend(c.finish()); l };
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            let mut lines = Lines::default();
            let mut parts = lines.push(a);
            parts.extend(lines.push(b));
            parts.extend(lines.finish());
            prop_assert_eq!(parts, whole);
        }
    }
}
