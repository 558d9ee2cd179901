//! The daemon may have only a few open files, and there are many more clients: those are refused in words, builds do not
//! suffer, and when the clients go all is as before.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windlass_tests::http::Connection;
use windlass_tests::{Daemon, DaemonOptions, Delivery, LONG, Repository, wait_for};

const OPEN_FILES: u64 = 100;
const CLIENTS: usize = 60;
const JOBS: usize = 9;

/// Tells the clients to go, also when the story fails.
struct Crowd<'a>(&'a AtomicBool);

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connects and says nothing, as a broken proxy does, or somebody who means harm; again whenever it is hung up on.
fn client(address: &str, go: &AtomicBool) {
    while !go.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket has one");
        let mut words = [0; 1024];
        let is_open = |read: &std::io::Result<usize>| match read {
            Ok(count) => *count > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        while is_open(&stream.read(&mut words)) && !go.load(Ordering::Relaxed) {}
    }
}

#[test]
fn clients_without_end_take_no_handle_from_a_build() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let jobs: String = (0..JOBS)
        .map(|job| format!("  j{job}: {{ execute: ['until [ -e {at}/go ]; do sleep 0.02; done', 'seq 1 2000'] }}\n"))
        .collect();
    let commit = repository.commit("main", &[(".windlass.yml", format!("jobs:\n{jobs}"))], "first");
    let options = DaemonOptions::local().jobs(3).with(&repository);
    let daemon = Daemon::start_with_open_files(&options, OPEN_FILES);
    let number = daemon.push(&repository, &commit);
    daemon.wait_until(number, "running", |build| build.status() == "running");

    let address = daemon.address();
    let go = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _crowd = Crowd(&go);
        for _ in 0..CLIENTS {
            scope.spawn(|| client(&address, &go));
        }
        let delivery = Delivery::push(&repository, &commit).again_with_new_id();
        let refused = wait_for("a webhook is refused in words", LONG, || {
            let mut connection = Connection::open(&address).map_err(|error| error.to_string())?;
            match connection.request("POST", "/webhooks/github", &delivery.headers(), &delivery.body) {
                Ok(answer) if answer.is_put_off() => Ok(answer),
                Ok(answer) => Err(format!("{}: {}", answer.status, answer.text())),
                Err(error) => Err(error.to_string()),
            }
        });
        assert_eq!(refused.json()["code"], "unavailable", "{}", refused.text());
        assert!(daemon.printed().contains("every connection is taken"), "{}", daemon.printed());

        std::fs::write(meet.join("go"), "").expect("a file");
        let build = daemon.wait_finished(number);
        assert_eq!(build.outcome(), "passed", "{:#}", build.0);
        let numbers: String = (1..=2_000).map(|number| format!("{number}\n")).collect();
        for job in build.jobs() {
            assert_eq!(job.attempts().len(), 1, "{:#}", build.0);
            assert!(daemon.raw_log(&format!("{number}/{}", job.name())) == numbers.as_bytes(), "{}", job.name());
        }
    });

    let later = repository.commit("main", &[(".windlass.yml", "jobs: { test: { execute: [echo built] } }\n")], "later");
    let delivery = Delivery::push(&repository, &later);
    wait_for("webhooks are taken again", LONG, || {
        let answer = daemon.deliver(&delivery);
        if answer.status == 202 { Ok(()) } else { Err(answer.text()) }
    });
    assert_eq!(daemon.wait_finished(daemon.build_of(&delivery)).outcome(), "passed");
    assert!(!daemon.printed().contains("panicked"));
}
