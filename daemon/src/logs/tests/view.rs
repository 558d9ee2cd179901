//! Views and maps, compared with looking at every line.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

static GO: AtomicBool = AtomicBool::new(false);

/// A log whose lines say of themselves whether they match.
fn log(matching: &[bool]) -> (TempDir, LogReader) {
    let (dir, store) = store();
    let text: String = matching.iter().map(|yes| if *yes { "an error\n" } else { "fine\n" }).collect();
    written(&store, text.as_bytes());
    let reader = store.reader(&id()).expect("a reader");
    (dir, reader)
}

fn kept(view: &View, matching: &[bool]) -> BTreeSet<u64> {
    let lines = matching.len() as u64;
    let folded = |line: &u64| view.folds.iter().any(|fold| fold.contains(line));
    let chosen = |line: &u64| view.pattern.is_none() || matching[usize::try_from(*line).expect("small")] != view.invert;
    let chosen: BTreeSet<u64> = (0..lines).filter(|line| !folded(line) && chosen(line)).collect();
    let near = |line: &u64| chosen.range(line.saturating_sub(view.context)..=line + view.context).next().is_some();
    (0..lines).filter(|line| !folded(line) && near(line)).collect()
}

fn all(runs: &[Range<u64>]) -> Vec<u64> {
    runs.iter().cloned().flatten().collect()
}

fn any_view() -> impl Strategy<Value = View> {
    let folds = proptest::collection::vec((0u64..30, 0u64..20), 0..3);
    (proptest::option::weighted(0.8, Just("error")), any::<bool>(), 0u64..4, folds).prop_map(
        |(text, invert, context, gaps)| {
            let (mut at, mut folds) = (0, Vec::new());
            for (gap, length) in gaps {
                folds.push(at + gap..at + gap + length);
                at += gap + length;
            }
            let pattern = text.map(|text| Pattern::new(text).expect("a pattern"));
            View { context: if pattern.is_some() { context } else { 0 }, pattern, invert, folds }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn looking_down_and_up_finds_what_each_line_says(
        matching in proptest::collection::vec(proptest::bool::weighted(0.2), 0..90),
        view in any_view(),
        place in 0u64..100,
        floor in 0u64..100,
        want in 1u64..12,
        budget in prop_oneof![Just(u64::MAX), Just(1u64)],
    ) {
        let (_dir, reader) = log(&matching);
        let kept = kept(&view, &matching);
        let lines = matching.len() as u64;
        let look = Look { want, budget, stop: &GO };

        let down = reader.rows_down(&view, place, &look).expect("read");
        let expected: Vec<u64> = kept.range(place..).copied().take(want as usize).collect();
        prop_assert_eq!(all(&down.runs), expected.clone(), "downwards");
        prop_assert_eq!(down.from, place);
        let full = expected.len() as u64 == want;
        prop_assert_eq!(down.to, if full { expected[expected.len() - 1] + 1 } else { lines.max(place) });

        let up = reader.rows_up(&view, floor, place, &look).expect("read");
        let (place, floor) = (place.min(lines), floor.min(place.min(lines)));
        let mut expected: Vec<u64> = kept.range(floor..place).rev().copied().take(want as usize).collect();
        let full = expected.len() as u64 == want;
        prop_assert_eq!(up.from, if full { expected[expected.len() - 1] } else { floor });
        expected.reverse();
        prop_assert_eq!(all(&up.runs), expected, "upwards");
        prop_assert_eq!(up.to, place);
    }

    #[test]
    fn a_map_counts_every_match_in_its_part(
        matching in proptest::collection::vec(any::<bool>(), 0..90),
        parts in 1usize..12,
    ) {
        let (_dir, reader) = log(&matching);
        let pattern = Pattern::new("error").expect("a pattern");
        let map = reader.map(&pattern, parts, u64::MAX, &GO).expect("read");
        let lines = matching.len() as u64;
        prop_assert_eq!((map.lines, map.looked), (lines, lines));
        let start = |part: usize| part * matching.len() / parts;
        let counts: Vec<u64> = (0..parts)
            .map(|part| matching[start(part)..start(part + 1)].iter().filter(|yes| **yes).count() as u64)
            .collect();
        prop_assert_eq!(map.counts, counts);
    }
}

#[test]
fn a_small_budget_gets_on_and_says_how_far() {
    let (_dir, store) = store();
    let mut text = vec![];
    for block in 0..6 {
        text.extend(b"fine, nothing to see in this line\n".repeat(32_000));
        text.extend(format!("error {block}\n").as_bytes());
    }
    written(&store, &text);
    let reader = store.reader(&id()).expect("a reader");
    let view = View { pattern: Some(Pattern::new("error").expect("a pattern")), context: 2, ..View::default() };
    let lines = reader.head().lines;
    let (mut at, mut found, mut looks) = (0, vec![], 0);
    while at < lines {
        let rows = reader.rows_down(&view, at, &Look { want: 100, budget: 1 << 20, stop: &GO }).expect("read");
        assert!(rows.from == at && rows.to > at, "it gets on");
        found.extend(all(&rows.runs));
        (at, looks) = (rows.to, looks + 1);
    }
    let expected = |block: u64| 32_001 * block + 31_998..(32_001 * block + 32_003).min(lines);
    assert_eq!(found, (0..6).flat_map(expected).collect::<Vec<_>>());
    assert!(looks > 3, "in {looks} looks");
    let (mut before, mut upwards) = (lines, vec![]);
    while before > 0 {
        let rows = reader.rows_up(&view, 0, before, &Look { want: 100, budget: 1 << 20, stop: &GO }).expect("read");
        assert!(rows.to == before && rows.from < before, "it gets on");
        upwards.splice(0..0, all(&rows.runs));
        before = rows.from;
    }
    assert_eq!(upwards, found);
}
