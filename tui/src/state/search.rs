//! A search in a log: the daemon finds the lines, this keeps them and knows which one we are at. Must not know how the log
//! is shown.

use regex::{Regex, RegexBuilder};

/// Line numbers asked for at once.
pub(super) const LIMIT: u32 = 10_000;

#[derive(Debug)]
pub struct Search {
    pub pattern: String,
    /// Finds the hit inside of a line, to light it up.
    pub regex: Regex,
    pub matches: Vec<u64>,
    pub current: Option<usize>,
    /// There are more than `matches`.
    pub more: bool,
    /// The answer has not come yet.
    pub waiting: bool,
    /// Where the search began: the first hit from there on is shown.
    pub(super) origin: u64,
    /// Lines that the log had when it was searched.
    pub(super) searched: u64,
}

impl Search {
    /// The same rule as the daemon's: case is ignored when the pattern has no capital letter.
    pub(super) fn new(pattern: String, origin: u64) -> Result<Self, regex::Error> {
        let ignore_case = !pattern.chars().any(char::is_uppercase);
        let regex = RegexBuilder::new(&pattern).case_insensitive(ignore_case).size_limit(1 << 20).build()?;
        let (matches, current) = (Vec::new(), None);
        Ok(Self { pattern, regex, matches, current, more: false, waiting: true, origin, searched: 0 })
    }

    /// Takes line numbers in, and returns the line to show.
    pub(super) fn found(&mut self, lines: Vec<u64>, more: bool, searched: u64) -> Option<u64> {
        let known = self.matches.last().copied();
        self.matches.extend(lines.into_iter().filter(|line| known.is_none_or(|known| *line > known)));
        (self.more, self.waiting, self.searched) = (more, false, searched);
        let origin = self.current.map_or(self.origin, |current| self.matches[current] + 1);
        let next = self.matches.partition_point(|line| *line < origin);
        let next = if next < self.matches.len() { next } else { 0 };
        self.current = (!self.matches.is_empty()).then_some(next);
        self.line()
    }

    pub(super) fn line(&self) -> Option<u64> {
        self.matches.get(self.current?).copied()
    }

    pub fn is_match(&self, line: u64) -> bool {
        self.matches.binary_search(&line).is_ok()
    }

    /// One hit further or back, around the ends. None: the daemon has to be asked for what comes after the last.
    pub(super) fn step(&mut self, forward: bool, lines: u64) -> Option<u64> {
        let last = self.matches.len().checked_sub(1)?;
        let current = self.current.unwrap_or(0);
        self.current = Some(match (forward, current) {
            (true, at) if at < last => at + 1,
            (true, _) if self.more || lines > self.searched => return None,
            (true, _) => 0,
            (false, 0) => last,
            (false, at) => at - 1,
        });
        self.line()
    }

    /// `3/17`, `no match`, `searching`.
    pub fn words(&self) -> String {
        match (self.waiting, self.current) {
            (true, _) => "searching".to_owned(),
            (false, None) => "no match".to_owned(),
            (false, Some(at)) => format!("{}/{}{}", at + 1, self.matches.len(), if self.more { "+" } else { "" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_where_the_reader_is_and_goes_around() {
        let mut search = Search::new("error".to_owned(), 50).expect("a pattern");
        assert_eq!(search.words(), "searching");
        assert_eq!(search.found(vec![10, 60, 70], false, 100), Some(60));
        assert_eq!(search.words(), "2/3");
        assert_eq!(search.step(true, 100), Some(70));
        assert_eq!(search.step(true, 100), Some(10));
        assert_eq!(search.step(false, 100), Some(70));
        // The log grew: the daemon is asked, and the new hit is next.
        assert_eq!(search.step(true, 200), None);
        assert_eq!(search.found(vec![70, 150], false, 200), Some(150));
        assert_eq!(search.words(), "4/4");
    }

    #[test]
    fn case_counts_when_there_is_a_capital() {
        let is = |pattern: &str| Search::new(pattern.to_owned(), 0).expect("a pattern").regex.is_match("An Error");
        assert!(is("error") && is("Error") && !is("ERROR"));
        assert!(Search::new("(".to_owned(), 0).is_err());
    }
}
