//! A job's reports say which tests failed: what is new against the base branch, what cannot make up its mind, and what
//! is no report, also when the daemon is killed in between.

use serde_json::Value;
use windlass_tests::{Daemon, DaemonOptions, Repository, wait_for_file};

const SPEC: &str = "jobs:\n  test:\n    execute: ['cp report.xml out.xml; cat words; ! grep -q \"<failure\" report.xml']\n    reports: { junit: out.xml }\n";

/// A report of tests, each with what it says when it failed.
fn report(tests: &[(&str, Option<&str>)]) -> String {
    let case = |(name, said): &(&str, Option<&str>)| match said {
        Some(said) => format!(
            "<testcase classname=\"pump\" name=\"{name}\" time=\"0.25\"><failure message=\"{said}\">pump.py:7\n{said}</failure></testcase>"
        ),
        None => format!("<testcase classname=\"pump\" name=\"{name}\" time=\"0.01\"/>"),
    };
    format!(
        "<testsuites><testsuite name=\"all\">{}</testsuite></testsuites>\n",
        tests.iter().map(case).collect::<String>()
    )
}

/// Commits and pushes such a report, and waits for its build.
fn build(daemon: &Daemon, repository: &Repository, branch: &str, tests: &[(&str, Option<&str>)]) -> u64 {
    let report = report(tests);
    let files = [(".windlass.yml", SPEC), ("report.xml", &report), ("words", "hello\n")];
    let number = daemon.push(repository, &repository.commit(branch, &files, &format!("on {branch}")));
    daemon.wait_finished(number);
    number
}

fn names(tests: &Value) -> Vec<&str> {
    tests["cases"].as_array().expect("a list").iter().map(|case| case["name"].as_str().expect("a name")).collect()
}

#[test]
fn what_failed_is_told_and_what_of_it_is_new() {
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let main = build(&daemon, &repository, "main", &[("fills", None), ("drains", None), ("leaks", Some("it drips"))]);
    let broken =
        [("fills", None), ("drains", Some("still 3 litres")), ("leaks", Some("it drips")), ("stops", Some("no"))];
    let number = build(&daemon, &repository, "topic", &broken);

    let view = daemon.build(number);
    assert_eq!(view.outcome(), "failed", "by its exit code, not by its report: {:#}", view.0);
    let tests = &view.0["tests"];
    assert_eq!((&tests["failed"], &tests["new"], &tests["passed"]), (&3.into(), &2.into(), &1.into()), "{tests:#}");
    assert_eq!((&tests["base"], &tests["base_branch"]), (&main.into(), &"main".into()), "{tests:#}");
    let counted = view.job("test").attempt(1)["tests"].clone();
    assert_eq!((&counted["failed"], &counted["duration_ms"]), (&3.into(), &760.into()), "{counted:#}");

    let all = daemon.json(&["tests", &number.to_string()]);
    assert_eq!(names(&all), ["drains", "stops", "leaks", "fills"], "new failures first: {all:#}");
    let first = &all["cases"][0];
    assert_eq!((&first["new"], &first["suite"], &first["duration_ms"]), (&true.into(), &"pump".into(), &250.into()));
    let failed = daemon.json(&["tests", &number.to_string(), "--failed", "--text", "PUMP lea"]);
    assert_eq!(names(&failed), ["leaks"], "{failed:#}");

    let shown = daemon.cli(&["show", &number.to_string()]);
    let text = shown.text();
    assert!(text.contains("tests: 3 failed (2 new), 1 passed"), "{text}");
    assert!(text.contains("pump drains") && text.contains("still 3 litres"), "{text}");
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert_eq!(log, "hello\n", "nothing is added to it");
}

#[test]
fn a_test_that_passes_and_fails_on_one_commit_is_flaky() {
    let repository = Repository::new("acme/app");
    let at = repository.meeting_point();
    let (passed, failed) = (report(&[("spins", None)]), report(&[("spins", Some("it stuck"))]));
    let spec = format!(
        "jobs:\n  test:\n    execute: ['if [ -e {0}/again ]; then cp good.xml out.xml; else touch {0}/again; cp bad.xml out.xml; exit 1; fi']\n    reports: {{ junit: out.xml }}\n",
        at.display()
    );
    let files = [(".windlass.yml", &spec), ("good.xml", &passed), ("bad.xml", &failed)];
    let commit = repository.commit("main", &files, "sometimes");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(number).outcome(), "failed");
    assert_eq!(daemon.cli(&["retry", &number.to_string()]).code, 0);
    daemon.wait_until(number, "tried again", |build| build.job("test").attempts().len() == 2);
    let view = daemon.wait_finished(number);
    assert_eq!(view.outcome(), "passed", "{:#}", view.0);
    let tests = &view.0["tests"];
    assert_eq!((&tests["flaky"], &tests["failed"], &tests["passed"]), (&1.into(), &0.into(), &1.into()), "{tests:#}");
    assert_eq!(names(&daemon.json(&["tests", &number.to_string(), "--flaky"])), ["spins"]);
}

#[test]
fn what_is_no_report_is_told_and_fails_nothing() {
    let deep = "<testsuite>".repeat(10) + &"</testsuite>".repeat(10);
    let xxe = "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\n<testsuite><testcase name=\"&e;\"/></testsuite>";
    let good = report(&[("fills", None)]);
    let spec = "jobs:\n  test:\n    execute: ['truncate -s 200M r/large.xml; ln -s /etc/passwd r/link.xml; mkfifo r/pipe.xml; echo done']\n    reports: { junit: [r/xxe.xml, r/deep.xml, r/large.xml, r/link.xml, r/pipe.xml, r/none.xml, r/good.xml] }\n";
    let repository = Repository::new("acme/app");
    let files = [(".windlass.yml", spec), ("r/xxe.xml", xxe), ("r/deep.xml", &deep), ("r/good.xml", &good)];
    let commit = repository.commit("main", &files, "hostile");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    let view = daemon.wait_finished(number);
    assert_eq!(view.outcome(), "passed", "{:#}", view.0);
    let tests = view.job("test").attempt(1)["tests"].clone();
    assert_eq!(tests["passed"], 1, "{tests:#}");
    let odd = "what is there is a link or no regular file, and is not followed";
    let troubles = [
        "r/xxe.xml: left out: it has a DOCTYPE, which no report needs (line 2)".to_owned(),
        "r/deep.xml: left out: its elements are nested more than 9 deep (line 1)".to_owned(),
        "r/large.xml: larger than the 16 MiB that a report may have".to_owned(),
        format!("r/link.xml: {odd}"),
        format!("r/pipe.xml: {odd}"),
        "r/none.xml: no such file was written".to_owned(),
    ];
    let told: Vec<&str> = tests["troubles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(told, troubles);
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    let lines: String = troubles.iter().map(|trouble| format!("[windlass] report {trouble}\n")).collect();
    assert_eq!(log, format!("done\n{lines}"));
    let shown = daemon.cli(&["show", &number.to_string()]).text();
    assert!(shown.contains("report r/xxe.xml: left out: it has a DOCTYPE"), "{shown}");
}

#[test]
fn a_report_is_there_once_however_often_the_daemon_dies() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.to_str().expect("a plain name");
    let tests: Vec<(String, Option<&str>)> = (0..3_000).map(|n| (format!("test {n}"), None)).collect();
    let tests: Vec<(&str, Option<&str>)> = tests.iter().map(|(name, said)| (name.as_str(), *said)).collect();
    let files = [
        (
            ".windlass.yml",
            format!(
                "jobs:\n  test:\n    execute: ['echo before; until [ -e {at}/dead ]; do sleep 0.02; done; touch {at}/written']\n    reports: {{ junit: '*.xml' }}\n"
            ),
        ),
        ("one.xml", report(&tests)),
        ("two.xml", report(&[("last", Some("no"))])),
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
    let tests = &view.0["tests"];
    assert_eq!((&tests["passed"], &tests["failed"]), (&3_000.into(), &1.into()), "{tests:#}");
    let all = daemon.json(&["tests", &number.to_string(), "--limit", "0"]);
    assert_eq!((all["total"].as_u64(), names(&all).len()), (Some(3_001), 3_001));
    assert_eq!(names(&all)[..2], ["last", "test 0"]);
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/test"))).into_owned();
    assert_eq!(log, "before\n");
}
