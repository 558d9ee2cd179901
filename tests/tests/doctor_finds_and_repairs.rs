//! `windlassd doctor` finds what was planted, says what it would do, changes nothing until told to, and does not disturb a
//! daemon that works.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use windlass_tests::cleanup::processes;
use windlass_tests::doctor::doctor;
use windlass_tests::{Daemon, DaemonOptions, Repository, wait_for_file};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o777
}

/// Every file below a folder with its mode and bytes; of databases only that they are there: looking moves their insides.
fn picture(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a kind");
        let name = path.display().to_string();
        if kind.is_dir() {
            seen.insert(name, (mode(&path), Vec::new()));
            seen.extend(picture(&path));
        } else if kind.is_file() && !name.contains("windlass.db") {
            seen.insert(name, (mode(&path), std::fs::read(&path).expect("readable")));
        }
    }
    seen
}

/// As an engine makes it for a job.
fn plant_job(daemon: &Daemon) -> std::path::PathBuf {
    let folder = daemon.data().join("jobs/local/4711.1.gone");
    std::fs::create_dir_all(folder.join("workspace")).expect("a folder");
    std::fs::write(folder.join("attempt"), "4711/gone#1").expect("a file");
    folder
}

#[test]
fn doctor_finds_and_repairs() {
    let (repository, commit) = Repository::with_spec("jobs: { test: { execute: [echo built] } }\n");
    let options = DaemonOptions::local().with(&repository);
    let mut daemon = Daemon::start(&options);
    let secret = daemon.root().join("webhook.secret");
    set_mode(&secret, 0o600);
    let first = daemon.push(&repository, &commit);
    assert_eq!(daemon.wait_finished(first).outcome(), "passed");

    // Beside a daemon that works, and that nothing is wrong with.
    let well = doctor(&daemon, &[]);
    well.says(0, &[]);
    assert_eq!(well.report["daemon"], true);
    assert_eq!(well.report["wrong"], 0);
    let words = daemon.windlassd(&["doctor"]);
    assert_eq!(words.code, 0, "{}", words.text());
    assert!(words.text().trim_end().ends_with("nothing is wrong"), "{}", words.text());

    // What may be mended beside it, and what nobody can mend.
    let log = daemon.data().join(format!("logs/{first}/test/1/log"));
    std::fs::write(&log, "bulit\n").expect("spoilt");
    set_mode(&secret, 0o644);
    doctor(&daemon, &[]).says(1, &["secret_readable: possible"]);
    assert_eq!(mode(&secret), 0o644, "looking changes nothing");
    let deep = doctor(&daemon, &["--deep", "--repair"]);
    deep.says(1, &["log_damaged: by_hand", "secret_readable: done"]);
    assert!(
        deep.finding("log_damaged", &format!("{first}/test#1"))["what"]
            .as_str()
            .is_some_and(|what| what.contains("SHA-256"))
    );
    assert_eq!(mode(&secret), 0o640);

    // The daemon has not suffered, and is then killed together with a job of its.
    let here = repository.meeting_point().join("here");
    let spec = format!("jobs: {{ test: {{ execute: ['touch {}; sleep 600'] }} }}\n", here.display());
    let hangs = daemon.push(&repository, &repository.commit("main", &[(".windlass.yml", spec)], "hangs"));
    wait_for_file(&here);
    daemon.kill9();
    processes(daemon.root());
    std::fs::remove_dir_all(daemon.data().join(format!("jobs/local/{hangs}.1.test"))).expect("its folder is gone");
    let job = plant_job(&daemon);
    // Of a build that is gone; one that was just written, and one of a number that this database never gave.
    let plant = |log: &str, idle: Duration| {
        let folder = daemon.data().join(format!("logs/{log}/1"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("log"), "x").expect("a file");
        for path in [folder.join("log"), folder.clone()] {
            File::open(path).and_then(|file| file.set_modified(SystemTime::now() - idle)).expect("our own");
        }
        folder
    };
    let days = Duration::from_hours(48);
    let (orphan, others) = (plant("0/gone", days), [plant("4711/gone", days), plant("0/young", Duration::ZERO)]);
    let mirror = daemon.data().join("mirrors/nobody-0123456789abcdef.git");
    std::fs::create_dir_all(mirror.join("objects")).expect("a folder");
    set_mode(&secret, 0o604);
    set_mode(&daemon.data(), 0o755);

    let all = ["data_readable", "hung_attempt", "leftover_job", "mirror", "orphan_log", "secret_readable"];
    let each = |repair: &str| all.map(|kind| format!("{kind}: {repair}"));
    let before = picture(daemon.root());
    let look = doctor(&daemon, &[]);
    look.says(1, &each("possible").iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(look.report["daemon"], false);
    assert_eq!(look.report["wrong"], all.len());
    for (kind, about) in [("hung_attempt", format!("{hangs}/test#1")), ("orphan_log", "0/gone#1".to_owned())] {
        assert_eq!(look.finding(kind, &about)["weight"], "wrong");
    }
    let words = daemon.windlassd(&["doctor"]);
    assert_eq!(words.code, 1);
    for (finding, text) in
        look.report["findings"].as_array().expect("a list").iter().map(|finding| (finding, words.text()))
    {
        for part in ["what", "remedy"] {
            let part = finding[part].as_str().expect("a sentence");
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
    assert!(words.text().contains("6 things are wrong; `windlassd doctor --repair` mends"), "{}", words.text());
    assert!(picture(daemon.root()) == before, "looking changes nothing");

    let mended = doctor(&daemon, &["--repair"]);
    mended.says(0, &each("done").iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!job.exists() && !orphan.exists() && !mirror.exists());
    assert!(others.iter().all(|folder| folder.join("log").exists()), "what may be somebody else's stays");
    assert_eq!((mode(&secret), mode(&daemon.data())), (0o600, 0o700));
    doctor(&daemon, &["--repair"]).says(0, &[]);
    doctor(&daemon, &["--deep"]).says(1, &["log_damaged: by_hand"]);

    // The daemon goes on from there.
    daemon.restart();
    let lost = daemon.build(hangs).job("test");
    assert_eq!(lost.attempt(1)["outcome"], "lost", "{:#}", lost.0);
    assert!(lost.attempt(1).to_string().contains("doctor"), "{:#}", lost.0);
    let next = daemon
        .push(&repository, &repository.commit("main", &[(".windlass.yml", "execute: [echo built]\n")], "goes on"));
    assert_eq!(daemon.wait_finished(next).outcome(), "passed");
}

#[test]
fn doctor_tells_a_wrong_configuration_and_a_folder_that_is_not_there() {
    let options = DaemonOptions::local();
    let root = windlass_tests::daemon::prepare(&options);
    let run = |arguments: &[&str]| {
        windlass_tests::daemon::finish(windlass_tests::daemon::windlassd(root.path(), arguments), windlass_tests::LONG)
    };
    set_mode(&root.path().join("webhook.secret"), 0o600);
    let fresh = run(&["doctor", "--config", "windlassd.toml", "--repair"]);
    assert_eq!(fresh.code, 0, "{}", fresh.text());
    assert!(fresh.text().contains("is not there yet"), "{}", fresh.text());
    assert!(!root.path().join("data").exists(), "it makes nothing");

    std::fs::write(root.path().join("windlassd.toml"), "[retention]\nkeep_for = \"ages\"\nlogs = 7\n")
        .expect("written");
    let wrong = run(&["doctor", "--config", "windlassd.toml"]);
    assert_eq!(wrong.code, 1, "{}", wrong.text());
    assert!(wrong.text().contains("windlassd.toml:3"), "{}", wrong.text());
    std::fs::write(root.path().join("windlassd.toml"), "[retention]\nkeep_for = \"ages\"\n").expect("written");
    let wrong = run(&["doctor", "--config", "windlassd.toml", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&wrong.stdout).expect("JSON, whatever is wrong");
    assert_eq!((wrong.code, &report["findings"][0]["kind"]), (1, &"configuration".into()), "{report:#}");
    assert!(
        report["findings"][0]["what"].as_str().is_some_and(|what| what.contains("retention.keep_for")),
        "{report:#}"
    );
}
