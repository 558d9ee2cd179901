//! The live socket: hello, builds with deltas, one build, log windows and bytes, requests; what is unknown is ignored.

use windlass_protocol::PROTOCOL_VERSION;
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{BuildFilter, ClientMessage, LogWindow, Request, Response, Role, ServerMessage, Topic};
use windlass_protocol::log::{LogFrame, LogLine};
use windlass_protocol::refusal::RefusalCode;
use windlass_protocol::view::{Outcome, Status};
use windlass_tests::live::{Live, Told};
use windlass_tests::{Daemon, DaemonOptions, Repository};

fn all_builds() -> Topic {
    Topic::Builds { filter: BuildFilter::default(), offset: 0, limit: 50 }
}

fn message(told: &Told) -> Option<&ServerMessage> {
    if let Told::Message(message) = told { Some(message) } else { None }
}

#[test]
fn hello_comes_first_and_unknown_messages_are_ignored() {
    let daemon = Daemon::start(&DaemonOptions::local());
    let mut live = Live::unix(&daemon);
    let hello = live.hello();
    assert_eq!((hello.protocol, hello.role), (PROTOCOL_VERSION, Role::Admin));
    assert!(!hello.version.is_empty() && !hello.instance.is_empty());
    live.say_text(r#"{"type":"from_the_future","sub":1}"#);
    live.say_text(r#"{"type":"request","id":77,"request":{"request":"from_the_future"}}"#);
    let refused = live.until("a refusal of the unknown request", |told| match message(told) {
        Some(ServerMessage::Refused { id: 77, refusal }) => Some(refusal.code),
        _ => None,
    });
    assert_eq!(refused, RefusalCode::Unsupported);
    let answer = live.request(Request::Builds { filter: BuildFilter::default(), offset: 0, limit: 10 });
    assert_eq!(answer, Ok(Response::Builds { total: 0, builds: vec![] }));
    let missing = live.request(Request::Build { number: 999 }).expect_err("there is none");
    assert_eq!(missing.code, RefusalCode::NotFound);
}

#[test]
fn builds_come_as_deltas_and_resume() {
    let (repository, commit) = Repository::with_spec("execute: [echo hi]\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let mut live = Live::unix(&daemon);
    live.hello();
    live.say(&ClientMessage::Subscribe { sub: 1, topic: all_builds(), after: None });
    let total = live.until("the first window", |told| match message(told) {
        Some(ServerMessage::Builds { sub: 1, total, order, .. }) => Some((*total, order.len())),
        _ => None,
    });
    assert_eq!(total, (0, 0));

    let number = daemon.push(&repository, &commit);
    let mut last = 0;
    let seq = live.until("the build's end", |told| match message(told) {
        Some(ServerMessage::Builds { sub: 1, seq, order, changed, total, .. }) => {
            assert!(*seq >= last, "sequence numbers grow");
            last = *seq;
            assert_eq!((*total, order.as_slice()), (1, [number].as_slice()));
            let row = changed.iter().find(|row| row.number == number)?;
            (row.status == Status::Finished && row.outcome == Some(Outcome::Passed)).then_some(*seq)
        }
        _ => None,
    });

    // A new connection that has seen all of that is told nothing old, and everything new.
    let mut resumed = Live::unix(&daemon);
    resumed.hello();
    resumed.say(&ClientMessage::Subscribe { sub: 9, topic: all_builds(), after: Some(seq) });
    let second = repository.commit("main", &[("more", "x")], "more");
    let next = daemon.push(&repository, &second);
    resumed.until("the second build's end", |told| match message(told) {
        Some(ServerMessage::Builds { sub: 9, changed, .. }) => {
            assert!(changed.iter().all(|row| row.number != number || row.seq > seq), "sent again what did not change");
            changed.iter().find(|row| row.number == next && row.status == Status::Finished).map(|_| ())
        }
        _ => None,
    });
}

#[test]
fn log_windows_and_bytes_follow_a_running_job() {
    let repository = Repository::new("acme/app");
    let marker = repository.work().with_file_name("go");
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - seq 1 5\n      - 'until [ -e {} ]; do sleep 0.02; done; seq 6 10; printf open'\n",
        marker.display()
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "5\n");

    let log = AttemptId { build: number, job: "test".into(), attempt: 1 };
    let mut live = Live::unix(&daemon);
    live.hello();
    let range = LogWindow::Range { first: 2, count: 6 };
    live.say(&ClientMessage::Subscribe { sub: 1, topic: Topic::Log { log: log.clone(), window: range }, after: None });
    live.say(&ClientMessage::Subscribe { sub: 2, topic: Topic::LogBytes { log: log.clone(), from: 2 }, after: None });

    let mut lines: Vec<Option<LogLine>> = vec![None; 6];
    let mut bytes = Vec::new();
    let (mut window_done, mut bytes_done, mut told_to_go) = (false, false, false);
    live.until("both subscriptions to be through", |told| {
        match told {
            Told::Log(LogFrame::Lines { sub, first, lines: sent }) => {
                assert_eq!(*sub, 1);
                for (at, line) in (*first..).zip(sent) {
                    assert!((2..8).contains(&at), "line {at} is not in the window");
                    lines[usize::try_from(at - 2).expect("small")] = Some(line.clone());
                }
            }
            Told::Log(LogFrame::Bytes { sub, offset, bytes: sent }) => {
                assert_eq!((*sub, *offset), (2, 2 + bytes.len() as u64), "in order, none left out");
                bytes.extend_from_slice(sent);
            }
            Told::Message(message) => match &**message {
                ServerMessage::LogHead { sub: 1, head } if head.finished => {
                    assert_eq!((head.lines, head.bytes), (11, 25));
                    assert_eq!(head.steps.iter().map(|step| step.first_line).collect::<Vec<_>>(), [0, 5]);
                    window_done = true;
                }
                ServerMessage::LogHead { sub: 2, head } => bytes_done = head.finished,
                _ => {}
            },
            Told::Closed => panic!("closed"),
        }
        if !told_to_go && bytes.ends_with(b"5\n") {
            std::fs::write(&marker, "").expect("a file");
            told_to_go = true;
        }
        (window_done && bytes_done && lines.iter().all(Option::is_some)).then_some(())
    });
    let texts: Vec<_> = lines.iter().flatten().map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect();
    assert_eq!(texts, ["3", "4", "5", "6", "7", "8"]);
    assert_eq!(lines.iter().flatten().map(|line| line.step).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
    assert_eq!(String::from_utf8_lossy(&bytes), "2\n3\n4\n5\n6\n7\n8\n9\n10\nopen");

    let pattern = "^[68]$".to_owned();
    let found = live.request(Request::SearchLog { log, pattern, from: 0, backwards: false, limit: 10 });
    assert_eq!(found, Ok(Response::Matches { lines: vec![5, 7], next: None }));
}

#[test]
fn cancel_is_told_with_its_countdown() {
    let (repository, commit) = Repository::with_spec("jobs: { test: { execute: ['echo up; sleep 600'] } }\n");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "up");
    let mut live = Live::unix(&daemon);
    live.hello();
    live.say(&ClientMessage::Subscribe { sub: 3, topic: Topic::Build { number }, after: None });
    let answer = live.request(Request::Cancel { build: number, job: None, force: false });
    assert_eq!(answer, Ok(Response::Cancel { stopping: vec!["test".into()], killing: vec![], cancelled: vec![] }));
    live.until("the cancelled build", |told| match message(told) {
        Some(ServerMessage::Build { sub: 3, build, .. }) => {
            let attempt = &build.jobs[0].attempts[0];
            if let Some(cancelling) = &attempt.cancelling {
                assert!(cancelling.kill_at >= cancelling.since);
            }
            (attempt.outcome == Some(Outcome::Cancelled)).then_some(())
        }
        _ => None,
    });
    let again = live.request(Request::Cancel { build: number, job: None, force: false });
    assert_eq!(again.expect_err("it has ended").code, RefusalCode::Conflict);
}
