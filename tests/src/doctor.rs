//! What `windlassd doctor` says, by the names that are promised to scripts. Must not know what it looks at.

use serde_json::Value;

use crate::daemon::Daemon;

/// A report and the exit code that came with it.
#[derive(Debug)]
pub struct Checkup {
    pub code: i32,
    pub report: Value,
}

/// Has the daemon's folder looked at; `more`: `--repair`, `--deep`.
#[must_use]
#[track_caller]
pub fn doctor(daemon: &Daemon, more: &[&str]) -> Checkup {
    let mut all = vec!["doctor", "--json"];
    all.extend(more);
    let output = daemon.windlassd(&all);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("windlassd {all:?} printed no JSON ({error}): {}{}", output.text(), output.stderr)
    });
    Checkup { code: output.code, report }
}

impl Checkup {
    #[track_caller]
    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().unwrap_or_else(|| panic!("no findings in {:#}", self.report))
    }

    /// `kind: repair` of everything wrong, sorted: for one assertion on all of it.
    #[must_use]
    #[track_caller]
    pub fn wrong(&self) -> Vec<String> {
        let wrong = self.findings().iter().filter(|finding| finding["weight"] == "wrong");
        let word = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no word: {value}")).to_owned();
        let mut words: Vec<String> =
            wrong.map(|finding| format!("{}: {}", word(&finding["kind"]), word(&finding["repair"]))).collect();
        words.sort();
        words
    }

    /// The only finding of a kind about something that `about` is part of.
    #[must_use]
    #[track_caller]
    pub fn finding(&self, kind: &str, about: &str) -> &Value {
        let fits = |finding: &&Value| {
            finding["kind"] == kind && finding["subject"].as_str().is_some_and(|subject| subject.contains(about))
        };
        let found: Vec<&Value> = self.findings().iter().filter(fits).collect();
        assert_eq!(found.len(), 1, "not exactly one {kind} about {about}: {:#}", self.report);
        found[0]
    }

    /// Asserts the exit code and everything wrong.
    #[track_caller]
    pub fn says(&self, code: i32, wrong: &[&str]) {
        assert_eq!(
            (self.code, self.wrong()),
            (code, wrong.iter().map(|&word| word.to_owned()).collect()),
            "{:#}",
            self.report
        );
    }
}
