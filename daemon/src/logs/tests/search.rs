//! Searching, compared with trying each line by itself.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::model::any_bytes;
use super::*;

static GO: AtomicBool = AtomicBool::new(false);

fn all(from: u64) -> Search<'static> {
    Search { from, backwards: false, limit: usize::MAX, budget: u64::MAX, stop: &GO }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect("a pattern")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn finds_what_each_line_by_itself_says(
        chunks in proptest::collection::vec(any_bytes(), 0..20),
        text in prop_oneof![
            Just("error"), Just("17"), Just("things$"), Just("^error"), Just(r"\s+"), Just("^$"), Just("[^q]*"),
            Just(r"x\b"), Just(r"\Aerror"), Just(r"\d+|x{9}"), Just("."), Just(""), Just("(?s)x.*e"), Just("nowhere"),
            Just("error|17"), Just(r"(^|[^a-z0-9_])(things|x+|erro[rs])([^a-z0-9_]|$)"), Just("ERROR|thing"),
            Just(r"error\s+"), Just(r"\Aerror\z"), Just("(error)+|(1){2,}"),
        ],
        from in 0.0f64..1.0,
        limit in 1usize..2000,
        backwards: bool,
        budget in prop_oneof![Just(u64::MAX), 1u64..1000],
    ) {
        let (_dir, store) = store();
        let log = chunks.concat();
        written(&store, &log);
        let reader = store.reader(&id()).expect("a reader");
        let pattern = pattern(text);
        let body = log.strip_suffix(b"\n").unwrap_or(&log);
        let lines = if log.is_empty() { vec![] } else { body.split(|byte| *byte == b'\n').collect::<Vec<_>>() };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
        let from = (from * (lines.len() + 1) as f64) as u64;
        let mut expected: Vec<u64> = (0..).zip(lines).filter(|(_, line)| pattern.matches(line)).map(|(n, _)| n).collect();
        expected.retain(|line| if backwards { *line <= from } else { *line >= from });
        if backwards {
            expected.reverse();
        }
        // In as many calls as it takes: each goes on where the one before ended.
        let (mut found, mut next) = (Vec::new(), Some(from));
        while let Some(from) = next {
            let some = reader.search(&pattern, &Search { from, backwards, limit, budget, stop: &GO }).expect("searched");
            prop_assert!(some.lines.len() <= limit);
            prop_assert_eq!(some.cut_lines, 0);
            prop_assert!(some.next != Some(from) , "it gets on");
            found.extend(some.lines);
            next = some.next;
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn case_counts_only_with_a_capital() {
    let (_dir, store) = store();
    written(&store, "Error\nerror\nERROR\nÄrger\n".as_bytes());
    let reader = store.reader(&id()).expect("a reader");
    let lines = |text| reader.search(&pattern(text), &all(0)).expect("searched").lines;
    assert_eq!(lines("error"), [0, 1, 2]);
    assert_eq!(lines("Error"), [0]);
    assert_eq!(lines(r"\Arror|\Serror|er\Sor"), [0, 1, 2]);
    assert_eq!(lines(r"\\Error|ERR"), [2]);
    assert_eq!(lines("ärger"), [3]);
    assert_eq!(lines("error|ärger"), [0, 1, 2, 3]);
}

#[test]
fn letters_that_are_others_without_regard_to_case_are_found() {
    let (_dir, store) = store();
    written(&store, "miss\nMI\u{17f}S\nbroken\nBRO\u{212a}EN\nneither\n".as_bytes());
    let reader = store.reader(&id()).expect("a reader");
    let lines = |text| reader.search(&pattern(text), &all(0)).expect("searched").lines;
    assert_eq!(lines("miss|broken"), [0, 1, 2, 3]);
    assert_eq!(lines("roken"), [2, 3]);
    assert_eq!(lines("(?-i)miss"), [0]);
}

#[test]
fn a_bad_or_huge_pattern_is_refused() {
    for text in ["(", "[z-a]", "a{99999}{99999}", r"(\pL{1000}){1000}"] {
        let error = Pattern::new(text).expect_err(text);
        assert!(error.to_string().starts_with("bad pattern: "), "{error}");
    }
}

#[test]
fn a_giant_line_is_searched_in_part_and_that_is_said() {
    let (_dir, store) = store();
    let mut log = b"needle\n".to_vec();
    log.extend(vec![b'x'; 3 << 20]);
    log.extend_from_slice(b"needle\nmiddle\n"); // a long one, but searched wholly
    log.extend(vec![b'x'; 5 << 20]);
    log.extend_from_slice(b"needle\nneedle"); // too far away in its line
    written(&store, &log);
    let reader = store.reader(&id()).expect("a reader");
    let found = reader.search(&pattern("needle"), &all(0)).expect("searched");
    assert_eq!(found, Found { lines: vec![0, 1, 4], next: None, cut_lines: 1 });
    let found = reader.search(&pattern("needle"), &Search { backwards: true, ..all(9) }).expect("searched");
    assert_eq!(found, Found { lines: vec![4, 1, 0], next: None, cut_lines: 1 });
    let found = reader.search(&pattern("middle|x$"), &all(0)).expect("searched");
    assert_eq!(found.lines, [2, 3], "the cut counts as the line's end");
}

#[test]
fn stops_when_told() {
    let (_dir, store) = store();
    written(&store, &b"line\n".repeat(100));
    let reader = store.reader(&id()).expect("a reader");
    let stop = AtomicBool::new(true);
    let found = reader.search(&pattern("line"), &Search { stop: &stop, ..all(7) }).expect("searched");
    assert_eq!(found, Found { next: Some(7), ..Found::default() });
}
