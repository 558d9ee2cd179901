//! Results of tests: what the reports of a build's jobs say, and how it compares with builds before. Must not know how
//! reports are read or where they are kept.

use serde::{Deserialize, Serialize};

use crate::id::BuildNumber;

/// How a test ended. A closed set, as the outcomes of builds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseOutcome {
    /// What it checks does not hold.
    Failed,
    /// It could not be carried out.
    Error,
    Passed,
    Skipped,
}

impl CaseOutcome {
    pub const ALL: [Self; 4] = [Self::Failed, Self::Error, Self::Passed, Self::Skipped];

    /// Whether somebody has to look at it.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// What the reports of one attempt say together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCounts {
    pub passed: u64,
    pub failed: u64,
    pub errors: u64,
    pub skipped: u64,
    /// What all of its tests took, one after the other.
    pub duration_ms: u64,
    /// What could not be taken of the reports, and why: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

/// The tests of a build: those of the newest attempt of each of its jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestsSummary {
    pub passed: u64,
    pub failed: u64,
    pub errors: u64,
    pub skipped: u64,
    pub duration_ms: u64,
    /// Of those that failed, those that did not in `base`. 0 where there is nothing to compare with.
    pub new: u64,
    pub flaky: u64,
    /// What it is compared with: the last finished build before it of the branch it is measured by, if there is one with
    /// results of tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BuildNumber>,
    /// That branch, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
}

/// One test of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseView {
    pub job: String,
    pub attempt: u32,
    /// Its class, or its suite; may be empty.
    pub suite: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    pub outcome: CaseOutcome,
    pub duration_ms: u64,
    /// What it says of its failure, or why it was skipped; its first line is the shortest. Cut at 8,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// It failed here and did not in the build that this one is compared with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
    /// It both passed and failed on this commit, or keeps changing its mind on this branch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
    /// In how many of the last ten builds of the same branch before this one it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_before: u32,
}

/// Which tests. Empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaseFilter {
    /// Words that must all occur, without regard to case, in job, suite, name or file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<CaseKind>,
}

/// What a list of tests may be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// Failed, or could not be carried out.
    Failed,
    New,
    Flaky,
    Skipped,
    Passed,
}

/// A window of the tests of a build: new failures first, then the other failures, flaky ones, those that passed, those that
/// were skipped; among equals in the order of the reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestsPage {
    pub build: BuildNumber,
    pub summary: TestsSummary,
    /// How many the filter lets through.
    pub total: u64,
    pub offset: u64,
    pub cases: Vec<CaseView>,
    /// What could not be taken of the reports, and why, by job: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
