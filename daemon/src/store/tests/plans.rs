//! The statements that run all the time, on a database with much in it: SQLite has to find its way by indexes.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Row as _, SqliteConnection};

use super::*;

/// 20,000 builds of a job that waits, then as many whose job has finished, put there by SQL.
const MANY: [&str; 4] = [
    "insert into build (number, seq, repository, repository_id, clone_url, event, ref, sha, title, author, commit_count, from_fork, created_at) \
     with recursive n (i) as (select 1 union all select i + 1 from n where i < 40000) \
     select i, i, 'acme/app', 7, 'u', 'push', 'refs/heads/main', 'sha', 'title', 'ann', 1, 0, 1000 from n",
    "insert into job (build, name, position, plan) select number, 'test', 0, '{}' from build",
    "insert into attempt (build, job, number, position, state, outcome, queued_at, finished_at, repository) \
     select number, 'test', 1, 0, case when number > 20000 then 'finished' else 'waiting' end, \
            case when number > 20000 then 'passed' end, 1000 + number, case when number > 20000 then 90000 end, 'acme/app' from build",
    "insert into repository (name) values ('acme/app')",
];

async fn filled(database: &Database) -> Store {
    let store = Store::open(database).await.expect("a fresh database");
    let mut writing = store.write().await.expect("a turn");
    for statement in MANY {
        sqlx::query(statement).execute(&mut *writing.tx).await.expect(statement);
    }
    writing.commit().await.expect("committed");
    store
}

/// What SQLite says it would do.
async fn plan_of(connection: &mut SqliteConnection, name: &str) -> Vec<String> {
    let statement = format!("explain query plan {}", statement_files()[name]);
    let rows = sqlx::query(AssertSqlSafe(statement)).fetch_all(connection).await.expect("explained");
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

async fn the_queue_is_found_by_indexes(database: Database) {
    let Database::Sqlite(path) = &database else { panic!("only SQLite explains itself like this") };
    filled(&database).await.close().await;
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("connected");
    let statements = [
        "attempt_ask_cancel",
        "attempt_claim",
        "attempt_counts",
        "attempt_end_unstarted",
        "attempt_finish",
        "attempt_of_build",
        "attempt_one",
        "attempt_open",
        "attempt_release",
        "attempt_retire",
        "attempt_start",
        "attempt_steps",
        "attempt_taken",
        "attempt_unblock",
        "attempt_ended",
        "blocked_builds",
        "build_line",
        "claim_lane",
        "group_enter",
        "group_leave",
        "group_next",
        "group_of",
        "group_outdated",
        "group_stuck",
        "history_of",
        "history_one",
        "lane_list",
        "lane_ranks",
        "next_not_before",
        "put_off_shift",
        "results_of_ref",
        "results_of_repository",
        "standing_of_build",
        "summary_of_builds",
    ];
    for name in statements {
        let plan = plan_of(&mut connection, name).await;
        // What was chosen, at most a page of it, is gone through; tables never are.
        let whole = |step: &&String| {
            step.strip_prefix("SCAN ")
                .is_some_and(|what| ["attempt", "a", "b", "build", "job", "j"].contains(&first_word(what)))
        };
        assert_eq!(plan.iter().find(whole), None, "{name} reads a whole table: {plan:#?}");
    }
    // The outer search is by the key of the one row that was chosen: not everything that waits is looked at twice.
    let claim = plan_of(&mut connection, "attempt_claim").await;
    assert!(claim[0].starts_with("SEARCH attempt USING INDEX sqlite_autoindex_attempt_1"), "{claim:#?}");
    assert!(!claim.iter().any(|step| step.contains("TEMP B-TREE")), "the oldest comes from the index: {claim:#?}");
    // What a view reads of a long queue, it reads in the index alone.
    for name in ["lane_list", "lane_ranks"] {
        let plan = plan_of(&mut connection, name).await;
        assert!(plan.iter().any(|step| step.contains("COVERING INDEX attempt_queue")), "{name}: {plan:#?}");
    }
    // However many builds there are, only the newest of the repository or the ref are looked at.
    for (name, index) in [("results_of_repository", "build_results"), ("results_of_ref", "build_ref_results")] {
        let plan = plan_of(&mut connection, name).await;
        assert!(plan.iter().any(|step| step.contains(&format!("USING INDEX {index} ("))), "{name}: {plan:#?}");
    }
    // What was put off is found at once: every look at the queue asks for it.
    for name in ["next_not_before", "put_off_shift"] {
        let plan = plan_of(&mut connection, name).await;
        assert!(
            plan.iter().any(|step| step.contains("attempt_put_off (state=? AND not_before>?)")),
            "{name}: {plan:#?}"
        );
    }
    // Of what is pending only the first of each repository is found, each by one step in the index.
    let pending = plan_of(&mut connection, "delivery_pending").await;
    assert!(!pending.iter().any(|step| step.starts_with("SCAN") && step != "SCAN line"), "{pending:#?}");
    assert_eq!(pending.iter().filter(|step| step.contains("delivery_lined (<expr>")).count(), 2, "{pending:#?}");
    // The list without a filter counts the builds and reads its window of them; with facts it goes through the builds once,
    // with words through the words alone. Only its window is read whole.
    let newest = plan_of(&mut connection, "build_newest").await;
    assert!(newest[0].starts_with("SCAN b USING INDEX "), "{newest:#?}");
    assert!(newest.iter().any(|step| step.starts_with("SCAN build USING COVERING INDEX ")), "{newest:#?}");
    for (name, scanned) in [("build_page", "SCAN b"), ("build_found", "SCAN w")] {
        let page = plan_of(&mut connection, name).await;
        assert_eq!(page[0], "SEARCH b USING INDEX sqlite_autoindex_build_1 (number=?)", "{name}: {page:#?}");
        assert_eq!(page.iter().filter(|step| step.starts_with(scanned)).count(), 1, "{name}: {page:#?}");
        let others = ["SCAN a", "SCAN b", "SCAN w"].into_iter().filter(|other| *other != scanned);
        for other in others {
            assert!(!page.iter().any(|step| step.starts_with(other)), "{name}: {page:#?}");
        }
        // Status and outcome come out of the view by a step in the index: it is no table that is made first.
        let made = |step: &&String| step.starts_with("MATERIALIZE") || step.starts_with("CO-ROUTINE");
        let attempts =
            page.iter().filter(|step| step.starts_with("SEARCH a USING INDEX attempt_current (build=?")).count();
        assert_eq!((page.iter().filter(made).count(), attempts >= 2), (1, true), "{name}: {page:#?}");
    }
    // Those after the window are counted from there on, not from the beginning.
    let found = plan_of(&mut connection, "build_found").await;
    assert!(found.iter().any(|step| step.starts_with("SEARCH w USING INTEGER PRIMARY KEY (rowid<?)")), "{found:#?}");
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

async fn a_long_queue_is_claimed_from_its_head(database: Database) {
    let store = filled(&database).await;
    for n in 1..=50 {
        assert_eq!(claimed(&store, "t").await.id.build, n);
    }
    let open = store.open_attempts(200).await.expect("listed");
    assert_eq!((open.len(), open[0].attempt.state, open[50].attempt.id.build), (200, State::Claimed, 51));
    let waiting = store.waiting(at(100_000), &[]).await.expect("read");
    let places = store.places(19_990, 20_000, at(100_000)).await.expect("read");
    let last = &places[&attempt_id(20_000, "test", 1).job_id()];
    assert_eq!((places.len(), waiting.position(last)), (11, Some(20_000 - 51)));
    let counts = store.queue_counts().await.expect("counted");
    assert_eq!(counts, QueueCounts { blocked: 0, waiting: 20_000 - 50, taken: 50 });
    let page = store.build_page(&PageFilter::default(), 20_000, 100).await.expect("a page");
    assert_eq!((page.total, page.builds.len(), page.builds[0].0.number), (40_000, 100, 20_000));
    store.close().await;
}

#[test]
fn the_queue_is_found_by_indexes_in_sqlite() {
    on_sqlite(the_queue_is_found_by_indexes);
}

#[test]
fn a_long_queue_is_claimed_from_its_head_in_sqlite() {
    on_sqlite(a_long_queue_is_claimed_from_its_head);
}

#[test]
fn a_long_queue_is_claimed_from_its_head_in_postgres() {
    on_postgres(a_long_queue_is_claimed_from_its_head);
}
