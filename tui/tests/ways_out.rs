//! The ways out that nobody takes on purpose: a panic, a terminal of its own for the output that goes away, signals in the
//! middle of things. Each time the terminal is as it was before.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
#[expect(dead_code, reason = "each test file uses a part of the terminal")]
mod pty;

use std::io::Read;
use std::path::PathBuf;

use fake::{Fake, NOW};
use nix::sys::signal::Signal;
use portable_pty::{PtySize, native_pty_system};
use pty::Client;

const OURS: u32 = 4;

async fn with_a_daemon(work: impl FnOnce(PathBuf) + Send + 'static) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("s");
    let fake = Fake::start(&socket, NOW);
    fake.change(|world| {
        let number = world.passed("A title");
        world.write(number, "test", "a line\n");
    });
    tokio::task::spawn_blocking(move || work(socket)).await.expect("the story ends as told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_gives_the_terminal_back_and_says_what_happened() {
    with_a_daemon(|socket| {
        // In the state, in the middle of a frame, and in the task that holds the connection.
        for (point, keys) in [("event:9", &b"jkjkjkjkjk"[..]), ("frame:4", b"?jkjk"), ("link", b"")] {
            let mut client = Client::start_in(&socket, 24, 80, &[("WINDLASS_PANIC", point)]);
            if point != "link" {
                client.until_shown("A title");
                client.assert_taken();
            }
            for key in keys {
                client.type_keys(&[*key]);
                client.within(std::time::Duration::from_millis(20));
            }
            let name = point.split(':').next().expect("a name");
            client.until("panicked at tui/src/failpoint.rs");
            client.until(&format!("at the fail point {name}, as a test wished"));
            client.until("this is a fault in windlass itself; no build was touched");
            assert_eq!(client.ended(), OURS, "{point}");
            // The words stand on the ordinary screen, each line at its beginning.
            let screen = client.screen();
            let words = screen.lines().find(|line| line.contains("this is a fault"));
            assert!(words.is_some_and(|line| line.starts_with("windlass: ")), "{screen}");
            let after = client.seen.rfind("\x1b[?1049l").expect("it left the alternate screen");
            assert!(client.seen.find("panicked").is_some_and(|at| at > after), "{point}: {:?}", client.seen);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_goes_away_ends_it_in_order() {
    with_a_daemon(|socket| {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let other = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let name = other.master.tty_name().expect("its name").to_string_lossy().into_owned();
        let mut reader = other.master.try_clone_reader().expect("a reader");
        let script = "exec \"$0\" \"$@\" > \"$OTHER\"";
        let mut client = Client::start_in(&socket, 24, 80, &[("THROUGH", script), ("OTHER", &name)]);
        let (mut screen, mut buffer) = (vt100::Parser::new(24, 80, 0), [0; 4096]);
        while !screen.screen().contents().contains("A title") {
            let count = reader.read(&mut buffer).expect("the client paints");
            screen.process(&buffer[..count]);
        }
        client.assert_taken();
        drop((reader, other));
        client.type_keys(b"?"); // something to paint
        assert_eq!(client.done(), OURS);
        assert!(client.seen.contains("windlass: the terminal went away"), "{:?}", client.seen);
        // Without any output there is nothing to begin with.
        let script = "exec \"$0\" \"$@\" >&-";
        let mut client = Client::start_in(&socket, 24, 80, &[("THROUGH", script)]);
        assert_eq!(client.done(), 2);
        assert!(client.seen.contains("needs a terminal"), "{:?}", client.seen);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_are_obeyed_wherever_one_is() {
    with_a_daemon(|socket| {
        let places: [(&[u8], &str); 8] = [
            (b"?", "In lists"),
            (b":", "command :"),
            (b".", "command :"),
            (b"/ti", "filter / ti"),
            (b"R", "Retry build 1"),
            (b"3", "no webhook was received yet"),
            (b"4", "acme/app"),
            (b"5", "1 node"),
        ];
        for (index, (keys, words)) in places.into_iter().enumerate() {
            let mut client = Client::start(&socket, 24, 80);
            client.until_shown("A title");
            client.type_keys(keys);
            client.until_shown(words);
            client.signal([Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT][index % 3]);
            assert_eq!(client.ended(), 130, "{words}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_from_outside_it_gives_the_terminal_back() {
    with_a_daemon(|socket| {
        let mut client = Client::start(&socket, 24, 80);
        client.until_shown("A title");
        client.until_still();
        let before = client.screen();
        client.seen.clear();
        client.signal(Signal::SIGTSTP);
        client.assert_given_back();
        client.until_stopped();
        client.seen.clear();
        client.signal(Signal::SIGCONT);
        client.until("\x1b[?1049h");
        client.until_still();
        client.assert_taken();
        assert_eq!(client.screen(), before);
        client.type_keys(b"q");
        assert_eq!(client.ended(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_while_another_reads_it_leaves_the_terminal_alone() {
    with_a_daemon(|socket| {
        let mut client = Client::start(&socket, 24, 80);
        client.until_shown("A title");
        client.type_keys(b"\r");
        client.until_shown("whole build");
        client.type_keys(b"p");
        client.until("in the pager: ");
        client.assert_given_back();
        client.signal(Signal::SIGTERM);
        assert_eq!(client.ended(), 130);
    })
    .await;
}
