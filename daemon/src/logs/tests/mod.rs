//! The log store on real files in a temporary folder: what is promised, case by case.

mod cap;
mod compressed;
mod crash;
mod hits;
mod listing;
mod model;
mod search;
mod view;

use std::fs;

use tempfile::TempDir;
use windlass_protocol::log::{LINE_CAP, LogLine};

use super::*;

fn store() -> (TempDir, LogStore) {
    let dir = TempDir::new().expect("a temporary folder");
    let store = LogStore::open(dir.path().join("logs")).expect("a store");
    (dir, store)
}

fn id() -> AttemptId {
    AttemptId { build: 42, job: "test".to_owned(), attempt: 1 }
}

/// A finished log of these bytes, by step 0 at time 1.
fn written(store: &LogStore, bytes: &[u8]) -> LogSummary {
    let mut writer = store.writer(&id()).expect("a writer");
    for (position, chunk) in (1..).zip(bytes.chunks(100_000)) {
        writer.append(0, 1, chunk, position).expect("appended");
    }
    writer.finish(2).expect("finished")
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect()
}

#[test]
fn names_that_are_no_folders_are_refused() {
    let (_dir, store) = store();
    let long = "x".repeat(65);
    for job in ["", ".", "..", "a/b", "a b", "ä", "a\0", long.as_str(), "../../etc"] {
        let id = AttemptId { build: 1, job: job.to_owned(), attempt: 1 };
        assert!(matches!(store.writer(&id), Err(LogError::BadName { .. })), "{job:?}");
        assert!(matches!(store.reader(&id), Err(LogError::BadName { .. })), "{job:?}");
        assert!(matches!(store.remove(&id), Err(LogError::BadName { .. })), "{job:?}");
    }
    for job in ["...", "a.b", "-", "A_9", &long[..64]] {
        let id = AttemptId { build: 1, job: job.to_owned(), attempt: 1 };
        assert!(store.writer(&id).is_ok(), "{job:?}");
    }
}

#[test]
fn an_empty_log() {
    let (_dir, store) = store();
    assert!(matches!(store.reader(&id()), Err(LogError::Missing { .. })));
    let summary = written(&store, b"");
    assert_eq!((summary.lines, summary.bytes, summary.output_bytes), (0, 0, 0));
    assert_eq!(summary.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let reader = store.reader(&id()).expect("a reader");
    assert_eq!(reader.head(), Head { lines: 0, bytes: 0, finished: true });
    assert_eq!(reader.lines(0, 10, 1000).expect("read"), []);
    assert_eq!(reader.tail(10, 1000).expect("read"), (0, vec![]));
    assert_eq!(reader.bytes(0, 10).expect("read"), b"");
    assert_eq!(reader.steps().expect("read"), []);
}

#[test]
fn bytes_are_kept_exactly() {
    let (_dir, store) = store();
    let bytes = b"one\r\n\0\xff\xfe\n\n\x1b[31mred\rlast";
    let summary = written(&store, bytes);
    assert_eq!((summary.lines, summary.bytes), (4, bytes.len() as u64));
    assert_eq!(summary.sha256, {
        use sha2::{Digest, Sha256};
        hex::encode(Sha256::digest(bytes))
    });
    let reader = store.reader(&id()).expect("a reader");
    assert_eq!(reader.bytes(0, 1000).expect("read"), bytes);
    assert_eq!(reader.bytes(3, 4).expect("read"), b"\r\n\0\xff");
    let lines = reader.lines(0, 10, 1000).expect("read");
    let expected: [&[u8]; 4] = [b"one\r", b"\0\xff\xfe", b"", b"\x1b[31mred\rlast"];
    assert_eq!(lines.iter().map(|line| line.bytes.as_slice()).collect::<Vec<_>>(), expected);
    assert!(lines.iter().all(|line| !line.open && line.step == 0 && line.at == 1), "a finished log has no open line");
}

#[test]
fn lines_know_step_and_time_and_whether_more_may_come() {
    let (_dir, store) = store();
    let mut writer = store.writer(&id()).expect("a writer");
    let reader = store.reader(&id()).expect("a reader of a log that grows");
    writer.notice(5, "pulling alpine").expect("said");
    writer.step_started(0, 10, 1).expect("started");
    writer.append(0, 11, b"a\nb", 2).expect("appended");
    writer.append(0, 12, b"b\nopen", 3).expect("appended");
    let seen = |line: &LogLine| (String::from_utf8_lossy(&line.bytes).into_owned(), line.step, line.at, line.open);
    let word = |text: &str, step, at, open| (text.to_owned(), step, at, open);
    let none = windlass_protocol::log::NO_STEP;
    assert_eq!(
        reader.lines(0, 10, 1000).expect("read").iter().map(seen).collect::<Vec<_>>(),
        [
            word("pulling alpine", none, 5, false),
            word("a", 0, 11, false),
            word("bb", 0, 11, false),
            word("open", 0, 12, true)
        ]
    );
    writer.runner_notice(13, "step 0 was killed", 4).expect("said");
    writer.step_started(1, 14, 5).expect("started");
    writer.step_started(2, 15, 6).expect("started");
    writer.append(2, 16, b"c\n", 7).expect("appended");
    assert_eq!(writer.position(), 7);
    assert_eq!(
        reader.lines(3, 10, 1000).expect("read").iter().map(seen).collect::<Vec<_>>(),
        [word("open", 0, 12, false), word("step 0 was killed", none, 13, false), word("c", 2, 16, false)]
    );
    let steps: Vec<_> = reader.steps().expect("read").iter().map(|s| (s.step, s.at, s.line, s.offset)).collect();
    assert_eq!(steps, [(0, 10, 1, 15), (1, 14, 5, 43), (2, 15, 5, 43)]);
    let summary = writer.finish(20).expect("finished");
    assert_eq!(summary.output_bytes, 11, "what steps wrote, without notices");
}

#[test]
fn a_giant_line_costs_nothing() {
    let (_dir, store) = store();
    let store = store.with_cap(None);
    let mut writer = store.writer(&id()).expect("a writer");
    writer.append(0, 1, b"first\n", 1).expect("appended");
    let chunk = vec![b'x'; 4 << 20];
    for n in 0..25 {
        writer.append(0, 2 + n, &chunk, 2).expect("appended");
    }
    let reader = store.reader(&id()).expect("a reader");
    let giant = 25 * (4 << 20);
    let line = &reader.lines(1, 5, 1 << 20).expect("read")[0];
    assert_eq!((line.raw_length, line.bytes.len(), line.open, line.at), (giant, LINE_CAP, true, 2));
    writer.append(0, 99, b"\nlast\n", 3).expect("appended");
    let lines = reader.lines(0, 5, 1 << 20).expect("read");
    assert_eq!(lines.iter().map(|line| line.raw_length).collect::<Vec<_>>(), [5, giant, 4]);
    assert_eq!((lines[2].at, lines[1].open), (99, false));
    assert_eq!(reader.tail(1, 100).expect("read").0, 2);
    let folder = store.folder(&id()).expect("a folder");
    assert_eq!(fs::metadata(folder.join("index")).expect("there").len(), 16);
}

#[test]
fn lines_at_the_edges_of_the_index() {
    // Lengths (with line feed) such that records fall on, before and behind 256 lines and 64 KiB.
    for length in [1usize, 2, 255, 256, 257, 1024, 65_535, 65_536, 65_537] {
        let (_dir, store) = store();
        let lines = (3 * 256).min(8 * 65_536 / length) + 2;
        let line = |number: usize| {
            let mut line = number.to_string().into_bytes();
            line.resize(length - 1, b'.');
            line.push(b'\n');
            line
        };
        written(&store, &(0..lines).flat_map(line).collect::<Vec<_>>());
        let reader = store.reader(&id()).expect("a reader");
        assert_eq!(reader.head().lines, lines as u64);
        for number in 0..lines {
            let read = reader.lines(number as u64, 1, usize::MAX).expect("read").remove(0);
            let whole = line(number);
            let expected = &whole[..length - 1];
            assert_eq!(read.raw_length, expected.len() as u64, "line {number} of {length} bytes");
            assert!(read.bytes == expected[..expected.len().min(LINE_CAP)], "line {number} of {length} bytes");
        }
    }
}

#[test]
fn windows_are_limited_by_bytes_but_never_empty() {
    let (_dir, store) = store();
    written(&store, &b"123456789\n".repeat(1000));
    let reader = store.reader(&id()).expect("a reader");
    assert_eq!(reader.lines(10, 100, 45).expect("read").len(), 5);
    assert_eq!(reader.lines(10, 100, 1).expect("read").len(), 1);
    assert_eq!(reader.lines(998, 100, 1000).expect("read").len(), 2);
    assert_eq!(reader.lines(1000, 100, 1000).expect("read").len(), 0);
    let (first, lines) = reader.tail(100, 45).expect("read");
    assert_eq!((first, lines.len()), (995, 5));
}

#[test]
fn what_is_beyond_the_cap_is_counted_and_told() {
    let (_dir, store) = store();
    let store = store.with_cap(Some(1000));
    let mut writer = store.writer(&id()).expect("a writer");
    for position in 1..=30 {
        writer.append(0, i64::try_from(position).expect("small"), &[b'x'; 99], position).expect("appended");
        writer.append(0, 0, b"\n", position).expect("appended");
    }
    writer.append(1, 50, &[b'y'; 500], 31).expect("appended");
    writer.notice(51, "the job was cancelled").expect("said");
    let summary = writer.finish(60).expect("finished");
    assert_eq!((summary.output_bytes, summary.dropped_bytes), (3500, 2500));
    let reader = store.reader(&id()).expect("a reader");
    let (first, lines) = reader.tail(3, 1000).expect("read");
    assert_eq!(first, 9);
    assert_eq!(
        texts(&lines[1..]),
        ["the job was cancelled", "[windlass] output was cut after 1000 bytes: 2500 more are not in this log"]
    );
    assert_eq!(writer.finish(61).expect("finishing again is fine"), summary);
    assert!(matches!(writer.append(0, 62, b"x", 99), Err(LogError::Finished { .. })));
    assert!(matches!(writer.notice(62, "x"), Err(LogError::Finished { .. })));
}

#[test]
fn a_job_that_floods_with_notices_fills_no_disk() {
    let (_dir, store) = store();
    let store = store.with_cap(Some(1000));
    let mut writer = store.writer(&id()).expect("a writer");
    let words = "word ".repeat(200);
    for position in 1..200 {
        writer.runner_notice(1, &words, position).expect("taken or dropped");
    }
    assert!(writer.summary().bytes <= 1000 + (64 << 10));
    writer.notice(2, "the daemon is heard all the same").expect("said");
    let (_, lines) = store.reader(&id()).expect("a reader").tail(1, 1000).expect("read");
    assert_eq!(texts(&lines), ["the daemon is heard all the same"]);
}

#[test]
fn a_job_that_writes_byte_by_byte_gets_no_mark_for_each() {
    let (_dir, store) = store();
    let mut writer = store.writer(&id()).expect("a writer");
    let bytes = 100_000;
    for position in 1..=bytes {
        let step = u16::try_from(position % 2).expect("0 or 1");
        writer.append(step, i64::try_from(position).expect("small"), b"x", position).expect("appended");
        writer.append(step, 0, b"", position).expect("appended");
        writer.step_started(step, 0, position).expect("started");
    }
    let marks = fs::metadata(store.folder(&id()).expect("a folder").join("marks")).expect("there").len() / 40;
    assert!(marks <= (64 << 10) + bytes / 64 + 2, "{marks}");
    drop(writer);
    let writer = store.writer(&id()).expect("a writer again");
    assert_eq!((writer.position(), writer.summary().bytes), (bytes, bytes));
}

#[test]
fn one_writer_at_a_time_and_none_for_what_is_removed() {
    let (_dir, store) = store();
    let writer = store.writer(&id()).expect("a writer");
    assert!(matches!(store.clone().writer(&id()), Err(LogError::Busy { .. })));
    assert!(matches!(store.remove(&id()), Err(LogError::Busy { .. })));
    let (reader, watch) = (store.reader(&id()).expect("a reader"), store.watch(&id()));
    drop(writer);
    drop(store.writer(&id()).expect("the first is gone"));
    let other = AttemptId { attempt: 2, ..id() };
    drop(store.writer(&other).expect("another"));
    assert!(!reader.head().finished);
    store.remove(&id()).expect("removed");
    assert!(watch.has_changed() && reader.head().finished, "whoever follows it is told");
    store.remove(&id()).expect("nothing to remove is fine");
    assert!(matches!(store.reader(&id()), Err(LogError::Missing { .. })));
    store.reader(&other).expect("the other is untouched");
    store.remove(&other).expect("removed");
    assert!(!store.dir.join("42").exists(), "empty folders go too");
    assert!(store.dir.exists());
}

/// Reading and waiting as a live reader does; the lines say their own numbers.
#[tokio::test]
async fn a_reader_follows_a_writer_without_losing_or_repeating_a_byte() {
    let (_dir, store) = store();
    let mut watch = store.watch(&id()); // before there is a log
    let writing = tokio::task::spawn_blocking({
        let store = store.clone();
        move || {
            let mut writer = store.writer(&id()).expect("a writer");
            let mut all = Vec::new();
            for n in 0..20_000u64 {
                let line = format!("{n}\n");
                all.extend_from_slice(line.as_bytes());
                writer.append(0, i64::try_from(n).expect("small"), line.as_bytes(), n + 1).expect("appended");
            }
            writer.finish(0).expect("finished");
            all
        }
    });
    let mut seen = Vec::new();
    loop {
        watch.mark_unchanged();
        let Ok(reader) = store.reader(&id()) else {
            watch.changed().await;
            continue;
        };
        let head = reader.head();
        let (first, lines) = reader.tail(3, 1000).expect("read");
        for (number, line) in (first..).zip(&lines) {
            assert_eq!(
                (line.bytes.clone(), line.at),
                (number.to_string().into_bytes(), i64::try_from(number).expect("small"))
            );
        }
        let more = reader.bytes(seen.len() as u64, 4096).expect("read");
        seen.extend_from_slice(&more);
        if more.is_empty() {
            if head.finished {
                break;
            }
            watch.changed().await;
        }
    }
    assert!(seen == writing.await.expect("the writer ends"), "other bytes");
    watch.mark_unchanged();
    assert!(!watch.has_changed(), "a finished log does not change");
}
