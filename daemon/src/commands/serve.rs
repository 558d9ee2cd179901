//! `windlassd serve`: the daemon until SIGTERM or Ctrl-C.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use windlass_daemon::config::Config;
use windlass_daemon::daemon::{Daemon, raise_open_files};

use super::ConfigArgs;
use crate::runtime;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Work with a database that belongs to another data folder, which is gone for good. What ran there is told lost, and
    /// its logs are missed
    #[arg(long)]
    take_database: bool,
}

pub(crate) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    start_logging("info");
    raise_open_files();
    let config = args.config.load()?;
    let runtime = runtime()?;
    let code = runtime.block_on(serve(config, args.take_database));
    // Blocking work, a search in a large log say, must not keep the process: dropping would wait for its end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// The daemon's own log goes to standard error; `WINDLASS_LOG` filters it as `RUST_LOG` does elsewhere.
fn start_logging(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WINDLASS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("warn,windlass_daemon={default}")));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

async fn serve(config: Config, take_database: bool) -> anyhow::Result<ExitCode> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    warn_about(&config);
    let daemon = Daemon::start(config, take_database).await?;
    if let Some(note) = &daemon.note {
        tracing::warn!("{note}");
    }
    let code = tokio::select! {
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
        () = daemon.failed() => ExitCode::FAILURE,
    };
    tracing::info!("stopping; jobs that run go on, and are taken up at the next start");
    if !daemon.drain().await {
        tracing::warn!("not everything ended in time");
    }
    Ok(code)
}

/// What works, but hardly as meant.
fn warn_about(config: &Config) {
    if config.webhook_secrets.is_empty() {
        tracing::warn!("github.webhook_secret_files is empty: every webhook will be refused");
    }
    if config.repositories.is_empty() {
        tracing::warn!("no [[repository]] is listed: nothing will build");
    }
}
