//! A signed push becomes a build of that commit, and its log is served to the client and over HTTP.

use windlass_tests::{Daemon, DaemonOptions, Repository};

#[test]
fn a_push_is_built_and_its_log_is_served() {
    let (repository, commit) = Repository::with_spec(
        "environment: { GREETING: hello }\nexecute:\n  - echo \"$GREETING from $WINDLASS_BRANCH\"\n  - git rev-parse HEAD\n  - git status --porcelain\n  - echo err >&2\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    for (name, expected) in [("repository", "acme/app"), ("event", "push"), ("sha", &commit.sha)] {
        assert_eq!(build.0[name], expected, "{name}");
    }
    assert_eq!(build.0["ref"], "refs/heads/main");

    let job = build.only_job();
    let attempt = job.attempt(1);
    assert_eq!((attempt["status"].as_str(), attempt["outcome"].as_str()), (Some("finished"), Some("passed")));
    assert_eq!(attempt["engine"], "local");
    assert!(attempt["finished_at"].as_str() >= attempt["started_at"].as_str(), "{attempt:#}");

    let expected = format!("hello from main\n{}\nerr\n", commit.sha);
    let raw = daemon.raw_log(&format!("{number}/{}", job.name()));
    assert_eq!(String::from_utf8_lossy(&raw), expected);
    assert_eq!(attempt["log"]["bytes"], expected.len());
    assert_eq!(attempt["log"]["lines"], 3);

    let served = daemon.get(&format!("/builds/{number}/jobs/{}/log", job.name()));
    assert_eq!((served.status, served.text()), (200, expected));
    assert!(served.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{served:?}");

    assert_eq!(daemon.builds().iter().map(|build| build.number()).collect::<Vec<_>>(), [number]);
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get("/readyz").status, 200);
    assert_eq!(daemon.get("/builds/999/jobs/test/log").status, 404);
}

#[test]
fn a_pull_request_is_built_at_its_head() {
    let (repository, _) = Repository::with_spec("execute: [echo base]\n");
    let head = repository.commit(
        "topic",
        &[(".windlass.yml", "execute: [echo $WINDLASS_PULL_REQUEST to $WINDLASS_BASE_BRANCH]\n")],
        "a change",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let delivery = windlass_tests::Delivery::pull_request(&repository, 7, "opened", &head);
    daemon.accept(&delivery);
    let number = daemon.build_of(&delivery);
    let build = daemon.wait_finished(number);
    assert_eq!((build.outcome(), build.0["sha"].as_str()), ("passed", Some(head.sha.as_str())), "{:#}", build.0);
    assert_eq!(build.0["pull_request"], 7);
    let log = daemon.raw_log(&format!("{number}/{}", build.only_job().name()));
    assert_eq!(String::from_utf8_lossy(&log), "7 to main\n");
}

#[test]
fn a_failing_step_fails_the_build_and_ends_it() {
    let (repository, commit) = Repository::with_spec("execute:\n  - echo one\n  - exit 3\n  - echo never\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let build = daemon.wait_finished(daemon.push(&repository, &commit));
    assert_eq!(build.outcome(), "failed", "{:#}", build.0);
    let job = build.only_job();
    assert_eq!(job.attempt(1)["exit_code"], 3);
    let log = daemon.raw_log(&format!("{}/{}", build.number(), job.name()));
    assert_eq!(String::from_utf8_lossy(&log), "one\n");
}
