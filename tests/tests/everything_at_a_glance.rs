//! Repositories with their results, the node and what runs there, the results of a branch, the last errors of a log: each one
//! question to the real daemon.

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{Request, Response};
use windlass_protocol::view::{Outcome, Status};
use windlass_tests::http::Connection;
use windlass_tests::live::Live;
use windlass_tests::{Daemon, DaemonOptions, Repository};

#[test]
fn repositories_results_and_nodes() {
    let (repository, commit) = Repository::with_spec("execute: [echo hi]\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).listing("acme/other"));
    let mut live = Live::unix(&daemon);
    let webhook = live.hello().webhook;
    assert!(webhook.is_some_and(|url| url.starts_with("http://127.0.0.1:") && url.ends_with("/webhooks/github")));

    let passed = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(passed).outcome(), "passed");
    let broken = repository.commit("next", &[(".windlass.yml", "execute: ['exit 3']\n")], "break it");
    let failed = daemon.push(&repository, &broken);
    assert_eq!(daemon.wait_finished(failed).outcome(), "failed");
    let waits = "execute: ['echo begun', 'while ! test -e go; do sleep 0.05; done']\n";
    let long = repository.commit("next", &[(".windlass.yml", waits)], "take long");
    let running = daemon.push(&repository, &long);
    let address =
        daemon.wait_until(running, "it runs", |build| build.status() == "running").only_job().name().to_owned();
    daemon.wait_log(&format!("{running}/{address}"), "begun");

    let Ok(Response::Repositories { repositories, total: 2 }) = live.request(Request::Repositories { results: 10 })
    else {
        panic!("repositories are told")
    };
    let names: Vec<&str> = repositories.iter().map(|repository| repository.name.as_str()).collect();
    assert_eq!(names, ["acme/app", "acme/other"]);
    let app = &repositories[0];
    let numbers: Vec<u64> = app.results.iter().map(|result| result.number).collect();
    assert_eq!(numbers, [running, failed, passed], "the newest first");
    assert_eq!((app.judged, app.passed, app.listed), (2, 1, true));
    assert!(app.median_ms.is_some() && app.results[2].took_ms == app.median_ms && app.results[0].took_ms.is_none());
    assert!(repositories[1].results.is_empty() && repositories[1].listed);

    let reference = Some("refs/heads/next".to_owned());
    let results = live.request(Request::Results { repository: "acme/app".to_owned(), r#ref: reference, limit: 10 });
    let Ok(Response::Results { results }) = results else { panic!("results are told") };
    let told: Vec<_> = results.iter().map(|result| (result.number, result.status, result.outcome)).collect();
    let expected = [(running, Status::Running, None), (failed, Status::Finished, Some(Outcome::Failed))];
    assert_eq!(told, expected);

    let Ok(Response::Nodes { nodes }) = live.request(Request::Nodes) else { panic!("nodes are told") };
    let [node] = nodes.as_slice() else { panic!("there is one: {nodes:?}") };
    assert_eq!((node.engine.kind.as_str(), node.jobs.len(), node.jobs[0].id.build), ("local", 1, running));
    assert!(node.slots > 0 && node.machine.is_some() && node.disk.is_some() && !node.name.is_empty(), "{node:?}");
    let attempt = daemon.build(running).only_job().attempt(1);
    assert_eq!(attempt["node"].as_str(), Some(node.name.as_str()), "as attempts name it");
    assert_eq!(daemon.cli(&["cancel", &running.to_string()]).code, 0);
    daemon.wait_finished(running);
    // The same as commands and over HTTP.
    assert_eq!(daemon.json(&["repositories"])[0]["results"].as_array().map(Vec::len), Some(3));
    assert_eq!(daemon.json(&["nodes"])[0]["jobs"].as_array().map(Vec::len), Some(0));
    let mut http = Connection::unix(&daemon.socket()).expect("the control socket accepts");
    let mut ask = |method: &str, path: &str| http.request(method, path, &[], b"").expect("answered");
    let repositories = ask("GET", "/v1/repositories?results=2").json();
    assert_eq!(repositories[0]["results"].as_array().map(Vec::len), Some(2), "{repositories:#}");
    assert_eq!(ask("GET", "/v1/nodes").json()[0]["engine"]["kind"], "local");
    let delivery = daemon.build(passed).0["delivery"].as_str().expect("a delivery made it").to_owned();
    let replay = ask("POST", &format!("/v1/deliveries/{delivery}/replay"));
    assert_eq!(
        (replay.status, replay.json()["response"].as_str().map(str::to_owned)),
        (200, Some("replay".to_owned()))
    );
    assert_eq!(ask("POST", "/v1/deliveries/none/replay").status, 404);
}

#[test]
fn the_last_errors_of_a_log() {
    let spec = "execute:\n  - |\n    echo 'error: an old one'\n    for i in 1 2 3 4 5 6 7 8 9; do echo fine; done\n    \
                echo 'error: the first of the last'\n    echo 'between'\n    echo 'ERROR again'\n    echo '1 of 2'\n    \
                echo '2 of 2'\n    echo 'too far'\n    exit 1\n";
    let (repository, commit) = Repository::with_spec(spec);
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let job = daemon.wait_finished(number).only_job().name().to_owned();
    let mut live = Live::unix(&daemon);
    live.hello();
    let log = AttemptId { build: number, job, attempt: 1 };
    let mut excerpt = |pattern: &str, lines: u32| {
        let answer = live.request(Request::Excerpt { log: log.clone(), pattern: pattern.to_owned(), lines });
        let Ok(Response::Excerpt { lines }) = answer else { panic!("{answer:?}") };
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    let expected = ["error: the first of the last", "between", "ERROR again", "1 of 2", "2 of 2"];
    assert_eq!(excerpt("error", 20), expected);
    assert_eq!(excerpt("error", 2), ["1 of 2", "2 of 2"]);
    assert!(excerpt("no such words", 20).is_empty());
}
