//! Jobs run after what they need; what needs a job that did not pass is skipped and says so; the rest goes on.

use windlass_tests::{Daemon, DaemonOptions, Repository};

#[test]
fn jobs_run_after_what_they_need() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  last: { needs: [left, right], execute: [echo last] }\n  left: { needs: first, execute: [echo left] }\n  right: { needs: first, execute: [echo right] }\n  first: { execute: [echo first] }\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let build = daemon.wait_finished(daemon.push(&repository, &commit));
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let moment = |job: &str, which: &str| build.job(job).attempt(1)[which].as_str().expect("it ran").to_owned();
    for (before, after) in [("first", "left"), ("first", "right"), ("left", "last"), ("right", "last")] {
        let (ended, began) = (moment(before, "finished_at"), moment(after, "started_at"));
        assert!(ended <= began, "{after} began at {began}, before {before} ended at {ended}");
    }
}

#[test]
fn what_needs_a_failed_job_is_skipped_and_says_so() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  lint: { execute: [exit 1] }\n  test: { needs: lint, execute: [echo never] }\n  deploy: { needs: test, execute: [echo never] }\n  docs: { execute: [echo fine] }\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let build = daemon.wait_finished(daemon.push(&repository, &commit));
    assert_eq!(build.summary(), "lint: failed, test: skipped, deploy: skipped, docs: passed");
    assert_eq!(build.outcome(), "failed");
    assert!(build.job("test").reason().contains("lint"), "{:#}", build.job("test").0);
}

#[test]
fn no_more_jobs_at_once_than_the_limit_and_a_waiting_one_says_why() {
    let (repository, commit) = Repository::with_spec(
        "jobs:\n  a: { execute: ['echo up; sleep 600'] }\n  b: { execute: [echo b] }\n  c: { needs: b, execute: [echo c] }\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(1));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/a"), "up");
    let build = daemon.build(number);
    assert_eq!(build.summary(), "a: running, b: waiting, c: waiting");
    assert_eq!(build.job("b").waiting_for(), "capacity");
    assert_eq!(build.job("c").waiting_for(), "jobs");
    assert_eq!(daemon.cli(&["cancel", &format!("{number}/a")]).code, 0);
    assert_eq!(daemon.wait_finished(number).summary(), "a: cancelled, b: passed, c: passed");
}
