//! A job that waits says why, as data and in words: its place in the queue, the job it needs, and how long it will take by
//! what is known of it.

use windlass_tests::{Daemon, DaemonOptions, Repository};

#[test]
fn place_needs_and_estimates() {
    let repository = Repository::new("acme/app");
    let gate = repository.meeting_point().join("gate");
    let gated = format!("execute: ['echo up; until [ -e {} ]; do sleep 0.02; done']\n", gate.display());
    let quick = "jobs:\n  test: { execute: ['sleep 0.2'] }\n  deploy: { needs: test, execute: ['true'] }\n";
    let commit = repository.commit("main", &[(".windlass.yml", quick)], "with a history");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(1));
    let first = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(first).outcome(), "passed");

    let commit = repository.commit("main", &[(".windlass.yml", &gated)], "holds the only slot");
    let holder = daemon.push(&repository, &commit);
    let name = daemon.build(holder).only_job().name().to_owned();
    daemon.wait_log(&format!("{holder}/{name}"), "up");
    let commit = repository.commit("main", &[(".windlass.yml", quick)], "waits");
    let second = daemon.push(&repository, &commit);
    let commit = repository.commit("other", &[(".windlass.yml", quick)], "waits behind it");
    let third = daemon.push(&repository, &commit);

    let build = daemon.build(second);
    let test = build.job("test");
    assert_eq!(test.0["waiting_for"], serde_json::json!({"kind": "capacity", "position": 1, "running": 1, "limit": 1}));
    assert!(test.0["estimate"]["takes_ms"].as_u64().is_some_and(|ms| ms >= 200), "{:#}", test.0);
    let deploy = build.job("deploy");
    assert_eq!(deploy.0["waiting_for"], serde_json::json!({"kind": "jobs", "jobs": ["test"]}));
    assert_eq!(daemon.build(third).job("test").0["waiting_for"]["position"], 2);
    assert!(build.reason().contains("position 1"), "{:#}", build.0);
    let queue = daemon.json(&["queue"]);
    let kinds: Vec<_> =
        queue["jobs"].as_array().expect("a list").iter().map(|job| &job["waiting_for"]["kind"]).collect();
    assert_eq!(
        kinds,
        [&serde_json::Value::Null, &"capacity".into(), &"capacity".into(), &"jobs".into(), &"jobs".into()]
    );

    std::fs::write(&gate, "").expect("a file");
    for number in [holder, second, third] {
        assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    }
}

#[test]
fn a_job_that_failed_is_tried_again_where_the_spec_asks() {
    let repository = Repository::new("acme/app");
    let spec = "jobs:\n  flaky:\n    retry: { failure: 1 }\n    execute: ['echo try $WINDLASS_ATTEMPT; test $WINDLASS_ATTEMPT = 2']\n  after: { needs: flaky, execute: [echo after] }\n";
    let commit = repository.commit("main", &[(".windlass.yml", spec)], "flaky");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_until(number, "the first try has failed", |build| build.job("flaky").attempts().len() == 2);
    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "flaky: passed, after: passed", "{:#}", build.0);
    let flaky = build.job("flaky");
    assert_eq!(flaky.attempt(1)["outcome"], "failed");
    let because = flaky.attempt(2)["because"].as_str().unwrap_or_default().to_owned();
    assert!(because.contains("by itself"), "{:#}", flaky.0);
    assert_eq!(flaky.attempts().len(), 2);
}
