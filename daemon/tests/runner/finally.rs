//! `finally` steps: they run whatever became of the steps before them, and change nothing about it.

use std::fs;

use windlass_daemon::frame::{Body, How};
use windlass_daemon::runner::code;

use super::harness::{Run, Told, alive, checkout, kind, program, script};

/// How a step ended; `None`: it never did.
fn how(told: &Told, step: u16) -> Option<How> {
    told.frames.iter().find_map(|frame| match &frame.body {
        Body::StepEnded { step: ended, end } if *ended == step => Some(end.how.clone()),
        _ => None,
    })
}

fn notices(told: &Told) -> String {
    let text = |body: &Body| match body {
        Body::Notice { text } => Some(text.clone()),
        _ => None,
    };
    told.frames.iter().filter_map(|frame| text(&frame.body)).collect::<Vec<_>>().join("\n")
}

fn with(steps: Vec<&str>, finally: Vec<&str>) -> Run {
    let mut run = Run::new(steps.into_iter().map(script).collect());
    run.finally = finally.into_iter().map(|text| (script(text), None)).collect();
    run
}

#[test]
fn they_run_after_all_steps_and_are_numbered_on() {
    for on_stdout in [false, true] {
        let mut run = with(vec!["echo one"], vec!["echo two $WINDLASS_OUTCOME", "echo three"]);
        run.on_stdout = on_stdout;
        let told = run.start().end();
        let kinds: Vec<String> = told.frames.iter().map(|frame| kind(&frame.body)).collect();
        assert_eq!(
            kinds,
            [
                "ready", "start 0", "output 0", "end 0", "start 1", "output 1", "end 1", "start 2", "output 2",
                "end 2", "finished"
            ]
        );
        assert_eq!((told.text().as_str(), told.code), ("one\ntwo passed\nthree\n", Some(code::PASSED)));
    }
}

#[test]
fn they_run_after_a_failure_and_all_of_them() {
    let finally = vec!["echo last $WINDLASS_OUTCOME; exit 9", "echo very last"];
    let told = with(vec!["exit 3", "echo unreachable"], finally).start().end();
    assert_eq!(told.text(), "last failed\nvery last\n");
    let (step, end) = told.report().decided_by.expect("a step that decided");
    assert_eq!((step, end.how, told.code), (0, How::Exited(3), Some(code::FAILED)));
    assert_eq!((how(&told, 1), how(&told, 2), how(&told, 3)), (None, Some(How::Exited(9)), Some(How::Exited(0))));
}

#[test]
fn their_own_failure_changes_nothing() {
    let mut run = with(vec!["true"], vec!["exit 9"]);
    run.finally.push((program(&["no-such-program"]), None));
    run.finally.push((script("echo still"), None));
    let told = run.start().end();
    let report = told.report();
    assert_eq!((report.decided_by, report.cancelled, told.code), (None, false, Some(code::PASSED)));
    assert_eq!(how(&told, 1), Some(How::Exited(9)));
    assert!(matches!(how(&told, 2), Some(How::NotStarted(_))));
    assert_eq!((how(&told, 3), told.text().as_str()), (Some(How::Exited(0)), "still\n"));
}

#[test]
fn they_run_after_the_job_s_time_is_over() {
    let mut run = with(vec!["sleep 1000"], vec!["echo last $WINDLASS_OUTCOME"]);
    run.job_timeout_ms = 300;
    let told = run.start().end();
    assert_eq!((told.text().as_str(), told.code), ("last timed_out\n", Some(code::TIMED_OUT)));
}

#[test]
fn each_has_its_own_limit() {
    let mut run = with(vec!["true"], vec![]);
    run.finally = vec![(script("sleep 1000"), Some(200)), (script("echo next"), None)];
    let told = run.start().end();
    assert_eq!(how(&told, 1), Some(How::TimedOut { limit_ms: 200, whole_job: false }));
    assert_eq!((told.text().as_str(), told.code), ("next\n", Some(code::PASSED)));
}

#[test]
fn together_they_have_a_limit_too() {
    let mut run = with(vec!["true"], vec!["sleep 1000", "echo unreachable", "echo unreachable"]);
    run.finally_timeout_ms = 300;
    let told = run.start().end();
    assert_eq!(how(&told, 1), Some(How::TimedOut { limit_ms: 300, whole_job: true }));
    assert_eq!((how(&told, 2), told.text().as_str(), told.code), (None, "", Some(code::PASSED)));
    let said = notices(&told);
    assert!(
        said.contains("the time for all `finally` steps together is over: 2 `finally` steps are left out"),
        "{said}"
    );
}

#[test]
fn a_cancelled_job_still_gets_them() {
    let running = with(
        vec![
            "trap 'echo asked; exit 1' TERM; echo ready; while :; do sleep 0.01 || :; done 2>/dev/null",
            "echo unreachable",
        ],
        vec!["echo last $WINDLASS_OUTCOME"],
    )
    .start();
    running.until_text("ready\n");
    running.term();
    let told = running.end();
    assert_eq!(told.text(), "ready\nasked\nlast cancelled\n");
    assert_eq!(told.code, Some(code::CANCELLED));
    assert!(told.report().cancelled);
}

#[test]
fn a_second_term_leaves_them_out() {
    let mut run = with(
        vec!["trap 'echo asked' TERM; echo ready; while :; do sleep 0.01 || :; done 2>/dev/null"],
        vec!["echo unreachable", "echo unreachable"],
    );
    run.grace_ms = 600_000;
    let running = run.start();
    running.until_text("ready\n");
    running.term();
    running.until_text("asked\n");
    running.term();
    let told = running.end();
    assert_eq!((told.text().as_str(), told.code), ("ready\nasked\n", Some(code::CANCELLED)));
    let said = notices(&told);
    assert!(said.contains("2 `finally` steps are left out"), "{said}");
}

#[test]
fn a_first_term_does_not_stop_them_and_a_second_does() {
    let running = with(
        vec!["echo done"],
        vec![
            "echo here; while [ ! -e go ]; do sleep 0.01; done; sleep 0.5; echo there; sleep 1000",
            "echo unreachable",
        ],
    )
    .start();
    running.until_text("here\n");
    running.term();
    fs::write(running.workspace.join("go"), "").expect("a file");
    running.until_text("there\n");
    running.term();
    let told = running.end();
    // The steps had passed when the first came: it changed nothing.
    assert_eq!((told.text().as_str(), told.code), ("done\nhere\nthere\n", Some(code::PASSED)));
    assert_eq!((how(&told, 1), how(&told, 2)), (Some(How::Cancelled), None));
    assert!(!told.report().cancelled);
}

#[test]
fn without_a_source_there_are_none() {
    let mut run = with(vec!["true"], vec!["touch ../ran"]);
    run.source = checkout();
    let mut running = run.start_unfed();
    let cut = running.feed[..running.feed.len() - 40].to_vec();
    let mut stdin = running.stdin();
    std::io::Write::write_all(&mut stdin, &cut).expect("a runner that reads");
    drop(stdin);
    assert_eq!(running.exit_code(), Some(code::BAD_FEED));
    assert!(!running.workspace.join("../ran").exists());
}

#[test]
fn what_the_steps_left_behind_is_gone_when_they_begin() {
    let running =
        with(vec!["sleep 1000 & echo $! > pid; exit 1"], vec!["kill -0 \"$(cat pid)\" 2>/dev/null || echo gone"])
            .start();
    let workspace = running.workspace.clone();
    let told = running.end();
    assert_eq!(told.text(), "gone\n");
    assert!(!alive(fs::read_to_string(workspace.join("pid")).expect("its number").trim()));
}
