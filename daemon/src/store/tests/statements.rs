//! Every statement file is good on every database, explained and used; migrations can run again.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Executor as _, SqlSafeStr as _, SqliteConnection};

use super::*;

async fn migrations_run_again_without_harm(database: Database) {
    let store = Store::open(&database).await.expect("a fresh database");
    let build = made(&store, &[("test", &[])]).await;
    let changes = store.last_change().await.expect("a number");
    store.close().await;

    let store = Store::open(&database).await.expect("a database that was used");
    assert_eq!(standing(&store, build).await, [("test".to_owned(), 1, State::Waiting, None)]);
    assert_eq!(store.last_change().await.expect("a number"), changes);
    assert_eq!(made(&store, &[("test", &[])]).await, build + 1, "numbers go on");
    store.ping().await.expect("it answers");
    store.close().await;
}

/// What an older version left: its attempts are in the queue of their repositories afterwards.
async fn an_older_database_is_brought_up(database: Database) {
    let Database::Sqlite(path) = &database else { panic!("only a file can be made by hand") };
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut old = SqliteConnection::connect_with(&options).await.expect("connected");
    let mut migrator = sqlx::migrate!("src/store/migrations/sqlite");
    migrator.migrations.to_mut().retain(|migration| migration.version == 1);
    migrator.run(&mut old).await.expect("migrated");
    let statements = [
        "insert into build (number, seq, repository, repository_id, clone_url, event, ref, sha, title, author, commit_count, from_fork, created_at) \
         values (1, 1, 'Acme/App', 7, 'u', 'push', 'refs/heads/main', 'sha', 'title', 'ann', 1, 0, 1000)",
        "insert into job (build, name, position, plan) values (1, 'test', 0, '{}')",
        "insert into attempt (build, job, number, position, state, queued_at) values (1, 'test', 1, 0, 'waiting', 1000)",
        "update counter set value = 1",
    ];
    for statement in statements {
        sqlx::query(statement).execute(&mut old).await.expect(statement);
    }
    old.close().await.expect("closed");

    let store = Store::open(&database).await.expect("an older database");
    assert_eq!(store.repositories().await.expect("listed"), [("acme/app".to_owned(), None)]);
    let waiting = store.waiting(at(2_000), &[]).await.expect("read");
    let places = store.places(1, 1, at(2_000)).await.expect("read");
    assert_eq!(waiting.position(&places[&attempt_id(1, "test", 1).job_id()]), Some(0));
    assert_eq!(claimed(&store, "t").await.id, attempt_id(1, "test", 1));
    store.close().await;
}

#[test]
fn an_older_database_is_brought_up_in_sqlite() {
    on_sqlite(an_older_database_is_brought_up);
}

async fn every_statement_can_be_prepared(database: Database) {
    Store::open(&database).await.expect("migrated").close().await;
    let mut faults = Vec::new();
    let mut judge = |name: &str, fault: Option<sqlx::Error>| {
        if let Some(fault) = fault {
            faults.push(format!("{name}: {fault}"));
        }
    };
    match &database {
        Database::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path);
            let mut connection = SqliteConnection::connect_with(&options).await.expect("connected");
            for (name, text) in statement_files() {
                if text.starts_with("-- Postgres only:") {
                    continue;
                }
                judge(&name, connection.prepare(AssertSqlSafe(text).into_sql_str()).await.err());
            }
        }
        Database::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.expect("connected");
            for (name, text) in statement_files() {
                judge(&name, connection.prepare(AssertSqlSafe(text).into_sql_str()).await.err());
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn migrations_run_again_without_harm_in_sqlite() {
    on_sqlite(migrations_run_again_without_harm);
}

#[test]
fn migrations_run_again_without_harm_in_postgres() {
    on_postgres(migrations_run_again_without_harm);
}

#[test]
fn every_statement_can_be_prepared_in_sqlite() {
    on_sqlite(every_statement_can_be_prepared);
}

#[test]
fn every_statement_can_be_prepared_in_postgres() {
    on_postgres(every_statement_can_be_prepared);
}

#[test]
fn every_statement_is_used_and_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut code = String::new();
    for entry in std::fs::read_dir(folder).expect("src/store") {
        let path = entry.expect("an entry").path();
        if path.is_file() && !path.ends_with("tests.rs") {
            code.push_str(&std::fs::read_to_string(path).expect("text"));
        }
    }
    let files = statement_files();
    assert!(files.len() > 30, "all of them were found: {}", files.len());
    for (name, text) in files {
        assert!(code.contains(&format!("sql!(\"{name}\")")), "nothing uses {name}.sql");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("-- ") && first.len() > 10,
            "{name}.sql begins with a comment that says what it does"
        );
        let statement: String = text.lines().filter(|line| !line.starts_with("--")).collect();
        assert!(!statement.contains(';'), "{name}.sql is one statement, without semicolon");
    }
}

/// They may differ where they have to, but each has all of them.
#[test]
fn both_databases_have_the_same_migrations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations");
    let names = |kind: &str| -> Vec<String> {
        let files = std::fs::read_dir(folder.join(kind)).expect("migrations");
        let mut names: Vec<String> =
            files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
    let numbers: std::collections::BTreeSet<String> =
        names("sqlite").into_iter().map(|name| name.split('_').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(numbers.len(), names("sqlite").len(), "two migrations have one number");
}
