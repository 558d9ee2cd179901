//! Where to clone from is a stranger's word unless the operator says it: only https is followed. Files of this host,
//! its keys and plain text are not.

use std::io::ErrorKind;
use std::net::TcpListener;

use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository};

#[test]
fn payload_urls_are_https_only() {
    let (repository, commit) = Repository::with_spec("execute: [echo fetched]\n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("our own listener");
    let address = listener.local_addr().expect("its address");
    let daemon = Daemon::start(&DaemonOptions::local().listing("acme/app"));
    // The first two are there and would pass; the others would be asked for at the listener.
    for url in [
        repository.url(),
        format!("file://{}", repository.url()),
        format!("ssh://git@{address}/app.git"),
        format!("git://{address}/app.git"),
        format!("http://{address}/app.git"),
        format!("git@{}:app.git", address.ip()),
    ] {
        let delivery =
            Delivery::push(&repository, &commit).changed(|body| body["repository"]["clone_url"] = url.as_str().into());
        daemon.accept(&delivery);
        let build = daemon.wait_finished(daemon.build_of(&delivery));
        assert_eq!(build.outcome(), "broken", "{url}: {:#}", build.0);
        let why = build.reason();
        assert!(
            why.contains("https") && why.contains("clone_url"),
            "{url}: says neither what is wrong nor what to do: {why:?}"
        );
        let asked = listener.accept().map_err(|error| error.kind());
        assert!(matches!(asked, Err(ErrorKind::WouldBlock)), "{url}: was asked for: {asked:?}");
    }

    // The operator's own word is followed.
    drop(daemon);
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let build = daemon.wait_finished(daemon.push(&repository, &commit));
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
}
