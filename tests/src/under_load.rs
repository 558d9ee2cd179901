//! SIGTERM in the middle of much work: what stories about it share. Must not know which engine runs the jobs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::{Daemon, DaemonOptions};
use crate::delivery::Delivery;
use crate::follow::sha256;
use crate::http::Connection;
use crate::repository::{Commit, Repository};
use crate::wait::{LONG, wait_for};

/// What a daemon has for ending.
const AT_MOST: Duration = Duration::from_secs(10);
/// Senders of webhooks.
const SENDERS: usize = 8;
/// Webhooks that were answered before the signal comes.
const BEFORE: usize = 200;
/// Of lines of a job, each with a pause after it.
const ROUNDS: u32 = 300;
const LINES: u32 = 1_000;

/// SIGTERM comes while webhooks pour in and every job floods its log. The daemon ends in time and with 0; what was answered
/// is kept; the next one ends the jobs, which went on, and every byte is there. `job`: further lines of each job's spec.
#[track_caller]
pub fn sigterm_under_load(options: &DaemonOptions, job: &str) {
    let flood = format!(
        "i=0; while [ $i -lt {ROUNDS} ]; do seq $((i * {LINES})) $((i * {LINES} + {LINES} - 1)); i=$((i + 1)); sleep 0.03; done"
    );
    let jobs: String = (0..3).map(|n| format!("  j{n}:\n{job}    execute: ['{flood}', echo end]\n")).collect();
    let (repository, commit) = Repository::with_spec(&format!("jobs:\n{jobs}"));
    let mut daemon = Daemon::start(&options.clone().jobs(3).with(&repository));
    let number = daemon.push(&repository, &commit);
    for n in 0..3 {
        daemon.wait_log(&format!("{number}/j{n}"), "\n5000\n");
    }

    let address = daemon.address();
    let (answered, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let count = || answered.lock().unwrap_or_else(PoisonError::into_inner).len();
    let took = std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (repository, commit, address) = (&repository, &commit, &address);
            let (answered, stop) = (&answered, &stop);
            scope.spawn(move || {
                for round in 0.. {
                    let delivery = to_be_skipped(repository, commit, sender, round);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // A daemon that ends hangs up, or refuses.
                    let Ok(mut connection) = Connection::open(address) else { return };
                    let sent = connection.request("POST", "/webhooks/github", &delivery.headers(), &delivery.body);
                    if sent.is_ok_and(|answer| answer.status == 202) {
                        answered.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
                    }
                }
            });
        }
        wait_for("webhooks pour in", LONG, || if count() >= BEFORE { Ok(()) } else { Err(count()) });
        let asked = Instant::now();
        let code = daemon.terminate();
        let took = asked.elapsed();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(code, 0, "it ends as it should");
        took
    });
    assert!(took < AT_MOST, "it ended after {took:?}");
    assert!(!daemon.printed().contains("panicked"));

    daemon.restart();
    let answered = answered.into_inner().unwrap_or_else(PoisonError::into_inner);
    for delivery in &answered {
        let again = daemon.deliver(delivery).json();
        assert_eq!(again["state"], "duplicate", "{} was answered with 202 and is lost", delivery.id);
    }
    let build = daemon.wait_finished(number);
    let lines: String = (0..ROUNDS * LINES).map(|line| format!("{line}\n")).collect();
    let expected = format!("{lines}end\n");
    for job in build.jobs() {
        assert_eq!((job.outcome(), job.attempts().len()), ("passed", 1), "{:#}", build.0);
        let log = daemon.raw_log(&format!("{number}/{}", job.name()));
        assert!(log.ends_with(expected.as_bytes()), "{}: {} bytes", job.name(), log.len());
        // Before it stand only lines of the daemon's own, about the image.
        let own = &log[..log.len() - expected.len()];
        assert!(own.split(|byte| *byte == b'\n').all(|line| line.is_empty() || line.starts_with(b"[windlass]")));
        assert_eq!(job.attempt(1)["log"]["sha256"], sha256(&log).as_str());
    }
}

/// Accepted, and nothing runs for it.
fn to_be_skipped(repository: &Repository, commit: &Commit, sender: usize, round: usize) -> Delivery {
    Delivery::push(repository, commit).changed(|body| {
        body["unique"] = json!([sender, round]);
        body["head_commit"]["message"] = json!("[skip ci]");
    })
}
