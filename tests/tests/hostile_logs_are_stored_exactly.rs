//! The stored log is the exact bytes that the steps wrote, whatever they are: stored, told, served and followed, also when
//! the daemon is killed meanwhile.

use windlass_tests::follow::{Follower, sha256};
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

/// A job of one step, of what it writes first and what it writes after the daemon was killed.
struct Story<'a> {
    /// `$meet` is where the job waits for the daemon's death in between, with `$hold`.
    execute: &'a str,
    files: &'a [(&'a str, &'a [u8])],
    expected: &'a [u8],
    /// Seen by a follower before the kill; 0: nobody is killed.
    before: usize,
}

#[track_caller]
fn holds_exactly(story: &Story<'_>) {
    let Story { execute, files, expected, before } = *story;
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let hold = format!("until [ -e {}/killed ]; do sleep 0.02; done", meet.display());
    let spec = serde_json::json!({ "execute": [execute.replace("$hold", &hold)] }).to_string();
    let mut all: Vec<(&str, &[u8])> = vec![(".windlass.yml", spec.as_bytes())];
    all.extend(files);
    let commit = repository.commit("main", &all, "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let name = daemon.build(number).only_job().name().to_owned();
    let mut follower = Follower::new(number, &name);
    if before > 0 {
        follower.until_bytes(&daemon, before);
        daemon.kill9();
        std::fs::write(meet.join("killed"), "").expect("a file");
        daemon.restart();
    }
    follower.to_end(&daemon);
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let job = build.only_job();
    assert_eq!(job.attempts().len(), 1, "{:#}", build.0);
    let log = &job.attempt(1)["log"];
    let whole = (expected.len(), sha256(expected));
    let raw = daemon.raw_log(&format!("{number}/{name}"));
    assert_eq!((raw.len(), sha256(&raw)), whole, "windlass logs --raw");
    assert_eq!((follower.seen.len(), sha256(&follower.seen)), whole, "what a follower saw");
    assert_eq!((&log["bytes"], &log["sha256"]), (&whole.0.into(), &whole.1.as_str().into()), "what show says");
    let feeds = expected.iter().filter(|byte| **byte == b'\n').count();
    let open = usize::from(expected.last().is_some_and(|last| *last != b'\n'));
    assert_eq!(log["lines"], feeds + open);
    let served = daemon.get(&format!("/builds/{number}/jobs/{name}/log"));
    assert_eq!((served.body.len(), sha256(&served.body)), whole, "over HTTP");
}

#[test]
fn bytes_of_every_kind() {
    let bytes = hostile();
    let execute = "cat hostile.bin; $hold; cat hostile.bin";
    let expected = [bytes.as_slice(), &bytes].concat();
    let before = bytes.len();
    holds_exactly(&Story { execute, files: &[("hostile.bin", &bytes)], expected: &expected, before });
}

#[test]
fn a_line_of_twenty_megabytes() {
    let expected = vec![b'x'; 20_000_000];
    let half = "head -c 10000000 /dev/zero | tr '\\0' x";
    let execute = format!("{half}; $hold; {half}");
    holds_exactly(&Story { execute: &execute, files: &[], expected: &expected, before: 4_000_000 });
}

#[test]
fn a_hundred_thousand_lines() {
    let expected: Vec<u8> = (1..=100_000).flat_map(|n: u32| format!("{n}\n").into_bytes()).collect();
    holds_exactly(&Story { execute: "seq 1 100000", files: &[], expected: &expected, before: 0 });
}

#[test]
fn byte_by_byte_without_a_line_feed_at_the_end() {
    let digits = |many: u32| (0..many).map(|n| b'0' + u8::try_from(n % 10).expect("a digit")).collect::<Vec<u8>>();
    let loop_of = |many: u32| format!("i=0; while [ $i -lt {many} ]; do printf $((i % 10)); i=$((i + 1)); done");
    let execute = format!("{}; $hold; {}", loop_of(3_000), loop_of(2_003));
    let expected = [digits(3_000), digits(2_003)].concat();
    holds_exactly(&Story { execute: &execute, files: &[], expected: &expected, before: 1_500 });
}

#[test]
fn both_streams_in_the_order_of_what_was_written() {
    let turns = |from: u32, to: u32| (from..to).map(|n| format!("out {n}\nerr {n}\n")).collect::<String>();
    let loop_to = |to: u32| format!("while [ $i -lt {to} ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done");
    let execute = format!("i=0; {}; $hold; {}", loop_to(1_000), loop_to(2_000));
    let expected = turns(0, 2_000).into_bytes();
    holds_exactly(&Story { execute: &execute, files: &[], expected: &expected, before: turns(0, 700).len() });
}

#[test]
fn nothing_but_nul() {
    let execute = "head -c 300000 /dev/zero; $hold; head -c 300001 /dev/zero";
    holds_exactly(&Story { execute, files: &[], expected: &[0; 600_001], before: 100_000 });
}

#[test]
fn nothing_at_all() {
    holds_exactly(&Story { execute: "true", files: &[], expected: b"", before: 0 });
}
