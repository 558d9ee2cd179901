//! The tests of a build beside those of other builds: which failures are new, which tests cannot make up their mind, and
//! what a person wants to see first. Must not know where other builds are found.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use windlass_protocol::cases::{CaseOutcome, TestsSummary};

use super::Case;

/// So many finished builds of the same branch before this one are looked at.
pub const HISTORY: u32 = 10;
/// A test that changes between passed and failed so often within them and this one is flaky: once is broken, twice is broken
/// and mended.
const CHANGES: u32 = 3;

/// How the tests of a build, or of one attempt, ended; without names and messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brief(HashMap<u64, Ends>);

/// How the tests of one name ended: mostly there is one, but several may have the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    passed: bool,
    failed: bool,
}

/// What a build is compared with.
#[derive(Debug, Clone, Default)]
pub struct Others<B> {
    /// The build that says what was broken before; `None`: there is none.
    pub base: Option<B>,
    /// Finished builds of the same branch before this one, the newest first; at most [`HISTORY`].
    pub before: Vec<B>,
    /// All other attempts on the same commit together, in this build and in others: there may be many.
    pub same_commit: Brief,
}

/// What is known of one test of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Which: of the list that was given.
    pub list: usize,
    pub case: usize,
    pub outcome: CaseOutcome,
    pub new: bool,
    pub flaky: bool,
    pub failed_before: u32,
}

impl Brief {
    /// Adds the tests of a job.
    pub fn add(&mut self, job: &str, cases: &[Case]) {
        for case in cases {
            self.0.entry(key(job, case)).or_default().add(case);
        }
    }

    /// Adds what another is about.
    pub fn add_all(&mut self, other: &Self) {
        for (key, ends) in &other.0 {
            let all = self.0.entry(*key).or_default();
            *all = all.and(*ends);
        }
    }

    /// How many tests it is about.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, key: u64) -> Ends {
        self.0.get(&key).copied().unwrap_or_default()
    }
}

impl Ends {
    fn add(&mut self, case: &Case) {
        self.passed |= case.outcome == CaseOutcome::Passed || case.flaky;
        self.failed |= case.outcome.is_failure() || case.flaky;
    }

    fn and(self, other: Self) -> Self {
        Self { passed: self.passed || other.passed, failed: self.failed || other.failed }
    }
}

/// The tests of a build, by job, as a person wants to see them: new failures, other failures, flaky ones that passed, the
/// other ones that passed, skipped ones; otherwise in their order.
pub fn judge<'a, B: AsRef<Brief>>(here: &[(&'a str, &'a [Case])], others: &Others<B>) -> (TestsSummary, Vec<Judged>) {
    let mut all = Brief::default();
    for (job, cases) in here {
        all.add(job, cases);
    }
    let mut summary = TestsSummary::default();
    let mut judged = Vec::with_capacity(here.iter().map(|(_, cases)| cases.len()).sum());
    for (list, (job, cases)) in here.iter().enumerate() {
        for (index, case) in cases.iter().enumerate() {
            let key = key(job, case);
            let failed = case.outcome.is_failure();
            let before = || others.before.iter().map(|brief| brief.as_ref().of(key));
            let new = failed && others.base.as_ref().is_some_and(|base| !base.as_ref().of(key).failed);
            let ends = all.of(key);
            let flaky = is_flaky(ends.and(others.same_commit.of(key)), ends, before());
            let failed_before = before().filter(|ends| ends.failed).count();
            summary.new += u64::from(new);
            summary.flaky += u64::from(flaky);
            judged.push(Judged {
                list,
                case: index,
                outcome: case.outcome,
                new,
                flaky,
                failed_before: u32::try_from(failed_before).unwrap_or(u32::MAX),
            });
        }
    }
    judged.sort_by_key(rank); // stable
    (summary, judged)
}

fn rank(judged: &Judged) -> u8 {
    match judged.outcome {
        CaseOutcome::Failed | CaseOutcome::Error if judged.new => 0,
        CaseOutcome::Failed | CaseOutcome::Error => 1,
        _ if judged.flaky => 2,
        CaseOutcome::Passed => 3,
        CaseOutcome::Skipped => 4,
    }
}

/// It both passed and failed on the same commit, or changed at least [`CHANGES`] times within the last builds of its branch.
fn is_flaky(commit: Ends, here: Ends, before: impl Iterator<Item = Ends>) -> bool {
    if commit.passed && commit.failed {
        return true;
    }
    // Where it did not run, or was skipped, nothing is said.
    let mut line =
        std::iter::once(here).chain(before).filter(|ends| ends.passed || ends.failed).map(|ends| ends.failed);
    let Some(mut last) = line.next() else { return false };
    let mut changes = 0;
    for failed in line {
        changes += u32::from(failed != last);
        last = failed;
    }
    changes >= CHANGES
}

fn key(job: &str, case: &Case) -> u64 {
    // The same in each run, and nothing that a name ending where another begins could be mistaken for.
    let mut hasher = DefaultHasher::new();
    (job, case.suite.as_str(), case.name.as_str()).hash(&mut hasher);
    hasher.finish()
}

impl AsRef<Self> for Brief {
    fn as_ref(&self) -> &Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: CaseOutcome = CaseOutcome::Failed;
    const PASSED: CaseOutcome = CaseOutcome::Passed;
    const SKIPPED: CaseOutcome = CaseOutcome::Skipped;

    fn cases(list: &[(&str, CaseOutcome)]) -> Vec<Case> {
        list.iter()
            .map(|(name, outcome)| Case {
                suite: "s".to_owned(),
                name: (*name).to_owned(),
                file: None,
                line: None,
                outcome: *outcome,
                duration_ms: 0,
                message: None,
                flaky: false,
            })
            .collect()
    }

    fn brief(list: &[(&str, CaseOutcome)]) -> Brief {
        let mut brief = Brief::default();
        brief.add("test", &cases(list));
        brief
    }

    /// Names in their order, with what is said of them.
    fn told(here: &[(&str, CaseOutcome)], others: &Others<Brief>) -> (Vec<String>, u64, u64) {
        let cases = cases(here);
        let (summary, judged) = judge(&[("test", &cases)], others);
        let line = |judged: &Judged| {
            let name = &cases[judged.case].name;
            let (new, flaky) = (if judged.new { " new" } else { "" }, if judged.flaky { " flaky" } else { "" });
            format!("{name}{new}{flaky} {}", judged.failed_before)
        };
        (judged.iter().map(line).collect(), summary.new, summary.flaky)
    }

    #[test]
    fn new_is_what_fails_here_and_did_not_in_the_base() {
        let here = [("good", PASSED), ("off", SKIPPED), ("old", FAILED), ("broken", FAILED), ("added", FAILED)];
        let base = brief(&[("good", FAILED), ("old", FAILED), ("broken", PASSED)]);
        let others = Others { base: Some(base), ..Others::default() };
        let (lines, new, flaky) = told(&here, &others);
        assert_eq!(lines, ["broken new 0", "added new 0", "old 0", "good 0", "off 0"]);
        assert_eq!((new, flaky), (2, 0));
        let (lines, new, _) = told(&here, &Others::default());
        assert_eq!((lines[0].as_str(), new), ("old 0", 0), "without a base nothing is new");
        // The same name in another job is another test.
        let mut other_job = Brief::default();
        other_job.add("lint", &cases(&[("old", FAILED)]));
        let others = Others { base: Some(other_job), ..Others::default() };
        assert_eq!(told(&[("old", FAILED)], &others).1, 1);
    }

    #[test]
    fn flaky_is_both_on_one_commit_or_changing_all_the_time() {
        let on_commit = |list: &[(&str, CaseOutcome)]| Others { same_commit: brief(list), ..Others::default() };
        for (here, other, flaky) in
            [(PASSED, FAILED, 1), (FAILED, PASSED, 1), (FAILED, FAILED, 0), (PASSED, PASSED, 0), (PASSED, SKIPPED, 0)]
        {
            assert_eq!(told(&[("a", here)], &on_commit(&[("a", other)])).2, flaky, "{here:?} {other:?}");
        }
        // Of several other attempts each one counts.
        let mut several = brief(&[("a", PASSED), ("b", SKIPPED)]);
        several.add_all(&brief(&[("a", FAILED), ("b", PASSED)]));
        assert_eq!(several.len(), 2);
        let others = Others { same_commit: several, ..Others::default() };
        assert_eq!(told(&[("a", SKIPPED), ("b", PASSED)], &others).0, ["a flaky 0", "b 0"]);
        let line = |outcomes: &[CaseOutcome]| Others {
            before: outcomes.iter().map(|outcome| brief(&[("a", *outcome)])).collect(),
            ..Others::default()
        };
        for (before, flaky, failed_before) in [
            (&[PASSED, PASSED][..], 0, 0),
            (&[PASSED, FAILED][..], 0, 1),
            (&[FAILED, PASSED, PASSED][..], 0, 1),
            (&[PASSED, FAILED, SKIPPED, PASSED][..], 1, 1),
            (&[PASSED, FAILED, PASSED, FAILED][..], 1, 2),
        ] {
            let (lines, _, flaky_here) = told(&[("a", FAILED)], &line(before));
            assert_eq!(flaky_here, flaky, "{before:?}");
            assert!(lines[0].ends_with(&failed_before.to_string()), "{lines:?}");
        }
        let twice = [("a", PASSED), ("a", FAILED), ("b", PASSED)];
        let (lines, _, flaky) = told(&twice, &Others::default());
        assert_eq!((lines[0].as_str(), lines[1].as_str(), flaky), ("a flaky 0", "a flaky 0", 2));
    }
}
