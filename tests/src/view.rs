//! Reads what `windlass … --json` prints, by the names that are promised to scripts. A missing name fails the story that
//! looks for it, with the whole object. Must not know where the JSON comes from.

use serde_json::Value;

/// One build, as `windlass show N --json` prints it.
#[derive(Debug, Clone)]
pub struct Build(pub Value);

/// One job of it.
#[derive(Debug, Clone)]
pub struct Job(pub Value);

#[track_caller]
fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or_else(|| panic!("no `{name}` in {object:#}"))
}

#[track_caller]
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    field(object, name).as_str().unwrap_or_else(|| panic!("`{name}` is no text in {object:#}"))
}

/// The text of a value that may be null.
fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

impl Build {
    #[must_use]
    #[track_caller]
    pub fn number(&self) -> u64 {
        field(&self.0, "number").as_u64().expect("a build's number is a number")
    }

    #[must_use]
    #[track_caller]
    pub fn status(&self) -> &str {
        text(&self.0, "status")
    }

    /// `-` while there is none.
    #[must_use]
    #[track_caller]
    pub fn outcome(&self) -> &str {
        word(field(&self.0, "outcome"))
    }

    /// Empty where there is none.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.0.get("reason").and_then(Value::as_str).unwrap_or_default()
    }

    #[must_use]
    #[track_caller]
    pub fn jobs(&self) -> Vec<Job> {
        field(&self.0, "jobs").as_array().expect("jobs is a list").iter().cloned().map(Job).collect()
    }

    #[must_use]
    #[track_caller]
    pub fn job(&self, name: &str) -> Job {
        let found = self.jobs().into_iter().find(|job| job.name() == name);
        found.unwrap_or_else(|| panic!("no job {name} in {:#}", self.0))
    }

    #[must_use]
    #[track_caller]
    pub fn only_job(&self) -> Job {
        let mut jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "not exactly one job in {:#}", self.0);
        jobs.remove(0)
    }

    /// `build: outcome` or `lint: running` for every job, in their order: for one assertion on all of them.
    #[must_use]
    pub fn summary(&self) -> String {
        let words = |job: &Job| {
            let ended = job.outcome();
            format!("{}: {}", job.name(), if ended == "-" { job.status() } else { ended })
        };
        self.jobs().iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

impl Job {
    #[must_use]
    #[track_caller]
    pub fn name(&self) -> &str {
        text(&self.0, "name")
    }

    #[must_use]
    #[track_caller]
    pub fn status(&self) -> &str {
        text(&self.0, "status")
    }

    /// `-` while there is none.
    #[must_use]
    #[track_caller]
    pub fn outcome(&self) -> &str {
        word(field(&self.0, "outcome"))
    }

    /// What `waiting_for` says, as its kind; `-` when the job does not wait.
    #[must_use]
    #[track_caller]
    pub fn waiting_for(&self) -> &str {
        field(&self.0, "waiting_for").get("kind").map_or("-", word)
    }

    #[must_use]
    #[track_caller]
    pub fn attempts(&self) -> Vec<Value> {
        field(&self.0, "attempts").as_array().expect("attempts is a list").clone()
    }

    /// Attempt `number`, counted from 1.
    #[must_use]
    #[track_caller]
    pub fn attempt(&self, number: u64) -> Value {
        let found = self.attempts().into_iter().find(|attempt| attempt["number"] == number);
        found.unwrap_or_else(|| panic!("no attempt {number} in {:#}", self.0))
    }

    #[must_use]
    #[track_caller]
    pub fn reason(&self) -> &str {
        self.0.get("reason").and_then(Value::as_str).unwrap_or_default()
    }
}
