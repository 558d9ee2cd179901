//! The life of one attempt: claim, release, start, steps, finish; and that SQL refuses what `state::attempt` refuses.

use std::collections::BTreeSet;

use windlass_protocol::view::{Status, StepView};

use super::*;
use crate::state::attempt::{Fault, Step};

on_each!(
    claims_take_the_oldest_and_respect_the_limit,
    claimers_that_race_share_what_waits,
    claimers_that_race_do_not_exceed_the_limit,
    what_is_released_keeps_its_place_but_not_its_token,
    exactly_one_start_wins,
    nothing_starts_or_is_given_back_once_a_cancel_was_asked_for,
    an_attempt_keeps_everything_it_is_told,
    the_image_of_a_start_is_kept_to_the_end,
    exactly_one_finish_wins,
    a_reason_with_a_nul_ends_an_attempt_too,
    the_database_allows_what_the_states_allow,
    the_queue_is_told_in_the_order_of_its_starts,
    one_row_that_cannot_be_read_hides_no_other,
);

async fn claims_take_the_oldest_and_respect_the_limit(store: Store) {
    let mut late = sketch(&store, &[("late", &[])]).await;
    late.facts.created_at = at(1_001);
    store.create_build(&late).await.expect("made");
    let first = made(&store, &[("b", &[]), ("a", &[])]).await;
    let second = made(&store, &[("z", &[]), ("blocked", &["z"])]).await;

    let mut order = Vec::new();
    while let Some(claimed) = store.claim_attempt("t", 3, at(5_000), &[]).await.expect("asked") {
        assert_eq!(claimed.token, "t");
        order.push(claimed.id);
    }
    // By the moment they were queued, then by build, then in the order of the spec.
    assert_eq!(order, [attempt_id(first, "b", 1), attempt_id(first, "a", 1), attempt_id(second, "z", 1)]);
    // A running one takes its slot as a claimed one does.
    store
        .start_attempt(&Claimed { id: order[0].clone(), token: "t".into() }, &site(), None, at(6_000))
        .await
        .expect("started");
    assert!(store.claim_attempt("t", 3, at(7_000), &[]).await.expect("asked").is_none());
    store.finish_attempt(&order[0], &ended(Outcome::Passed)).await.expect("finished");
    let next = store.claim_attempt("t", 3, at(7_000), &[]).await.expect("asked").expect("a slot is free");
    assert_eq!(next.id, attempt_id(late.number, "late", 1));
    assert!(
        store.claim_attempt("t", 100, at(7_000), &[]).await.expect("asked").is_none(),
        "a blocked job is not claimed"
    );
    assert!(store.claim_attempt("t", 0, at(7_000), &[]).await.expect("asked").is_none());
}

/// Everything that eight claimers get until each of them hears that there is nothing more.
async fn raced(store: &Store, limit: u64) -> Vec<AttemptId> {
    let claimers: Vec<_> = (0..8)
        .map(|claimer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                let token = format!("claimer {claimer}");
                while let Some(claimed) = store.claim_attempt(&token, limit, at(2_000), &[]).await.expect("asked") {
                    assert_eq!(store.attempt(&claimed.id).await.expect("there").token, Some(token.clone()));
                    mine.push(claimed.id);
                }
                // Refused although something waits and slots are free: it would wait for the next wake-up.
                let counts = store.queue_counts().await.expect("counted");
                assert!(counts.waiting == 0 || counts.taken >= limit, "a claimer went away too early: {counts:?}");
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.expect("a claimer"));
    }
    all
}

async fn claimers_that_race_share_what_waits(store: Store) {
    let jobs: Vec<String> = (0..10).map(|job| format!("job{job}")).collect();
    let jobs: Vec<(&str, &[&str])> = jobs.iter().map(|job| (job.as_str(), [].as_slice())).collect();
    for _ in 0..4 {
        made(&store, &jobs).await;
    }
    let all = raced(&store, 1_000).await;
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40, "nothing was given twice");
}

async fn claimers_that_race_do_not_exceed_the_limit(store: Store) {
    for _ in 0..20 {
        made(&store, &[("test", &[])]).await;
    }
    for round in 1..=3 {
        assert_eq!(raced(&store, round * 4).await.len(), 4);
    }
    assert_eq!(store.queue_counts().await.expect("counted"), QueueCounts { blocked: 0, waiting: 8, taken: 12 });
}

/// A second program on the same database (the old daemon during an upgrade, `windlassd token`) takes its turns too.
async fn two_programs_share_a_database(database: Database) {
    let one = Store::open(&database).await.expect("a fresh database");
    let other = Store::open(&database).await.expect("the same again");
    for _ in 0..20 {
        made(&one, &[("test", &[])]).await;
    }
    let (ours, theirs) = tokio::join!(raced(&one, 12), raced(&other, 12));
    assert_eq!(ours.iter().chain(&theirs).collect::<BTreeSet<_>>().len(), 12);
    assert_eq!(ours.len() + theirs.len(), 12);
    assert_eq!(other.queue_counts().await.expect("counted"), QueueCounts { blocked: 0, waiting: 8, taken: 12 });
    one.close().await;
    other.close().await;
}

#[test]
fn two_programs_share_a_file() {
    on_sqlite(two_programs_share_a_database);
}

#[test]
fn two_programs_share_a_postgres() {
    on_postgres(two_programs_share_a_database);
}

async fn what_is_released_keeps_its_place_but_not_its_token(store: Store) {
    made(&store, &[("first", &[]), ("second", &[])]).await;
    let first = claimed(&store, "one").await;
    store.release_attempt(&first.id).await.expect("released");
    assert!(is_conflict(&store.release_attempt(&first.id).await));
    let again = claimed(&store, "two").await;
    assert_eq!(again.id, first.id);
    assert!(is_conflict(&store.start_attempt(&first, &site(), None, at(3_000)).await), "its token is void");
    store.start_attempt(&again, &site(), None, at(3_000)).await.expect("started");
    assert!(is_conflict(&store.release_attempt(&again.id).await), "it runs");
}

async fn exactly_one_start_wins(store: Store) {
    made(&store, &[("test", &[])]).await;
    let right = claimed(&store, "right").await;
    let wrong = Claimed { token: "wrong".to_owned(), ..right.clone() };
    assert!(is_conflict(&store.start_attempt(&wrong, &site(), None, at(3_000)).await));
    let starts: Vec<_> = (0..8)
        .map(|starter| {
            let (store, right) = (store.clone(), right.clone());
            tokio::spawn(async move {
                let site = Site { handle: format!("container {starter}"), ..site() };
                store.start_attempt(&right, &site, None, at(3_000)).await.map(|()| site)
            })
        })
        .collect();
    let mut won = Vec::new();
    for start in starts {
        match start.await.expect("a starter") {
            Ok(site) => won.push(site),
            refused => assert!(is_conflict(&refused), "{refused:?}"),
        }
    }
    assert_eq!(won.len(), 1);
    let attempt = store.attempt(&right.id).await.expect("there");
    assert_eq!((attempt.state, attempt.site, attempt.started_at), (State::Running, won.pop(), Some(at(3_000))));
}

async fn nothing_starts_or_is_given_back_once_a_cancel_was_asked_for(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    let claimed = claimed(&store, "t").await;
    store.cancel(build, None, false, "ann", at(2_500)).await.expect("asked");
    assert!(is_conflict(&store.start_attempt(&claimed, &site(), None, at(3_000)).await));
    assert!(is_conflict(&store.release_attempt(&claimed.id).await), "the cancel would be forgotten");
    store.finish_attempt(&claimed.id, &ended(Outcome::Cancelled)).await.expect("what is claimed ends by decree");
}

fn steps() -> Vec<StepView> {
    vec![StepView {
        name: "check 'quotes' \u{0} \u{1f6a2}".to_owned(),
        status: Status::Finished,
        outcome: Some(Outcome::Failed),
        exit_code: Some(-1),
        signal: Some(9),
        started_at: Some(at(3_100)),
        finished_at: Some(at(3_200)),
        first_line: Some(u64::from(u32::MAX) + 1),
        finally: false,
    }]
}

async fn an_attempt_keeps_everything_it_is_told(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    let id = attempt_id(build, "test", 1);
    let fresh = store.attempt(&id).await.expect("there");
    assert_eq!((fresh.state, fresh.current, fresh.queued_at), (State::Waiting, true, at(1_000)));
    assert!(fresh.verdict.is_none() && fresh.site.is_none() && fresh.token.is_none() && fresh.cancel.is_none());

    running(&store, "t").await;
    store.record_steps(&id, &steps()).await.expect("recorded");
    assert_eq!(store.attempt(&id).await.expect("there").steps, steps());
    store.cancel(build, Some("test"), false, "ann", at(3_500)).await.expect("asked");

    let verdict = Verdict {
        outcome: Outcome::Failed,
        reason: Some("step `check` ended: 'quoted' \u{1f6a2} \\ % ".to_owned()),
        exit_code: Some(-2),
        signal: Some(15),
        fault: Fault::None,
    };
    let log =
        LogSummary { lines: 10_000_000_000, bytes: 1 << 40, sha256: Some("ab".repeat(32)), dropped_bytes: 1 << 33 };
    assert_eq!(store.attempt(&id).await.expect("there").image_digest, None);
    let image_digest = Some("sha256:f00d".to_owned());
    let finish = Finish {
        verdict: verdict.clone(),
        at: at(4_000),
        steps: steps(),
        log: log.clone(),
        image_digest: image_digest.clone(),
        results: None,
        artifacts: None,
        findings: None,
    };
    store.finish_attempt(&id, &finish).await.expect("finished");
    let attempt = store.attempt(&id).await.expect("there");
    assert_eq!(attempt.state, State::Finished);
    assert_eq!(attempt.verdict, Some(verdict));
    assert_eq!((attempt.started_at, attempt.finished_at), (Some(at(3_000)), Some(at(4_000))));
    assert_eq!(attempt.cancel, Some(CancelAsked { by: "ann".to_owned(), at: at(3_500), force: false }));
    assert_eq!((attempt.site, attempt.steps, attempt.log), (Some(site()), steps(), log));
    assert_eq!(attempt.image_digest, image_digest);

    assert!(is_missing(&store.attempt(&attempt_id(build, "test", 2)).await));
    assert!(is_missing(&store.attempt(&attempt_id(build + 1, "test", 1)).await));
}

/// Whoever takes it up after a restart does not know it.
async fn the_image_of_a_start_is_kept_to_the_end(store: Store) {
    made(&store, &[("test", &[])]).await;
    let claimed = claimed(&store, "t").await;
    store.start_attempt(&claimed, &site(), Some("sha256:f00d"), at(3_000)).await.expect("started");
    let digest = Some("sha256:f00d".to_owned());
    assert_eq!(store.attempt(&claimed.id).await.expect("there").image_digest, digest);
    store.finish_attempt(&claimed.id, &ended(Outcome::Failed)).await.expect("finished");
    assert_eq!(store.attempt(&claimed.id).await.expect("there").image_digest, digest);
}

async fn exactly_one_finish_wins(store: Store) {
    made(&store, &[("test", &[])]).await;
    let id = running(&store, "t").await;
    let finishes: Vec<_> = (0..8)
        .map(|exit_code| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                let mut finish = ended(Outcome::Failed);
                finish.verdict.exit_code = Some(exit_code);
                store.finish_attempt(&id, &finish).await.map(|_| Some(exit_code))
            })
        })
        .collect();
    let mut won = Vec::new();
    for finish in finishes {
        match finish.await.expect("a task") {
            Ok(exit_code) => won.push(exit_code),
            refused => assert!(is_conflict(&refused), "{refused:?}"),
        }
    }
    let verdict = store.attempt(&id).await.expect("there").verdict.expect("finished");
    assert_eq!(won, [verdict.exit_code]);
}

/// An engine's own words may hold anything; Postgres' text may not, and an attempt has to end nevertheless.
async fn a_reason_with_a_nul_ends_an_attempt_too(store: Store) {
    made(&store, &[("test", &[])]).await;
    let id = running(&store, "t").await;
    let finish = Finish { verdict: Verdict::because(Outcome::Broken, "no \0"), ..ended(Outcome::Broken) };
    store.finish_attempt(&id, &finish).await.expect("finished");
    let verdict = store.attempt(&id).await.expect("there").verdict.expect("finished");
    assert_eq!(verdict.reason.as_deref(), Some("no \u{fffd}"));
}

/// Puts a fresh attempt into a state by the ordinary way, or by decree where that way is what is tested.
async fn put(store: &Store, state: State) -> Claimed {
    let build = match state {
        State::Blocked => made(store, &[("need", &[]), ("test", &["need"])]).await,
        _ => made(store, &[("test", &[])]).await,
    };
    let token = "token".to_owned();
    match state {
        State::Blocked => {
            // Out of the way, so that a claim can only be of the one that is tested.
            running(store, "need").await;
        }
        State::Waiting => {}
        State::Claimed => drop(claimed(store, &token).await),
        State::Running => drop(running(store, &token).await),
        State::Finished => drop(ran(store, Outcome::Failed).await),
    }
    Claimed { id: attempt_id(build, "test", 1), token }
}

async fn the_database_allows_what_the_states_allow(store: Store) {
    let mut steps = vec![Step::Unblock, Step::Claim, Step::Release, Step::Start];
    steps.extend(Outcome::ALL.map(|outcome| Step::Finish(ended(outcome).verdict)));
    for from in State::ALL {
        for step in &steps {
            let claimed = put(&store, from).await;
            let id = &claimed.id;
            let before = store.attempt(id).await.expect("there");
            assert_eq!(before.state, from);
            let changes = store.last_change().await.expect("a number");
            let done = match step {
                Step::Unblock if from == State::Blocked => {
                    let need = attempt_id(id.build, "need", 1);
                    accepted(store.finish_attempt(&need, &ended(Outcome::Passed)).await.map(drop))
                }
                Step::Unblock => store.advance(id.build, at(9_000)).await.expect("looked at"),
                Step::Claim => {
                    let got = store.claim_attempt("claim", u64::MAX, at(9_000), &[]).await.expect("asked");
                    got.is_some_and(|got| got.id == *id)
                }
                Step::Release => accepted(store.release_attempt(id).await),
                Step::Start => accepted(store.start_attempt(&claimed, &site(), None, at(9_000)).await),
                Step::Finish(verdict) => accepted(store.finish_attempt(id, &ended(verdict.outcome)).await.map(drop)),
            };
            let after = store.attempt(id).await.expect("there");
            match from.after(step.clone()) {
                Ok(to) => {
                    assert!(done, "{from} {step:?} was refused");
                    assert_eq!(after.state, to, "{from} {step:?}");
                    assert!(store.last_change().await.expect("a number") > changes, "clients hear of {step:?}");
                }
                Err(_) => {
                    assert!(!done, "{from} {step:?} was not refused");
                    assert_eq!(
                        format!("{after:?}"),
                        format!("{before:?}"),
                        "{from} {step:?} was refused and changes nothing"
                    );
                    assert_eq!(store.last_change().await.expect("a number"), changes);
                }
            }
            let recorded = accepted(store.record_steps(id, &[]).await);
            assert_eq!(recorded, after.state == State::Running, "steps of {}", after.state);
            if after.state != State::Finished {
                let mut writing = store.write().await.expect("a turn");
                sqlx::query("update attempt set state = 'finished', outcome = 'lost', finished_at = 1 where build = $1 and job = $2")
                    .bind(signed(id.build))
                    .bind(&id.job)
                    .execute(&mut *writing.tx)
                    .await
                    .expect("out of the way");
                writing.commit().await.expect("committed");
            }
        }
    }
}

fn accepted(result: Result<(), StoreError>) -> bool {
    match result {
        Ok(()) => true,
        Err(StoreError::Conflict { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

async fn the_queue_is_told_in_the_order_of_its_starts(store: Store) {
    let first = made(&store, &[("a", &[]), ("b", &[]), ("c", &["a"])]).await;
    let second = made(&store, &[("d", &[]), ("e", &[]), ("f", &[])]).await;
    running(&store, "t").await;
    claimed(&store, "t").await;
    let open = store.open_attempts(100).await.expect("listed");
    let told: Vec<(u64, &str, State)> =
        open.iter().map(|open| (open.attempt.id.build, open.attempt.id.job.as_str(), open.attempt.state)).collect();
    let expected = [
        (first, "a", State::Running),
        (first, "b", State::Claimed),
        (second, "d", State::Waiting),
        (second, "e", State::Waiting),
        (second, "f", State::Waiting),
        (first, "c", State::Blocked),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (open[0].repository.as_str(), open[0].branch.as_deref(), open[0].title.as_str()),
        ("acme/app", Some("main"), "Fix the pump")
    );
    assert_eq!(store.open_attempts(2).await.expect("listed").len(), 2);
    let waiting = store.waiting(at(9_000), &[]).await.expect("read");
    assert_eq!(waiting.positions(&open), [None, None, Some(0), Some(1), Some(2), None]);
    let places = store.places(second, second, at(9_000)).await.expect("read");
    for (job, ahead) in [("d", 0), ("e", 1), ("f", 2)] {
        let place = &places[&attempt_id(second, job, 1).job_id()];
        assert_eq!(waiting.position(place), Some(ahead), "{job}");
    }
    assert_eq!(store.queue_counts().await.expect("counted"), QueueCounts { blocked: 1, waiting: 3, taken: 2 });
}

async fn one_row_that_cannot_be_read_hides_no_other(store: Store) {
    let build = made(&store, &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &["a"])]).await;
    running(&store, "t").await;
    running(&store, "t").await;
    claimed(&store, "t").await;
    let spoil = |statement: &'static str| {
        let store = store.clone();
        async move {
            let mut writing = store.write().await.expect("a turn");
            sqlx::query(statement).execute(&mut *writing.tx).await.expect(statement);
            writing.commit().await.expect("committed");
        }
    };
    spoil("update attempt set steps = '{' where job = 'a'").await;
    spoil("update job set plan = '{' where name = 'd'").await;
    assert!(store.open_attempts(100).await.is_err(), "lists want all of it");
    let begun = store.taken_attempts().await.expect("read");
    let told: Vec<(AttemptId, Option<State>)> =
        begun.into_iter().map(|(id, attempt)| (id, attempt.ok().map(|attempt| attempt.state))).collect();
    let expected = [("a", None), ("b", Some(State::Running)), ("c", Some(State::Claimed))];
    assert_eq!(told, expected.map(|(job, state)| (attempt_id(build, job, 1), state)));
}
