//! A search in a log: the daemon finds the lines, this keeps them and knows which one we are at, what of the log was
//! searched and what is to be asked next. Must not know how the log is shown.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::{Regex, RegexBuilder};

/// Line numbers asked for at once.
const LIMIT: u32 = 10_000;
/// Of a longer log the first hit is asked for by itself, so that it does not wait for all the others.
const AT_ONCE: u64 = 200_000;

/// A line that speaks of an error, in most languages' tools: the whole word, or the name of an exception. Colours may stand
/// right before it.
pub(super) const ERRORS: &str = "(^|[^a-z0-9_]|\\x1b\\[[0-9;]*m)\
    ([a-z_]*(error|exception)|fatal|panic(ked)?|traceback|assert(ion)?|fail(ed|ure|s)?)([^a-z0-9_]|$)";

#[derive(Debug)]
pub struct Search {
    pub pattern: String,
    /// Finds the hit inside of a line, to light it up.
    pub regex: Regex,
    matches: BTreeSet<u64>,
    /// The hit that was gone to.
    pub current: Option<u64>,
    /// Every hit of these lines is in `matches`.
    known: Range<u64>,
    /// The log ended here when it was last asked about.
    lines: u64,
    goal: Option<Goal>,
    /// What was asked because of the goal, and what so that hits can be counted.
    asked: Option<Ask>,
    counting: Option<Ask>,
    /// As soon as the first hit is shown, all are to be counted.
    count: bool,
    at_once: u64,
}

/// The hit that is looked for: the first from a line on, upwards or downwards.
#[derive(Debug, Clone, Copy)]
struct Goal {
    from: u64,
    backwards: bool,
    wrapped: bool,
}

/// A question for the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) pattern: String,
    pub(super) from: u64,
    pub(super) backwards: bool,
    /// Line numbers that are asked for.
    pub(super) limit: u32,
    /// Lines that the log had.
    lines: u64,
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Show {
        line: u64,
        wrapped: bool,
        /// To be asked besides.
        count: Option<Ask>,
    },
    Ask(Ask),
    /// An answer is to come, or there is no hit.
    Nothing,
}

impl Search {
    /// The same rule as the daemon's: case is ignored when the pattern has no capital letter.
    pub(super) fn new(pattern: String) -> Result<Self, regex::Error> {
        let ignore_case = !pattern.chars().any(char::is_uppercase);
        let regex = RegexBuilder::new(&pattern).case_insensitive(ignore_case).size_limit(1 << 20).build()?;
        let (matches, known) = (BTreeSet::new(), 0..0);
        let (current, goal, asked, counting) = (None, None, None, None);
        let (lines, count, at_once) = (0, true, AT_ONCE);
        Ok(Self { pattern, regex, matches, current, known, lines, goal, asked, counting, count, at_once })
    }

    /// The lines that speak of an error.
    pub(super) fn errors() -> Self {
        Self::new(ERRORS.to_owned()).expect("it is a pattern: a test makes one")
    }

    /// Shows the first hit from a line on. All of the log is asked about, from its beginning, so that hits can be counted: of
    /// a short log at once, of a long one when the first hit is there.
    pub(super) fn begin(&mut self, from: u64, lines: u64) -> Next {
        self.goal = Some(Goal { from, backwards: false, wrapped: false });
        if lines > self.at_once {
            return self.advance(lines);
        }
        (self.lines, self.count) = (lines, false);
        Next::Ask(self.ask(0, false))
    }

    /// Looks for a hit from a line on; `None` is beyond the log's end in this direction.
    pub(super) fn go(&mut self, from: Option<u64>, backwards: bool, lines: u64) -> Next {
        if self.asked.is_some() {
            return Next::Nothing;
        }
        self.count &= lines > self.at_once;
        let goal = Goal { from: from.unwrap_or(0), backwards, wrapped: false };
        self.goal = if from.is_some() { Some(goal) } else { wrap(goal, lines) };
        self.advance(lines)
    }

    /// Takes an answer in. One to an older question changes nothing.
    pub(super) fn found(&mut self, ask: &Ask, found: &[u64], next: Option<u64>, lines: u64) -> Next {
        let counted = self.counting.as_ref() == Some(ask);
        if !counted && self.asked.as_ref() != Some(ask) {
            return Next::Nothing;
        }
        *(if counted { &mut self.counting } else { &mut self.asked }) = None;
        self.matches.extend(found);
        // At least one line further, whatever the daemon says: never the same question again.
        if ask.backwards {
            self.learn(next.map_or(0, |next| next + 1).min(ask.from)..ask.from + 1);
        } else {
            let end = found.last().map_or(ask.lines, |last| ask.lines.max(last + 1));
            self.learn(ask.from..next.unwrap_or(end).max(ask.from + 1));
        }
        // What is still asked for comes later, and then it is looked what it was for.
        if self.asked.is_some() { Next::Nothing } else { self.advance(lines) }
    }

    /// Every hit of these lines is known; of what lies elsewhere that is forgotten.
    fn learn(&mut self, lines: Range<u64>) {
        self.known = match lines.start <= self.known.end && self.known.start <= lines.end {
            true => self.known.start.min(lines.start)..self.known.end.max(lines.end),
            false => lines,
        };
    }

    fn advance(&mut self, lines: u64) -> Next {
        self.lines = lines;
        while let Some(goal) = self.goal {
            let Goal { from, backwards, wrapped } = goal;
            let at_hand = match backwards {
                true => self.known.contains(&from) || from + 1 == self.known.start,
                false => self.known.contains(&from) || from == self.known.end,
            };
            if !at_hand && from < lines {
                let edge = from + u64::from(backwards);
                self.known = edge..edge;
                return Next::Ask(self.ask(from, backwards));
            }
            let hit = match backwards {
                true => self.matches.range(self.known.start.min(from + 1)..from + 1).next_back(),
                false => self.matches.range(from..self.known.end.max(from)).next(),
            };
            if let (true, Some(&line)) = (at_hand, hit) {
                (self.current, self.goal) = (Some(line), None);
                return Next::Show { line, wrapped, count: self.count_all() };
            }
            if at_hand && backwards && self.known.start > 0 {
                return Next::Ask(self.ask(self.known.start - 1, true));
            }
            if at_hand && !backwards && self.known.end < lines {
                return Next::Ask(self.ask(self.known.end, false));
            }
            self.goal = wrap(goal, lines);
        }
        Next::Nothing
    }

    /// The first time, unless all is known already.
    fn count_all(&mut self) -> Option<Ask> {
        if !std::mem::take(&mut self.count) || (self.known.start == 0 && self.known.end >= self.lines) {
            return None;
        }
        let ask = Ask { pattern: self.pattern.clone(), from: 0, backwards: false, limit: LIMIT, lines: self.lines };
        self.counting = Some(ask.clone());
        Some(ask)
    }

    /// While all hits are still to be counted, only for the one that is looked for.
    fn ask(&mut self, from: u64, backwards: bool) -> Ask {
        let limit = if self.count || self.counting.is_some() { 1 } else { LIMIT };
        let ask = Ask { pattern: self.pattern.clone(), from, backwards, limit, lines: self.lines };
        self.asked = Some(ask.clone());
        ask
    }

    /// All of the log was searched, and there is no hit.
    pub(super) fn found_nothing(&self) -> bool {
        self.asked.is_none() && self.matches.is_empty()
    }

    pub fn is_match(&self, line: u64) -> bool {
        self.matches.contains(&line)
    }

    /// `3/17`, `3/10,000+`, `no match`, `searching`.
    pub fn words(&self) -> String {
        let count = |range: Range<u64>| crate::words::count(self.matches.range(range).count() as u64);
        match (&self.asked, self.current) {
            (Some(_), _) => "searching".to_owned(),
            (None, None) => "no match".to_owned(),
            (None, Some(line)) if self.known.start == 0 && self.known.contains(&line) => {
                let more = if self.known.end < self.lines { "+" } else { "" };
                format!("{}/{}{more}", count(0..line + 1), count(self.known.clone()))
            }
            (None, Some(line)) => {
                let counting = if self.counting.is_some() { ", counting" } else { "" };
                format!("in line {}{counting}", crate::words::count(line + 1))
            }
        }
    }
}

/// Around the log's end, once.
fn wrap(goal: Goal, lines: u64) -> Option<Goal> {
    let from = if goal.backwards { lines.checked_sub(1)? } else { 0 };
    (!goal.wrapped && lines > 0).then_some(Goal { from, wrapped: true, ..goal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_are_known_by_their_words() {
        let errors = Search::errors();
        for line in [
            "error[E0308]: mismatched types",
            "E   assert 1 == 2",
            "\x1b[1;31merror\x1b[0m: no",
            "ValueError: no",
            "thread 'main' panicked at src/main.rs",
            "FAILED tests/x.py::y",
            "make: *** [all] Error 2",
            "Traceback (most recent call last):",
        ] {
            assert!(errors.regex.is_match(line), "{line}");
        }
        for line in ["Compiling error_chain v1", "no terrors here", "test parser::failing_is_fine ... ok", "-Werrors"] {
            assert!(!errors.regex.is_match(line), "{line}");
        }
    }

    /// A daemon that finds at most `limit` hits at once and looks at most at `budget` lines.
    fn answer(hits: &BTreeSet<u64>, lines: u64, ask: &Ask, limit: usize, budget: u64) -> (Vec<u64>, Option<u64>) {
        let (mut found, mut at) = (Vec::new(), Some(ask.from));
        for _ in 0..budget {
            let Some(line) = at.filter(|line| *line < lines) else { return (found, None) };
            if found.len() == limit {
                break;
            }
            found.extend(hits.contains(&line).then_some(line));
            at = if ask.backwards { line.checked_sub(1) } else { Some(line + 1) };
        }
        (found, at.filter(|line| *line < lines))
    }

    fn settle(
        search: &mut Search,
        mut next: Next,
        hits: &BTreeSet<u64>,
        lines: u64,
        limit: usize,
        waiting: &mut Vec<Ask>,
    ) -> Option<(u64, bool)> {
        loop {
            match next {
                Next::Show { line, wrapped, count } => {
                    waiting.extend(count);
                    return Some((line, wrapped));
                }
                Next::Nothing => return None,
                Next::Ask(ask) => {
                    let (found, more) = answer(hits, lines, &ask, limit.min(ask.limit as usize), 7);
                    next = search.found(&ask, &found, more, lines);
                }
            }
        }
    }

    fn shown(line: u64, wrapped: bool) -> Next {
        Next::Show { line, wrapped, count: None }
    }

    #[test]
    fn of_a_long_log_the_first_hit_does_not_wait_for_the_others() {
        let lines = 1_000_000;
        let mut search = Search::new("error".to_owned()).expect("a pattern");
        let Next::Ask(near) = search.begin(500, lines) else { panic!("nothing is known yet") };
        assert_eq!((near.from, near.limit), (500, 1));
        let Next::Show { line: 700, wrapped: false, count: Some(all) } = search.found(&near, &[700], Some(701), lines)
        else {
            panic!("it is shown, and all are counted");
        };
        assert_eq!((all.from, all.limit, search.words().as_str()), (0, LIMIT, "in line 701, counting"));
        // The next one is not kept waiting either.
        let Next::Ask(near) = search.go(Some(701), false, lines) else { panic!("it is not known yet") };
        assert_eq!((near.from, near.limit), (701, 1));
        assert_eq!(search.found(&near, &[900], Some(901), lines), shown(900, false));
        let Next::Ask(near) = search.go(Some(901), false, lines) else { panic!("it is not known yet") };
        assert_eq!(search.found(&all, &[30, 700, 900, 999_999], None, lines), Next::Nothing);
        assert_eq!(search.found(&near, &[999_999], None, lines), shown(999_999, false));
        assert_eq!(search.words(), "4/4");
        assert_eq!(search.go(Some(999_998), true, lines), shown(900, false));
        assert_eq!(search.words(), "3/4");
    }

    #[test]
    fn a_long_log_without_a_hit_after_the_reader_is_gone_around() {
        let lines = 1_000_000;
        let mut search = Search::new("error".to_owned()).expect("a pattern");
        let Next::Ask(near) = search.begin(500, lines) else { panic!("nothing is known yet") };
        let Next::Ask(around) = search.found(&near, &[], None, lines) else { panic!("it goes around") };
        assert_eq!((around.from, around.limit), (0, 1));
        let next = search.found(&around, &[30], Some(31), lines);
        let Next::Show { line: 30, wrapped: true, count: Some(all) } = next else { panic!("{next:?}") };
        assert_eq!(search.found(&all, &[30, 31], None, lines), Next::Nothing);
        assert_eq!(search.words(), "1/2");
        // And one without any.
        let mut search = Search::new("nowhere".to_owned()).expect("a pattern");
        let Next::Ask(near) = search.begin(500, lines) else { panic!("nothing is known yet") };
        let Next::Ask(around) = search.found(&near, &[], None, lines) else { panic!("it goes around") };
        assert_eq!(search.found(&around, &[], None, lines), Next::Nothing);
        assert_eq!(search.words(), "no match");
    }

    #[test]
    fn begins_where_the_reader_is_goes_around_and_counts() {
        let hits = BTreeSet::from([10, 60, 70]);
        let mut search = Search::new("error".to_owned()).expect("a pattern");
        let Next::Ask(ask) = search.begin(50, 100) else { panic!("nothing is known yet") };
        assert_eq!(search.words(), "searching");
        let stale = Ask { pattern: "other".to_owned(), ..ask.clone() };
        assert_eq!(search.found(&stale, &[1], None, 100), Next::Nothing);
        let all: Vec<u64> = hits.iter().copied().collect();
        assert_eq!(search.found(&ask, &all, None, 100), shown(60, false));
        assert_eq!(search.words(), "2/3");
        assert_eq!(search.go(Some(61), false, 100), shown(70, false));
        assert_eq!(search.go(Some(71), false, 100), shown(10, true));
        assert_eq!(search.go(Some(9), true, 100), shown(70, true));
        assert_eq!(search.go(None, true, 100), shown(70, true));
        // The log grew: only what is new is asked about.
        let Next::Ask(ask) = search.go(Some(71), false, 200) else { panic!("the end is not known") };
        assert_eq!((ask.from, ask.backwards), (100, false));
        assert_eq!(search.found(&ask, &[150], None, 200), shown(150, false));
        assert_eq!(search.words(), "4/4");
    }

    proptest! {
        #[test]
        fn the_next_hit_is_found_however_little_comes_at_once(
            hits in proptest::collection::btree_set(0u64..60, 0..12),
            steps in proptest::collection::vec((0u64..60, any::<bool>()), 1..12),
            limit in 1usize..4,
            long: bool,
            late in proptest::collection::vec(any::<bool>(), 12),
        ) {
            let lines = 60;
            let mut search = Search::new("x".to_owned()).expect("a pattern");
            search.at_once = if long { 0 } else { lines };
            let mut waiting = Vec::new();
            let next = search.begin(steps[0].0, lines);
            let first = settle(&mut search, next, &hits, lines, limit, &mut waiting);
            prop_assert_eq!(first.map(|hit| hit.0), hits.range(steps[0].0..).next().or(hits.first()).copied());
            for ((from, backwards), late) in steps.into_iter().zip(late) {
                // What counts them all may come at any time.
                if let Some(ask) = waiting.pop_if(|_| !late) {
                    let (found, more) = answer(&hits, lines, &ask, limit, 50);
                    prop_assert_eq!(search.found(&ask, &found, more, lines), Next::Nothing);
                }
                let next = search.go(Some(from), backwards, lines);
                let got = settle(&mut search, next, &hits, lines, limit, &mut waiting);
                let (ahead, around) = match backwards {
                    true => (hits.range(..=from).next_back(), hits.last()),
                    false => (hits.range(from..).next(), hits.first()),
                };
                let expected = ahead.map(|line| (*line, false)).or(around.map(|line| (*line, true)));
                prop_assert_eq!(got, expected, "from {} backwards {}", from, backwards);
            }
        }
    }

    #[test]
    fn case_counts_when_there_is_a_capital() {
        let is = |pattern: &str| Search::new(pattern.to_owned()).expect("a pattern").regex.is_match("An Error");
        assert!(is("error") && is("Error") && !is("ERROR"));
        assert!(Search::new("(".to_owned()).is_err());
    }
}
