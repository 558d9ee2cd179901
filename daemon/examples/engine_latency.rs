//! What an engine adds to the time a no-op job takes: `cargo run --release --example engine_latency -- IMAGE [ROUNDS]`.
//! Prints medians of this daemon's way (`create` to `exited`, and `clean`) and of a bare container of the same image on
//! the same network through the same API, made, started, waited for and removed in turn, and their ratio.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions, WaitContainerOptions};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use windlass_daemon::config::docker_socket;
use windlass_daemon::engine::docker::{DockerEngine, DockerSettings};
use windlass_daemon::engine::local::{LocalEngine, LocalSettings};
use windlass_daemon::engine::{Engine, FramePosition, Source};
use windlass_daemon::plan::{
    AttemptPlan, Command, JobPlan, Network, Pull, Reports, Resources, Retry, StepPlan, Transport,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "printing is what it is for")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let image = arguments.next().ok_or("which image?")?;
    let rounds: u32 = arguments.next().map_or(Ok(15), |rounds| rounds.parse())?;
    let home = std::env::temp_dir().join(format!("windlass-latency-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let executable = beside("windlassd")?;
    let source = Source { archive: home.join("source.tar") };
    std::fs::write(&source.archive, [0; 1024])?;

    let settings = DockerSettings::new(docker_socket(), executable.clone(), home.join("docker"), "latency");
    let docker = Docker::connect_with_unix(&settings.socket.to_string_lossy(), 120, bollard::API_DEFAULT_VERSION)?;
    let engine = DockerEngine::connect(settings).await?;
    let begun = Instant::now();
    engine.prepare().await?;
    println!("prepare          {:8.1} ms", millis(begun.elapsed()));
    let local = LocalEngine::open(LocalSettings { executable, jobs: home.join("local") })?;

    let (mut bare, mut ours, mut here) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare.push(bare_container(&docker, &image).await?);
        ours.push(job(&engine, &plan(Some(&image)), &source).await?);
        here.push(job(&local, &plan(None), &source).await?);
    }
    let (bare_total, bare_run) = medians(bare);
    let (ours_total, ours_run) = medians(ours);
    let (local_total, local_run) = medians(here);
    println!("bare container   {:8.1} ms, removed {:8.1} ms", millis(bare_run), millis(bare_total));
    println!("docker engine    {:8.1} ms, cleaned {:8.1} ms", millis(ours_run), millis(ours_total));
    println!("local engine     {:8.1} ms, cleaned {:8.1} ms", millis(local_run), millis(local_total));
    println!(
        "ratio: create to exited {:.3}, with cleaning {:.3}",
        ratio(ours_run, bare_run),
        ratio(ours_total, bare_total)
    );
    std::fs::remove_dir_all(home)?;
    Ok(())
}

/// From the start until it had ended, and until it was gone.
async fn bare_container(docker: &Docker, image: &str) -> Result<(Duration, Duration)> {
    let begun = Instant::now();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["true".to_owned()]),
        host_config: Some(HostConfig { network_mode: Some("windlass".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let id = docker.create_container(None::<CreateContainerOptions>, body).await?.id;
    docker.start_container(&id, None).await?;
    docker.wait_container(&id, None::<WaitContainerOptions>).next().await.ok_or("no answer")??;
    let run = begun.elapsed();
    docker.remove_container(&id, None::<RemoveContainerOptions>).await?;
    Ok((begun.elapsed(), run))
}

async fn job(engine: &impl Engine, plan: &AttemptPlan, source: &Source) -> Result<(Duration, Duration)> {
    let (say, _said) = mpsc::channel(16);
    let begun = Instant::now();
    let site = engine.create(plan, &say).await?.site;
    let site = engine.feed(plan, &site, source.clone()).await?;
    let mut frames = engine.frames(&plan.id, &site, FramePosition(0));
    let take = async {
        let mut count = 0;
        while let Some(item) = frames.recv().await {
            item?;
            count += 1;
        }
        Ok::<u32, Box<dyn Error>>(count)
    };
    let (exit, count) = tokio::join!(engine.exited(&plan.id, &site), take);
    let run = begun.elapsed();
    let (exit, count) = (exit?, count?);
    if exit.code != 0 || count < 4 {
        return Err(format!("{exit:?} after {count} frames").into());
    }
    engine.clean(&plan.id).await?;
    Ok((begun.elapsed(), run))
}

fn plan(image: Option<&str>) -> AttemptPlan {
    let step =
        StepPlan { name: "nothing".to_owned(), run: Command::Program(vec!["true".to_owned()]), timeout_ms: None };
    AttemptPlan {
        id: "1/latency#1".parse().expect("an attempt's id"),
        job: JobPlan {
            name: "latency".to_owned(),
            needs: Vec::new(),
            image: image.map(str::to_owned),
            environment: BTreeMap::new(),
            steps: vec![step],
            timeout_ms: 60_000,
            network: Network::Bridge,
            resources: Resources::default(),
            finally: Vec::new(),
            finally_timeout_ms: 0,
            pull: Pull::default(),
            retry: Retry::default(),
            reports: Reports::default(),
            artifacts: Vec::new(),
        },
        environment: BTreeMap::new(),
        grace_ms: 1000,
        artifact_bytes: 1 << 30,
        transport: Transport::Stdout,
        workspace: String::new(),
        token: "token".to_owned(),
    }
}

/// A program that cargo built into the folder above that of the examples.
fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).ok_or("no folder above")?.join(name))
}

fn medians(mut times: Vec<(Duration, Duration)>) -> (Duration, Duration) {
    let middle = times.len() / 2;
    times.sort();
    let first = times[middle].0;
    times.sort_by_key(|time| time.1);
    (first, times[middle].1)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
