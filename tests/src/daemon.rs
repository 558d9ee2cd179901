//! The real `windlassd serve` on a folder of its own, and the real `windlass` towards it. What it printed is shown when a
//! story fails. Must not know what the daemon keeps in its data folder, besides the two names that are promised.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::binaries;
use crate::cleanup;
use crate::delivery::{Delivery, SECRET};
use crate::http::{Connection, Response};
use crate::repository::{Commit, Repository};
use crate::small_disk::SmallDisk;
use crate::view::Build;
use crate::wait::{LONG, SHORT, wait_for};

/// What a daemon's configuration says. The file is plain text so that a story can also say what is wrong.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    engine: &'static str,
    /// Name, where it is cloned from if that is not left to the payload, and its engine if it is another.
    repositories: Vec<(String, Option<String>, Option<&'static str>)>,
    jobs: u32,
    more: Vec<(String, String)>,
}

impl DaemonOptions {
    /// Jobs are processes of this host.
    #[must_use]
    pub fn local() -> Self {
        Self { engine: "local", repositories: Vec::new(), jobs: 2, more: Vec::new() }
    }

    #[must_use]
    pub fn docker() -> Self {
        Self { engine: "docker", ..Self::local() }
    }

    /// Containers where an engine answers, and no jobs where none does.
    #[must_use]
    pub fn auto() -> Self {
        Self { engine: "auto", ..Self::local() }
    }

    /// Builds this repository.
    #[must_use]
    pub fn with(mut self, repository: &Repository) -> Self {
        self.repositories.push((repository.name.clone(), Some(repository.url()), None));
        self
    }

    /// Builds this repository on another engine than the rest.
    #[must_use]
    pub fn with_engine(mut self, repository: &Repository, engine: &'static str) -> Self {
        self.repositories.push((repository.name.clone(), Some(repository.url()), Some(engine)));
        self
    }

    /// Builds the repository of this name, from wherever its payloads say.
    #[must_use]
    pub fn listing(mut self, name: &str) -> Self {
        self.repositories.push((name.to_owned(), None, None));
        self
    }

    /// At most so many jobs at once.
    #[must_use]
    pub fn jobs(mut self, jobs: u32) -> Self {
        self.jobs = jobs;
        self
    }

    /// A further line for a section: `("control", "listen = \"127.0.0.1:0\"")`.
    #[must_use]
    pub fn set(mut self, section: &str, line: &str) -> Self {
        self.more.push((section.to_owned(), line.to_owned()));
        self
    }

    /// The configuration file's text, for a daemon in `root`.
    #[must_use]
    pub fn toml(&self, root: &Path) -> String {
        let more = |section: &str| {
            let lines = self.more.iter().filter(|(of, _)| of == section);
            lines.map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        let data = root.join("data");
        let mut text = format!("data_dir = {:?}\n{}", data.to_str().expect("plain names"), more(""));
        text += &format!("[public]\nlisten = \"127.0.0.1:0\"\n{}", more("public"));
        text += &format!("[control]\n{}", more("control"));
        text += &format!("[github]\nwebhook_secret_files = [\"webhook.secret\"]\n{}", more("github"));
        text += &format!("[engine]\nkind = {:?}\n{}", self.engine, more("engine"));
        text += &format!("[limits]\njobs = {}\n{}", self.jobs, more("limits"));
        text += &format!("[retention]\n{}", more("retention"));
        text += &format!("[database]\n{}", more("database"));
        for (name, url, engine) in &self.repositories {
            text += &format!("[[repository]]\nname = {name:?}\nengine = {:?}\n", engine.unwrap_or(self.engine));
            text += &url.as_ref().map(|url| format!("clone_url = {url:?}\n")).unwrap_or_default();
        }
        text
    }
}

/// A folder for a daemon, with secret and configuration, before or without a daemon.
#[must_use]
pub fn prepare(options: &DaemonOptions) -> TempDir {
    let root = TempDir::with_prefix("wl-").expect("a temporary folder");
    std::fs::write(root.path().join("webhook.secret"), format!("{SECRET}\n")).expect("a secret file");
    std::fs::write(root.path().join("windlassd.toml"), options.toml(root.path())).expect("a configuration file");
    root
}

/// `windlassd` with the environment of a plain user whose home is in `root`, and nothing of the developer's own.
#[must_use]
pub fn windlassd(root: &Path, arguments: &[&str]) -> Command {
    plain(binaries::windlassd(), root, arguments)
}

/// The client, in `root`, told nothing but its arguments.
#[must_use]
pub fn windlass(root: &Path, arguments: &[&str]) -> Command {
    plain(binaries::windlass(), root, arguments)
}

fn plain(program: PathBuf, root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(root).stdin(Stdio::null());
    command.env("HOME", root.join("home")).env("LANG", "C.UTF-8").env("RUST_BACKTRACE", "1");
    for kept in ["PATH", "DOCKER_HOST", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

pub struct Daemon {
    /// What its data folder is on, if that is a disk of its own; unmounted before the folder is removed.
    disk: Option<SmallDisk>,
    root: TempDir,
    child: Child,
    open_files: Option<u64>,
    uses_docker: bool,
    /// From start to both listeners being there.
    pub ready_after: Duration,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Output {
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a command to its end; one that does not end is killed and panics.
#[track_caller]
pub fn finish(mut command: Command, within: Duration) -> Output {
    let shown = format!("{command:?}");
    let out = tempfile::tempfile().expect("a temporary file");
    let err = tempfile::tempfile().expect("a temporary file");
    command.stdout(out.try_clone().expect("a second handle")).stderr(err.try_clone().expect("a second handle"));
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let start = Instant::now();
    let status = wait_for(&format!("{shown} ends"), within + Duration::from_secs(5), || {
        if start.elapsed() > within {
            let _ = child.kill();
        }
        child.try_wait().expect("our own child").ok_or("it still runs")
    });
    assert!(start.elapsed() <= within, "{shown} did not end within {within:?}:\n{}", read(err));
    Output { code: code(status), stdout: read_bytes(out), stderr: read(err) }
}

fn read_bytes(mut file: File) -> Vec<u8> {
    use std::io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("our own temporary file");
    bytes
}

fn read(file: File) -> String {
    String::from_utf8_lossy(&read_bytes(file)).into_owned()
}

/// As shells count: 128 + signal when a signal ended it.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

impl Daemon {
    #[track_caller]
    #[must_use]
    pub fn start(options: &DaemonOptions) -> Self {
        Self::start_with(options, &[])
    }

    /// With more in its environment.
    #[track_caller]
    #[must_use]
    pub fn start_with(options: &DaemonOptions, environment: &[(&str, &str)]) -> Self {
        Self::launch(prepare(options), options, None, None, environment)
    }

    /// Starts one in a folder that was prepared, and perhaps filled, before.
    #[track_caller]
    #[must_use]
    pub fn start_in(root: TempDir, options: &DaemonOptions) -> Self {
        Self::launch(root, options, None, None, &[])
    }

    /// With its data folder on a disk of so many megabytes.
    #[track_caller]
    #[must_use]
    pub fn start_on_small_disk(options: &DaemonOptions, megabytes: u32) -> Self {
        let root = prepare(options);
        let disk = SmallDisk::mount(&root.path().join("data"), megabytes);
        Self::launch(root, options, Some(disk), None, &[])
    }

    /// With so many file handles at most.
    #[track_caller]
    #[must_use]
    pub fn start_with_open_files(options: &DaemonOptions, most: u64) -> Self {
        Self::launch(prepare(options), options, None, Some(most), &[])
    }

    #[track_caller]
    fn launch(
        root: TempDir,
        options: &DaemonOptions,
        disk: Option<SmallDisk>,
        open_files: Option<u64>,
        environment: &[(&str, &str)],
    ) -> Self {
        let start = Instant::now();
        let child = spawn(root.path(), open_files, environment);
        let uses_docker = options.engine != "local";
        let mut daemon = Self { disk, root, child, open_files, uses_docker, ready_after: Duration::default() };
        daemon.wait_until_ready();
        daemon.ready_after = start.elapsed();
        daemon
    }

    /// The disk of its own that its data folder is on.
    #[must_use]
    #[track_caller]
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it was started on one")
    }

    /// Kills it as a crash or the kernel would. What it started lives on.
    pub fn kill9(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Asks it to end, and says how it did.
    #[track_caller]
    pub fn terminate(&mut self) -> i32 {
        kill(self.pid(), Signal::SIGTERM).expect("our own child");
        let child = &mut self.child;
        code(wait_for("the daemon ends", SHORT, || child.try_wait().expect("our own child").ok_or("it still runs")))
    }

    /// Starts it again on the same data; it must have ended.
    #[track_caller]
    pub fn restart(&mut self) {
        let start = Instant::now();
        let _ = std::fs::remove_file(self.data().join("public.addr")); // the old one says nothing about the new daemon
        self.child = spawn(self.root(), self.open_files, &[]);
        self.wait_until_ready();
        self.ready_after = start.elapsed();
    }

    /// Starts it again with more in its environment, and does not wait: it may be made to die before it is ready.
    #[track_caller]
    pub fn begin_again(&mut self, environment: &[(&str, &str)]) {
        let _ = std::fs::remove_file(self.data().join("public.addr"));
        self.child = spawn(self.root(), self.open_files, environment);
    }

    /// Begins again, to die at this fail point.
    #[track_caller]
    pub fn die_at(&mut self, point: &str) {
        self.begin_again(&[("WINDLASS_FAILPOINTS", point)]);
        wait_for("it dies", SHORT, || if self.has_ended() { Ok(()) } else { Err("alive") });
    }

    /// Whether it takes webhooks and clients.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let told = std::fs::read_to_string(self.data().join("public.addr")).unwrap_or_default();
        told.contains(':') && UnixStream::connect(self.socket()).is_ok()
    }

    /// Whether it has ended, by whatever.
    #[track_caller]
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_some()
    }

    /// Writes another configuration, which the next start reads.
    #[track_caller]
    pub fn configure(&self, options: &DaemonOptions) {
        std::fs::write(self.root().join("windlassd.toml"), options.toml(self.root())).expect("a configuration file");
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let socket = self.socket();
        let address = self.data().join("public.addr");
        let child = &mut self.child;
        wait_for("the daemon is ready", SHORT, || {
            let ended = child.try_wait().expect("our own child");
            assert!(ended.is_none(), "windlassd ended at once: {ended:?}");
            let told = std::fs::read_to_string(&address).unwrap_or_default();
            if !told.contains(':') {
                return Err(format!("nothing in {}", address.display()));
            }
            UnixStream::connect(&socket).map(drop).map_err(|error| format!("{}: {error}", socket.display()))
        });
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.data().join("control.sock")
    }

    /// `127.0.0.1:port` of the public listener.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> String {
        let path = self.data().join("public.addr");
        std::fs::read_to_string(&path).expect("the daemon writes its public address").trim().to_owned()
    }

    /// What it printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.root().join("daemon.log")).unwrap_or_default()).into_owned()
    }

    /// `windlassd` on this daemon's configuration, beside it or after it.
    #[track_caller]
    pub fn windlassd(&self, arguments: &[&str]) -> Output {
        let mut all = arguments.to_vec();
        all.extend(["--config", "windlassd.toml"]);
        finish(windlassd(self.root(), &all), LONG)
    }

    // ---- the public listener ----

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        let mut connection = Connection::open(&self.address()).expect("the public listener is there");
        connection.request("GET", path, &[], b"").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub fn deliver(&self, delivery: &Delivery) -> Response {
        let mut connection = Connection::open(&self.address()).expect("the public listener is there");
        connection
            .request("POST", "/webhooks/github", &delivery.headers(), &delivery.body)
            .unwrap_or_else(|error| panic!("POST /webhooks/github: {error}"))
    }

    /// Delivers what must be accepted.
    #[track_caller]
    pub fn accept(&self, delivery: &Delivery) {
        let response = self.deliver(delivery);
        assert!(matches!(response.status, 200..=299), "status {}: {}", response.status, response.text());
        assert_eq!(response.json()["state"], "accepted", "{}", response.text());
    }

    /// Delivers a push and returns the number of the build that comes of it.
    #[track_caller]
    pub fn push(&self, repository: &Repository, commit: &Commit) -> u64 {
        let delivery = Delivery::push(repository, commit);
        self.accept(&delivery);
        self.build_of(&delivery)
    }

    /// The build that comes of a delivery.
    #[track_caller]
    pub fn build_of(&self, delivery: &Delivery) -> u64 {
        wait_for("the delivery becomes a build", SHORT, || {
            let known = self.delivery(&delivery.id).ok_or_else(|| "unknown delivery".to_owned())?;
            known["builds"][0].as_u64().ok_or_else(|| known.to_string())
        })
    }

    // ---- the client's commands ----

    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let socket = format!("unix:{}", self.socket().display());
        let mut all = vec!["--connect", socket.as_str()];
        all.extend(arguments);
        finish(windlass(self.root(), &all), LONG)
    }

    /// The client as a command that the caller runs, in a terminal say.
    #[must_use]
    pub fn connect(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// What a command prints as JSON; it has to succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.cli(&all);
        assert_eq!(output.code, 0, "windlass {all:?}: {}{}", output.text(), output.stderr);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("windlass {all:?} printed no JSON ({error}): {}", output.text()))
    }

    #[track_caller]
    pub fn builds(&self) -> Vec<Build> {
        let list = self.json(&["builds"]);
        list.as_array().expect("builds --json prints a list").iter().cloned().map(Build).collect()
    }

    #[track_caller]
    pub fn build(&self, number: u64) -> Build {
        Build(self.json(&["show", &number.to_string()]))
    }

    #[track_caller]
    pub fn delivery(&self, id: &str) -> Option<Value> {
        let list = self.json(&["deliveries"]);
        list.as_array().expect("deliveries --json prints a list").iter().find(|d| d["delivery"] == id).cloned()
    }

    /// The log's bytes as `windlass logs --raw` prints them; `address` is `42/test` or `42/test#1`.
    #[track_caller]
    pub fn raw_log(&self, address: &str) -> Vec<u8> {
        let output = self.cli(&["logs", "--raw", address]);
        assert_eq!(output.code, 0, "windlass logs --raw {address}: {}", output.stderr);
        output.stdout
    }

    #[track_caller]
    pub fn wait_until(&self, number: u64, what: &str, condition: impl Fn(&Build) -> bool) -> Build {
        wait_for(&format!("build {number}: {what}"), LONG, || {
            let build = self.build(number);
            if condition(&build) { Ok(build) } else { Err(build.0) }
        })
    }

    #[track_caller]
    pub fn wait_finished(&self, number: u64) -> Build {
        self.wait_until(number, "finished", |build| build.status() == "finished")
    }

    /// Waits until the log holds `words`: how a story knows that a step has come so far.
    #[track_caller]
    pub fn wait_log(&self, address: &str, words: &str) {
        wait_for(&format!("{words:?} in the log of {address}"), LONG, || {
            let output = self.cli(&["logs", "--raw", address]);
            if output.text().contains(words) { Ok(()) } else { Err(output.text() + &output.stderr) }
        });
    }
}

fn spawn(root: &Path, open_files: Option<u64>, environment: &[(&str, &str)]) -> Child {
    let log = File::options().create(true).append(true).open(root.join("daemon.log")).expect("a file for its output");
    let arguments = ["serve", "--config", "windlassd.toml"];
    let mut command = match open_files {
        None => windlassd(root, &arguments),
        Some(most) => {
            let mut command = plain("prlimit".into(), root, &[&format!("--nofile={most}:{most}")]);
            command.arg("--").arg(binaries::windlassd()).args(arguments);
            command
        }
    };
    command.stdout(log.try_clone().expect("a second handle")).stderr(log).envs(environment.iter().copied());
    command.spawn().expect("windlassd can be executed")
}

impl Drop for Daemon {
    /// Builds outlive their daemon, so what they left is looked for by the story's folder.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let printed = self.printed();
            let from = printed.len().saturating_sub(20_000);
            let from = (from..printed.len()).find(|at| printed.is_char_boundary(*at)).unwrap_or(printed.len());
            let mut out = std::io::stderr().lock();
            let _ = writeln!(out, "---- what windlassd printed ----\n{}\n---- until here ----", &printed[from..]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.uses_docker {
            cleanup::remove_containers(self.root.path());
        }
        cleanup::processes(self.root.path());
    }
}
