//! What attempts left: there with the attempt's end or not at all, removed for room by age, and gone with the build.

use windlass_protocol::artifact::ArtifactCounts;

use super::*;
use crate::artifacts::Artifact;

on_each!(
    artifacts_come_with_the_end_and_only_once,
    what_came_first_goes_first_and_stays_known,
    artifacts_go_with_their_build,
);

fn file(path: &str, bytes: u64) -> Artifact {
    Artifact { path: path.to_owned(), bytes, sha256: "ab".repeat(32) }
}

fn leaving(files: &[Artifact]) -> Finish {
    let counts = ArtifactCounts {
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.bytes).sum(),
        troubles: vec!["a \0 b".to_owned()],
        removed_at: None,
    };
    Finish { artifacts: Some(NewArtifacts::new(counts, files)), ..ended(Outcome::Failed) }
}

async fn artifacts_come_with_the_end_and_only_once(store: Store) {
    let build = made(&store, &[("test", &[]), ("lint", &[])]).await;
    let id = running(&store, "t").await;
    assert!(store.artifacts(build).await.expect("read").is_empty());
    let files = [file("dist/\0\u{1b}[2J.bin", 7), file("b", 1 << 40)];
    store.finish_attempt(&id, &leaving(&files)).await.expect("finished");
    // Told again after a restart: refused as a whole, and what is there stays.
    assert!(is_conflict(&store.finish_attempt(&id, &leaving(&[])).await));
    let left = store.artifacts(build).await.expect("read").remove(0);
    assert_eq!((left.job.as_str(), left.attempt, left.counts.bytes), ("test", 1, (1 << 40) + 7));
    assert_eq!(left.files, files);
    assert_eq!(store.attempt(&id).await.expect("there").artifacts, Some(left.counts));
    assert_eq!(store.artifacts_of(&id).await.expect("read").expect("kept").files, files);

    // Only the newest attempt of a job counts; the old one can still be asked for.
    store.retry(build, &windlass_protocol::live::RetryWhat::Failed, "ann", at(5_000)).await.expect("again");
    assert!(store.artifacts(build).await.expect("read").is_empty());
    assert_eq!(store.artifacts_of(&id).await.expect("read").expect("kept").files.len(), 2);
    let lint = running(&store, "t").await;
    store.finish_attempt(&lint, &leaving(&[])).await.expect("finished");
    let left = store.artifacts_of(&lint).await.expect("read").expect("it says why there is nothing");
    assert_eq!((left.files.len(), left.counts.troubles.len()), (0, 1));
    let again = running(&store, "t").await;
    store.finish_attempt(&again, &ended(Outcome::Passed)).await.expect("finished");
    assert!(store.artifacts_of(&again).await.expect("read").is_none(), "it keeps nothing");
}

async fn what_came_first_goes_first_and_stays_known(store: Store) {
    let mut ids = Vec::new();
    for bytes in [1, 2, 3] {
        made(&store, &[("test", &[])]).await;
        let id = running(&store, "t").await;
        store.finish_attempt(&id, &leaving(&[file("x", bytes)])).await.expect("finished");
        ids.push(id);
    }
    let kept = async |after, limit| store.kept_artifacts(after, limit).await.expect("read");
    let all = kept(None, 10).await;
    assert_eq!(
        all.iter().map(|of| (of.id.clone(), of.bytes)).collect::<Vec<_>>(),
        [(ids[0].clone(), 1), (ids[1].clone(), 2), (ids[2].clone(), 3)]
    );
    assert_eq!(kept(Some(&all[0]), 1).await, all[1..2]);
    let seq = store.build(ids[0].build).await.expect("there").seq;
    store.note_removed_artifacts(&ids[..2], at(9_000)).await.expect("noted");
    store.note_removed_artifacts(&ids[..1], at(9_999)).await.expect("once more does no harm");
    assert_eq!(kept(None, 10).await, all[2..]);
    let left = store.artifacts_of(&ids[0]).await.expect("read").expect("known");
    assert_eq!((left.counts.removed_at, left.files.len()), (Some(at(9_000)), 1));
    assert_eq!(store.attempt(&ids[0]).await.expect("there").artifacts, Some(left.counts));
    assert!(store.build(ids[0].build).await.expect("there").seq > seq, "whoever looks at it is told");
}

async fn artifacts_go_with_their_build(store: Store) {
    let build = made(&store, &[("test", &[])]).await;
    let id = running(&store, "t").await;
    store.finish_attempt(&id, &leaving(&[file("a", 1)])).await.expect("finished");
    store.drop_builds(&[build]).await.expect("dropped");
    assert!(store.artifacts_of(&id).await.expect("read").is_none());
    assert!(store.kept_artifacts(None, 10).await.expect("read").is_empty());
}
