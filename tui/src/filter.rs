//! What is typed to find builds: `repo:app branch:main status:failed author:ada event:push`, and words. One language for the
//! screen and the command. Must not know where it is typed, nor how builds are kept.

use windlass_protocol::live::BuildFilter;
use windlass_protocol::view::{BuildHead, BuildRow, Outcome, Status};

/// A filter as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Parts of names, in lower case.
    repository: Vec<String>,
    branch: Vec<String>,
    author: Vec<String>,
    event: Option<String>,
    status: Option<Status>,
    outcome: Option<Outcome>,
    /// All other words, as they were typed.
    pub words: String,
    /// What cannot be understood (yet), in words; it filters nothing.
    pub problem: Option<String>,
}

/// What a filter looks at besides the words.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    repository: &'a str,
    branch: Option<&'a str>,
    author: &'a str,
    event: &'a str,
    status: Status,
    outcome: Option<Outcome>,
}

/// The names that have to be followed by a colon, for whoever explains them.
pub const NAMES: [&str; 5] = ["repo:", "branch:", "status:", "author:", "event:"];

impl Filter {
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                Some((_, "")) if NAMES.contains(&word) => {} // still being typed
                Some(("repo", name)) => filter.repository.push(name.to_lowercase()),
                Some(("branch", name)) => filter.branch.push(name.to_lowercase()),
                Some(("author", name)) => filter.author.push(name.to_lowercase()),
                Some(("event", name)) => filter.event = Some(name.to_owned()),
                Some(("status", word)) => filter.take_status(word),
                _ => words.push(word),
            }
        }
        filter.words = words.join(" ");
        filter
    }

    fn take_status(&mut self, word: &str) {
        let plain = word.replace('-', "_");
        let status = [Status::Waiting, Status::Running, Status::Finished].into_iter();
        match (status.into_iter().find(|status| status.to_string() == plain), Outcome::from_word(&plain)) {
            (Some(status), _) => self.status = Some(status),
            (None, Some(outcome)) => self.outcome = Some(outcome),
            (None, None) => {
                let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
                self.problem =
                    Some(format!("status:{word} is none of waiting, running, finished, {}", outcomes.join(", ")));
            }
        }
    }

    /// It lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Self { problem: None, ..self.clone() } == Self::default()
    }

    /// What to ask the daemon for: everything that fits is in the answer, and perhaps more ([`Filter::fits`] tells).
    #[must_use]
    pub fn for_daemon(&self) -> BuildFilter {
        let names = [&self.repository, &self.branch, &self.author].into_iter().flatten().map(String::as_str);
        let text = self.words.split_whitespace().chain(names).collect::<Vec<_>>().join(" ");
        BuildFilter {
            event: self.event.clone(),
            status: self.status,
            outcome: self.outcome,
            text: (!text.is_empty()).then_some(text),
            ..BuildFilter::default()
        }
    }

    /// Whether a build has what the names with a colon ask for. The words are another matter: the screen takes them loosely,
    /// the daemon exactly.
    #[must_use]
    pub fn fits(&self, facts: Facts<'_>) -> bool {
        let all = |parts: &[String], name: &str| {
            let name = name.to_lowercase();
            parts.iter().all(|part| name.contains(part.as_str()))
        };
        all(&self.repository, facts.repository)
            && all(&self.branch, facts.branch.unwrap_or_default())
            && all(&self.author, facts.author)
            && self.event.as_ref().is_none_or(|event| event == facts.event)
            && self.status.is_none_or(|status| status == facts.status)
            && self.outcome.is_none_or(|outcome| Some(outcome) == facts.outcome)
    }
}

impl<'a> From<&'a BuildRow> for Facts<'a> {
    fn from(row: &'a BuildRow) -> Self {
        let (repository, branch, author) = (&row.repository, row.branch.as_deref(), &row.author);
        Self { repository, branch, author, event: &row.event, status: row.status, outcome: row.outcome }
    }
}

impl<'a> From<&'a BuildHead> for Facts<'a> {
    fn from(head: &'a BuildHead) -> Self {
        let (repository, branch, author) = (&head.repository, head.branch.as_deref(), &head.author);
        Self { repository, branch, author, event: &head.event, status: head.status, outcome: head.outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts<'static> {
        let (status, outcome) = (Status::Finished, Some(Outcome::TimedOut));
        Facts { repository: "Acme/App", branch: Some("fix/Parser"), author: "Ada", event: "push", status, outcome }
    }

    #[test]
    fn names_with_a_colon_narrow_down() {
        let table = [
            ("", true),
            ("repo:app", true),
            ("repo:acme/app branch:parser", true),
            ("repo:acme repo:site", false),
            ("branch:main", false),
            ("author:ADA event:push", true),
            ("event:pull_request", false),
            ("event:pus", false),
            ("status:finished", true),
            ("status:timed_out", true),
            ("status:timed-out", true),
            ("status:failed", false),
            ("status:running", false),
            ("status:fai", true), // not a word yet
            ("branch:", true),
            ("any words", true),
        ];
        for (text, fits) in table {
            assert_eq!(Filter::parse(text).fits(facts()), fits, "{text:?}");
        }
    }

    #[test]
    fn the_daemon_is_asked_for_no_less_than_fits() {
        let filter = Filter::parse("quoted repo:App status:failed event:push 10:30");
        assert_eq!(filter.words, "quoted 10:30");
        let asked = filter.for_daemon();
        assert_eq!(asked.text.as_deref(), Some("quoted 10:30 app"));
        assert_eq!((asked.outcome, asked.event.as_deref()), (Some(Outcome::Failed), Some("push")));
        assert_eq!((asked.repository, asked.status), (None, None));
    }

    #[test]
    fn what_is_not_understood_is_said_and_filters_nothing() {
        let filter = Filter::parse("status:fai");
        assert!(filter.problem.as_ref().is_some_and(|words| words.contains("status:fai is none of waiting")));
        assert!(filter.is_empty() && !Filter::parse("x").is_empty() && !Filter::parse("status:lost").is_empty());
    }
}
