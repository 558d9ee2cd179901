//! The configuration file as it is written: a serde mirror, nothing checked. Unknown keys are errors with line and column.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) public: Public,
    pub(super) control: Control,
    pub(super) github: Github,
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    pub(super) retention: Retention,
    pub(super) database: Database,
    pub(super) repository: Vec<Repository>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Public {
    pub(super) listen: Option<String>,
    pub(super) url: Option<String>,
    pub(super) pages: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Control {
    pub(super) socket: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) tls_certificate: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_in_front: bool,
    pub(super) allowed_origins: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Github {
    pub(super) webhook_secret_files: Vec<PathBuf>,
    pub(super) api_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Engine {
    pub(super) kind: Option<String>,
    pub(super) docker_socket: Option<PathBuf>,
    pub(super) frames: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) jobs: Option<u64>,
    pub(super) artifacts: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) cpus: Option<f64>,
    pub(super) pids: Option<u64>,
    pub(super) grace: Option<String>,
    pub(super) log: Option<String>,
    pub(super) webhook_body: Option<String>,
    pub(super) free_disk: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Retention {
    pub(super) keep_for: Option<String>,
    pub(super) keep_builds: Option<u64>,
    pub(super) logs: Option<String>,
    pub(super) artifacts: Option<String>,
    pub(super) caches: Option<String>,
    pub(super) every: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Database {
    pub(super) url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repository {
    pub(super) name: String,
    pub(super) clone_url: Option<String>,
    pub(super) engine: Option<String>,
    /// A number, or one for each event.
    pub(super) priority: Option<toml::Value>,
}
