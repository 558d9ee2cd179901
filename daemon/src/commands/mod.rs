//! What `windlassd` can be told, one file a command. Each says on standard output what a person or a script wants to know.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod token;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use windlass_daemon::config::{self, Config, ConfigError, Overrides};

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file [default: windlassd.toml in the platform's configuration folder, if it is there]
    #[arg(long, value_name = "FILE", env = "WINDLASS_CONFIG")]
    config: Option<PathBuf>,
    /// Where database, logs and job folders live, instead of `data_dir`
    #[arg(long, value_name = "DIR", env = "WINDLASS_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address for webhooks and pages, instead of `public.listen`
    #[arg(long, value_name = "ADDRESS", env = "WINDLASS_PUBLIC_LISTEN")]
    public_listen: Option<String>,
    /// Database, instead of `database.url`
    #[arg(long, value_name = "URL", env = "WINDLASS_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// auto, docker or local, instead of `engine.kind`
    #[arg(long, value_name = "KIND", env = "WINDLASS_ENGINE")]
    engine: Option<String>,
}

impl ConfigArgs {
    pub(crate) fn load(self) -> Result<Config, ConfigError> {
        config::load(&Overrides {
            config: self.config,
            data_dir: self.data_dir,
            public_listen: self.public_listen,
            database_url: self.database_url,
            engine: self.engine,
        })
    }
}

/// The one place where windlassd answers on standard output. Whoever does not listen any more, `head` for one, is no reason
/// to end otherwise.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        tell(&format!("the answer cannot be written: {error}"));
    }
}

/// The one place where a fatal error is told, to whoever still listens.
pub(crate) fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "windlassd: {what}");
}

/// Somebody pressed Ctrl-C: what was begun is taken back.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: nothing was changed")]
pub(crate) struct Interrupted;

/// Whether Ctrl-C was pressed from here on. Who presses it again does not want to wait.
pub(crate) fn watch_interrupts() -> anyhow::Result<Arc<AtomicBool>> {
    let pressed = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first press arms what the second one sets off.
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&pressed))?;
        flag::register(signal, Arc::clone(&pressed))?;
    }
    Ok(pressed)
}

/// The exit code of what was interrupted, as shells count.
pub(crate) const INTERRUPTED: i32 = 130;

/// Where a command is that takes its time: one line on a terminal, which is written over and gone in the end. Elsewhere
/// nothing.
pub(crate) struct Progress {
    shown: bool,
    wanted: bool,
    begun: Instant,
    last: Instant,
}

impl Progress {
    const PATIENCE: Duration = Duration::from_millis(300);
    const PAUSE: Duration = Duration::from_millis(50);

    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { shown: false, wanted: std::io::stderr().is_terminal(), begun: now, last: now }
    }

    pub(crate) fn say(&mut self, what: &str) {
        let due = self.begun.elapsed() > Self::PATIENCE && (!self.shown || self.last.elapsed() > Self::PAUSE);
        if self.wanted && due {
            self.write(&format!("\r{what} …\x1b[K"));
            (self.shown, self.last) = (true, Instant::now());
        }
    }

    fn write(&self, text: &str) {
        // A terminal that went away is no reason to stop.
        let mut out = std::io::stderr();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            self.write("\r\x1b[K");
        }
    }
}

/// `12.3 MiB`, as people say it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
