//! The client on a real pseudo-terminal: it gives the terminal back on every way out, is silent when nothing happens, fits
//! any size, and writes nothing but what it means to, whatever it is told to show.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
mod pty;

use std::path::PathBuf;
use std::time::Duration;

use fake::{Fake, NOW};
use nix::sys::signal::Signal;
use pty::Client;
use windlass_protocol::view::{DeliveryState, DeliveryView, Outcome, Pause, WaitingFor};

fn stage() -> (tempfile::TempDir, Fake) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fake = Fake::start(&folder.path().join("s"), NOW);
    fake.change(|world| {
        let number = world.push("acme/app", "main", "A title", &[("test", &[], &["pytest"])]);
        world.start_step(number, "test", 0);
        world.end_step(number, "test", 0, 0);
        world.end_job(number, "test", Outcome::Passed, "");
    });
    (folder, fake)
}

/// The client's work blocks; the daemon's goes on beside it.
async fn beside(folder: &tempfile::TempDir, work: impl FnOnce(PathBuf) + Send + 'static) {
    let socket = folder.path().join("s");
    tokio::task::spawn_blocking(move || work(socket)).await.expect("the story ends as told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terminal_is_given_back_on_every_way_out() {
    let (folder, _fake) = stage();
    beside(&folder, |socket| {
        for (keys, code) in [(&b"q"[..], 0), (b"\x03", 0), (b"/abc\x03", 0), (b"?\x03", 0), (b"\r\r\x03", 0)] {
            let mut client = Client::start(&socket, 24, 80);
            client.until_shown("A title");
            client.assert_taken();
            client.type_keys(keys);
            assert_eq!(client.ended(), code, "{keys:?}");
        }
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            let mut client = Client::start(&socket, 24, 80);
            client.until_shown("A title");
            client.signal(signal);
            assert_eq!(client.ended(), 130, "{signal}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_terminal_it_ends() {
    let (folder, _fake) = stage();
    beside(&folder, |socket| {
        for start in [Client::start, Client::start_uncontrolled] {
            let mut client = start(&socket, 24, 80);
            client.until_shown("A title");
            assert_ne!(client.unplugged(), 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_it_gives_the_terminal_back_and_takes_it_again() {
    let (folder, _fake) = stage();
    beside(&folder, |socket| {
        let mut client = Client::start(&socket, 24, 80);
        client.until_shown("A title");
        for _ in 0..2 {
            client.until_still();
            let before = client.screen();
            client.seen.clear();
            client.type_keys(b"\x1a");
            client.assert_given_back();
            client.until_stopped();
            client.seen.clear();
            client.signal(Signal::SIGCONT);
            client.until("\x1b[?1049h");
            client.until("\x1b[?2026l"); // the end of a frame
            client.until_still();
            client.assert_taken();
            assert_eq!(client.screen(), before);
        }
        client.signal(Signal::SIGTERM);
        client.ended();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_writes_nothing() {
    let (folder, _fake) = stage();
    beside(&folder, |socket| {
        let mut client = Client::start(&socket, 24, 80);
        client.until_shown("A title");
        client.until_still();
        assert_eq!(client.within(Duration::from_secs(10)), 0, "{:?}", client.seen);
        client.signal(Signal::SIGTERM);
        client.ended();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_sizes_leaves_a_whole_screen() {
    let (folder, _fake) = stage();
    beside(&folder, |socket| {
        let mut client = Client::start(&socket, 30, 100);
        for (keys, words) in [
            (&b""[..], "A title"),
            (b"?", "In lists"),
            (b"q2", "nothing runs"),
            (b"1\r", "whole build"),
            (b"\r", "1/test#1"),
        ] {
            client.type_keys(keys);
            client.until_shown(words);
            client.until_still();
            let before = client.styled();
            for round in 0..100u16 {
                client.resize(1 + round * 7 % 60, 1 + round * 31 % 220);
            }
            client.resize(30, 100);
            client.until_styled(&before);
        }
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);
    })
    .await;
}

const ESC: &[u8] = b"\x1b";

/// Sequences that do something to a terminal, and characters that lie about what stands there.
const HOSTILE: &str = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[6n\x1b[c\x1bP+q544e\x1b\\\x1b[2J\x1b[?1049l\x1b[?1003h\x1bc\
                       \u{9b}5n\u{9d}0;x\u{9c}\u{202e}\u{200b}\u{feff}\u{e0041}\r\n\x08\x07\x0e\u{7f}end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_shown_only_our_own_sequences_are_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fake = Fake::start(&folder.path().join("s"), NOW);
    fake.change(|world| {
        let named = |name: &str| format!("{name}{HOSTILE}");
        let (job, step) = (named("job"), named("step"));
        let failed = world.push(&named("repo"), &named("branch"), &named("title"), &[(&job, &[], &[&step])]);
        world.builds.get_mut(&failed).expect("it was made").build.author = named("author");
        world.start_step(failed, &job, 0);
        for _ in 0..50 {
            world.write(failed, &job, named("line"));
        }
        world.write(failed, &job, b"\xff\xfe\xc2\x9b6n \xf0\x9f");
        world.end_step(failed, &job, 0, 1);
        world.end_job(failed, &job, Outcome::Failed, &named("reason"));
        world.builds.get_mut(&failed).expect("it was made").build.reason = Some(named("why"));
        let waiting = world.push(&named("repo"), &named("branch"), &named("title"), &[(&job, &[], &[&step])]);
        world.job(waiting, &job).waiting_for =
            Some(WaitingFor::EngineAway { engine: named("engine"), since: NOW, why: named("why") });
        world.pauses.push(Pause { repository: None, by: named("by"), since: NOW, reason: Some(named("pause")) });
        world.deliveries.push(DeliveryView {
            delivery: named("delivery"),
            event: named("event"),
            action: Some(named("action")),
            repository: Some(named("repo")),
            received_at: NOW,
            state: DeliveryState::Ignored,
            reason: Some(named("ignored")),
            builds: Vec::new(),
            no_replay: None,
        });
    });
    beside(&folder, |socket| {
        for (rows, columns) in [(50, 200), (24, 80), (10, 40), (5, 20)] {
            let mut client = Client::start(&socket, rows, columns);
            client.until_still();
            // Lists, a filter that finds nothing, help, dialogs, a build, its log, a search, a pasted prompt. An Esc stands
            // alone: with another key right behind it, it would be the Alt of that key.
            for keys in [
                &b"2"[..],
                b"x",
                ESC,
                b"P",
                ESC,
                b"3",
                b"1",
                b"?",
                ESC,
                b"j",
                b"x",
                ESC,
                b"R",
                ESC,
                b"/zz",
                ESC,
                b"\r",
                b"x",
                ESC,
                b"r",
                b"\r",
                b"t",
                b"w",
                b"/line\r",
                b"n",
                b"/\x1b[200~\x1b]0;x\x07\x1b[201~",
                ESC,
                ESC,
                ESC,
            ] {
                client.type_keys(keys);
                client.within(Duration::from_millis(40));
            }
            client.until_still();
            client.type_keys(b"\x03");
            assert_eq!(client.ended(), 0);
            assert_eq!(pty::audit::strangers(&client.raw), Vec::<String>::new(), "{columns}x{rows}");
            let shown = columns < 40 || client.raw.windows(6).any(|window| window == b"U+202E");
            assert!(shown, "nothing hostile was shown at {columns}x{rows}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_copied_saved_and_read_by_others() {
    let (folder, fake) = stage();
    fake.change(|world| world.write(1, "test", b"\x1b[32mgreen\x1b[0m \x1b]0;owned\x07\xff\n"));
    let saved = folder.path().join("windlass-1-test-1.log");
    beside(&folder, move |socket| {
        let mut client = Client::start(&socket, 24, 80);
        client.until_shown("A title");
        client.type_keys(b"y");
        client.until("\x1b]52;c;MQ==\x07"); // the number 1
        client.until_shown("1 was sent to the terminal's clipboard");
        client.type_keys(b"\r");
        client.until_shown("whole build");
        client.type_keys(b"\r");
        client.until_shown("green");
        client.type_keys(b"S");
        client.until_shown("saved as windlass-1-test-1.log");
        let bytes = std::fs::read(&saved).expect("it was saved");
        assert_eq!(bytes, b"\x1b[32mgreen\x1b[0m \x1b]0;owned\x07\xff\n");
        client.type_keys(b"S");
        client.until_shown("cannot write windlass-1-test-1.log");
        // The pager has the terminal as a shell would give it, and all keys; what it reads was made safe.
        client.seen.clear();
        client.type_keys(b"p");
        client.until("in the pager: ");
        client.assert_given_back();
        assert!(client.seen.contains("mgreen\x1b[0m") && !client.seen.contains("owned"), "{:?}", client.seen);
        client.type_keys(b"these keys\r");
        client.until("read these keys");
        client.until_shown("1/test#1");
        client.assert_taken();
        client.seen.clear();
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);
    })
    .await;
}

#[test]
fn the_audit_knows_a_stranger() {
    let table = [
        ("plain \x1b[1;31mred\x1b[0m\x1b[2;3H\x1b[?25l", 0),
        ("\x1b]0;title\x07", 1),
        ("\x1b[6n", 1),
        ("\x1b[c", 1),
        ("\x1bP+q544e\x1b\\", 1),
        ("\x1bc", 1),
        ("\x07", 1),
        ("\u{202e}", 1),
        ("\x1b[?9h", 1),
        ("\n", 1),
        ("\x1b[?1049l\r\n", 0),
    ];
    for (text, count) in table {
        let found = pty::audit::strangers(text.as_bytes());
        assert_eq!(found.len(), count, "{text:?}: {found:?}");
    }
}
