//! The daemon is killed while a container builds: the container goes on, is adopted again, and its log has every byte once.

use windlass_tests::cleanup::{containers, docker, no_containers_left};
use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, image, wait_for};

/// Leaves a file in the job's working folder, as the step does there itself.
#[track_caller]
fn touch(container: &str, folder: &str, name: &str) {
    let done = docker(&["exec", container, "/bin/sh", "-c", &format!("touch {folder}/{name} && echo done")]);
    assert_eq!(done.trim(), "done", "cannot leave {name} in {container}");
}

#[test]
fn docker_kill9_container_goes_on() {
    let spec = format!(
        "jobs:\n  test:\n    image: {}\n    execute:\n      - |\n        pwd\n        until [ -e dead ]; do sleep 0.05; done\n        seq 1 20000\n        touch written\n        until [ -e back ]; do sleep 0.05; done\n        echo after\n      - echo second step\n",
        image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let mut daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "\n");
    let folder = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).trim().to_owned();
    let found = containers(daemon.root());
    let [container] = found.as_slice() else { panic!("not exactly one container: {found:?}") };

    daemon.kill9();
    touch(container, &folder, "dead");
    wait_for("the job writes while the daemon is dead", SHORT, || {
        let seen = docker(&["exec", container, "/bin/sh", "-c", &format!("test -e {folder}/written && echo yes")]);
        if seen.trim() == "yes" { Ok(()) } else { Err(seen) }
    });
    daemon.restart();
    touch(container, &folder, "back");

    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    assert_eq!(build.job("test").attempts().len(), 1);
    let numbers: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    let expected = format!("{folder}\n{numbers}after\nsecond step\n");
    let log = daemon.raw_log(&format!("{number}/test"));
    assert!(log == expected.as_bytes(), "{} bytes instead of {}", log.len(), expected.len());
    no_containers_left(daemon.root());
}
