//! An image that cannot be had, or that lacks what a step needs, is told by name; whose fault it is decides whether it is tried again.

use windlass_tests::{Daemon, DaemonOptions, Repository, image};

#[test]
fn docker_missing_image_is_broken() {
    let absent = "windlass-test/there-is-none:1";
    let spec = format!(
        "jobs:\n  absent:\n    image: {absent}\n    pull: never\n    execute: [echo never]\n  present:\n    image: {}\n    execute: [echo fine]\n",
        image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "absent: broken, present: passed", "{:#}", build.0);
    let job = build.job("absent");
    assert!(job.reason().contains(absent) && job.reason().contains("pull: never"), "{}", job.reason());
    assert_eq!(job.attempts().len(), 1, "the job's own fault is not tried again");
    assert!(
        build.job("present").attempt(1)["image_digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:"))
    );
}

/// Nobody listens there: it may be back in a moment, and that is not the job's fault.
#[test]
fn docker_a_registry_that_does_not_answer_is_tried_again() {
    let image = "127.0.0.1:1/there-is/none:1";
    let spec = format!("jobs:\n  test:\n    image: {image}\n    execute: [echo never]\n");
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build =
        daemon.wait_until(number, "it waits to be tried again", |build| build.job("test").waiting_for() == "back_off");
    assert!(build.reason().contains(image), "{:#}", build.0);
    let build = daemon.wait_finished(number);
    let test = build.job("test");
    assert_eq!((test.outcome(), test.attempts().len()), ("lost", 3), "{:#}", build.0);
    assert!(test.reason().contains(image), "{}", test.reason());
}

#[test]
fn docker_a_program_that_the_image_lacks_is_told() {
    let spec = format!(
        "jobs:\n  test:\n    image: {}\n    execute:\n      - run: [no-such-program, --flag]\n",
        image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    let test = build.job("test");
    assert_eq!((build.outcome(), test.outcome()), ("failed", "failed"), "{:#}", build.0);
    // The sentence itself, not only the step's name in it.
    let why = test.reason();
    assert!(why.contains("no program \"no-such-program\""), "{why:?}");
    assert_eq!(test.attempt(1)["steps"][0]["outcome"], "failed", "{:#}", build.0);
}
