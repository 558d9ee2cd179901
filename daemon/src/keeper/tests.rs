//! Passes over a real database and real logs, also after a kill at the worst moments.

use tempfile::TempDir;
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::{LogSummary, Outcome};

use super::*;
use crate::config::{self, Overrides};
use crate::store::NewArtifacts;
use crate::store::tests::{ended, made, running};

const MUCH: usize = 200_000;

/// A keeper on a folder of its own, with what a configuration says of retention.
async fn keeper(home: &TempDir, retention: &str) -> Keeper {
    let file = home.path().join("windlassd.toml");
    std::fs::write(&file, format!("data_dir = \"data\"\n[retention]\n{retention}\n")).expect("written");
    let config = config::load(&Overrides { config: Some(file), ..Overrides::default() }).expect("it is right");
    std::fs::create_dir_all(&config.data_dir).expect("made");
    Keeper {
        store: Store::open(&config.database).await.expect("a fresh database"),
        logs: LogStore::open(config.data_dir.join("logs")).expect("a fresh folder"),
        artifacts: ArtifactStore::open(config.data_dir.join("artifacts")).expect("a fresh folder"),
        git: Git::open(&config.data_dir).expect("a fresh folder"),
        wake: Wake::default(),
        config: Arc::new(config),
    }
}

/// A finished build of one job, whose log has so many bytes that do not compress well.
async fn finished(keeper: &Keeper, bytes: usize) -> AttemptId {
    made(&keeper.store, &[("test", &[])]).await;
    let id = running(&keeper.store, "token").await;
    let mut writer = keeper.logs.writer(&id).expect("a writer");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let output: Vec<u8> = (0..bytes).map(|_| noise()).collect();
    writer.append(0, 1, &output, 1).expect("appended");
    let summary = writer.finish(2).expect("finished");
    drop(writer);
    let log = LogSummary {
        lines: summary.lines,
        bytes: summary.bytes,
        sha256: Some(summary.sha256),
        ..LogSummary::default()
    };
    keeper.store.finish_attempt(&id, &crate::store::Finish { log, ..ended(Outcome::Passed) }).await.expect("ended");
    id
}

fn text(keeper: &Keeper, id: &AttemptId) -> String {
    let reader = keeper.logs.reader(id).expect("there is a log");
    assert!(reader.head().finished, "nothing follows");
    String::from_utf8_lossy(&reader.bytes(0, MUCH).expect("read")).into_owned()
}

async fn removed(keeper: &Keeper) -> Vec<AttemptId> {
    keeper.store.removed_logs().await.expect("read").into_iter().map(|log| log.id).collect()
}

#[tokio::test]
async fn the_oldest_logs_make_room_for_a_sentence_and_that_is_done_once() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "logs = \"500KiB\"").await;
    let ids = [finished(&keeper, MUCH).await, finished(&keeper, MUCH).await, finished(&keeper, MUCH).await];
    let small = finished(&keeper, 10).await;
    keeper.pass(Timestamp(5_000)).await.expect("done");
    assert_eq!(removed(&keeper).await, ids[..1], "as many as have to");
    let words = text(&keeper, &ids[0]);
    assert!(words.starts_with("[windlass] this log of 200000 bytes was removed at 1970-01-01T00:00:05"), "{words}");
    assert_eq!(keeper.logs.sum(&small).expect("read").expect("finished").bytes, 10);

    keeper.pass(Timestamp(9_000)).await.expect("done");
    assert_eq!(text(&keeper, &ids[0]), words, "nothing is done twice");
    assert_eq!(removed(&keeper).await, ids[..1]);
    keeper.store.close().await;
}

#[tokio::test]
async fn short_logs_are_not_removed_for_nothing() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "logs = \"1B\"").await;
    let small = finished(&keeper, 3_000).await;
    keeper.pass(Timestamp(5_000)).await.expect("done");
    assert!(removed(&keeper).await.is_empty());
    assert_eq!(keeper.logs.sum(&small).expect("read").expect("finished").bytes, 3_000);
    keeper.store.close().await;
}

#[tokio::test]
async fn whoever_was_killed_between_the_note_and_the_sentence_left_it_to_the_next_pass() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "").await;
    let (noted, gone, cut, unnoted, kept) = (
        finished(&keeper, MUCH).await,
        finished(&keeper, MUCH).await,
        finished(&keeper, MUCH).await,
        finished(&keeper, MUCH).await,
        finished(&keeper, MUCH).await,
    );
    // Noted, and killed before, in the middle of, and within the writing of the sentence.
    keeper.store.note_removed_logs(&[noted.clone(), gone.clone(), cut.clone()], Timestamp(5_000)).await.expect("noted");
    keeper.logs.remove(&gone).expect("removed");
    keeper.logs.remove(&cut).expect("removed");
    keeper.logs.writer(&cut).expect("a writer").notice(1, "[windlass] this log of 200000 bytes was").expect("written");
    // A backup copies the database first, and the logs later.
    keeper.logs.remove(&unnoted).expect("removed");
    let mut writer = keeper.logs.writer(&unnoted).expect("a writer");
    let words = "[windlass] this log of 200000 bytes was removed at some time to keep within retention.logs";
    writer.notice(1, words).expect("written");
    writer.finish(1).expect("finished");
    drop(writer);

    keeper.pass(Timestamp(9_000)).await.expect("done");
    for id in [&noted, &gone, &cut] {
        let words = text(&keeper, id);
        assert!(
            words.starts_with("[windlass] this log of 200000 bytes was removed at 1970-01-01T00:00:05"),
            "{id}: {words}"
        );
    }
    assert_eq!(removed(&keeper).await, [noted, gone, cut, unnoted.clone()]);
    assert!(text(&keeper, &unnoted).contains("removed at some time"));
    assert_eq!(keeper.logs.sum(&kept).expect("read").expect("finished").bytes, MUCH as u64);
    keeper.store.close().await;
}

#[tokio::test]
async fn a_step_that_prints_the_sentence_keeps_its_log() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "").await;
    made(&keeper.store, &[("test", &[])]).await;
    let id = running(&keeper.store, "token").await;
    let mut writer = keeper.logs.writer(&id).expect("a writer");
    writer.append(0, 1, b"[windlass] this log of 7 bytes was removed at noon\n", 1).expect("appended");
    let summary = writer.finish(2).expect("finished");
    drop(writer);
    let log = LogSummary { lines: 1, bytes: summary.bytes, sha256: Some(summary.sha256), ..LogSummary::default() };
    keeper.store.finish_attempt(&id, &crate::store::Finish { log, ..ended(Outcome::Passed) }).await.expect("ended");
    keeper.pass(Timestamp(9_000)).await.expect("done");
    assert!(removed(&keeper).await.is_empty());
    keeper.store.close().await;
}

#[tokio::test]
async fn finished_logs_are_compressed_and_those_of_no_build_go() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "").await;
    let id = finished(&keeper, MUCH).await;
    let orphan = |build| AttemptId { build, job: "test".to_owned(), attempt: 1 };
    let gone = keeper.store.next_build_number().await.expect("a number");
    let young = keeper.store.next_build_number().await.expect("a number");
    for build in [gone, young, 901] {
        keeper.logs.writer(&orphan(build)).expect("a writer").append(0, 1, b"x", 1).expect("appended");
    }
    // One may belong to what is being made; of the two that were written long ago, one is of another database.
    let long_ago = std::time::SystemTime::now() - 2 * SETTLED;
    for build in [gone, 901] {
        let folder = home.path().join(format!("data/logs/{build}/test/1"));
        let files = std::fs::read_dir(&folder).expect("there").flatten().map(|entry| entry.path());
        for entry in files.chain([folder.clone()]) {
            std::fs::File::open(entry).and_then(|file| file.set_modified(long_ago)).expect("set");
        }
    }
    assert_eq!(keeper.logs.uncompressed().expect("listed"), std::slice::from_ref(&id));
    let before = keeper.logs.sum(&id).expect("read");
    keeper.pass(Timestamp(9_000)).await.expect("done");
    assert!(keeper.logs.uncompressed().expect("listed").is_empty());
    assert_eq!(keeper.logs.sum(&id).expect("read"), before);
    let left: Vec<AttemptId> = keeper.logs.list().expect("listed").into_iter().map(|log| log.id).collect();
    assert_eq!(left, [id, orphan(young), orphan(901)]);
    keeper.store.close().await;
}

/// A finished build of one job that left a file of so many bytes.
async fn left(keeper: &Keeper, bytes: usize) -> AttemptId {
    made(&keeper.store, &[("test", &[])]).await;
    let id = running(&keeper.store, "token").await;
    let mut writer = keeper.artifacts.writer(&id);
    writer.begin("x.bin").expect("begun");
    writer.append(&vec![b'x'; bytes]).expect("written");
    writer.end();
    let list = writer.finish().expect("kept");
    let counts = windlass_protocol::artifact::ArtifactCounts {
        files: 1,
        bytes: bytes as u64,
        ..windlass_protocol::artifact::ArtifactCounts::default()
    };
    let artifacts = Some(NewArtifacts::new(counts, &list));
    keeper
        .store
        .finish_attempt(&id, &crate::store::Finish { artifacts, ..ended(Outcome::Passed) })
        .await
        .expect("ended");
    id
}

#[tokio::test]
async fn the_oldest_artifacts_make_room_and_the_newest_of_a_branch_stay() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "artifacts = \"450KiB\"").await;
    let ids = [left(&keeper, MUCH).await, left(&keeper, MUCH).await, left(&keeper, MUCH).await];
    let there = |id: &AttemptId| keeper.artifacts.read(id, 1, 0, 1).is_ok();
    keeper.pass(Timestamp(5_000)).await.expect("done");
    assert_eq!(ids.each_ref().map(there), [false, true, true], "as many as have to");
    let gone = keeper.store.artifacts_of(&ids[0]).await.expect("read").expect("still known");
    assert_eq!((gone.counts.removed_at, gone.files.len()), (Some(Timestamp(5_000)), 1));
    keeper.store.close().await;

    let home = TempDir::new().expect("a temporary folder");
    let keeper = self::keeper(&home, "artifacts = \"1B\"").await;
    let ids = [left(&keeper, MUCH).await, left(&keeper, MUCH).await];
    keeper.pass(Timestamp(5_000)).await.expect("done");
    let there = |id: &AttemptId| keeper.artifacts.read(id, 1, 0, 1).is_ok();
    assert_eq!(ids.each_ref().map(there), [false, true]);
    keeper.store.close().await;
}

#[tokio::test]
async fn artifacts_that_nobody_can_ask_for_go_when_they_have_settled() {
    let home = TempDir::new().expect("a temporary folder");
    let keeper = keeper(&home, "").await;
    let (kept, noted, dropped) = (left(&keeper, 10).await, left(&keeper, 10).await, left(&keeper, 10).await);
    // Noted and killed before they were removed; dropped and killed; of a job that was lost; of one that runs.
    keeper.store.note_removed_artifacts(std::slice::from_ref(&noted), Timestamp(1)).await.expect("noted");
    keeper.store.drop_builds(&[dropped.build]).await.expect("dropped");
    made(&keeper.store, &[("test", &[])]).await;
    let runs = running(&keeper.store, "token").await;
    let lost = AttemptId { job: "other".to_owned(), ..kept.clone() };
    let newer = AttemptId { build: runs.build + 1, ..kept.clone() };
    for id in [&runs, &lost, &newer] {
        let mut writer = keeper.artifacts.writer(id);
        writer.begin("x").expect("begun");
        writer.end();
        writer.finish().expect("kept");
    }
    let seen = survey(&keeper.config, &keeper.store, (&keeper.logs, &keeper.artifacts), Timestamp(5_000)).await;
    assert!(seen.expect("seen").artifacts.orphans.is_empty(), "what was written just now may be in the making");
    let long_ago = std::time::SystemTime::now() - 2 * SETTLED;
    for id in [&kept, &noted, &dropped, &runs, &lost, &newer] {
        let folder = crate::attempt_dirs::path(&keeper.config.data_dir.join("artifacts"), id).expect("a folder");
        for path in [folder.join("1"), folder] {
            std::fs::File::open(path).expect("there").set_modified(long_ago).expect("set");
        }
    }
    keeper.pass(Timestamp(5_000)).await.expect("done");
    let there: Vec<AttemptId> = keeper.artifacts.list().expect("listed").into_iter().map(|of| of.id).collect();
    assert_eq!(there, [kept, runs, newer], "of another database is not for this one to say");
    keeper.store.close().await;
}
