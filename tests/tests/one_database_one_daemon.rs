//! Two daemons on one database would run jobs twice, also when their data folders differ: the second one refuses to
//! start and says why.

use windlass_tests::daemon::{finish, prepare, windlassd};
use windlass_tests::{Daemon, DaemonOptions, SHORT, wait_for_file};

#[test]
fn one_database_one_daemon() {
    let shared = tempfile::tempdir().expect("a temporary folder");
    let file = shared.path().join("shared.db");
    let options = DaemonOptions::local().set("database", &format!("url = \"sqlite:{}\"", file.display()));
    let mut first = Daemon::start(&options);
    assert!(file.is_file(), "the first one uses it");

    let other = prepare(&options);
    let second = finish(windlassd(other.path(), &["serve", "--config", "windlassd.toml"]), SHORT);
    assert!(matches!(second.code, 4 | 6), "code {}: {}", second.code, second.stderr);
    let last = second.stderr.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains("shared.db") && last.contains("use"), "no clear sentence: {}", second.stderr);
    assert!(!second.stderr.contains("panicked"), "{}", second.stderr);

    // The first one has not suffered.
    assert_eq!(first.get("/healthz").status, 200);
    assert!(first.builds().is_empty());

    // Beside a crashed one, another data folder is still another: here all logs would be missed, and all jobs lost.
    let marker = first.data().join("owner");
    let owner = std::fs::read_to_string(&marker).expect("it knows who it is");
    first.kill9();
    let serve = |more: &[&str]| windlassd(other.path(), &[&["serve", "--config", "windlassd.toml"], more].concat());
    let foreign = finish(serve(&[]), SHORT);
    assert_eq!(foreign.code, 6, "{}", foreign.stderr);
    let way_out = foreign.stderr.contains(owner.trim()) && foreign.stderr.contains("--take-database");
    assert!(way_out, "no way out: {}", foreign.stderr);
    let doctor = finish(windlassd(other.path(), &["doctor", "--repair", "--config", "windlassd.toml"]), SHORT);
    assert_eq!(doctor.code, 1, "{}", doctor.text());
    assert!(doctor.text().contains("belongs to another data folder"), "{}", doctor.text());
    let copy = other.path().join("copy");
    let backup = windlassd(other.path(), &["backup", "--config", "windlassd.toml", &copy.display().to_string()]);
    let backup = finish(backup, SHORT);
    assert!(backup.code == 6 && !copy.exists(), "code {}: {}", backup.code, backup.stderr);

    // A crash leaves nothing in the way of its own folder, and an operator who knows better decides.
    first.restart();
    assert_eq!(first.terminate(), 0);
    let mut taking = serve(&["--take-database"]).spawn().expect("it can be executed");
    wait_for_file(&other.path().join("data/public.addr"));
    taking.kill().and_then(|()| taking.wait()).expect("our own child");
    let mut third = Daemon::start_in(other, &options);
    assert!(third.builds().is_empty());
    assert_eq!(third.terminate(), 0);
    let lost = finish(windlassd(first.root(), &["serve", "--config", "windlassd.toml"]), SHORT);
    assert_eq!(lost.code, 6, "it was taken from the first: {}", lost.stderr);
}
