//! What tools say about places in the source: reports of analysers, lines of logs, failing tests. Must not know how any of
//! them is read or where it is kept.

use serde::{Deserialize, Serialize};

use crate::id::BuildNumber;

/// How bad it is. A closed set, as the outcomes of builds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Error,
    Warning,
    Note,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// The word that JSON carries, which is also what compilers print.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// How many there are: of one attempt, or of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotationCounts {
    pub errors: u64,
    pub warnings: u64,
    pub notes: u64,
    /// What could not be taken, and why: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

impl AnnotationCounts {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.errors.saturating_add(self.warnings).saturating_add(self.notes)
    }

    /// Nothing was said at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() == 0 && self.troubles.is_empty()
    }

    pub fn count(&mut self, level: Level) -> &mut u64 {
        match level {
            Level::Error => &mut self.errors,
            Level::Warning => &mut self.warnings,
            Level::Note => &mut self.notes,
        }
    }
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotationView {
    pub job: String,
    pub attempt: u32,
    pub level: Level,
    /// Below the job's folder, with slashes; missing where none was named, or one outside of it. A stranger chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Counted from 1, as are columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// Perhaps of several lines. Cut at 2,000 bytes.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was broken, as the tool names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The line of the attempt's log that says so, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_line: Option<u64>,
    /// It is a test that failed: one of those that the tests of the build tell of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// A window of what was said about a build: errors first, then warnings, then notes; among equals in the order of the jobs and,
/// within one, in that in which they were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotationsPage {
    pub build: BuildNumber,
    /// All of them, also those that are not listed; with troubles by job.
    pub counts: AnnotationCounts,
    /// How many are listed.
    pub total: u64,
    pub offset: u64,
    pub annotations: Vec<AnnotationView>,
}
