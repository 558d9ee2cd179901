//! What a job names as artifacts is kept with its build, byte for byte, also when the daemon is killed while it comes; what is
//! odd or too much is told and costs nothing.

use windlass_protocol::live::Request;
use windlass_tests::artifacts::{artifacts, asked, fetch};
use windlass_tests::daemon::{finish, prepare, windlassd};
use windlass_tests::doctor::doctor;
use windlass_tests::{Daemon, DaemonOptions, LONG, Repository, wait_for_file};

#[test]
fn artifacts_are_kept_byte_for_byte_whatever_the_outcome() {
    let spec = "jobs:\n  pack:\n    execute: ['mkdir -p dist/sub; seq 1 400000 > dist/numbers; : > dist/empty; printf a > \"dist/sub/a b\"', 'exit 3']\n    artifacts: [dist/**, '*.deb']\n  none: { execute: ['true'] }\n";
    let (repository, commit) = Repository::with_spec(spec);
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(number).outcome(), "failed");
    let counts = daemon.build(number).job("pack").attempt(1)["artifacts"].clone();
    assert_eq!((&counts["files"], &counts["troubles"][0]), (&3.into(), &"*.deb: no such file was written".into()));
    assert!(daemon.build(number).job("none").attempt(1)["artifacts"].is_null(), "it keeps nothing");

    daemon.kill9();
    daemon.restart();
    let page = artifacts(&daemon, number);
    let paths: Vec<&str> = page.artifacts.iter().map(|of| of.path.as_str()).collect();
    assert_eq!(paths, ["dist/empty", "dist/numbers", "dist/sub/a b"]);
    assert_eq!((page.total, page.bytes), (3, counts["bytes"].as_u64().expect("a number")));
    assert_eq!(page.troubles, ["pack: *.deb: no such file was written"]);
    let numbers: String = (1..=400_000).map(|n| format!("{n}\n")).collect();
    assert!(fetch(&daemon, number, &page.artifacts[1]).expect("fetched") == numbers.as_bytes());
    assert_eq!(fetch(&daemon, number, &page.artifacts[0]).expect("fetched"), b"");
    let log = String::from_utf8_lossy(&daemon.raw_log(&format!("{number}/pack"))).into_owned();
    assert_eq!(log, "[windlass] artifact *.deb: no such file was written\n", "nothing else is added to it");

    let refused = |request| asked(&daemon, request).expect_err("there is none").message;
    let attempt = |text: &str| text.parse().expect("an address");
    let read = |text: &str, artifact| Request::ReadArtifact { attempt: attempt(text), artifact, from: 0, limit: 9 };
    for artifact in [0, 4, u32::MAX] {
        let told = refused(read(&format!("{number}/pack#1"), artifact));
        assert!(told.contains(&format!("artifact {artifact} of {number}/pack#1")), "{told}");
    }
    refused(read(&format!("{number}/..#1"), 1));
    let of = |job: Option<&str>, attempt| Request::Artifacts {
        number,
        job: job.map(str::to_owned),
        attempt,
        offset: 0,
        limit: 9,
    };
    assert!(refused(of(Some("nobody"), None)).contains("nobody"));
    assert!(refused(of(Some("pack"), Some(7))).contains("pack#7"));
    assert!(refused(of(None, Some(1))).contains("name the job"));
}

#[test]
fn artifacts_lead_nowhere_and_have_no_more_than_they_may() {
    let spec = "jobs:\n  pack:\n    execute: ['ln -s /etc/passwd link; mkfifo pipe; mkdir dist; truncate -s 3M dist/large; head -c 900000 /dev/zero > dist/a; head -c 900000 /dev/zero > dist/b; echo small > dist/c']\n    artifacts: [link, pipe, dist, dist/**, dist/c]\n";
    let (repository, commit) = Repository::with_spec(spec);
    let options = DaemonOptions::local().with(&repository).set("limits", "artifacts = \"1MiB\"");
    let daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(number).outcome(), "passed");
    let page = artifacts(&daemon, number);
    let odd = "what is there is a link or no regular file, and is not followed";
    let troubles = [
        format!("pack: link: {odd}"),
        format!("pack: pipe: {odd}"),
        "pack: dist: a folder: `dist/**` would be all files in it".to_owned(),
        "pack: dist/**: more than the 1 MiB that all artifacts of a job may have; the others are left out".to_owned(),
    ];
    assert_eq!(page.troubles, troubles);
    let paths: Vec<&str> = page.artifacts.iter().map(|of| of.path.as_str()).collect();
    assert_eq!(paths, ["dist/a", "dist/c"], "{page:#?}");
    assert_eq!(fetch(&daemon, number, &page.artifacts[1]).expect("fetched"), b"small\n");
}

#[test]
fn artifacts_are_there_once_however_often_the_daemon_dies() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.to_str().expect("a plain name");
    let spec = format!(
        "jobs:\n  pack:\n    execute: ['echo before; until [ -e {at}/dead ]; do sleep 0.02; done; seq 1 100000 > one; seq 1 300000 > two; touch {at}/written']\n    artifacts: [one, two]\n"
    );
    let commit = repository.commit("main", &[(".windlass.yml", spec)], "first");
    let mut daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let number = daemon.push(&repository, &commit);
    daemon.wait_log(&format!("{number}/pack"), "before");
    daemon.kill9();
    std::fs::write(meet.join("dead"), "").expect("a file");
    wait_for_file(&meet.join("written"));
    // In the middle of the first, when all are there, and again before the end is recorded.
    for point in ["report.taken", "files.kept", "end.log-synced", "finish.before-commit"] {
        daemon.die_at(point);
    }
    daemon.restart();
    let view = daemon.wait_finished(number);
    assert_eq!((view.job("pack").outcome(), view.job("pack").attempts().len()), ("passed", 1), "{:#}", view.0);
    let page = artifacts(&daemon, number);
    assert_eq!((page.total, page.troubles.len()), (2, 0), "{page:#?}");
    for (of, last) in page.artifacts.iter().zip([100_000, 300_000]) {
        let expected: String = (1..=last).map(|n| format!("{n}\n")).collect();
        assert!(fetch(&daemon, number, of).expect("fetched") == expected.as_bytes(), "{}", of.path);
    }
}

#[test]
fn a_backup_has_the_artifacts_and_doctor_misses_what_is_gone() {
    let spec = "jobs: { pack: { execute: ['echo hello > out'], artifacts: out } }\n";
    let (repository, commit) = Repository::with_spec(spec);
    let options = DaemonOptions::local().with(&repository);
    let daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    daemon.wait_finished(number);
    let file = |name: &str| daemon.root().join(name).to_str().expect("a plain name").to_owned();
    for (name, more, says) in
        [("all", None, "artifacts 1 files, 6 B"), ("less", Some("--without-artifacts"), "artifacts 0 files")]
    {
        let shown = file(name);
        let made = daemon.windlassd(&[&["backup", &shown][..], &more.into_iter().collect::<Vec<_>>()].concat());
        assert_eq!(made.code, 0, "{}{}", made.text(), made.stderr);
        assert!(made.text().contains(says), "{}", made.text());
        let root = prepare(&options);
        let restored = finish(windlassd(root.path(), &["restore", &shown, "--config", "windlassd.toml"]), LONG);
        assert_eq!(restored.code, 0, "{}{}", restored.text(), restored.stderr);
        let other = Daemon::start_in(root, &options);
        let page = artifacts(&other, number);
        let fetched = fetch(&other, number, &page.artifacts[0]);
        let wrong = || -> Vec<String> {
            let wrong = doctor(&other, &["--deep"]).wrong();
            wrong.into_iter().filter(|kind| kind.contains("artifact")).collect()
        };
        match more {
            None => {
                assert_eq!(fetched.expect("fetched"), b"hello\n");
                assert_eq!(wrong(), [] as [&str; 0]);
                let kept = other.data().join(format!("artifacts/{number}/pack/1/1"));
                std::fs::write(kept, "jello\n").expect("written");
                assert_eq!(wrong(), ["artifact_damaged: by_hand"]);
            }
            Some(_) => {
                let told = fetched.expect_err("it is not there").message;
                assert!(told.contains("is not on the daemon's disk"), "{told}");
                assert_eq!(wrong(), ["artifacts_missing: by_hand"]);
            }
        }
    }
}
