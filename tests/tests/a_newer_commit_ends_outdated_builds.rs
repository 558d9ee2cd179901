//! `concurrency: { group: …, cancel: outdated }`: builds of a group run one at a time, and a newer one ends those before it.
//! Pull requests have it without asking.

use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

const SLEEPS: &str =
    "jobs:\n  first: { execute: ['echo up; sleep 600'] }\n  second: { needs: first, execute: [echo never] }\n";

#[test]
fn a_push_ends_the_builds_before_it_on_its_branch() {
    let repository = Repository::new("acme/app");
    let spec = format!("concurrency: {{ group: '${{branch}}', cancel: outdated }}\n{SLEEPS}");
    let old = repository.commit("main", &[(".windlass.yml", &spec)], "old");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(4));
    let first = daemon.push(&repository, &old);
    daemon.wait_log(&format!("{first}/first"), "up");
    // Another branch is another group.
    let other = repository.commit("other", &[("file", "x")], "elsewhere");
    let elsewhere = daemon.push(&repository, &other);
    daemon.wait_log(&format!("{elsewhere}/first"), "up");

    let spec = "concurrency: { group: '${branch}', cancel: outdated }\nexecute: [echo quick]\n";
    let new = repository.commit("main", &[(".windlass.yml", spec)], "new");
    let second = daemon.push(&repository, &new);
    let ended = daemon.wait_finished(first);
    assert_eq!(ended.summary(), "first: cancelled, second: cancelled", "{:#}", ended.0);
    assert!(ended.job("first").reason().contains(&format!("#{second}")), "{:#}", ended.0);
    assert_eq!(daemon.wait_finished(second).outcome(), "passed");
    assert_eq!(daemon.build(elsewhere).status(), "running", "other branches are not concerned");
    assert_eq!(daemon.cli(&["cancel", "--force", &elsewhere.to_string()]).code, 0);
    daemon.wait_finished(elsewhere);
}

#[test]
fn without_cancel_they_wait_for_their_turn_also_across_a_kill() {
    let repository = Repository::new("acme/app");
    let gate = repository.meeting_point().join("gate");
    let spec = format!(
        "concurrency: deploys\nexecute: ['echo up; until [ -e {} ]; do sleep 0.02; done; echo done']\n",
        gate.display()
    );
    let mut commits = vec![repository.commit("main", &[(".windlass.yml", &spec)], "1")];
    commits.push(repository.commit("main", &[("file", "2")], "2"));
    commits.push(repository.commit("other", &[("file", "3")], "3"));
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(4));
    let numbers: Vec<u64> = commits.iter().map(|commit| daemon.push(&repository, commit)).collect();
    let name = daemon.build(numbers[0]).only_job().name().to_owned();
    daemon.wait_log(&format!("{}/{name}", numbers[0]), "up");
    for waiting in &numbers[1..] {
        let job = daemon.build(*waiting).only_job();
        assert_eq!((job.status(), job.waiting_for()), ("waiting", "group"), "{:#}", job.0);
        assert_eq!(job.0["waiting_for"]["held_by"], numbers[0], "{:#}", job.0);
    }
    daemon.kill9();
    daemon.restart();
    assert_eq!(daemon.build(numbers[1]).only_job().waiting_for(), "group");
    // One that waits can be cancelled, and does not keep the others waiting.
    assert_eq!(daemon.cli(&["cancel", &numbers[1].to_string()]).code, 0);
    assert_eq!(daemon.wait_finished(numbers[1]).outcome(), "cancelled");
    std::fs::write(&gate, "").expect("a file");
    assert_eq!(daemon.wait_finished(numbers[0]).outcome(), "passed");
    assert_eq!(daemon.wait_finished(numbers[2]).outcome(), "passed");
}

#[test]
fn a_pull_request_builds_only_its_newest_commit() {
    let (repository, _) = Repository::with_spec("execute: ['echo up; sleep 600']\n");
    let old = repository.commit("topic", &[("file", "1")], "a change");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(4));
    repository.offer_pull(7, &old);
    let opened = Delivery::pull_request(&repository, 7, "opened", &old);
    daemon.accept(&opened);
    let first = daemon.build_of(&opened);
    let name = daemon.build(first).only_job().name().to_owned();
    daemon.wait_log(&format!("{first}/{name}"), "up");
    let new = repository.commit("topic", &[(".windlass.yml", "execute: [echo quick]\n")], "a better change");
    repository.offer_pull(7, &new);
    let pushed = Delivery::pull_request(&repository, 7, "synchronize", &new);
    daemon.accept(&pushed);
    let second = daemon.build_of(&pushed);
    assert_eq!(daemon.wait_finished(first).outcome(), "cancelled");
    assert_eq!(daemon.wait_finished(second).outcome(), "passed");
}
