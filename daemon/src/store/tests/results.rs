//! The newest builds of a repository or of a ref, and a delivery that is worked on once more.

use super::*;

on_each!(
    the_newest_results_come_first_and_no_more_than_asked_for,
    results_of_a_ref_are_its_own,
    a_delivery_is_replayed_as_a_new_one,
    what_is_not_kept_is_not_replayed,
);

async fn pushed(store: &Store, repository: &str, reference: &str) -> u64 {
    let mut build = sketch(store, &[("test", &[]), ("deploy", &["test"])]).await;
    repository.clone_into(&mut build.facts.request.repository);
    reference.clone_into(&mut build.facts.request.r#ref);
    store.create_build(&build).await.expect("made");
    build.number
}

async fn the_newest_results_come_first_and_no_more_than_asked_for(store: Store) {
    for repository in ["acme/app", "Acme/App", "octo/site", "acme/app"] {
        pushed(&store, repository, "refs/heads/main").await;
    }
    let results = store.results("ACME/app", None, 2).await.expect("read");
    let numbers: Vec<u64> = results.iter().map(|result| result.number).collect();
    assert_eq!(numbers, [4, 2], "whatever the case of the name, the newest two");
    assert_eq!(results[1].repository, "Acme/App", "as it was written");
    assert_eq!(results[0].jobs.len(), 2);
    let id = ran(&store, Outcome::Failed).await;
    assert_eq!(id.build, 1);
    let oldest = store.results("acme/app", None, 100).await.expect("read").pop().expect("there are three");
    let job = oldest.jobs.iter().find(|job| job.outcome == Some(Outcome::Failed)).expect("one has ended");
    assert_eq!((job.state, job.started_at, job.finished_at), (State::Finished, Some(at(3_000)), Some(at(4_000))));
    assert!(store.results("nobody/else", None, 10).await.expect("read").is_empty());
    // A retry: only the newest attempt of each job counts.
    store.retry(1, &windlass_protocol::live::RetryWhat::Everything, "ann", at(5_000)).await.expect("again");
    let oldest = store.results("acme/app", None, 100).await.expect("read").pop().expect("there are three");
    assert_eq!((oldest.jobs.len(), oldest.jobs.iter().filter(|job| job.state == State::Finished).count()), (2, 0));
}

async fn results_of_a_ref_are_its_own(store: Store) {
    for reference in ["refs/heads/main", "refs/pull/7/head", "refs/heads/main", "refs/heads/Main"] {
        pushed(&store, "acme/app", reference).await;
    }
    let of = async |reference: &str| -> Vec<u64> {
        let results = store.results("acme/app", Some(reference), 10).await.expect("read");
        results.iter().map(|result| result.number).collect()
    };
    assert_eq!(of("refs/heads/main").await, [3, 1]);
    assert_eq!(of("refs/pull/7/head").await, [2]);
    assert_eq!(of("refs/heads/Main").await, [4]);
    assert!(of("refs/heads/mai").await.is_empty());
}

fn delivery(id: &str, state: DeliveryState) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        event: "pull_request".to_owned(),
        action: Some("opened".to_owned()),
        repository: Some("acme/app".to_owned()),
        body_sha256: format!("sha256 of {id}"),
        body: if state == DeliveryState::Accepted { format!("the body of {id}") } else { String::new() },
        received_at: at(1),
        state,
        reason: None,
    }
}

async fn built(store: &Store, delivery: &str) {
    let mut build = sketch(store, &[("test", &[])]).await;
    build.facts.delivery = Some(delivery.to_owned());
    store.create_build(&build).await.expect("made");
}

fn why<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Conflict { why }) => why,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it is possible"),
    }
}

async fn a_delivery_is_replayed_as_a_new_one(store: Store) {
    store.record_deliveries(&[delivery("one", DeliveryState::Accepted)]).await.expect("recorded");
    assert!(why(store.replay("one", "ann", at(5)).await).contains("still being worked on"));
    built(&store, "one").await;
    let replay = store.replay("one", "ann", at(6)).await.expect("asked for");
    let pending = store.pending_deliveries().await.expect("listed");
    assert_eq!((pending[0].delivery_id.as_str(), pending[0].event.as_str()), (replay.as_str(), Replay::EVENT));
    let body: Replay = serde_json::from_str(&store.delivery_body(&replay).await.expect("there")).expect("ours");
    assert_eq!((body.of.as_str(), body.by.as_str()), ("one", "ann"));
    let kept = store.kept_delivery("one").await.expect("read");
    assert_eq!(kept, Some(Kept { event: "pull_request".to_owned(), body: "the body of one".to_owned() }));
    let list = store.deliveries(10).await.expect("listed");
    assert_eq!(
        (list[0].action.as_deref(), list[0].repository.as_deref()),
        (Some("pull_request opened"), Some("acme/app"))
    );
    built(&store, &replay).await;
    // A replay of a replay is one of what came from outside.
    let again = store.replay(&replay, "bob", at(7)).await.expect("asked for");
    let body: Replay = serde_json::from_str(&store.delivery_body(&again).await.expect("there")).expect("ours");
    assert_eq!(body.of, "one");
    assert!(is_missing(&store.replay("none", "ann", at(8)).await));
}

async fn what_is_not_kept_is_not_replayed(store: Store) {
    let both = [delivery("old", DeliveryState::Accepted), delivery("ignored", DeliveryState::Ignored)];
    store.record_deliveries(&both).await.expect("recorded");
    built(&store, "old").await;
    let no_replay = async |id: &str| {
        let list = store.deliveries(10).await.expect("listed");
        list.into_iter().find(|delivery| delivery.id == id).expect("listed").no_replay
    };
    assert_eq!(no_replay("old").await, None);
    assert_eq!(store.empty_bodies(at(1_000_000), 10).await.expect("emptied"), 1);
    assert_eq!(no_replay("old").await, Some(NoReplay::Old));
    assert_eq!(no_replay("ignored").await, Some(NoReplay::Ignored));
    assert!(why(store.replay("old", "ann", at(5)).await).contains("not kept any more"));
    assert!(why(store.replay("ignored", "ann", at(5)).await).contains("ignored when it came"));
    assert_eq!(store.kept_delivery("old").await.expect("read"), None);
}
