//! The client without a screen: a conversation over pipes, a line for each change.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;

use std::process::Stdio;
use std::time::Duration;

use fake::{Fake, NOW};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use windlass_protocol::live::Request;
use windlass_protocol::view::Outcome;

struct Talk {
    fake: Fake,
    child: Child,
    says: ChildStdin,
    hears: Lines<BufReader<ChildStdout>>,
    /// Everything that was heard, and what was said between.
    all: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Talk {
    fn start(story: impl FnOnce(&Fake)) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), story)
    }

    fn start_in(folder: tempfile::TempDir, story: impl FnOnce(&Fake)) -> Self {
        let socket = folder.path().join("s");
        let fake = Fake::start(&socket, NOW);
        story(&fake);
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(["--plain", "--connect", &format!("unix:{}", socket.display())]);
        command.env("HOME", folder.path()).env("XDG_STATE_HOME", folder.path()).env_remove("XDG_CONFIG_HOME");
        command.current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the client starts");
        let says = child.stdin.take().expect("a pipe");
        let hears = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { fake, child, says, hears, all: Vec::new(), _folder: folder }
    }

    async fn say(&mut self, words: &str) {
        self.all.push(format!("> {words}"));
        self.says.write_all(format!("{words}\n").as_bytes()).await.expect("it listens");
    }

    /// Listens until a line holds these words.
    async fn hear(&mut self, words: &str) {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(20), self.hears.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("never heard: {words} in\n{}", self.all.join("\n")));
            let line = line.expect("text").unwrap_or_else(|| panic!("it ended after\n{}", self.all.join("\n")));
            let heard = line.contains(words);
            self.all.push(line);
            if heard {
                return;
            }
        }
    }

    fn text(&self) -> String {
        let folder = self._folder.path().display().to_string();
        self.all.join("\n").replace(&folder, "FOLDER")
    }
}

fn story(fake: &Fake) {
    fake.change(|world| {
        let first = world.push("acme/app", "main", "Fix the parser", &[("test", &[], &["install", "pytest"])]);
        world.start_step(first, "test", 0);
        world.end_step(first, "test", 0, 0);
        world.start_step(first, "test", 1);
        world.write(first, "test", "one\n\x1b[31mtwo\x1b[0m \x1b]0;owned\x07\u{202e}\n");
        let second = world.push("octo/site", "main", "Publish", &[("build", &[], &["make"])]);
        world.job(second, "build").waiting_for = None;
    });
}

#[tokio::test]
async fn a_log_that_is_saved_after_a_switch_is_that_of_the_other_daemon() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let other = Fake::start(&folder.path().join("s2"), NOW);
    let failed = |fake: &Fake, words: &str| {
        fake.change(|world| {
            let number = world.push("acme/app", "main", words, &[("test", &[], &["pytest"])]);
            world.start_step(number, "test", 0);
            world.write(number, "test", format!("{words}\n"));
            world.end_step(number, "test", 0, 1);
            world.end_job(number, "test", Outcome::Failed, "no");
        });
    };
    failed(&other, "of the other");
    let config = folder.path().join(".config/windlass");
    std::fs::create_dir_all(&config).expect("made");
    let text = format!("[profiles.other]\nconnect = \"unix:{}\"\n", folder.path().join("s2").display());
    std::fs::write(config.join("client.toml"), text).expect("written");
    let mut talk = Talk::start_in(folder, |fake| failed(fake, "of the first"));
    talk.hear("of the first").await;
    talk.say("daemon other").await;
    talk.hear("of the other").await;
    talk.say("1/test").await;
    talk.hear("job test").await;
    talk.say("save").await;
    talk.hear("saved as windlass-1-test-1.log").await;
    let saved = std::fs::read_to_string(talk._folder.path().join("windlass-1-test-1.log")).expect("there");
    assert_eq!(saved, "of the other\n");
}

#[tokio::test]
async fn a_conversation() {
    let mut talk = Talk::start(story);
    talk.hear("1 of 2: build 2").await;
    talk.say("down").await;
    talk.hear("2 of 2: build 1").await;
    talk.say("into").await;
    talk.hear("running test: pytest").await;
    talk.say("log").await;
    talk.hear("log is no command here").await;
    talk.say("1/test").await;
    talk.hear("job test").await;
    talk.say("into").await;
    talk.hear("two").await;
    talk.fake.change(|world| world.write(1, "test", "three\n"));
    talk.hear("three").await;
    talk.say("first").await;
    talk.hear("step install").await;
    talk.say("down").await;
    talk.hear("step pytest").await;
    talk.say("down").await;
    talk.hear("line 1: one").await;
    talk.say("search tw").await;
    talk.hear("line 2: two").await;
    talk.say("search").await;
    talk.hear("say what for").await;
    talk.say("bookmarks").await;
    talk.hear("is no command here").await;
    talk.say("last").await;
    talk.hear("following the end").await;
    talk.say("cancel").await;
    talk.hear("2. Cancel").await;
    talk.say("yes").await;
    talk.hear("answer with a number").await;
    talk.say("2").await;
    talk.hear("being stopped").await;
    talk.fake.change(|world| world.end_job(1, "test", Outcome::Cancelled, "cancelled by you"));
    talk.hear("the end of the log").await;
    talk.say("view-1").await;
    talk.hear("2 of 2: build 1").await;
    talk.fake.change(|world| world.push("acme/app", "next", "A newer one", &[("test", &[], &["run"])]));
    talk.hear("build 3 came").await;
    talk.say("filter repo:octo").await;
    talk.hear("1 of 1: build 2").await;
    talk.say("ma").await;
    talk.hear("ma may mean").await;
    talk.say("").await;
    talk.hear("1 of 1: build 2").await;
    talk.say("quit").await;
    let status = tokio::time::timeout(Duration::from_secs(20), talk.child.wait()).await;
    assert_eq!(status.expect("it ends").expect("its status").code(), Some(0));
    assert!(
        !talk.text().contains(char::is_control) || talk.text().lines().all(|line| !line.contains(char::is_control))
    );
    insta::assert_snapshot!("conversation", talk.text());
    let mut cancelled = talk.fake.change(|world| world.asked.clone());
    cancelled.retain(|request| matches!(request, Request::Cancel { .. }));
    assert_eq!(cancelled, [Request::Cancel { build: 1, job: Some("test".to_owned()), force: false }]);
}

#[tokio::test]
async fn what_can_be_said_is_told_with_what_is_impossible_and_the_end_of_input_leaves() {
    let mut talk = Talk::start(story);
    talk.hear("1 of 2: build 2").await;
    talk.say("help").await;
    talk.hear("An empty line says again").await;
    insta::assert_snapshot!("help", talk.text());
    talk.fake.cut();
    talk.hear("! no daemon, trying again").await;
    talk.hear("connected again").await;
    drop(talk.says);
    let status = tokio::time::timeout(Duration::from_secs(20), talk.child.wait()).await;
    assert_eq!(status.expect("it ends").expect("its status").code(), Some(0));
}

#[tokio::test]
async fn repositories_and_nodes_are_read_out() {
    let mut talk = Talk::start(story);
    talk.hear("build 2").await;
    talk.say("view-4").await;
    talk.hear("acme/app, 0 of 0 passed").await;
    talk.say("view-5").await;
    talk.hear("build-1, 1 of 2 slots taken").await;
}

#[tokio::test]
async fn a_file_that_a_job_left_is_saved_where_one_is() {
    let whole = vec![7; 2_500_000];
    let mut talk = Talk::start(|fake| {
        story(fake);
        let files: [(&str, &[u8]); 3] =
            [("dist/app.whl", &whole), ("../../up", b"evil"), ("\u{1b}]0;evil\u{7}", b"evil")];
        fake.change(|world| world.left(1, "test", &files, &[]));
    });
    talk.hear("build 2").await;
    talk.say("1/test").await;
    talk.hear("job test").await;
    talk.say("artifacts").await;
    talk.hear("1 of 3: dist/app.whl, 2500 kB, of test").await;
    talk.say("save").await;
    let folder = talk._folder.path().to_owned();
    talk.hear(&format!("saved as {}/app.whl, 2500 kB", folder.display())).await;
    assert!(std::fs::read(folder.join("app.whl")).expect("there") == whole);
    talk.say("save").await;
    talk.hear("it was there already: ").await;
    std::fs::write(folder.join("app.whl"), b"mine").expect("written");
    talk.fake.change(|world| world.cut_after = Some(2));
    talk.say("into").await;
    talk.hear(&format!("saved as {}/app-2.whl, 2500 kB", folder.display())).await;
    assert!(std::fs::read(folder.join("app-2.whl")).expect("there") == whole);
    assert_eq!(std::fs::read(folder.join("app.whl")).expect("there"), b"mine");
    talk.say("down").await;
    talk.hear("2 of 3: ../../up").await;
    talk.say("save").await;
    talk.hear("../../up: its path leads out of the folder by ..").await;
    talk.say("down").await;
    talk.hear("3 of 3: , 4 B, of test").await;
    talk.say("filter whl").await;
    talk.hear("1 of 1: dist/app.whl").await;
    talk.fake.change(|world| world.artifacts.get_mut(&1).expect("files")[0].bytes[2_000_000] = 8);
    std::fs::remove_file(folder.join("app-2.whl")).expect("removed");
    talk.say("save").await;
    talk.hear("! dist/app.whl: its bytes have the SHA-256 ").await;
    let left: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().contains("app-2") || name.to_string_lossy().contains(".part")),
        "{left:?}"
    );
}
