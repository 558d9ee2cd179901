//! What tools say about the source: there with the attempt's end or not at all, of the newest attempts, and gone with the
//! build.

use windlass_protocol::annotation::{AnnotationCounts, Level};

use super::*;
use crate::findings::{Finding, kept};

on_each!(findings_come_with_the_end_and_only_once, findings_go_with_their_build);

fn finding(message: &str) -> Finding {
    Finding {
        level: Level::Error,
        path: Some("src/a \u{fffd}.rs".to_owned()),
        line: Some(3),
        column: None,
        end_line: None,
        message: format!("{message} \0 good \u{1b}[31m"),
        title: None,
        rule: Some("r".to_owned()),
        tool: None,
        log_line: Some(1 << 40),
    }
}

fn with_findings(outcome: Outcome, messages: &[&str]) -> Finish {
    let all: Vec<Finding> = messages.iter().map(|message| finding(message)).collect();
    let counts = AnnotationCounts {
        errors: all.len() as u64,
        troubles: vec!["a \u{fffd} b".to_owned()],
        ..AnnotationCounts::default()
    };
    Finish { findings: Some(NewFindings { counts, findings: kept::pack(&all) }), ..ended(outcome) }
}

async fn findings_come_with_the_end_and_only_once(store: Store) {
    let build = made(&store, &[("test", &[]), ("lint", &[])]).await;
    let id = running(&store, "t").await;
    assert!(store.findings(build).await.expect("read").is_empty());
    store.finish_attempt(&id, &with_findings(Outcome::Failed, &["a", "b"])).await.expect("finished");
    // Told again after a restart: refused as a whole, and what is there stays.
    assert!(is_conflict(&store.finish_attempt(&id, &with_findings(Outcome::Passed, &["c"])).await));
    let stored = store.findings(build).await.expect("read").remove(0);
    assert_eq!((stored.job.as_str(), stored.attempt, stored.counts.errors), ("test", 1, 2));
    assert_eq!(stored.findings, [finding("a"), finding("b")]);
    assert_eq!(store.attempt(&id).await.expect("there").findings, Some(stored.counts));

    // Only the newest attempt of a job counts.
    store.retry(build, &windlass_protocol::live::RetryWhat::Failed, "ann", at(5_000)).await.expect("again");
    assert!(store.findings(build).await.expect("read").is_empty());
    assert!(store.attempt(&id).await.expect("there").findings.is_some(), "the old one keeps what it has");
    let lint = running(&store, "t").await;
    store.finish_attempt(&lint, &ended(Outcome::Passed)).await.expect("finished");
    assert_eq!(store.attempt(&lint).await.expect("there").findings, None, "nobody says anything");
}

async fn findings_go_with_their_build(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    let id = running(&store, "t").await;
    store.finish_attempt(&id, &with_findings(Outcome::Failed, &["a"])).await.expect("finished");
    assert_eq!(store.findings(build).await.expect("read").len(), 1);
    store.drop_builds(&[build]).await.expect("dropped");
    let left: i64 =
        sqlx::query_scalar("select count(*) from attempt_findings").fetch_one(&store.pool).await.expect("read");
    assert_eq!(left, 0);
}
