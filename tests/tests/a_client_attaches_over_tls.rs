//! Over TLS a client attaches from elsewhere: it trusts only the certificate it was given, and shows its token.

use std::path::Path;

use windlass_tests::daemon::{self, finish, windlassd};
use windlass_tests::{Daemon, DaemonOptions, LONG, Repository, SHORT};

/// A certificate for `localhost` that nobody signed but itself, and its key, as files.
fn certificate(folder: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("control.crt"), folder.join("control.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    (certificate.display().to_string(), key.display().to_string())
}

#[test]
fn a_client_attaches_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = certificate(folder.path());
    let (repository, commit) = Repository::with_spec("execute: [echo over the wire]\n");
    let options = DaemonOptions::local()
        .with(&repository)
        .set("control", "listen = \"127.0.0.1:0\"")
        .set("control", &format!("tls_certificate = {certificate:?}"))
        .set("control", &format!("tls_key = {key:?}"));
    let server = Daemon::start(&options);
    let number = server.push(&repository, &commit);
    server.wait_finished(number);

    let made = finish(
        windlassd(server.root(), &["token", "create", "laptop", "--role", "viewer", "--config", "windlassd.toml"]),
        SHORT,
    );
    assert_eq!(made.code, 0, "{}", made.stderr);
    let token = folder.path().join("token");
    std::fs::write(&token, &made.stdout).expect("written");
    let address = std::fs::read_to_string(server.data().join("control.addr")).expect("the control address");
    let port = address.trim().rsplit(':').next().expect("a port").to_owned();
    let windlass = |scheme: &str, more: &[&str]| {
        let connect = format!("{scheme}://localhost:{port}");
        let token = token.display().to_string();
        let mut arguments = vec!["--connect", connect.as_str(), "--token-file", token.as_str()];
        arguments.extend(more);
        finish(daemon::windlass(server.root(), &arguments), LONG)
    };

    let log = windlass("wss", &["--ca", &certificate, "logs", "--raw", &number.to_string()]);
    assert_eq!((log.code, log.text().as_str()), (0, "over the wire\n"), "{}", log.stderr);
    let cancelled = windlass("wss", &["--ca", &certificate, "cancel", &number.to_string()]);
    assert_eq!(cancelled.code, 6, "a viewer cancels nothing: {}", cancelled.stderr);
    let stranger = windlass("wss", &["builds"]);
    assert_eq!(stranger.code, 5, "nobody vouches for the certificate: {}{}", stranger.text(), stranger.stderr);
    let in_the_clear = windlass("ws", &["builds"]);
    assert_eq!(in_the_clear.code, 5, "it speaks TLS and nothing else: {}", in_the_clear.stderr);
}

#[test]
fn beyond_loopback_only_with_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |control: &str| {
        std::fs::write(folder.path().join("windlassd.toml"), format!("[control]\n{control}\n")).expect("written");
        finish(windlassd(folder.path(), &["check", "--config", "windlassd.toml"]), SHORT)
    };
    let open = check("listen = \"0.0.0.0:8081\"");
    assert_eq!(open.code, 3, "{}", open.text());
    assert!(open.stderr.contains("tls_certificate") && open.stderr.contains("tls_in_front"), "{}", open.stderr);
    assert_eq!(check("listen = \"0.0.0.0:8081\"\ntls_in_front = true").code, 0);
    assert_eq!(check("listen = \"127.0.0.1:8081\"").code, 0);
}
