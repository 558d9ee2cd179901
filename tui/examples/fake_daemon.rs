//! A daemon that only tells stories: builds come, run, fail and pass, logs flow, and nothing is executed. To work on
//! screens without an engine: `cargo run -p windlass-tui --example fake_daemon -- /tmp/w.sock`, then
//! `windlass --connect unix:/tmp/w.sock`. A second argument chooses another story: `still`, `empty` or `flood`. Must not
//! know the client.

#[path = "../tests/fake/mod.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod fake;

use std::path::Path;
use std::time::{Duration, SystemTime};

use fake::{Fake, World};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{Outcome, Status, WaitingFor};

type Jobs = &'static [(&'static str, &'static [&'static str], &'static [&'static str])];
const JOBS: Jobs = &[
    ("lint", &[], &["checkout", "cargo fmt --check", "cargo clippy"]),
    ("test (3.12)", &["lint"], &["checkout", "pip install -e .[test]", "pytest"]),
    ("test (3.13)", &["lint"], &["checkout", "pip install -e .[test]", "pytest"]),
    ("deploy", &["test (3.12)", "test (3.13)"], &["./deploy.sh"]),
];
const TITLES: [&str; 6] = [
    "Parse quoted values with trailing spaces",
    "Bump the cache key when the lock file changes",
    "Fix a race between two retries of one job",
    "docs: say what happens when the disk is full",
    "Hostile \u{202e}title\x1b[31m with escapes",
    "Rename Store::take to Store::claim_job, everywhere and also in the tests, which made this a rather long title",
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/tmp/windlass-fake.sock".to_owned());
    let _ = std::fs::remove_file(&path); // one that an earlier story left
    let daemon = Fake::start(Path::new(&path), clock());
    if std::env::args().nth(2).as_deref() != Some("empty") {
        daemon.change(past);
    }
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    for count in 0u64.. {
        beat.tick().await;
        daemon.change(|world| {
            world.now = clock();
            match std::env::args().nth(2).as_deref() {
                None => step(world, count),
                Some("flood") => flood(world, count),
                Some(_) => {} // "still" or "empty": nothing happens any more
            }
        });
    }
}

fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(0))
}

/// What happened before anyone looked.
fn past(world: &mut World) {
    let present = world.now;
    for index in 0..60usize {
        world.now = Timestamp(present.0 - (60 - index as i64) * 1_234_567);
        let branch = ["main", "release/1.2", "feature/a-long-branch-name-that-goes-on", "fix"][index % 4];
        let number = world.push(["acme/app", "acme/libwinch", "octo/site"][index % 3], branch, TITLES[index % 6], JOBS);
        for (job, _, steps) in JOBS {
            let fails = index % 5 == 0 && *job == "test (3.13)";
            if index % 5 == 0 && *job == "deploy" {
                world.end_job(number, job, Outcome::Skipped, "needs test (3.13), which failed");
                continue;
            }
            for step in 0..steps.len() {
                world.start_step(number, job, step);
                let lines = if step == 2 { 300 } else { 8 };
                for line in 0..lines {
                    world.now.0 += 37;
                    world.write(
                        number,
                        job,
                        format!("\x1b[32m   Compiling\x1b[0m crate-{line} v1.{line}.0 (step {step})\n"),
                    );
                }
                if fails && step == 2 {
                    world.write(number, job, FAILURE);
                    world.end_step(number, job, step, 1);
                } else {
                    world.end_step(number, job, step, 0);
                }
            }
            match (fails, index % 7) {
                (true, _) => world.end_job(number, job, Outcome::Failed, "step pytest ended with exit code 1"),
                (_, 3) if *job == "deploy" => {
                    world.end_job(number, job, Outcome::Lost, "node build-2 went away; retry the job");
                }
                _ => world.end_job(number, job, Outcome::Passed, ""),
            }
            if *job == "test (3.13)" && index % 3 == 2 {
                let wheel = vec![index as u8; 30_000_000];
                let files: [(&str, &[u8]); 3] = [
                    ("dist/app-1.2-py3-none-any.whl", &wheel),
                    ("htmlcov/index.html", b"<h1>97 %</h1>"),
                    ("../up", b""),
                ];
                world.left(number, job, &files, &["core.*: no such file was written"]);
            }
        }
    }
    world.now = present;
}

const FAILURE: &str = "\x1b[1m============================= FAILURES =============================\x1b[0m\n\
    ______________________ test_quoted_values ______________________\n\n    \
    def test_quoted_values():\n>       assert parse('\"a \"') == ['a ']\n\
    \x1b[31mE       AssertionError: assert ['a'] == ['a ']\x1b[0m\n\n\
    tests/test_parse.py:42: AssertionError\n\
    \x1b[31m=================== \x1b[1m1 failed\x1b[0m\x1b[31m, 311 passed in 2.14s ===================\x1b[0m\n";

/// A tenth of a second of 100,000 lines a second.
fn flood(world: &mut World, count: u64) {
    if count == 0 {
        let number = world.push("acme/app", "main", "A great many lines", JOBS);
        world.start_step(number, "lint", 0);
    }
    let lines: String =
        (0..10_000).map(|line| format!("\x1b[32mline\x1b[0m {} of many\n", count * 10_000 + line)).collect();
    let number = world.builds.last_key_value().map_or(1, |(number, _)| *number);
    world.write(number, "lint", lines);
}

/// A tenth of a second of the present.
fn step(world: &mut World, count: u64) {
    if count.is_multiple_of(150) {
        let title = TITLES[usize::try_from(count / 150).unwrap_or(0) % TITLES.len()];
        world.push("acme/app", "main", title, JOBS);
    }
    let active: Vec<(u64, String)> = world
        .builds
        .values()
        .filter(|view| view.build.status != Status::Finished)
        .flat_map(|view| view.jobs.iter().map(|job| (view.build.number, job.name.clone())))
        .collect();
    let mut running = active.iter().filter(|(n, job)| world.job(*n, job).status == Status::Running).count();
    let mut position = 0;
    for (number, name) in active {
        let job = world.job(number, &name);
        match job.status {
            Status::Finished => {}
            Status::Waiting => {
                let needs = job.needs.clone();
                let ended: Vec<_> = needs.iter().filter_map(|need| world.job(number, need).outcome).collect();
                if ended.iter().any(|outcome| *outcome != Outcome::Passed) {
                    world.end_job(number, &name, Outcome::Skipped, "what it needs did not pass");
                } else if ended.len() == needs.len() {
                    if running < 2 {
                        running += 1;
                        world.start_step(number, &name, 0);
                    } else {
                        position += 1;
                        let reason = WaitingFor::Capacity { position, running: running as u64, limit: 2 };
                        world.job(number, &name).waiting_for = Some(reason);
                    }
                }
            }
            Status::Running => run(world, number, &name, count),
        }
    }
}

fn run(world: &mut World, number: u64, name: &str, count: u64) {
    let now = world.now;
    let Some(attempt) = world.job(number, name).attempts.last().cloned() else { return };
    if attempt.cancelling.is_some_and(|cancelling| now > cancelling.kill_at) {
        return world.end_job(number, name, Outcome::Cancelled, "cancelled by you");
    }
    let Some(step) = attempt.steps.iter().position(|step| step.status == Status::Running) else { return };
    if count.is_multiple_of(2) {
        world.write(
            number,
            name,
            format!("\x1b[36mline {count}\x1b[0m of step {step}: \u{4f60}\u{597d}, a tab\there\n"),
        );
    } else {
        world.write(number, name, format!("\rprogress {}%", count % 100));
    }
    if count.is_multiple_of(40) {
        let fails = step == 2 && number.is_multiple_of(2);
        if fails {
            world.write(number, name, format!("\n{FAILURE}"));
        }
        world.end_step(number, name, step, i32::from(fails));
        match attempt.steps.len() {
            _ if fails => world.end_job(number, name, Outcome::Failed, "step pytest ended with exit code 1"),
            steps if step + 1 < steps => world.start_step(number, name, step + 1),
            _ => world.end_job(number, name, Outcome::Passed, ""),
        }
    }
}
