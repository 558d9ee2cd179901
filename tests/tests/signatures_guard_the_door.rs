//! Nothing unsigned gets in, nothing signed gets lost: every kind of delivery has its own answer.

use serde_json::json;
use windlass_tests::delivery::{SECRET, sign};
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

fn daemon_and_push() -> (Daemon, Repository, Delivery) {
    let (repository, commit) = Repository::with_spec("execute: [echo built]\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let delivery = Delivery::push(&repository, &commit);
    (daemon, repository, delivery)
}

#[track_caller]
fn nothing_is_known(daemon: &Daemon) {
    assert_eq!(daemon.json(&["deliveries"]), json!([]));
    assert!(daemon.builds().is_empty());
}

#[test]
fn wrong_signatures_are_refused_and_nothing_is_stored() {
    let (daemon, _, good) = daemon_and_push();
    let right = sign(SECRET, &good.body);
    let other = sign("another secret that is long enough to be one", &good.body);
    let of_other_body = sign(SECRET, b"{}");
    let sha1 = right.replace("sha256=", "sha1=");
    let upper = right.to_uppercase();
    let wrong = [
        None,
        Some(""),
        Some("sha256="),
        Some(&right[..right.len() - 1]),
        Some(&right[..right.len() - 2]),
        Some(&right["sha256=".len()..]),
        Some(other.as_str()),
        Some(of_other_body.as_str()),
        Some(sha1.as_str()),
        Some(upper.as_str()), // the algorithm's name is written in lower case
    ];
    for signature in wrong {
        let response = daemon.deliver(&good.clone().signed(signature));
        assert_eq!(response.status, 401, "{signature:?}: {}", response.text());
    }
    nothing_is_known(&daemon);
    daemon.accept(&good); // and the same body with the right one gets in
}

#[test]
fn bodies_that_are_no_deliveries_are_refused_with_a_reason() {
    let (daemon, _, good) = daemon_and_push();
    let table: [(&str, &[u8]); 6] = [
        ("push", b"not json"),
        ("push", b""),
        ("push", b"[]"),
        ("push", b"{}"),
        ("push", br#"{"ref": 5, "repository": "x"}"#),
        ("pull_request", br#"{"action": "opened"}"#),
    ];
    for (event, body) in table {
        let response = daemon.deliver(&Delivery::of_bytes(event, body.to_vec()));
        let shown = String::from_utf8_lossy(body);
        assert_eq!(response.status, 400, "{shown}: {}", response.text());
        assert!(!response.text().trim().is_empty(), "{shown}: 400 without a reason");
    }
    assert!(daemon.builds().is_empty());
    daemon.accept(&good);
}

#[test]
fn a_body_over_the_cap_is_refused() {
    let (daemon, _, good) = daemon_and_push();
    let huge = Delivery::of_bytes("push", vec![b' '; 26 * 1024 * 1024]);
    assert_eq!(daemon.deliver(&huge).status, 413);
    nothing_is_known(&daemon);
    daemon.accept(&good);
}

#[test]
fn what_asks_for_nothing_is_ignored_with_a_reason() {
    let (daemon, repository, _) = daemon_and_push();
    let stranger = Repository::new("someone/else");
    let commit = stranger.commit("main", &[(".windlass.yml", "execute: [echo no]\n")], "first");
    let unknown_action = Delivery::pull_request(&repository, 1, "sneezed", &commit);
    for (what, delivery) in [
        ("an unknown event", Delivery::new("earthquake", &json!({ "repository": { "full_name": "acme/app" } }))),
        ("an unknown action", unknown_action),
        ("ping", Delivery::ping(&repository)),
        ("a repository that is not listed", Delivery::push(&stranger, &commit)),
    ] {
        let response = daemon.deliver(&delivery);
        assert!(matches!(response.status, 200..=299), "{what}: {} {}", response.status, response.text());
        let answer = response.json();
        assert_eq!((&answer["state"], &answer["delivery"]), (&json!("ignored"), &json!(delivery.id)), "{what}");
        assert!(answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{what}: {answer}");
        let stored = daemon.delivery(&delivery.id).unwrap_or_else(|| panic!("{what}: not recorded"));
        assert_eq!(stored["state"], "ignored", "{what}: {stored:#}");
    }
    assert!(daemon.builds().is_empty());
}

#[test]
fn a_delivery_that_comes_again_is_a_duplicate() {
    let (daemon, repository, first) = daemon_and_push();
    daemon.accept(&first);
    let number = daemon.build_of(&first);
    let other = repository.commit("other", &[("file", "x")], "another push");
    let other_body = Delivery { id: first.id.clone(), ..Delivery::push(&repository, &other) };
    for (what, again) in [
        ("by its id and body", first.clone()),
        ("by its body, under another id", first.again_with_new_id()),
        ("by its id, with another body", other_body),
    ] {
        let response = daemon.deliver(&again);
        assert!(matches!(response.status, 200..=299), "{what}: {} {}", response.status, response.text());
        assert_eq!(response.json()["state"], "duplicate", "{what}");
    }
    daemon.wait_finished(number);
    assert_eq!(daemon.builds().len(), 1);
}
