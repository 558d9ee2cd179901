//! Two daemons on one database would run jobs twice, also when their data folders differ: the second one refuses to
//! start and says why.

use windlass_tests::daemon::{finish, prepare, windlassd};
use windlass_tests::{Daemon, DaemonOptions, SHORT};

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

    // A crash leaves nothing in the way of whoever comes next.
    first.kill9();
    let mut third = Daemon::start(&options);
    assert!(third.builds().is_empty());
    assert_eq!(third.terminate(), 0);
    first.restart();
    assert_eq!(first.terminate(), 0);
}
