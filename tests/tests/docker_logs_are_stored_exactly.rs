//! What a step in a container wrote is what is stored and what a follower saw, byte for byte, whichever way frames take,
//! also when the daemon is killed meanwhile.

use sha2::{Digest as _, Sha256};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, ServerMessage, Topic};
use windlass_protocol::log::LogFrame;
use windlass_tests::live::{Live, Told};
use windlass_tests::{Daemon, DaemonOptions, LONG, Repository, image};

/// Shell lines, and what they write.
fn steps() -> (String, Vec<u8>) {
    let mut expected = Vec::new();
    let mut lines = String::new();
    let mut step = |line: &str, bytes: &[u8]| {
        lines += &format!("      - {}\n", serde_json::json!(line));
        expected.extend_from_slice(bytes);
    };
    let numbers: Vec<u8> = (1..=60_000).flat_map(|n: u32| format!("{n}\n").into_bytes()).collect();
    step("seq 1 60000", &numbers);
    step("head -c 3000000 /dev/zero | tr '\\0' x; echo", &[&vec![b'x'; 3_000_000][..], b"\n"].concat());
    step("printf 'nul \\0 and \\377\\376 and \\033[2J no feed'", b"nul \0 and \xff\xfe and \x1b[2J no feed");
    let single: Vec<u8> = (0..400).flat_map(|n: u32| format!("{}", n % 10).into_bytes()).collect();
    step("i=0; while [ $i -lt 400 ]; do printf $((i % 10)); i=$((i + 1)); done", &single);
    let both: Vec<u8> = (0..300).flat_map(|n: u32| format!("out {n}\nerr {n}\n").into_bytes()).collect();
    step("i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done", &both);
    step("sleep 1; head -c 100000 /dev/zero", &[0; 100_000]);
    (lines, expected)
}

/// Reads the log's bytes from `seen.len()` on; `true` when it is finished.
fn follow(daemon: &Daemon, log: &AttemptId, seen: &mut Vec<u8>) -> bool {
    let mut live = Live::unix(daemon);
    live.hello();
    let topic = Topic::LogBytes { log: log.clone(), from: seen.len() as u64 };
    live.say(&ClientMessage::Subscribe { sub: 1, topic, after: None });
    loop {
        match live.next(LONG) {
            Some(Told::Log(LogFrame::Bytes { offset, bytes, .. })) => {
                assert_eq!(offset, seen.len() as u64, "in order, none left out, none twice");
                seen.extend_from_slice(&bytes);
            }
            Some(Told::Message(message)) => match *message {
                ServerMessage::LogHead { head, .. } if head.finished => return true,
                ServerMessage::Ended { .. } => return false,
                _ => {}
            },
            Some(Told::Log(_)) => {}
            Some(Told::Closed) => return false,
            None => panic!("nothing comes any more"),
        }
    }
}

#[track_caller]
fn exactly(frames: &str) {
    let (lines, expected) = steps();
    let spec = format!("jobs:\n  test:\n    image: {}\n    pull: never\n    execute:\n{lines}", image::busybox());
    let (repository, commit) = Repository::with_spec(&spec);
    let options = DaemonOptions::docker().with(&repository).set("engine", &format!("frames = {frames:?}"));
    let mut daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    let log = AttemptId { build: number, job: "test".to_owned(), attempt: 1 };
    let mut seen = Vec::new();
    for words in ["\n2000\n", "xxxxxxxx", "err 7\n"] {
        daemon.wait_log(&format!("{number}/test"), words);
        daemon.kill9();
        daemon.restart();
    }
    while !follow(&daemon, &log, &mut seen) {}
    let build = daemon.wait_finished(number);
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
    let raw = daemon.raw_log(&format!("{number}/test"));
    // Before the steps' bytes stand the daemon's own lines about the image.
    let own = raw.len() - expected.len();
    assert!(
        raw.ends_with(&expected),
        "{} bytes, {} expected after {:?}",
        raw.len(),
        expected.len(),
        &raw[..own.min(200)]
    );
    assert!(raw[..own].iter().all(|byte| byte.is_ascii_graphic() || b" \n".contains(byte)), "{:?}", &raw[..own]);
    let sum = hex::encode(Sha256::digest(&raw));
    assert_eq!(build.job("test").attempt(1)["log"]["sha256"], sum.as_str(), "the row's sum is that of the bytes");
    assert_eq!(hex::encode(Sha256::digest(&seen)), sum, "and of what was followed");
}

#[test]
fn docker_frames_by_file() {
    exactly("auto");
}

#[test]
fn docker_frames_over_standard_output() {
    exactly("stdout");
}
