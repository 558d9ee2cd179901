//! Postgres crashes in the middle of a build and comes back: webhooks are put off meanwhile, what runs goes on and is
//! recorded, what was accepted is built, and nobody restarts the daemon.

use std::time::{Duration, Instant};

use windlass_tests::postgres::Postgres;
use windlass_tests::{Daemon, DaemonOptions, Delivery, LONG, Repository, wait_for, wait_for_file};

/// GitHub hears no answer that comes later.
const GITHUB_WAITS: Duration = Duration::from_secs(10);

#[test]
fn a_crash_of_postgres_ends_no_build() {
    let mut postgres = Postgres::start();
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let until = |name: &str| format!("until [ -e {at}/{name} ]; do sleep 0.02; done");
    let spec = format!(
        "jobs:\n  ends: {{ execute: ['echo up; {}; seq 1 50000; touch {at}/ended; exit 7'] }}\n  goes-on: {{ execute: ['echo up; {}; echo on'] }}\n  follows: {{ needs: goes-on, execute: [echo followed] }}\n",
        until("away"),
        until("back"),
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let options = DaemonOptions::local().with(&repository).set("database", &format!("url = {:?}", postgres.url()));
    let daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    for job in ["ends", "goes-on"] {
        daemon.wait_log(&format!("{number}/{job}"), "up");
    }
    let kept = Delivery::ping(&repository);
    assert_eq!(daemon.deliver(&kept).status, 202);

    postgres.stop_at_once();
    std::fs::write(meet.join("away"), "").expect("a file");
    let later = repository.commit("main", &[(".windlass.yml", "jobs: { test: { execute: [echo built] } }\n")], "later");
    let delivery = Delivery::push(&repository, &later);
    for _ in 0..2 {
        let asked = Instant::now();
        let response = daemon.deliver(&delivery);
        assert!(response.is_put_off(), "{response:?}");
        assert!(asked.elapsed() < GITHUB_WAITS, "answered after {:?}", asked.elapsed());
    }
    assert_eq!(daemon.get("/healthz").status, 200, "it is alive, though not ready");
    wait_for_file(&meet.join("ended"));
    postgres.start_again();
    std::fs::write(meet.join("back"), "").expect("a file");

    let ready = wait_for("the daemon is ready again", LONG, || {
        let ready = daemon.get("/readyz");
        if ready.status == 200 { Ok(ready) } else { Err(ready) }
    });
    assert_eq!(ready.text(), "ready\n");
    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "ends: failed, goes-on: passed, follows: passed", "{:#}", build.0);
    assert_eq!(build.job("ends").attempt(1)["exit_code"], 7);
    assert!(build.jobs().iter().all(|job| job.attempts().len() == 1), "none ran twice: {:#}", build.0);
    let numbers: String = (1..=50_000).map(|number| format!("{number}\n")).collect();
    let log = daemon.raw_log(&format!("{number}/ends"));
    assert!(log == format!("up\n{numbers}").as_bytes(), "{} bytes", log.len());
    assert!(daemon.delivery(&kept.id).is_some(), "what was answered with 202 is there");
    let again = daemon.deliver(&delivery);
    assert_eq!(again.status, 202, "{}", again.text());
    let built = daemon.build_of(&delivery);
    assert_eq!(daemon.wait_finished(built).outcome(), "passed");
    assert_eq!(daemon.builds().len(), 2);
    assert!(!daemon.printed().contains("panicked"));
}
