//! The store on real databases: each story runs on a SQLite file and on a Postgres, in a database of its own. What these
//! files share is here. `tests/run` starts the Postgres and names it in `WINDLASS_TEST_POSTGRES`. Must not know who calls the store.

mod artifacts; // files that attempts left
mod attempts; // the life of one attempt
mod belongs; // one data folder a database
mod builds; // create, read, the list and its filters
mod cases; // results of tests
mod deliveries; // webhooks, and tokens
mod findings; // what tools say about the source
mod groups; // builds that run one at a time
mod keeper; // what is removed when it is old
mod interleavings; // whatever happens in whatever order
mod orders; // cancel, retry, advance
mod queue; // whose turn it is, pauses, attempts that follow by themselves
mod results; // results at a glance, and replays
mod plans; // how SQLite goes about the statements that run all the time
mod statements; // every statement and migration on every database

use std::any::Any as Panic;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{LogSummary, Outcome};

use super::*;
use crate::event::BuildRequest;
use crate::plan::{Command, JobPlan, Network, Pull, Reports, Resources, Retry, Site, StepPlan};
use crate::state::attempt::{State, Verdict};

/// Two tests of each story, which takes a fresh store.
macro_rules! on_each {
    ($($story:ident),+ $(,)?) => {
        $(mod $story {
            #[test]
            fn sqlite() {
                crate::store::tests::on_sqlite(|database| crate::store::tests::opened(database, super::$story));
            }

            #[test]
            fn postgres() {
                crate::store::tests::on_postgres(|database| crate::store::tests::opened(database, super::$story));
            }
        })+
    };
}
use on_each;

async fn opened<Story: Future<Output = ()>>(database: Database, story: impl FnOnce(Store) -> Story) {
    let store = Store::open(&database).await.expect("a fresh database opens");
    story(store.clone()).await;
    store.close().await;
}

fn on_sqlite<Story: Future<Output = ()>>(story: impl FnOnce(Database) -> Story) {
    let dir = TempDir::new().expect("a temporary folder");
    runtime().block_on(story(Database::Sqlite(dir.path().join("a file? 100% real.db"))));
}

fn on_postgres<Story>(story: impl FnOnce(Database) -> Story)
where
    Story: Future<Output = ()> + Send + 'static,
{
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("WINDLASS_TEST_POSTGRES") else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI=true leaves nothing out: WINDLASS_TEST_POSTGRES is not set"
        );
        #[expect(clippy::print_stderr, reason = "a test that does nothing has to say so")]
        {
            eprintln!("left out: WINDLASS_TEST_POSTGRES names no Postgres; tests/run starts one");
        }
        return;
    };
    let name = format!("windlass_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let ended: Result<(), Box<dyn Panic + Send>> = runtime().block_on(async {
        administer(&server, format!("drop database if exists {name}")).await;
        administer(&server, format!("create database {name}")).await;
        // A task, so that the database goes away also when the story fails.
        let ended = tokio::spawn(story(Database::Postgres(with_database(&server, &name)))).await;
        administer(&server, format!("drop database {name} with (force)")).await;
        ended.map_err(tokio::task::JoinError::into_panic)
    });
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Several threads, so that races are races.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

async fn administer(server: &str, statement: String) {
    let mut connection = PgConnection::connect(server).await.expect("the Postgres of WINDLASS_TEST_POSTGRES answers");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("its user may create databases");
    connection.close().await.expect("closed");
}

/// The same server, another database.
fn with_database(server: &str, name: &str) -> String {
    let (address, options) = server.split_once('?').unwrap_or((server, ""));
    let (scheme, rest) = address.split_once("://").expect("postgres://…");
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}?{options}")
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp(milliseconds)
}

fn attempt_id(build: u64, job: &str, attempt: u32) -> AttemptId {
    AttemptId { build, job: job.to_owned(), attempt }
}

fn plan(name: &str, needs: &[&str]) -> JobPlan {
    JobPlan {
        name: name.to_owned(),
        needs: needs.iter().map(|&need| need.to_owned()).collect(),
        image: Some("busybox:1".to_owned()),
        environment: BTreeMap::from([("LANG".to_owned(), "C.UTF-8".to_owned())]),
        steps: vec![StepPlan {
            name: "check".to_owned(),
            run: Command::Script("true".to_owned()),
            timeout_ms: Some(1),
        }],
        timeout_ms: 60_000,
        network: Network::Bridge,
        resources: Resources::default(),
        finally: Vec::new(),
        finally_timeout_ms: 0,
        pull: Pull::default(),
        retry: Retry::default(),
        reports: Reports::default(),
        artifacts: Vec::new(),
    }
}

fn request() -> BuildRequest {
    BuildRequest {
        repository: "acme/app".to_owned(),
        repository_id: 7,
        clone_url: "https://example.org/acme/app.git".to_owned(),
        event: "push".to_owned(),
        action: None,
        r#ref: "refs/heads/main".to_owned(),
        branch: Some("main".to_owned()),
        tag: None,
        base_branch: None,
        default_branch: Some("main".to_owned()),
        pull_request: None,
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        title: "Fix the pump".to_owned(),
        author: "ann".to_owned(),
        commit_count: 1,
        from_fork: false,
        skip: None,
    }
}

/// A build that nobody's webhook asked for. Jobs with needs begin blocked, the others waiting.
async fn sketch(store: &Store, jobs: &[(&str, &[&str])]) -> NewBuild {
    let jobs = jobs
        .iter()
        .map(|(name, needs)| NewJob {
            plan: plan(name, needs),
            first: if needs.is_empty() { FirstState::Waiting } else { FirstState::Blocked },
        })
        .collect();
    let facts = BuildFacts { delivery: None, request: request(), created_at: at(1_000) };
    NewBuild {
        number: store.next_build_number().await.expect("a number"),
        facts,
        jobs,
        priority: 0,
        engine: Some("docker".to_owned()),
        concurrency: None,
    }
}

pub(crate) async fn made(store: &Store, jobs: &[(&str, &[&str])]) -> u64 {
    let build = sketch(store, jobs).await;
    store.create_build(&build).await.expect("made");
    build.number
}

async fn claimed(store: &Store, token: &str) -> Claimed {
    store.claim_attempt(token, u64::MAX, at(2_000), &[]).await.expect("asked").expect("something waits")
}

fn site() -> Site {
    Site { engine: "docker".to_owned(), node: "here".to_owned(), handle: "f00d".to_owned() }
}

/// Claimed and started.
pub(crate) async fn running(store: &Store, token: &str) -> AttemptId {
    let claimed = claimed(store, token).await;
    store.start_attempt(&claimed, &site(), None, at(3_000)).await.expect("started");
    claimed.id
}

pub(crate) fn ended(outcome: Outcome) -> Finish {
    let verdict = match outcome {
        Outcome::Passed => Verdict::passed(),
        other => Verdict::because(other, format!("it {other}")),
    };
    Finish {
        verdict,
        at: at(4_000),
        steps: Vec::new(),
        log: LogSummary::default(),
        image_digest: None,
        results: None,
        artifacts: None,
        findings: None,
    }
}

/// Takes the oldest that waits through its whole life.
async fn ran(store: &Store, outcome: Outcome) -> AttemptId {
    let id = running(store, "ran").await;
    store.finish_attempt(&id, &ended(outcome)).await.expect("finished");
    id
}

/// The newest attempt of each job, in the jobs' order: name, number, state, outcome.
async fn standing(store: &Store, build: u64) -> Vec<(String, u32, State, Option<Outcome>)> {
    let jobs = store.jobs(build).await.expect("jobs");
    jobs.into_iter()
        .map(|job| {
            let mut current = job.attempts.into_iter().filter(|attempt| attempt.current);
            let attempt = current.next().expect("a job has a newest attempt");
            assert!(current.next().is_none(), "only one attempt is the newest");
            (attempt.id.job, attempt.id.attempt, attempt.state, attempt.verdict.map(|verdict| verdict.outcome))
        })
        .collect()
}

fn is_conflict<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}

fn is_missing<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Missing { .. }))
}

/// Statements by name, read from the folder and not from the code.
fn statement_files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("src/store/sql") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let name = name.strip_suffix(".sql").expect("only .sql files are there").to_owned();
        files.insert(name, std::fs::read_to_string(path).expect("text"));
    }
    files
}
