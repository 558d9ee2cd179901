//! The client on a real pseudo-terminal: it gives the terminal back on every way out, is silent when nothing happens, fits
//! any size, and writes nothing but what it means to, whatever it is told to show.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
#[expect(dead_code, reason = "each test file uses a part of the terminal")]
mod pty;

use std::path::PathBuf;
use std::time::Duration;

use fake::{Fake, NOW};
use nix::sys::signal::Signal;
use pty::Client;
use windlass_protocol::view::Outcome;

fn stage() -> (tempfile::TempDir, Fake) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fake = Fake::start(&folder.path().join("s"), NOW);
    fake.change(|world| world.passed("A title"));
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

/// Sequences that do something to a terminal, and characters that lie about what stands there.
const HOSTILE: &str = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[6n\x1b[c\x1bP+q544e\x1b\\\x1b[2J\x1b[?1049l\x1b[?1003h\x1bc\
                       \u{9b}5n\u{9d}0;x\u{9c}\u{202e}\u{200b}\u{feff}\u{e0041}\r\n\x08\x07\x0e\u{7f}end";

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_is_found_again_as_it_was_left() {
    let (folder, fake) = stage();
    fake.change(|world| {
        let number = world.push("acme/app", "main", "Second", &[("build", &[], &["go"]), ("test", &[], &["pytest"])]);
        world.start_step(number, "test", 0);
        (0..500).for_each(|line| world.write(number, "test", format!("line {line} of it\n")));
    });
    beside(&folder, |socket| {
        let start = |options: &[&str]| Client::again(&socket, 24, 80, "kept", options);
        let mut client = start(&[]);
        client.until_shown("Second");
        client.type_keys(b"w");
        client.until_shown("◉ 1");
        client.type_keys(b"/secnd\r");
        client.until_shown("1 shown of 2");
        client.type_keys(b"\r");
        client.until_shown("whole build");
        client.type_keys(b"jjj\r");
        client.until_shown("line 499 of it");
        client.type_keys(b"g");
        client.until_shown("line 0 of it");
        client.type_keys(b"\x04");
        client.until_shown("line 22 of it");
        client.until_still();
        let lines = |client: &Client| -> Vec<String> {
            client.screen().lines().filter_map(|row| Some(row.split_once(" of it")?.0.to_owned())).collect()
        };
        let before = lines(&client);
        client.signal(Signal::SIGHUP);
        assert_eq!(client.ended(), 130);

        // The first thing that is painted already is that log, and what it is over is as it was.
        let mut client = start(&[]);
        client.until("\x1b[?2026l");
        let first = client.screen();
        assert!(first.contains("› test") && !first.contains("A title"), "{first}");
        client.until_shown("line 22 of it");
        client.until_still();
        assert_eq!(lines(&client), before);
        client.type_keys(b"q");
        client.until_shown("whole build");
        client.type_keys(b"q");
        client.until_shown("1 shown of 2");
        client.until_shown("● running ◉");
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);

        let mut client = start(&["--fresh"]);
        client.until_shown("A title");
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);

        // What is damaged is said, put aside, and replaced when one leaves.
        let folder = socket.with_file_name("kept").join("windlass");
        let names = || {
            let names =
                std::fs::read_dir(&folder).expect("it was kept").map(|entry| entry.expect("an entry").file_name());
            names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let file = folder.join(&names()[0]);
        std::fs::write(&file, "{").expect("our own file");
        let mut client = start(&[]);
        client.until_shown("where you were is not known");
        client.until_shown("A title");
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);
        assert_eq!(names().len(), 2, "{:?}", names());
        assert!(std::fs::read_to_string(&file).expect("it was kept").contains("\"version\":1"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_together_with_a_change_of_size_does_not_wait_for_the_next_key() {
    let (folder, _fake) = stage();
    beside(&folder, |socket| {
        let mut client = Client::start(&socket, 30, 100);
        client.until_shown("Enter open");
        for round in 0..60 {
            client.resize(24 + round % 5, 90 + round % 7);
            client.type_keys(b"?");
            client.until_shown("Enter l →");
            client.resize(25 + round % 5, 91 + round % 7);
            client.type_keys(b"q");
            client.until_shown("Enter open");
        }
        client.type_keys(b"q");
        assert_eq!(client.ended(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_shows_the_same_without_the_daemon() {
    let (folder, fake) = stage();
    fake.change(|world| {
        let number = world.push("acme/app", "main", "Fails", &[("test", &[], &["pytest"])]);
        world.start_step(number, "test", 0);
        (0..300).for_each(|line| world.write(number, "test", format!("line {line} \x1b[31mred\x1b[0m {HOSTILE}\n")));
        world.end_step(number, "test", 0, 1);
        world.end_job(number, "test", Outcome::Failed, "step pytest ended with exit code 1");
    });
    let (path, folder_of) = (folder.path().join("run.jsonl"), folder.path().to_owned());
    let file = path.to_str().expect("a plain name").to_owned();
    let recorded = {
        let file = file.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        beside(&folder, move |socket| {
            let mut client = Client::again(&socket, 30, 100, "recorded", &["--record", &file]);
            client.until_shown("Fails");
            client.type_keys(b"/fai\r");
            client.until_shown("1 shown of 2");
            client.resize(24, 90);
            client.type_keys(b"\r");
            client.until_shown("whole build");
            client.type_keys(b"\r");
            client.until_shown("line 299");
            client.type_keys(b"tg");
            client.until_shown("line 2 ");
            client.until_still();
            sender.send(client.screen()).expect("it is waited for");
            client.type_keys(b"\x03");
            assert_eq!(client.ended(), 0);
        })
        .await;
        receiver.recv().expect("a screen")
    };
    drop(fake);
    let written = std::fs::read_to_string(&path).expect("it was recorded");
    assert!(written.contains("Fails") && !written.contains(pty::TOKEN));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_windlass"))
        .args(["--replay", &file, "--dump"])
        .env("HOME", &folder_of)
        .output()
        .expect("the command starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), recorded, "{output:?}");
    beside(&folder, move |socket| {
        let mut client = Client::again(&socket, 24, 90, "replayed", &["--replay", &file, "--speed", "5000"]);
        client.until_shown("replay: the end");
        let rows = |screen: &str| screen.lines().take(23).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rows(&client.screen()), rows(&recorded));
        client.resize(10, 40);
        client.until_shown("replay: the end");
        client.type_keys(b"q");
        assert_eq!(client.ended(), 0);
        assert_eq!(pty::audit::strangers(&client.raw), Vec::<String>::new());
        // Nothing is written over.
        let mut client = Client::again(&socket, 24, 90, "again", &["--record", &file]);
        client.until("is there already: a recording is a new file");
        assert_eq!(client.done(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_watched_build_reaches_the_desktop_also_over_a_reconnection() {
    let (folder, fake) = stage();
    fake.change(|world| {
        let number = world.push("acme/app", "main", &format!("Slow {HOSTILE}"), &[("test", &[], &["pytest"])]);
        world.start_step(number, "test", 0);
    });
    let fake = std::sync::Arc::new(fake);
    let daemon = std::sync::Arc::clone(&fake);
    beside(&folder, move |socket| {
        let mut client = Client::start(&socket, 24, 120);
        client.until_shown("Slow");
        client.type_keys(b"w");
        client.until_shown("◉ 1 watched");
        client.until_shown("● running ◉");
        client.type_keys(b"3");
        daemon.cut();
        daemon.change(|world| world.end_job(2, "test", Outcome::Passed, ""));
        client.until("\x1b]9;windlass: build 2 passed after ");
        client.until_still();
        let said: Vec<&str> =
            client.seen.split("\x1b]9;").skip(1).filter_map(|rest| rest.split('\x07').next()).collect();
        assert_eq!(said.len(), 1, "told once: {said:?}");
        assert!(said[0].contains("Slow") && !said[0].contains(char::is_control), "{said:?}");
        assert!(client.seen.contains("\x07\x07"), "the bell after the end of the notification");
        client.until_shown("build 2 passed");
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_screen_nothing_moves_a_cursor() {
    let (folder, fake) = stage();
    fake.change(|world| world.push("acme/app", "main", &format!("Second {HOSTILE}"), &[("test", &[], &["run"])]));
    beside(&folder, |socket| {
        let mut client = Client::again(&socket, 24, 80, "plain", &["--plain"]);
        client.until_shown("1 of 2: build 2");
        client.type_keys(b"down\n");
        client.until_shown("2 of 2: build 1");
        client.until_shown("windlass> ");
        client.type_keys(b"quit\n");
        assert_eq!(client.done(), 0);
        assert!(!client.seen.contains(['\x1b', '\x07', '\x08']), "{:?}", client.seen);
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

/// Over a slow line every byte is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_through_a_full_list_writes_little() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fake = Fake::start(&folder.path().join("s"), NOW);
    fake.change(|world| {
        for number in 0..200 {
            let title = format!("Change {number} of the parser, the printer and everything between them");
            let made = world.push("acme/app", &format!("branch-{number}"), &title, &[("test", &[], &["run"])]);
            world.end_job(made, "test", if number % 3 == 0 { Outcome::Failed } else { Outcome::Passed }, "because");
        }
    });
    beside(&folder, |socket| {
        let mut client = Client::start(&socket, 50, 200);
        client.until_shown("Change 199");
        client.until_still();
        let cost = |client: &mut Client, keys: &[u8]| {
            let before = client.raw.len();
            client.type_keys(keys);
            client.until_still();
            client.raw.len() - before
        };
        // Keys, and the most bytes that they may cost.
        let to_the_bottom = vec![b'j'; 44];
        for (keys, most) in [
            (&b"j"[..], 1_200),
            (b"k", 1_200),
            (&to_the_bottom, 60_000),
            // Here the list scrolls with each.
            (b"j", 1_200),
            (b"j", 1_200),
            (b"g", 12_000),
            (b"\x04", 12_000),
            (b"G", 12_000),
            (b"!", 12_000),
        ] {
            let bytes = cost(&mut client, keys);
            assert!(bytes <= most, "{:?} cost {bytes} bytes", String::from_utf8_lossy(keys));
            let before = client.styled();
            cost(&mut client, b"\x0c"); // everything anew
            assert_eq!(client.styled(), before, "{:?}\n{}", String::from_utf8_lossy(keys), client.screen());
        }
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);
        assert_eq!(pty::audit::strangers(&client.raw), Vec::<String>::new());
    })
    .await;
}

/// A log that grows by a line, followed on a large terminal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_line_costs_about_a_line() {
    let (folder, fake) = stage();
    fake.change(|world| {
        let number = world.push("acme/app", "main", "Grows", &[("test", &[], &["pytest"])]);
        world.start_step(number, "test", 0);
        (0..200).for_each(|line| world.write(number, "test", format!("{line} {}\n", "some words of a log ".repeat(8))));
    });
    let (fake, socket) = (std::sync::Arc::new(fake), folder.path().join("s"));
    tokio::task::spawn_blocking(move || {
        let mut client = Client::again(&socket, 50, 200, "grows", &["--no-animation"]);
        client.until_shown("Grows");
        client.type_keys(b"\r");
        client.until_shown("whole build");
        client.type_keys(b"\r");
        client.until_shown("199 some words");
        client.until_still();
        let before = client.raw.len();
        fake.change(|world| world.write(2, "test", "at last another line\n"));
        client.until_shown("at last another line");
        client.until_still();
        let bytes = client.raw.len() - before;
        assert!(bytes < 900, "{bytes} bytes for a line");
        client.type_keys(b"\x03");
        assert_eq!(client.ended(), 0);
    })
    .await
    .expect("the story ends as told");
}
