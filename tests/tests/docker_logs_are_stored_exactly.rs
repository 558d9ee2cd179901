//! What a step in a container wrote is what is stored and what a follower saw, byte for byte, whichever way frames take,
//! also when the daemon is killed meanwhile.

use windlass_tests::follow::{Follower, sha256};
use windlass_tests::{Daemon, DaemonOptions, Repository, image};

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

#[track_caller]
fn exactly(frames: &str) {
    let (lines, expected) = steps();
    let spec = format!("jobs:\n  test:\n    image: {}\n    pull: never\n    execute:\n{lines}", image::busybox());
    let (repository, commit) = Repository::with_spec(&spec);
    let options = DaemonOptions::docker().with(&repository).set("engine", &format!("frames = {frames:?}"));
    let mut daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    let mut follower = Follower::new(number, "test");
    for words in ["\n2000\n", "xxxxxxxx", "err 7\n"] {
        daemon.wait_log(&format!("{number}/test"), words);
        follower.until_bytes(&daemon, follower.seen.len() + 1);
        daemon.kill9();
        daemon.restart();
    }
    follower.to_end(&daemon);
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
    let sum = sha256(&raw);
    assert_eq!(build.job("test").attempt(1)["log"]["sha256"], sum.as_str(), "the row's sum is that of the bytes");
    assert_eq!(sha256(&follower.seen), sum, "and of what was followed");
}

#[test]
fn docker_frames_by_file() {
    exactly("auto");
}

#[test]
fn docker_frames_over_standard_output() {
    exactly("stdout");
}
