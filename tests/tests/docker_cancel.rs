//! Cancel in a container: TERM reaches the step, its last words are kept, nothing is left of the container.

use std::time::{Duration, Instant};

use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, cleanup, image, wait_for};

#[test]
fn docker_cancel_gives_the_step_its_last_words() {
    let spec = format!(
        "jobs:\n  test:\n    image: {}\n    execute:\n      - |\n        trap 'echo last words; exit 1' TERM\n        echo up\n        while :; do sleep 1; done\n",
        image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "up");
    let asked = Instant::now();
    assert_eq!(daemon.cli(&["cancel", &number.to_string()]).code, 0);
    assert_eq!(daemon.wait_finished(number).outcome(), "cancelled");
    assert!(
        asked.elapsed() < Duration::from_secs(9),
        "it listened, so nobody waits for the grace: {:?}",
        asked.elapsed()
    );
    let log = daemon.raw_log(&format!("{number}/test"));
    assert!(String::from_utf8_lossy(&log).contains("last words"), "{}", log.escape_ascii());
    wait_for("the container is gone", SHORT, || {
        let left = cleanup::containers(daemon.root());
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
