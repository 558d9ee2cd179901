//! A log as it streams by: what comes before a line is left out, and of the rest the lines that match. The bytes that are let
//! through are exactly those that came. Must not know where they come from or go to.

use regex::bytes::Regex;

use crate::safe_text::label;

/// The most of a line that is held until it is known whether it matches.
const CAP: usize = 256 * 1024;

pub(super) struct Sieve {
    /// Line feeds that are to pass before anything is let through.
    skip: u64,
    pattern: Option<Regex>,
    line: Vec<u8>,
    /// A line longer than the cap was decided by its beginning.
    decided: Option<bool>,
    pub(super) matched: u64,
}

impl Sieve {
    pub(super) fn new(skip: u64, pattern: Option<Regex>) -> Self {
        Self { skip, pattern, line: Vec::new(), decided: None, matched: 0 }
    }

    /// The same rule as the daemon's: case is ignored when the pattern has no capital letter, escapes such as `\S` aside.
    pub(super) fn pattern(text: &str) -> Result<Regex, String> {
        let mut escaped = false;
        let capital = text.chars().any(|letter| {
            let counts = !escaped && letter.is_uppercase();
            escaped = !escaped && letter == '\\';
            counts
        });
        let regex = regex::bytes::RegexBuilder::new(text).case_insensitive(!capital).size_limit(1 << 20).build();
        regex.map_err(|error| {
            let last = error.to_string().lines().last().unwrap_or_default().to_owned();
            format!("{text} is no regular expression: {last}")
        })
    }

    /// What of these bytes, and of those held back before, is let through.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        while self.skip > 0 {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Vec::new() };
            self.skip -= 1;
            bytes = &bytes[end + 1..];
        }
        if self.pattern.is_none() {
            return bytes.to_vec();
        }
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match self.decided {
                Some(true) => out.extend_from_slice(piece),
                Some(false) => {}
                None => self.line.extend_from_slice(piece),
            }
            if piece.ends_with(b"\n") || (self.decided.is_none() && self.line.len() >= CAP) {
                let ended = piece.ends_with(b"\n");
                self.decide(&mut out);
                self.decided = self.decided.filter(|_| !ended);
            }
        }
        out
    }

    /// The last line, if it matches without its end.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.line.is_empty() {
            self.decide(&mut out);
        }
        out
    }

    /// What matches is the text that a person sees, so that colours inside of a word hide nothing.
    fn decide(&mut self, out: &mut Vec<u8>) {
        if self.decided.is_some() {
            return;
        }
        let end = self.line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let text = label(&self.line[..end]);
        let fits = self.pattern.as_ref().is_some_and(|regex| regex.is_match(text.as_str().as_bytes()));
        if fits {
            self.matched += 1;
            out.append(&mut self.line);
        }
        self.line.clear();
        self.decided = Some(fits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(skip: u64, pattern: Option<&str>, parts: &[&[u8]]) -> Vec<u8> {
        let pattern = pattern.map(|text| Sieve::pattern(text).expect("a pattern"));
        let mut sieve = Sieve::new(skip, pattern);
        let mut out: Vec<u8> = parts.iter().flat_map(|part| sieve.push(part)).collect();
        out.extend(sieve.finish());
        out
    }

    #[test]
    fn lines_before_are_left_out_and_others_kept_exactly() {
        let log = b"one\ntwo \xff\nthr\x1b[31mee\x1b[0m\nlast";
        let table: [(u64, Option<&str>, &[u8]); 6] = [
            (0, None, log),
            (2, None, b"thr\x1b[31mee\x1b[0m\nlast"),
            (0, Some("three$"), b"thr\x1b[31mee\x1b[0m\n"),
            (0, Some("^(ONE|last)$"), b"last"),
            (0, Some("^(one|LAST)$"), b"one\n"),
            (1, Some("o|last"), b"two \xff\nlast"),
        ];
        for (skip, pattern, expected) in table {
            let got = all(skip, pattern, &[log]);
            assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{skip} {pattern:?}");
        }
    }

    #[test]
    fn a_line_beyond_the_cap_is_whole_or_absent() {
        let long = [vec![b'x'; CAP * 3], b"\nshort\n".to_vec()].concat();
        assert_eq!(all(0, Some("^x"), &[&long]).len(), CAP * 3 + 1);
        assert_eq!(all(0, Some("short"), &[&long]), b"short\n");
    }

    proptest! {
        #[test]
        fn the_same_however_the_bytes_come(bytes in "[ab\n]{0,60}", at in 0usize..60, skip in 0u64..4) {
            let (one, two) = bytes.as_bytes().split_at(at.min(bytes.len()));
            for pattern in [None, Some("a")] {
                prop_assert_eq!(all(skip, pattern, &[one, two]), all(skip, pattern, &[bytes.as_bytes()]));
            }
        }
    }
}
