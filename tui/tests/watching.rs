//! `windlass watch` on a terminal: a tree that changes where it stands, at any size, and stays when the build has ended.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
#[expect(dead_code, reason = "each test file uses a part of the terminal")]
mod pty;

use std::sync::Arc;

use fake::{Fake, NOW};
use pty::Client;
use windlass_protocol::view::Outcome;

const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\x1b[?1049h\u{202e}";

fn stage() -> (tempfile::TempDir, Arc<Fake>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fake = Fake::start(&folder.path().join("s"), NOW);
    fake.change(|world| {
        let test = format!("test{HOSTILE}");
        let jobs: &[(&str, &[&str], &[&str])] = &[
            ("lint", &[], &["fmt", "clippy"]),
            (&test, &[], &["install", "pytest"]),
            ("deploy", &["lint", &test], &["go"]),
        ];
        let number = world.push("acme/app", "main", "Fix the parser", jobs);
        world.start_step(number, "lint", 0);
        world.end_step(number, "lint", 0, 0);
        world.start_step(number, "lint", 1);
        world.end_step(number, "lint", 1, 0);
        world.end_job(number, "lint", Outcome::Passed, "");
        world.start_step(number, &test, 0);
        world.write(number, &test, format!("collecting {HOSTILE}\r50%\rwheels\n"));
    });
    (folder, Arc::new(fake))
}

/// Watches in a terminal of this size, from before the failure to the end.
async fn watched(rows: u16, columns: u16, story: impl FnOnce(&mut Client, &Fake) + Send + 'static) -> String {
    let (folder, fake) = stage();
    let socket = folder.path().join("s");
    tokio::task::spawn_blocking(move || {
        let mut client = Client::again(&socket, rows, columns, "state", &["watch"]);
        story(&mut client, &fake);
        fake.change(|world| {
            let test = format!("test{HOSTILE}");
            world.end_step(1, &test, 0, 3);
            world.end_job(1, &test, Outcome::Failed, "step install ended with exit code 3");
            world.end_job(1, "deploy", Outcome::Skipped, "needs test, which failed");
        });
        assert_eq!(client.done(), 1, "the outcome is the exit code");
        assert_eq!(pty::audit::strangers_of_a_command(&client.raw), Vec::<String>::new());
        client.screen()
    })
    .await
    .expect("the story ends as told")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_changes_where_it_stands_and_stays() {
    let last = watched(24, 80, |client, fake| {
        client.until_shown("│ wheels");
        for words in ["running   build 1", "acme/app main: Fix the parser", "✓ passed    lint", "needs lint"] {
            client.until_shown(words);
        }
        fake.change(|world| world.write(1, &format!("test{HOSTILE}"), "second line\n"));
        client.until_shown("│ second line");
        assert_eq!(client.screen().matches("build 1").count(), 1, "{}", client.screen());
        fake.cut();
    })
    .await;
    insta::assert_snapshot!("watched_to_its_end", last.trim_end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tiny_terminal_shows_what_matters_most() {
    let last = watched(5, 20, |client, _| {
        client.until_shown("build 1");
        client.until_shown("more rows");
        client.until_shown("test");
        assert_eq!(client.screen().matches("build 1").count(), 1, "{}", client.screen());
    })
    .await;
    assert!(last.contains("deploy"), "the whole tree is left, its end in view:\n{last}");
}
