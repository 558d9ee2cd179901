//! What the keeper asks and does: pages in order, removal of whole builds, what is noted of logs and deliveries.

use super::*;

on_each!(
    builds_come_in_pages_with_what_retention_asks,
    only_finished_builds_are_dropped_and_with_all_that_is_theirs,
    finished_logs_come_in_the_order_in_which_they_ended,
    removed_logs_are_noted_once_and_known_after,
    bodies_and_deliveries_go_when_nobody_needs_them,
    everything_is_counted,
    what_is_odd_is_ended_and_nothing_else,
    clone_urls_are_told_once,
);

async fn builds_come_in_pages_with_what_retention_asks(store: Store) {
    let first = made(&store, &[("test", &[])]).await;
    ran(&store, Outcome::Passed).await;
    let mut pull = sketch(&store, &[("test", &[])]).await;
    pull.facts.request.repository = "Acme/App".to_owned();
    pull.facts.request.pull_request = Some(7);
    store.create_build(&pull).await.expect("made");
    let mut tag = sketch(&store, &[("test", &[])]).await;
    (tag.facts.request.branch, tag.facts.request.r#ref) = (None, "refs/tags/v1".to_owned());
    store.create_build(&tag).await.expect("made");

    let all = store.kept_builds(0, 10).await.expect("read");
    let seen: Vec<_> = all.iter().map(|b| (b.number, b.repository.as_str(), b.branch.as_str(), b.finished)).collect();
    let expected = [
        (first, "acme/app", "main", true),
        (pull.number, "acme/app", "pull request 7", false),
        (tag.number, "acme/app", "refs/tags/v1", false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(all[0].created_at, at(1_000));
    assert_eq!(store.kept_builds(0, 1).await.expect("read"), all[..1]);
    assert_eq!(store.kept_builds(first, 1).await.expect("read"), all[1..2]);
    assert!(store.kept_builds(tag.number, 10).await.expect("read").is_empty());
}

async fn only_finished_builds_are_dropped_and_with_all_that_is_theirs(store: Store) {
    let done = made(&store, &[("lint", &[]), ("test", &[])]).await;
    ran(&store, Outcome::Failed).await;
    ran(&store, Outcome::Passed).await;
    let open = made(&store, &[("test", &[])]).await;
    let runs = running(&store, "token").await;
    assert_eq!(store.begun_attempts().await.expect("read"), std::slice::from_ref(&runs));
    let other = made(&store, &[("test", &[])]).await;

    let words = PageFilter { text: Some("acme/app".to_owned()), ..PageFilter::default() };
    assert_eq!(store.build_page(&words, 0, 10).await.expect("a page").total, 3);
    let mut dropped = store.drop_builds(&[done, open, other, 4711]).await.expect("dropped");
    dropped.sort();
    assert_eq!(dropped, [attempt_id(done, "lint", 1), attempt_id(done, "test", 1)]);
    let left: Vec<u64> = store.kept_builds(0, 10).await.expect("read").into_iter().map(|build| build.number).collect();
    assert_eq!(left, [open, other]);
    assert_eq!(store.build_page(&words, 0, 10).await.expect("a page").total, 2, "nor is it found any more");
    assert!(is_missing(&store.attempt(&attempt_id(done, "test", 1)).await));
    assert!(store.drop_builds(&[done]).await.expect("once more does no harm").is_empty());
    store.finish_attempt(&runs, &ended(Outcome::Passed)).await.expect("what runs was not touched");
    let number = made(&store, &[("test", &[])]).await;
    assert!(number > other, "numbers are never used again");
}

async fn finished_logs_come_in_the_order_in_which_they_ended(store: Store) {
    let mut ids = Vec::new();
    for _ in 0..4 {
        made(&store, &[("test", &[])]).await;
        ids.push(running(&store, "token").await);
    }
    // The first two ended last, in the same moment.
    for (id, when) in ids.iter().zip([9_000, 9_000, 5_000, 7_000]) {
        let log = LogSummary { bytes: 10 + id.build, sha256: Some("ab".repeat(32)), ..LogSummary::default() };
        store.finish_attempt(id, &Finish { at: at(when), log, ..ended(Outcome::Passed) }).await.expect("finished");
    }
    made(&store, &[("test", &[])]).await; // has not ended
    let order = [ids[2].clone(), ids[3].clone(), ids[0].clone(), ids[1].clone()];
    for limit in [1, 2, 3, 10] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.finished_logs(after.as_ref(), limit).await.expect("read");
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last().cloned() else { break };
            seen.extend(page.into_iter().map(|log| log.id));
            after = Some(last);
        }
        assert_eq!(seen, order, "pages of {limit}");
    }
    let first = store.finished_logs(None, 1).await.expect("read").remove(0);
    assert_eq!((first.finished_at, first.bytes), (at(5_000), 10 + ids[2].build));
    assert_eq!(first.sha256, Some("ab".repeat(32)));
}

async fn removed_logs_are_noted_once_and_known_after(store: Store) {
    made(&store, &[("test", &[])]).await;
    let id = running(&store, "token").await;
    let open = attempt_id(made(&store, &[("test", &[])]).await, "test", 1);
    let log = LogSummary { bytes: 77, ..LogSummary::default() };
    store.finish_attempt(&id, &Finish { log, ..ended(Outcome::Passed) }).await.expect("finished");
    for when in [8_000, 9_000] {
        store.note_removed_logs(&[id.clone(), open.clone()], at(when)).await.expect("noted");
    }
    let expected = RemovedLog { id: id.clone(), bytes: 77, removed_at: at(8_000) };
    assert_eq!(store.removed_logs().await.expect("read"), [expected], "not of what has not ended, and once");
    assert!(store.finished_logs(None, 10).await.expect("read").is_empty());
    assert_eq!(store.attempt(&id).await.expect("there").log.bytes, 77, "its numbers stay");
}

async fn bodies_and_deliveries_go_when_nobody_needs_them(store: Store) {
    let delivery = |id: &str, received: i64| NewDelivery {
        id: id.to_owned(),
        event: "push".to_owned(),
        action: None,
        repository: Some("acme/app".to_owned()),
        body_sha256: id.repeat(8),
        body: "{}".to_owned(),
        received_at: at(received),
        state: DeliveryState::Accepted,
        reason: None,
    };
    for (id, received) in [("built", 1_000), ("quiet", 2_000), ("pending", 3_000), ("young", 900_000)] {
        store.record_deliveries(&[delivery(id, received)]).await.expect("recorded");
    }
    let mut build = sketch(&store, &[("test", &[])]).await;
    build.facts.delivery = Some("built".to_owned());
    store.create_build(&build).await.expect("made, which settles its delivery");
    for id in ["quiet", "young"] {
        store.ignore_delivery(id, "nothing to build", at(910_000)).await.expect("settled");
    }
    let bodies = async || {
        let mut kept = Vec::new();
        for id in ["built", "quiet", "pending", "young"] {
            if store.delivery_body(id).await.is_ok_and(|body| !body.is_empty()) {
                kept.push(id);
            }
        }
        kept
    };
    assert_eq!(store.empty_bodies(at(900_000), 10).await.expect("emptied"), 1);
    assert_eq!(bodies().await, ["quiet", "pending", "young"]);
    assert_eq!(store.empty_bodies(at(920_000), 1).await.expect("emptied"), 1, "no more than asked for");
    assert_eq!(store.empty_bodies(at(920_000), 10).await.expect("emptied"), 1);
    assert_eq!(store.empty_bodies(at(920_000), 10).await.expect("emptied"), 0);
    assert_eq!(bodies().await, ["pending"], "what is not settled is still needed");

    assert_eq!(store.drop_deliveries(at(500_000), 10).await.expect("dropped"), 1);
    let mut left: Vec<String> = store.deliveries(10).await.expect("read").into_iter().map(|row| row.id).collect();
    left.sort();
    assert_eq!(left, ["built", "pending", "young"], "those with a build stay as long as it does");
}

async fn everything_is_counted(store: Store) {
    assert_eq!(store.counts().await.expect("counted"), Counts::default());
    made(&store, &[("a", &[]), ("b", &["a"])]).await;
    store.create_token("ann", Role::Viewer, "hash", at(1)).await.expect("made");
    let expected = Counts { builds: 1, jobs: 2, attempts: 2, deliveries: 0, tokens: 1 };
    assert_eq!(store.counts().await.expect("counted"), expected);
}

async fn what_is_odd_is_ended_and_nothing_else(store: Store) {
    let build = made(&store, &[("test", &[]), ("after", &["test"])]).await;
    let id = running(&store, "token").await;
    assert!(is_conflict(&store.end_odd(&id, "why", at(5_000)).await), "it has a claim");
    sqlx::query("update attempt set token = null where state = 'running'").execute(&store.pool).await.expect("spoilt");
    store.end_odd(&id, "why", at(5_000)).await.expect("ended");
    let seen = store.attempt(&id).await.expect("there");
    assert_eq!(seen.verdict.expect("ended").outcome, Outcome::Lost);
    let standing = standing(&store, build).await;
    assert_eq!(standing[1].3, Some(Outcome::Skipped), "what hangs on it is settled: {standing:?}");
    assert!(is_conflict(&store.end_odd(&id, "why", at(6_000)).await), "once");
}

async fn clone_urls_are_told_once(store: Store) {
    made(&store, &[("test", &[])]).await;
    made(&store, &[("test", &[])]).await;
    let mut other = sketch(&store, &[("test", &[])]).await;
    other.facts.request.clone_url = "/srv/git/app.git".to_owned();
    store.create_build(&other).await.expect("made");
    assert_eq!(store.clone_urls().await.expect("read"), ["/srv/git/app.git", "https://example.org/acme/app.git"]);
}
