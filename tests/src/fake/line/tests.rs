//! Each of the bad manners does what it says.

use std::time::Instant;

use tokio::runtime::Runtime;
use windlass_protocol::live::Topic;

use super::*;
use crate::fake::FakeDaemon;
use crate::live::{Live, Told};
use crate::wait::SHORT;

struct Scene {
    line: Line,
    _fake: FakeDaemon,
    _runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// A fake daemon with one build, behind a line with these manners.
fn scene(manners: Manners) -> Scene {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let fake = FakeDaemon::start(runtime.handle(), &folder.path().join("fake"), 1);
    fake.push("One", &[crate::fake::acts::Act::Wait]);
    let line = Line::start(runtime.handle(), &folder.path().join("line"), &fake.socket, manners);
    Scene { line, _fake: fake, _runtime: runtime, _folder: folder }
}

fn client(scene: &Scene) -> Live {
    Live::at(&scene.line.socket).expect("the line answers")
}

fn subscribe(live: &mut Live, after: Option<u64>) {
    live.say(&ClientMessage::Subscribe {
        sub: 5,
        topic: Topic::Builds { filter: Default::default(), offset: 0, limit: 9 },
        after,
    });
}

/// The next list of builds: its sequence number and how many rows are in it.
fn builds(live: &mut Live) -> (u64, usize) {
    live.until("the builds", |told| match told {
        Told::Message(message) => match &**message {
            ServerMessage::Builds { sub: 5, seq, changed, .. } => Some((*seq, changed.len())),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_polite_line_passes_everything_on() {
    let scene = scene(Manners::default());
    let mut live = client(&scene);
    assert_eq!(live.hello().protocol, 1);
    subscribe(&mut live, None);
    assert_eq!(builds(&mut live).1, 1);
    live.request(Request::Build { number: 1 }).expect("there is one");
}

#[test]
fn what_lags_comes_later_and_what_comes_twice_is_the_same() {
    let scene = scene(Manners { lag: Duration::from_millis(80), twice: true, protocol: Some(9), ..Manners::default() });
    let start = Instant::now();
    let mut live = client(&scene);
    assert_eq!(live.hello().protocol, 9);
    assert!(start.elapsed() >= Duration::from_millis(80));
    live.say(&ClientMessage::Request { id: 3, request: Request::Nodes });
    for _ in 0..2 {
        let told = live.next(SHORT).expect("an answer");
        let Told::Message(message) = told else { panic!("{told:?}") };
        assert!(matches!(*message, ServerMessage::Response { id: 3, .. }), "{message:?}");
    }
}

#[test]
fn late_answers_are_overtaken_and_lost_ones_never_come() {
    let scene = scene(Manners { late: Duration::from_millis(200), ..Manners::default() });
    let mut live = client(&scene);
    live.hello();
    live.say(&ClientMessage::Request { id: 3, request: Request::Nodes });
    subscribe(&mut live, None);
    let mut order = Vec::new();
    while order.last() != Some(&"answer") {
        match live.next(SHORT) {
            Some(Told::Message(message)) if matches!(*message, ServerMessage::Response { id: 3, .. }) => {
                order.push("answer")
            }
            Some(Told::Message(_)) => order.push("news"),
            other => panic!("{other:?}"),
        }
    }
    assert!(order.len() > 1, "{order:?}");
    scene.line.behave(|manners| manners.lost = true);
    live.say(&ClientMessage::Request { id: 4, request: Request::Cancel { build: 1, job: None, force: true } });
    live.say(&ClientMessage::Request { id: 5, request: Request::Build { number: 1 } });
    let ended = live.until("an answer", |told| match told {
        Told::Message(message) => match &**message {
            ServerMessage::Response { id: 4, .. } => Some(false),
            ServerMessage::Response { id: 5, .. } => Some(true),
            _ => None,
        },
        _ => None,
    });
    assert!(ended, "the answer to the cancel was not lost");
}

#[test]
fn connections_are_cut_in_the_middle_of_a_message_each_time_later() {
    let scene = scene(Manners { cut_after: Some(1), ..Manners::default() });
    for whole in 2..5 {
        let mut live = client(&scene);
        live.hello();
        let mut heard = 1;
        let closed = loop {
            live.try_say(&ClientMessage::Request { id: heard, request: Request::Nodes });
            match live.next(SHORT).expect("something comes") {
                Told::Closed => break live.wait_closed(),
                _ => heard += 1,
            }
        };
        assert_eq!((heard, closed), (whole, None), "whole messages, and no word at the end");
    }
    assert_eq!(scene.line.connections(), 3);
}

#[test]
fn a_new_connection_begins_with_the_old_and_knows_nothing_of_what_is_known() {
    let scene = scene(Manners { old: true, ..Manners::default() });
    let mut live = client(&scene);
    live.hello();
    subscribe(&mut live, None);
    let (first, rows) = builds(&mut live);
    assert_eq!(rows, 1);
    live.request(Request::Cancel { build: 1, job: None, force: true }).expect("it runs");
    scene.line.drop_all();
    assert_eq!(live.wait_closed(), None);
    let mut live = client(&scene);
    live.hello();
    subscribe(&mut live, Some(1_000_000));
    assert_eq!(builds(&mut live), (first, 1), "the first is told again");
    let (newest, rows) = builds(&mut live);
    assert!(
        newest > first && rows == 1,
        "and then all that is, though the client said that it has it: {newest}, {rows}"
    );
}

#[test]
fn a_strange_daemon_says_what_nobody_asked_for() {
    let scene = scene(Manners { strange: true, ..Manners::default() });
    let mut live = client(&scene);
    live.hello();
    live.say(&ClientMessage::Request { id: 3, request: Request::Nodes });
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let Some(Told::Message(message)) = live.next(SHORT) else { panic!("after {kinds:?}") };
        kinds.push(match *message {
            ServerMessage::Builds { sub: NOBODYS, .. } => "builds",
            ServerMessage::LogHead { sub: NOBODYS, .. } => "head",
            ServerMessage::Response { id: u64::MAX, .. } => "answer",
            ServerMessage::Refused { id: u64::MAX, .. } => "refusal",
            ServerMessage::Ended { sub: NOBODYS, .. } => "end",
            ServerMessage::Unknown => "unknown",
            ref other => panic!("{other:?}"),
        });
    }
    assert_eq!(kinds, ["builds", "head", "answer", "refusal", "end", "unknown"]);
}

#[test]
fn a_closed_line_takes_nobody_and_an_open_one_does_again() {
    let mut scene = scene(Manners::default());
    let mut live = client(&scene);
    live.hello();
    scene.line.close();
    assert_eq!(live.wait_closed(), None);
    assert!(Live::at(&scene.line.socket).is_err());
    scene.line.open();
    client(&scene).hello();
}
