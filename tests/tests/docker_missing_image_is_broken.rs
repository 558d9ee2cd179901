//! An image that cannot be had, or that lacks what a step needs, is told by name and at once.

use windlass_tests::{Daemon, DaemonOptions, Repository, image};

#[test]
fn docker_missing_image_is_broken() {
    let image = "127.0.0.1:1/there-is/none:1"; // nobody listens there, so it cannot be pulled by accident
    let spec = format!(
        "jobs:\n  absent:\n    image: {image}\n    execute: [echo never]\n  present:\n    image: {}\n    execute: [echo fine]\n",
        image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "absent: broken, present: passed", "{:#}", build.0);
    let absent = build.job("absent");
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/absent"))).into_owned();
    assert!(absent.reason().contains(image) || log.contains(image), "{}\n{log}", absent.reason());
    assert!(!log.contains("never"));
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
