//! What strangers propose from a fork never runs as a process of this host, not even by a retry; what comes from the
//! repository itself does.

use serde_json::{Value, json};
use windlass_tests::{Daemon, DaemonOptions, Delivery, LONG, Repository, wait_for};

#[track_caller]
fn wait_all_finished(daemon: &Daemon) {
    wait_for("every build ends", LONG, || {
        let open: Vec<Value> =
            daemon.builds().into_iter().filter(|b| b.status() != "finished").map(|build| build.0).collect();
        if open.is_empty() { Ok(()) } else { Err(open) }
    });
}

#[test]
fn forks_do_not_run_on_the_host() {
    let repository = Repository::new("acme/app");
    repository.commit("main", &[("file", "x")], "first");
    let marker = repository.meeting_point().join("marker");
    let spec = format!("execute: ['echo ran >>{}']\n", marker.display());
    let proposed = repository.commit("topic", &[(".windlass.yml", spec)], "propose");
    repository.offer_pull(7, &proposed);
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let own = || Delivery::pull_request(&repository, 7, "opened", &proposed);
    // A fork whose owner has deleted it is null and no less strange.
    let fork = json!({ "id": repository.id + 1, "name": "app", "full_name": "stranger/app", "fork": true });
    for head in [fork, Value::Null] {
        let delivery = own().changed(|body| body["pull_request"]["head"]["repo"] = head.clone());
        daemon.accept(&delivery);
        let number = daemon.build_of(&delivery);
        let build = daemon.wait_finished(number);
        assert!(matches!(build.outcome(), "broken" | "skipped"), "{head}: {:#}", build.0);
        let why = build.reason().to_lowercase();
        assert!(why.contains("fork") && why.contains("host"), "{head}: {why:?}");
        // Whether a retry is refused or tells the same again is not the point.
        for arguments in [&["retry"][..], &["retry", "--all"]] {
            daemon.cli(&[arguments, &[number.to_string().as_str()]].concat());
        }
        wait_all_finished(&daemon);
        assert!(!marker.exists(), "{head}: a step ran");
    }

    // The same commit runs when it comes from the repository itself; by then a late retry would have run too.
    let delivery = own();
    daemon.accept(&delivery);
    let build = daemon.wait_finished(daemon.build_of(&delivery));
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    wait_all_finished(&daemon);
    assert_eq!(std::fs::read_to_string(&marker).expect("a file"), "ran\n");
}
