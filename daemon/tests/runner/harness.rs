//! Starts runners for tests, feeds them and reads what they tell. Must not know what a test wants to see.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command as Process, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use windlass_daemon::frame::text::TextDecoder;
use windlass_daemon::frame::{Body, Decoder, Frame, Report};
use windlass_daemon::plan::feed::{SourceEncoder, encode_plan};
use windlass_daemon::plan::{
    AttemptPlan, Command, JobPlan, Network, Pull, Reports, Resources, Retry, StepPlan, Transport,
};

/// What never takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that is to be.
pub(crate) struct Run {
    pub(crate) steps: Vec<Command>,
    /// Each with its own limit.
    pub(crate) finally: Vec<(Command, Option<u64>)>,
    pub(crate) finally_timeout_ms: u64,
    pub(crate) step_timeout_ms: Option<u64>,
    pub(crate) job_timeout_ms: u64,
    pub(crate) grace_ms: u64,
    pub(crate) on_stdout: bool,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// Of the runner itself.
    pub(crate) inherited: Vec<(&'static str, &'static str)>,
    /// A tar archive.
    pub(crate) source: Vec<u8>,
    /// Patterns of JUnit files.
    pub(crate) reports: Vec<&'static str>,
    pub(crate) sarif: Vec<&'static str>,
    pub(crate) artifacts: Vec<&'static str>,
    pub(crate) artifact_bytes: u64,
    /// Elsewhere than usual.
    pub(crate) frame_file: Option<String>,
}

/// A runner that runs.
pub(crate) struct Running {
    child: Child,
    folder: TempDir,
    on_stdout: bool,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    live: Arc<Mutex<Vec<u8>>>,
    pub(crate) feed: Vec<u8>,
    pub(crate) workspace: PathBuf,
}

/// What a runner told from its begin to its end.
pub(crate) struct Told {
    pub(crate) frames: Vec<Frame>,
    pub(crate) code: Option<u8>,
    /// The working folder lives as long as this.
    _folder: TempDir,
}

pub(crate) fn script(text: &str) -> Command {
    Command::Script(text.to_owned())
}

pub(crate) fn program(words: &[&str]) -> Command {
    Command::Program(words.iter().map(|word| (*word).to_owned()).collect())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub(crate) fn has_dead_children(parent: u32) -> bool {
    fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        stat.contains(&format!(") Z {parent} "))
    })
}

pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn kind(body: &Body) -> String {
    match body {
        Body::Ready => "ready".into(),
        Body::StepStarted { step } => format!("start {step}"),
        Body::Output { step, .. } => format!("output {step}"),
        Body::StepEnded { step, .. } => format!("end {step}"),
        Body::Notice { .. } => "notice".into(),
        Body::File(_) => "file".into(),
        Body::Finished { .. } => "finished".into(),
    }
}

/// A real checkout with one commit, as an archive.
pub(crate) fn checkout() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let make = "git init -q -b main . && printf 'read me\\n' > README && mkdir -p src/deep && echo x > src/deep/file
        printf '#!/bin/sh\\necho tool runs\\n' > tool && chmod +x tool && ln -s src/deep/file link
        git add -A && git -c user.name=a -c user.email=a@example.org commit -q -m first";
    let made = Process::new("sh").args(["-euc", make]).current_dir(folder.path()).status().expect("a shell");
    assert!(made.success());
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all("", folder.path()).expect("an archive");
    builder.into_inner().expect("into memory")
}

impl Run {
    pub(crate) fn new(steps: Vec<Command>) -> Self {
        Self {
            steps,
            finally: vec![],
            finally_timeout_ms: 300_000,
            step_timeout_ms: None,
            job_timeout_ms: 300_000,
            grace_ms: 10_000,
            on_stdout: false,
            environment: vec![],
            inherited: vec![],
            source: tar::Builder::new(Vec::new()).into_inner().expect("into memory"),
            reports: vec![],
            sarif: vec![],
            artifacts: vec![],
            artifact_bytes: 1 << 20,
            frame_file: None,
        }
    }

    pub(crate) fn start(self) -> Running {
        let mut running = self.start_unfed();
        let mut stdin = running.stdin();
        // A runner that gave up does not read to the end.
        let _ = stdin.write_all(&running.feed);
        running
    }

    /// Starts a runner that gets its feed later, or never.
    pub(crate) fn start_unfed(self) -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let feed = self.feed_for(&folder.path().display().to_string());
        let workspace = folder.path().join("work");
        let mut child = Process::new(env!("CARGO_BIN_EXE_windlassd"))
            .arg("runner")
            .envs(self.inherited)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the runner");
        let live = Arc::new(Mutex::new(Vec::new()));
        let collected = live.clone();
        let mut stdout = child.stdout.take().expect("a pipe");
        let stdout = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                match stdout.read(&mut buffer).expect("its output") {
                    0 => return collected.lock().expect("nobody panics with it").clone(),
                    n => collected.lock().expect("nobody panics with it").extend_from_slice(&buffer[..n]),
                }
            }
        });
        let mut stderr = child.stderr.take().expect("a pipe");
        let stderr = thread::spawn(move || {
            let mut all = Vec::new();
            stderr.read_to_end(&mut all).expect("its complaints");
            all
        });
        Running {
            child,
            folder,
            on_stdout: self.on_stdout,
            stdout: Some(stdout),
            stderr: Some(stderr),
            live,
            feed,
            workspace,
        }
    }

    pub(crate) fn with_source(mut self, source: &[u8]) -> Self {
        self.source = source.to_vec();
        self
    }

    /// The feed for a run in `folder`.
    pub(crate) fn feed_for(&self, folder: &str) -> Vec<u8> {
        let frames = self.frame_file.clone().unwrap_or_else(|| format!("{folder}/frames"));
        let step = |run: &Command| StepPlan { name: "step".into(), run: run.clone(), timeout_ms: self.step_timeout_ms };
        let last = |(run, timeout_ms): &(Command, Option<u64>)| StepPlan {
            name: "last".into(),
            run: run.clone(),
            timeout_ms: *timeout_ms,
        };
        let mut feed = encode_plan(&AttemptPlan {
            id: "42/test#1".parse().expect("an attempt's id"),
            job: JobPlan {
                name: "test".into(),
                needs: vec![],
                image: None,
                environment: BTreeMap::new(),
                steps: self.steps.iter().map(step).collect(),
                timeout_ms: self.job_timeout_ms,
                network: Network::None,
                resources: Resources::default(),
                finally: self.finally.iter().map(last).collect(),
                finally_timeout_ms: self.finally_timeout_ms,
                pull: Pull::default(),
                retry: Retry::default(),
                reports: Reports { junit: texts(&self.reports), sarif: texts(&self.sarif) },
                artifacts: texts(&self.artifacts),
            },
            environment: self.environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            grace_ms: self.grace_ms,
            artifact_bytes: self.artifact_bytes,
            transport: if self.on_stdout { Transport::Stdout } else { Transport::File(frames) },
            workspace: format!("{folder}/work"),
            token: "token".into(),
        })
        .expect("a small plan");
        let mut source = SourceEncoder::new();
        for chunk in self.source.chunks(50_000) {
            feed.extend_from_slice(&source.chunk(chunk));
            feed.extend_from_slice(chunk);
        }
        feed.extend_from_slice(&source.end());
        feed
    }
}

impl Running {
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("not taken twice")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn term(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// What asks for the same as TERM, however often it comes.
    pub(crate) fn ask(&self) {
        self.signal(Signal::SIGUSR1);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("a runner");
    }

    pub(crate) fn until_it_handles_term(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        until("a handler for TERM", || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
            u64::from_str_radix(caught, 16).unwrap_or(0) & (1 << 14) != 0
        });
    }

    pub(crate) fn frames_so_far(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.on_stdout {
            let bytes = self.live.lock().expect("nobody panics with it");
            let (mut decoder, mut rest) = (TextDecoder::after(0), &bytes[..]);
            while let Some(frame) = decoder.decode(&mut rest).expect("good lines") {
                frames.push(frame);
            }
        } else {
            let bytes = fs::read(self.folder.path().join("frames")).unwrap_or_default();
            let (mut decoder, mut rest) = (Decoder::at(0), &bytes[..]);
            while let Some(frame) = decoder.decode(&mut rest).expect("good frames") {
                frames.push(frame);
            }
        }
        frames
    }

    /// Waits until the output so far ends with `end`.
    pub(crate) fn until_text(&self, end: &str) {
        until(end, || output(&self.frames_so_far()).ends_with(end.as_bytes()));
    }

    /// Waits for the runner's own end.
    pub(crate) fn exit_code(&mut self) -> Option<u8> {
        let status = self.wait();
        status.code().and_then(|code| u8::try_from(code).ok())
    }

    pub(crate) fn complaints(&mut self) -> String {
        let all = self.stderr.take().expect("asked once").join().expect("no panic");
        String::from_utf8(all).expect("text")
    }

    /// Waits for the end; what the runner told must end with its report.
    pub(crate) fn end(mut self) -> Told {
        let code = self.exit_code();
        if let Some(stdout) = self.stdout.take() {
            stdout.join().expect("no panic");
        }
        let frames = self.frames_so_far();
        assert!(matches!(frames.last(), Some(Frame { body: Body::Finished { .. }, .. })), "{}", self.complaints());
        assert_eq!(self.complaints(), "");
        Told { frames, code, _folder: self.folder }
    }

    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("the runner does not end; so far: {:?}", self.frames_so_far());
            }
            thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Told {
    pub(crate) fn output(&self) -> Vec<u8> {
        output(&self.frames)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.output()).expect("text")
    }

    pub(crate) fn report(&self) -> Report {
        match self.frames.last() {
            Some(Frame { body: Body::Finished { report }, .. }) => report.clone(),
            other => panic!("no report but {other:?}"),
        }
    }
}

fn output(frames: &[Frame]) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in frames {
        if let Body::Output { bytes, .. } = &frame.body {
            all.extend_from_slice(bytes);
        }
    }
    all
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}
