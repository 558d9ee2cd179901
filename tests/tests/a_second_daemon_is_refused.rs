//! Two daemons on one data folder would run jobs twice: the second one refuses to start and says why.

use windlass_tests::daemon::{finish, windlassd};
use windlass_tests::{Daemon, DaemonOptions, SHORT};

#[test]
fn a_second_daemon_is_refused() {
    let mut daemon = Daemon::start(&DaemonOptions::local());
    let second = finish(windlassd(daemon.root(), &["serve", "--config", "windlassd.toml"]), SHORT);
    assert!(second.code != 0 && second.code != 101, "code {}: {}", second.code, second.stderr);
    assert!(second.stderr.contains("data"), "does not name the data folder: {}", second.stderr);
    assert!(!second.stderr.contains("panicked"), "{}", second.stderr);

    // The first one has not suffered, not even its socket.
    assert_eq!(daemon.get("/healthz").status, 200);
    assert!(daemon.builds().is_empty());

    // And when the first one is gone, even by `kill -9`, the data can be used again.
    daemon.kill9();
    daemon.restart();
    assert_eq!(daemon.terminate(), 0);
    daemon.restart();
    assert!(daemon.builds().is_empty());
}
