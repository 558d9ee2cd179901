//! A container's artifacts are kept byte for byte, over its frame file and over its standard output, also when the daemon was
//! dead when they were written, or dies while they come. What leads out of the job's folder is not followed.

use windlass_tests::alone::{WAIT, end_while_dead};
use windlass_tests::artifacts::{artifacts, fetch};
use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT, image, wait_for};

/// A job that leaves three files and a link once `when` lets it.
fn repository(when: &str) -> (Repository, windlass_tests::repository::Commit) {
    let spec = format!(
        "jobs:\n  pack:\n    image: {}\n    execute:\n      - |\n        {when}\n        mkdir dist; seq 1 300000 > dist/numbers; echo hi > dist/hi; ln -s /etc/passwd dist/link\n    finally: [echo last > dist/last]\n    artifacts: [dist/**, dist/link]\n",
        image::busybox()
    );
    Repository::with_spec(&spec)
}

fn are_kept(daemon: &Daemon, number: u64) {
    assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    let page = artifacts(daemon, number);
    let paths: Vec<&str> = page.artifacts.iter().map(|of| of.path.as_str()).collect();
    assert_eq!(paths, ["dist/hi", "dist/last", "dist/numbers"], "{page:#?}");
    assert_eq!(page.troubles, ["pack: dist/link: what is there is a link or no regular file, and is not followed"]);
    let numbers: String = (1..=300_000).map(|n| format!("{n}\n")).collect();
    assert!(fetch(daemon, number, &page.artifacts[2]).expect("fetched") == numbers.as_bytes());
    assert_eq!(fetch(daemon, number, &page.artifacts[1]).expect("fetched"), b"last\n");
}

#[test]
fn docker_artifacts_that_were_written_while_nobody_listened() {
    let (repository, commit) = repository(WAIT);
    let mut daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    end_while_dead(&mut daemon, &format!("{number}/pack"));
    are_kept(&daemon, number);
}

#[test]
fn docker_artifacts_over_standard_output_come_again() {
    let (repository, commit) = repository("true");
    let options = DaemonOptions::docker().with(&repository).set("engine", "frames = \"stdout\"");
    let mut daemon = Daemon::start_with(&options, &[("WINDLASS_FAILPOINTS", "report.taken")]);
    let number = daemon.push(&repository, &commit);
    wait_for("it dies while they come", SHORT, || if daemon.has_ended() { Ok(()) } else { Err("alive") });
    daemon.restart();
    are_kept(&daemon, number);
}
