//! What tools say in a container names the container's own folder: places are told below it, once, also when the daemon was dead
//! at that time.

use windlass_tests::alone::{WAIT, end_while_dead};
use windlass_tests::{Daemon, DaemonOptions, Repository, image};

#[test]
fn docker_annotations_are_told() {
    let spec = format!(
        "jobs:\n  lint:\n    image: {}\n    execute:\n      - |\n        {WAIT}\n        sed \"s|HERE|$PWD|\" report.txt > lint.sarif; ln -s /etc/passwd two.sarif\n        echo \"::error file=$PWD/src/b.rs,line=2::not good\"\n        echo \"::warning file=/etc/passwd,line=2::not ours\"\n    reports: {{ sarif: [lint.sarif, two.sarif] }}\n",
        image::busybox()
    );
    let report = r#"{"runs":[{"results":[{"message":{"text":"odd"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"src/a%20b.rs","uriBaseId":"ROOT"},"region":{"startLine":3}}}]}],"originalUriBaseIds":{"ROOT":{"uri":"file://HERE/"}}}]}"#;
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[(".windlass.yml", spec.as_str()), ("report.txt", report)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::docker().with(&repository));
    let number = daemon.push(&repository, &commit);
    end_while_dead(&mut daemon, &format!("{number}/lint"));
    let view = daemon.wait_finished(number);
    assert_eq!(view.outcome(), "passed", "{:#}", view.0);
    let printed = daemon.cli(&["annotations", &number.to_string()]);
    assert_eq!(
        printed.text(),
        format!("src/b.rs:2: error: not good\nsrc/a b.rs:3: warning: odd\n{number}/lint: warning: not ours\n")
    );
    let trouble = "two.sarif: what is there is a link or no regular file, and is not followed";
    assert!(printed.stderr.contains(trouble), "{}", printed.stderr);
}
