//! `windlass lint` says everything that is wrong with a spec, where, and what to do; without a daemon.

use serde_json::Value;
use windlass_tests::SHORT;
use windlass_tests::daemon::{Output, finish, windlass};

fn lint(spec: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".windlass.yml"), spec).expect("written");
    let mut arguments = vec!["lint"];
    arguments.extend(more);
    finish(windlass(folder.path(), &arguments), SHORT)
}

#[test]
fn a_right_spec_is_right() {
    let right = lint("image: alpine:3.22\nexecute: echo hi\n", &[]);
    assert_eq!((right.code, right.text().as_str()), (0, ".windlass.yml is right: build\n"), "{}", right.stderr);
    assert_eq!(lint("execute: echo hi\n", &[]).code, 1, "an image is missing");
    assert_eq!(lint("execute: echo hi\n", &["--local"]).code, 0, "processes of the host need none");
}

#[test]
fn every_problem_is_told_with_its_place() {
    let spec = "jobs:\n  test:\n    image: alpine\n    neds: lint\n    execute: [true]\n  lint:\n    image: alpine\n    timeout: 5\n    execute: echo\n";
    let wrong = lint(spec, &[]);
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    let text = wrong.text();
    assert!(text.contains(".windlass.yml:4:5:") && text.contains("did you mean `needs`?"), "{text}");
    assert!(text.contains(".windlass.yml:8:14:") && text.contains("4 |     neds: lint"), "{text}");

    let json: Value = serde_json::from_slice(&lint(spec, &["--json"]).stdout).expect("JSON");
    let places: Vec<(u64, u64)> = json
        .as_array()
        .expect("a list")
        .iter()
        .map(|problem| (problem["line"].as_u64().expect("a line"), problem["column"].as_u64().expect("a column")))
        .collect();
    assert!(places.contains(&(4, 5)) && places.contains(&(8, 14)), "{json:#}");
    assert_eq!(lint("image: a\nexecute: b\n", &["--json"]).text().trim(), "[]", "no problem is an empty list");
}

#[test]
fn a_file_that_is_not_there_is_no_problem_of_its_contents() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = finish(windlass(folder.path(), &["lint"]), SHORT);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains(".windlass.yml"), "{}", missing.stderr);
}
