//! `reports`: which files are meant, and what is no such file.

use super::{good, told};

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
        ("{junit: []}", "3:1 `reports` names no files"),
        ("{junit: /etc/passwd}", "3:18 `/etc/passwd` is not below the job's folder"),
        ("{junit: [../x]}", "3:19 `../x` is not below the job's folder"),
        ("{junit: a/}", "3:18 `a/` is a folder or an empty name, not a file"),
        ("{junit: ''}", "3:18 `` is no file"),
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
