//! Files that a job leaves, reports and artifacts: told after its last step, whatever became of the steps, on every transport.

use windlass_daemon::frame::file::{FilePart, Purpose};
use windlass_daemon::frame::{Body, Frame};

use crate::harness::{Run, Told, kind, script};

fn mark(of: Purpose) -> &'static str {
    match of {
        Purpose::Junit => "",
        Purpose::Sarif => "sarif ",
        Purpose::Artifact => "artifact ",
    }
}

/// The pieces of files, put together: `path=text`, or `path! why`; what is no JUnit says so.
fn files(told: &Told) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    let parts = told.frames.iter().filter_map(|frame| match &frame.body {
        Body::File(part) => Some(part),
        _ => None,
    });
    for part in parts {
        match part {
            FilePart::Begins { of, path } => files.push(format!("{}{path}=", mark(*of))),
            FilePart::Bytes(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                files.last_mut().expect("it began").push_str(&text);
            }
            FilePart::Ends => {}
            FilePart::Refused { of, path, why } => files.push(format!("{}{path}! {why}", mark(*of))),
        }
    }
    files
}

fn kinds(told: &Told) -> Vec<String> {
    told.frames.iter().map(|frame: &Frame| kind(&frame.body)).collect()
}

#[test]
fn reports_come_after_the_last_step_whatever_became_of_it() {
    for on_stdout in [false, true] {
        let mut run = Run::new(vec![script("mkdir out; printf one > out/1.xml; exit 3")]);
        run.finally = vec![(script("printf two > out/2.xml; ln -s 1.xml out/3.xml"), None)];
        run.reports = vec!["out/*.xml", "none.xml", "out/3.xml"];
        run.on_stdout = on_stdout;
        let told = run.start().end();
        assert_eq!(told.code, Some(1));
        let link = "out/3.xml! what is there is a link or no regular file, and is not followed";
        assert_eq!(files(&told), ["out/1.xml=one", "out/2.xml=two", "none.xml! no such file was written", link]);
        let kinds = kinds(&told);
        let first = kinds.iter().position(|kind| kind == "file").expect("there are files");
        let (before, after) = kinds.split_at(first);
        assert!(before.ends_with(&["end 1".to_owned()]), "{before:?}");
        let (last, files) = after.split_last().expect("more comes");
        assert!(last == "finished" && files.iter().all(|kind| kind == "file"), "{after:?}");
    }
}

#[test]
fn a_large_report_comes_whole_and_a_larger_one_not_at_all() {
    for on_stdout in [false, true] {
        let write = "head -c 3000000 /dev/zero | tr '\\0' x > large.xml; truncate -s 200M hole.xml";
        let mut run = Run::new(vec![script(write)]);
        run.reports = vec!["large.xml", "hole.xml"];
        run.on_stdout = on_stdout;
        let told = run.start().end();
        assert_eq!(told.code, Some(0));
        let files = files(&told);
        assert_eq!(files[0].len(), "large.xml=".len() + 3_000_000);
        assert_eq!(files[1..], ["hole.xml! larger than the 16 MiB that a report may have"]);
    }
}

#[test]
fn a_job_without_reports_tells_of_no_files() {
    let told = Run::new(vec![script("echo > report.xml")]).start().end();
    assert!(files(&told).is_empty());
}

#[test]
fn artifacts_come_whole_behind_the_reports() {
    for on_stdout in [false, true] {
        let write =
            "mkdir -p dist/a; printf one > dist/1; printf two > dist/a/2; printf r > r.xml; printf s > s.sarif; false";
        let mut run = Run::new(vec![script(write)]);
        (run.reports, run.sarif) = (vec!["r.xml"], vec!["*.sarif"]);
        run.artifacts = vec!["dist/**", "dist", "*.deb"];
        run.on_stdout = on_stdout;
        let told = run.start().end();
        assert_eq!(told.code, Some(1));
        let folder = "artifact dist! a folder: `dist/**` would be all files in it";
        let expected = ["r.xml=r", "sarif s.sarif=s", "artifact dist/1=one", "artifact dist/a/2=two", folder];
        assert_eq!(files(&told)[..5], expected);
        assert_eq!(files(&told)[5..], ["artifact *.deb! no such file was written"]);
    }
}

#[test]
fn artifacts_have_no_more_than_they_may() {
    let write = "truncate -s 600K a.bin b.bin; truncate -s 2M c.bin; printf small > d.txt";
    let mut run = Run::new(vec![script(write)]);
    run.artifacts = vec!["*.bin", "d.txt"];
    let files = files(&run.start().end());
    assert_eq!(files[0].len(), "artifact a.bin=".len() + (600 << 10));
    assert_eq!(
        files[1..],
        [
            "artifact *.bin! more than the 1 MiB that all artifacts of a job may have; the others are left out",
            "artifact d.txt=small"
        ]
    );
}

#[test]
fn a_cancelled_job_leaves_reports_and_no_artifacts() {
    let mut run = Run::new(vec![script("printf r > r.xml; printf a > a.bin; echo there; sleep 600")]);
    (run.reports, run.artifacts) = (vec!["r.xml"], vec!["a.bin"]);
    let running = run.start();
    running.until_text("there\n");
    running.term();
    assert_eq!(files(&running.end()), ["r.xml=r"]);
}
