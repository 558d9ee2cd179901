//! What is on the disk, among things that are no logs.

use super::*;

fn named(build: u64, job: &str, attempt: u32) -> AttemptId {
    AttemptId { build, job: job.to_owned(), attempt }
}

/// A log of this many bytes.
fn log(store: &LogStore, id: &AttemptId, bytes: usize, finished: bool) {
    let mut writer = store.writer(id).expect("a writer");
    writer.append(0, 1, &vec![b'x'; bytes], 1).expect("appended");
    if finished {
        writer.finish(2).expect("finished");
    }
}

#[test]
fn logs_are_found_and_rubbish_is_not() {
    let (_dir, store) = store();
    assert_eq!(store.list().expect("listed"), []);
    let ids = [named(2, "a", 1), named(2, "a", 10), named(2, "b.c", 1), named(10, "test", 3)];
    for (id, bytes) in ids.iter().rev().zip([100, 5_000, 50_000, 500_000]) {
        log(&store, id, bytes, true);
    }
    for junk in ["02/a/1", "+2/a/1", "x/a/1", "2/a/01", "2/a/x", "2/a b/1", "-1/a/1", "2/a/99999999999", "2/b.c/.trash"]
    {
        fs::create_dir_all(store.dir.join(junk)).expect("made");
        fs::write(store.dir.join(junk).join("log"), [b'x'; 10_000]).expect("written");
    }
    fs::write(store.dir.join("7"), b"a file").expect("written");
    fs::write(store.dir.join("2/file"), b"a file").expect("written");
    fs::write(store.dir.join("2/a/5"), b"a file").expect("written");
    std::os::unix::fs::symlink(store.dir.join("10"), store.dir.join("11")).expect("linked");
    std::os::unix::fs::symlink("/nowhere", store.dir.join("2/a/12")).expect("linked");

    let listed = store.list().expect("listed");
    assert_eq!(listed.iter().map(|log| &log.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    for log in &listed {
        assert_eq!(store.size(&log.id).expect("there"), log.bytes);
    }
    assert!(listed[0].bytes >= 500_000 && listed[1].bytes >= 50_000 && listed[3].bytes >= 100);
    assert!(matches!(store.size(&named(3, "a", 1)), Err(LogError::Missing { .. })));
    assert!(matches!(store.size(&named(3, "..", 1)), Err(LogError::BadName { .. })));

    assert_eq!(store.uncompressed().expect("listed"), ids[..3], "the last is too short");
    assert!(store.compress(&ids[0]).expect("compressed"));
    assert_eq!(store.uncompressed().expect("listed"), ids[1..3]);
    assert!(store.size(&ids[0]).expect("there") < listed[0].bytes / 2);
    for id in &ids[1..3] {
        assert!(store.compress(id).expect("compressed"));
    }
    assert_eq!(store.uncompressed().expect("listed"), []);
    store.remove(&ids[1]).expect("removed");
    assert_eq!(store.list().expect("listed").len(), 3);
}

#[test]
fn what_is_not_finished_or_not_whole_is_not_for_compressing() {
    let (_dir, store) = store();
    log(&store, &named(1, "open", 1), 10_000, false);
    for broken in ["empty", "marks", "log"] {
        log(&store, &named(1, broken, 1), 10_000, true);
    }
    fs::write(store.dir.join("1/marks/1/marks"), [0x55; 79]).expect("written");
    fs::remove_file(store.dir.join("1/log/1/log")).expect("removed");
    fs::remove_dir_all(store.dir.join("1/empty/1")).expect("removed");
    fs::create_dir(store.dir.join("1/empty/1")).expect("made");
    assert_eq!(store.uncompressed().expect("listed"), []);
    let listed: Vec<_> = store.list().expect("listed").into_iter().map(|log| log.id.job).collect();
    assert_eq!(listed, ["empty", "log", "marks", "open"], "they take room, so they can be removed");
    assert_eq!(store.size(&named(1, "empty", 1)).expect("there"), 0);
    for job in listed {
        store.remove(&named(1, &job, 1)).expect("removed");
    }
    assert_eq!(store.list().expect("listed"), []);
    fs::remove_dir(&store.dir).expect("it is empty");
    assert!(matches!(store.list(), Err(LogError::Io { .. })));
}
