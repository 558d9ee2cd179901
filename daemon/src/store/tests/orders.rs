//! What people and the graph order: cancel, retry, advance; also while others change the same build.

use windlass_protocol::live::RetryWhat;

use super::*;

on_each!(
    a_cancel_ends_what_waits_and_asks_what_runs,
    a_second_cancel_only_raises_the_force,
    a_cancel_of_one_job_skips_what_depends_on_it,
    a_cancel_races_with_claims_and_misses_nothing,
    cancels_of_nothing_are_refused,
    a_retry_of_what_failed_leaves_what_passed,
    a_retry_of_one_job_takes_along_what_depends_on_it,
    a_retry_of_everything_keeps_the_old_attempts,
    retries_of_nothing_are_refused,
    retries_that_race_make_one_new_attempt,
    what_passed_unblocks_and_what_failed_skips,
    what_stands_still_is_found,
    a_chain_is_skipped_at_once,
    changes_are_numbered_and_refusals_are_not,
);

use Outcome::{Cancelled, Failed, Passed, Skipped};

type Stand<'a> = (&'a str, u32, State, Option<Outcome>);

async fn assert_stands(store: &Store, build: u64, expected: &[Stand<'_>]) {
    let stands = standing(store, build).await;
    let stands: Vec<Stand<'_>> =
        stands.iter().map(|(job, number, state, outcome)| (job.as_str(), *number, *state, *outcome)).collect();
    assert_eq!(stands, expected);
}

const DIAMOND: [(&str, &[&str]); 4] =
    [("lint", &[]), ("unit", &["lint"]), ("story", &["lint"]), ("ship", &["unit", "story"])];

async fn a_cancel_ends_what_waits_and_asks_what_runs(store: Store) {
    let build = made(&store, &[("runs", &[]), ("claimed", &[]), ("waits", &[]), ("blocked", &["runs"])]).await;
    let runs = running(&store, "t").await;
    let claimed = claimed(&store, "t").await.id;
    let done = store.cancel(build, None, false, "ann", at(5_000)).await.expect("cancelled");
    assert_eq!(done.stopping, ["runs", "claimed"]);
    assert_eq!(done.cancelled, ["waits", "blocked"]);
    let ended = (State::Finished, Some(Cancelled));
    let expected = [
        ("runs", 1, State::Running, None),
        ("claimed", 1, State::Claimed, None),
        ("waits", 1, ended.0, ended.1),
        ("blocked", 1, ended.0, ended.1),
    ];
    assert_stands(&store, build, &expected).await;
    for id in [runs, claimed] {
        let asked = store.attempt(&id).await.expect("there").cancel;
        assert_eq!(asked, Some(CancelAsked { by: "ann".to_owned(), at: at(5_000), force: false }), "{id}");
    }
    let waits = store.attempt(&attempt_id(build, "waits", 1)).await.expect("there");
    assert_eq!(waits.finished_at, Some(at(5_000)));
    assert!(waits.verdict.and_then(|verdict| verdict.reason).is_some_and(|reason| reason.contains("ann")));
}

async fn a_second_cancel_only_raises_the_force(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    let id = running(&store, "t").await;
    let table = [(false, "ann", 5_000, false), (true, "bob", 6_000, true), (false, "cid", 7_000, true)];
    for (force, by, now, forced) in table {
        let done = store.cancel(build, Some("test"), force, by, at(now)).await.expect("asked");
        assert_eq!((done.stopping, done.killing.len()), (vec!["test".to_owned()], usize::from(forced)));
        let asked = store.attempt(&id).await.expect("there").cancel;
        assert_eq!(asked, Some(CancelAsked { by: "ann".to_owned(), at: at(5_000), force: forced }));
    }
    assert!(store.build_page(&PageFilter::default(), 0, 1).await.expect("a page").builds[0].1[0].cancelling.is_some());
}

async fn a_cancel_of_one_job_skips_what_depends_on_it(store: Store) {
    let build = made(&store, &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("other", &[])]).await;
    let done = store.cancel(build, Some("a"), false, "ann", at(5_000)).await.expect("cancelled");
    assert_eq!((done.cancelled, done.stopping), (vec!["a".to_owned()], Vec::new()));
    let expected = [
        ("a", 1, State::Finished, Some(Cancelled)),
        ("b", 1, State::Finished, Some(Skipped)),
        ("c", 1, State::Finished, Some(Skipped)),
        ("other", 1, State::Waiting, None),
    ];
    assert_stands(&store, build, &expected).await;
    let reason = store.attempt(&attempt_id(build, "b", 1)).await.expect("there").verdict.expect("ended").reason;
    assert_eq!(reason.as_deref(), Some("needs a, which was cancelled"));
}

/// Whatever is claimed meanwhile: after a cancel of the whole build no job of it is left that nobody told.
async fn a_cancel_races_with_claims_and_misses_nothing(store: Store) {
    let jobs: Vec<String> = (0..12).map(|job| format!("job{job}")).collect();
    let jobs: Vec<(&str, &[&str])> = jobs.iter().map(|job| (job.as_str(), [].as_slice())).collect();
    for _ in 0..4 {
        let build = made(&store, &jobs).await;
        let claims: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    while let Some(claimed) = store.claim_attempt("t", 1_000, at(2_000), &[]).await.expect("asked") {
                        let started = store.start_attempt(&claimed, &site(), None, at(2_001)).await;
                        assert!(started.is_ok() || is_conflict(&started), "{started:?}");
                    }
                })
            })
            .collect();
        let cancel = store.cancel(build, None, false, "ann", at(3_000)).await.expect("cancelled");
        for claim in claims {
            claim.await.expect("a claimer");
        }
        assert_eq!(cancel.stopping.len() + cancel.cancelled.len(), 12, "{cancel:?}");
        for job in store.jobs(build).await.expect("jobs") {
            let attempt = &job.attempts[0];
            assert!(attempt.state == State::Finished || attempt.cancel.is_some(), "nobody told {}", attempt.id);
        }
    }
}

async fn cancels_of_nothing_are_refused(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    assert!(is_missing(&store.cancel(build + 1, None, false, "ann", at(5_000)).await));
    assert!(is_missing(&store.cancel(build, Some("tset"), false, "ann", at(5_000)).await));
    ran(&store, Passed).await;
    assert!(is_conflict(&store.cancel(build, None, true, "ann", at(5_000)).await));
    assert!(is_conflict(&store.cancel(build, Some("test"), false, "ann", at(5_000)).await));
}

/// Runs `lint` and `unit` of a diamond to their ends, `story` is done by the same way as `unit`.
async fn diamond(store: &Store, unit: Outcome) -> u64 {
    let build = made(store, &DIAMOND).await;
    ran(store, Passed).await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    ran(store, unit).await;
    ran(store, Passed).await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    build
}

async fn a_retry_of_what_failed_leaves_what_passed(store: Store) {
    let build = diamond(&store, Failed).await;
    let ended = State::Finished;
    let before = [
        ("lint", 1, ended, Some(Passed)),
        ("unit", 1, ended, Some(Failed)),
        ("story", 1, ended, Some(Passed)),
        ("ship", 1, ended, Some(Skipped)),
    ];
    assert_stands(&store, build, &before).await;
    let made = store.retry(build, &RetryWhat::Failed, "ann", at(6_000)).await.expect("retried");
    assert_eq!(made, [attempt_id(build, "unit", 2), attempt_id(build, "ship", 2)]);
    let after = [
        ("lint", 1, ended, Some(Passed)),
        ("unit", 2, State::Waiting, None),
        ("story", 1, ended, Some(Passed)),
        ("ship", 2, State::Blocked, None),
    ];
    assert_stands(&store, build, &after).await;
    let unit = ran(&store, Passed).await;
    assert_eq!(unit, attempt_id(build, "unit", 2));
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    assert_eq!(ran(&store, Passed).await, attempt_id(build, "ship", 2));
    let page =
        store.build_page(&PageFilter { outcome: Some(Passed), ..PageFilter::default() }, 0, 10).await.expect("a page");
    assert_eq!(page.total, 1, "it stands by its newest attempts");
}

async fn a_retry_of_one_job_takes_along_what_depends_on_it(store: Store) {
    let build = diamond(&store, Passed).await;
    ran(&store, Passed).await;
    let unit = RetryWhat::Job { job: "unit".to_owned() };
    let made = store.retry(build, &unit, "ann", at(6_000)).await.expect("retried");
    assert_eq!(made, [attempt_id(build, "unit", 2), attempt_id(build, "ship", 2)]);
    assert!(is_conflict(&store.retry(build, &unit, "ann", at(6_000)).await), "it is under way");
}

async fn a_retry_of_everything_keeps_the_old_attempts(store: Store) {
    let build = made(&store, &[("a", &[]), ("b", &["a"])]).await;
    let id = running(&store, "t").await;
    let log = LogSummary { lines: 3, bytes: 30, sha256: Some("cd".repeat(32)), dropped_bytes: 0 };
    store.finish_attempt(&id, &Finish { log, ..ended(Failed) }).await.expect("finished");
    let old = store.attempt(&id).await.expect("there");
    for number in 2..=3 {
        let made = store.retry(build, &RetryWhat::Everything, "ann", at(6_000)).await.expect("retried");
        assert_eq!(made, [attempt_id(build, "a", number), attempt_id(build, "b", number)]);
        assert_eq!(ran(&store, Failed).await, made[0]);
        assert!(
            !store.advance(build, at(5_000)).await.expect("looked at"),
            "the end of a job settled what hangs on it"
        );
    }
    let jobs = store.jobs(build).await.expect("jobs");
    let a: Vec<(u32, bool)> = jobs[0].attempts.iter().map(|attempt| (attempt.id.attempt, attempt.current)).collect();
    assert_eq!(a, [(1, false), (2, false), (3, true)]);
    let kept = store.attempt(&id).await.expect("there");
    assert_eq!(format!("{kept:?}"), format!("{:?}", Attempt { current: false, ..old }), "only its flag changed");
}

async fn retries_of_nothing_are_refused(store: Store) {
    let build = made(&store, &[("a", &[]), ("b", &["a"])]).await;
    let a = RetryWhat::Job { job: "a".to_owned() };
    for what in [&RetryWhat::Failed, &RetryWhat::Everything, &a] {
        assert!(is_conflict(&store.retry(build, what, "ann", at(5_000)).await), "{what:?} of what waits");
        assert!(is_missing(&store.retry(build + 1, what, "ann", at(5_000)).await));
    }
    running(&store, "t").await;
    for what in [&RetryWhat::Failed, &RetryWhat::Everything, &a] {
        assert!(is_conflict(&store.retry(build, what, "ann", at(5_000)).await), "{what:?} of what runs");
    }
    assert!(is_missing(&store.retry(build, &RetryWhat::Job { job: "c".to_owned() }, "ann", at(5_000)).await));
    assert_stands(&store, build, &[("a", 1, State::Running, None), ("b", 1, State::Blocked, None)]).await;

    let mut broken = sketch(&store, &[("spec", &[])]).await;
    broken.jobs[0].plan.steps.clear();
    broken.jobs[0].first = FirstState::Finished {
        verdict: Verdict::because(Outcome::Broken, "line 3 is no YAML"),
        log: LogSummary { lines: 1, bytes: 18, sha256: None, dropped_bytes: 0 },
    };
    store.create_build(&broken).await.expect("made");
    assert!(is_conflict(&store.retry(broken.number, &RetryWhat::Everything, "ann", at(5_000)).await));
    let attempt = store.attempt(&attempt_id(broken.number, "spec", 1)).await.expect("there");
    assert_eq!((attempt.finished_at, attempt.log.lines), (Some(at(1_000)), 1));
}

async fn retries_that_race_make_one_new_attempt(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    ran(&store, Failed).await;
    let retries: Vec<_> = (0..6)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.retry(build, &RetryWhat::Failed, "ann", at(5_000)).await })
        })
        .collect();
    let mut made = 0;
    for retry in retries {
        match retry.await.expect("a task") {
            Ok(attempts) => made += attempts.len(),
            refused => assert!(is_conflict(&refused), "{refused:?}"),
        }
    }
    assert_eq!(made, 1);
    assert_stands(&store, build, &[("test", 2, State::Waiting, None)]).await;
}

async fn what_passed_unblocks_and_what_failed_skips(store: Store) {
    let build = made(&store, &DIAMOND).await;
    assert!(store.blocked_builds().await.expect("listed").is_empty(), "the end of what waits settles it");
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "nothing has finished");
    ran(&store, Passed).await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    let ended = State::Finished;
    let expected = [
        ("lint", 1, ended, Some(Passed)),
        ("unit", 1, State::Waiting, None),
        ("story", 1, State::Waiting, None),
        ("ship", 1, State::Blocked, None),
    ];
    assert_stands(&store, build, &expected).await;
    ran(&store, Passed).await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "one of two is not enough");
    ran(&store, Outcome::TimedOut).await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    let ship = store.attempt(&attempt_id(build, "ship", 1)).await.expect("there");
    assert_eq!(ship.verdict, Some(Verdict::because(Skipped, "needs story, which timed out")));
    assert_eq!(ship.finished_at, Some(at(4_000)), "with the job that it needed");
    assert!(store.blocked_builds().await.expect("listed").is_empty());
    assert!(is_missing(&store.advance(build + 1, at(5_000)).await));
}

/// Nothing of ours leaves a build so; a person at the database may.
async fn what_stands_still_is_found(store: Store) {
    let build = made(&store, &[("a", &[]), ("b", &["a"])]).await;
    ran(&store, Passed).await;
    sqlx::query("update attempt set state = 'blocked' where job = 'b'").execute(&store.pool).await.expect("spoilt");
    assert_eq!(store.blocked_builds().await.expect("listed"), [build]);
    assert!(store.advance(build, at(5_000)).await.expect("looked at"));
    assert_eq!(standing(&store, build).await[1], ("b".to_owned(), 1, State::Waiting, None));
    assert!(store.blocked_builds().await.expect("listed").is_empty());
}

async fn a_chain_is_skipped_at_once(store: Store) {
    let build = made(&store, &[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["c"])]).await;
    ran(&store, Failed).await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    let ended = State::Finished;
    let expected = [
        ("a", 1, ended, Some(Failed)),
        ("b", 1, ended, Some(Skipped)),
        ("c", 1, ended, Some(Skipped)),
        ("d", 1, ended, Some(Skipped)),
    ];
    assert_stands(&store, build, &expected).await;
}

/// The build's place in the order of changes after something visible was done to it, which must be a new one.
async fn heard(store: &Store, build: u64, last: &mut u64, what: &str) {
    let seq = store.build(build).await.expect("there").seq;
    assert!(seq > *last, "nobody hears of: {what}");
    assert_eq!(store.last_change().await.expect("a number"), seq);
    *last = seq;
}

async fn changes_are_numbered_and_refusals_are_not(store: Store) {
    let mut last = store.last_change().await.expect("a number");
    let build = made(&store, &[("a", &[]), ("b", &["a"])]).await;
    heard(&store, build, &mut last, "made").await;
    let a = claimed(&store, "t").await;
    heard(&store, build, &mut last, "claimed").await;
    store.release_attempt(&a.id).await.expect("released");
    heard(&store, build, &mut last, "released").await;
    let a = claimed(&store, "t").await;
    heard(&store, build, &mut last, "claimed again").await;
    store.start_attempt(&a, &site(), None, at(3_000)).await.expect("started");
    heard(&store, build, &mut last, "started").await;
    store.record_steps(&a.id, &[]).await.expect("recorded");
    heard(&store, build, &mut last, "steps").await;
    store.cancel(build, Some("a"), false, "ann", at(3_000)).await.expect("asked");
    heard(&store, build, &mut last, "cancel asked").await;
    store.finish_attempt(&a.id, &ended(Passed)).await.expect("finished");
    heard(&store, build, &mut last, "finished").await;
    assert!(!store.advance(build, at(5_000)).await.expect("looked at"), "the end of a job settled what hangs on it");
    store.retry(build, &RetryWhat::Job { job: "a".to_owned() }, "ann", at(6_000)).await.expect("retried");
    heard(&store, build, &mut last, "retried").await;

    assert!(is_conflict(&store.finish_attempt(&a.id, &ended(Passed)).await));
    assert!(is_conflict(&store.start_attempt(&a, &site(), None, at(3_000)).await));
    assert!(is_conflict(&store.record_steps(&a.id, &[]).await));
    assert!(!store.advance(build, at(7_000)).await.expect("looked at"));
    assert!(is_conflict(&store.retry(build, &RetryWhat::Failed, "ann", at(7_000)).await));
    assert!(store.claim_attempt("t", 0, at(7_000), &[]).await.expect("asked").is_none());
    assert_eq!(store.last_change().await.expect("a number"), last, "a refusal is no change");

    let other = made(&store, &[("a", &[])]).await;
    heard(&store, other, &mut last, "another build").await;
    let numbers = [store.build(build).await.expect("there").seq, store.build(other).await.expect("there").seq];
    assert!(numbers[0] < numbers[1], "the other one's change is not this one's");
}
