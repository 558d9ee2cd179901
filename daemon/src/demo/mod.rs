//! `windlassd demo`: what Windlass does, on this machine, in a minute. A daemon on free ports with a temporary data folder,
//! a sample repository, webhooks signed and delivered over HTTP as GitHub would, and the terminal client to watch; without
//! a terminal, lines of progress and an exit code that says whether every build ended as the sample intends.
//!
//! Builds are seen only as any client sees them, through the control socket. Everything is removed at the end.

mod image; // an image made of this host's own shell
mod narrate; // progress as lines
mod requests; // HTTP to ourselves
mod sample; // the repository and what it intends

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, Overrides};
use crate::daemon::Daemon;
use crate::engine::docker::DockerEngine;
use crate::secret::random_token;

use self::requests::Address;
use self::sample::{Sample, Stage};

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// auto, docker or local
    #[arg(long, default_value = "auto", value_name = "KIND")]
    engine: String,
    /// Lines of progress, also on a terminal
    #[arg(long)]
    plain: bool,
    /// Put the data here and keep it
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// All builds of the sample together take well below this.
const PATIENCE: Duration = Duration::from_secs(180);
/// What runs when the visitor leaves gets this long to end.
const GOODBYE: Duration = Duration::from_secs(15);

/// Shows it. The exit code of `windlassd demo`.
pub async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let folder = match &arguments.data_dir {
        Some(dir) => std::path::absolute(dir)?,
        None => std::env::temp_dir().join(format!("windlass-demo-{}", &random_token()[..8])),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let shown = show(&arguments, &folder).await;
    if arguments.data_dir.is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    shown
}

async fn show(arguments: &Arguments, folder: &Path) -> anyhow::Result<u8> {
    let client = if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !arguments.plain {
        let client = find_client();
        if client.is_none() {
            say("The terminal client `windlass` is not beside windlassd: showing lines instead.");
        }
        client
    } else {
        None
    };
    log_to_file(folder)?;
    let stage = stage(&arguments.engine).await?;
    let sample = Sample::make(&folder.join("repository"), &stage)?;
    let secret = random_token();
    let config = configuration(folder, &sample, &stage, &secret)?;
    let daemon = Daemon::start(config, false).await?;
    let control = Address::Unix(folder.join("data/control.sock"));
    say(&format!(
        "Windlass demo: webhooks at http://{}/webhooks/github, control at unix:{}/data/control.sock",
        daemon.public,
        folder.display()
    ));
    let hook = Address::Tcp(daemon.public);
    let secret = SecretString::from(secret);
    let visit = async {
        match client {
            Some(client) => attended(&client, folder, &sample, &hook, &secret).await,
            None => unattended(&sample, &hook, &control, &secret).await,
        }
    };
    // However the visit ends, nothing of it stays. With the client, Ctrl-C is the client's own key.
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let outcome = tokio::select! {
        outcome = visit => outcome,
        _ = tokio::signal::ctrl_c() => Ok(130),
        _ = terminate.recv() => Ok(143),
        _ = hang_up.recv() => Ok(129),
    };
    narrate::end_all(&control, GOODBYE).await;
    daemon.drain().await;
    outcome
}

/// With the client on the terminal: pushes arrive while the visitor looks.
async fn attended(
    client: &Path,
    folder: &Path,
    sample: &Sample,
    hook: &Address,
    secret: &SecretString,
) -> anyhow::Result<u8> {
    let pushes = async {
        for push in &sample.pushes {
            if let Err(error) = requests::deliver(hook, secret, push).await {
                tracing::error!(%error, "a push could not be delivered");
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut child = tokio::process::Command::new(client)
        .arg("--connect")
        .arg(format!("unix:{}/data/control.sock", folder.display()))
        // What it keeps for the next time goes when the demo goes: there is no next time.
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started", client.display()))?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = pushes => unreachable!("the pushes wait for ever"),
    };
    say("The demo is over; nothing of it is left. Next: `windlassd check --print-default > windlassd.toml`.");
    Ok(if status.success() { 0 } else { 1 })
}

/// Without a terminal: every push at once, progress as lines, and a verdict.
async fn unattended(sample: &Sample, hook: &Address, control: &Address, secret: &SecretString) -> anyhow::Result<u8> {
    for push in &sample.pushes {
        requests::deliver(hook, secret, push).await?;
        say(&format!("pushed {:<10} {}", push.branch, push.title));
        // One after the other, so that builds are numbered as they are told.
        narrate::wait_for_builds(control, push.number, PATIENCE).await?;
    }
    let builds = tokio::time::timeout(PATIENCE, narrate::until_finished(control, sample.pushes.len()))
        .await
        .with_context(|| format!("not every build ended within {} s", PATIENCE.as_secs()))??;
    let mut as_intended = true;
    for push in &sample.pushes {
        let build = builds.iter().find(|build| build.build.number == push.number);
        let outcome = build.and_then(|build| build.build.outcome);
        if outcome != Some(push.intended) {
            let got = outcome.map_or("nothing".to_owned(), |outcome| outcome.to_string());
            say(&format!("build {}: intended {}, got {got}", push.number, push.intended));
            as_intended = false;
        }
    }
    narrate::failed_logs(control, &builds).await?;
    say(if as_intended {
        "Every build ended as the sample intends."
    } else {
        "Not every build ended as the sample intends."
    });
    Ok(if as_intended { 0 } else { 1 })
}

/// Where the sample's jobs run: in containers of an image made of this host's own shell where an engine answers.
async fn stage(engine: &str) -> anyhow::Result<Stage> {
    if !["auto", "docker", "local"].contains(&engine) {
        bail!("--engine {engine:?} is none of auto, docker, local");
    }
    if engine == "local" {
        say("Jobs run as processes of this host, as asked for.");
        return Ok(Stage::Local);
    }
    let socket = config::docker_socket();
    let archive = image::of_this_host();
    match DockerEngine::import_image(&socket, image::NAME, archive?).await {
        Ok(()) => {
            say(&format!("Jobs run in containers of the engine at {}.", socket.display()));
            Ok(Stage::Docker { image: format!("{}:1", image::NAME) })
        }
        Err(error) if engine == "docker" => Err(error.into()),
        Err(error) => {
            say(&format!("No container engine ({error}): jobs run as processes of this host, without isolation."));
            Ok(Stage::Local)
        }
    }
}

fn configuration(folder: &Path, sample: &Sample, stage: &Stage, secret: &str) -> anyhow::Result<config::Config> {
    let engine = match stage {
        Stage::Local => "local",
        Stage::Docker { .. } => "docker",
    };
    std::fs::write(folder.join("webhook.secret"), secret)?;
    let file = folder.join("windlassd.toml");
    let text = format!(
        "data_dir = \"data\"\n[public]\nlisten = \"127.0.0.1:0\"\n[github]\nwebhook_secret_files = [\"webhook.secret\"]\n\
         [engine]\nkind = \"{engine}\"\n[limits]\njobs = 3\nmemory = \"512MiB\"\n[[repository]]\nname = \"{}\"\n\
         clone_url = \"repository\"\nengine = \"{engine}\"\n",
        sample::NAME
    );
    std::fs::write(&file, text)?;
    debug_assert!(sample.folder.starts_with(folder));
    Ok(config::load(&Overrides { config: Some(file), ..Overrides::default() })?)
}

/// `windlass` beside this executable, else on the path.
fn find_client() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("windlass")));
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("windlass")).collect::<Vec<_>>());
    beside.into_iter().chain(on_path).find(|candidate| candidate.is_file())
}

/// The daemon's own words would spoil the client's screen.
fn log_to_file(folder: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::create(folder.join("windlassd.log"))?;
    let filter = tracing_subscriber::EnvFilter::new("warn,windlass_daemon=debug");
    // A second demo in one process keeps the first one's log: only tests do that.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .try_init();
    Ok(())
}

/// To whoever started it, if they are still there.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
