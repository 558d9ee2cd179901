//! A paused queue begins nothing, says who paused it and why, and is still paused after the daemon was killed; what runs
//! goes on. One repository can be paused alone.

use windlass_tests::{Daemon, DaemonOptions, Repository};

#[test]
fn a_paused_queue_begins_nothing_until_it_is_resumed() {
    let repository = Repository::new("acme/app");
    let gate = repository.meeting_point().join("gate");
    let runs = format!("execute: ['echo up; until [ -e {} ]; do sleep 0.02; done']\n", gate.display());
    let commit = repository.commit("main", &[(".windlass.yml", &runs)], "runs");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let running = daemon.push(&repository, &commit);
    let name = daemon.build(running).only_job().name().to_owned();
    daemon.wait_log(&format!("{running}/{name}"), "up");

    let paused = daemon.cli(&["pause", "--reason", "the disk is being changed"]);
    assert_eq!(paused.code, 0, "{}{}", paused.text(), paused.stderr);
    let commit = repository.commit("main", &[(".windlass.yml", "execute: [echo later]\n")], "waits");
    let waiting = daemon.push(&repository, &commit);
    daemon.kill9();
    daemon.restart();
    std::fs::write(&gate, "").expect("a file");
    assert_eq!(daemon.wait_finished(running).outcome(), "passed", "what ran went on");

    let job = daemon.build(waiting).only_job();
    assert_eq!((job.status(), job.waiting_for()), ("waiting", "paused"), "{:#}", job.0);
    assert_eq!(job.0["waiting_for"]["reason"], "the disk is being changed", "{:#}", job.0);
    let queue = daemon.json(&["queue"]);
    assert_eq!(queue["pauses"][0]["reason"], "the disk is being changed", "{queue:#}");

    let resumed = daemon.cli(&["resume"]);
    assert_eq!(resumed.code, 0, "{}{}", resumed.text(), resumed.stderr);
    assert_eq!(daemon.wait_finished(waiting).outcome(), "passed");
    assert_ne!(daemon.cli(&["resume"]).code, 0, "what is not paused cannot be resumed");
}

#[test]
fn one_repository_is_paused_alone() {
    let here = Repository::new("acme/app");
    let there = Repository::new("acme/other");
    let spec = [(".windlass.yml", "execute: [echo hello]\n")];
    let (first, second) = (here.commit("main", &spec, "1"), there.commit("main", &spec, "2"));
    let daemon = Daemon::start(&DaemonOptions::local().with(&here).with(&there));
    assert_eq!(daemon.cli(&["pause", "acme/app"]).code, 0);
    let paused = daemon.push(&here, &first);
    let other = daemon.push(&there, &second);
    assert_eq!(daemon.wait_finished(other).outcome(), "passed");
    let job = daemon.build(paused).only_job();
    assert_eq!((job.waiting_for(), &job.0["waiting_for"]["repository"]), ("paused", &"acme/app".into()), "{:#}", job.0);
    assert_eq!(daemon.cli(&["resume", "acme/app"]).code, 0);
    assert_eq!(daemon.wait_finished(paused).outcome(), "passed");
}
