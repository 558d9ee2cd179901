//! Whose turn it is: priority, fairness, pauses, back-off, engines that are away; and attempts that follow by themselves.

use windlass_protocol::live::RetryWhat;

use super::*;
use crate::state::attempt::Fault;

on_each!(
    a_small_repository_is_not_starved_by_a_large_one,
    a_higher_priority_comes_first,
    a_pause_holds_back_what_waits_and_nothing_else,
    the_queue_s_pause_holds_back_everything,
    what_needs_an_engine_that_is_away_is_passed_over,
    infrastructure_faults_are_tried_again_after_a_pause,
    what_was_put_off_follows_a_clock_that_was_set,
    dependents_wait_for_the_attempt_that_follows,
    a_job_s_own_faults_are_tried_again_only_if_the_spec_says_so,
    a_cancel_in_the_back_off_ends_it_at_once,
    a_cancel_that_was_asked_for_is_not_undone_by_a_fault,
    a_person_s_retry_begins_the_count_anew,
    a_cancel_that_races_with_the_end_has_one_result,
    history_is_the_median_of_the_last_passed,
    a_retry_on_the_head_is_a_delivery,
    a_look_that_finds_nothing_waits_for_no_writer,
);

/// A build of one job of a repository.
async fn one(store: &Store, repository: &str, priority: i64) -> u64 {
    let mut build = sketch(store, &[("test", &[])]).await;
    build.facts.request.repository = repository.to_owned();
    build.priority = priority;
    store.create_build(&build).await.expect("made");
    build.number
}

async fn with_retry(store: &Store, jobs: &[(&str, &[&str])], retry: Retry) -> u64 {
    let mut build = sketch(store, jobs).await;
    for job in &mut build.jobs {
        job.plan.retry = retry;
    }
    store.create_build(&build).await.expect("made");
    build.number
}

async fn claim(store: &Store, now: i64, away: &[&str]) -> Option<u64> {
    store.claim_attempt("t", 1_000, at(now), away).await.expect("asked").map(|claimed| claimed.id.build)
}

async fn a_small_repository_is_not_starved_by_a_large_one(store: Store) {
    let mut large = Vec::new();
    for _ in 0..6 {
        large.push(one(&store, "Acme/Large", 0).await);
    }
    let small = [one(&store, "acme/small", 0).await, one(&store, "acme/small", 0).await];
    let mut order = Vec::new();
    while let Some(build) = claim(&store, 2_000, &[]).await {
        order.push(build);
    }
    assert_eq!(order, [large[0], small[0], large[1], small[1], large[2], large[3], large[4], large[5]]);
}

async fn a_higher_priority_comes_first(store: Store) {
    let usual = [one(&store, "acme/a", 0).await, one(&store, "acme/b", 0).await];
    let urgent = [one(&store, "acme/a", 5).await, one(&store, "acme/a", 5).await];
    let late = one(&store, "acme/b", -5).await;
    let mut order = Vec::new();
    while let Some(build) = claim(&store, 2_000, &[]).await {
        order.push(build);
    }
    assert_eq!(order, [urgent[0], urgent[1], usual[1], usual[0], late]);
}

async fn a_pause_holds_back_what_waits_and_nothing_else(store: Store) {
    let first = one(&store, "acme/a", 0).await;
    let (a, b) = (one(&store, "acme/a", 0).await, one(&store, "acme/b", 0).await);
    let runs = running(&store, "t").await;
    assert_eq!(runs.build, first);
    let seq = store.last_change().await.expect("a number");
    store.pause(Some("Acme/A"), "ann", Some("the disk is swapped"), at(5_000)).await.expect("paused");
    assert!(store.last_change().await.expect("a number") > seq, "clients hear of it");
    assert!(is_conflict(&store.pause(Some("acme/a"), "bob", None, at(6_000)).await));
    let pause = StoredPause {
        repository: Some("acme/a".to_owned()),
        by: "ann".to_owned(),
        since: at(5_000),
        reason: Some("the disk is swapped".to_owned()),
    };
    assert_eq!(store.pauses().await.expect("listed"), std::slice::from_ref(&pause));
    let waiting = store.waiting(at(6_000), &[]).await.expect("read");
    assert_eq!((waiting.paused("ACME/a"), waiting.paused("acme/b")), (Some(&pause), None));
    let places = store.places(a, b, at(6_000)).await.expect("read");
    assert_eq!(waiting.position(&places[&attempt_id(a, "test", 1).job_id()]), None, "it does not start");
    assert_eq!(waiting.position(&places[&attempt_id(b, "test", 1).job_id()]), Some(0));

    assert_eq!(claim(&store, 6_000, &[]).await, Some(b));
    assert_eq!(claim(&store, 6_000, &[]).await, None);
    store.finish_attempt(&runs, &ended(Outcome::Passed)).await.expect("what runs goes on");
    store.resume(Some("acme/A")).await.expect("resumed");
    assert!(is_conflict(&store.resume(Some("acme/a")).await));
    assert_eq!(claim(&store, 6_000, &[]).await, Some(a));
}

async fn the_queue_s_pause_holds_back_everything(store: Store) {
    let build = one(&store, "acme/a", 0).await;
    store.pause(None, "ann", None, at(5_000)).await.expect("paused");
    assert_eq!(claim(&store, 6_000, &[]).await, None);
    assert!(store.waiting(at(6_000), &[]).await.expect("read").paused("acme/a").is_some());
    store.resume(None).await.expect("resumed");
    assert!(is_conflict(&store.resume(None).await));
    assert_eq!(claim(&store, 6_000, &[]).await, Some(build));
}

async fn what_needs_an_engine_that_is_away_is_passed_over(store: Store) {
    let docker = one(&store, "acme/docker", 9).await;
    let local = one(&store, "acme/local", 0).await;
    store.set_engine("acme/Local", Some("local")).await.expect("set");
    let waiting = store.waiting(at(2_000), &["docker"]).await.expect("read");
    let places = store.places(docker, local, at(2_000)).await.expect("read");
    assert_eq!(waiting.position(&places[&attempt_id(docker, "test", 1).job_id()]), None);
    assert_eq!(waiting.position(&places[&attempt_id(local, "test", 1).job_id()]), Some(0));
    assert_eq!(claim(&store, 2_000, &["docker", "swarm"]).await, Some(local));
    assert_eq!(claim(&store, 2_000, &["docker"]).await, None);
    assert_eq!(claim(&store, 2_000, &["dock"]).await, Some(docker));
}

fn fault(outcome: Outcome, fault: Fault, now: i64) -> Finish {
    Finish {
        verdict: Verdict { fault, ..Verdict::because(outcome, "the engine went away") },
        at: at(now),
        ..ended(outcome)
    }
}

const EARLY: Fault = Fault::Infrastructure { began: false };

async fn infrastructure_faults_are_tried_again_after_a_pause(store: Store) {
    let build = with_retry(&store, &[("test", &[])], Retry::default()).await;
    let (mut now, mut tries) = (10_000, 1);
    for pause in [5_000, 30_000] {
        let id = store.claim_attempt("t", 9, at(now), &[]).await.expect("asked").expect("it waits").id;
        assert_eq!(id, attempt_id(build, "test", tries));
        tries += 1;
        let next = store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, now)).await.expect("finished");
        assert_eq!(next, Some(attempt_id(build, "test", tries)));
        let attempt = store.attempt(&attempt_id(build, "test", tries)).await.expect("there");
        assert_eq!((attempt.state, attempt.not_before), (State::Waiting, at(now + pause)));
        assert_eq!(attempt.because.as_deref(), Some("tried again by itself: the engine went away"));
        assert_eq!(store.next_not_before(at(now)).await.expect("read"), Some(at(now + pause)));
        assert_eq!(claim(&store, now + pause - 1, &[]).await, None, "not before");
        assert!(store.places(build, build, at(now)).await.expect("read").is_empty());
        now += pause;
        assert_eq!(store.next_not_before(at(now)).await.expect("read"), None);
    }
    let id = store.claim_attempt("t", 9, at(now), &[]).await.expect("asked").expect("it waits").id;
    assert_eq!(store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, now)).await.expect("finished"), None);
    assert_eq!(standing(&store, build).await, [("test".to_owned(), 3, State::Finished, Some(Outcome::Lost))]);
}

/// In both directions: an hour forward must not let it begin at once, an hour back must not hold it up.
async fn what_was_put_off_follows_a_clock_that_was_set(store: Store) {
    const HOUR: i64 = 3_600_000;
    let build = with_retry(&store, &[("test", &[])], Retry::default()).await;
    let next = attempt_id(build, "test", 2);
    let begin = 10 * HOUR;
    let id = running(&store, "t").await;
    store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, begin)).await.expect("finished");
    let put_off = store.attempt(&next).await.expect("there").not_before.0;
    for (by, now) in [(HOUR, begin + HOUR), (-2 * HOUR, begin - HOUR)] {
        store.clock_was_set(by, at(now)).await.expect("moved along");
    }
    assert_eq!(store.attempt(&next).await.expect("there").not_before, at(put_off - HOUR));
    assert_eq!(claim(&store, put_off - HOUR - 1, &[]).await, None);
    assert_eq!(claim(&store, put_off - HOUR, &[]).await, Some(build));
    // What was put off by the new time already, before it was noticed, does not wait for the difference.
    let id = store.claim_attempt("u", 9, at(20 * HOUR), &[]).await.expect("asked");
    assert!(id.is_none(), "it was claimed above");
    store.finish_attempt(&next, &fault(Outcome::Lost, EARLY, 20 * HOUR)).await.expect("finished");
    store.clock_was_set(8 * HOUR, at(20 * HOUR)).await.expect("moved along");
    let third = store.attempt(&attempt_id(build, "test", 3)).await.expect("there");
    assert!(third.not_before.0 <= 20 * HOUR + 300_000, "{:?}", third.not_before);
    // What was not put off is not from now on.
    let other = with_retry(&store, &[("test", &[])], Retry::default()).await;
    store.clock_was_set(HOUR, at(begin)).await.expect("moved along");
    assert_eq!(store.attempt(&attempt_id(other, "test", 1)).await.expect("there").not_before, at(0));
}

async fn dependents_wait_for_the_attempt_that_follows(store: Store) {
    let build = with_retry(&store, &[("a", &[]), ("b", &["a"])], Retry::default()).await;
    let id = running(&store, "t").await;
    let late = Fault::Infrastructure { began: true };
    assert!(store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, 4_000)).await.expect("finished").is_some());
    let b = |state, outcome| ("b".to_owned(), 1, state, outcome);
    assert_eq!(standing(&store, build).await, [("a".to_owned(), 2, State::Waiting, None), b(State::Blocked, None)]);
    let id = store.claim_attempt("t", 9, at(9_000), &[]).await.expect("asked").expect("it waits").id;
    // Once a step has begun only the spec may say so.
    assert_eq!(store.finish_attempt(&id, &fault(Outcome::Lost, late, 9_000)).await.expect("finished"), None);
    assert_eq!(standing(&store, build).await[1], b(State::Finished, Some(Outcome::Skipped)));
}

async fn a_job_s_own_faults_are_tried_again_only_if_the_spec_says_so(store: Store) {
    for (failure, expected) in [(0, 1), (1, 2)] {
        let build = with_retry(&store, &[("test", &[])], Retry { infrastructure: None, failure }).await;
        let mut now = 1_000_000;
        while let Some(claimed) = store.claim_attempt("t", 9, at(now), &[]).await.expect("asked") {
            store.start_attempt(&claimed, &site(), None, at(now)).await.expect("started");
            store.finish_attempt(&claimed.id, &fault(Outcome::Failed, Fault::Job, now)).await.expect("finished");
            now += 1_000_000;
        }
        assert_eq!(standing(&store, build).await[0].1, expected);
    }
}

async fn a_cancel_in_the_back_off_ends_it_at_once(store: Store) {
    let build = with_retry(&store, &[("a", &[]), ("b", &["a"])], Retry::default()).await;
    let id = running(&store, "t").await;
    store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, 4_000)).await.expect("finished");
    let done = store.cancel(build, None, false, "ann", at(4_001)).await.expect("cancelled");
    assert_eq!(done.cancelled, ["a", "b"]);
    assert_eq!(claim(&store, 1_000_000, &[]).await, None);
}

async fn a_cancel_that_was_asked_for_is_not_undone_by_a_fault(store: Store) {
    let build = with_retry(&store, &[("test", &[])], Retry::default()).await;
    let id = running(&store, "t").await;
    store.cancel(build, None, false, "ann", at(3_500)).await.expect("asked");
    assert_eq!(store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, 4_000)).await.expect("finished"), None);
}

async fn a_person_s_retry_begins_the_count_anew(store: Store) {
    let build = with_retry(&store, &[("test", &[])], Retry { infrastructure: Some(1), failure: 0 }).await;
    let mut now = 10_000;
    for round in 0..2 {
        for followed in [true, false] {
            let id = store.claim_attempt("t", 9, at(now), &[]).await.expect("asked").expect("it waits").id;
            let next = store.finish_attempt(&id, &fault(Outcome::Lost, EARLY, now)).await.expect("finished");
            assert_eq!(next.is_some(), followed, "{round}");
            now += 1_000_000;
        }
        let made = store.retry(build, &RetryWhat::Failed, "ann", at(now)).await.expect("retried");
        let because = store.attempt(&made[0]).await.expect("there").because;
        assert_eq!(because.as_deref(), Some("retried by ann"));
    }
}

async fn a_cancel_that_races_with_the_end_has_one_result(store: Store) {
    for _ in 0..20 {
        let build = one(&store, "acme/app", 0).await;
        let id = running(&store, "t").await;
        let (ours, theirs) = (store.clone(), store.clone());
        let ending = id.clone();
        let end = tokio::spawn(async move { ours.finish_attempt(&ending, &ended(Outcome::Passed)).await });
        let cancel = tokio::spawn(async move { theirs.cancel(build, None, false, "ann", at(4_000)).await });
        end.await.expect("a task").expect("what runs is ended by whoever runs it");
        let asked = cancel.await.expect("a task");
        let attempt = store.attempt(&id).await.expect("there");
        assert_eq!(attempt.verdict.map(|verdict| verdict.outcome), Some(Outcome::Passed));
        match asked {
            Ok(done) => assert_eq!((done.stopping.len(), attempt.cancel.is_some()), (1, true)),
            refused => assert!(is_conflict(&refused) && attempt.cancel.is_none(), "{refused:?}"),
        }
    }
}

async fn history_is_the_median_of_the_last_passed(store: Store) {
    for took in (1..=30).chain([1_000_000]) {
        one(&store, "Acme/App", 0).await;
        let id = running(&store, "t").await;
        let outcome = if took < 1_000 { Outcome::Passed } else { Outcome::Failed };
        let finish = Finish { at: at(3_000 + took), ..ended(outcome) };
        store.finish_attempt(&id, &finish).await.expect("finished");
    }
    let history = store.history(["acme/APP", "acme/other"]).await.expect("read");
    assert_eq!(history.median("acme/app", "test"), Some(21), "of 11 to 30");
    assert_eq!((history.median("acme/app", "lint"), history.median("acme/other", "test")), (None, None));
    assert_eq!(history.typical(), Some(21));
}

async fn a_retry_on_the_head_is_a_delivery(store: Store) {
    let build = one(&store, "acme/app", 0).await;
    assert!(is_missing(&store.retry_head(build + 1, "ann", at(5_000)).await));
    let ids = [
        store.retry_head(build, "ann", at(5_000)).await.expect("asked"),
        store.retry_head(build, "ann", at(5_000)).await.expect("asked again"),
    ];
    assert_ne!(ids[0], ids[1]);
    let pending = store.pending_deliveries().await.expect("listed");
    assert_eq!((pending.len(), pending[0].event.as_str()), (1, HeadRetry::EVENT), "one after the other");
    let body = store.delivery_body(&ids[0]).await.expect("there");
    let retry: HeadRetry = serde_json::from_str(&body).expect("ours");
    assert_eq!((retry.id.as_str(), retry.build, retry.by.as_str()), (ids[0].as_str(), build, "ann"));
}

async fn a_look_that_finds_nothing_waits_for_no_writer(store: Store) {
    one(&store, "acme/app", 0).await;
    let writing = store.write().await.expect("a turn");
    assert!(store.claim_attempt("t", 0, at(5_000), &[]).await.expect("not busy").is_none(), "every slot is taken");
    writing.commit().await.expect("committed");
    assert_eq!(claimed(&store, "t").await.id.job, "test");
}
