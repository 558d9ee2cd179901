//! What the fake daemon knows of tests. Must not know sockets.

use windlass_protocol::cases::{CaseFilter, CaseKind, CaseOutcome, CaseView, TestCounts, TestsPage, TestsSummary};

use super::world::World;

/// A test that passed.
pub(crate) fn passed(name: &str) -> CaseView {
    CaseView {
        job: "test".to_owned(),
        attempt: 1,
        suite: "tests.test_pump".to_owned(),
        name: name.to_owned(),
        file: None,
        line: None,
        outcome: CaseOutcome::Passed,
        duration_ms: 12,
        message: None,
        new: false,
        flaky: false,
        failed_before: 0,
    }
}

impl World {
    /// The job `test` of a build has reported these, in the order in which they are to be shown.
    pub(crate) fn tested(&mut self, number: u64, cases: Vec<CaseView>, troubles: &[&str]) {
        let summary = summary(&cases);
        let troubles: Vec<String> = troubles.iter().map(|trouble| (*trouble).to_owned()).collect();
        let counts = TestCounts {
            passed: summary.passed,
            failed: summary.failed,
            errors: summary.errors,
            skipped: summary.skipped,
            duration_ms: summary.duration_ms,
            troubles: troubles.clone(),
        };
        if let Some(view) = self.builds.get_mut(&number) {
            view.tests = Some(summary);
            let attempt = view.jobs.iter_mut().find(|job| job.name == "test").and_then(|job| job.attempts.last_mut());
            if let Some(attempt) = attempt {
                attempt.tests = Some(counts);
            }
        }
        self.tests.insert(number, (cases, troubles));
        self.touch(number);
    }

    pub(super) fn tests_page(&self, number: u64, filter: &CaseFilter, offset: u64, limit: u32) -> TestsPage {
        let (cases, troubles) = self.tests.get(&number).cloned().unwrap_or_default();
        let words: Vec<String> =
            filter.text.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
        let wanted = |case: &&CaseView| {
            let text = format!("{} {} {}", case.job, case.suite, case.name).to_lowercase();
            filter.only.is_none_or(|kind| is_of(case, kind)) && words.iter().all(|word| text.contains(word))
        };
        let chosen: Vec<&CaseView> = cases.iter().filter(wanted).collect();
        let window = chosen.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(limit as usize);
        TestsPage {
            build: number,
            summary: summary(&cases),
            total: chosen.len() as u64,
            offset,
            cases: window.map(|case| (*case).clone()).collect(),
            troubles: troubles.iter().map(|trouble| format!("test: {trouble}")).collect(),
        }
    }
}

fn is_of(case: &CaseView, kind: CaseKind) -> bool {
    match kind {
        CaseKind::Failed => case.outcome.is_failure(),
        CaseKind::New => case.new,
        CaseKind::Flaky => case.flaky,
        CaseKind::Skipped => case.outcome == CaseOutcome::Skipped,
        CaseKind::Passed => case.outcome == CaseOutcome::Passed,
    }
}

fn summary(cases: &[CaseView]) -> TestsSummary {
    let of = |kind| cases.iter().filter(|case| is_of(case, kind)).count() as u64;
    let errors = cases.iter().filter(|case| case.outcome == CaseOutcome::Error).count() as u64;
    TestsSummary {
        passed: of(CaseKind::Passed),
        failed: of(CaseKind::Failed) - errors,
        errors,
        skipped: of(CaseKind::Skipped),
        duration_ms: cases.iter().map(|case| case.duration_ms).sum(),
        new: of(CaseKind::New),
        flaky: of(CaseKind::Flaky),
        base: Some(40),
        base_branch: Some("main".to_owned()),
    }
}
