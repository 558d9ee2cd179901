//! `reports` and `artifacts`: which files are meant, and what is no such file.

use super::{good, hint, told};

#[test]
fn reports_name_files_of_the_jobs_folder() {
    let read = |text: &str| {
        let spec = good(text);
        spec.jobs[0].reports.junit.clone()
    };
    assert_eq!(read("image: a\nexecute: b\nreports: {junit: report.xml}"), ["report.xml"]);
    let list = "jobs:\n  t:\n    image: a\n    execute: b\n    reports: {junit: [a.xml, 'build/**/TEST-*.xml']}";
    assert_eq!(read(list), ["a.xml", "build/**/TEST-*.xml"]);
    assert!(read("image: a\nexecute: b").is_empty());
    for (value, problem) in [
        ("x", "3:1 `reports` is a map of keys, not text"),
        ("{}", "3:1 `reports` names no files"),
        ("{junit: []}", "3:11 `reports` names no files"),
        ("{junit: /etc/passwd}", "3:18 `/etc/passwd` is not below the job's folder"),
        ("{junit: [../x]}", "3:19 `../x` is not below the job's folder"),
        ("{junit: a/}", "3:18 `a/` is a folder or an empty name, not a file"),
        ("{junit: ''}", "3:18 `` is no file"),
        ("{junit: x, sarif: []}", "3:21 `reports` names no files"),
        ("{sarif: /x}", "3:18 `/x` is not below the job's folder"),
        ("{junt: x}", "3:11 unknown key `junt` in `reports`"),
    ] {
        assert_eq!(told(&format!("image: a\nexecute: b\nreports: {value}")), [problem], "{value}");
    }
    let many = format!("image: a\nexecute: b\nreports: {{junit: [{}]}}", vec!["x"; 33].join(", "));
    assert_eq!(told(&many).len(), 1);
    assert_eq!(
        told("image: a\nexecute: b\nreports: {junit: x, coverage: y}"),
        ["3:21 `coverage` is not supported yet by this version of Windlass"]
    );
}

#[test]
fn artifacts_are_files_and_all_files_of_folders() {
    let read = |text: &str| good(&format!("image: a\nexecute: b\nartifacts: {text}")).jobs[0].artifacts.clone();
    assert_eq!(read("app.tar.gz"), ["app.tar.gz"]);
    assert_eq!(read("[dist/**, '*.log']"), ["dist/**", "*.log"]);
    for (value, problem) in [
        ("[]", "3:1 `artifacts` names no files"),
        ("", "3:1 `artifacts` names no files"),
        ("[dist/]", "3:13 `dist/` is a folder or an empty name, not a file"),
        ("../x", "3:12 `../x` is not below the job's folder"),
    ] {
        assert_eq!(told(&format!("image: a\nexecute: b\nartifacts: {value}")), [problem], "{value}");
    }
    assert!(hint("image: a\nexecute: b\nartifacts: dist/").contains("`dist/**`"));
    let beside = "artifacts: x\njobs:\n  a: {image: a, execute: b}";
    assert_eq!(told(beside), ["1:1 `artifacts` cannot stand beside `jobs`"]);
}
