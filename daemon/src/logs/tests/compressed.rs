//! Compressed logs: the same answers as of plain ones, and at every moment of the change a whole log.

use std::fs::OpenOptions;
use std::io::Read;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::model::{Frame, any_frames, write};
use super::*;
use crate::logs::compress::{Begun, Compression};

static GO: AtomicBool = AtomicBool::new(false);

/// Begins to compress even a short log, in blocks of this size.
fn begun(store: &LogStore, block: usize) -> Box<Compression> {
    match store.begin_compression(&id(), 0).expect("begun") {
        Begun::Yes(mut compression) => {
            compression.block = block;
            compression
        }
        Begun::Already | Begun::No => panic!("nothing to compress"),
    }
}

/// The files of the log, sorted by name.
fn names(store: &LogStore) -> Vec<String> {
    let folder = fs::read_dir(store.folder(&id()).expect("a folder")).expect("a folder");
    let mut names: Vec<_> =
        folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

fn place(place: f64, length: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let place = (place * length as f64) as u64;
    place
}

/// What one reader and another say, of everything.
fn same(one: &LogReader, other: &LogReader, places: &[f64]) {
    let head = one.head();
    assert_eq!(head, other.head());
    let everything = (0, usize::MAX);
    assert!(one.bytes(0, usize::MAX).expect("read") == other.bytes(0, usize::MAX).expect("read"), "other bytes");
    let all = |reader: &LogReader| reader.lines(0, everything.1, usize::MAX).expect("read");
    assert!(all(one) == all(other), "other lines");
    assert_eq!(one.steps().expect("read"), other.steps().expect("read"));
    for part in places {
        let (line, byte) = (place(*part, head.lines + 1), place(*part, head.bytes + 1));
        let lines = |reader: &LogReader| reader.lines(line, 100, 10_000).expect("read");
        assert!(lines(one) == lines(other), "lines from {line} on");
        let tail = |reader: &LogReader| reader.tail(usize::try_from(line).expect("small"), 50_000).expect("read");
        assert!(tail(one) == tail(other), "the last {line} lines");
        let bytes = |reader: &LogReader| reader.bytes(byte, 5_000).expect("read");
        assert!(bytes(one) == bytes(other), "bytes from {byte} on");
        for (text, backwards) in [("error", false), ("error", true), ("x$|17", true), (r"^\s*$", false), ("", true)] {
            let pattern = Pattern::new(text).expect("a pattern");
            for budget in [u64::MAX, 2_000] {
                let search = Search { from: line, backwards, limit: 300, budget, stop: &GO };
                let found = |reader: &LogReader| reader.search(&pattern, &search).expect("searched");
                assert!(found(one) == found(other), "{text:?} from {line}, backwards: {backwards}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn answers_as_the_plain_log_does(
        frames in any_frames(),
        block in prop_oneof![1usize..50, 500usize..5_000, Just(64 << 10), Just(256 << 10)],
        places in proptest::collection::vec(0.0f64..1.0, 6),
    ) {
        let (_dir, store) = store();
        let mut writer = store.writer(&id()).expect("a writer");
        write(&mut writer, &frames, 0);
        let (summary, sum) = (writer.finish(9).expect("finished"), writer.output_sha256());
        drop(writer);
        prop_assume!(summary.bytes > 0);
        // Tiny blocks of a huge log only cost time.
        let block = block.max(usize::try_from(summary.bytes / 2_000).expect("small"));
        let plain = store.reader(&id()).expect("a reader of the plain form");
        prop_assert!(begun(&store, block).run().expect("compressed"));
        prop_assert_eq!(names(&store), ["index", "log.zst", "marks"]);
        let packed = store.reader(&id()).expect("a reader");
        same(&plain, &packed, &places);
        drop((plain, packed));

        // A daemon that knows nothing of it; also one that wants to write it.
        let again = LogStore::open(&store.dir).expect("a store");
        let reader = again.reader(&id()).expect("a reader");
        let mut writer = again.writer(&id()).expect("a writer");
        prop_assert!(writer.is_finished());
        prop_assert_eq!(writer.output_sha256(), sum);
        prop_assert_eq!(writer.finish(10).expect("finishing again is fine"), summary);
        let refused = writer.append(0, 1, b"x", 99).is_err();
        prop_assert!(refused);
        prop_assert_eq!(reader.head().finished, true);
    }

    #[test]
    fn a_spoilt_one_is_told_and_nothing_worse(
        lines in 300usize..3_000,
        at in 0.0f64..1.0,
        flip in 1u8..=255,
        cut: bool,
        lost_end in 0u64..60,
    ) {
        let (_dir, store) = store();
        let log: Vec<u8> = (0..lines).flat_map(|n| format!("line {n} says error {}\n", n * n).into_bytes()).collect();
        written(&store, &log);
        prop_assert!(begun(&store, 4_000).run().expect("compressed"));
        let path = store.folder(&id()).expect("a folder").join("log.zst");
        let mut bytes = fs::read(&path).expect("there");
        let at = usize::try_from(place(at, bytes.len() as u64)).expect("small");
        if cut {
            bytes.truncate(if at % 2 == 0 { at } else { bytes.len() - usize::try_from(lost_end).expect("small") });
        } else {
            bytes[at] ^= flip;
        }
        fs::write(&path, &bytes).expect("written");
        let store = LogStore::open(&store.dir).expect("a store");
        let pattern = Pattern::new("error").expect("a pattern");
        let search = Search { from: 0, backwards: false, limit: usize::MAX, budget: u64::MAX, stop: &GO };
        let read = |reader: LogReader| {
            let found = reader.search(&pattern, &search)?;
            assert_eq!(found.lines.len(), lines);
            assert_eq!(reader.tail(5, 1_000)?.0, lines as u64 - 5);
            reader.lines(lines as u64 / 2, 100, 10_000)?;
            reader.bytes(0, usize::MAX)
        };
        match store.reader(&id()).and_then(read) {
            Ok(read) => prop_assert!(read == log, "other bytes, and nobody said so"),
            Err(LogError::Damaged { .. }) => {
                let _ = store.writer(&id()).map(|writer| writer.summary()); // whatever it says, it ends
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

#[test]
fn hostile_logs() {
    let giant = [b"first\n".as_slice(), &vec![b'x'; 6 << 20], b"needle\n", &vec![0; 700_000], b"\nlast"].concat();
    let noise: Vec<u8> = (0u32..900_000).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for log in [giant, noise, b"\n".repeat(1_000_000), b"\0".repeat(600_000), b"\r\n\xff\xfe\0".repeat(100_000)] {
        let (_dir, store) = store();
        written(&store, &log);
        let plain = store.reader(&id()).expect("a reader");
        assert!(store.compress(&id()).expect("compressed"));
        assert!(store.compress(&id()).expect("compressed already"));
        let packed = store.reader(&id()).expect("a reader");
        same(&plain, &packed, &[0.0, 0.3, 0.999]);
        assert!(packed.bytes(0, usize::MAX).expect("read") == log, "other bytes");
    }
}

#[test]
fn short_unfinished_and_missing_ones_stay_as_they_are() {
    let (_dir, store) = store();
    assert!(matches!(store.compress(&id()), Err(LogError::Missing { .. })));
    let mut writer = store.writer(&id()).expect("a writer");
    writer.append(0, 1, &[b'x'; 10_000], 1).expect("appended");
    assert!(matches!(store.compress(&id()), Err(LogError::Busy { .. })));
    drop(writer);
    assert!(!store.compress(&id()).expect("nothing done"), "it is not finished");
    store.remove(&id()).expect("removed");
    written(&store, &[b'x'; 4_095]);
    assert!(!store.compress(&id()).expect("nothing done"), "it is short");
    assert_eq!(names(&store), ["index", "log", "marks"]);
    store.remove(&id()).expect("removed");
    written(&store, b"");
    assert!(!store.compress(&id()).expect("nothing done"), "it is empty");
}

/// Each state that a kill can leave on the disk, and some that it cannot.
#[test]
fn killed_at_any_moment_the_log_is_whole() {
    let log = b"some line of a log\n".repeat(1_000);
    let (_dir, store) = store();
    written(&store, &log);
    let folder = store.folder(&id()).expect("a folder");
    let plain = store.reader(&id()).expect("a reader");
    assert!(begun(&store, 1_000).run().expect("compressed"));
    let zst = fs::read(folder.join("log.zst")).expect("there");
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let states: [(&str, Files<'_>); 9] = [
        ("just begun", &[("log", &log), ("log.zst.new", b"")]),
        ("half written", &[("log", &log), ("log.zst.new", &zst[..zst.len() / 2])]),
        ("written", &[("log", &log), ("log.zst.new", &zst)]),
        ("renamed", &[("log", &log), ("log.zst", &zst)]),
        ("renamed, and lost by the disk", &[("log", &log), ("log.zst", &zst[..100])]),
        ("an older try beside it", &[("log", &log), ("log.zst", b"what?"), ("log.zst.new", b"")]),
        ("done", &[("log.zst", &zst)]),
        ("done, with rubbish beside it", &[("log.zst", &zst), ("log.zst.new", b"rubbish")]),
        ("not begun", &[("log", &log)]),
    ];
    for (state, files) in states {
        for by_writer in [false, true] {
            for name in ["log", "log.zst", "log.zst.new"] {
                let _ = fs::remove_file(folder.join(name));
            }
            for (name, bytes) in files {
                fs::write(folder.join(name), bytes).expect("written");
            }
            let store = LogStore::open(&store.dir).expect("a store");
            let form = if files.iter().any(|(name, _)| *name == "log") { "log" } else { "log.zst" };
            if by_writer {
                assert!(store.writer(&id()).expect("a writer").is_finished(), "{state}");
            } else {
                same(&plain, &store.reader(&id()).expect("a reader"), &[0.5]);
            }
            assert_eq!(names(&store), ["index", form, "marks"], "{state}");
            assert!(store.compress(&id()).expect("compressed"), "{state}");
            assert_eq!(names(&store), ["index", "log.zst", "marks"], "{state}");
            same(&plain, &store.reader(&id()).expect("a reader"), &[0.5]);
        }
    }
}

#[test]
fn a_full_disk_leaves_the_plain_log() {
    let (_dir, store) = store();
    let log = b"line\n".repeat(10_000);
    written(&store, &log);
    let mut compression = begun(&store, 1_000);
    compression.new = OpenOptions::new().write(true).open("/dev/full").expect("opened");
    let error = compression.run().expect_err("no room");
    assert!(error.is_full(), "{error:?}");
    assert_eq!(names(&store), ["index", "log", "marks"]);
    assert!(store.reader(&id()).expect("a reader").bytes(0, usize::MAX).expect("read") == log, "other bytes");
    assert!(store.compress(&id()).expect("there is room again"));
}

#[test]
fn whoever_changes_the_files_meanwhile_goes_first() {
    let (_dir, store) = store();
    let log = b"line\n".repeat(2_000);
    let summary = written(&store, &log);

    let first = begun(&store, 1_000);
    assert!(!store.compress(&id()).expect("nothing done"), "one at a time");
    drop(store.reader(&id()).expect("a reader"));
    assert_eq!(names(&store), ["index", "log", "log.zst.new", "marks"], "a reader takes nothing away from it");
    let writer = store.writer(&id()).expect("a writer");
    assert!(!first.run().expect("given up"));
    assert_eq!(writer.summary(), summary);
    assert_eq!(names(&store), ["index", "log", "marks"]);
    drop(writer);

    let second = begun(&store, 1_000);
    drop(store.writer(&id()).expect("a writer"));
    let third = begun(&store, 1_000);
    assert!(!second.run().expect("given up"), "the turn is another's");
    assert!(third.run().expect("compressed"));
    assert!(store.reader(&id()).expect("a reader").bytes(0, usize::MAX).expect("read") == log, "other bytes");

    store.remove(&id()).expect("removed");
    written(&store, &log);
    let fourth = begun(&store, 1_000);
    store.remove(&id()).expect("removed");
    assert!(!fourth.run().expect("given up"));
    assert!(!store.dir.join("42").exists(), "nothing is left of it");
}

#[test]
fn marks_that_do_not_fit_are_damage_and_an_index_is_made_anew() {
    let (_dir, store) = store();
    let log = b"line\n".repeat(2_000);
    written(&store, &log);
    assert!(store.compress(&id()).expect("compressed"));
    let folder = store.folder(&id()).expect("a folder");
    let again = || LogStore::open(&store.dir).expect("a store");

    fs::write(folder.join("index"), [0xff; 16]).expect("written");
    let reader = again().reader(&id()).expect("a reader");
    let last = &reader.lines(1_999, 1, 100).expect("read")[0];
    assert_eq!((reader.head().lines, last.bytes.as_slice()), (2_000, b"line".as_slice()));

    let marks = fs::read(folder.join("marks")).expect("there");
    fs::write(folder.join("marks"), &marks[..marks.len() - 40]).expect("written");
    assert!(matches!(again().reader(&id()), Err(LogError::Damaged { .. })));
    assert!(matches!(again().writer(&id()), Err(LogError::Damaged { .. })));
    fs::write(folder.join("marks"), &marks).expect("written");
    assert!(
        again().reader(&id()).expect("a reader").bytes(0, usize::MAX).expect("read") == log,
        "nothing was lost by it"
    );
}

#[test]
fn any_zstd_can_read_it() {
    let (_dir, store) = store();
    let log = b"some line of a log\n".repeat(50_000);
    let summary = written(&store, &log);
    assert!(store.compress(&id()).expect("compressed"));
    let file = fs::File::open(store.folder(&id()).expect("a folder").join("log.zst")).expect("opened");
    let mut out = Vec::new();
    zstd::Decoder::new(file).expect("a decoder").read_to_end(&mut out).expect("decompressed");
    assert_eq!(hex::encode(Sha256::digest(&out)), summary.sha256);
}

/// As a job under a wrong cap does: the sum is of the steps' own bytes, whatever is said between them.
#[test]
fn the_sum_is_of_what_steps_wrote() {
    let (_dir, store) = store();
    let mut writer = store.writer(&id()).expect("a writer");
    let frames: Vec<Frame> = (0..140_000)
        .map(|n| match n % 4 {
            1 => Frame::Notice { at: n, text: "said".to_owned() },
            3 => Frame::Step { step: 1, at: n },
            _ => Frame::Output { step: u16::from(n % 8 == 0), at: n, bytes: b"x".to_vec() },
        })
        .collect();
    write(&mut writer, &frames, 0);
    let sum = hex::encode(Sha256::digest(b"x".repeat(70_000)));
    assert_eq!(writer.output_sha256(), Some(sum.clone()));
    let (summary, position) = (writer.summary(), writer.position());
    assert_eq!(summary.output_bytes, 70_000);
    let marks = fs::metadata(store.folder(&id()).expect("a folder").join("marks")).expect("there").len() / 40;
    assert!(marks <= 2 * (64 << 10) + summary.bytes / 64 + 3, "{marks}");
    drop(writer);
    let writer = LogStore::open(&store.dir).expect("a store").writer(&id()).expect("a writer");
    assert_eq!((writer.output_sha256(), writer.summary(), writer.position()), (Some(sum), summary, position));
}
