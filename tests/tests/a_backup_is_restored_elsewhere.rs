//! A backup that is made while builds run is restored into another folder: the daemon there shows the same builds and logs,
//! and knows the webhooks it has seen. A file that is cut or changed is refused, and leaves nothing.

use std::path::Path;

use windlass_tests::daemon::{Output, finish, prepare, windlassd};
use windlass_tests::doctor::doctor;
use windlass_tests::{Daemon, DaemonOptions, Delivery, LONG, Repository, database, wait_for_file};

const SPEC: &str = "jobs:\n  short: { execute: [echo built] }\n  long: { execute: [seq 1 50000] }\n";

fn run(root: &Path, arguments: &[&str]) -> Output {
    finish(windlassd(root, arguments), LONG)
}

#[track_caller]
fn refused(output: &Output, code: i32, words: &str) {
    assert_eq!(output.code, code, "{}{}", output.text(), output.stderr);
    let told = output.stderr.starts_with("windlassd: ") && output.stderr.contains(words);
    assert!(told && !output.stderr.contains("panicked"), "{words:?} is not in: {}", output.stderr);
}

/// `url`: of the database of a daemon, the first or the second.
fn story(url: impl Fn(usize) -> String) {
    let (repository, commit) = Repository::with_spec(SPEC);
    let options = |which: usize| DaemonOptions::local().with(&repository).set("database", &url(which));
    let daemon = Daemon::start(&options(0));
    let delivery = Delivery::push(&repository, &commit);
    daemon.accept(&delivery);
    let done = daemon.build_of(&delivery);
    assert_eq!(daemon.wait_finished(done).outcome(), "passed");
    let (here, go) = (repository.meeting_point().join("here"), repository.meeting_point().join("go"));
    let waits = format!(
        "jobs: {{ test: {{ execute: ['touch {}; until [ -e {} ]; do sleep 0.05; done'] }} }}\n",
        here.display(),
        go.display()
    );
    let runs = daemon.push(&repository, &repository.commit("main", &[(".windlass.yml", waits)], "runs"));
    wait_for_file(&here);

    let file = daemon.root().join("all.windlass");
    let shown = file.to_str().expect("a plain name");
    let made = daemon.windlassd(&["backup", shown]);
    assert_eq!(made.code, 0, "{}{}", made.text(), made.stderr);
    assert!(made.text().contains("written and verified") && made.text().contains("builds    2"), "{}", made.text());
    let whole = std::fs::read(&file).expect("the backup");
    assert_eq!(
        std::fs::metadata(&file)
            .map(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777)
            .expect("there"),
        0o600
    );
    refused(&daemon.windlassd(&["backup", shown]), 1, "exists already");
    assert!(std::fs::read(&file).expect("the backup") == whole, "and is as it was");
    assert_eq!(daemon.windlassd(&["backup", "--force", shown]).code, 0);
    let left: Vec<_> =
        std::fs::read_dir(daemon.root()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "nothing half-made is left: {left:?}");

    // Without a configuration; cut and changed copies are told.
    let root = prepare(&options(1));
    let data = root.path().join("data");
    let verified = run(root.path(), &["backup", "--verify", shown]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    assert!(verified.text().contains("is whole"), "{}", verified.text());
    let mut spoilt = whole.clone();
    let middle = spoilt.len() / 2;
    spoilt[middle] ^= 0x10;
    for (name, bytes) in
        [("cut", &whole[..middle]), ("short", &whole[..whole.len() - 1]), ("spoilt", &spoilt), ("empty", b"")]
    {
        let bad = root.path().join(name);
        std::fs::write(&bad, bytes).expect("a file");
        let bad = bad.to_str().expect("a plain name");
        refused(&run(root.path(), &["backup", "--verify", bad]), 1, "is no whole backup");
        refused(&run(root.path(), &["restore", bad, "--config", "windlassd.toml"]), 1, "is no whole backup");
        assert!(!data.exists(), "{name}: nothing is left");
    }

    // Never over something that is there.
    refused(&daemon.windlassd(&["restore", shown]), 4, "another windlassd uses");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("mine"), "x").expect("a file");
    refused(&run(root.path(), &["restore", shown, "--config", "windlassd.toml"]), 4, "is not empty");
    assert_eq!(std::fs::read(data.join("mine")).expect("there"), b"x");
    std::fs::remove_dir_all(&data).expect("removed");

    // One that was killed while it unpacked is in nobody's way, and no daemon begins on what it left.
    std::fs::create_dir_all(data.join("restore-in-progress/logs")).expect("a folder");
    refused(&run(root.path(), &["serve", "--config", "windlassd.toml"]), 4, "was cut off");
    let restored = run(root.path(), &["restore", shown, "--config", "windlassd.toml"]);
    assert_eq!(restored.code, 0, "{}{}", restored.text(), restored.stderr);
    refused(&run(root.path(), &["restore", shown, "--config", "windlassd.toml"]), 4, "is not empty");

    let second = Daemon::start_in(root, &options(1));
    let (before, after) = (daemon.build(done), second.build(done));
    for name in ["short", "long"] {
        assert_eq!(before.job(name).attempt(1)["log"], after.job(name).attempt(1)["log"]);
        let address = format!("{done}/{name}");
        assert!(daemon.raw_log(&address) == second.raw_log(&address), "the log of {address} differs");
    }
    assert_eq!((before.summary(), before.0["sha"].clone()), (after.summary(), after.0["sha"].clone()));
    let again = second.deliver(&delivery);
    assert_eq!(again.json()["state"], "duplicate", "{}", again.text());
    // Nobody knows what became of what ran: that is what it says.
    let lost = second.wait_finished(runs);
    assert_eq!(lost.job("test").attempt(1)["outcome"], "lost", "{:#}", lost.0);
    let next = second.push(&repository, &repository.commit("main", &[(".windlass.yml", SPEC)], "goes on"));
    assert_eq!((next, second.wait_finished(next).outcome()), (runs + 1, "passed"));
    let wrong = doctor(&second, &["--deep"]).wrong();
    assert!(wrong.iter().all(|finding| finding.starts_with("secret_readable")), "{wrong:?}");

    // The first one has not noticed.
    std::fs::write(&go, "").expect("a file");
    assert_eq!(daemon.wait_finished(runs).outcome(), "passed");
}

#[test]
fn a_backup_is_restored_elsewhere() {
    story(|_| "url = \"sqlite:windlass.db\"".to_owned());
}

#[test]
fn a_backup_is_restored_elsewhere_with_postgres() {
    let (Some(first), Some(second)) = (database::fresh("first"), database::fresh("second")) else { return };
    let urls = [first.url.clone(), second.url.clone()];
    story(move |which| format!("url = {:?}", urls[which]));
}
