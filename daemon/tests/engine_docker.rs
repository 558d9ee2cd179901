//! Stories about jobs in containers, with a real engine and the real runner. Each story is an owner of its own; network,
//! runner volume and images carry this process' name, and go with the last story that uses them.

mod engine_common;
#[path = "engine_common/host.rs"]
mod host;
#[path = "engine_common/plans.rs"]
mod plans;

use std::path::PathBuf;

use bollard::Docker;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{RemoveVolumeOptions, UploadToContainerOptionsBuilder, WaitContainerOptions};
use engine_common::{Collector, finish, in_time, run, sha256, start};
use futures_util::StreamExt;
use host::{Host, client, containers, namespace, networks, remove, remove_shared, volumes};
use plans::plan;
use tokio::sync::mpsc;
use windlass_daemon::engine::docker::{DockerEngine, DockerSettings};
use windlass_daemon::engine::{Engine, EngineError, FoundState, FramePosition, Source, Stop, TroubleKind};
use windlass_daemon::frame::How;
use windlass_daemon::plan::{AttemptPlan, Network, Pull};

#[tokio::test]
async fn a_job_has_its_source_and_leaves_nothing() {
    let host = Host::new("noop").await;
    let plan = host.plan("noop", &["pwd; cat hello.txt", "id -u; test ! -e /var/run/docker.sock"]);
    let told = run(&host.engine, &plan, &host.source).await;
    assert_eq!(told.text(), "/workspace\nhello from the source\n0\n");
    assert_eq!(told.exit.code, 0, "{told:?}");
    assert_eq!(told.report.expect("a report").decided_by, None);
    host.has_nothing_left().await;
    assert_eq!(host.engine.adopt().await.expect("adopted"), []);
    let jobs = host.home.path().join("jobs");

    // A folder whose container a daemon that died did not come to make.
    std::fs::create_dir(jobs.join("1.1.orphan")).expect("made");
    std::fs::write(jobs.join("1.1.orphan/attempt"), "1/orphan#1").expect("written");
    assert_eq!(host.engine.adopt().await.expect("adopted"), []);
    assert_eq!(std::fs::read_dir(&jobs).expect("listed").count(), 0);
    host.engine.clean(&plan.id).await.expect("cleaning what is gone is fine");
}

#[tokio::test]
async fn fifty_megabytes_arrive_exactly_by_file_and_five_by_standard_output() {
    let by_file = Host::new("flood").await;
    let by_output = Host::with("flood-out", |settings| settings.frames_over_stdout = true).await;
    for (host, length) in [(&by_file, 50_000_000), (&by_output, 5_000_000)] {
        let script = format!("yes 0123456789abcdef | head -c {length}");
        let told = run(&host.engine, &host.plan("flood", &[&script]), &host.source).await;
        let expected: Vec<u8> = b"0123456789abcdef\n".iter().copied().cycle().take(length).collect();
        let report = told.report.expect("a report");
        assert_eq!(report.output_bytes, length as u64);
        assert_eq!(report.output_sha256, sha256(&expected));
        assert_eq!(sha256(&told.output), sha256(&expected));
    }
}

#[tokio::test]
async fn exit_codes_and_images_that_are_not_there() {
    let host = Host::new("codes").await;
    let told = run(&host.engine, &host.plan("seven", &["exit 7", "echo never"]), &host.source).await;
    assert_eq!(told.decided().how, How::Exited(7));
    assert_eq!((told.exit.code, told.output.len(), told.exit.out_of_memory), (1, 0, false));

    let (say, mut said) = mpsc::channel(16);
    let unreachable = "localhost:1/nobody/has-this:9";
    for (image, pull, kind) in [
        (unreachable, Pull::Missing, Some(TroubleKind::Registry)),
        (unreachable, Pull::Always, Some(TroubleKind::Registry)),
        (unreachable, Pull::Never, None),
        ("Not A Name", Pull::Missing, None),
    ] {
        let mut missing = plan("missing", Some(image), &["true"]);
        missing.job.pull = pull;
        let error = in_time(host.engine.create(&missing, &say)).await.expect_err("there is no such image");
        assert_eq!((error.trouble_kind(), error.is_infrastructure()), (kind, kind.is_some()), "{error:?}");
        assert!(error.to_string().contains(image), "{error}");
        assert_eq!(host.engine.pulling(&missing.id), None);
        host.engine.clean(&missing.id).await.expect("cleaned");
    }
    assert_eq!(said.recv().await.as_deref(), Some("pulling localhost:1/nobody/has-this:9"));
    let none = plan("none", None, &["true"]);
    assert!(matches!(host.engine.create(&none, &say).await, Err(EngineError::Refused { .. })));
    assert_eq!(host.containers().await, []);
}

#[tokio::test]
async fn a_cancelled_job_gets_its_grace_and_a_killed_one_does_not() {
    let host = Host::new("cancel").await;
    let gentle =
        host.plan("gentle", &["trap 'echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.05; done"]);
    let mut stubborn = host.plan("stubborn", &["trap '' TERM; echo ready; while :; do sleep 0.05; done"]);
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
        assert!(told.text().ends_with(expected), "{}", told.text());
        assert!(told.report.as_ref().expect("a report").cancelled);
        assert_eq!(told.exit.code, 3);
        host.engine.stop(&plan.id, &site, Stop::Now).await.expect("stopping what is gone is fine");
        host.engine.clean(&plan.id).await.expect("cleaned");
        let gone = host.engine.exited(&plan.id, &site).await;
        assert!(matches!(gone, Err(EngineError::Gone { .. })), "{gone:?}");
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_as_it_starts_is_cancelled() {
    let host = Host::new("early").await;
    let plan = host.plan("early", &["sleep 1000"]);
    let site = start(&host.engine, &plan, &host.source).await;
    host.engine.stop(&plan.id, &site, Stop::Gently).await.expect("told to stop");
    let told = finish(&host.engine, &plan, &site).await;
    assert!(told.report.expect("a report").cancelled);
    assert_eq!(told.exit.code, 3);
    host.engine.clean(&plan.id).await.expect("cleaned");
}

#[tokio::test]
async fn too_much_memory_is_told_as_that() {
    let host = Host::new("memory").await;
    let mut plan = host.plan("greedy", &["tail /dev/zero"]);
    plan.job.resources.memory_bytes = Some(32 << 20);
    let told = run(&host.engine, &plan, &host.source).await;
    assert!(told.exit.out_of_memory || told.decided().out_of_memory, "{told:?}");
    assert_ne!(told.exit.code, 0);

    let mut modest = host.plan("modest", &["true"]);
    modest.job.resources.memory_bytes = Some(32 << 20);
    let told = run(&host.engine, &modest, &host.source).await;
    assert!(!told.exit.out_of_memory);
    assert_eq!(told.exit.code, 0, "{told:?}");
}

#[tokio::test]
async fn a_job_has_few_powers() {
    let host = Host::new("powers").await;
    let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t' ' '
        touch /windlass/x 2>&1 || echo 'the runner is read-only'
        mount -o remount,rw /windlass 2>&1 || echo 'and stays so'
        test \"$(ls /windlass/windlassd)\" = /windlass/windlassd
        ls /sys/class/net";
    let told = run(&host.engine, &host.plan("powers", &[script]), &host.source).await;
    let expected = "NoNewPrivs: 1\n";
    let text = told.text();
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10
    for line in [
        "CapEff: 00000000000004fb",
        "CapBnd: 00000000000004fb",
        expected.trim(),
        "Seccomp: 2",
        "the runner is read-only",
        "and stays so",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert_eq!(text.lines().last(), Some("lo"), "no network but loopback: {text}");
}

#[tokio::test]
async fn two_jobs_on_the_bridge_do_not_reach_each_other() {
    let host = Host::new("bridge").await;
    let serve = "ls /sys/class/net
        ip -4 addr show eth0 | grep -o 'inet [0-9.]*'
        (while :; do echo secret | nc -l -p 8080; done) & while ! nc -w 1 127.0.0.1 8080; do sleep 0.05; done
        echo serving; while :; do sleep 0.1; done";
    let mut server = host.plan("server", &[serve]);
    server.job.network = Network::Bridge;
    let site = start(&host.engine, &server, &host.source).await;
    let mut frames = Collector::new(&host.engine, &server, &site, FramePosition(0));
    frames.until("serving").await;
    let text = String::from_utf8_lossy(&frames.output).into_owned();
    assert!(text.contains("eth0\n"), "{text}");
    let address = text.lines().find_map(|line| line.strip_prefix("inet ")).expect("an address");

    let probe = format!("nc -w 3 {address} 8080 || echo not reached");
    let mut client = host.plan("client", &[&probe]);
    client.job.network = Network::Bridge;
    let told = run(&host.engine, &client, &host.source).await;
    assert_eq!(told.text().lines().last(), Some("not reached"), "{}", told.text());
    assert!(!told.text().contains("secret"));

    host.engine.clean(&server.id).await.expect("cleaned while it runs");
    assert_eq!(host.containers().await, []);
}

#[tokio::test]
async fn a_new_engine_goes_on_where_the_old_one_stopped() {
    for (owner, stdout) in [("adopt", false), ("adopt-out", true)] {
        let mut host = Host::with(owner, |settings| settings.frames_over_stdout = stdout).await;
        let created = host.plan("created", &["true"]);
        let (say, _said) = mpsc::channel(1);
        host.engine.create(&created, &say).await.expect("created");
        let plan = host.plan("adopted", &["echo before; while ! [ -e go ]; do sleep 0.02; done; echo after; exit 4"]);
        let site = start(&host.engine, &plan, &host.source).await;
        let mut frames = Collector::new(&host.engine, &plan, &site, FramePosition(0));
        frames.until("before\n").await;
        let (position, last, mut output) = (frames.position, frames.last, std::mem::take(&mut frames.output));
        drop(frames);

        host.engine = DockerEngine::connect(host.settings.clone()).await.expect("an engine answers");
        let mut found = host.engine.adopt().await.expect("adopted");
        found.sort_by(|a, b| a.attempt.cmp(&b.attempt));
        let states: Vec<_> = found.iter().map(|found| (&found.attempt, found.state)).collect();
        assert_eq!(states, [(&plan.id, FoundState::Running), (&created.id, FoundState::Created)]);
        assert_eq!(found[0].site, site);

        let fed_again = host.engine.feed(&plan, &site, host.source.clone()).await;
        assert!(matches!(fed_again, Err(EngineError::Trouble { .. })), "no step runs twice: {fed_again:?}");

        let mut frames = Collector::new(&host.engine, &plan, &site, position);
        give_go(&host.docker, &site.handle).await;
        assert_eq!(frames.next().await.expect("a frame").seq, last + 1);
        frames.rest().await;
        output.extend_from_slice(&frames.output);
        assert_eq!(String::from_utf8_lossy(&output), "before\nafter\n");
        assert_eq!(in_time(host.engine.exited(&plan.id, &site)).await.expect("exited").code, 1);
        assert_eq!(frames.report.expect("a report").decided_by.expect("a step").1.how, How::Exited(4));

        // What was made and never fed can be fed by the new one.
        let told = finish(&host.engine, &created, &start_again(&host, &created).await).await;
        assert_eq!(told.exit.code, 0);
        for plan in [&plan, &created] {
            host.engine.clean(&plan.id).await.expect("cleaned");
        }
        assert_eq!(host.containers().await, []);
    }
}

async fn start_again(host: &Host, plan: &AttemptPlan) -> windlass_daemon::engine::Site {
    start(&host.engine, plan, &host.source).await
}

/// Puts a file named `go` into a running job's workspace.
async fn give_go(docker: &Docker, container: &str) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    archive.append_data(&mut header, "go", &[][..]).expect("appended");
    let body = bollard::body_full(archive.into_inner().expect("ended").into());
    let options = UploadToContainerOptionsBuilder::default().path("/workspace").build();
    docker.upload_to_container(container, Some(options), body).await.expect("put");
}

#[tokio::test]
async fn daemons_that_begin_at_once_share_one_network_and_one_volume() {
    // Another namespace, and busybox in the runner's place, so that nothing is there yet and filling is quick.
    let host = Host::new("race").await;
    let shared = format!("{}-race", namespace());
    // What a daemon that was replaced long ago left behind.
    let labels = [("windlass.shared", shared.as_str()), ("windlass.made", "1000000000")];
    let old = VolumeCreateRequest {
        name: Some(format!("{shared}-runner-old")),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..VolumeCreateRequest::default()
    };
    host.docker.create_volume(old).await.expect("made");
    let race = |owner: &str| {
        let settings = DockerSettings {
            namespace: shared.clone(),
            owner: format!("{owner}-{}", std::process::id()),
            executable: "/bin/busybox".into(),
            jobs: host.home.path().join(owner),
            ..host.settings.clone()
        };
        async move {
            let engine = DockerEngine::connect(settings.clone()).await.expect("an engine answers");
            engine.prepare().await.expect("prepared");
            containers(&client(&settings), &settings.owner).await
        }
    };
    let (a, b, c) = in_time(async { tokio::join!(race("a"), race("b"), race("c")) }).await;
    assert_eq!([a, b, c].concat(), [], "helper containers are gone");
    let (networks, volumes) = (networks(&host.docker, &shared).await, volumes(&host.docker, &shared).await);
    remove_shared(&host.docker, &shared).await;
    assert_eq!((networks.len(), volumes.len()), (1, 1));
}

#[tokio::test]
async fn a_large_source_arrives_whole() {
    let host = Host::new("source").await;
    let content: Vec<u8> = (0..30_000_000_u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes())
        .take(30_000_000)
        .collect();
    let archive = host.home.path().join("large.tar");
    let mut builder = tar::Builder::new(std::fs::File::create(&archive).expect("made"));
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "large", &content[..]).expect("appended");
    builder.into_inner().expect("ended");
    let told = run(&host.engine, &host.plan("source", &["sha256sum large"]), &Source { archive }).await;
    assert_eq!(told.text(), format!("{}  large\n", sha256(&content)));
}

#[tokio::test]
async fn a_job_that_writes_into_its_frame_file_is_told_of() {
    let host = Host::new("tamper").await;
    let plan = host.plan("tamper", &["echo before; sleep 0.2; echo garbage >>/run/windlass/frames; sleep 1000"]);
    let site = start(&host.engine, &plan, &host.source).await;
    let mut frames = host.engine.frames(&plan.id, &site, FramePosition(0));
    let error = loop {
        match in_time(frames.recv()).await.expect("an error comes first") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EngineError::Garbled { at: 1.., .. }), "{error:?}");
    assert!(frames.recv().await.is_none(), "an error is the last item");
    host.engine.clean(&plan.id).await.expect("cleaned");
}

#[tokio::test]
async fn a_volume_or_network_that_somebody_removed_is_made_again() {
    let shared = format!("{}-gone", namespace());
    let host = Host::with("gone", |settings| settings.namespace = shared.clone()).await;
    let mut made = Vec::new();
    let run = async {
        let told = run(&host.engine, &host.plan("first", &["true"]), &host.source).await;
        assert_eq!(told.exit.code, 0);
        made = volumes(&host.docker, &shared).await;
        assert_eq!(made.len(), 1);
        for what in ["volume", "network"] {
            match what {
                "volume" => {
                    host.docker.remove_volume(&made[0], None::<RemoveVolumeOptions>).await.expect("nobody uses it");
                }
                _ => {
                    let network = networks(&host.docker, &shared).await.remove(0);
                    host.docker.remove_network(&network).await.expect("nobody uses it");
                }
            }
            let mut second = host.plan("second", &["true"]);
            second.job.network = Network::Bridge;
            let (say, _said) = mpsc::channel(1);
            let site = host.engine.create(&second, &say).await.expect("created").site;
            let error = host.engine.feed(&second, &site, host.source.clone()).await.expect_err("a part is missing");
            assert!(matches!(error, EngineError::Trouble { .. }), "trying again helps: {error:?}");
            let exit = in_time(host.engine.exited(&second.id, &site)).await.expect("told");
            assert!(exit.error.is_some(), "{what}: {exit:?}");
            host.engine.clean(&second.id).await.expect("cleaned");
            let told = run(&host.engine, &second, &host.source).await;
            assert_eq!(told.exit.code, 0, "{what}");
        }
    };
    let result = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(in_time(run))).await;
    for container in host.containers().await {
        remove(&host.docker, &container.id.expect("an id")).await;
    }
    remove_shared(&host.docker, &shared).await;
    for volume in made {
        // The engine itself made it again, without a label.
        let _ = host.docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await;
    }
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// A door to the engine that can be shut, as when the engine restarts.
struct Door {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Door {
    fn open(path: PathBuf, engine: PathBuf) -> Self {
        let listener = tokio::net::UnixListener::bind(&path).expect("bound");
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new(); // ends with this task
            while let Ok((mut near, _)) = listener.accept().await {
                let engine = engine.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = tokio::net::UnixStream::connect(engine).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { path, task }
    }

    async fn shut(self) {
        self.task.abort();
        let _ = self.task.await;
        std::fs::remove_file(self.path).expect("removed");
    }
}

#[tokio::test]
async fn an_engine_that_goes_away_for_a_while_loses_nothing() {
    for (owner, stdout) in [("away", false), ("away-out", true)] {
        let host = Host::with(owner, |settings| settings.frames_over_stdout = stdout).await;
        let path = host.home.path().join("engine.sock");
        let door = Door::open(path.clone(), host.settings.socket.clone());
        let settings = DockerSettings { socket: path.clone(), ..host.settings.clone() };
        let engine = DockerEngine::connect(settings).await.expect("an engine answers");
        let plan = host.plan("away", &["echo before; while ! [ -e go ]; do sleep 0.02; done; echo after; exit 4"]);
        let site = start(&engine, &plan, &host.source).await;
        let mut frames = Collector::new(&engine, &plan, &site, FramePosition(0));
        let exited = engine.exited(&plan.id, &site);
        let story = async {
            frames.until("before\n").await;
            door.shut().await;
            assert!(engine.view().await.trouble.is_some());
            // The job ends while nobody can ask how.
            give_go(&host.docker, &site.handle).await;
            let mut ends = std::pin::pin!(host.docker.wait_container(&site.handle, None::<WaitContainerOptions>));
            let _ = ends.next().await;
            let door = Door::open(path, host.settings.socket.clone());
            frames.rest().await;
            door
        };
        let (exit, _door) = in_time(async { tokio::join!(exited, story) }).await;
        assert_eq!(exit.expect("exited").code, 1);
        assert_eq!(String::from_utf8_lossy(&frames.output), "before\nafter\n");
        assert!(frames.report.is_some());
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_words() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let socket = home.path().join("nothing.sock");
    let settings = DockerSettings::new(socket, "/bin/busybox".into(), home.path().join("jobs"), "words");
    let error = DockerEngine::connect(settings).await.expect_err("nobody listens");
    assert!(error.to_string().contains("nothing.sock"), "{error}");

    let host = Host::with("words", |settings| settings.most.memory_bytes = Some(64 << 20)).await;
    let mut greedy = host.plan("greedy", &["true"]);
    greedy.job.resources.memory_bytes = Some(65 << 20);
    let (say, _said) = mpsc::channel(1);
    let error = host.engine.create(&greedy, &say).await.expect_err("too much");
    assert!(matches!(&error, EngineError::Refused { what } if what.contains("67108864")), "{error}");
    host.engine.clean(&greedy.id).await.expect("cleaned");
}
