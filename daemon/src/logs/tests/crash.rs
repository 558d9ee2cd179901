//! Killed at any moment, with any part of the files on the disk: after opening again, the log is as if nothing had been.

use std::fs::OpenOptions;

use proptest::prelude::*;

use super::model::{any_frames, write};
use super::*;

/// Cuts a file to a part of its length, and spoils the byte that is `torn` before the new end.
fn cut(store: &LogStore, file: &str, part: f64, torn: Option<usize>) {
    let path = store.folder(&id()).expect("a folder").join(file);
    let mut bytes = fs::read(&path).expect("there");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place"
    )]
    bytes.truncate((part * (bytes.len() + 1) as f64) as usize);
    if let Some(spoilt) = torn.and_then(|torn| bytes.iter_mut().rev().nth(torn)) {
        *spoilt ^= 0x55;
    }
    fs::write(path, bytes).expect("written");
}

/// Mostly whole, else anything.
fn part() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), 0.0f64..1.0, 0.9f64..1.0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_byte_is_lost_or_twice(
        frames in any_frames(),
        killed in 0.0f64..1.0,
        parts in (part(), part(), part()),
        torn in proptest::option::of(0usize..40),
        finished: bool,
        cap in prop_oneof![Just(None), (0u64..100_000).prop_map(Some)],
    ) {
        let (_dir, whole) = store();
        let whole = whole.with_cap(cap);
        let mut writer = whole.writer(&id()).expect("a writer");
        write(&mut writer, &frames, 0);
        let expected = writer.finish(9).expect("finished");
        let all = whole.reader(&id()).expect("a reader");

        let (_dir, store) = store();
        let store = store.with_cap(cap);
        let mut writer = store.writer(&id()).expect("a writer");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
        let sent = if finished { frames.len() } else { (killed * (frames.len() + 1) as f64) as usize };
        write(&mut writer, &frames[..sent], 0);
        if finished {
            writer.finish(9).expect("finished");
        }
        drop(writer);
        cut(&store, "log", parts.0, None);
        cut(&store, "index", parts.1, torn);
        cut(&store, "marks", parts.2, torn);

        let store = LogStore::open(&store.dir).expect("a store").with_cap(cap);
        let before = store.reader(&id()).expect("a reader before there is a writer");
        let head = before.head();
        prop_assert_eq!(before.lines(0, usize::MAX, usize::MAX).expect("read").len() as u64, head.lines);
        let mut writer = store.writer(&id()).expect("a writer");
        prop_assert!(writer.position() <= sent as u64);
        prop_assert_eq!(before.head(), head, "the reader had recovered it already");
        if !writer.is_finished() {
            let position = writer.position();
            write(&mut writer, &frames, position);
        }
        prop_assert_eq!(writer.finish(9).expect("finished"), expected);
        let reader = store.reader(&id()).expect("a reader");
        let (bytes, expected) = (reader.bytes(0, usize::MAX).expect("read"), all.bytes(0, usize::MAX).expect("read"));
        prop_assert!(bytes == expected, "other bytes");
        let (lines, expected) = (reader.lines(0, usize::MAX, usize::MAX), all.lines(0, usize::MAX, usize::MAX));
        prop_assert!(lines.expect("read") == expected.expect("read"), "other lines");
        prop_assert_eq!(reader.steps().expect("read"), all.steps().expect("read"));
    }
}

/// A disk that takes no bytes for one of the files, as when it is full.
#[test]
fn a_failed_append_did_not_happen_and_can_be_made_again() {
    for file in ["log", "index", "marks"] {
        let (_dir, store) = store();
        let mut writer = store.writer(&id()).expect("a writer");
        let reader = store.reader(&id()).expect("a reader");
        writer.append(0, 1, b"before\nopen", 1).expect("appended");
        let head = reader.head();
        let summary = writer.summary();

        let folder = store.folder(&id()).expect("a folder");
        let read_only = || OpenOptions::new().read(true).open(folder.join(file)).expect("opened");
        match file {
            "log" => writer.files.log = files::Bytes::Plain(read_only()),
            "index" => writer.files.index = records::Records::new(read_only()),
            _ => writer.files.marks = records::Records::new(read_only()),
        }
        let more = b"line\n".repeat(1000);
        for _ in 0..2 {
            let error = writer.append(1, 2, &more, 2).expect_err("nothing can be written");
            assert!(matches!(error, LogError::Io { .. }), "{error}");
            assert_eq!((writer.position(), writer.summary(), reader.head()), (1, summary.clone(), head), "{file}");
        }

        writer.files = Files::create(&folder).expect("opened");
        writer.append(1, 2, &more, 2).expect("there is room again");
        let summary = writer.finish(3).expect("finished");
        let all = [&b"before\nopen"[..], &more].concat();
        assert_eq!(reader.bytes(0, usize::MAX).expect("read"), all, "{file}");
        drop(writer);
        assert_eq!(store.writer(&id()).expect("a writer").summary(), summary, "{file}");
    }
}

#[test]
fn a_full_disk_is_told_apart() {
    let full = LogError::io("write", Path::new("x"), io::Error::from(io::ErrorKind::StorageFull));
    let other = LogError::io("write", Path::new("x"), io::Error::from(io::ErrorKind::PermissionDenied));
    assert!(full.is_full());
    assert!(!other.is_full());
}
