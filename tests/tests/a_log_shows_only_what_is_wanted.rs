//! Views of a log over the live socket: only matching lines with what is around them, without folded steps, while the job
//! runs and afterwards; how many match and where; and one line that is too long to be shown.

use std::collections::BTreeMap;

use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{ClientMessage, LogView, Request, Response, ServerMessage, Topic, ViewWindow};
use windlass_protocol::log::{LINE_CAP, LogFrame};
use windlass_tests::live::{Live, Told};
use windlass_tests::{Daemon, DaemonOptions, Repository};

/// What a client knows of a view: the lines it has, the part it knows, and which lines of that are kept.
#[derive(Default)]
struct Seen {
    lines: BTreeMap<u64, String>,
    known: (u64, u64),
    kept: Vec<u64>,
    finished: bool,
    /// Rows were told after the head that says that it is finished.
    told_after_the_end: bool,
    total: u64,
}

impl Seen {
    fn take(&mut self, told: &Told, of: u32) {
        match told {
            Told::Log(LogFrame::Lines { sub, first, lines }) if *sub == of => {
                let texts = lines.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned());
                self.lines.extend((*first..).zip(texts));
            }
            Told::Message(message) => match &**message {
                ServerMessage::LogRows { sub, from, to, runs } if *sub == of => {
                    let (from, to) = (*from, *to);
                    if to < self.known.0 || from > self.known.1 {
                        (self.known, self.kept) = ((from, to), Vec::new());
                    }
                    self.known = (self.known.0.min(from), self.known.1.max(to));
                    self.kept.retain(|line| !(from..to).contains(line));
                    self.kept.extend(runs.iter().flat_map(|run| run.first..run.first + run.count));
                    self.kept.sort_unstable();
                    self.told_after_the_end |= self.finished;
                }
                ServerMessage::LogHead { sub, head } if *sub == of => {
                    (self.finished, self.total) = (head.finished, head.lines);
                }
                ServerMessage::Ended { sub, refusal } if *sub == of => panic!("{refusal:?}"),
                _ => {}
            },
            _ => {}
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.kept.iter().map(|line| self.lines.get(line).map_or("(not sent)", String::as_str)).collect()
    }
}

fn see(
    live: &mut Live,
    sub: u32,
    log: &AttemptId,
    view: LogView,
    window: ViewWindow,
    until: impl Fn(&Seen) -> bool,
) -> Seen {
    let topic = Topic::LogView { log: log.clone(), view, window };
    live.say(&ClientMessage::Subscribe { sub, topic, after: None });
    watch(live, sub, Seen::default(), until)
}

fn watch(live: &mut Live, sub: u32, mut seen: Seen, until: impl Fn(&Seen) -> bool) -> Seen {
    live.until("the view to be as wished", |told| {
        seen.take(told, sub);
        until(&seen).then_some(())
    });
    seen
}

fn only(pattern: &str, context: u32) -> LogView {
    LogView { pattern: Some(pattern.to_owned()), context, ..LogView::default() }
}

#[test]
fn a_view_follows_a_running_job_and_maps_it() {
    let repository = Repository::new("acme/app");
    let marker = repository.work().with_file_name("go");
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - seq 1 1000\n      - 'echo up; until [ -e {} ]; do sleep 0.02; done; seq 1001 1010; printf 1011'\n",
        marker.display()
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "up\n");
    let log = AttemptId { build: number, job: "test".into(), attempt: 1 };
    let mut live = Live::unix(&daemon);
    assert!(live.hello().capabilities.iter().any(|name| name == "log_view"));

    // The last three that end in 7, with one line before and after, while nothing ends in 7 any more.
    let tail = ViewWindow::Tail { count: 9 };
    let seen = see(&mut live, 1, &log, only("7$", 1), tail, |seen| seen.kept.len() == 9);
    assert_eq!(seen.texts(), ["976", "977", "978", "986", "987", "988", "996", "997", "998"]);

    // Around a line, and what comes later too.
    let around = ViewWindow::Around { line: 900, above: 2, below: 100 };
    let early = see(&mut live, 2, &log, only("00$", 0), around, |seen| seen.known == (799, 1001));
    assert_eq!(early.texts(), ["800", "900", "1000"]);

    std::fs::write(&marker, "").expect("a file");
    let seen = watch(&mut live, 1, seen, |seen| seen.finished && seen.known.1 == 1012 && seen.kept.contains(&1008));
    assert!(seen.texts().ends_with(&["1006", "1007", "1008"]), "{:?}", seen.texts());
    assert!(!seen.kept.contains(&1010), "neither matches nor stands beside one that does");

    // A fold: the first step is gone, the second is whole.
    let folded = LogView { folded: vec![0], ..LogView::default() };
    let seen = see(&mut live, 3, &log, folded, ViewWindow::Tail { count: 50 }, |seen| {
        seen.finished && seen.known == (0, 1012)
    });
    assert_eq!((seen.kept.len(), seen.texts()[0]), (12, "up"));
    let folded = LogView { folded: vec![1], ..only("[^0]$", 0) };
    let inverse = LogView { invert: true, ..folded };
    let seen = see(&mut live, 4, &log, inverse, ViewWindow::Around { line: 0, above: 0, below: 3 }, |seen| {
        seen.finished && seen.kept.len() == 3
    });
    assert_eq!(seen.texts(), ["10", "20", "30"]);

    let map = live.request(Request::MapLog { log: log.clone(), pattern: "^1..$".into(), buckets: 4 });
    let counts = vec![100, 0, 0, 0];
    assert_eq!(map, Ok(Response::LogMap { lines: 1012, looked: 1012, counts }));

    let bad = Topic::LogView { log, view: only("(", 0), window: tail };
    live.say(&ClientMessage::Subscribe { sub: 9, topic: bad, after: None });
    live.until("a refusal of what is no pattern", |told| match told {
        Told::Message(message) => matches!(&**message, ServerMessage::Ended { sub: 9, .. }).then_some(()),
        _ => None,
    });
}

#[test]
fn a_long_line_comes_whole_when_it_is_asked_for() {
    let (repository, commit) = Repository::with_spec(
        "jobs: { test: { execute: ['echo first; head -c 100000 /dev/zero | tr \"\\0\" x; echo END; echo last'] } }\n",
    );
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_finished(number);
    let log = AttemptId { build: number, job: "test".into(), attempt: 1 };
    let mut live = Live::unix(&daemon);
    live.hello();
    let from = LINE_CAP as u64;
    live.say(&ClientMessage::Subscribe { sub: 1, topic: Topic::LogLine { log, line: 1, from }, after: None });
    let mut bytes = Vec::new();
    live.until("the line's end", |told| match told {
        Told::Log(LogFrame::Bytes { sub: 1, offset, bytes: sent }) => {
            assert_eq!(*offset, from + bytes.len() as u64);
            bytes.extend_from_slice(sent);
            None
        }
        Told::Message(message) => matches!(&**message, ServerMessage::LogHead { sub: 1, .. }).then_some(()),
        _ => None,
    });
    assert_eq!(bytes.len(), 100_003 - LINE_CAP);
    assert!(bytes.ends_with(b"xxEND"));
}

/// However a log grows meanwhile, each window ends up with what all of the log says.
#[test]
fn windows_of_a_growing_log_end_up_right() {
    let repository = Repository::new("acme/app");
    let gate = repository.work().with_file_name("gate");
    // Bursts of lines, some of them begun in one burst and ended in the next.
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - 'echo begun; until [ -e {} ]; do sleep 0.01; done'\n      - for burst in $(seq 1 40); do seq $((burst * 100)) $((burst * 100 + burst)); printf \"$burst.\"; sleep 0.02; done\n",
        gate.display()
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "begun");
    let log = AttemptId { build: number, job: "test".into(), attempt: 1 };
    let mut live = Live::unix(&daemon);
    live.hello();
    let inverse = |pattern: &str, context| LogView { invert: true, ..only(pattern, context) };
    let folded = |view: LogView, step| LogView { folded: vec![step], ..view };
    let around = |line, above, below| ViewWindow::Around { line, above, below };
    let windows: Vec<(LogView, ViewWindow)> = vec![
        (only("7$", 0), ViewWindow::Tail { count: 5 }),
        (only("7$", 3), ViewWindow::Tail { count: 20 }),
        (only(r"\.", 1), ViewWindow::Tail { count: 2_000 }),
        (only("7$", 2), around(0, 0, 30)),
        (only("7$", 2), around(300, 10, 30)),
        (only("77$", 1), around(9_999, 10, 30)),
        (inverse("[1-9]$", 0), around(100, 5, 50)),
        (inverse("[1-9]$", 1), ViewWindow::Tail { count: 30 }),
        (folded(only("0", 1), 0), around(0, 0, 2_000)),
        (folded(LogView::default(), 0), ViewWindow::Tail { count: 50 }),
        (folded(LogView::default(), 1), around(0, 0, 50)),
        (only("nowhere", 5), ViewWindow::Tail { count: 5 }),
        (only("begun", 2), around(2, 5, 5)),
    ];
    let mut seen: Vec<Seen> = windows.iter().map(|_| Seen::default()).collect();
    for (sub, (view, window)) in (0..).zip(&windows) {
        let topic = Topic::LogView { log: log.clone(), view: view.clone(), window: *window };
        live.say(&ClientMessage::Subscribe { sub, topic, after: None });
    }
    std::fs::write(&gate, "").expect("a file");
    live.until("every window to be through", |told| {
        (0..).zip(&mut seen).for_each(|(sub, seen)| seen.take(told, sub));
        let done = |(seen, (_, window)): (&Seen, &(LogView, ViewWindow))| match window {
            ViewWindow::Tail { .. } => seen.finished && seen.told_after_the_end,
            ViewWindow::Around { line, below, .. } => {
                let from_there = seen.kept.iter().filter(|kept| *kept >= line).count();
                seen.finished && (seen.known.1 == seen.total || from_there >= *below as usize)
            }
        };
        seen.iter().zip(&windows).all(done).then_some(())
    });
    let text = String::from_utf8(daemon.raw_log(&format!("{number}/test"))).expect("digits");
    let lines: Vec<&str> = text.lines().collect();
    let second = lines.iter().position(|line| *line == "100").expect("the second step's first line");
    for ((view, window), seen) in windows.iter().zip(&seen) {
        let pattern = view.pattern.as_deref().map(|text| regex::Regex::new(text).expect("a pattern"));
        let is_folded = |line: usize| view.folded.contains(&u16::from(line >= second));
        let matches = |line: usize| {
            !is_folded(line) && pattern.as_ref().is_none_or(|pattern| pattern.is_match(lines[line]) != view.invert)
        };
        let context = view.context as usize;
        let near =
            |line: usize| (line.saturating_sub(context)..=line + context).any(|at| at < lines.len() && matches(at));
        let kept: Vec<u64> =
            (0..lines.len()).filter(|line| !is_folded(*line) && near(*line)).map(|line| line as u64).collect();
        let within: Vec<u64> =
            kept.iter().copied().filter(|line| (seen.known.0..seen.known.1).contains(line)).collect();
        assert_eq!(seen.kept, within, "{view:?} {window:?}");
        let expected: &[u64] = match window {
            ViewWindow::Tail { count } => &kept[kept.len().saturating_sub(*count as usize)..],
            ViewWindow::Around { line, above, below } => {
                let at = kept.partition_point(|kept| kept < line);
                &kept[at.saturating_sub(*above as usize)..(at + *below as usize).min(kept.len())]
            }
        };
        assert!(expected.iter().all(|line| seen.kept.contains(line)), "{view:?} {window:?}: {:?}", seen.kept);
        for line in &seen.kept {
            let index = usize::try_from(*line).expect("small");
            assert_eq!(seen.lines.get(line).map(String::as_str), Some(lines[index]), "line {line} of {view:?}");
        }
    }
}
