//! Results of tests: there with the attempt's end or not at all, found again by branch and commit, and gone with the build.

use windlass_protocol::cases::{CaseOutcome, TestCounts};

use super::*;
use crate::results::{Case, kept};

on_each!(
    results_come_with_the_end_and_only_once,
    earlier_builds_with_tests_are_found_by_ref_and_commit,
    results_go_with_their_build,
    of_a_build_with_too_many_tests_some_are_counted_alone,
);

fn case(name: &str, outcome: CaseOutcome) -> Case {
    Case {
        suite: "s".to_owned(),
        name: name.to_owned(),
        file: None,
        line: Some(3),
        outcome,
        duration_ms: 12,
        message: Some("no \0 good \u{1b}[31m".to_owned()),
        flaky: false,
    }
}

fn with_tests(outcome: Outcome, names: &[&str]) -> Finish {
    let cases: Vec<Case> = names.iter().map(|name| case(name, CaseOutcome::Failed)).collect();
    let counts =
        TestCounts { failed: names.len() as u64, troubles: vec!["a \0 b".to_owned()], ..TestCounts::default() };
    Finish { results: Some(NewResults { counts, cases: kept::pack(&cases) }), ..ended(outcome) }
}

async fn results_come_with_the_end_and_only_once(store: Store) {
    let build = made(&store, &[("test", &[]), ("lint", &[])]).await;
    let id = running(&store, "t").await;
    assert!(store.cases(build).await.expect("read").is_empty());
    store.finish_attempt(&id, &with_tests(Outcome::Failed, &["a", "b"])).await.expect("finished");
    // Told again after a restart: refused as a whole, and what is there stays.
    assert!(is_conflict(&store.finish_attempt(&id, &with_tests(Outcome::Passed, &["c"])).await));
    let stored = store.cases(build).await.expect("read").remove(0);
    assert_eq!((stored.job.as_str(), stored.attempt, stored.counts.failed), ("test", 1, 2));
    assert_eq!(stored.cases, [case("a", CaseOutcome::Failed), case("b", CaseOutcome::Failed)]);
    assert_eq!(stored.counts.troubles, ["a \0 b"]);
    assert_eq!(store.attempt(&id).await.expect("there").tests, Some(stored.counts));
    assert_eq!(store.cases_of(&id).await.expect("read").len(), 2);

    // Only the newest attempt of a job counts; the old one can still be asked for.
    store.retry(build, &windlass_protocol::live::RetryWhat::Failed, "ann", at(5_000)).await.expect("again");
    assert!(store.cases(build).await.expect("read").is_empty());
    assert_eq!(store.cases_of(&id).await.expect("read").len(), 2);
    let lint = running(&store, "t").await;
    store.finish_attempt(&lint, &ended(Outcome::Passed)).await.expect("finished");
    assert_eq!(store.attempt(&lint).await.expect("there").tests, None, "it has no reports");
}

async fn earlier_builds_with_tests_are_found_by_ref_and_commit(store: Store) {
    let pushed = async |reference: &str, sha: char, tests: bool| {
        let mut build = sketch(&store, &[("test", &[])]).await;
        reference.clone_into(&mut build.facts.request.r#ref);
        build.facts.request.sha = sha.to_string().repeat(40);
        store.create_build(&build).await.expect("made");
        let id = running(&store, "t").await;
        let finish = if tests { with_tests(Outcome::Failed, &["a"]) } else { ended(Outcome::Failed) };
        store.finish_attempt(&id, &finish).await.expect("finished");
        build.number
    };
    let (main, other) = ("refs/heads/main", "refs/heads/other");
    let first = pushed(main, 'a', true).await;
    pushed(main, 'b', false).await;
    let third = pushed(main, 'c', true).await;
    let elsewhere = pushed(other, 'a', true).await;
    let mut open = sketch(&store, &[("test", &[])]).await;
    open.facts.request.sha = "c".repeat(40);
    store.create_build(&open).await.expect("made");
    let before = async |reference: &str, number: u64, limit: u32| -> Vec<u64> {
        let found = store.builds_with_tests("Acme/APP", reference, number, limit).await.expect("read");
        found.into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(before(main, 100, 10).await, [third, first], "neither what has none nor what is not over");
    assert_eq!(before(main, 100, 1).await, [third]);
    assert_eq!(before(main, third, 10).await, [first]);
    assert_eq!(before(other, 100, 10).await, [elsewhere]);
    assert!(before("refs/heads/none", 100, 10).await.is_empty());
    let same = store.tested_attempts("acme/app", &"a".repeat(40)).await.expect("read");
    assert_eq!(same, [attempt_id(elsewhere, "test", 1), attempt_id(first, "test", 1)]);
    assert_eq!(store.tested_attempts("acme/other", &"a".repeat(40)).await.expect("read"), []);
    let request = store.build(first).await.expect("there").facts.request;
    assert_eq!(request.default_branch.as_deref(), Some("main"));
}

async fn results_go_with_their_build(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    let id = running(&store, "t").await;
    store.finish_attempt(&id, &with_tests(Outcome::Failed, &["a"])).await.expect("finished");
    assert_eq!(store.cases_of(&id).await.expect("read").len(), 1);
    store.drop_builds(&[build]).await.expect("dropped");
    assert!(store.cases_of(&id).await.expect("read").is_empty());
}

async fn of_a_build_with_too_many_tests_some_are_counted_alone(store: Store) {
    let build = made(&store, &[("one", &[]), ("two", &[]), ("three", &[])]).await;
    for names in [&["a", "b"][..], &["c", "d", "e"], &["f"]] {
        let id = running(&store, "t").await;
        store.finish_attempt(&id, &with_tests(Outcome::Failed, names)).await.expect("finished");
    }
    let listed = async |most: usize, text: usize| -> Vec<(String, u64, usize, usize)> {
        let stored = store.cases_within(build, most, text).await.expect("read");
        stored.into_iter().map(|of| (of.job, of.counts.failed, of.cases.len(), of.counts.troubles.len())).collect()
    };
    let of = |job: &str, failed, cases, troubles| (job.to_owned(), failed, cases, troubles);
    let all = [of("one", 2, 2, 1), of("two", 3, 3, 1), of("three", 1, 1, 1)];
    assert_eq!(listed(6, 1 << 20).await, all);
    assert_eq!(listed(5, 1 << 20).await, [all[0].clone(), all[1].clone(), of("three", 1, 0, 2)]);
    assert_eq!(listed(4, 1 << 20).await, [all[0].clone(), of("two", 3, 0, 2), all[2].clone()]);
    assert_eq!(listed(6, 1).await, [all[0].clone(), of("two", 3, 0, 2), of("three", 1, 0, 2)], "too much text");
    let last = store.cases_within(build, 0, 0).await.expect("read").remove(2).counts.troubles;
    assert_eq!(last, ["a \0 b", "its tests are counted and not listed: the build has too many"]);
}
