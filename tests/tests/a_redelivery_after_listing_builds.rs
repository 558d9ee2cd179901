//! A push for a repository that is not listed is ignored, not used up: once the operator has listed it, the forge's
//! "redeliver" builds it, and only once.

use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

#[test]
fn a_redelivery_after_listing_builds() {
    let (repository, commit) = Repository::with_spec("execute: [echo built]\n");
    let mut daemon = Daemon::start(&DaemonOptions::local());
    let delivery = Delivery::push(&repository, &commit);
    let told = |daemon: &Daemon| {
        let response = daemon.deliver(&delivery);
        assert!(matches!(response.status, 200..=299), "status {}: {}", response.status, response.text());
        response.json()["state"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(told(&daemon), "ignored");
    let known = daemon.delivery(&delivery.id).expect("it is listed");
    assert!(known["reason"].as_str().is_some_and(|why| why.contains("acme/app")), "{known:#}");

    assert_eq!(daemon.terminate(), 0);
    daemon.configure(&DaemonOptions::local().with(&repository));
    daemon.restart();
    assert!(daemon.builds().is_empty(), "nothing is built by itself");
    assert_eq!(told(&daemon), "accepted");
    let number = daemon.build_of(&delivery);
    assert_eq!(daemon.wait_finished(number).outcome(), "passed");

    assert_eq!(told(&daemon), "duplicate");
    // Builds of one repository are made in the order of its deliveries: after another push nothing more can come.
    let next = repository.commit("main", &[("more", "x")], "more");
    let last = daemon.push(&repository, &next);
    assert_eq!(daemon.wait_finished(last).outcome(), "passed");
    assert_eq!(daemon.builds().len(), 2, "one for each push");
    let list = daemon.json(&["deliveries"]);
    let rows = list.as_array().expect("a list").iter().filter(|row| row["delivery"] == delivery.id.as_str()).count();
    assert_eq!(rows, 1, "{list:#}");
}
