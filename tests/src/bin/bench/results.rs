//! Results of tests at the size that a daemon lists of one attempt: 50,000, beside ten builds of as many before. The first
//! page after the daemon's start, again, filtered, and what memory all that takes.

use std::fmt::Write as _;
use std::time::Instant;

use windlass_protocol::cases::{CaseFilter, TestsPage};
use windlass_protocol::live::{Request, Response};
use windlass_tests::live::Live;
use windlass_tests::{Daemon, DaemonOptions, Repository};

use crate::process::most_resident_mb;
use crate::{Goal, Row, median, ms, percentile, progress};

const TESTS: usize = 50_000;
const BUILDS: usize = 11;
const STARTS: usize = 5;
const ROUNDS: usize = 50;
const PAGE: u32 = 50;

pub(crate) fn of_many_tests() -> Vec<Row> {
    progress("builds of 50,000 tests each");
    let repository = Repository::new("acme/app");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let report = repository.meeting_point().join("report.xml");
    let spec = format!(
        "jobs:\n  test:\n    execute: ['cp {} report.xml']\n    reports: {{ junit: report.xml }}\n",
        report.display()
    );
    let mut ends = Vec::new();
    let mut number = 0;
    for round in 0..BUILDS {
        std::fs::write(&report, of_round(round)).expect("a file");
        let commit = repository.commit("main", &[(".windlass.yml", &spec)], &format!("round {round}"));
        let start = Instant::now();
        number = daemon.push(&repository, &commit);
        daemon.wait_finished(number);
        ends.push(ms(start.elapsed()));
    }

    progress("their pages");
    let (mut cold, mut warm, mut filtered, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        assert_eq!(daemon.terminate(), 0);
        daemon.restart();
        let mut live = Live::unix(&daemon);
        live.hello();
        let (page, took) = page(&mut live, number, CaseFilter::default());
        assert_eq!((page.total, page.cases.len()), (TESTS as u64, PAGE as usize));
        assert!(page.summary.new > 0 && page.summary.flaky > 0 && page.cases[0].new, "{:?}", page.summary);
        cold.push(took);
        for _ in 0..ROUNDS / STARTS {
            warm.push(self::page(&mut live, number, CaseFilter::default()).1);
            let filter = CaseFilter { text: Some("Module_7 case_49".to_owned()), only: None };
            filtered.push(self::page(&mut live, number, filter).1);
        }
        memory.push(most_resident_mb(daemon.pid()));
    }
    vec![
        Row::of("build of 50,000 tests, push to its end", median(ends), "ms", Goal::AtMost(2_000.0)),
        Row::of("first page of 50,000 tests beside 10 builds", median(cold), "ms", Goal::AtMost(1_000.0)),
        Row::of("the same again, p99", percentile(&mut warm, 99), "ms", Goal::AtMost(50.0)),
        Row::of("the same, filtered by words, p99", percentile(&mut filtered, 99), "ms", Goal::AtMost(50.0)),
        Row::of("the daemon's most memory with it", median(memory), "MB", Goal::AtMost(150.0)),
    ]
}

/// From the question to its answer, in milliseconds.
fn page(live: &mut Live, number: u64, filter: CaseFilter) -> (TestsPage, f64) {
    let start = Instant::now();
    let answer = live.request(Request::Tests { number, filter, offset: 0, limit: PAGE });
    let took = ms(start.elapsed());
    let Ok(Response::Tests { tests }) = answer else { panic!("no page of tests: {answer:?}") };
    (tests, took)
}

/// Every hundredth test failed, others in each round; some in every one, and some in every second.
fn of_round(round: usize) -> String {
    let mut xml = String::from("<testsuites><testsuite name=\"all\">\n");
    for test in 0..TESTS {
        let failed = test % 100 == round || test % 1_000 == 99 || (test % 1_000 == 98 && round.is_multiple_of(2));
        let open = format!(
            "<testcase classname=\"acme.pumps.module_{}\" name=\"test_case_{test}_holds_water\" file=\"tests/pumps/module_{}.py\" time=\"0.0{}\"",
            test / 100,
            test / 100,
            test % 10
        );
        let message =
            "<failure message=\"assert 3 == 4\">module.py:7: AssertionError\nassert 3 == 4</failure></testcase>";
        writeln!(xml, "{open}{}", if failed { format!(">{message}") } else { "/>".to_owned() }).expect("a String");
    }
    xml.push_str("</testsuite></testsuites>\n");
    xml
}
