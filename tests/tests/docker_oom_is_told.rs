//! A job that takes more memory than it may is told as that, not as a failure of the code.

use windlass_tests::{Daemon, DaemonOptions, Repository, image};

#[test]
fn docker_oom_is_told() {
    let spec = format!(
        "jobs:\n  greedy:\n    image: {image}\n    resources: {{ memory: 48MiB }}\n    execute:\n      - echo before\n      - awk 'BEGIN {{ x = \"x\"; while (1) x = x x }}'\n  modest:\n    image: {image}\n    execute: [echo fine]\n",
        image = image::busybox()
    );
    let (repository, commit) = Repository::with_spec(&spec);
    let daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "greedy: out_of_memory, modest: passed", "{:#}", build.0);
    let log = daemon.raw_log(&format!("{number}/greedy"));
    assert!(log.starts_with(b"before\n"), "{}", log.escape_ascii());
}
