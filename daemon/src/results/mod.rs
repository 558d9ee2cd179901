//! Results of tests, out of the reports that a job left: read from hostile bytes, bounded, and compared with those of
//! other builds. Pure; must not know where reports come from or where results are kept.

pub mod compare; // with other builds
pub mod junit; // JUnit's XML
pub mod kept; // how they are kept: compressed, and back

use windlass_protocol::cases::{CaseOutcome, TestCounts};

use crate::event::cut;
use crate::troubles::Troubles;

/// More tests of an attempt are counted and not listed.
pub const MOST_CASES: usize = 50_000;
/// All names and messages of an attempt together; what is beyond is not listed.
const MOST_TEXT: usize = 16 << 20;
/// Of a build so many are listed, and so much text, to within one attempt: whoever looks at it has all of that in memory.
pub const MOST_OF_BUILD: usize = 4 * MOST_CASES;
pub const MOST_TEXT_OF_BUILD: usize = 3 * MOST_TEXT;
/// What is kept of one message.
pub const MOST_MESSAGE: usize = 8_000;
/// What is kept of a name, a class or a file's name.
const MOST_NAME: usize = 500;

/// One test, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its class, or else its suite; may be empty.
    pub suite: String,
    pub name: String,
    pub file: Option<String>,
    pub line: Option<u32>,
    pub outcome: CaseOutcome,
    pub duration_ms: u64,
    pub message: Option<String>,
    /// Whoever ran it says that it failed before it passed.
    pub flaky: bool,
}

impl Case {
    /// Bytes of all its names and its message.
    pub(crate) fn text_len(&self) -> usize {
        let rest = [&self.file, &self.message].into_iter().flatten().map(String::len).sum::<usize>();
        self.suite.len() + self.name.len() + rest
    }
}

/// What the reports of one attempt say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    pub counts: TestCounts,
    /// In the order of the reports.
    pub cases: Vec<Case>,
    text: usize,
    unlisted: u64,
    troubles: Troubles,
}

impl Results {
    /// Takes all that a report says; of one that is broken nothing, and why.
    pub fn add_junit(&mut self, path: &str, bytes: &[u8]) {
        let mut of_file = Self::default();
        match junit::read(bytes, &mut |case| of_file.add(case)) {
            Ok(()) => self.take_over(of_file),
            Err(why) => self.trouble(path, &format!("left out: {why}")),
        }
    }

    /// Something of the reports is not to be had.
    pub fn trouble(&mut self, path: &str, why: &str) {
        self.troubles.tell(&mut self.counts.troubles, path, why);
    }

    fn take_over(&mut self, other: Self) {
        let (counts, more) = (&mut self.counts, other.counts);
        counts.passed += more.passed;
        counts.failed += more.failed;
        counts.errors += more.errors;
        counts.skipped += more.skipped;
        counts.duration_ms = counts.duration_ms.saturating_add(more.duration_ms);
        self.unlisted += other.unlisted;
        for case in other.cases {
            self.list(case);
        }
    }

    fn add(&mut self, case: Case) {
        let counts = &mut self.counts;
        *match case.outcome {
            CaseOutcome::Passed => &mut counts.passed,
            CaseOutcome::Failed => &mut counts.failed,
            CaseOutcome::Error => &mut counts.errors,
            CaseOutcome::Skipped => &mut counts.skipped,
        } += 1;
        counts.duration_ms = counts.duration_ms.saturating_add(case.duration_ms);
        self.list(case);
    }

    fn list(&mut self, mut case: Case) {
        for text in [&mut case.suite, &mut case.name] {
            cut(text, MOST_NAME);
        }
        if let Some(file) = &mut case.file {
            cut(file, MOST_NAME);
        }
        if let Some(message) = &mut case.message {
            cut(message, MOST_MESSAGE);
        }
        let size = case.text_len();
        if self.cases.len() == MOST_CASES || self.text + size > MOST_TEXT {
            self.unlisted += 1;
            return;
        }
        self.text += size;
        self.cases.push(case);
    }

    /// All reports are read: what was left out is told with the rest.
    pub fn close(&mut self) {
        let (unlisted, more) = (self.unlisted, self.troubles.untold());
        if unlisted > 0 {
            let words = format!("{unlisted} tests are counted and not listed: there are too many of them");
            self.counts.troubles.push(words);
        }
        if more > 0 {
            self.counts.troubles.push(format!("and {more} more files could not be taken"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::troubles::MOST as MOST_TOLD;

    fn case(name: &str, message: Option<&str>) -> Case {
        Case {
            suite: "s".to_owned(),
            name: name.to_owned(),
            file: None,
            line: None,
            outcome: CaseOutcome::Failed,
            duration_ms: 1,
            message: message.map(str::to_owned),
            flaky: false,
        }
    }

    #[test]
    fn there_is_an_end_to_everything_and_it_is_told() {
        let mut results = Results::default();
        let long = "\u{e4}".repeat(MOST_MESSAGE);
        for n in 0..3_000 {
            results.add(case(&n.to_string(), Some(&long)));
        }
        let listed = results.cases.len();
        assert!(listed > 1_000 && listed < 3_000, "{listed}");
        assert_eq!(results.counts.failed, 3_000, "all are counted");
        let message = results.cases[0].message.as_deref().unwrap_or_default();
        assert!(message.len() <= MOST_MESSAGE && message.ends_with('…'), "{}", message.len());
        for n in 0..50 {
            results.trouble(&format!("{n}.xml"), "no\n\u{1b}[31mgood");
            results.trouble("0.xml", "no\n\u{1b}[31mgood");
        }
        results.close();
        let troubles = &results.counts.troubles;
        assert_eq!(troubles[0], "0.xml: no \u{fffd}[31mgood");
        assert_eq!(troubles.len(), MOST_TOLD + 2);
        assert_eq!(troubles[MOST_TOLD + 1], "and 30 more files could not be taken");

        let mut many = Results::default();
        for _ in 0..=MOST_CASES {
            many.add(case("n", None));
        }
        many.close();
        assert_eq!(many.cases.len(), MOST_CASES);
        assert_eq!(many.counts.troubles, ["1 tests are counted and not listed: there are too many of them"]);
    }
}
