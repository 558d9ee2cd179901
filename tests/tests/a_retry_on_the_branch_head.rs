//! `windlass retry N --head`: the same branch, its newest commit, as a new build; the old one stays as it is.

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, wait_for};

#[test]
fn the_newest_commit_of_the_same_branch_is_built() {
    let (repository, commit) = Repository::with_spec("execute: ['exit 3']\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let old = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(old).outcome(), "failed");
    // Pushed, but nobody's webhook came.
    let newer = repository.commit("main", &[(".windlass.yml", "execute: [echo mended]\n")], "mended");
    let retry = daemon.cli(&["retry", &old.to_string(), "--head"]);
    assert_eq!(retry.code, 0, "{}{}", retry.text(), retry.stderr);
    let new = wait_for("the new build", SHORT, || {
        let builds = daemon.builds();
        builds.iter().map(windlass_tests::Build::number).find(|number| *number != old).ok_or("only the old one")
    });
    let build = daemon.wait_finished(new);
    assert_eq!((build.outcome(), build.0["sha"].as_str()), ("passed", Some(newer.sha.as_str())), "{:#}", build.0);
    assert_eq!(daemon.build(old).outcome(), "failed");
}

#[test]
fn a_branch_that_is_gone_is_told() {
    let (repository, _) = Repository::with_spec("execute: ['exit 3']\n");
    let commit = repository.commit("short-lived", &[("file", "x")], "a try");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let old = daemon.push(&repository, &commit);
    daemon.wait_finished(old);
    repository.git(&["push", "--quiet", "origin", "--delete", "short-lived"]);
    daemon.cli(&["retry", &old.to_string(), "--head"]);
    let told = wait_for("the delivery says why nothing came of it", SHORT, || {
        let list = daemon.json(&["deliveries"]);
        let ignored =
            list.as_array().and_then(|all| all.iter().find(|delivery| delivery["state"] == "ignored").cloned());
        ignored.ok_or(list)
    });
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("short-lived")), "{told:#}");
    assert_eq!(daemon.builds().len(), 1);
}
