//! How fast logs are written, read and searched: `cargo bench -p windlass-daemon --bench logs`. On real files, which the
//! page cache holds. The measure: append and search >= 1 GB/s, any 100 lines of 10 million in <= 2 ms, also of a compressed log.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use windlass_daemon::logs::{LogReader, LogStore, Pattern, Search};
use windlass_protocol::id::AttemptId;

const LINES: u64 = 10_000_000;

fn id(attempt: u32) -> AttemptId {
    AttemptId { build: 1, job: "bench".to_owned(), attempt }
}

fn store() -> (TempDir, LogStore) {
    let dir = TempDir::new().expect("a temporary folder");
    let store = LogStore::open(dir.path()).expect("a store").with_cap(None);
    (dir, store)
}

/// Lines of 100 bytes, as tests print them.
fn text(bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 100);
    let mut number = 0;
    while text.len() < bytes {
        let start = text.len();
        write!(text, "test module::case_{number} ... ok in {} ms", number % 977).expect("a String");
        let fill = 99 - (text.len() - start);
        text.extend(std::iter::repeat_n('.', fill));
        text.push('\n');
        number += 1;
    }
    text.truncate(bytes);
    text.into_bytes()
}

fn append(c: &mut Criterion) {
    let all = text(100_000_000);
    let mut group = c.benchmark_group("append 100 MB");
    group.sample_size(10).throughput(Throughput::Bytes(all.len() as u64));
    for chunk in [64 << 10, 256 << 10] {
        let (_dir, store) = store();
        group.bench_function(format!("chunks of {} KiB", chunk >> 10), |b| {
            b.iter_batched(
                || {
                    let _ = store.remove(&id(1));
                    store.writer(&id(1)).expect("a writer")
                },
                |mut writer| {
                    for (position, chunk) in (1..).zip(all.chunks(chunk)) {
                        let at = i64::try_from(position).expect("small");
                        writer.append(0, at, chunk, position).expect("appended");
                    }
                    writer // dropped outside of the measurement
                },
                BatchSize::PerIteration,
            );
        });
    }
    // What of it is the checksum, and what is the least that writing a file costs here.
    group.bench_function("sha256 alone", |b| b.iter(|| Sha256::digest(black_box(&all))));
    let dir = TempDir::new().expect("a temporary folder");
    let path = dir.path().join("plain");
    group.bench_function("plain file alone, 256 KiB", |b| {
        b.iter_batched(
            || {
                let _ = std::fs::remove_file(&path);
                std::fs::File::create(&path).expect("a file")
            },
            |mut file| {
                for chunk in all.chunks(256 << 10) {
                    std::io::Write::write_all(&mut file, chunk).expect("written");
                }
                file
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    let mut group = c.benchmark_group("append 1 MB");
    group.sample_size(20).throughput(Throughput::Bytes(1_000_000));
    let (_dir, store) = store();
    group.bench_function("line by line", |b| {
        b.iter_batched(
            || {
                let _ = store.remove(&id(1));
                store.writer(&id(1)).expect("a writer")
            },
            |mut writer| {
                for (position, line) in (1..).zip(all[..1_000_000].chunks(100)) {
                    writer.append(0, i64::try_from(position).expect("small"), line, position).expect("appended");
                }
                writer
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn read_and_search(c: &mut Criterion) {
    let (_dir, store) = store();
    let mut writer = store.writer(&id(1)).expect("a writer");
    let some = text(10_000_000);
    for part in 0..LINES * 100 / some.len() as u64 {
        for (number, chunk) in (1..).zip(some.chunks(64 << 10)) {
            let position = part * 1_000 + number;
            writer.append(0, i64::try_from(position).expect("small"), chunk, position).expect("appended");
        }
    }
    writer.append(0, 0, b"the needle\n", u64::MAX).expect("appended");
    writer.finish(0).expect("finished");
    drop(writer);

    read(c, &store, "10 million lines");
    search(c, &store.reader(&id(1)).expect("a reader"), "search 1 GB");
    let (plain, start) = (store.size(&id(1)).expect("a size"), Instant::now());
    assert!(store.compress(&id(1)).expect("compressed"));
    #[expect(clippy::print_stdout, reason = "a bench prints what it measures")]
    {
        println!("compressed in {:?}: {plain} bytes to {}", start.elapsed(), store.size(&id(1)).expect("a size"));
    }
    read(c, &store, "10 million lines, compressed");
    search(c, &store.reader(&id(1)).expect("a reader"), "search 1 GB, compressed");
}

fn read(c: &mut Criterion, store: &LogStore, name: &str) {
    let mut group = c.benchmark_group(name);
    let mut place = 1u64;
    let mut anywhere = move || {
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (place >> 16) % (LINES - 100)
    };
    let reader = store.reader(&id(1)).expect("a reader");
    group.bench_function("any 100 lines", |b| {
        b.iter(|| {
            let lines = reader.lines(anywhere(), 100, usize::MAX).expect("read");
            assert_eq!(lines.len(), 100);
            lines
        });
    });
    group.bench_function("open and the last 100 lines", |b| {
        b.iter(|| store.reader(&id(1)).expect("a reader").tail(100, usize::MAX).expect("read"));
    });
    group.finish();
    let mut worst = Duration::ZERO;
    for _ in 0..20_000 {
        let start = Instant::now();
        black_box(reader.lines(anywhere(), 100, usize::MAX).expect("read"));
        worst = worst.max(start.elapsed());
    }
    #[expect(clippy::print_stdout, reason = "a bench prints what it measures")]
    {
        println!("slowest of 20,000 reads of 100 lines: {worst:?}");
    }
}

fn search(c: &mut Criterion, reader: &LogReader, name: &str) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(reader.head().bytes));
    let stop = AtomicBool::new(false);
    for text in ["needle", "Needle|needle", r"needle\d*$", "case_99999 ", r"panicked at .*:\d+"] {
        for backwards in [false, true] {
            let from = if backwards { u64::MAX } else { 0 };
            let search = Search { from, backwards, limit: 10_000, budget: u64::MAX, stop: &stop };
            let pattern = Pattern::new(text).expect("a pattern");
            let name = format!("{text}{}", if backwards { " backwards" } else { "" });
            group.bench_function(name, |b| b.iter(|| reader.search(&pattern, &search).expect("searched")));
        }
    }
    group.finish();
}

criterion_group!(benches, append, read_and_search);
criterion_main!(benches);
