//! Another process holds SQLite's write lock for longer than anybody waits for it: webhooks are put off before GitHub gives
//! up, what runs goes on, what ended is recorded once, and nobody restarts the daemon.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository, wait_for_file};

/// Longer than the daemon waits for its turn to write.
const HELD: Duration = Duration::from_secs(17);
/// GitHub hears no answer that comes later.
const GITHUB_WAITS: Duration = Duration::from_secs(10);

/// The write lock of a database, taken as any other program would.
struct Lock {
    release: mpsc::Sender<()>,
    holder: JoinHandle<()>,
}

impl Lock {
    /// Returns when it is held.
    fn take(database: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::from_secs(30));
        let (release, released) = mpsc::channel();
        let (held, is_held) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut connection = options.connect().await.expect("the daemon's database");
                connection.execute("begin immediate").await.expect("the lock");
                held.send(()).expect("the story waits");
                let _ = released.recv(); // the story may have failed
                connection.execute("rollback").await.expect("given back");
            });
        });
        is_held.recv().expect("the lock is taken");
        Self { release, holder }
    }

    fn release(self) {
        self.release.send(()).expect("it is held");
        self.holder.join().expect("the holder does not panic");
    }
}

#[test]
fn a_busy_database_puts_off_webhooks_and_ends_no_build() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let until = |name: &str| format!("until [ -e {at}/{name} ]; do sleep 0.02; done");
    let spec = format!(
        "jobs:\n  ends: {{ execute: ['echo up; {}; echo more; touch {at}/ended; exit 7'] }}\n  goes-on:\n    execute:\n      - 'echo one; {}'\n      - 'echo two; touch {at}/second; {}; echo three'\n  follows: {{ needs: goes-on, execute: [echo followed] }}\n",
        until("go"),
        until("go"),
        until("released"),
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/ends"), "up");
    daemon.wait_log(&format!("{number}/goes-on"), "one");

    let lock = Lock::take(&daemon.data().join("windlass.db"));
    let begun = Instant::now();
    std::fs::write(meet.join("go"), "").expect("a file");
    let later = repository.commit("main", &[(".windlass.yml", "jobs: { test: { execute: [echo built] } }\n")], "later");
    let delivery = Delivery::push(&repository, &later);
    let mut answers = 0;
    while begun.elapsed() < HELD {
        let asked = Instant::now();
        let response = daemon.deliver(&delivery);
        assert!(response.is_put_off(), "{response:?}");
        assert!(asked.elapsed() < GITHUB_WAITS, "answered after {:?}", asked.elapsed());
        answers += 1;
        // Readers are not concerned.
        assert_eq!(daemon.build(number).status(), "running");
        assert_eq!(daemon.get(&format!("/builds/{number}")).status, 200);
    }
    assert!(answers >= 2, "{answers} answers");
    wait_for_file(&meet.join("ended"));
    wait_for_file(&meet.join("second"));
    daemon.wait_log(&format!("{number}/goes-on"), "two");
    lock.release();
    std::fs::write(meet.join("released"), "").expect("a file");

    let build = daemon.wait_finished(number);
    assert_eq!(build.summary(), "ends: failed, goes-on: passed, follows: passed", "{:#}", build.0);
    assert_eq!(build.job("ends").attempt(1)["exit_code"], 7);
    assert!(build.jobs().iter().all(|job| job.attempts().len() == 1), "none ran twice: {:#}", build.0);
    assert_eq!(daemon.raw_log(&format!("{number}/goes-on")), b"one\ntwo\nthree\n");
    // It may have been stored when the lock was released, after its answer; it is built once in any case.
    let again = daemon.deliver(&delivery);
    assert_eq!(again.status, 202, "{}", again.text());
    let built = daemon.build_of(&delivery);
    assert_eq!(daemon.wait_finished(built).outcome(), "passed");
    assert_eq!(daemon.builds().len(), 2);
    assert!(!daemon.printed().contains("panicked"));
}
