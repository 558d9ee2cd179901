//! One daemon: built from a checked configuration, run until told to stop, drained. Knows every part; nothing knows it.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::artifacts::ArtifactStore;
use crate::config::{Config, ControlTcp, EngineChoice};
use crate::data_dir::{self, DataDirError, Held};
use crate::engine::docker::{DockerSettings, Limits};
use crate::engine::local::LocalSettings;
use crate::engine::{self, EngineError, Engines};
use crate::executor::{Executor, Patience};
use crate::git::{Git, GitError};
use crate::http::{App, control, public, serve};
use crate::intake::{self, Inbox, Intake};
use crate::keeper::{self, Keeper};
use crate::logs::{LogError, LogStore};
use crate::room::Room;
use crate::scheduler;
use crate::secret::random_token;
use crate::store::{Alone, Store, StoreError};
use crate::tasks::Tasks;
use crate::wake::Wake;

/// After SIGTERM tasks have this long to end; jobs go on in their containers. With a second for the database and one for
/// blocking work that nobody waits for, the process is gone within ten.
const DRAIN: Duration = Duration::from_secs(7);

/// Connections that the kernel keeps until they are accepted, where its own limit is not lower. The usual 128 is less than
/// a storm of webhooks: each further one would wait a second, or three, or seven, to be tried again.
const BACKLOG: u32 = 4096;

/// Why a daemon could not start. Each has its own exit code.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Data(#[from] DataDirError),
    #[error("{key} = {address} cannot be listened on")]
    Listen {
        key: &'static str,
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{key}: {what}")]
    Tls { key: &'static str, what: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Logs(#[from] LogError),
    #[error("cannot keep artifacts in {dir}")]
    Artifacts {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A daemon that listens and works. Dropping it does not stop it: call [`Daemon::drain`].
#[derive(Debug)]
pub struct Daemon {
    pub public: SocketAddr,
    pub control_tcp: Option<SocketAddr>,
    /// What to tell the operator that is not as one would expect.
    pub note: Option<String>,
    tasks: Tasks,
    store: Store,
    files: Vec<PathBuf>,
    _held: Held,
    _alone: Arc<Alone>,
}

impl Daemon {
    /// Binds, opens, migrates, and begins to work. `take_database`: also when it is another data folder's.
    pub async fn start(config: Config, take_database: bool) -> Result<Self, StartError> {
        let held = data_dir::hold_whole(&config.data_dir)?;
        let config = Arc::new(config);
        let data_dir = &config.data_dir;
        // Ports first: a taken one is the most likely mistake, and the cheapest to find.
        let public_listener = bind("public.listen", config.public.listen)?;
        let public_addr = address(&public_listener, "public.listen")?;
        let tcp_listener = match &config.control.tcp {
            Some(tcp) => Some((bind("control.listen", tcp.listen)?, tls(tcp)?)),
            None => None,
        };
        let control_tcp = match &tcp_listener {
            Some((listener, _)) => Some(address(listener, "control.listen")?),
            None => None,
        };
        let control_listener = bind_socket(&config.control.socket)?;

        let alone = Arc::new(Store::claim_alone(&config.database).await?);
        let store = Store::open(&config.database).await?;
        if take_database {
            store.belong_to_nobody().await?;
        }
        store.belong_to(&data_dir::owner(data_dir)?).await?;
        let logs = LogStore::open(data_dir.join("logs"))?.with_cap(config.limits.log_bytes);
        let dir = data_dir.join("artifacts");
        let artifacts = ArtifactStore::open(&dir).map_err(|source| StartError::Artifacts { dir, source })?;
        let git = Git::open(data_dir)?;
        let engines = connect_engines(&config).await?;
        let note = engines.note().map(str::to_owned);

        let tasks = Tasks::default();
        let wake = Wake::default();
        let public_url: Arc<str> = config.public.url.clone().unwrap_or_else(|| format!("http://{public_addr}")).into();
        let inbox = Inbox::open(store.clone(), &tasks);
        let room = Room::new(data_dir.clone(), config.limits.free_disk_bytes);
        let executor = Executor {
            config: Arc::clone(&config),
            store: store.clone(),
            logs: logs.clone(),
            artifacts: artifacts.clone(),
            git: git.clone(),
            engines: engines.clone(),
            wake: wake.clone(),
            tasks: tasks.clone(),
            room: room.clone(),
            patience: Patience::default(),
            public_url: Arc::clone(&public_url),
        };
        let keeper = Keeper {
            config: Arc::clone(&config),
            store: store.clone(),
            logs: logs.clone(),
            artifacts: artifacts.clone(),
            git: git.clone(),
            wake: wake.clone(),
        };
        let woken_by_room = wake.clone();
        let intake = Intake {
            config: Arc::clone(&config),
            store: store.clone(),
            inbox: inbox.clone(),
            logs: logs.clone(),
            git,
            wake: wake.clone(),
            tasks: tasks.clone(),
        };
        let app = App {
            tested: crate::http::view::Remembered::default(),
            config: Arc::clone(&config),
            store: store.clone(),
            logs,
            artifacts,
            engines: engines.clone(),
            room: room.clone(),
            inbox,
            wake,
            tasks: tasks.clone(),
            instance: random_token()[..16].into(),
            public_url,
        };
        tasks.spawn_loop("scheduler", scheduler::run(executor));
        tasks.spawn_loop("intake", intake::run(intake));
        tasks.spawn_loop("keeper", keeper::run(keeper, tasks.stopping()));
        tasks.spawn_loop("room", room.watch(tasks.stopping(), move || woken_by_room.wake()));
        tasks.spawn_loop("database's log", store.clone().keep_log_short(tasks.stopping()));
        tasks.spawn_loop("claim on the database", keep_claim(Arc::clone(&alone), tasks.stopping()));
        let control = control::router(app.clone());
        tasks.spawn_loop("control socket", serve::unix(control_listener, control.clone(), tasks.clone()));
        if let Some((listener, tls)) = tcp_listener {
            tasks.spawn_loop("control listener", serve::tcp(listener, tls, control, tasks.clone()));
        }
        tasks.spawn_loop("public listener", serve::tcp(public_listener, None, public::router(app), tasks.clone()));
        tasks.spawn(async move {
            if let Err(error) = engines.prepare().await {
                tracing::warn!(%error, "the engine is not ready; the first job tries again");
            }
        });

        // Written last: whoever finds it can talk to us.
        let mut files = vec![config.control.socket.clone()];
        files.push(write_address(data_dir, "public.addr", public_addr)?);
        if let Some(address) = control_tcp {
            files.push(write_address(data_dir, "control.addr", address)?);
        }
        tracing::info!(
            public = %public_addr,
            control = %config.control.socket.display(),
            data_dir = %data_dir.display(),
            database = config.database.describe(),
            jobs = config.limits.jobs,
            "ready"
        );
        Ok(Self { public: public_addr, control_tcp, note, tasks, store, files, _held: held, _alone: alone })
    }

    /// Returns when some part ended that must not, and the daemon had better be started again.
    pub async fn failed(&self) {
        self.tasks.stopping().cancelled().await;
    }

    /// Stops accepting and claiming, closes sockets, flushes, and leaves jobs running in their containers. Whether all
    /// parts ended in time.
    pub async fn drain(self) -> bool {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        let in_time = self.tasks.shut_down(DRAIN).await;
        if tokio::time::timeout(Duration::from_secs(1), self.store.close()).await.is_err() {
            tracing::warn!("the database did not close in time");
        }
        in_time
    }
}

/// Ends, and the daemon with it, when another one took the database while its server was away.
async fn keep_claim(alone: Arc<Alone>, stop: CancellationToken) {
    tokio::select! {
        lost = alone.keep() => tracing::error!(error = %lost, "the claim on the database was lost; stopping"),
        () = stop.cancelled() => {}
    }
}

/// Connections and log files: as many as the system lets this user have, within reason.
pub fn raise_open_files() {
    const ENOUGH: u64 = 65_536;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(ENOUGH)
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard.min(ENOUGH), hard)
    {
        tracing::debug!(%error, "the limit on open files stays");
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| StartError::Listen { key, address: address.to_string(), source })
}

fn address(listener: &TcpListener, key: &'static str) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { key, address: "?".to_owned(), source })
}

/// A socket that only this user can open. One that a killed daemon left is replaced: the lock says that nobody uses it.
fn bind_socket(path: &Path) -> Result<UnixListener, StartError> {
    let failed = |source| StartError::Listen { key: "control.socket", address: path.display().to_string(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if std::os::unix::fs::FileTypeExt::is_socket(&there.file_type()) => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(failed(std::io::Error::new(std::io::ErrorKind::AddrInUse, "somebody answers there")));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        Ok(_) => return Err(failed(std::io::Error::other("there is a file that is no socket"))),
        Err(_) => {}
    }
    // By the process' mask, so that there is no moment at which others could open it. One that would not hurt folders
    // that somebody else makes at this moment.
    let mask = umask(Mode::from_bits_truncate(0o077));
    let bound = UnixSocket::new_stream().and_then(|socket| {
        socket.bind(path)?;
        socket.listen(BACKLOG)
    });
    umask(mask);
    let listener = bound.map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

fn tls(tcp: &ControlTcp) -> Result<Option<TlsAcceptor>, StartError> {
    let Some((certificate, key)) = &tcp.tls else { return Ok(None) };
    let wrong = |key: &'static str, path: &Path, error: &dyn std::fmt::Display| StartError::Tls {
        key,
        what: format!("{}: {error}", path.display()),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("control.tls_certificate", certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("control.tls_key", key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| wrong("control.tls_certificate", certificate, &error))?;
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

async fn connect_engines(config: &Config) -> Result<Engines, StartError> {
    let owner = data_dir::owner(&config.data_dir)?;
    Ok(engines(config, &owner, config.data_dir.join("jobs/docker")).await?)
}

/// The engines of a configuration; what they have on this host for containers is in `folders`.
pub async fn engines(config: &Config, owner: &str, folders: PathBuf) -> Result<Engines, EngineError> {
    let executable = PathBuf::from("/proc/self/exe");
    let mut docker = DockerSettings::new(config.docker_socket.clone(), executable.clone(), folders, owner);
    let limits = Limits {
        memory_bytes: config.limits.memory_bytes,
        cpu_millis: config.limits.cpu_millis,
        pids: config.limits.pids,
    };
    docker.frames_over_stdout = config.frames_over_stdout;
    docker.defaults = limits;
    docker.most = limits;
    let choice = match config.engine {
        EngineChoice::Auto => engine::Choice::Auto,
        EngineChoice::Docker => engine::Choice::Docker,
        EngineChoice::Local => engine::Choice::Local,
    };
    let local = LocalSettings { executable, jobs: config.data_dir.join("jobs/local") };
    Engines::connect(choice, docker, local).await
}

/// For scripts that asked for port 0. Appears whole.
fn write_address(data_dir: &Path, name: &str, address: SocketAddr) -> Result<PathBuf, StartError> {
    let file = data_dir.join(name);
    let partial = data_dir.join(format!("{name}.part"));
    std::fs::write(&partial, format!("{address}\n"))
        .and_then(|()| std::fs::rename(&partial, &file))
        .map_err(|source| DataDirError::Unusable { what: format!("{} cannot be written", file.display()), source })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_may_have_the_longest_path() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let room = 107 - home.path().as_os_str().len() - 1;
        let path = home.path().join("s".repeat(room));
        for _ in 0..2 {
            // The second time over what the first left behind.
            let _listener = bind_socket(&path).expect("bound");
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(home.path()).expect("read").count(), 1);
        }
        let _listener = bind_socket(&path).expect("bound");
        assert!(bind_socket(&path).is_err(), "somebody answers there");
    }
}
