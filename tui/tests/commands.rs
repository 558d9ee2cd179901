//! The scriptable commands, run as a script runs them: the real executable against a daemon over a real socket.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
mod stage;

use std::process::{Output, Stdio};
use std::time::Duration;

use fake::World;
use fake::annotations::warning;
use fake::cases::passed;
use stage::{Stage, finish, text, windlass};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use windlass_protocol::annotation::{AnnotationView, Level};
use windlass_protocol::cases::{CaseOutcome, CaseView};
use windlass_protocol::live::{Request, RetryWhat, Topic};
use windlass_protocol::view::Outcome;

#[tokio::test]
async fn builds_are_listed_and_filtered() {
    let stage = Stage::new();
    let empty = stage.run(&["builds"]).await;
    assert!(text(&empty.stdout).contains("no builds yet: point a GitHub webhook"), "{empty:?}");
    stage.failed();
    stage.running();
    let all = stage.run(&["builds"]).await;
    assert_eq!(all.status.code(), Some(0));
    assert_eq!(text(&all.stdout).lines().count(), 2);
    for (words, count) in [
        (&["repo:APP"][..], 2),
        (&["repo:site"], 0),
        (&["branch:mai", "status:failed"], 1),
        (&["status:running"], 1),
        (&["break", "author:GRA"], 1),
        (&["break", "author:nobody"], 0),
    ] {
        let found = stage.run(&[&["builds", "--json"], words].concat()).await;
        let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{words:?}: {found}");
    }
    let unclear = stage.run(&["builds", "status:fai"]).await;
    assert_eq!(unclear.status.code(), Some(2));
    assert!(text(&unclear.stderr).contains("status:fai is none of waiting"), "{unclear:?}");
    let json = stage.run(&["builds", "--outcome", "failed", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["outcome"], "failed");
    assert_eq!(json[0]["jobs"][0]["attempts"][0]["exit_code"], 3);
}

#[tokio::test]
async fn show_tells_what_failed_and_what_to_do() {
    let stage = Stage::new();
    let number = stage.failed();
    let shown = stage.run(&["show", &number.to_string()]).await;
    let shown = text(&shown.stdout);
    for part in ["Break it", "✗ failed", "pytest", "exit 3", "E  boom\u{fffd}", "last", "windlass retry 1"] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "{shown}");
}

#[tokio::test]
async fn a_log_in_a_pipe_is_the_exact_bytes() {
    let stage = Stage::new();
    let number = stage.failed();
    let log = stage.run(&["logs", &number.to_string()]).await;
    assert_eq!(log.stdout, b"installed\n\x1b[31mE  boom\x1b[0m\xff\x00\nlast");
    assert_eq!(log.status.code(), Some(0));
}

#[tokio::test]
async fn a_log_can_begin_at_a_step_and_be_narrowed_to_lines() {
    let stage = Stage::new();
    let number = stage.failed();
    let address = format!("{number}/test");
    let from_step: &[u8] = b"\x1b[31mE  boom\x1b[0m\xff\x00\nlast";
    let table: [(&[&str], &[u8]); 5] = [
        (&["--since-step", "pytest"], from_step),
        (&["--since-step", "2"], from_step),
        (&["--grep", "^e  BOOM"], b""),
        (&["--grep", "^e  boom"], b"\x1b[31mE  boom\x1b[0m\xff\x00\n"),
        (&["--since-step", "pytest", "--grep", "installed|last"], b"last"),
    ];
    for (args, expected) in table {
        let log = stage.run(&[&["logs", &address], args].concat()).await;
        assert_eq!((log.status.code(), log.stdout.as_slice()), (Some(0), expected), "{args:?}: {log:?}");
        assert_eq!(text(&log.stderr).contains("no line matches"), expected.is_empty(), "{log:?}");
    }
    let safe = stage.run(&["logs", &address, "--safe", "--grep", "boom"]).await;
    let safe = text(&safe.stdout);
    assert!(safe.contains("mE  boom\x1b[0m") && safe.contains('\u{fffd}') && !safe.contains('\0'), "{safe:?}");
    for (args, code, words) in
        [(["--since-step", "nope"], 6, "its steps: install, pytest"), (["--grep", "("], 2, "no regular expression")]
    {
        let refused = stage.run(&[&["logs", &address], &args[..]].concat()).await;
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
        assert!(text(&refused.stderr).contains(words), "{refused:?}");
    }
}

#[tokio::test]
async fn a_step_can_be_followed_before_it_begins() {
    let stage = Stage::new();
    let number = stage.fake.change(|world| {
        let number = world.push("acme/app", "main", "Later", &[("test", &[], &["install", "pytest"])]);
        world.start_step(number, "test", 0);
        world.write(number, "test", "installing\n");
        number
    });
    let args = ["logs", "-f", &format!("{number}/test"), "--since-step", "pytest"];
    let child = stage.command(&args).spawn().expect("the command starts");
    watched(&stage, number).await;
    stage.fake.change(|world| {
        world.end_step(number, "test", 0, 0);
        world.start_step(number, "test", 1);
        world.write(number, "test", "at last\n");
        world.end_job(number, "test", Outcome::Passed, "");
    });
    let output = ended(child).await;
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("at last\n", Some(0)));
}

#[tokio::test]
async fn completion_offers_what_the_daemon_has_and_nothing_that_a_shell_would_run() {
    let stage = Stage::new();
    let number = stage.failed();
    stage.fake.change(|world| {
        world.push("acme/app", "$(touch owned)", "Evil\x1b]0;x\x07\nevil", &[("test; rm -rf ~", &[], &["x"])]);
        world.push("acme/app", "fix/parser", "Mend", &[("lint", &[], &["x"])]);
    });
    let offered = |words: &'static [&'static str]| {
        let stage = &stage;
        async move {
            let output = stage.run(&[&["complete", "--"], words].concat()).await;
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{words:?}");
            text(&output.stdout)
        }
    };
    let first = |text: &str| text.lines().filter_map(|line| line.split('\t').next()).collect::<Vec<_>>().join(" ");
    let logs = offered(&["logs", ""]).await;
    assert_eq!(first(&logs), format!("3 2 {number}"));
    assert!(logs.contains("1\tacme/app main Break it") && !logs.contains('\x1b'), "{logs:?}");
    assert_eq!(first(&offered(&["logs", "-f", "1/"]).await), "1/test");
    assert_eq!(first(&offered(&["logs", "2/"]).await), "");
    assert_eq!(first(&offered(&["builds", "--branch", ""]).await), "fix/parser main");
    assert_eq!(first(&offered(&["builds", "branch:f"]).await), "branch:fix/parser");
    assert_eq!(first(&offered(&["builds", "status:ti"]).await), "status:timed_out");
    assert_eq!(first(&offered(&["wa"]).await), "watch");
    // Without a daemon there is silence, not an error in the middle of somebody's line.
    let nowhere = stage.folder.path().join("nowhere");
    let output = finish(windlass(&nowhere, stage.folder.path(), &["complete", "--", "logs", ""])).await;
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
}

#[tokio::test]
async fn bash_completes_over_a_colon() {
    let stage = Stage::new();
    stage.failed();
    let script = text(&stage.run(&["completions", "bash"]).await.stdout);
    let test = format!(
        "{script}\nCOMP_LINE='{0} builds branch:m' COMP_POINT=${{#COMP_LINE}}\nCOMP_POINT=${{#COMP_LINE}}\n\
         COMP_WORDS=({0} builds branch : m) COMP_CWORD=4\n_windlass\nprintf '%s|' \"${{COMPREPLY[@]}}\"\n",
        env!("CARGO_BIN_EXE_windlass")
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &test]).env("HOME", stage.folder.path());
    bash.env("WINDLASS_CONNECT", format!("unix:{}", stage.folder.path().join("s").display()));
    bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = finish(bash).await;
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("main|", ""));
}

#[tokio::test]
async fn a_followed_log_survives_cuts_without_losing_or_repeating_a_byte() {
    let stage = Stage::new();
    let number = stage.running();
    let mut child = stage.command(&["logs", "-f", &number.to_string()]).spawn().expect("the command starts");
    let mut expected = Vec::new();
    for round in 0..5 {
        let bytes = format!("round {round} {}\n", "x".repeat(3_000)).into_bytes();
        expected.extend_from_slice(&bytes);
        stage.fake.change(|world| world.write(number, "test", &bytes));
        let mut got = vec![0; bytes.len()];
        let out = child.stdout.as_mut().expect("a pipe");
        let read = tokio::time::timeout(Duration::from_secs(20), out.read_exact(&mut got)).await;
        read.expect("the bytes come").expect("the pipe is open");
        assert_eq!(got, bytes, "round {round}");
        stage.fake.cut();
        stage.fake.until("it comes back", |world| starts(world).len() == round + 2).await;
    }
    stage.fake.change(|world| world.end_job(number, "test", Outcome::Passed, ""));
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
    let output = output.expect("it ends with the log").expect("its status");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
    // Each time it asked for what it did not have.
    let each = expected.len() as u64 / 5;
    assert_eq!(stage.fake.change(|world| starts(world)), (0..=5).map(|round| round * each).collect::<Vec<_>>());
}

/// The bytes from which logs were asked for, in order.
fn starts(world: &World) -> Vec<u64> {
    let from = |(topic, _): &(Topic, _)| if let Topic::LogBytes { from, .. } = topic { Some(*from) } else { None };
    world.subscribed.iter().filter_map(from).collect()
}

#[tokio::test]
async fn a_log_can_be_followed_before_it_begins() {
    let stage = Stage::new();
    let number = stage.fake.change(|world| world.push("acme/app", "main", "Later", &[("test", &[], &["pytest"])]));
    let child = stage.command(&["logs", "-f", &number.to_string()]).spawn().expect("the command starts");
    watched(&stage, number).await;
    stage.fake.change(|world| {
        world.start_step(number, "test", 0);
        world.write(number, "test", "at last");
        world.end_job(number, "test", Outcome::Passed, "");
    });
    let output = ended(child).await;
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("at last", Some(0)));
}

#[tokio::test]
async fn watch_ends_with_the_outcome() {
    let table = [
        (Outcome::Passed, 0),
        (Outcome::Failed, 1),
        (Outcome::TimedOut, 1),
        (Outcome::OutOfMemory, 1),
        (Outcome::Cancelled, 3),
        (Outcome::Lost, 4),
        (Outcome::Broken, 4),
    ];
    let stage = Stage::new();
    for (outcome, code) in table {
        let number = stage.running();
        let child = stage.command(&["watch", &number.to_string()]).spawn().expect("the command starts");
        watched(&stage, number).await;
        stage.fake.change(|world| world.end_job(number, "test", outcome, "because"));
        let output = ended(child).await;
        assert_eq!(output.status.code(), Some(code), "{outcome}: {output:?}");
        assert!(text(&output.stdout).contains("test: pytest"), "{output:?}");
    }
    let json = stage.run(&["watch", "1", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one object");
    assert_eq!(json["outcome"], "passed");
}

#[tokio::test]
async fn watch_without_an_address_means_the_newest_that_has_not_ended() {
    let stage = Stage::new();
    stage.fake.change(|world| {
        let first = world.push("acme/app", "main", "Runs", &[("test", &[], &["run"])]);
        world.start_step(first, "test", 0);
        let second = world.push("acme/app", "main", "Ended", &[("test", &[], &["run"])]);
        world.end_job(second, "test", Outcome::Failed, "");
    });
    let child = stage.command(&["watch"]).spawn().expect("the command starts");
    watched(&stage, 1).await;
    stage.fake.change(|world| world.end_job(1, "test", Outcome::Passed, ""));
    let out = ended(child).await;
    assert_eq!(out.status.code(), Some(0));
    let out = stage.run(&["watch"]).await;
    assert_eq!(out.status.code(), Some(6));
    assert!(text(&out.stderr).contains("nothing runs and nothing waits"), "{}", text(&out.stderr));
}

async fn watched(stage: &Stage, number: u64) {
    let is = |(topic, _): &(Topic, Option<u64>)| *topic == Topic::Build { number };
    stage.fake.until("the subscription", |world| world.subscribed.iter().any(is)).await;
}

async fn ended(child: Child) -> Output {
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
    output.expect("the command ends").expect("its status")
}

#[tokio::test]
async fn retry_and_cancel_ask_for_what_was_typed() {
    let stage = Stage::new();
    let failed = stage.failed();
    let retried = stage.run(&["retry", &failed.to_string()]).await;
    assert_eq!((retried.status.code(), text(&retried.stdout).contains("1/test#2 will run")), (Some(0), true));
    stage.run(&["retry", "1", "--all"]).await;
    stage.run(&["retry", "1/test"]).await;
    let running = stage.running();
    let cancelled = stage.run(&["cancel", &format!("{running}/test"), "--force", "--json"]).await;
    assert_eq!(text(&cancelled.stdout), "{\"stopping\":[\"test\"],\"killing\":[\"test\"],\"cancelled\":[]}\n");
    let asked = stage.fake.change(|world| world.asked.clone());
    let job = || "test".to_owned();
    assert_eq!(
        asked,
        [
            Request::Retry { build: 1, what: RetryWhat::Failed, head: false },
            Request::Retry { build: 1, what: RetryWhat::Everything, head: false },
            Request::Retry { build: 1, what: RetryWhat::Job { job: job() }, head: false },
            Request::Cancel { build: running, job: Some(job()), force: true },
        ]
    );
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_said_once_with_what_to_do() {
    let stage = Stage::new();
    let nowhere = stage.folder.path().join("nowhere");
    let output = finish(windlass(&nowhere, stage.folder.path(), &["builds"])).await;
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        words.contains("there is no socket") && words.contains("nowhere") && words.contains("windlassd serve"),
        "{words}"
    );
}

#[tokio::test]
async fn wrong_words_and_refusals_have_codes_of_their_own() {
    let stage = Stage::new();
    stage.failed();
    let table: [(&[&str], i32, &str); 7] = [
        (&["show", "99"], 6, "there is no such build"),
        (&["cancel", "1"], 6, "ended already"),
        (&["logs", "1/nope"], 6, "its jobs: test"),
        (&["logs", "1/test#7"], 6, "no attempt 7"),
        (&["show", "latest"], 2, "write 42, 42/test or 42/test#2"),
        (&["retry", "1/test", "--all"], 2, "not with a job"),
        (&[], 2, "needs a terminal"),
    ];
    for (args, code, words) in table {
        let output = stage.run(args).await;
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(text(&output.stderr).contains(words), "{args:?}: {output:?}");
    }
}

#[tokio::test]
async fn a_program_gets_a_refusal_as_json_on_standard_error() {
    let stage = Stage::new();
    let output = stage.run(&["show", "99", "--json"]).await;
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(6), true));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(error["error"]["code"], "not_found");
    assert_eq!(error["error"]["message"], "there is no such build");
}

#[tokio::test]
async fn a_log_that_never_began_is_explained() {
    let stage = Stage::new();
    let number = stage.fake.change(|world| {
        let number = world.push("acme/app", "main", "Skip", &[("a", &[], &["x"]), ("b", &["a"], &["x"])]);
        world.end_job(number, "a", Outcome::Cancelled, "cancelled by you");
        world.end_job(number, "b", Outcome::Skipped, "needs a, which was cancelled");
        number
    });
    let table = [("a", "never began: cancelled: cancelled by you"), ("b", "never began: skipped: needs a")];
    for (job, words) in table {
        let output = stage.run(&["logs", &format!("{number}/{job}")]).await;
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(0), true), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{output:?}");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_fault() {
    let stage = Stage::new();
    let number = stage.running();
    let mut child = stage.command(&["logs", "-f", &number.to_string()]).spawn().expect("the command starts");
    drop(child.stdout.take());
    stage.fake.change(|world| world.write(number, "test", "anything\n"));
    let output = ended(child).await;
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[tokio::test]
async fn hostile_text_does_not_reach_the_terminal_as_it_is() {
    let stage = Stage::new();
    stage
        .fake
        .change(|world| world.push("acme/app", "a\u{202e}b", "\x1b]0;evil\x07t\u{200b}\nitle", &[("x", &[], &[])]));
    for args in [&["builds"][..], &["show", "1"], &["queue"]] {
        let output = text(&stage.run(args).await.stdout);
        assert!(!output.contains(['\x1b', '\x07', '\u{202e}', '\u{200b}']), "{args:?}: {output:?}");
    }
}

#[tokio::test]
async fn a_token_is_sent_over_tcp_and_a_refusal_is_explained() {
    let stage = Stage::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("ws://{}", listener.local_addr().expect("its address"));
    let token = stage.folder.path().join("token");
    std::fs::write(&token, "s3cret-token\n").expect("a file");
    let token = token.display().to_string();
    let child = stage.command(&["builds", "--connect", &address, "--token-file", &token]).spawn().expect("it starts");
    let (mut stream, _) = listener.accept().await.expect("it connects");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a whole request"));
    }
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await.expect("it listens");
    let request = text(&request).to_lowercase();
    assert!(request.starts_with("get /v1/live http/1.1"), "{request}");
    assert!(request.contains("authorization: bearer s3cret-token") && request.contains("windlass.v1"), "{request}");
    let output = ended(child).await;
    assert_eq!(output.status.code(), Some(6));
    let words = text(&output.stderr);
    assert!(words.contains("does not know this token (401)") && !words.contains("s3cret"), "{words}");
}

#[tokio::test]
async fn repositories_and_nodes_are_told() {
    let stage = Stage::new();
    stage.failed();
    stage.running();
    let output = stage.run(&["repositories"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let line = told.lines().find(|line| line.contains("acme/app")).expect("it is listed");
    assert!(line.contains("✗●") && line.contains("0/1"), "{told}");
    assert!(told.contains("octo/site") && told.contains("nothing was built yet"), "{told}");
    let output = stage.run(&["repositories", "--json"]).await;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((list[0]["name"].as_str(), list[0]["results"][0]["number"].as_u64()), (Some("acme/app"), Some(2)));
    let output = stage.run(&["nodes"]).await;
    let told = text(&output.stdout);
    assert!(told.contains("build-1: 1 of 2 slots taken; engine docker 28.4.0") && told.contains("2/test#1"), "{told}");
    let output = stage.run(&["nodes", "--json"]).await;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((list[0]["slots"].as_u64(), list[0]["jobs"][0]["id"]["build"].as_u64()), (Some(2), Some(2)));
}

#[tokio::test]
async fn tests_are_listed_and_failing_ones_stand_in_the_digest() {
    let stage = Stage::new();
    let number = stage.failed();
    let failed = CaseView {
        name: "drains\u{1b}[31m".to_owned(),
        outcome: CaseOutcome::Failed,
        message: Some("\n  still 3 litres \u{202e}\nmore".to_owned()),
        new: true,
        file: Some("pump.py".to_owned()),
        line: Some(7),
        failed_before: 2,
        ..passed("")
    };
    let flaky = CaseView { flaky: true, ..passed("spins") };
    let cases = vec![failed, flaky, passed("fills")];
    stage.fake.change(|world| world.tested(number, cases, &["slow.xml: left out: it ends in the middle (line 1)"]));

    let shown = text(&stage.run(&["show", &number.to_string()]).await.stdout);
    assert!(shown.contains("  tests: 1 failed (1 new), 1 flaky, 2 passed\n"), "{shown}");
    assert!(shown.contains("report slow.xml: left out"), "{shown}");
    let told = "tests.test_pump drains  12 ms  new  failed 2\u{d7} in the 10 before  (test#1)  pump.py:7\n";
    assert!(shown.contains(told), "{shown}");
    assert!(shown.contains("\n           still 3 litres"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}') && !shown.contains("more\n"), "{shown}");

    let all = text(&stage.run(&["tests", &number.to_string()]).await.stdout);
    assert!(all.contains("compared with build 40 of main"), "{all}");
    assert_eq!(all.matches("tests.test_pump").count(), 3, "{all}");
    let found = stage.run(&["tests", &number.to_string(), "--text", "PUMP spi", "--json"]).await;
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!((&found["total"], &found["cases"][0]["name"]), (&1.into(), &"spins".into()), "{found:#}");
    let few = text(&stage.run(&["tests", &number.to_string(), "-n", "1"]).await.stdout);
    assert!(few.ends_with("and 2 more: --limit 0 shows all\n"), "{few}");
    let both = stage.run(&["tests", &number.to_string(), "--failed", "--new"]).await;
    assert_eq!(both.status.code(), Some(2), "only one of them");
}

#[tokio::test]
async fn annotations_are_one_a_line_as_editors_read_them() {
    let stage = Stage::new();
    let number = stage.failed();
    let error = AnnotationView {
        level: Level::Error,
        column: Some(5),
        rule: Some("no\u{1b}[2J".to_owned()),
        ..warning("src/ma\nin.rs", 17, "never\n  ends \u{202e}")
    };
    let failed = AnnotationView { test: true, level: Level::Error, ..warning("pump.py", 7, "still 3 litres") };
    let nowhere = AnnotationView { path: None, line: None, ..warning("", 0, "no licence") };
    let mut all = vec![error, failed, nowhere];
    all.extend((0..9).map(|n| warning("a.rs", n + 1, "long line")));
    stage.fake.change(|world| world.annotated(number, all, 4, &["b.sarif: left out: the file is empty"]));

    let output = stage.run(&["annotations", &number.to_string()]).await;
    let told = text(&output.stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 12, "one a line: {told}");
    assert!(lines[0].starts_with("src/ma") && lines[0].contains("in.rs:17:5: error: never ends"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told}");
    assert_eq!(lines[1], "pump.py:7: error: still 3 litres");
    assert_eq!(lines[2], format!("{number}/test: warning: no licence"));
    assert_eq!(lines[3], "a.rs:1: warning: long line");
    let aside = text(&output.stderr);
    assert_eq!(aside, "windlass: test: b.sarif: left out: the file is empty\nwindlass: and 4 more\n");
    let errors = text(&stage.run(&["annotations", &number.to_string(), "--errors"]).await.stdout);
    assert_eq!(errors.lines().count(), 2, "{errors}");
    let few = stage.run(&["annotations", &number.to_string(), "-n", "3", "--json"]).await;
    let few: serde_json::Value = serde_json::from_slice(&few.stdout).expect("JSON");
    assert_eq!((few["annotations"].as_array().map(Vec::len), &few["total"]), (Some(3), &12.into()), "{few:#}");

    let shown = text(&stage.run(&["show", &number.to_string()]).await.stdout);
    assert!(shown.contains("  annotations: 2 errors, 14 warnings\n"), "{shown}");
    assert!(shown.contains("annotations: b.sarif: left out: the file is empty"), "{shown}");
    assert!(shown.contains("a.rs:8: warning: long line\nand more: windlass annotations"), "{shown}");
    assert!(!shown.contains("a.rs:9:") && !shown.contains("pump.py"), "ten, without the failing tests: {shown}");
    let whole = stage.run(&["show", &number.to_string(), "--json"]).await;
    let whole: serde_json::Value = serde_json::from_slice(&whole.stdout).expect("JSON");
    assert_eq!(whole["annotation_list"].as_array().map(Vec::len), Some(12));
}
