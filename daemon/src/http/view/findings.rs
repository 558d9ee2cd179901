//! What tools say about the source of a build: of the newest attempt of each job, with its failing tests, which are known
//! already. Must not change anything, nor know how it was read.

use windlass_protocol::annotation::{AnnotationCounts, AnnotationView, AnnotationsPage, Level};
use windlass_protocol::cases::CaseView;

use super::cases::{self, Tested};
use crate::event::clean;
use crate::findings::{Finding, MOST_MESSAGE};
use crate::http::App;
use crate::store::{Attempt, StoreError, StoredFindings, StoredJob};

/// The longest page.
const PAGE_CAP: u32 = 500;
/// More failing tests are counted and not listed: the list of tests has them.
const MOST_TESTS: usize = 50;

/// How much is said of a build. `None`: nothing.
pub(super) fn counts(jobs: &[StoredJob], tested: Option<&Tested>) -> Option<AnnotationCounts> {
    let found = |job: &StoredJob| {
        let of: &Attempt = super::newest(job)?;
        Some((job.plan.name.clone(), of.findings.clone()?))
    };
    let mut counts = sum(jobs.iter().filter_map(found));
    counts.errors += tested.map_or(0, |tested| tested.placed_failures().count() as u64);
    (!counts.is_empty()).then_some(counts)
}

/// A window of it.
pub async fn annotations_page(app: &App, number: u64, offset: u64, limit: u32) -> Result<AnnotationsPage, StoreError> {
    let build = app.store.build(number).await?;
    let stored = app.store.findings(number).await?;
    let tested = cases::tested(app, &build).await?;
    let mut counts = sum(stored.iter().map(|of| (of.job.clone(), of.counts.clone())));
    let failures: Vec<CaseView> = tested.placed_failures().take(MOST_TESTS).collect();
    counts.errors += tested.placed_failures().count() as u64;
    let mut all = Vec::new();
    for level in Level::ALL {
        let of_level = |of: &StoredFindings| -> Vec<AnnotationView> {
            of.findings.iter().filter(|finding| finding.level == level).map(|finding| view(of, finding)).collect()
        };
        all.extend(stored.iter().flat_map(of_level));
        if level == Level::Error {
            all.extend(failures.iter().map(of_test));
        }
    }
    let first = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
    let end = first.saturating_add(limit.min(PAGE_CAP) as usize).min(all.len());
    let total = all.len() as u64;
    let annotations = all.drain(first..end).collect();
    Ok(AnnotationsPage { build: number, counts, total, offset, annotations })
}

fn sum(jobs: impl Iterator<Item = (String, AnnotationCounts)>) -> AnnotationCounts {
    let mut all = AnnotationCounts::default();
    for (job, counts) in jobs {
        all.errors += counts.errors;
        all.warnings += counts.warnings;
        all.notes += counts.notes;
        all.troubles.extend(counts.troubles.into_iter().map(|trouble| format!("{job}: {trouble}")));
    }
    all
}

fn view(of: &StoredFindings, finding: &Finding) -> AnnotationView {
    let Finding { level, path, line, column, end_line, message, title, rule, tool, log_line } = finding.clone();
    let (job, attempt) = (of.job.clone(), of.attempt);
    AnnotationView {
        job,
        attempt,
        level,
        path,
        line,
        column,
        end_line,
        message,
        title,
        rule,
        tool,
        log_line,
        test: false,
    }
}

fn of_test(case: &CaseView) -> AnnotationView {
    let name = if case.suite.is_empty() { case.name.clone() } else { format!("{} {}", case.suite, case.name) };
    let message = case.message.as_deref().unwrap_or("the test failed").trim();
    let end = (0..=message.len().min(MOST_MESSAGE)).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    AnnotationView {
        job: case.job.clone(),
        attempt: case.attempt,
        level: Level::Error,
        path: case.file.as_deref().map(|file| clean(file, 500)),
        line: case.line,
        column: None,
        end_line: None,
        message: message[..end].to_owned(),
        title: Some(clean(&name, 500)),
        rule: None,
        tool: None,
        log_line: None,
        test: true,
    }
}
