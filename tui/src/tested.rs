//! Results of tests in words. Must not know where they are shown.

use windlass_protocol::cases::{CaseOutcome, CaseView, TestCounts, TestsSummary};

use crate::words::{count, duration};

/// `tests: 3 failed (2 new), 1 flaky, 1,204 passed`.
pub(crate) fn in_a_line(summary: &TestsSummary) -> String {
    let failed = summary.failed + summary.errors;
    let mut parts = Vec::new();
    match (failed, summary.new) {
        (0, _) => {}
        (failed, 0) => parts.push(format!("{} failed", count(failed))),
        (failed, new) => parts.push(format!("{} failed ({} new)", count(failed), count(new))),
    }
    if summary.flaky > 0 {
        parts.push(format!("{} flaky", count(summary.flaky)));
    }
    if summary.passed > 0 {
        parts.push(format!("{} passed", count(summary.passed)));
    }
    if summary.skipped > 0 {
        parts.push(format!("{} skipped", count(summary.skipped)));
    }
    if parts.is_empty() {
        parts.push("none".to_owned());
    }
    format!("tests: {}", parts.join(", "))
}

/// What they were compared with, and how long they took.
pub(crate) fn beside(summary: &TestsSummary) -> String {
    let took = duration(summary.duration_ms);
    match (summary.base, &summary.base_branch) {
        (Some(base), Some(branch)) => format!("{took} in all; compared with build {base} of {branch}"),
        (Some(base), None) => format!("{took} in all; compared with build {base}"),
        (None, Some(branch)) => format!("{took} in all; no earlier build of {branch} to compare with"),
        (None, None) => format!("{took} in all; no earlier build to compare with"),
    }
}

/// `suite name`, as people look for it.
pub(crate) fn name(case: &CaseView) -> String {
    if case.suite.is_empty() { case.name.clone() } else { format!("{} {}", case.suite, case.name) }
}

/// The word of how it ended.
pub(crate) fn word(outcome: CaseOutcome) -> &'static str {
    match outcome {
        CaseOutcome::Failed => "failed",
        CaseOutcome::Error => "error",
        CaseOutcome::Passed => "passed",
        CaseOutcome::Skipped => "skipped",
    }
}

/// What sets it apart: `new`, `flaky`, `failed in 3 of the last 10`.
pub(crate) fn marks(case: &CaseView) -> Vec<String> {
    let before = (case.failed_before > 0).then(|| format!("failed {}\u{d7} in the 10 before", case.failed_before));
    let new = case.new.then(|| "new".to_owned());
    let flaky = case.flaky.then(|| "flaky".to_owned());
    [new, flaky, before].into_iter().flatten().collect()
}

/// The first line of its message that says anything.
pub(crate) fn headline(case: &CaseView) -> Option<&str> {
    case.message.as_deref()?.lines().map(str::trim).find(|line| !line.is_empty())
}

/// The place that it names in the sources.
pub(crate) fn place(case: &CaseView) -> Option<String> {
    let file = case.file.as_ref()?;
    Some(case.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
}

/// `3 failed, 1,204 passed`.
pub(crate) fn counts(counts: &TestCounts) -> String {
    let TestCounts { passed, failed, errors, skipped, .. } = *counts;
    let line = in_a_line(&TestsSummary { passed, failed, errors, skipped, ..TestsSummary::default() });
    line.trim_start_matches("tests: ").to_owned()
}

/// What could not be taken of the reports of an attempt.
pub(crate) fn troubles(counts: &TestCounts) -> impl Iterator<Item = String> + '_ {
    counts.troubles.iter().map(|trouble| format!("report {trouble}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_matters_and_nothing_that_is_none() {
        let summary = TestsSummary { passed: 1_204, failed: 2, errors: 1, new: 2, flaky: 1, ..TestsSummary::default() };
        assert_eq!(in_a_line(&summary), "tests: 3 failed (2 new), 1 flaky, 1,204 passed");
        let passed = TestsSummary { passed: 7, skipped: 1, ..TestsSummary::default() };
        assert_eq!(in_a_line(&passed), "tests: 7 passed, 1 skipped");
        assert_eq!(in_a_line(&TestsSummary { failed: 1, ..TestsSummary::default() }), "tests: 1 failed");
        assert_eq!(in_a_line(&TestsSummary::default()), "tests: none");
    }
}
