//! Findings together: told once, bounded, the worst first.

use super::*;
use crate::troubles::MOST as MOST_TOLD;

fn finding(level: Level, message: &str) -> Finding {
    Finding {
        level,
        path: Some("src/main.rs".to_owned()),
        line: Some(17),
        column: Some(5),
        end_line: None,
        message: message.to_owned(),
        title: None,
        rule: None,
        tool: None,
        log_line: None,
    }
}

#[test]
fn the_same_thing_is_told_once_and_with_all_that_is_known() {
    let mut all = Findings::default();
    let of_report = Finding { rule: Some("unused".to_owned()), ..finding(Level::Warning, "unused") };
    all.add(of_report.clone());
    all.add(of_report.clone());
    // Of the log: without rule and column, but with its line there.
    all.add(Finding { column: None, log_line: Some(40), ..finding(Level::Warning, "unused") });
    all.add(Finding { column: Some(9), ..of_report.clone() });
    all.add(finding(Level::Error, "unused"));
    all.add(Finding { path: None, ..finding(Level::Error, "unused") });
    let (counts, list) = all.close();
    assert_eq!((counts.errors, counts.warnings, counts.notes), (2, 2, 0));
    let columns: Vec<_> = list.iter().map(|one| (one.level, one.column, one.log_line)).collect();
    let expected = [
        (Level::Error, Some(5), None),
        (Level::Error, Some(5), None),
        (Level::Warning, Some(5), Some(40)),
        (Level::Warning, Some(9), None),
    ];
    assert_eq!(columns, expected, "the worst first");
    assert_eq!(list[2].rule.as_deref(), Some("unused"));
}

#[test]
fn there_is_an_end_to_everything_and_it_is_told() {
    let mut all = Findings::default();
    let long = "\u{e4}".repeat(MOST_MESSAGE);
    for n in 0..MOST_KEPT + 200 {
        all.add(finding(Level::Note, &format!("{n} {long}")));
        all.add(finding(Level::Note, &format!("{n} {long}")));
    }
    for n in 0..10 {
        all.add(finding(Level::Error, &n.to_string()));
    }
    for n in 0..50 {
        all.trouble(&format!("{n}.sarif"), "no\n\u{1b}[31mgood");
        all.trouble("0.sarif", "no\n\u{1b}[31mgood");
    }
    let (counts, list) = all.close();
    assert_eq!((counts.errors, counts.notes), (10, MOST_KEPT as u64 + 200), "all are counted, and none twice");
    assert_eq!(list.len(), MOST_KEPT);
    assert_eq!(list.iter().filter(|one| one.level == Level::Error).count(), 10, "the worst are listed");
    assert!(list[10].message.len() <= MOST_MESSAGE && list[10].message.ends_with('…'));
    assert_eq!(counts.troubles[0], "0.sarif: no \u{fffd}[31mgood");
    assert_eq!(counts.troubles.len(), MOST_TOLD + 2);
    assert_eq!(counts.troubles[MOST_TOLD], "210 annotations are counted and not listed: there are too many of them");
    assert_eq!(counts.troubles[MOST_TOLD + 1], "and 30 more files could not be taken");
}

#[test]
fn a_broken_report_counts_for_nothing_and_others_for_all() {
    let result = |n: usize| format!(r#"{{"message":{{"text":"{n}"}}}}"#);
    let many: Vec<String> = (0..MOST_KEPT + 7).map(result).collect();
    let whole = format!(r#"{{"runs":[{{"results":[{}]}}]}}"#, many.join(","));
    let mut all = Findings::default();
    all.add_sarif("cut.sarif", &whole.as_bytes()[..whole.len() - 3]);
    // Only where its values are looked at is this no number.
    all.add_sarif("odd.sarif", whole.replace("\"12\"", "1e999").as_bytes());
    assert_eq!(all.counts.total(), 0);
    all.add_sarif("whole.sarif", whole.as_bytes());
    assert_eq!(all.counts.warnings, MOST_KEPT as u64 + 7);
    assert_eq!(
        all.counts.troubles,
        [
            "cut.sarif: left out: it ends in the middle (line 1)",
            "odd.sarif: left out: it is not well-formed JSON: number out of range (line 1)"
        ]
    );
}

#[test]
fn a_line_of_the_log_and_a_report_say_it_once() {
    let mut all = Findings::below(Roots::new(["/workspace".to_owned()]));
    all.add_sarif(
        "a.sarif",
        br#"{"runs":[{"tool":{"driver":{"name":"lint"}},"results":[{"level":"error","message":{"text":"no"},"locations":[
            {"physicalLocation":{"artifactLocation":{"uri":"file:///workspace/a.rs"},"region":{"startLine":3}}}]}]}]}"#,
    );
    all.add_line(7, b"::error file=/workspace/a.rs,line=3,col=2::no");
    all.add_line(8, b"nothing to see");
    let (counts, list) = all.close();
    assert_eq!((counts.total(), list.len()), (1, 1));
    assert_eq!((list[0].tool.as_deref(), list[0].log_line, list[0].column), (Some("lint"), Some(7), Some(2)));
}
