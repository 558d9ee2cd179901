//! The runner as a process: fed through its standard input, its frames read from a file or from standard output.
//! Everything runs real shells; nothing waits for time to pass but for what is to happen.

#[path = "runner/finally.rs"]
mod finally;
#[path = "runner/harness.rs"]
mod harness;
#[path = "runner/reports.rs"]
mod reports;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use harness::{Run, alive, checkout, program, script, sha256, until};
use windlass_daemon::frame::{Body, How};
use windlass_daemon::runner::code;

#[test]
fn both_outputs_come_in_the_order_they_were_written() {
    let mut expected = String::new();
    for n in 0..500 {
        expected += &format!("out {n}\nerr {n}\n");
    }
    let count = "n=0; while [ $n -lt 500 ]; do echo out $n; echo err $n >&2; n=$((n+1)); done";
    for on_stdout in [false, true] {
        let mut run = Run::new(vec![script(count)]);
        run.on_stdout = on_stdout;
        let told = run.start().end();
        assert_eq!(told.text(), expected, "on standard output: {on_stdout}");
        assert_eq!(told.code, Some(code::PASSED));
    }
}

#[test]
fn frames_come_in_order_and_the_report_fits() {
    for on_stdout in [false, true] {
        let mut run = Run::new(vec![script("echo one"), script("echo two")]);
        run.on_stdout = on_stdout;
        let told = run.start().end();
        let kinds: Vec<String> = told.frames.iter().map(|frame| harness::kind(&frame.body)).collect();
        assert_eq!(
            kinds,
            ["ready", "start 0", "output 0", "end 0", "start 1", "output 1", "end 1", "finished"],
            "on standard output: {on_stdout}"
        );
        assert!(told.frames.iter().zip(1..).all(|(frame, seq)| frame.seq == seq));
        let report = told.report();
        assert_eq!((report.decided_by, report.cancelled, report.output_bytes), (None, false, 8));
        assert_eq!(report.output_sha256, sha256(b"one\ntwo\n"));
    }
}

#[test]
fn exit_codes_and_signals_and_nothing_after_the_first_failure() {
    let cases = [
        ("exit 7", How::Exited(7)),
        ("false; echo unreachable", How::Exited(1)),
        ("kill -SEGV $$", How::Signalled(11)),
        ("kill -35 $$", How::Signalled(35)),
    ];
    for (text, how) in cases {
        let told = Run::new(vec![script("true"), script(text), script("echo unreachable")]).start().end();
        let (step, end) = told.report().decided_by.expect(text);
        assert_eq!((step, end.how, told.code), (1, how, Some(code::FAILED)), "{text}");
        assert!(!told.text().contains("unreachable"), "{text}");
    }
    let told = Run::new(vec![script("echo $undefined; echo unreachable")]).start().end();
    assert!(told.report().decided_by.is_some() && !told.text().contains("unreachable"), "sh -u");
}

#[test]
fn bytes_arrive_exactly() {
    let cases = [
        "printf 'no final newline'",
        r"printf '\000\001\377\376\n\r\033[31m\000'",
        "printf ''",
        "head -c 3000000 /dev/urandom | tee random",
        // One line of 100 MB.
        r"head -c 100000000 /dev/zero | tr '\000' x",
    ];
    for on_stdout in [false, true] {
        for text in cases {
            let mut run = Run::new(vec![script(text)]);
            run.on_stdout = on_stdout;
            let running = run.start();
            let workspace = running.workspace.clone();
            let told = running.end();
            let expected = if text.contains("random") {
                fs::read(workspace.join("random")).expect("what tee wrote")
            } else {
                Process::new("sh").args(["-c", text]).output().expect("a shell").stdout
            };
            assert!(told.output() == expected, "{text} (on standard output: {on_stdout})");
            let report = told.report();
            assert_eq!((report.output_bytes, report.output_sha256), (expected.len() as u64, sha256(&expected)));
        }
    }
}

#[test]
fn what_is_written_is_told_at_once() {
    for on_stdout in [false, true] {
        let mut run = Run::new(vec![script("echo first; while [ ! -e go ]; do sleep 0.01; done; echo second")]);
        run.on_stdout = on_stdout;
        let running = run.start();
        running.until_text("first\n");
        fs::write(running.workspace.join("go"), "").expect("a file");
        assert_eq!(running.end().text(), "first\nsecond\n");
    }
}

#[test]
fn the_environment_is_the_plans_on_top_of_the_inherited() {
    let mut run = Run::new(vec![script(r#"echo "$FROM_PLAN $FROM_IMAGE $BOTH ${WINDLASS_SECRET-unset} $PATH""#)]);
    run.environment = vec![("FROM_PLAN", "plan"), ("BOTH", "plan")];
    run.inherited =
        vec![("FROM_IMAGE", "image"), ("BOTH", "image"), ("WINDLASS_SECRET", "x"), ("PATH", "/bin:/usr/bin")];
    assert_eq!(run.start().end().text(), "plan image plan unset /bin:/usr/bin\n");
}

#[test]
fn a_steps_limit_ends_it_after_the_grace() {
    let stubborn = "trap '' TERM; echo started; while :; do sleep 1000; done";
    let mut run = Run::new(vec![script(stubborn), script("echo unreachable")]);
    run.step_timeout_ms = Some(500);
    run.grace_ms = 200;
    let begun = Instant::now();
    let told = run.start().end();
    assert!(begun.elapsed() >= Duration::from_millis(700));
    let (step, end) = told.report().decided_by.expect("a step that decided");
    assert_eq!((step, end.how), (0, How::TimedOut { limit_ms: 500, whole_job: false }));
    assert!(end.duration_ms >= 700, "{} ms", end.duration_ms);
    assert_eq!((told.code, told.text().as_str()), (Some(code::TIMED_OUT), "started\n"));
}

#[test]
fn the_jobs_limit_counts_for_all_steps() {
    let mut run = Run::new(vec![script("true"), script("sleep 1000")]);
    run.job_timeout_ms = 2000;
    let told = run.start().end();
    let (step, end) = told.report().decided_by.expect("a step that decided");
    assert_eq!((step, end.how), (1, How::TimedOut { limit_ms: 2000, whole_job: true }));
}

#[test]
fn within_the_grace_everyone_may_clean_up() {
    // The shell dies of TERM at once; its child takes a moment, and shall have it.
    let child = r#"trap "echo cleaning; sleep 0.3; echo clean; exit" TERM; echo ready; while :; do sleep 0.01; done"#;
    let running = Run::new(vec![script(&format!("sh -c '{child}'; true"))]).start();
    running.until_text("ready\n");
    running.term();
    let told = running.end();
    assert!(told.text().ends_with("cleaning\nclean\n"), "{}", told.text());
    assert_eq!(told.code, Some(code::CANCELLED));
    let report = told.report();
    assert!(report.cancelled);
    assert_eq!(report.decided_by.map(|(_, end)| end.how), Some(How::Cancelled));
}

#[test]
fn cancelling_kills_a_daemon_that_hides_and_ignores_term() {
    let hides = "setsid sh -c 'trap \"\" TERM HUP; setsid sleep 1000 & echo $! > hidden; wait' > /dev/null 2>&1 &
        while [ ! -s hidden ]; do sleep 0.01; done; echo hidden; sleep 1000";
    let running = Run::new(vec![script(hides)]).start();
    running.until_text("hidden\n");
    let pid = fs::read_to_string(running.workspace.join("hidden")).expect("its number");
    assert!(alive(pid.trim()));
    running.term();
    let told = running.end();
    assert_eq!(told.code, Some(code::CANCELLED));
    assert!(!alive(pid.trim()), "{pid} still lives");
}

#[test]
fn a_second_term_kills_at_once() {
    let mut run = Run::new(vec![script("trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done")]);
    run.grace_ms = 600_000;
    let running = run.start();
    running.until_text("ready\n");
    running.term();
    running.until_text("asked\n");
    running.term();
    assert_eq!(running.end().code, Some(code::CANCELLED));
}

#[test]
fn asking_again_changes_nothing_and_term_after_it_kills() {
    let text = "n=0; trap 'n=$((n+1)); echo asked $n' TERM; echo ready
        while [ ! -e go ]; do sleep 0.01 || :; done; sleep 0.5 || :; echo there; while :; do sleep 0.01 || :; done";
    let mut run = Run::new(vec![script(text)]);
    run.grace_ms = 600_000;
    let running = run.start();
    running.until_text("ready\n");
    running.ask();
    running.until_text("asked 1\n");
    running.ask();
    fs::write(running.workspace.join("go"), "").expect("a file");
    running.until_text("there\n");
    running.term();
    let told = running.end();
    assert_eq!(told.code, Some(code::CANCELLED));
    assert!(told.text().ends_with("asked 1\nthere\n"), "{}", told.text());
}

#[test]
fn term_before_anything_came_ends_the_runner() {
    let mut running = Run::new(vec![script("true")]).start_unfed();
    running.until_it_handles_term();
    running.term();
    assert_eq!(running.exit_code(), Some(code::CANCELLED));
}

#[test]
fn the_dead_are_buried_while_the_step_runs() {
    let text = "n=0; while [ $n -lt 20 ]; do (sh -c 'exit 0' &) ; n=$((n+1)); done
        echo done; while [ ! -e go ]; do sleep 0.01; done";
    let running = Run::new(vec![script(text)]).start();
    running.until_text("done\n");
    let runner = running.pid();
    until("no zombies", || !harness::has_dead_children(runner));
    fs::write(running.workspace.join("go"), "").expect("a file");
    assert_eq!(running.end().code, Some(code::PASSED));
}

#[test]
fn who_stays_behind_does_not_hold_up_the_step_and_ends_with_the_job() {
    let steps = vec![
        script(
            "sh -c 'echo serving; echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done; echo late; sleep 1000' &
            while [ ! -s pid ]; do sleep 0.01; done",
        ),
        script("touch go; while [ ! -e seen ]; do sleep 0.01; done"),
    ];
    let running = Run::new(steps).start();
    running.until_text("late\n");
    fs::write(running.workspace.join("seen"), "").expect("a file");
    let workspace = running.workspace.clone();
    let told = running.end();
    assert_eq!(told.code, Some(code::PASSED));
    let late = told.frames.iter().find_map(|frame| match &frame.body {
        Body::Output { step, bytes } if bytes.ends_with(b"late\n") => Some(*step),
        _ => None,
    });
    assert_eq!(late, Some(1), "what it writes belongs to the step that runs");
    let pid = fs::read_to_string(workspace.join("pid")).expect("its number");
    assert!(!alive(pid.trim()));
}

#[test]
fn a_flood_from_the_background_does_not_hold_up_the_step() {
    let told = Run::new(vec![script("yes flood & echo mine"), script("echo next")]).start().end();
    assert_eq!(told.code, Some(code::PASSED));
    let text = told.text();
    assert!(text.contains("mine\n") && text.contains("next\n"));
}

#[test]
fn programs_need_no_shell() {
    let steps = vec![program(&["printf", "%s|", "a b", "$HOME", ""]), program(&["/bin/echo", "end"])];
    let told = Run::new(steps).start().end();
    assert_eq!(told.text(), "a b|$HOME||end\n");
}

#[test]
fn what_cannot_be_started_is_told_in_words() {
    let cases = [
        (program(&["no-such-program"]), "no program \"no-such-program\" in this image; PATH is "),
        (program(&["./no-such-program"]), "no program \"./no-such-program\" in this image"),
        (program(&["./README"]), "\"./README\" may not be executed"),
        (program(&[]), "no program is named"),
        (program(&["echo", "a\0b"]), "could not be started"),
    ];
    for (step, words) in cases {
        let mut run = Run::new(vec![step, script("echo unreachable")]);
        run.source = checkout();
        let told = run.start().end();
        let (number, end) = told.report().decided_by.expect(words);
        let How::NotStarted(said) = end.how else { panic!("{words}: {:?}", end.how) };
        assert!(said.contains(words), "{said}");
        assert_eq!((number, told.code, told.text().as_str()), (0, Some(code::FAILED), ""));
    }
    let told = Run::new(vec![script("rm -r ../work"), script("true")]).start().end();
    let end = told.report().decided_by.expect("a step that decided").1;
    assert_eq!(end.how, How::NotStarted("the working folder is gone".into()));
}

#[test]
fn a_step_that_cannot_start_still_ends_who_stayed_behind() {
    let steps = vec![script("sleep 1000 & echo $! > pid"), program(&["no-such-program"])];
    let running = Run::new(steps).start();
    let workspace = running.workspace.clone();
    let told = running.end();
    assert_eq!(told.code, Some(code::FAILED));
    let pid = fs::read_to_string(workspace.join("pid")).expect("its number");
    assert!(!alive(pid.trim()));
}

#[test]
fn a_checkout_is_clean_and_stays_so() {
    let steps = vec![
        script("git status --porcelain; git rev-parse --is-inside-work-tree; git log --format=%s; ./tool"),
        script("git status --porcelain"),
    ];
    let mut run = Run::new(steps);
    run.source = checkout();
    let told = run.start().end();
    assert_eq!(told.text(), "true\nfirst\ntool runs\n");
}

#[test]
fn a_feed_that_is_cut_anywhere_is_refused() {
    let source = checkout();
    let length = Run::new(vec![script("echo unreachable")]).with_source(&source).feed_for("/tmp").len();
    for place in [0, 5, 100, length / 2, length - 37, length - 1] {
        let mut running = Run::new(vec![script("echo unreachable")]).with_source(&source).start_unfed();
        let cut = running.feed[..place.min(running.feed.len() - 1)].to_vec();
        let mut stdin = running.stdin();
        stdin.write_all(&cut).expect("a runner that reads");
        drop(stdin);
        assert_eq!(running.exit_code(), Some(code::BAD_FEED), "cut at {place}");
        let said = running.complaints();
        assert!(said.contains("cut off"), "cut at {place}: {said}");
        assert!(running.frames_so_far().iter().all(|frame| matches!(frame.body, Body::Notice { .. })));
    }
}

#[test]
fn no_step_inherits_anything() {
    // Whoever started this test may have left more than the first three open: the runner adds nothing.
    let without = Process::new("ls").arg("/proc/self/fd").output().expect("ls").stdout;
    let told = Run::new(vec![program(&["ls", "/proc/self/fd"])]).start().end();
    assert_eq!(told.text(), String::from_utf8(without).expect("numbers"));
    let told = Run::new(vec![script("cat; readlink /proc/$$/fd/0")]).start().end();
    assert_eq!(told.text(), "/dev/null\n");
}

#[test]
fn no_scripts_stay_behind() {
    let told = Run::new(vec![script("echo $0")]).start().end();
    let text = told.text();
    assert!(text.trim().ends_with("/step-1"), "{text}");
    assert!(!Path::new(text.trim()).exists());
}

#[test]
fn a_frame_file_that_cannot_be_written_is_trouble() {
    let mut run = Run::new(vec![script("true")]);
    run.frame_file = Some("/proc/no/frames".into());
    let mut running = run.start();
    assert_eq!(running.exit_code(), Some(code::TROUBLE));
    assert!(running.complaints().contains("cannot write frames"));
}
