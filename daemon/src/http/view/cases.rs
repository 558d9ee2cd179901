//! The tests of a build: what they are compared with is found, and what was found is remembered as long as nothing changes,
//! for every look at a build wants to know. Must not change anything, nor know how tests are compared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use windlass_protocol::cases::{CaseFilter, CaseKind, CaseOutcome, CaseView, TestsPage, TestsSummary};
use windlass_protocol::id::AttemptId;

use crate::event::BuildRequest;
use crate::http::App;
use crate::results::Case;
use crate::results::compare::{Brief, HISTORY, Judged, Others, judge};
use crate::store::{StoreError, StoredBuild, StoredCases};

/// The longest page.
const PAGE_CAP: u32 = 500;
/// The first so many words of a filter count.
const WORDS: usize = 5;
/// Tests of whole builds that are remembered, all together; one build is, however large.
const MOST_CASES: usize = 60_000;
/// The same for the builds and attempts that others are compared with, of which only outcomes are remembered.
const MOST_BRIEFS: usize = 1_000_000;
/// Tests of other attempts on the same commit that are looked at; those of older ones are not.
const MOST_SAME_COMMIT: usize = 500_000;

/// The tests of a build as they stand.
#[derive(Debug)]
pub(super) struct Tested {
    stored: Vec<StoredCases>,
    /// As a person wants to see them.
    judged: Vec<Judged>,
    pub summary: TestsSummary,
}

/// What is remembered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    memory: Arc<Mutex<Memory>>,
    /// Whoever works something out: one at a time, for it takes memory, and who waited mostly finds it then.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Memory {
    whole: Shelf<u64, Looked, Tested>,
    briefs: Shelf<Of, u64, Brief>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    Build(u64),
    Attempt(AttemptId),
}

/// What all of it depends on: numbers and sequence numbers of the build and of those it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    seq: u64,
    base: Option<(u64, u64)>,
    before: Vec<(u64, u64)>,
    same_commit: Vec<AttemptId>,
}

/// What was used longest ago goes first.
#[derive(Debug)]
struct Shelf<K, V, T> {
    things: HashMap<K, Kept<V, T>>,
    clock: u64,
}

#[derive(Debug)]
struct Kept<V, T> {
    version: V,
    thing: Arc<T>,
    weight: usize,
    used: u64,
}

impl<K, V, T> Default for Shelf<K, V, T> {
    fn default() -> Self {
        Self { things: HashMap::new(), clock: 0 }
    }
}

impl<K: std::hash::Hash + Eq + Clone, V: PartialEq, T> Shelf<K, V, T> {
    fn find(&mut self, key: &K, version: &V) -> Option<Arc<T>> {
        self.clock += 1;
        let kept = self.things.get_mut(key).filter(|kept| kept.version == *version)?;
        kept.used = self.clock;
        Some(Arc::clone(&kept.thing))
    }

    /// Keeps no more than `most` weighs, but always this one.
    fn put(&mut self, key: &K, version: V, thing: &Arc<T>, weight: usize, most: usize) {
        self.things.remove(key);
        let mut all: usize = self.things.values().map(|kept| kept.weight).sum();
        while all + weight > most
            && let Some(oldest) = self.things.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone())
        {
            all -= self.things.remove(&oldest).map_or(0, |kept| kept.weight);
        }
        self.clock += 1;
        self.things.insert(key.clone(), Kept { version, thing: Arc::clone(thing), weight, used: self.clock });
    }
}

impl Remembered {
    fn with<R>(&self, look: impl FnOnce(&mut Memory) -> R) -> R {
        look(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A window of the tests of a build.
pub async fn tests_page(
    app: &App,
    number: u64,
    filter: &CaseFilter,
    offset: u64,
    limit: u32,
) -> Result<TestsPage, StoreError> {
    let build = app.store.build(number).await?;
    let tested = tested(app, &build).await?;
    let words: Vec<String> =
        filter.text.iter().flat_map(|text| text.split_whitespace()).take(WORDS).map(str::to_lowercase).collect();
    let wanted = |judged: &&Judged| {
        let (of, case) = tested.case(judged);
        filter.only.is_none_or(|kind| is_of(judged, kind)) && words.iter().all(|word| has(&of.job, case, word))
    };
    let chosen: Vec<&Judged> = tested.judged.iter().filter(wanted).collect();
    let first = usize::try_from(offset).unwrap_or(usize::MAX).min(chosen.len());
    let end = first.saturating_add(limit.min(PAGE_CAP) as usize).min(chosen.len());
    let troubles = |of: &StoredCases| {
        let told: Vec<String> = of.counts.troubles.iter().map(|trouble| format!("{}: {trouble}", of.job)).collect();
        told
    };
    Ok(TestsPage {
        build: number,
        summary: tested.summary.clone(),
        total: chosen.len() as u64,
        offset,
        cases: chosen[first..end].iter().map(|judged| tested.view(judged)).collect(),
        troubles: tested.stored.iter().flat_map(troubles).collect(),
    })
}

/// All tests of a build, beside those of others.
pub(super) async fn tested(app: &App, build: &StoredBuild) -> Result<Arc<Tested>, StoreError> {
    let request = &build.facts.request;
    let store = &app.store;
    let base_branch = measure(request);
    let base = match &base_branch {
        Some(branch) => {
            let reference = format!("refs/heads/{branch}");
            store.builds_with_tests(&request.repository, &reference, build.number, 1).await?.pop()
        }
        None => None,
    };
    let before = store.builds_with_tests(&request.repository, &request.r#ref, build.number, HISTORY).await?;
    let same_commit = store.tested_attempts(&request.repository, &request.sha).await?;
    let looked = Looked { seq: build.seq, base, before, same_commit };
    if let Some(known) = app.tested.with(|memory| memory.whole.find(&build.number, &looked)) {
        return Ok(known);
    }
    let _turn = app.tested.turn.lock().await;
    if let Some(known) = app.tested.with(|memory| memory.whole.find(&build.number, &looked)) {
        return Ok(known);
    }
    let base = match looked.base {
        Some(of) => Some(brief(app, of).await?),
        None => None,
    };
    let mut others = Others { base, before: Vec::new(), same_commit: Brief::default() };
    for of in &looked.before {
        others.before.push(brief(app, *of).await?);
    }
    let stored = store.cases(build.number).await?;
    let is_here = |id: &AttemptId| {
        id.build == build.number && stored.iter().any(|of| of.job == id.job && of.attempt == id.attempt)
    };
    let mut left = MOST_SAME_COMMIT;
    for id in looked.same_commit.iter().filter(|id| !is_here(id)) {
        let brief = brief_of_attempt(app, id).await?;
        let Some(after) = left.checked_sub(brief.len()) else { break };
        left = after;
        others.same_commit.add_all(&brief);
    }
    let base = looked.base.map(|(number, _)| number);
    let judging = tokio::task::spawn_blocking(move || {
        let lists: Vec<(&str, &[Case])> = stored.iter().map(|of| (of.job.as_str(), of.cases.as_slice())).collect();
        let (mut summary, judged) = judge(&lists, &others);
        for of in &stored {
            summary.passed += of.counts.passed;
            summary.failed += of.counts.failed;
            summary.errors += of.counts.errors;
            summary.skipped += of.counts.skipped;
            summary.duration_ms = summary.duration_ms.saturating_add(of.counts.duration_ms);
        }
        (summary.base, summary.base_branch) = (base, base_branch);
        Tested { stored, judged, summary }
    });
    let tested = judging.await.map_err(|error| StoreError::Corrupt { what: format!("results of tests: {error}") })?;
    let tested = Arc::new(tested);
    let weight = tested.judged.len();
    app.tested.with(|memory| memory.whole.put(&build.number, looked, &tested, weight, MOST_CASES));
    Ok(tested)
}

/// How the tests of a finished build ended.
async fn brief(app: &App, (number, seq): (u64, u64)) -> Result<Arc<Brief>, StoreError> {
    remembered(app, Of::Build(number), seq, async || {
        let stored = app.store.cases(number).await?;
        Ok(stored.into_iter().map(|of| (of.job, of.cases)).collect())
    })
    .await
}

/// The same of an attempt: what it left behind never changes.
async fn brief_of_attempt(app: &App, id: &AttemptId) -> Result<Arc<Brief>, StoreError> {
    remembered(app, Of::Attempt(id.clone()), 0, async || Ok(vec![(id.job.clone(), app.store.cases_of(id).await?)]))
        .await
}

async fn remembered(
    app: &App,
    of: Of,
    version: u64,
    read: impl AsyncFnOnce() -> Result<Vec<(String, Vec<Case>)>, StoreError>,
) -> Result<Arc<Brief>, StoreError> {
    if let Some(known) = app.tested.with(|memory| memory.briefs.find(&of, &version)) {
        return Ok(known);
    }
    let mut brief = Brief::default();
    for (job, cases) in read().await? {
        brief.add(&job, &cases);
    }
    let weight = 1 + brief.len();
    let brief = Arc::new(brief);
    app.tested.with(|memory| memory.briefs.put(&of, version, &brief, weight, MOST_BRIEFS));
    Ok(brief)
}

/// The branch that a build is measured by: what a pull request wants to change, else the repository's main branch.
fn measure(request: &BuildRequest) -> Option<String> {
    request.base_branch.clone().or_else(|| request.default_branch.clone())
}

fn is_of(judged: &Judged, kind: CaseKind) -> bool {
    match kind {
        CaseKind::Failed => judged.outcome.is_failure(),
        CaseKind::New => judged.new,
        CaseKind::Flaky => judged.flaky,
        CaseKind::Skipped => judged.outcome == CaseOutcome::Skipped,
        CaseKind::Passed => judged.outcome == CaseOutcome::Passed,
    }
}

/// Whether a word, in lower case, occurs anywhere in a test's names.
fn has(job: &str, case: &Case, word: &str) -> bool {
    [Some(job), Some(&case.suite), Some(&case.name), case.file.as_deref()]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(word))
}

impl Tested {
    /// The tests that failed at a known place, those first that a person wants to see first.
    pub(super) fn placed_failures(&self) -> impl Iterator<Item = CaseView> {
        let failed = self.judged.iter().filter(|judged| judged.outcome.is_failure());
        failed
            .filter(|judged| {
                let (_, case) = self.case(judged);
                case.line.is_some() && case.file.as_ref().is_some_and(|file| !file.is_empty())
            })
            .map(|judged| self.view(judged))
    }

    fn case(&self, judged: &Judged) -> (&StoredCases, &Case) {
        let of = &self.stored[judged.list];
        (of, &of.cases[judged.case])
    }

    fn view(&self, judged: &Judged) -> CaseView {
        let (of, case) = self.case(judged);
        CaseView {
            job: of.job.clone(),
            attempt: of.attempt,
            suite: case.suite.clone(),
            name: case.name.clone(),
            file: case.file.clone(),
            line: case.line,
            outcome: case.outcome,
            duration_ms: case.duration_ms,
            message: case.message.clone(),
            new: judged.new,
            flaky: judged.flaky,
            failed_before: judged.failed_before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_and_what_changed_is_not_found() {
        let mut shelf: Shelf<u64, u64, &str> = Shelf::default();
        let thing = Arc::new("thing");
        shelf.put(&1, 10, &thing, 40, 100);
        shelf.put(&2, 10, &thing, 40, 100);
        assert!(shelf.find(&1, &10).is_some());
        assert!(shelf.find(&1, &11).is_none(), "it changed");
        shelf.put(&3, 10, &thing, 40, 100);
        assert!(shelf.find(&2, &10).is_none(), "it was used longest ago");
        assert!(shelf.find(&1, &10).is_some() && shelf.find(&3, &10).is_some());
        shelf.put(&4, 10, &thing, 1_000, 100);
        assert!(shelf.find(&4, &10).is_some(), "one is always kept");
        assert_eq!(shelf.things.len(), 1);
    }
}
