//! The pictures of the README are what the program shows: the real client on a pseudo-terminal, before a daemon that tells a
//! small story. `WINDLASS_PICTURES=write` writes them anew; without it they are compared, but for times that go on.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
mod picture;
#[expect(dead_code, reason = "each test file uses a part of the terminal")]
mod pty;

use std::path::PathBuf;
use std::time::Duration;

use fake::{Fake, NOW};
use pty::Client;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Outcome;

const ROWS: u16 = 24;
const COLUMNS: u16 = 100;

/// A day at a small company.
fn tell(fake: &Fake) {
    fake.change(|world| {
        world.now = Timestamp(NOW.0 - 3_000_000);
        let titles = [("Parse quoted values", 61), ("Faster start-up", 58), ("Say which file is missing", 64)];
        for (title, seconds) in titles {
            let number = world.push("acme/app", "main", title, &[("test", &[], &["cargo nextest run"])]);
            world.start_step(number, "test", 0);
            world.now.0 += seconds * 1_000;
            world.end_step(number, "test", 0, 0);
            world.end_job(number, "test", Outcome::Passed, "");
        }
        world.now = Timestamp(NOW.0 - 600_000);
        let jobs: &[(&str, &[&str], &[&str])] = &[
            ("format", &[], &["cargo fmt --check"]),
            ("build", &[], &["cargo build --release"]),
            ("unit", &["build"], &["cargo nextest run", "cargo test --doc"]),
            ("browser", &["build"], &["npm ci", "npx playwright test"]),
            ("package", &["unit", "browser", "format"], &["./package.sh"]),
        ];
        let broken = world.push("acme/shop", "checkout", "Take cards without a name", jobs);
        for (job, seconds) in [("format", 3), ("build", 95)] {
            world.start_step(broken, job, 0);
            world.now.0 += seconds * 1_000;
            world.end_step(broken, job, 0, 0);
            world.end_job(broken, job, Outcome::Passed, "");
        }
        world.start_step(broken, "unit", 0);
        for number in 1..=40 {
            world.write(
                broken,
                "unit",
                format!("\x1b[32m        PASS\x1b[0m [   0.{number:03}s] shop cart::line_{number}\n"),
            );
        }
        world.write(broken, "unit", "\x1b[31m        FAIL\x1b[0m [   0.212s] shop checkout::a_card_without_a_name\n");
        world.write(broken, "unit", "  thread 'checkout::a_card_without_a_name' panicked at src/checkout.rs:88:9:\n");
        world.write(broken, "unit", "  error: assertion `left == right` failed\n    left: Declined\n   right: Paid\n");
        for number in 41..=52 {
            world.write(
                broken,
                "unit",
                format!("\x1b[32m        PASS\x1b[0m [   0.{number:03}s] shop cart::line_{number}\n"),
            );
        }
        world.now.0 += 41_000;
        world.end_step(broken, "unit", 0, 100);
        world.end_job(broken, "unit", Outcome::Failed, "step cargo nextest run ended with exit code 100");
        world.end_job(broken, "package", Outcome::Skipped, "needs unit, which failed");
        world.start_step(broken, "browser", 0);
        world.now.0 += 20_000;
        world.end_step(broken, "browser", 0, 0);
        world.start_step(broken, "browser", 1);
        let docs = world.push("acme/app", "docs", "Explain retries", &[("test", &[], &["cargo nextest run"])]);
        world.start_step(docs, "test", 0);
        world.push("acme/lib", "main", "Bump the toolchain", &[("test", &[], &["cargo nextest run"])]);
        world.now = NOW;
    });
}

fn place(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets")).join(format!("{name}.svg"))
}

/// What goes on while a job runs, or depends on when one looks.
fn without_times(picture: &str) -> String {
    let times =
        regex::Regex::new(r"[0-9.]+( ms| s|m [0-9]+s|m|h [0-9]+m)|[0-9]{2}:[0-9]{2}:[0-9]{2}").expect("a pattern");
    times.replace_all(picture, "T").into_owned()
}

fn compare(client: &Client, name: &str, title: &str) {
    let (place, picture) = (place(name), picture::svg(client.vt(), title));
    if std::env::var("WINDLASS_PICTURES").as_deref() == Ok("write") {
        std::fs::write(&place, &picture).expect("the assets can be written");
    }
    let kept = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(
        without_times(&kept) == without_times(&picture),
        "{} is not what the client shows now: write it anew with WINDLASS_PICTURES=write cargo test --test pictures\n{}",
        place.display(),
        client.screen()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_shows_what_the_client_shows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("s");
    let fake = Fake::start(&socket, NOW);
    tell(&fake);
    let looked = tokio::task::spawn_blocking(move || {
        let mut client = Client::again(&socket, ROWS, COLUMNS, "state", &["--no-animation"]);
        client.until_shown("Take cards");
        client.until_still();
        compare(&client, "builds", "The list of builds");
        client.type_keys(b"jj\r");
        client.until_shown("cargo build --release");
        client.until_still();
        compare(&client, "build", "A build with a job that failed");
        client.type_keys(b"D");
        client.until_shown("package");
        client.until_still();
        compare(&client, "graph", "The jobs of a build as a graph");
        client.type_keys(b"D");
        client.type_keys(b"e\r");
        client.until_shown("assertion");
        client.within(Duration::from_millis(500));
        client.until_still();
        compare(&client, "log", "The log of a failed job, opened at its first error");
    });
    looked.await.expect("the story ends as told");
}
