//! Over TCP nobody gets in without a token, and nobody does more than the token's role allows.

use windlass_protocol::live::{BuildFilter, Request, Role};
use windlass_protocol::refusal::RefusalCode;
use windlass_tests::daemon::{finish, windlassd};
use windlass_tests::live::{Live, NotConnected};
use windlass_tests::{Daemon, DaemonOptions, Repository, SHORT};

/// Makes a token as an operator does, and returns what is shown this once.
fn token(daemon: &Daemon, name: &str, role: &str) -> String {
    let arguments = ["token", "create", name, "--role", role, "--config", "windlassd.toml"];
    let made = finish(windlassd(daemon.root(), &arguments), SHORT);
    assert_eq!(made.code, 0, "{}{}", made.text(), made.stderr);
    made.text().split_whitespace().last().expect("the token is printed").to_owned()
}

/// The control listener's address, which stands beside the public one's.
fn control(daemon: &Daemon) -> String {
    let path = daemon.data().join("control.addr");
    std::fs::read_to_string(&path).expect("the daemon writes its control address").trim().to_owned()
}

fn bearer(token: &str) -> Vec<(&'static str, String)> {
    vec![("Authorization", format!("Bearer {token}"))]
}

#[track_caller]
fn status(address: &str, headers: &[(&'static str, String)]) -> u16 {
    match Live::tcp(address, headers) {
        Err(NotConnected::Status(status)) => status,
        Err(NotConnected::Other(error)) => panic!("no answer: {error}"),
        Ok(_) => panic!("was let in"),
    }
}

#[test]
fn tokens_guard_tcp() {
    let (repository, commit) = Repository::with_spec("execute: [echo hi]\n");
    let options = DaemonOptions::local().with(&repository).set("control", "listen = \"127.0.0.1:0\"");
    let daemon = Daemon::start(&options);
    let address = control(&daemon);
    let number = daemon.push(&repository, &commit);
    daemon.wait_finished(number);

    let viewer = token(&daemon, "screen", "viewer");
    let operator = token(&daemon, "ada", "operator");
    assert!(viewer.len() >= 32 && viewer != operator);

    for (what, headers) in [
        ("no token", vec![]),
        ("an empty one", bearer("")),
        ("a wrong one", bearer("0123456789abcdef0123456789abcdef")),
        ("a cut one", bearer(&viewer[..viewer.len() - 1])),
        ("another scheme", vec![("Authorization", format!("Basic {viewer}"))]),
    ] {
        assert_eq!(status(&address, &headers), 401, "{what}");
    }
    let mut from_a_page = bearer(&viewer);
    from_a_page.push(("Origin", "https://evil.example".to_owned()));
    assert_eq!(status(&address, &from_a_page), 403, "a browser's page that is not listed");

    let mut live = Live::tcp(&address, &bearer(&viewer)).expect("a viewer may look");
    assert_eq!(live.hello().role, Role::Viewer);
    live.request(Request::Builds { filter: BuildFilter::default(), offset: 0, limit: 5 }).expect("a viewer may look");
    let retry = || Request::Retry { build: number, what: windlass_protocol::live::RetryWhat::Everything, head: false };
    let refused = live.request(retry()).expect_err("a viewer may not retry");
    assert_eq!(refused.code, RefusalCode::Forbidden);
    assert_eq!(daemon.build(number).only_job().attempts().len(), 1, "nothing was retried");
    let delivery = daemon.build(number).0["delivery"].as_str().expect("a delivery made it").to_owned();
    let replay = || Request::Replay { delivery: delivery.clone() };
    assert_eq!(live.request(replay()).expect_err("nor replay").code, RefusalCode::Forbidden);
    live.request(Request::Repositories { results: 5 }).expect("a viewer may look at results");

    let mut live = Live::tcp(&address, &bearer(&operator)).expect("an operator may look");
    assert_eq!(live.hello().role, Role::Operator);
    live.request(replay()).expect("an operator may replay");
    live.request(retry()).expect("an operator may retry");
    daemon.wait_until(number, "a second attempt", |build| build.only_job().attempts().len() == 2);

    // Stored as a hash: whoever reads the data folder does not get the token.
    for entry in std::fs::read_dir(daemon.data()).expect("the data folder").flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let found = bytes.windows(viewer.len()).any(|window| window == viewer.as_bytes());
        assert!(!found, "the token itself is in {}", entry.path().display());
    }
}

#[test]
fn tcp_beyond_loopback_needs_tls_or_the_operators_word() {
    let root = windlass_tests::daemon::prepare(&DaemonOptions::local().set("control", "listen = \"0.0.0.0:0\""));
    let refused = finish(windlassd(root.path(), &["check", "--config", "windlassd.toml"]), SHORT);
    assert!(refused.code != 0 && refused.code < 100, "code {}", refused.code);
    let said = refused.text() + &refused.stderr;
    assert!(said.to_lowercase().contains("tls"), "{said}");
}
