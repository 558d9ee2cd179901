//! The daemon is killed while a job runs and started again: the job goes on, its log has every byte once, no step runs
//! twice.

use windlass_tests::{Daemon, DaemonOptions, Repository, wait_for_file};

#[test]
fn a_job_goes_on_while_the_daemon_is_dead_and_after() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.to_str().expect("a plain name");
    let spec = format!(
        "execute:\n  - |\n    echo one >>{at}/steps\n    echo before\n    until [ -e {at}/dead ]; do sleep 0.02; done\n    echo while dead\n    touch {at}/written\n    until [ -e {at}/back ]; do sleep 0.02; done\n    echo after\n  - |\n    echo two >>{at}/steps\n    echo second step\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let name = daemon.build(number).only_job().name().to_owned();
    daemon.wait_log(&format!("{number}/{name}"), "before");

    daemon.kill9();
    std::fs::write(meet.join("dead"), "").expect("a file");
    wait_for_file(&meet.join("written"));
    daemon.restart();
    std::fs::write(meet.join("back"), "").expect("a file");

    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    assert_eq!(build.only_job().attempts().len(), 1, "it is the same attempt");
    let log = daemon.raw_log(&format!("{number}/{name}"));
    assert_eq!(String::from_utf8_lossy(&log), "before\nwhile dead\nafter\nsecond step\n");
    assert_eq!(std::fs::read_to_string(meet.join("steps")).expect("a file"), "one\ntwo\n", "no step ran twice");
}

#[test]
fn a_job_that_ends_while_the_daemon_is_dead_is_told_right() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.to_str().expect("a plain name");
    let spec = format!(
        "execute:\n  - 'echo before; until [ -e {at}/dead ]; do sleep 0.02; done; echo last; touch {at}/written; exit 5'\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let name = daemon.build(number).only_job().name().to_owned();
    daemon.wait_log(&format!("{number}/{name}"), "before");
    daemon.kill9();
    std::fs::write(meet.join("dead"), "").expect("a file");
    wait_for_file(&meet.join("written"));
    daemon.restart();
    let build = daemon.wait_finished(number);
    let job = build.only_job();
    assert_eq!((job.outcome(), job.attempt(1)["exit_code"].as_i64()), ("failed", Some(5)), "{:#}", build.0);
    assert_eq!(String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/{name}"))), "before\nlast\n");
}

#[test]
fn killed_again_and_again_no_byte_is_lost_or_doubled() {
    let (repository, commit) = Repository::with_spec(
        "execute:\n  - 'i=0; while [ $i -lt 60 ]; do seq $((i * 2000)) $((i * 2000 + 1999)); i=$((i + 1)); sleep 0.1; done'\n",
    );
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let name = daemon.build(number).only_job().name().to_owned();
    for round in 1..=4 {
        daemon.wait_log(&format!("{number}/{name}"), &format!("\n{}\n", round * 20_000));
        daemon.kill9();
        daemon.restart();
    }
    assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    let expected: String = (0..120_000).map(|line| format!("{line}\n")).collect();
    let log = daemon.raw_log(&format!("{number}/{name}"));
    assert!(log == expected.as_bytes(), "{} bytes instead of {}", log.len(), expected.len());
}

#[test]
fn what_was_accepted_is_built_although_the_daemon_was_killed_at_once() {
    let (repository, commit) = Repository::with_spec("execute: [echo built]\n");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let delivery = windlass_tests::Delivery::push(&repository, &commit);
    daemon.accept(&delivery);
    daemon.kill9();
    daemon.restart();
    let number = daemon.build_of(&delivery);
    assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    assert_eq!(daemon.builds().len(), 1);
}

#[test]
fn a_daemon_that_is_asked_to_end_leaves_its_jobs_running() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.to_str().expect("a plain name");
    let spec = format!("execute:\n  - 'echo before; until [ -e {at}/back ]; do sleep 0.02; done; echo after'\n");
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let name = daemon.build(number).only_job().name().to_owned();
    daemon.wait_log(&format!("{number}/{name}"), "before");
    assert_eq!(daemon.terminate(), 0);
    daemon.restart();
    std::fs::write(meet.join("back"), "").expect("a file");
    assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    assert_eq!(String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/{name}"))), "before\nafter\n");
}
