//! The operator's configuration: raw (what the file says) -> checked (what the daemon works with). All problems are
//! reported at once. Must not know how anything that it configures works.

mod check;
mod raw;
mod units;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

pub use check::{Overrides, docker_socket, load};

/// The commented default file; a test parses it, so that it cannot rot.
pub const DEFAULT_FILE: &str = include_str!("../../../assets/windlassd.toml");

/// Checked: every path absolute, nothing optional that is not.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    pub data_dir: PathBuf,
    pub public: Public,
    pub control: Control,
    /// Empty: every webhook is refused.
    pub webhook_secrets: Vec<SecretString>,
    /// Where they are.
    pub webhook_secret_files: Vec<PathBuf>,
    pub engine: EngineChoice,
    pub docker_socket: PathBuf,
    /// What a job writes comes over its container's standard output even where the engine sees our files.
    pub frames_over_stdout: bool,
    pub limits: Limits,
    pub retention: Retention,
    pub database: Database,
    pub repositories: Vec<Repository>,
}

#[derive(Debug, Clone)]
pub struct Public {
    pub listen: SocketAddr,
    /// Without a trailing slash. `None`: made of the bound address.
    pub url: Option<String>,
    /// Builds and logs may be read by whoever reaches the listener.
    pub pages: bool,
}

#[derive(Debug, Clone)]
pub struct Control {
    pub socket: PathBuf,
    pub tcp: Option<ControlTcp>,
    pub allowed_origins: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct ControlTcp {
    pub listen: SocketAddr,
    /// Certificate chain and key files.
    pub tls: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    Auto,
    Docker,
    Local,
}

/// `None` means no limit.
#[derive(Debug, Clone)]
pub struct Limits {
    pub jobs: u64,
    pub memory_bytes: Option<u64>,
    pub cpu_millis: Option<u64>,
    pub pids: Option<u64>,
    pub grace: Duration,
    pub log_bytes: Option<u64>,
    /// All artifacts of an attempt together.
    pub artifact_bytes: Option<u64>,
    pub webhook_body_bytes: usize,
    /// What has to stay free on the disk: with less, nothing new begins.
    pub free_disk_bytes: u64,
}

/// What is kept, and how long. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub keep_for: Option<Duration>,
    /// Of each repository and branch.
    pub keep_builds: Option<u64>,
    pub log_bytes: Option<u64>,
    /// All artifacts together.
    pub artifact_bytes: Option<u64>,
    /// Mirrors and source archives together.
    pub cache_bytes: Option<u64>,
    /// Between two looks.
    pub every: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
    /// Holds a password: never printed.
    Postgres(String),
}

#[derive(Debug, Clone)]
pub struct Repository {
    /// `owner/name` or `owner/*`.
    pub name: String,
    pub clone_url: Option<String>,
    /// `None`: `[engine].kind`, but never local.
    pub engine: Option<EngineChoice>,
    pub priority: Priority,
}

/// What waits with a higher one starts first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Priority {
    pub push: i64,
    pub pull_request: i64,
}

impl Priority {
    /// `event`: as builds have it.
    #[must_use]
    pub fn of(self, event: &str) -> i64 {
        if event == "pull_request" { self.pull_request } else { self.push }
    }
}

/// Everything wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl Config {
    /// The entry that lists `full_name`, the first that fits.
    #[must_use]
    pub fn repository(&self, full_name: &str) -> Option<&Repository> {
        self.repositories.iter().find(|entry| entry.matches(full_name))
    }
}

impl Repository {
    /// Where its jobs run: `local` only where the operator says so.
    #[must_use]
    pub fn engine_kind(&self) -> &'static str {
        if self.engine == Some(EngineChoice::Local) { "local" } else { "docker" }
    }

    fn matches(&self, full_name: &str) -> bool {
        match self.name.strip_suffix("/*") {
            // GitHub compares names without regard to case.
            Some(owner) => full_name.split_once('/').is_some_and(|(o, _)| o.eq_ignore_ascii_case(owner)),
            None => self.name.eq_ignore_ascii_case(full_name),
        }
    }
}

impl Database {
    /// For messages: without user and password.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let place =
                    url.rsplit_once('@').map_or_else(|| url.split("://").last().unwrap_or(""), |(_, place)| place);
                format!("postgres://{}", place.split('?').next().unwrap_or(""))
            }
        }
    }
}

/// Where the configuration file is when nobody names one.
#[must_use]
pub fn default_file() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "windlass").map(|dirs| dirs.config_dir().join("windlassd.toml"))
}

/// Where data lives when nobody names a folder.
#[must_use]
pub fn default_data_dir() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "windlass").map(|dirs| dirs.data_dir().to_owned())
}

fn absolute(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { base.join(path) }
}
