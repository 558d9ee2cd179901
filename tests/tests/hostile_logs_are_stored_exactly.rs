//! The stored log is the exact bytes that the steps wrote, whatever they are.

use sha2::{Digest as _, Sha256};
use windlass_tests::{Daemon, DaemonOptions, Repository};

/// Bytes that break terminals, parsers and line counters.
fn hostile() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"\x1b]0;title\x07\x1b[2J\x1b[?1049h\x1bPq#0\x1b\\ bombs\n");
    bytes.extend_from_slice(b"nul \0\0 nul\n\xff\xfe\xc3\x28 not utf-8\n\r\n\rprogress 1\rprogress 2\n");
    bytes.extend_from_slice("\u{202e}right to left\u{200b}\u{e0041}\n".as_bytes());
    bytes.extend((0..=255_u8).cycle().take(70_000));
    bytes.extend_from_slice(&b"\n".repeat(5_000));
    bytes.extend_from_slice(b"\x1b[38;5;".repeat(3_000).as_slice());
    bytes.extend_from_slice(b"no line feed at the end \xf0\x9f\x98"); // cut in the middle of a character
    bytes
}

#[track_caller]
fn holds_exactly(execute: &str, files: &[(&str, &[u8])], expected: &[u8]) {
    let spec = format!("execute:\n  - {execute}\n");
    let mut all: Vec<(&str, &[u8])> = vec![(".windlass.yml", spec.as_bytes())];
    all.extend(files);
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &all, "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let build = daemon.wait_finished(daemon.push(&repository, &commit));
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let job = build.only_job();
    let log = &job.attempt(1)["log"];
    let sha = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let raw = daemon.raw_log(&format!("{}/{}", build.number(), job.name()));
    assert_eq!((raw.len(), sha(&raw)), (expected.len(), sha(expected)), "windlass logs --raw");
    assert_eq!((&log["bytes"], &log["sha256"]), (&expected.len().into(), &sha(expected).into()), "what show says");
    let feeds = expected.iter().filter(|byte| **byte == b'\n').count();
    let open = usize::from(expected.last().is_some_and(|last| *last != b'\n'));
    assert_eq!(log["lines"], feeds + open);
    let served = daemon.get(&format!("/builds/{}/jobs/{}/log", build.number(), job.name()));
    assert_eq!((served.body.len(), sha(&served.body)), (expected.len(), sha(expected)), "over HTTP");
}

#[test]
fn bytes_of_every_kind() {
    let bytes = hostile();
    holds_exactly("cat hostile.bin", &[("hostile.bin", &bytes)], &bytes);
}

#[test]
fn a_line_of_twenty_megabytes() {
    let expected = vec![b'x'; 20_000_000];
    holds_exactly("head -c 20000000 /dev/zero | tr '\\0' x", &[], &expected);
}

#[test]
fn a_hundred_thousand_lines() {
    let expected: Vec<u8> = (1..=100_000).flat_map(|n: u32| format!("{n}\n").into_bytes()).collect();
    holds_exactly("seq 1 100000", &[], &expected);
}

#[test]
fn nothing_at_all() {
    holds_exactly("true", &[], b"");
}
