//! `windlass deliveries replay ID`: the same event is worked on once more, as a new build under a delivery of its own. What
//! is not kept is refused with the reason.

use windlass_protocol::live::Request;
use windlass_protocol::refusal::RefusalCode;
use windlass_tests::live::Live;
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

#[test]
fn a_replay_is_a_new_build_of_the_same_commit() {
    let (repository, commit) = Repository::with_spec("execute: [echo built]\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let delivery = Delivery::push(&repository, &commit);
    daemon.accept(&delivery);
    let first = daemon.build_of(&delivery);
    assert_eq!(daemon.wait_finished(first).outcome(), "passed");

    let replay = daemon.cli(&["deliveries", "replay", &delivery.id, "--json"]);
    assert_eq!(replay.code, 0, "{}{}", replay.text(), replay.stderr);
    let told: serde_json::Value = serde_json::from_str(&replay.text()).expect("JSON");
    let second = told["build"].as_u64().expect("a build came of it");
    assert_ne!(second, first);
    let build = daemon.wait_finished(second);
    assert_eq!((build.outcome(), build.0["sha"].as_str()), ("passed", Some(commit.sha.as_str())), "{:#}", build.0);
    assert_eq!(build.0["delivery"], told["delivery"], "it came of the delivery that the answer names");
    let listed = daemon.delivery(told["delivery"].as_str().expect("an id")).expect("it is listed");
    assert_eq!((listed["event"].as_str(), listed["action"].as_str()), (Some("replay"), Some("push")));

    // A replay can be replayed too: that is one build more.
    let again = daemon.cli(&["deliveries", "replay", told["delivery"].as_str().expect("an id")]);
    assert_eq!(again.code, 0, "{}{}", again.text(), again.stderr);
    assert_eq!(daemon.builds().len(), 3);
}

#[test]
fn what_is_not_kept_or_not_there_is_refused() {
    let (repository, commit) = Repository::with_spec("execute: [echo built]\n");
    let daemon = Daemon::start(&DaemonOptions::local());
    let delivery = Delivery::push(&repository, &commit);
    assert!(matches!(daemon.deliver(&delivery).status, 200..=299));
    let known = daemon.delivery(&delivery.id).expect("it is listed");
    assert!(known["no_replay"].as_str().is_some_and(|why| why.contains("ignored when it came")), "{known:#}");
    let mut live = Live::unix(&daemon);
    live.hello();
    let refused = live.request(Request::Replay { delivery: delivery.id.clone() }).expect_err("its body is not kept");
    assert_eq!(refused.code, RefusalCode::Conflict);
    assert!(refused.message.contains("let GitHub deliver it again"), "{}", refused.message);
    let missing = live.request(Request::Replay { delivery: "none".to_owned() }).expect_err("there is none");
    assert_eq!(missing.code, RefusalCode::NotFound);
}
