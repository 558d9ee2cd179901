//! A commit that cannot be had is told as that, in reasonable time; when it can be had, a retry builds it.

use std::time::Duration;

use windlass_tests::{Daemon, DaemonOptions, Delivery, LONG, Repository, wait_for};

#[test]
fn a_commit_that_comes_later_can_be_retried() {
    let (repository, commit) = Repository::with_spec("execute: [echo built]\n");
    let (place, aside) = (repository.url(), repository.work().with_file_name("aside.git"));
    std::fs::rename(&place, &aside).expect("the folder is there");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let delivery = Delivery::push(&repository, &commit);
    daemon.accept(&delivery);
    let number = wait_for("the delivery becomes a finished build", Duration::from_secs(40), || {
        let known = daemon.delivery(&delivery.id).ok_or_else(|| "unknown delivery".to_owned())?;
        let number = known["builds"][0].as_u64().ok_or_else(|| known.to_string())?;
        let build = daemon.build(number);
        if build.status() == "finished" { Ok(number) } else { Err(build.0.to_string()) }
    });
    let first = daemon.build(number);
    assert_eq!(first.outcome(), "broken", "{:#}", first.0);
    assert!(first.reason().contains(&commit.sha[..7]) || first.reason().contains(&place), "{:?}", first.reason());

    std::fs::rename(&aside, &place).expect("the folder is there");
    let retry = daemon.cli(&["retry", &number.to_string()]);
    assert_eq!(retry.code, 0, "{}{}", retry.text(), retry.stderr);
    let second = wait_for("a new build of the commit", LONG, || {
        let builds = daemon.builds();
        let new = builds.iter().find(|build| build.number() != number).map(windlass_tests::Build::number);
        new.ok_or_else(|| format!("{builds:?}"))
    });
    assert!(second > number);
    let build = daemon.wait_finished(second);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    assert_eq!(build.0["sha"], commit.sha.as_str());
    assert_eq!(daemon.builds().len(), 2, "one retry, one build");
    assert_eq!(daemon.build(number).outcome(), "broken", "what was told stays told");
}
