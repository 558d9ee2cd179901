//! Files that a job leaves as reports: told after its last step, whatever became of the steps, on every transport.

use windlass_daemon::frame::file::FilePart;
use windlass_daemon::frame::{Body, Frame};

use crate::harness::{Run, Told, kind, script};

/// The pieces of files, put together: `path=text`, or `path! why`.
fn files(told: &Told) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    let parts = told.frames.iter().filter_map(|frame| match &frame.body {
        Body::File(part) => Some(part),
        _ => None,
    });
    for part in parts {
        match part {
            FilePart::Begins { path } => files.push(format!("{path}=")),
            FilePart::Bytes(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                files.last_mut().expect("it began").push_str(&text);
            }
            FilePart::Ends => {}
            FilePart::Refused { path, why } => files.push(format!("{path}! {why}")),
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
