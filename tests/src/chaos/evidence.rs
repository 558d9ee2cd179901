//! What the daemon has in the end: its database, read by its schema and not by its code; the logs that it serves; what it
//! left lying about. Must not know what was expected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, FromRow};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, ServerMessage, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::RefusalCode;

use super::Engine;
use super::load::Place;
use super::recipe::sha256;
use crate::cleanup;
use crate::live::{Live, Told};
use crate::wait::{SHORT, wait_for};

/// A row of `delivery`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Delivered {
    pub delivery_id: String,
    pub event: String,
    pub state: String,
    pub settled_at: Option<i64>,
}

/// A row of `build`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Build {
    pub number: i64,
    pub delivery_id: Option<String>,
    pub repository: String,
    pub sha: String,
    pub pull_request: Option<i64>,
    pub group_state: Option<String>,
}

/// A row of `attempt`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Attempt {
    pub build: i64,
    pub job: String,
    pub number: i64,
    pub current: i64,
    pub state: String,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub exit_code: Option<i64>,
    pub because: Option<String>,
    pub cancel_by: Option<String>,
    pub log_bytes: i64,
    pub log_sha256: Option<String>,
    /// What its report says, as JSON.
    pub tests: Option<String>,
    /// How much it left to be kept, as JSON.
    pub artifacts: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub deliveries: Vec<Delivered>,
    pub builds: Vec<Build>,
    /// By build, job and number.
    pub attempts: Vec<Attempt>,
    /// What is served of each log that is not empty.
    pub logs: BTreeMap<AttemptId, Vec<u8>>,
    /// SHA-256 of each file that is kept of an attempt, in order.
    pub kept: BTreeMap<AttemptId, Vec<String>>,
    /// Containers, processes and folders of jobs that are over.
    pub left: Vec<String>,
    /// The daemon's own, after TERM; `None`: it was not asked.
    pub exit_code: Option<i32>,
}

impl Attempt {
    #[must_use]
    pub fn id(&self) -> AttemptId {
        let (build, attempt) = (u64::try_from(self.build).unwrap_or(0), u32::try_from(self.number).unwrap_or(0));
        AttemptId { build, job: self.job.clone(), attempt }
    }
}

impl Evidence {
    /// The database, and every log as the daemon serves it to a client that comes now.
    #[track_caller]
    pub(super) fn read(place: &Place) -> Self {
        let mut evidence = Self::default();
        evidence.reread(&place.data);
        for id in ids_with_logs(&evidence.attempts) {
            let bytes = served(&place.socket, &id);
            evidence.logs.insert(id, bytes);
        }
        for id in evidence.attempts.iter().filter(|attempt| attempt.artifacts.is_some()).map(Attempt::id) {
            let kept = kept(&place.data, &id);
            evidence.kept.insert(id, kept);
        }
        evidence
    }

    /// The rows, of a daemon that may have ended or of a copy of its file.
    #[track_caller]
    pub fn reread(&mut self, data: &Path) {
        let file = data.join("windlass.db");
        (self.deliveries, self.builds, self.attempts) = with(&file, async |connection| {
            let deliveries = sqlx::query_as("select delivery_id, event, state, settled_at from delivery");
            let builds = sqlx::query_as(
                "select number, delivery_id, repository, sha, pull_request, group_state from build order by number",
            );
            let attempts = sqlx::query_as(
                "select build, job, number, current, state, outcome, reason, exit_code, because, cancel_by, log_bytes, \
                 log_sha256, tests, artifacts from attempt order by build, job, number",
            );
            Ok((
                deliveries.fetch_all(&mut *connection).await?,
                builds.fetch_all(&mut *connection).await?,
                attempts.fetch_all(&mut *connection).await?,
            ))
        });
    }
}

fn ids_with_logs(attempts: &[Attempt]) -> Vec<AttemptId> {
    attempts.iter().filter(|attempt| attempt.log_bytes > 0).map(Attempt::id).collect()
}

/// Attempts that have a log.
#[track_caller]
pub(super) fn logs(data: &Path) -> Vec<AttemptId> {
    let mut evidence = Evidence::default();
    evidence.reread(data);
    ids_with_logs(&evidence.attempts)
}

/// Whether everything that was taken on is done.
#[track_caller]
pub(super) fn is_over(data: &Path) -> bool {
    let open: (i64,) = with(&data.join("windlass.db"), async |connection| {
        let open = "select (select count(*) from delivery where settled_at is null)
                         + (select count(*) from attempt where state <> 'finished')";
        sqlx::query_as(open).fetch_one(connection).await
    });
    open.0 == 0
}

/// Reads a database that its daemon may be writing to.
#[track_caller]
fn with<T>(file: &Path, read: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(Duration::from_secs(10));
    let result = runtime.block_on(async {
        let mut connection = options.connect().await?;
        read(&mut connection).await
    });
    result.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The whole of a log. A daemon that is short of something for a moment is asked again.
#[track_caller]
fn served(socket: &Path, id: &AttemptId) -> Vec<u8> {
    wait_for("its log is served", SHORT, || served_at_once(socket, id))
}

#[track_caller]
fn served_at_once(socket: &Path, id: &AttemptId) -> Result<Vec<u8>, String> {
    let mut live = Live::at(socket).unwrap_or_else(|error| panic!("the last daemon does not answer: {error:?}"));
    live.say(&ClientMessage::Subscribe { sub: 1, topic: Topic::LogBytes { log: id.clone(), from: 0 }, after: None });
    let mut log = Vec::new();
    loop {
        match live.next(SHORT) {
            Some(Told::Log(LogFrame::Bytes { bytes, .. })) => log.extend(bytes),
            Some(Told::Message(message)) => match *message {
                ServerMessage::LogHead { .. } => return Ok(log),
                ServerMessage::Ended { refusal, .. } if refusal.code == RefusalCode::Unavailable => {
                    return Err(refusal.message);
                }
                ServerMessage::Hello(_) => {}
                other => panic!("the log of {id}: {other:?}"),
            },
            other => panic!("the log of {id}: {other:?}"),
        }
    }
}

/// The files that are kept of an attempt.
fn kept(data: &Path, id: &AttemptId) -> Vec<String> {
    let folder = data.join(format!("artifacts/{}/{}/{}", id.build, id.job, id.attempt));
    (1..)
        .map_while(|number: u32| std::fs::read(folder.join(number.to_string())).ok())
        .map(|bytes| sha256(&bytes))
        .collect()
}

/// What jobs that are over left: processes, job folders, containers. The daemon itself is none of them.
pub(super) fn left(root: &Path, engine: Engine) -> Vec<String> {
    let mut left = Vec::new();
    let jobs = root.join("data/jobs");
    for kind in entries(&jobs) {
        left.extend(entries(&kind).into_iter().map(|entry| format!("of a job: {}", entry.display())));
    }
    for process in cleanup::left(&jobs) {
        let words = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        left.push(format!("process {process} {}", String::from_utf8_lossy(&words).replace('\0', " ")));
    }
    if engine == Engine::Docker {
        left.extend(cleanup::containers(root).into_iter().map(|id| format!("container {id}")));
        // Without a mount of ours it is known by its name, which holds what tells this daemon's from others'.
        let owner = std::fs::read_to_string(root.join("data/owner")).unwrap_or_default();
        for kind in ["container", "volume", "network"] {
            let filter = format!("name={}", owner.trim());
            let ids =
                cleanup::docker(&[kind, "ls", if kind == "container" { "-aq" } else { "-q" }, "--filter", &filter]);
            left.extend(ids.split_whitespace().map(|id| format!("{kind} {id} of {}", owner.trim())));
        }
    }
    left
}

fn entries(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(of) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}
