//! A Postgres of a story's own, which it may stop and start as it likes. Must not know what is kept in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};
use tempfile::TempDir;

use crate::wait::{LONG, SHORT, wait_for};

/// Reachable through a Unix socket in a folder of its own.
pub struct Postgres {
    home: TempDir,
    server: Option<Child>,
}

impl Postgres {
    /// Made and started. Commits survive a crash of the server, though not of the machine.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let home = TempDir::with_prefix("wl-pg-").expect("a temporary folder");
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o711)).expect("our own folder");
        let mut postgres = Self { home, server: None };
        let inside = postgres.home.path().join("pg");
        std::fs::create_dir(&inside).expect("a folder");
        if let Some(user) = other_user() {
            chown(&inside, Some(user.uid), Some(user.gid)).expect("root gives away");
        }
        let mut initdb = postgres.program("initdb");
        initdb.args(["-D", &postgres.path("data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]);
        initdb.args(["--locale", "C.UTF-8", "--no-sync"]);
        let made = initdb.output().expect("initdb can be executed");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        postgres.start_again();
        postgres
    }

    /// Starts it, after [`Self::stop_at_once`], and waits until it answers.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        let mut server = self.program("postgres");
        server.args(["-D", &self.path("data"), "-k", &self.path(""), "-c", "listen_addresses=", "-c", "fsync=off"]);
        self.server = Some(server.spawn().expect("postgres can be executed"));
        wait_for("Postgres answers", LONG, || {
            let mut ready = self.program("pg_isready");
            let ready = ready.args(["-q", "-h", &self.path("")]).status().expect("pg_isready can be executed");
            if ready.success() { Ok(()) } else { Err(ready) }
        });
    }

    /// As a crash: connections are cut, nothing is written down that was not yet; the next start recovers.
    #[track_caller]
    pub fn stop_at_once(&mut self) {
        let mut server = self.server.take().expect("it runs");
        signal(&server, Signal::SIGQUIT);
        wait_for("Postgres ends", SHORT, || server.try_wait().expect("our own child").ok_or("it still runs"));
    }

    /// For `[database] url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.path(""))
    }

    fn path(&self, name: &str) -> String {
        let path = self.home.path().join("pg").join(name);
        path.to_str().expect("temporary folders have plain names").trim_end_matches('/').to_owned()
    }

    /// One of Postgres' programs, as a user that Postgres runs as.
    fn program(&self, name: &str) -> Command {
        let program = programs().join(name);
        let mut command = match other_user() {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.uid.to_string(), "--regid", &user.gid.to_string(), "--clear-groups"]);
                command.args(["--pdeathsig", "QUIT"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if name == "postgres" {
            let log = std::fs::File::options().create(true).append(true).open(self.home.path().join("log"));
            command.stderr(log.expect("a file for its output"));
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(&server, Signal::SIGQUIT);
            let _ = server.wait();
        }
    }
}

fn signal(server: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(server.id()).expect("process ids are small"));
    let _ = kill(pid, signal); // it may have ended by itself
}

/// Postgres refuses to run as root.
fn other_user() -> Option<User> {
    let named = |name| User::from_name(name).ok().flatten();
    geteuid().is_root().then(|| named("postgres").or_else(|| named("nobody")).expect("Debian has both users"))
}

/// Debian keeps them out of the PATH, one folder a version; the newest is taken.
#[track_caller]
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").is_file())
        .collect();
    folders.sort_unstable();
    let in_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder: &PathBuf| Path::new(folder).join("initdb").is_file())
    };
    folders.pop().map(|(_, folder)| folder).or_else(in_path).expect("Postgres is installed: tests/run installs it")
}
