//! The engine hangs, or goes away and comes back: what runs there goes on and ends right, what waits says why, jobs of this
//! host run meanwhile, and webhooks are taken. Nobody restarts the daemon.

use std::path::PathBuf;

use windlass_tests::proxy::{Proxy, Way};
use windlass_tests::{Daemon, DaemonOptions, Repository, image};

fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

/// While the way to the engine is closed like this.
#[track_caller]
fn away(way: Way) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let proxy = Proxy::start(&home.path().join("engine.sock"), &engine_socket());
    let there = Repository::new("acme/app");
    let here = Repository::new("acme/here");
    let spec = format!(
        "jobs:\n  test:\n    image: {}\n    execute: ['echo up; i=0; while [ $i -lt 80 ]; do i=$((i+1)); echo $i; sleep 0.1; done; exit 7']\n",
        image::busybox()
    );
    let commit = there.commit("main", &[(".windlass.yml", &spec)], "first");
    let options = DaemonOptions::docker()
        .jobs(4)
        .set("engine", &format!("docker_socket = {:?}", proxy.socket.display().to_string()))
        .with(&there)
        .with_engine(&here, "local");
    let daemon = Daemon::start(&options);
    let running = daemon.push(&there, &commit);
    daemon.wait_log(&format!("{running}/test"), "up");

    proxy.set(way);
    let commit = there.commit("main", &[("file", "x")], "while it is away");
    let waiting = daemon.push(&there, &commit);
    let build = daemon.wait_until(waiting, "it says that the engine is away", |build| {
        build.job("test").waiting_for() == "engine_away"
    });
    assert!(build.reason().contains("docker"), "{:#}", build.0);
    let commit = here.commit("main", &[(".windlass.yml", "execute: [echo here]\n")], "on the host");
    let local = daemon.push(&here, &commit);
    assert_eq!(daemon.wait_finished(local).outcome(), "passed");

    proxy.set(Way::Open);
    for number in [running, waiting] {
        let build = daemon.wait_finished(number);
        let job = build.job("test");
        let newest = job.attempts().len() as u64;
        assert_eq!((job.outcome(), &job.attempt(newest)["exit_code"]), ("failed", &7.into()), "{:#}", build.0);
        let numbers: String = (1..=80).map(|number| format!("{number}\n")).collect();
        let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
        assert!(log.ends_with(&format!("up\n{numbers}")), "{log}");
    }
    assert_eq!(daemon.build(running).job("test").attempts().len(), 1, "what ran was not run again");
}

#[test]
fn docker_that_hangs_is_waited_for() {
    away(Way::Blocked);
}

#[test]
fn docker_that_is_gone_is_waited_for() {
    away(Way::Cut);
}

#[test]
fn docker_that_is_installed_later_is_waited_for() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let socket = home.path().join("engine.sock");
    let spec = format!("jobs:\n  test:\n    image: {}\n    execute: [echo at last]\n", image::busybox());
    let (repository, commit) = Repository::with_spec(&spec);
    let options = DaemonOptions::auto()
        .set("engine", &format!("docker_socket = {:?}", socket.display().to_string()))
        .with(&repository);
    let daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    let build = daemon.wait_until(number, "it says that no engine is there", |build| {
        build.job("test").waiting_for() == "engine_away"
    });
    let reason = build.reason();
    assert!(reason.contains("engine.sock") && reason.contains("engine = \"local\""), "{reason}");

    let _engine = Proxy::start(&socket, &engine_socket());
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    assert_eq!(build.job("test").attempts().len(), 1, "it waited instead of failing");
    let log = daemon.raw_log(&format!("{number}/test"));
    assert!(String::from_utf8_lossy(&log).ends_with("at last\n"), "{}", log.escape_ascii());
}
