//! The disk that holds the data folder runs full: webhooks are put off, what runs is held back, what waits says why, reads go
//! on. There is room again: all of it goes on by itself, and no byte of a log is missing.

use serde_json::json;
use windlass_tests::follow::{Follower, sha256};
use windlass_tests::small_disk::with_mounts;
use windlass_tests::{Daemon, DaemonOptions, Delivery, LONG, Repository, wait_for};

const MEGABYTE: u64 = 1 << 20;
const LINES: u32 = 500_000;

#[test]
fn a_full_disk_holds_everything_back_and_loses_nothing() {
    with_mounts("a_full_disk_holds_everything_back_and_loses_nothing", story);
}

fn story() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - 'echo before; until [ -e {at}/go ]; do sleep 0.02; done; seq 1 {LINES}'\n      - echo after\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let options = DaemonOptions::local().with(&repository).set("limits", "free_disk = \"8MiB\"");
    let daemon = Daemon::start_on_small_disk(&options, 40);
    let running = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{running}/test"), "before");

    // Little room: nothing begins, and what waits says so.
    daemon.disk().fill(5 * MEGABYTE);
    wait_for("the daemon has noticed", LONG, || {
        if daemon.printed().contains("little room on the disk") { Ok(()) } else { Err(daemon.disk().free()) }
    });
    let commit =
        repository.commit("main", &[(".windlass.yml", "jobs: { test: { execute: [echo later] } }\n")], "second");
    let waiting = daemon.push(&repository, &commit);
    daemon.wait_until(waiting, "it waits for room", |build| build.job("test").waiting_for() == "room");

    // No room: the job fills what is left, for its frames and for its log.
    daemon.disk().fill(MEGABYTE);
    std::fs::write(meet.join("go"), "").expect("a file");
    wait_for("the job has filled the disk", LONG, || match daemon.disk().free() {
        0 => Ok(()),
        free => Err(free),
    });
    daemon.disk().fill(0);
    let (mut accepted, mut put_off) = (Vec::new(), Vec::new());
    wait_for("webhooks are put off", LONG, || {
        let number = accepted.len() + put_off.len();
        let delivery = Delivery::push(&repository, &commit).changed(|body| {
            body["unique"] = json!(number);
            body["padding"] = json!("x".repeat(1 << 20));
            body["head_commit"]["message"] = json!("[skip ci]"); // what is accepted shall not run
        });
        let response = daemon.deliver(&delivery);
        match response.status {
            202 => accepted.push(delivery),
            _ => {
                assert!(response.is_put_off(), "{response:?}");
                put_off.push(delivery);
            }
        }
        if put_off.len() >= 3 { Ok(()) } else { Err(accepted.len()) }
    });

    // Nobody's job suffers, and all that is there can be read.
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get(&format!("/builds/{running}")).status, 200);
    let build = daemon.build(running);
    assert_eq!((build.status(), build.outcome()), ("running", "-"), "{:#}", build.0);
    assert!(daemon.raw_log(&format!("{running}/test")).starts_with(b"before\n"));
    assert_eq!(daemon.build(waiting).job("test").waiting_for(), "room");

    daemon.disk().clear();
    let mut follower = Follower::new(running, "test");
    follower.to_end(&daemon);
    let build = daemon.wait_finished(running);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let numbers: String = (1..=LINES).map(|number| format!("{number}\n")).collect();
    let expected = format!("before\n{numbers}after\n");
    let log = &build.job("test").attempt(1)["log"];
    assert_eq!((&log["bytes"], &log["sha256"]), (&json!(expected.len()), &json!(sha256(expected.as_bytes()))));
    assert_eq!(log["dropped_bytes"].as_u64().unwrap_or(0), 0);
    assert!(follower.seen == expected.as_bytes(), "a follower saw {} of {} bytes", follower.seen.len(), expected.len());
    for number in [running, waiting] {
        let build = daemon.wait_finished(number);
        assert_eq!((build.outcome(), build.job("test").attempts().len()), ("passed", 1), "{:#}", build.0);
    }
    // What was answered with 202 is there, and what was put off can be delivered again, under its own id.
    for delivery in &accepted {
        assert!(daemon.delivery(&delivery.id).is_some(), "{} is lost", delivery.id);
    }
    for delivery in &put_off {
        daemon.accept(delivery);
        assert!(daemon.delivery(&delivery.id).is_some(), "{} is lost", delivery.id);
    }
}
