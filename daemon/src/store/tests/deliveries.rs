//! Webhooks: each is stored once, worked on once; and the tokens, of which only hashes are kept.

use super::*;

on_each!(
    what_was_seen_before_is_a_duplicate,
    a_batch_may_hold_duplicates_of_itself,
    a_batch_is_as_one_after_the_other,
    an_odd_one_does_not_harm_its_batch,
    batches_that_race_store_each_delivery_once,
    pending_ones_come_oldest_first,
    a_delivery_is_settled_once,
    builds_that_race_for_a_delivery_are_one,
    deliveries_are_listed_with_their_builds,
    tokens_are_found_by_hash_until_revoked,
);

fn delivery(id: &str, body: &str, received_at: i64) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        event: "push".to_owned(),
        action: None,
        repository: Some("acme/app".to_owned()),
        body_sha256: format!("sha256 of {body}"),
        body: body.to_owned(),
        received_at: at(received_at),
        state: DeliveryState::Accepted,
        reason: None,
    }
}

fn duplicate(of: &str) -> Recorded {
    Recorded::Duplicate { of: of.to_owned() }
}

async fn what_was_seen_before_is_a_duplicate(store: Store) {
    let body = "{\"title\": \"quotes ' and \u{1f6a2}, \\u0000\"}";
    let first = delivery("one", body, 1);
    let table = [
        (first.clone(), Recorded::New),
        (first.clone(), duplicate("one")),
        (delivery("one", "another body", 2), duplicate("one")),
        (delivery("another id", body, 3), duplicate("one")),
        (NewDelivery { event: "create".to_owned(), ..delivery("create", body, 4) }, Recorded::New),
        (NewDelivery { event: "create".to_owned(), ..delivery("again", body, 5) }, duplicate("create")),
        (delivery("two", "another body", 6), Recorded::New),
    ];
    for (delivery, expected) in table {
        let recorded = store.record_deliveries(std::slice::from_ref(&delivery)).await.expect("recorded");
        assert_eq!(recorded, [expected], "{delivery:?}");
    }
    assert_eq!(store.delivery_body("one").await.expect("there"), body);
    assert!(is_missing(&store.delivery_body("another id").await));
    assert_eq!(store.deliveries(100).await.expect("listed").len(), 3);
}

async fn a_batch_may_hold_duplicates_of_itself(store: Store) {
    assert!(store.record_deliveries(&[]).await.expect("nothing to do").is_empty());
    let batch = [delivery("one", "a", 1), delivery("one", "b", 2), delivery("two", "a", 3), delivery("three", "b", 4)];
    let recorded = store.record_deliveries(&batch).await.expect("recorded");
    assert_eq!(recorded, [Recorded::New, duplicate("one"), duplicate("one"), Recorded::New]);
    let again = store.record_deliveries(&batch).await.expect("recorded");
    assert_eq!(again, [duplicate("one"), duplicate("one"), duplicate("one"), duplicate("three")]);
}

async fn a_batch_is_as_one_after_the_other(store: Store) {
    let all = |prefix: &str| -> Vec<NewDelivery> {
        let one = |number: i64| {
            let (id, body) = (number * 7 % 29, number * 5 % 23);
            let state = if number % 4 == 0 { DeliveryState::Ignored } else { DeliveryState::Accepted };
            NewDelivery { state, ..delivery(&format!("{prefix}{id}"), &format!("{prefix}{body}"), number) }
        };
        (0..70).map(one).collect()
    };
    let batch = store.record_deliveries(&all("batch ")).await.expect("recorded");
    let mut single = Vec::new();
    for delivery in all("alone ") {
        single.append(&mut store.record_deliveries(&[delivery]).await.expect("recorded"));
    }
    let same = |recorded: &Recorded| match recorded {
        Recorded::New => None,
        Recorded::Duplicate { of } => Some(of.replace("alone ", "batch ")),
    };
    assert_eq!(batch.iter().map(same).collect::<Vec<_>>(), single.iter().map(same).collect::<Vec<_>>());
    assert!(batch.iter().any(|one| same(one).is_none()) && batch.iter().any(|one| same(one).is_some()));
}

async fn an_odd_one_does_not_harm_its_batch(store: Store) {
    let nul = Some("\0".to_owned());
    let odd = NewDelivery { action: nul.clone(), repository: nul.clone(), reason: nul, ..delivery("odd", "odd", 1) };
    let recorded = store.record_deliveries(&[delivery("one", "a", 1), odd]).await.expect("recorded");
    assert_eq!(recorded, [Recorded::New, Recorded::New]);
}

async fn batches_that_race_store_each_delivery_once(store: Store) {
    let batches: Vec<_> = (0..6)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut batch: Vec<_> = (0..20).map(|n| delivery(&format!("{n}"), &format!("body {n}"), n)).collect();
                // Against each other's order: the classic way into a deadlock.
                if task % 2 == 1 {
                    batch.reverse();
                }
                store.record_deliveries(&batch).await.expect("recorded")
            })
        })
        .collect();
    let mut new = 0;
    for batch in batches {
        new += batch.await.expect("a task").iter().filter(|recorded| **recorded == Recorded::New).count();
    }
    assert_eq!(new, 20);
}

async fn pending_ones_come_oldest_first(store: Store) {
    let ignored =
        NewDelivery { state: DeliveryState::Ignored, reason: Some("ping".to_owned()), ..delivery("i", "i", 1) };
    let batch = [delivery("c", "c", 3), delivery("b", "b", 2), delivery("a", "a", 3), ignored];
    store.record_deliveries(&batch).await.expect("recorded");
    let pending = async || {
        let pending = store.pending_deliveries().await.expect("listed");
        pending.into_iter().map(|pending| pending.delivery_id).collect::<Vec<_>>()
    };
    assert_eq!(pending().await, ["b"], "one at a time of a repository");
    store.ignore_delivery("b", "the branch is gone", at(9)).await.expect("ignored");
    assert_eq!(pending().await, ["a"], "of the same moment: by id");
}

async fn of_delivery(store: &Store, delivery: &str) -> NewBuild {
    let mut build = sketch(store, &[("test", &[])]).await;
    build.facts.delivery = Some(delivery.to_owned());
    build
}

async fn a_delivery_is_settled_once(store: Store) {
    store.record_deliveries(&[delivery("one", "a", 1), delivery("two", "b", 2)]).await.expect("recorded");
    let first = of_delivery(&store, "one").await;
    store.create_build(&first).await.expect("made");
    let changes = store.last_change().await.expect("a number");

    store.ignore_delivery("two", "the branch is gone", at(9)).await.expect("ignored");
    for settled in ["one", "two", "never seen"] {
        let build = of_delivery(&store, settled).await;
        assert!(is_conflict(&store.create_build(&build).await), "{settled}");
        assert!(is_missing(&store.build(build.number).await), "nothing of it is written");
        assert!(store.jobs(build.number).await.expect("asked").is_empty());
    }
    assert_eq!(store.last_change().await.expect("a number"), changes);
    store.ignore_delivery("one", "too late", at(9)).await.expect("without effect");
    let listed = store.deliveries(10).await.expect("listed");
    let told: Vec<_> = listed.iter().map(|one| (one.id.as_str(), one.state, one.reason.as_deref())).collect();
    let expected =
        [("two", DeliveryState::Ignored, Some("the branch is gone")), ("one", DeliveryState::Accepted, None)];
    assert_eq!(told, expected);
}

async fn builds_that_race_for_a_delivery_are_one(store: Store) {
    store.record_deliveries(&[delivery("one", "a", 1)]).await.expect("recorded");
    let mut races = Vec::new();
    for _ in 0..6 {
        let build = of_delivery(&store, "one").await;
        let store = store.clone();
        races.push(tokio::spawn(async move { store.create_build(&build).await.map(|_| build.number) }));
    }
    let mut made = Vec::new();
    for race in races {
        match race.await.expect("a task") {
            Ok(number) => made.push(number),
            refused => assert!(is_conflict(&refused), "{refused:?}"),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(store.deliveries(1).await.expect("listed")[0].builds, made);
    assert_eq!(store.build_page(&PageFilter::default(), 0, 10).await.expect("a page").total, 1);
}

async fn deliveries_are_listed_with_their_builds(store: Store) {
    let mut batch: Vec<_> = (0..5).map(|n| delivery(&format!("d{n}"), &format!("body {n}"), n / 2)).collect();
    batch[3].action = Some("opened".to_owned());
    batch[3].repository = None;
    store.record_deliveries(&batch).await.expect("recorded");
    let build = of_delivery(&store, "d3").await;
    store.create_build(&build).await.expect("made");
    let listed = store.deliveries(3).await.expect("listed");
    let told: Vec<_> = listed.iter().map(|one| (one.id.as_str(), one.received_at, one.builds.clone())).collect();
    assert_eq!(told, [("d4", at(2), vec![]), ("d3", at(1), vec![build.number]), ("d2", at(1), vec![])]);
    assert_eq!((listed[1].action.as_deref(), listed[1].repository.as_deref()), (Some("opened"), None));
}

async fn tokens_are_found_by_hash_until_revoked(store: Store) {
    for (name, role) in [("laptop", Role::Admin), ("board", Role::Viewer), ("phone", Role::Operator)] {
        store.create_token(name, role, &format!("hash of {name}"), at(5)).await.expect("made");
    }
    assert!(is_conflict(&store.create_token("laptop", Role::Viewer, "another hash", at(6)).await));
    assert!(is_conflict(&store.create_token("other", Role::Viewer, "hash of laptop", at(6)).await));
    let names: Vec<_> =
        store.tokens().await.expect("listed").into_iter().map(|token| (token.name, token.role)).collect();
    let expected = [("board", Role::Viewer), ("laptop", Role::Admin), ("phone", Role::Operator)];
    assert_eq!(names, expected.map(|(name, role)| (name.to_owned(), role)));
    let found = store.token_by_hash("hash of laptop").await.expect("asked").expect("found");
    assert_eq!((found.name.as_str(), found.role, found.created_at), ("laptop", Role::Admin, at(5)));
    assert!(store.token_by_hash("laptop").await.expect("asked").is_none());
    store.revoke_token("laptop").await.expect("revoked");
    assert!(store.token_by_hash("hash of laptop").await.expect("asked").is_none());
    assert!(is_missing(&store.revoke_token("laptop").await));
}
