//! SIGTERM ends the daemon within ten seconds and with 0, whoever is attached and whatever runs. Who is attached is told
//! that it goes away, and the job goes on until the next start takes it up.

use std::time::{Duration, Instant};

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{BuildFilter, ClientMessage, ServerMessage, Topic};
use windlass_tests::live::{Live, Told};
use windlass_tests::terminal::Terminal;
use windlass_tests::{Daemon, DaemonOptions, Repository, binaries, wait_for_file};

#[test]
fn sigterm_ends_within_ten_seconds() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - 'echo before; until [ -e {at}/dead ]; do sleep 0.02; done; echo while dead; touch {at}/written; until [ -e {at}/back ]; do sleep 0.02; done; echo after'\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "before");

    let to = daemon.connect();
    let mut terminal = Terminal::start(&binaries::windlass(), &["--connect", &to], daemon.root(), 40, 120);
    terminal.wait_words(&["acme/app", "running"]);
    let mut live = Live::unix(&daemon);
    live.hello();
    let builds = Topic::Builds { filter: BuildFilter::default(), offset: 0, limit: 50 };
    let log = AttemptId { build: number, job: "test".into(), attempt: 1 };
    live.say(&ClientMessage::Subscribe { sub: 1, topic: builds, after: None });
    live.say(&ClientMessage::Subscribe { sub: 2, topic: Topic::LogBytes { log, from: 0 }, after: None });
    let (mut rows, mut bytes) = (false, false);
    live.until("both subscriptions", |told| {
        match told {
            Told::Message(message) => rows |= matches!(**message, ServerMessage::Builds { sub: 1, .. }),
            Told::Log(_) => bytes = true,
            Told::Closed => {}
        }
        (rows && bytes).then_some(())
    });

    let asked = Instant::now();
    assert_eq!(daemon.terminate(), 0, "{}", daemon.printed());
    assert!(asked.elapsed() < Duration::from_secs(10), "took {:?}", asked.elapsed());
    assert!(!daemon.printed().contains("panicked"), "{}", daemon.printed());
    assert_eq!(live.wait_closed(), Some(1001), "going away");
    terminal.assert_runs();

    std::fs::write(meet.join("dead"), "").expect("a file");
    wait_for_file(&meet.join("written"));
    daemon.restart();
    std::fs::write(meet.join("back"), "").expect("a file");
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    assert_eq!(build.job("test").attempts().len(), 1, "taken up, not begun anew");
    let log = daemon.raw_log(&format!("{number}/test"));
    assert_eq!(String::from_utf8_lossy(&log), "before\nwhile dead\nafter\n");
}
