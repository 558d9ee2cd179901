//! Groups: builds of one of them run one at a time, in the order in which they came, and none stands still.

use windlass_protocol::live::RetryWhat;

use super::*;
use crate::plan::{CancelOlder, Concurrency};

on_each!(
    a_group_runs_one_at_a_time,
    groups_of_other_names_and_repositories_are_others,
    the_turn_is_handed_on_by_a_cancel_too,
    a_newer_build_cancels_the_older_ones,
    a_retry_gets_in_line_again,
    an_attempt_that_follows_by_itself_keeps_the_turn,
    a_group_that_stands_still_is_repaired,
    a_build_with_nothing_to_run_takes_no_turn,
);

async fn grouped(store: &Store, repository: &str, group: &str, cancel: CancelOlder) -> NewBuild {
    let mut build = sketch(store, &[("a", &[]), ("b", &["a"])]).await;
    build.facts.request.repository = repository.to_owned();
    build.concurrency = Some(Concurrency { group: group.to_owned(), cancel });
    build
}

async fn in_line(store: &Store) -> u64 {
    let build = grouped(store, "acme/app", "deploy", CancelOlder::Never).await;
    assert_eq!(store.create_build(&build).await.expect("made"), Vec::<u64>::new());
    build.number
}

async fn turn(store: &Store, build: u64) -> Turn {
    store.build(build).await.expect("there").group.expect("it is in a group").turn
}

async fn states(store: &Store, build: u64) -> Vec<State> {
    standing(store, build).await.into_iter().map(|(_, _, state, _)| state).collect()
}

/// Runs whatever can run until nothing waits any more; in the order of the builds.
async fn run_all(store: &Store) -> Vec<u64> {
    let mut order = Vec::new();
    while let Some(claimed) = store.claim_attempt("t", 1, at(1_000_000), &[]).await.expect("asked") {
        store.start_attempt(&claimed, &site(), None, at(1_000_000)).await.expect("started");
        store.finish_attempt(&claimed.id, &ended(Outcome::Passed)).await.expect("finished");
        order.push(claimed.id.build);
    }
    order
}

async fn a_group_runs_one_at_a_time(store: Store) {
    let [one, two, three] = [in_line(&store).await, in_line(&store).await, in_line(&store).await];
    let waits = Turn::Waits { held_by: Some(one) };
    assert_eq!(
        [turn(&store, one).await, turn(&store, two).await, turn(&store, three).await],
        [Turn::Holds, waits, waits]
    );
    assert_eq!(states(&store, two).await, [State::Blocked, State::Blocked]);
    assert!(!store.advance(two, at(5_000)).await.expect("looked at"), "it is not its turn");
    assert!(
        store.blocked_builds().await.expect("listed").is_empty(),
        "one is under way, the others have not their turn"
    );
    let open = store.open_attempts(10).await.expect("listed");
    let held: Vec<Option<u64>> = open.iter().map(|open| open.group.as_ref().map(|(_, by)| *by)).collect();
    assert_eq!(held, [None, None, Some(one), Some(one), Some(one), Some(one)]);
    let page = store.build_page(&PageFilter::default(), 0, 10).await.expect("a page");
    assert_eq!(page.builds[0].0.group.as_ref().map(|group| group.turn), Some(waits));

    let seq = store.build(two).await.expect("there").seq;
    ran(&store, Outcome::Failed).await;
    assert_eq!([turn(&store, one).await, turn(&store, two).await], [Turn::Over, Turn::Holds]);
    assert!(store.build(two).await.expect("there").seq > seq, "clients hear of its turn");
    assert_eq!(run_all(&store).await, [two, two, three, three]);
    assert_eq!(turn(&store, three).await, Turn::Over);
}

async fn groups_of_other_names_and_repositories_are_others(store: Store) {
    for (repository, group) in [("acme/app", "deploy"), ("acme/app", "docs"), ("acme/other", "deploy")] {
        let build = grouped(&store, repository, group, CancelOlder::Outdated).await;
        assert!(store.create_build(&build).await.expect("made").is_empty());
        assert_eq!(turn(&store, build.number).await, Turn::Holds);
    }
    let build = grouped(&store, "ACME/App", "docs", CancelOlder::Never).await;
    store.create_build(&build).await.expect("made");
    assert!(matches!(turn(&store, build.number).await, Turn::Waits { .. }), "names count without regard to case");
}

async fn the_turn_is_handed_on_by_a_cancel_too(store: Store) {
    let [one, two, three] = [in_line(&store).await, in_line(&store).await, in_line(&store).await];
    store.cancel(two, None, false, "ann", at(5_000)).await.expect("cancelled");
    assert_eq!([turn(&store, one).await, turn(&store, two).await], [Turn::Holds, Turn::Over]);
    store.cancel(one, None, false, "ann", at(5_000)).await.expect("cancelled");
    assert_eq!(turn(&store, three).await, Turn::Holds);
    assert_eq!(states(&store, three).await, [State::Waiting, State::Blocked]);
}

async fn a_newer_build_cancels_the_older_ones(store: Store) {
    let [one, two] = [in_line(&store).await, in_line(&store).await];
    let runs = running(&store, "t").await;
    let newer = grouped(&store, "acme/app", "deploy", CancelOlder::Outdated).await;
    let outdated = store.create_build(&newer).await.expect("made");
    assert_eq!(outdated, [two, one]);
    let by = format!("a newer commit (#{})", newer.number);
    let attempt = store.attempt(&runs).await.expect("there");
    assert_eq!((attempt.state, attempt.cancel.map(|cancel| cancel.by)), (State::Running, Some(by.clone())));
    let reason = store.attempt(&attempt_id(two, "a", 1)).await.expect("there").verdict.expect("ended").reason;
    assert_eq!(reason, Some(format!("cancelled by {by} before it began")));
    // What runs has its turn until it has ended.
    assert_eq!(turn(&store, newer.number).await, Turn::Waits { held_by: Some(one) });
    store.finish_attempt(&runs, &ended(Outcome::Cancelled)).await.expect("finished");
    assert_eq!(turn(&store, newer.number).await, Turn::Holds);
    assert_eq!(run_all(&store).await, [newer.number, newer.number]);
}

async fn a_retry_gets_in_line_again(store: Store) {
    let one = in_line(&store).await;
    assert_eq!(run_all(&store).await, [one, one]);
    let [two, three] = [in_line(&store).await, in_line(&store).await];
    store.retry(one, &RetryWhat::Everything, "ann", at(5_000)).await.expect("retried");
    assert_eq!(turn(&store, one).await, Turn::Waits { held_by: Some(two) });
    assert_eq!(states(&store, one).await, [State::Blocked, State::Blocked]);
    assert_eq!(run_all(&store).await, [two, two, three, three, one, one]);
    store.retry(three, &RetryWhat::Everything, "ann", at(5_000)).await.expect("retried");
    assert_eq!(turn(&store, three).await, Turn::Holds, "nobody else wants it");
}

async fn an_attempt_that_follows_by_itself_keeps_the_turn(store: Store) {
    let [one, two] = [in_line(&store).await, in_line(&store).await];
    let id = claimed(&store, "t").await.id;
    let finish = Finish { verdict: Verdict::infrastructure(Outcome::Lost, "gone", false), ..ended(Outcome::Lost) };
    assert!(store.finish_attempt(&id, &finish).await.expect("finished").is_some());
    assert_eq!([turn(&store, one).await, turn(&store, two).await], [Turn::Holds, Turn::Waits { held_by: Some(one) }]);
    assert_eq!(run_all(&store).await, [one, one, two, two]);
}

async fn a_group_that_stands_still_is_repaired(store: Store) {
    let [one, two, three] = [in_line(&store).await, in_line(&store).await, in_line(&store).await];
    assert!(!store.repair_groups(at(5_000)).await.expect("looked at"), "nothing stands still");
    let by_hand = async |statement: &'static str| {
        let mut writing = store.write().await.expect("a turn");
        sqlx::query(statement).execute(&mut *writing.tx).await.expect(statement);
        writing.commit().await.expect("committed");
    };
    by_hand("update build set group_state = null where group_state = 'holds'").await;
    assert!(store.repair_groups(at(5_000)).await.expect("looked at"));
    assert_eq!(turn(&store, two).await, Turn::Holds);
    by_hand("update attempt set state = 'finished', outcome = 'lost', finished_at = 1 where build in (select number from build where group_state = 'holds')").await;
    assert!(store.repair_groups(at(5_000)).await.expect("looked at"));
    assert_eq!([turn(&store, two).await, turn(&store, three).await], [Turn::Over, Turn::Holds]);
    assert_ne!(one, two);
    assert!(!store.repair_groups(at(5_000)).await.expect("looked at"));
}

async fn a_build_with_nothing_to_run_takes_no_turn(store: Store) {
    let mut broken = grouped(&store, "acme/app", "deploy", CancelOlder::Never).await;
    broken.jobs.truncate(1);
    broken.jobs[0].first =
        FirstState::Finished { verdict: Verdict::because(Outcome::Broken, "no"), log: LogSummary::default() };
    store.create_build(&broken).await.expect("made");
    assert_eq!(turn(&store, broken.number).await, Turn::Over);
    assert_eq!(turn(&store, in_line(&store).await).await, Turn::Holds);
}
