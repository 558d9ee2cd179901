//! What tools say about places in the source is told with the build, whether they say it in a report, in the log or as a failing
//! test: the worst first, each thing once, also when the daemon is killed in between.

use serde_json::Value;
use windlass_tests::{Daemon, DaemonOptions, Repository, wait_for_file};

/// A report of results, each with its level, file, line and message.
fn report(results: &[(&str, &str, u32, &str)]) -> String {
    let result = |(level, file, line, message): &(&str, &str, u32, &str)| {
        format!(
            r#"{{"level":"{level}","ruleId":"r{line}","message":{{"text":"{message}"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"{file}"}},"region":{{"startLine":{line},"startColumn":5}}}}}}]}}"#
        )
    };
    let results: Vec<String> = results.iter().map(result).collect();
    format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"lint"}}}},"results":[{}]}}]}}"#,
        results.join(",")
    )
}

const CASES: &str = "<testsuite name='pump'><testcase name='fills' file='tests/pump.py' line='7'><failure message='it leaks'/></testcase><testcase name='nowhere'><failure/></testcase></testsuite>";

fn lines(page: &Value) -> Vec<String> {
    let all = page["annotations"].as_array().expect("a list");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    all.iter()
        .map(|one| format!("{} {}:{} {}", word(&one["level"]), word(&one["path"]), one["line"], word(&one["message"])))
        .collect()
}

#[test]
fn what_tools_say_is_told_the_worst_first_and_once() {
    let repository = Repository::new("acme/app");
    let sarif = report(&[
        ("warning", "src/main.rs", 17, "unused variable"),
        ("error", "src/%6dain.rs", 3, "it never ends"),
        ("note", "../../etc/passwd", 1, "elsewhere"),
    ]);
    let lint = "::warning file=src/main.rs,line=17::unused variable\r\n::error file=HERE/src/lib.rs,line=4,col=2,title=Odd::very%0Aodd\n::notice::all in all";
    let spec = "jobs:\n  test:\n    execute: ['cp cases.txt cases.xml; pwd; sed \"s|HERE|$PWD|\" lint.txt', 'cp one.txt one.sarif; cp one.txt two.sarif; echo \"{\" > broken.sarif']\n    reports: { sarif: \"*.sarif\", junit: cases.xml }\n  quiet: { execute: ['echo hello'] }\n";
    let files = [(".windlass.yml", spec), ("one.txt", &sarif), ("lint.txt", lint), ("cases.txt", CASES)];
    let commit = repository.commit("main", &files, "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let view = daemon.wait_finished(number);
    assert_eq!(view.outcome(), "passed", "{:#}", view.0);

    let trouble = "broken.sarif: left out: it ends in the middle (line 2)";
    let of_attempt = view.job("test").attempt(1)["annotations"].clone();
    assert_eq!(
        (&of_attempt["errors"], &of_attempt["warnings"], &of_attempt["notes"]),
        (&2.into(), &1.into(), &2.into())
    );
    assert_eq!(of_attempt["troubles"], Value::from(vec![trouble]));
    assert_eq!(view.job("quiet").attempt(1)["annotations"], Value::Null, "nobody says anything");
    let of_build = &view.0["annotations"];
    assert_eq!(
        (&of_build["errors"], &of_build["warnings"]),
        (&3.into(), &1.into()),
        "with the failing test: {of_build:#}"
    );
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert!(log.ends_with(&format!("::notice::all in all\n[windlass] report {trouble}\n")), "{log}");

    let page = daemon.json(&["annotations", &number.to_string()]);
    assert_eq!(
        lines(&page),
        [
            "error src/main.rs:3 it never ends",
            "error src/lib.rs:4 very\nodd",
            "error tests/pump.py:7 it leaks",
            "warning src/main.rs:17 unused variable",
            "note -:null elsewhere",
            "note -:null all in all",
        ]
    );
    assert_eq!(page["total"], 6);
    let warning = &page["annotations"][3];
    assert_eq!((&warning["log_line"], &warning["column"]), (&1.into(), &5.into()), "of both: {warning:#}");
    assert_eq!(daemon.json(&["show", &number.to_string()])["annotation_list"], page["annotations"]);

    let printed = daemon.cli(&["annotations", &number.to_string(), "--errors"]);
    assert_eq!(
        printed.text(),
        "src/main.rs:3:5: error: it never ends [r3]\nsrc/lib.rs:4:2: error: Odd: very odd\ntests/pump.py:7: error: pump fills: it leaks\n"
    );
    assert!(printed.stderr.contains(&format!("windlass: test: {trouble}")), "{}", printed.stderr);
    let shown = daemon.cli(&["show", &number.to_string()]).text();
    assert!(shown.contains("annotations: 3 errors, 1 warning, 2 notes"), "{shown}");
    assert!(shown.contains("src/main.rs:17:5: warning: unused variable [r17]\n"), "{shown}");
    assert_eq!(shown.matches("it leaks").count(), 1, "among the failing tests alone: {shown}");
}

#[test]
fn annotations_are_there_once_however_often_the_daemon_dies() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.to_str().expect("a plain name");
    let many: Vec<String> = (0..1_500).map(|n| format!("{n} is too long")).collect();
    let many: Vec<_> = many.iter().map(|message| ("warning", "src/a.rs", 1, message.as_str())).collect();
    let files = [
        (
            ".windlass.yml",
            format!(
                "jobs:\n  test:\n    execute: ['echo ::error::before; until [ -e {at}/dead ]; do sleep 0.02; done; touch {at}/written']\n    reports: {{ sarif: '*.sarif' }}\n"
            ),
        ),
        ("one.sarif", report(&many)),
        ("two.sarif", report(&[("error", "src/a.rs", 9, "no")])),
    ];
    let commit = repository.commit("main", &files, "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/test"), "before");
    daemon.kill9();
    std::fs::write(meet.join("dead"), "").expect("a file");
    wait_for_file(&meet.join("written"));
    // Between its two reports, and again before its end is recorded.
    for point in ["report.taken", "end.log-synced", "finish.before-commit"] {
        daemon.die_at(point);
    }
    daemon.restart();
    let view = daemon.wait_finished(number);
    let job = view.job("test");
    assert_eq!((job.outcome(), job.attempts().len()), ("passed", 1), "{:#}", view.0);
    let counts = &view.0["annotations"];
    assert_eq!((&counts["errors"], &counts["warnings"]), (&2.into(), &1_500.into()), "{counts:#}");
    let unlisted = "test: 502 annotations are counted and not listed: there are too many of them";
    assert_eq!(counts["troubles"], Value::from(vec![unlisted]));
    let all = daemon.json(&["annotations", &number.to_string()]);
    assert_eq!((all["total"].as_u64(), lines(&all).len()), (Some(1_000), 1_000));
    assert_eq!(lines(&all)[..3], ["error src/a.rs:9 no", "error -:null before", "warning src/a.rs:1 0 is too long"]);
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert_eq!(log, "::error::before\n", "nothing is added to it");
}
