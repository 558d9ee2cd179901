//! Stories about jobs as processes of this host, with the real runner.

mod engine_common;
#[path = "engine_common/plans.rs"]
mod plans;

use std::path::PathBuf;

use engine_common::{Collector, finish, in_time, run, sha256, start};
use plans::{plan, source};
use tempfile::TempDir;
use tokio::sync::mpsc;
use windlass_daemon::engine::docker::DockerSettings;
use windlass_daemon::engine::local::{LocalEngine, LocalSettings};
use windlass_daemon::engine::{
    Choice, Engine, EngineError, Engines, FoundState, FramePosition, Kind, Site, Source, Stop,
};
use windlass_daemon::frame::How;

struct Host {
    home: TempDir,
    engine: LocalEngine,
    source: Source,
}

impl Host {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let engine = open(&home);
        let source = source(home.path());
        Self { home, engine, source }
    }

    fn jobs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home.path().join("jobs")).expect("listed");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

fn open(home: &TempDir) -> LocalEngine {
    let executable = env!("CARGO_BIN_EXE_windlassd").into();
    LocalEngine::open(LocalSettings { executable, jobs: home.path().join("jobs") }).expect("opened")
}

#[tokio::test]
async fn a_job_has_its_source_and_leaves_nothing() {
    let host = Host::new();
    let told = run(&host.engine, &plan("noop", None, &["cat hello.txt", "true"]), &host.source).await;
    assert_eq!(told.text(), "hello from the source\n");
    assert_eq!(told.exit.code, 0);
    assert_eq!(told.report.expect("a report").decided_by, None);
    assert_eq!(host.jobs(), Vec::<PathBuf>::new());
    host.engine.clean(&plan("noop", None, &[]).id).await.expect("cleaning what is gone is fine");
}

#[tokio::test]
async fn fifty_megabytes_arrive_exactly() {
    let host = Host::new();
    let told =
        run(&host.engine, &plan("flood", None, &["yes 0123456789abcdef | head -c 50000000"]), &host.source).await;
    let expected: Vec<u8> = b"0123456789abcdef\n".iter().copied().cycle().take(50_000_000).collect();
    let report = told.report.expect("a report");
    assert_eq!(report.output_bytes, 50_000_000);
    assert_eq!(report.output_sha256, sha256(&expected));
    assert_eq!(sha256(&told.output), sha256(&expected));
}

#[tokio::test]
async fn exit_codes_and_what_never_started() {
    let host = Host::new();
    let told = run(&host.engine, &plan("seven", None, &["exit 7", "echo never"]), &host.source).await;
    assert_eq!(told.decided().how, How::Exited(7));
    assert_eq!((told.exit.code, told.output.len()), (1, 0));

    let mut refused = plan("x", None, &["true"]);
    refused.id.job = "../x".to_owned();
    let (say, _said) = mpsc::channel(1);
    assert!(matches!(host.engine.create(&refused, &say).await, Err(EngineError::Refused { .. })));
}

#[tokio::test]
async fn a_cancelled_job_gets_its_grace_and_a_killed_one_does_not() {
    let host = Host::new();
    let gentle =
        plan("gentle", None, &["trap 'echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.05; done"]);
    let mut stubborn = plan("stubborn", None, &["trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
    stubborn.grace_ms = 600_000;
    for (plan, stops, expected) in [
        (&gentle, &[Stop::Gently][..], "cleaned up\n"),
        (&stubborn, &[Stop::Gently, Stop::Now], "ready\n"),
        (&stubborn, &[Stop::Now], "ready\n"),
    ] {
        let site = start(&host.engine, plan, &host.source).await;
        let mut frames = Collector::new(&host.engine, plan, &site, FramePosition(0));
        frames.until("ready").await;
        for stop in stops {
            host.engine.stop(&plan.id, &site, *stop).await.expect("told to stop");
        }
        frames.rest().await;
        let told = frames.told(in_time(host.engine.exited(&plan.id, &site)).await.expect("exited"));
        assert!(told.text().ends_with(expected), "{}", told.text()); // the shell may say something of its own, too
        assert!(told.report.as_ref().expect("a report").cancelled);
        assert_eq!(told.exit.code, 3);
        host.engine.stop(&plan.id, &site, Stop::Now).await.expect("stopping what is gone is fine");
        host.engine.clean(&plan.id).await.expect("cleaned");
    }
}

#[tokio::test]
async fn a_runner_that_hangs_is_killed_with_its_step() {
    let host = Host::new();
    let plan = plan("hung", None, &["echo $$; exec sleep 1000"]);
    let site = start(&host.engine, &plan, &host.source).await;
    let mut frames = Collector::new(&host.engine, &plan, &site, FramePosition(0));
    frames.until("\n").await;
    let step: i32 = String::from_utf8_lossy(&frames.output).trim().parse().expect("a number");
    let runner: i32 = site.handle.split(':').next().and_then(|pid| pid.parse().ok()).expect("a number");
    signal(runner, nix::sys::signal::Signal::SIGSTOP);
    host.engine.stop(&plan.id, &site, Stop::Now).await.expect("told to stop");
    frames.rest().await;
    let exit = in_time(host.engine.exited(&plan.id, &site)).await.expect("exited");
    assert_eq!(exit.code, 128 + 9);
    in_time(ends(step)).await;
    host.engine.clean(&plan.id).await.expect("cleaned");
}

/// Waits until a process has ended; a dead one has no folder.
async fn ends(pid: i32) {
    while std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok() {
        tokio::task::yield_now().await;
    }
}

fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("sent");
}

#[tokio::test]
async fn a_new_engine_goes_on_where_the_old_one_stopped() {
    let host = Host::new();
    let plan = plan("adopted", None, &["echo before; while ! [ -e go ]; do sleep 0.02; done; echo after; exit 4"]);
    let site = start(&host.engine, &plan, &host.source).await;
    let mut frames = Collector::new(&host.engine, &plan, &site, FramePosition(0));
    frames.until("before\n").await;
    let (position, last, mut output) = (frames.position, frames.last, std::mem::take(&mut frames.output));
    drop(frames);
    let Host { home, engine, .. } = host;
    drop(engine);

    let engine = open(&home);
    let found = engine.adopt().await.expect("adopted");
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].attempt, found[0].state, &found[0].site), (&plan.id, FoundState::Running, &site));
    std::fs::write(home.path().join("jobs/1.1.adopted/workspace/go"), "").expect("written");
    let mut frames = Collector::new(&engine, &plan, &site, position);
    let first = frames.next().await.expect("a frame");
    assert_eq!(first.seq, last + 1);
    frames.rest().await;
    output.extend_from_slice(&frames.output);
    assert_eq!(String::from_utf8_lossy(&output), "before\nafter\n");
    in_time(engine.exited(&plan.id, &site)).await.expect("exited");
    assert_eq!(frames.report.expect("a report").decided_by.expect("a step").1.how, How::Exited(4));
    assert_eq!(engine.adopt().await.expect("adopted")[0].state, FoundState::Exited);
    engine.clean(&plan.id).await.expect("cleaned");
    assert_eq!(engine.adopt().await.expect("adopted"), []);
}

#[tokio::test]
async fn cleaning_ends_what_still_runs_and_removes_what_is_locked() {
    let host = Host::new();
    let plan = plan("left", None, &["mkdir -p a/b; touch a/b/c; chmod 555 a/b a; sleep 1000 & echo $!; wait"]);
    let site = start(&host.engine, &plan, &host.source).await;
    let mut frames = Collector::new(&host.engine, &plan, &site, FramePosition(0));
    frames.until("\n").await;
    let sleeper: i32 = String::from_utf8_lossy(&frames.output).trim().parse().expect("a number");
    host.engine.clean(&plan.id).await.expect("cleaned");
    in_time(ends(sleeper)).await;
    assert_eq!(host.jobs(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_attempt_is_fed_once_and_sees_little_of_the_daemons_environment() {
    let host = Host::new();
    let plan = plan("once", None, &["env"]);
    let site = start(&host.engine, &plan, &host.source).await;
    let again = host.engine.feed(&plan, &site, host.source.clone()).await;
    assert!(matches!(again, Err(EngineError::Trouble { .. })), "{again:?}");
    let told = finish(&host.engine, &plan, &site).await;
    assert!(told.text().contains("CI=true"));
    // cargo sets this one for tests, which stands for everything an operator may have set.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!told.text().contains("CARGO_MANIFEST_DIR"), "{}", told.text());
    host.engine.clean(&plan.id).await.expect("cleaned");
}

#[tokio::test]
async fn without_a_container_engine_auto_means_processes_and_says_so() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let executable: PathBuf = env!("CARGO_BIN_EXE_windlassd").into();
    let socket = home.path().join("silent.sock");
    let docker = DockerSettings::new(socket, executable.clone(), home.path().join("docker"), "auto");
    let local = LocalSettings { executable, jobs: home.path().join("jobs") };
    assert!(Engines::connect(Choice::Docker, docker.clone(), local.clone()).await.is_err());

    // Somebody listens and never answers.
    let _listener = std::os::unix::net::UnixListener::bind(&docker.socket).expect("bound");
    let engines = in_time(Engines::connect(Choice::Auto, docker, local)).await.expect("there is always this host");
    assert_eq!(engines.default_kind(), Kind::Local);
    let note = engines.note().expect("a sentence");
    assert!(note.contains("silent.sock") && note.contains("engine = \"local\""), "{note}");
    assert_eq!(engines.view().await.trouble.as_deref(), Some(note));
    assert!(engines.pick(Some(Kind::Docker)).is_err());

    let plan = plan("auto", None, &["echo here"]);
    let told = run(&engines, &plan, &source(home.path())).await;
    assert_eq!(told.text(), "here\n");
    let site = Site { engine: "docker".to_owned(), node: String::new(), handle: "x".to_owned() };
    let mut frames = engines.frames(&plan.id, &site, FramePosition(0));
    assert!(matches!(frames.recv().await, Some(Err(EngineError::Trouble { .. }))));
    assert!(frames.recv().await.is_none());
}
