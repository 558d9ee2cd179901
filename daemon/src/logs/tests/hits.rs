//! Searching for what others look for too, compared with searching by oneself.

use std::fs::OpenOptions;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::model::any_bytes;
use super::*;

static GO: AtomicBool = AtomicBool::new(false);

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect("a pattern")
}

fn all() -> Search<'static> {
    Search { from: 0, backwards: false, limit: usize::MAX, budget: u64::MAX, stop: &GO }
}

/// In as many calls as it takes.
fn in_calls(search: &Search<'_>, find: impl Fn(&Search<'_>) -> Found) -> Vec<u64> {
    let (mut lines, mut next) = (Vec::new(), Some(search.from));
    while let Some(from) = next {
        let some = find(&Search { from, ..*search });
        assert!(some.lines.len() <= search.limit && some.next != Some(from), "{from}: {some:?}");
        lines.extend(some.lines);
        next = some.next;
    }
    lines
}

#[derive(Debug, Clone)]
struct Question {
    text: &'static str,
    from: u64,
    backwards: bool,
    limit: usize,
    budget: u64,
}

fn any_question() -> impl Strategy<Value = Question> {
    let texts = prop_oneof![Just("error"), Just("17"), Just("^$"), Just("x$"), Just(""), Just("nowhere")];
    let budget = prop_oneof![3 => Just(u64::MAX), 1 => 1_000u64..9_000];
    (texts, 0u64..60, any::<bool>(), prop_oneof![1 => Just(1usize), 8 => 30usize..3000], budget)
        .prop_map(|(text, from, backwards, limit, budget)| Question { text, from, backwards, limit, budget })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_is_found_as_by_looking_at_every_line(
        parts in proptest::collection::vec((any_bytes(), proptest::collection::vec(any_question(), 0..4)), 1..8),
        finish: bool,
    ) {
        let (_dir, store) = store();
        let mut writer = store.writer(&id()).expect("a writer");
        let reader = store.reader(&id()).expect("a reader");
        let count = parts.len();
        for (position, (bytes, questions)) in (1..).zip(parts) {
            writer.append(0, 1, &bytes, position).expect("appended");
            if finish && position == count as u64 {
                writer.finish(2).expect("finished");
            }
            for Question { text, from, backwards, limit, budget } in questions {
                let (pattern, search) = (pattern(text), Search { from, backwards, limit, budget, stop: &GO });
                let found = in_calls(&search, |some| reader.find(&pattern, some).expect("found"));
                let expected = in_calls(&search, |some| reader.search(&pattern, some).expect("searched"));
                prop_assert_eq!(found, expected, "{} from {}, backwards: {}", text, from, backwards);
            }
        }
    }
}

#[test]
fn what_was_found_is_not_read_again() {
    let (_dir, store) = store();
    written(&store, &b"fine\nan error\n".repeat(1000));
    let reader = store.reader(&id()).expect("a reader");
    let (errors, fine) = (pattern("error"), pattern("fine"));
    let map = |parts| reader.map(&errors, parts, u64::MAX, &GO).expect("counted");
    let before = (map(7), reader.find(&errors, &all()).expect("found"));
    let log = store.folder(&id()).expect("a folder").join("log");
    OpenOptions::new().write(true).open(log).expect("it is there").set_len(0).expect("emptied");
    reader.search(&errors, &all()).expect_err("there is nothing to read any more");
    reader.find(&fine, &all()).expect_err("this was not looked for before");
    // Nor by another reader, who only has to come while the first is there.
    let other = store.reader(&id()).expect("a reader");
    let find = |search: &Search<'_>| other.find(&errors, search).expect("found");
    assert_eq!((map(7), find(&all())), before);
    assert_eq!(find(&Search { from: 4, limit: 2, ..all() }), Found { lines: vec![5, 7], next: Some(8), cut_lines: 0 });
    let up = Search { from: 4, backwards: true, ..all() };
    assert_eq!(find(&up), Found { lines: vec![3, 1], next: None, cut_lines: 0 });
    assert_eq!(find(&Search { limit: 1, ..up }), Found { lines: vec![3], next: Some(2), cut_lines: 0 });
}

#[test]
fn many_who_look_at_the_same_time_find_the_same() {
    let (_dir, store) = store();
    // Some patterns match more lines than are kept.
    let lines = 60_000u64;
    let log: String =
        (0..lines).map(|line| format!("{line} {}\n", ["fine", "error"][usize::from(line % 3 == 0)])).collect();
    written(&store, log.as_bytes());
    let reader = store.reader(&id()).expect("a reader");
    for (text, every) in [("error", 3), ("999$|999 ", 1000), ("[0-9]", 1), ("nowhere", lines + 1)] {
        let pattern = pattern(text);
        let expected = reader.search(&pattern, &all()).expect("searched").lines;
        assert_eq!(expected.len() as u64, lines / every, "{text}");
        std::thread::scope(|scope| {
            for asker in 0..6u64 {
                let (pattern, expected, reader) = (&pattern, &expected, &reader);
                scope.spawn(move || match asker % 3 {
                    0 => {
                        let map = reader.map(pattern, 10, u64::MAX, &GO).expect("counted");
                        assert_eq!((map.counts.iter().sum::<u64>(), map.looked), (expected.len() as u64, lines));
                    }
                    1 => {
                        let search = Search { limit: 7_000, budget: 100_000, ..all() };
                        assert!(in_calls(&search, |some| reader.find(pattern, some).expect("found")) == *expected);
                    }
                    _ => {
                        let search = Search { from: lines / 2, limit: 1, ..all() };
                        let first = reader.find(pattern, &search).expect("found").lines;
                        assert_eq!(first.first(), expected.iter().find(|line| **line >= lines / 2));
                    }
                });
            }
        });
    }
}

#[test]
fn who_does_not_wait_any_more_keeps_nobody() {
    let (_dir, store) = store();
    written(&store, &b"fine\nan error\n".repeat(1000));
    let reader = store.reader(&id()).expect("a reader");
    let stop = AtomicBool::new(true);
    let stopped = reader.find(&pattern("error"), &Search { stop: &stop, ..all() }).expect("stopped");
    assert_eq!(stopped, Found { next: Some(0), ..Found::default() });
    assert_eq!(reader.find(&pattern("error"), &all()).expect("found").lines.len(), 1000);
}

#[test]
fn a_log_in_a_removed_ones_place_is_another() {
    let (_dir, store) = store();
    written(&store, b"error\nfine\n");
    let first = store.reader(&id()).expect("a reader");
    let lines = |reader: &LogReader| reader.find(&pattern("error"), &all()).expect("found").lines;
    assert_eq!(lines(&first), [0]);
    store.remove(&id()).expect("removed");
    assert_eq!(lines(&first), [0; 0]);
    written(&store, b"fine\nerror\n");
    let second = store.reader(&id()).expect("a reader");
    assert_eq!((lines(&first), lines(&second)), (vec![], vec![1]));
}
