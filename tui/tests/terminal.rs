//! The client on a real pseudo-terminal: it gives the terminal back on every way out, and is silent when nothing happens.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use fake::{Fake, NOW};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use windlass_protocol::view::Outcome;

/// What has to be written on every way out: mouse off, ordinary screen, cursor shown.
const RESTORED: [&str; 3] = ["\x1b[?1000l", "\x1b[?1049l", "\x1b[?25h"];

struct Client {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Client {
    fn start(socket: &std::path::Path) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_windlass"));
        command.arg("--connect");
        command.arg(format!("unix:{}", socket.display()));
        command.env("TERM", "xterm-256color");
        command.env("HOME", socket.parent().expect("a folder"));
        let child = pair.slave.spawn_command(command).expect("the client starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, master: pair.master, output, seen: String::new() }
    }

    fn until(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.seen.contains(text) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("never seen: {text:?} in {:?}", self.seen),
            }
        }
    }

    /// Waits until the kernel says that the process is stopped: a SIGCONT before that would be for nothing.
    fn until_stopped(&self) {
        let pid = self.child.process_id().expect("a process");
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
            if stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return;
            }
            assert!(Instant::now() < end, "never stopped: {stat}");
            std::thread::yield_now();
        }
    }

    /// What is written within a time.
    fn within(&mut self, time: Duration) -> usize {
        let end = Instant::now() + time;
        let mut count = 0;
        loop {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => count += bytes.len(),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return count,
            }
        }
    }

    fn type_keys(&mut self, keys: &[u8]) {
        let mut writer = self.master.take_writer().expect("one writer");
        writer.write_all(keys).expect("the client reads");
        std::mem::forget(writer); // dropping it would type an end of file
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok()).expect("a process");
        kill(Pid::from_raw(pid), signal).expect("our own child");
    }

    fn ended(&mut self) -> u32 {
        for part in RESTORED {
            self.until(part);
        }
        self.child.wait().expect("its status").exit_code()
    }
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terminal_is_given_back_on_every_way_out() {
    let (folder, _fake) = stage();
    let socket = folder.path().join("s");
    let work = tokio::task::spawn_blocking(move || {
        for (keys, code) in [(&b"q"[..], 0), (b"\x03", 0), (b"/abc\x03", 0)] {
            let mut client = Client::start(&socket);
            client.until("A title");
            client.type_keys(keys);
            assert_eq!(client.ended(), code, "{keys:?}");
        }
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            let mut client = Client::start(&socket);
            client.until("A title");
            client.signal(signal);
            assert_eq!(client.ended(), 130, "{signal}");
        }
    });
    work.await.expect("every way out restores");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_it_gives_the_terminal_back_and_takes_it_again() {
    let (folder, _fake) = stage();
    let socket = folder.path().join("s");
    let work = tokio::task::spawn_blocking(move || {
        let mut client = Client::start(&socket);
        client.until("A title");
        client.type_keys(b"\x1a");
        RESTORED.iter().for_each(|part| client.until(part));
        client.until_stopped();
        client.seen.clear();
        client.signal(Signal::SIGCONT);
        client.until("\x1b[?1049h");
        client.until("A title");
        assert!(!client.seen.contains("\x1b[6n"), "the terminal was asked for something");
        client.signal(Signal::SIGTERM);
        client.ended();
    });
    work.await.expect("it comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_writes_nothing() {
    let (folder, _fake) = stage();
    let socket = folder.path().join("s");
    let work = tokio::task::spawn_blocking(move || {
        let mut client = Client::start(&socket);
        client.until("A title");
        client.within(Duration::from_millis(500)); // what of the first frames is still on its way
        assert_eq!(client.within(Duration::from_secs(3)), 0);
        client.signal(Signal::SIGTERM);
        client.ended();
    });
    work.await.expect("silence");
}
