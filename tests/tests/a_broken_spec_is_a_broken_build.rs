//! A spec that cannot be understood is never silence: the build is broken, and its log says where and what to do.

use windlass_tests::{Build, Daemon, DaemonOptions, Repository};

#[track_caller]
fn broken(daemon: &Daemon, number: u64) -> (Build, String) {
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "broken", "{:#}", build.0);
    let log = daemon.raw_log(&format!("{number}/{}", build.only_job().name()));
    (build, String::from_utf8_lossy(&log).into_owned())
}

#[test]
fn every_problem_is_told_with_line_and_column() {
    let (repository, commit) =
        Repository::with_spec("exeucte:\n  - echo hi\njobs:\n  test: { needs: lint, execute: [echo] }\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let (_, log) = broken(&daemon, daemon.push(&repository, &commit));
    for words in [".windlass.yml:1:1:", "exeucte", "did you mean", ".windlass.yml:4:", "lint"] {
        assert!(log.contains(words), "no {words:?} in:\n{log}");
    }
}

#[test]
fn a_missing_spec_is_told() {
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[("README", "nothing here")], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let (_, log) = broken(&daemon, daemon.push(&repository, &commit));
    assert!(log.contains(".windlass.yml"), "{log}");
}

#[test]
fn bombs_and_cycles_are_refused_at_once() {
    let bomb = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = format!("*a{}", level - 1);
        text + &format!(
            "a{level}: &a{level} [{below}, {below}, {below}, {below}, {below}, {below}, {below}, {below}]\n"
        )
    });
    let deep = "[".repeat(100_000);
    let large = "#".repeat(300 * 1024);
    let cycle = "jobs:\n  a: { needs: b, execute: [echo] }\n  b: { needs: a, execute: [echo] }\n".to_owned();
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    for (what, spec) in [("anchors", bomb), ("depth", deep), ("size", large), ("a cycle", cycle)] {
        let commit = repository.commit("main", &[(".windlass.yml", &spec)], what);
        let (_, log) = broken(&daemon, daemon.push(&repository, &commit));
        assert!(log.len() < 20_000, "{what}: {} bytes of complaint", log.len());
    }
}
