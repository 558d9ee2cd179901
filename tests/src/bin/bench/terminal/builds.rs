//! The list of 100,000 builds, filtered key by key: what is asked for is found among the oldest of them.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use windlass_tests::numbered::grouped;
use windlass_tests::{Daemon, DaemonOptions, Repository};

use super::{LATE, client};
use crate::{Goal, Row, ms, percentile, progress};

const BUILDS: u64 = 100_000;
/// The builds after the first have these titles: each a letter more, so that each letter typed leaves one build fewer. The
/// letters are in nothing else of any build.
const NEEDLES: [&str; 6] = ["z", "zj", "zjx", "zjxq", "zjxqz", "zjxqzj"];
const ROUNDS: usize = 20;
/// Between two keys: about as fast as somebody types.
const BETWEEN: Duration = Duration::from_millis(60);

pub(crate) fn many_builds() -> Vec<Row> {
    let (mut daemon, repository) = first_build();
    assert_eq!(daemon.terminate(), 0);
    progress("100,000 builds are made");
    fill(&daemon);
    daemon.restart();
    let screen = client(&daemon.connect(), daemon.root(), &[]);
    screen.wait_words(&["acme/app", &grouped(BUILDS)]);
    screen.keys("/");
    screen.wait_words(&["filter / "]);
    let mut times = Vec::new();
    let last = NEEDLES.len();
    let counted = |length: usize| format!("{} shown of {}", last + 1 - length, grouped(BUILDS));
    let typed = NEEDLES[last - 1];
    for _ in 0..ROUNDS {
        // Letter by letter to the longest, and back to the first.
        for length in 1..=last {
            std::thread::sleep(BETWEEN);
            times.push(ms(screen.time_words(&typed[length - 1..length], LATE, &[&counted(length)])));
        }
        for length in (1..last).rev() {
            std::thread::sleep(BETWEEN);
            times.push(ms(screen.time_words("\x7f", LATE, &[&counted(length)])));
        }
        screen.keys("\x15");
        screen.until("no filter", LATE, |screen| (!screen.contents().contains(" shown of ")).then_some(()));
    }
    drop(repository);
    let what = "a key in the filter of 100,000 builds, p99";
    vec![Row::of(what, percentile(&mut times, 99), "ms", Goal::AtMost(30.0))]
}

fn first_build() -> (Daemon, Repository) {
    let (repository, commit) = Repository::with_spec("jobs: { test: { execute: [echo hi] } }\n");
    let options = DaemonOptions::local()
        .with(&repository)
        .set("retention", "keep_builds = 0")
        .set("retention", "keep_for = \"0\"");
    let daemon = Daemon::start(&options);
    daemon.wait_finished(daemon.push(&repository, &commit));
    (daemon, repository)
}

/// Makes the others from the first one, while no daemon runs.
fn fill(daemon: &Daemon) {
    let needles: String = (2..).zip(NEEDLES).map(|(number, title)| format!("when {number} then '{title}' ")).collect();
    let numbers = format!("with recursive n(i) as (select 2 union all select i + 1 from n where i < {BUILDS})");
    let base = "(select value from counter where name = 'change')";
    let build = format!(
        "insert into build (number, seq, repository, repository_id, clone_url, event, ref, branch, sha, title, author, \
         commit_count, from_fork, created_at) {numbers} select i, {base} + i, repository, repository_id, clone_url, event, \
         ref, 'topic-' || (i % 97), lower(hex(randomblob(20))), case i {needles} else 'Make the parser faster, part ' || i end, \
         author, commit_count, from_fork, created_at + i from n, build where number = 1"
    );
    let words = "insert into build_words (number, words) select number, lower(number || ' ' || repository || ' ' || branch || ' ' || \
                 title || ' ' || author || ' ' || sha) from build where number > 1"
        .to_owned();
    let job = format!(
        "insert into job (build, name, position, plan) {numbers} select i, name, position, plan from n, job where build = 1"
    );
    let attempt = format!(
        "insert into attempt (build, job, number, current, position, state, outcome, exit_code, queued_at, claimed_at, \
         started_at, finished_at, steps, repository, log_removed_at) {numbers} select i, job, number, current, position, state, \
         case when i % 7 = 0 then 'failed' else outcome end, exit_code, queued_at + i, claimed_at + i, started_at + i, \
         finished_at + i, steps, repository, finished_at + i from n, attempt where build = 1"
    );
    let statements = [
        build,
        words,
        job,
        attempt,
        format!("update counter set value = value + {BUILDS} where name = 'change'"),
        format!("update counter set value = {BUILDS} where name = 'build'"),
        "analyze".to_owned(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(daemon.data().join("windlass.db"));
        let mut connection = options.connect().await.expect("a database without a daemon");
        for statement in statements {
            let done = connection.execute(sqlx::AssertSqlSafe(statement.as_str())).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    });
}
