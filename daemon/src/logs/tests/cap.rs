//! The record of a cut is exact: across kills, and whatever the cap is when the daemon comes back.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::model::{Frame, any_frames, write};
use super::*;

fn output(frames: &[Frame]) -> Vec<u8> {
    let bytes = frames.iter().filter_map(|frame| match frame {
        Frame::Output { bytes, .. } => Some(bytes.as_slice()),
        Frame::Step { .. } | Frame::Notice { .. } => None,
    });
    bytes.collect::<Vec<_>>().concat()
}

fn cap() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![1 => Just(None), 2 => (0u64..200).prop_map(Some), 3 => (0u64..100_000).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_says_how_much_is_missing(frames in any_frames(), lives in proptest::collection::vec((cap(), 0usize..15), 1..5)) {
        let (_dir, store) = store();
        let mut sent = 0;
        let mut last = None;
        for (cap, more) in lives {
            // Each life of the daemon sees some frames more, and repeats what the one before had not stored.
            let store = LogStore::open(&store.dir).expect("a store").with_cap(cap);
            let mut writer = store.writer(&id()).expect("a writer");
            let position = writer.position();
            prop_assert!(position <= sent as u64);
            sent = frames.len().min(sent + more);
            write(&mut writer, &frames[..sent], position);
            last = Some(cap);
        }
        let store = LogStore::open(&store.dir).expect("a store").with_cap(last.flatten());
        let mut writer = store.writer(&id()).expect("a writer");
        let frames = &frames[..sent];
        let position = writer.position();
        write(&mut writer, frames, position);
        let sum = writer.output_sha256();
        let summary = writer.finish(9).expect("finished");
        prop_assert_eq!(writer.output_sha256(), sum.clone());
        let whole = output(frames);
        prop_assert_eq!(summary.output_bytes, whole.len() as u64);
        let kept = summary.output_bytes - summary.dropped_bytes;

        // The steps' bytes are the first ones, without a hole.
        let reader = store.reader(&id()).expect("a reader");
        let log = reader.bytes(0, usize::MAX).expect("read");
        let count = writer.files.marks.count().expect("counted");
        let marks = writer.files.marks.some(0, usize::try_from(count).expect("small")).expect("read");
        let mut stored = Vec::new();
        for mark in marks.iter().filter(|mark| mark.kind == marks::Kind::Output) {
            let from = usize::try_from(mark.offset).expect("small");
            stored.extend_from_slice(&log[from..from + usize::try_from(mark.length).expect("small")]);
        }
        prop_assert!(stored == whole[..usize::try_from(kept).expect("small")], "other bytes");
        let cut = format!("[windlass] output was cut after {kept} bytes: {} more are not in this log\n", summary.dropped_bytes);
        if summary.dropped_bytes > 0 {
            prop_assert_eq!(sum, None);
            prop_assert!(log.ends_with(cut.as_bytes()), "{}", String::from_utf8_lossy(&log[log.len().saturating_sub(100)..]));
        } else {
            prop_assert_eq!(sum, Some(hex::encode(Sha256::digest(&whole))));
        }
        let told = memchr::memmem::find_iter(&log, b"output was cut after").count();
        prop_assert_eq!(told, usize::from(summary.dropped_bytes > 0), "once at most");
    }
}

/// The last words and the end are one: neither a kill nor a full disk comes between them.
#[test]
fn killed_while_it_is_told_it_is_told_once_and_rightly() {
    let (_dir, store) = store();
    let store = store.with_cap(Some(10));
    let mut writer = store.writer(&id()).expect("a writer");
    writer.append(0, 1, &[b'x'; 30], 1).expect("appended");
    let before = writer.files.marks.count().expect("counted");
    let summary = writer.finish(2).expect("finished");
    drop(writer);
    let folder = store.folder(&id()).expect("a folder");
    let (log, marks) = (fs::read(folder.join("log")).expect("there"), fs::read(folder.join("marks")).expect("there"));
    let first = usize::try_from(before).expect("small") * 40;
    for length in first..marks.len() {
        fs::write(folder.join("log"), &log).expect("written");
        fs::write(folder.join("marks"), &marks[..length]).expect("written");
        let store = LogStore::open(&store.dir).expect("a store").with_cap(None);
        let mut writer = store.writer(&id()).expect("a writer");
        assert!(!writer.is_finished(), "{length}");
        assert_eq!((writer.summary().bytes, writer.summary().dropped_bytes), (10, 20), "{length}");
        assert_eq!(writer.finish(2).expect("finished"), summary, "{length}");
        // More may come between instead: it counts.
        fs::write(folder.join("marks"), &marks[..length]).expect("written");
        drop(writer);
        let store = LogStore::open(&store.dir).expect("a store").with_cap(None);
        let mut writer = store.writer(&id()).expect("a writer");
        writer.append(0, 1, &[b'y'; 5], 2).expect("dropped");
        writer.finish(3).expect("finished");
        let (_, lines) = store.reader(&id()).expect("a reader").tail(5, 1_000).expect("read");
        assert_eq!(
            texts(&lines),
            ["xxxxxxxxxx", "[windlass] output was cut after 10 bytes: 25 more are not in this log"],
            "{length}"
        );
    }
}
