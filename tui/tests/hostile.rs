//! Hostile text wherever text comes from elsewhere, on every screen at every size and in every command: whatever the client
//! writes to its terminal is on one short list of sequences. None of them is a question, so nothing ever comes back that
//! would look like typed keys.

#[expect(dead_code, reason = "each test file uses a part of the fake daemon")]
mod fake;
#[expect(dead_code, reason = "each test file uses a part of the terminal")]
mod pty;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fake::annotations::warning;
use fake::cases::passed;
use fake::{Fake, NOW, World};
use pty::Client;
use windlass_protocol::annotation::{AnnotationView, Level};
use windlass_protocol::cases::{CaseOutcome, CaseView};
use windlass_protocol::live::RetryWhat;
use windlass_protocol::view::{Cancelling, DeliveryState, DeliveryView, Outcome, Pause, WaitingFor};

/// Sequences that do something to a terminal, and characters that lie about what stands there.
const HOSTILE: &str = "\u{202e}\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[6n\x1b[c\x1bP+q544e\x1b\\\x1b[2J\x1b[?1049l\x1b[?1003h\
                       \x1bc\x1bZ\x05\u{9b}5n\u{9d}0;x\u{9c}\u{200b}\u{feff}\u{e0041}\r\n\x08\x07\x0e\u{7f}end";

fn named(name: &str) -> String {
    format!("{name}{HOSTILE}")
}

/// A world in which every word is hostile.
fn hostile(world: &mut World) {
    let (job, step, behind) = (named("job"), named("step"), named("behind"));
    let jobs: &[(&str, &[&str], &[&str])] = &[(&job, &[], &[&step]), (&behind, &[&job], &[&step])];
    let push = |world: &mut World| {
        let number = world.push(&named("acme/r"), &named("branch"), &named("title"), jobs);
        let build = &mut world.builds.get_mut(&number).expect("it was made").build;
        build.author = named("author");
        number
    };
    let failed = push(world);
    for attempt in 0..2 {
        world.start_step(failed, &job, 0);
        for line in 0..50 {
            world.now.0 += 7;
            world.write(failed, &job, format!("line {line} {}\n", named("text")));
        }
        world.write(failed, &job, format!("took 0.{attempt} s\nerror: {}\n", named("wrong")));
        world.write(failed, &job, b"\xff\xfe\xc2\x9b6n \xf0\x9f\n\x1b[30;40mhidden\x1b[8mmore");
        world.write(failed, &job, "x".repeat(20_000));
        world.end_step(failed, &job, 0, 1);
        world.end_job(failed, &job, Outcome::Failed, &named("reason"));
        if attempt == 0 {
            world.retry(failed, &RetryWhat::Jobs { jobs: vec![job.clone()] }).expect("it ended");
            world.job(failed, &job).attempts[1].steps[0].name.clone_from(&step);
            world.job(failed, &job).attempts[1].because = Some(named("because"));
        }
    }
    world.end_job(failed, &behind, Outcome::Skipped, &named("needs"));
    for job in &mut world.builds.get_mut(&failed).expect("it was made").jobs {
        job.image = Some(named("image"));
        for attempt in &mut job.attempts {
            (attempt.node, attempt.engine) = (Some(named("node")), Some(named("engine")));
        }
    }
    world.builds.get_mut(&failed).expect("it was made").build.reason = Some(named("why"));
    let waiting = push(world);
    world.job(waiting, &job).waiting_for =
        Some(WaitingFor::EngineAway { engine: named("engine"), since: NOW, why: named("why") });
    let stopping = push(world);
    world.start_step(stopping, &job, 0);
    world.write(stopping, &job, named("up"));
    let cancelling = Cancelling { by: named("by"), since: NOW, kill_at: NOW, force: false };
    world.job(stopping, &job).attempts[0].cancelling = Some(cancelling);
    world.touch(stopping);
    for repository in [None, Some(named("acme/r"))] {
        world.pauses.push(Pause { repository, by: named("by"), since: NOW, reason: Some(named("pause")) });
    }
    for (state, builds) in [(DeliveryState::Ignored, Vec::new()), (DeliveryState::Accepted, vec![failed])] {
        world.deliveries.push(DeliveryView {
            delivery: named("delivery"),
            event: named("event"),
            action: Some(named("action")),
            repository: Some(named("acme/r")),
            received_at: NOW,
            state,
            reason: Some(named("ignored")),
            no_replay: builds.is_empty().then(|| named("gone")),
            builds,
        });
    }
    let case = |outcome| CaseView {
        job: named("job"),
        suite: named("suite"),
        file: Some(named("file")),
        line: Some(7),
        outcome,
        message: Some(format!("{}\n{}", named("message"), named("second"))),
        new: true,
        ..passed(&named("case"))
    };
    world.tested(failed, CaseOutcome::ALL.map(case).to_vec(), &[&named("trouble")]);
    let annotation = |level| AnnotationView {
        job: named("job"),
        level,
        column: Some(5),
        title: Some(named("title")),
        rule: Some(named("rule")),
        tool: Some(named("tool")),
        log_line: Some(2),
        ..warning(&named("path"), 17, &format!("{}\n{}", named("says"), named("second")))
    };
    world.annotated(failed, Level::ALL.map(annotation).to_vec(), 7, &[&named("trouble")]);
    (world.node, world.version, world.webhook) = (named("node"), named("0.1"), named("https://x"));
    world.listed = vec![named("acme/r")];
}

struct Stage {
    folder: tempfile::TempDir,
    fake: Arc<Fake>,
}

impl Stage {
    fn new(change: impl FnOnce(&mut World)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fake = Arc::new(Fake::start(&folder.path().join("s"), NOW));
        fake.change(change);
        Self { folder, fake }
    }

    async fn play(&self, story: impl FnOnce(&Path, &Fake) + Send + 'static) {
        let (socket, fake) = (self.folder.path().join("s"), Arc::clone(&self.fake));
        tokio::task::spawn_blocking(move || story(&socket, &fake)).await.expect("the story ends as told");
    }
}

const ESC: &[u8] = b"\x1b";

/// Keys, and what the screen then shows where it is large enough.
type Steps = &'static [(&'static [u8], &'static str)];

const LISTS: Steps = &[
    (b"", "title<U+202E>"),
    (b"w", "watched"),
    (b".", "command :"),
    (ESC, "3 builds"),
    (b":", "command :"),
    (ESC, "3 builds"),
    (b"?", "In lists"),
    (ESC, "3 builds"),
    (b"*", "marked"),
    (b"x", "Cancel"),
    (ESC, "3 builds"),
    (b"X", "Kill"),
    (ESC, "3 builds"),
    (b"R", "Retry 3 builds"),
    (ESC, "3 builds"),
    (b"r", "Retry 3 builds?"),
    (ESC, "3 builds"),
    (b"\\", "3 builds"),
    (b"/\x1b[200~t\x1b]0;x\x07\x1b[201~", "filter / t"),
    (ESC, "3 builds"),
    (b"2", "job<U+202E>"),
    (b".", "command :"),
    (ESC, "job<U+202E>"),
    (b"x", "job<U+202E>"),
    (ESC, "job<U+202E>"),
    (b"P", "esume"),
    (ESC, "job<U+202E>"),
    (b"y", "clipboard"),
    (b"3", "event<U+202E>"),
    (b"a", "gone<U+202E>"),
    (b"j", "event<U+202E>"),
    (b"a", "Replay delivery<U+202E>"),
    (ESC, "event<U+202E>"),
    (b"/zz", "filter / zz"),
    (ESC, "event<U+202E>"),
    (b"y", "clipboard"),
    (b"4", "acme/r<U+202E>"),
    (b"P", "esume"),
    (ESC, "acme/r<U+202E>"),
    (b"y", "clipboard"),
    (b"5", "node<U+202E>"),
    (b"j", "node<U+202E>"),
    (b"x", "job<U+202E>"),
    (ESC, "node<U+202E>"),
    (b"y", "clipboard"),
    (b"1", "3 builds"),
];

const PAGES: Steps = &[
    (b"G", "#1 title<U+202E>"),
    (b"\r", "whole build"),
    (b"D", "behind<U+202E>"),
    (b"l", "behind<U+202E>"),
    (b".", "command :"),
    (ESC, "behind<U+202E>"),
    (b"D", "whole build"),
    (b"T", "case<U+202E>"),
    (b"d", "message<U+202E>"),
    (b"d", "case<U+202E>"),
    (b"/ca\x1b[200~s\x1b]0;x\x07\x1b[201~", "filter / cas"),
    (ESC, "case<U+202E>"),
    (b"!", "case<U+202E>"),
    (b"!", "case<U+202E>"),
    (b"?", "tests"),
    (ESC, "case<U+202E>"),
    (b"T", "whole build"),
    (b"N", "rule<U+202E>"),
    (b"j", "rule<U+202E>"),
    (b"y", "clipboard"),
    (b"N", "whole build"),
    (b"gj", "job<U+202E>"),
    (b"d", "whole build"),
    (b"d", "whole build"),
    (b"R", "Retry"),
    (ESC, "whole build"),
    (b"y", "clipboard"),
    (b"\r", "error"),
    (b"g", "line 0 text<U+202E>"),
    (b"t", "text<U+202E>"),
    (b"t", "text<U+202E>"),
    (b"t", "text<U+202E>"),
    (b"w", "text<U+202E>"),
    (b"w", "text<U+202E>"),
    (b"/line\r", "1/50"),
    (b"n", "2/"),
    (b"/\x1b[200~\x1b]0;x\x07[\x1b[201~\r", "search"),
    (ESC, "text<U+202E>"),
    (b"&line 1\r", "& line 1"),
    (b"+", "& line 1"),
    (ESC, "text<U+202E>"),
    (b"!", "wrong<U+202E>"),
    (b"!", "text<U+202E>"),
    (b"Z", "folded"),
    (b"Z", "text<U+202E>"),
    (b"gjm", "text<U+202E>"),
    (b"\"", "command :"),
    (ESC, "text<U+202E>"),
    (b"vj", "text<U+202E>"),
    (b"y", "clipboard"),
    (b"Y", "clipboard"),
    (b"G", "xxx"),
    (b"\r", "xxx"),
    (b"b", "Beside this log"),
    (b"\r", "differ"),
    (b"g>", "differ"),
    (b"?", "In a log"),
    (ESC, "differ"),
    (b"b", "105 lines"),
];

fn go(client: &mut Client, steps: Steps, large: bool) {
    for (keys, words) in steps {
        client.type_keys(keys);
        // An Esc stands alone: with another key right behind it, it would be the Alt of that key.
        client.within(Duration::from_millis(if *keys == ESC { 40 } else { 5 }));
        if large {
            client.until_shown(words);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_every_screen_only_our_own_sequences_are_written() {
    for (rows, columns) in [(50, 200), (30, 110), (24, 80), (10, 40), (5, 20)] {
        let stage = Stage::new(hostile);
        stage
            .play(move |socket, fake| {
                let large = columns > 100;
                let mut client = Client::start(socket, rows, columns);
                client.until_still();
                go(&mut client, LISTS, large);
                go(&mut client, PAGES, large);
                // What others do, what is refused, and a daemon that does not come back.
                client.type_keys(b"q");
                client.within(Duration::from_millis(40));
                fake.change(|world| {
                    let cancelling = Cancelling { by: named("other"), since: NOW, kill_at: NOW, force: true };
                    world.start_step(2, &named("job"), 0);
                    world.job(2, &named("job")).attempts[0].cancelling = Some(cancelling);
                    world.touch(2);
                    (world.refuses, world.trouble) = (Some(named("refusal")), Some(named("trouble")));
                });
                client.type_keys(b"r");
                client.within(Duration::from_millis(100));
                client.type_keys(b"j\r");
                if large {
                    client.until_shown("refusal<U+202E>");
                    client.until_shown("trouble<U+202E>");
                }
                client.type_keys(b"3");
                fake.change(|world| world.protocol = 2);
                fake.cut();
                if large {
                    client.until_shown("speaks protocol 2");
                }
                client.until_still();
                client.type_keys(b"\x03");
                assert_eq!(client.ended(), 0);
                let (strangers, copies) = pty::audit::strangers_and_copies(&client.raw);
                assert_eq!(strangers, Vec::<String>::new(), "{columns}x{rows}");
                let lies =
                    |text: &String| text.contains(|c: char| c.is_control() && c != '\n') || text.contains("owned");
                assert_eq!(copies.iter().find(|text| lies(text)), None);
                assert!(!large || copies.len() == 8, "{copies:?}");
                let shown = columns < 40 || client.raw.windows(6).any(|window| window == b"U+202E");
                assert!(shown, "nothing hostile was shown at {columns}x{rows}");
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_screen_of_all_is_as_careful() {
    let stage = Stage::new(|world| world.webhook = named("https://x"));
    stage
        .play(|socket, _| {
            let mut client = Client::start(socket, 24, 80);
            client.until_shown("https://x<U+202E>");
            client.type_keys(b"3");
            client.until_shown("no webhook was received yet");
            client.type_keys(b"\x03");
            assert_eq!(client.ended(), 0);
            assert_eq!(pty::audit::strangers(&client.raw), Vec::<String>::new());
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_is_as_careful_on_a_terminal() {
    let stage = Stage::new(|world| {
        hostile(world);
        // Watching ends, as it has.
        world.builds.get_mut(&1).expect("it was made").build.event = named("push");
    });
    let delivery = named("delivery");
    let unknown = named("nothing");
    let commands: Vec<Vec<String>> = [
        &["builds"][..],
        &["show", "1"],
        &["show", "2"],
        &["show", "3"],
        &["queue"],
        &["logs", "1"],
        &["logs", "1", "--grep", "text"],
        &["deliveries"],
        &["deliveries", "replay", &delivery],
        &["deliveries", "replay", &unknown],
        &["tests", "1"],
        &["annotations", "1"],
        &["repositories"],
        &["nodes"],
        &["watch", "1"],
        &["cancel", "2"],
        &["cancel", "2"],
        &["retry", "1"],
        &["pause", &unknown, "--reason", &unknown],
        &["resume", &unknown],
        &["logs", &unknown],
        &["show", "99"],
    ]
    .iter()
    .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
    .collect();
    stage
        .play(move |socket, fake| {
            let mut shown = Vec::new();
            let run = |words: &[String]| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let mut client = Client::again(socket, 24, 120, "commands", &words);
                client.done();
                assert!(!client.raw.is_empty(), "{words:?} says nothing");
                assert_eq!(pty::audit::strangers_of_a_command(&client.raw), Vec::<String>::new(), "{words:?}");
                client.raw.windows(6).any(|window| window == b"U+202E")
            };
            for words in &commands {
                shown.push(run(words));
            }
            assert!(shown.iter().filter(|shown| **shown).count() > 14, "{shown:?}");
            fake.change(|world| world.refuses = Some(named("refusal")));
            // What was to be retried runs, and would be watched for ever.
            for words in commands.iter().filter(|words| words[0] != "watch") {
                run(words);
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_screen_is_as_careful() {
    let stage = Stage::new(hostile);
    stage
        .play(|socket, fake| {
            let mut client = Client::again(socket, 24, 120, "plain", &["--plain"]);
            client.until_shown("1 of 3");
            for (words, answer) in [
                ("last", "3 of 3: build 1"),
                ("into", "job<U+202E>"),
                ("down", "step<U+202E>"),
                ("into", "line "),
                ("first", "step<U+202E>"),
                ("down", "text<U+202E>"),
                ("view-2", "acme/r<U+202E>"),
                ("view-3", "event<U+202E>"),
                ("view-4", "acme/r<U+202E>"),
                ("view-5", "node<U+202E>"),
                ("view-1", "3 of 3"),
            ] {
                client.seen.clear();
                client.type_keys(format!("{words}\n").as_bytes());
                client.until(answer);
            }
            fake.change(|world| world.refuses = Some(named("refusal")));
            client.type_keys(b"retry-failed\n");
            client.until("2. ");
            client.type_keys(b"2\n");
            client.until("refusal<U+202E>");
            client.type_keys(b"quit\n");
            assert_eq!(client.done(), 0);
            assert_eq!(pty::audit::strangers_of_a_command(&client.raw), Vec::<String>::new());
            assert!(!client.raw.contains(&0x1b), "it moves nothing and colours nothing");
        })
        .await;
}
