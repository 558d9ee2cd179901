//! A configuration that cannot be used ends the start with one clear message and an exit code, never with a panic.

use std::net::TcpListener;

use windlass_tests::daemon::{finish, prepare, windlassd};
use windlass_tests::{DaemonOptions, SHORT};

/// Starts a daemon that must refuse, and returns what it says.
#[track_caller]
fn refused(options: &DaemonOptions, spoil: impl FnOnce(&std::path::Path), commands: &[&str]) -> String {
    let root = prepare(options);
    spoil(root.path());
    let mut said = String::new();
    for command in commands {
        let output = finish(windlassd(root.path(), &[command, "--config", "windlassd.toml"]), SHORT);
        said = output.text() + &output.stderr;
        assert!(output.code != 0 && output.code < 100, "{command}: code {}: {said}", output.code);
        assert!(!said.contains("panicked"), "{said}");
    }
    said
}

#[test]
fn an_unknown_key_is_told_with_its_line() {
    let options = DaemonOptions::local().set("limits", "jbos = 3");
    let line = options.toml("/x".as_ref()).lines().position(|line| line.contains("jbos")).expect("it is there") + 1;
    let said = refused(&options, |_| {}, &["check", "serve"]);
    for words in ["jbos", "windlassd.toml", &line.to_string()] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let options = DaemonOptions::local().set("public", "url = \"not a url\"").set("limits", "memory = \"4GB\"");
    let said = refused(&options, |_| {}, &["check"]);
    assert!(said.contains("url") && said.contains("memory"), "{said}");
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    let said = refused(&DaemonOptions::local().set("", "data_dir = "), |_| {}, &["check", "serve"]);
    assert!(said.contains("windlassd.toml") && said.contains('2'), "{said}");
}

#[test]
fn a_missing_file_is_told() {
    let spoil = |root: &std::path::Path| std::fs::remove_file(root.join("windlassd.toml")).expect("it was there");
    let said = refused(&DaemonOptions::local(), spoil, &["check", "serve"]);
    assert!(said.contains("windlassd.toml"), "{said}");
}

#[test]
fn secrets_that_are_missing_or_too_short_are_told() {
    let short = |root: &std::path::Path| std::fs::write(root.join("webhook.secret"), "short\n").expect("a file");
    let said = refused(&DaemonOptions::local(), short, &["check", "serve"]);
    assert!(said.contains("webhook.secret") && said.contains("32"), "{said}");
    assert!(!said.contains("short\n"), "the secret itself is not printed: {said}");
    let gone = |root: &std::path::Path| std::fs::remove_file(root.join("webhook.secret")).expect("it was there");
    let said = refused(&DaemonOptions::local(), gone, &["check", "serve"]);
    assert!(said.contains("webhook.secret"), "{said}");
}

#[test]
fn a_taken_port_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let spoil = |root: &std::path::Path| {
        let path = root.join("windlassd.toml");
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, text.replace("127.0.0.1:0", &address)).expect("a file");
    };
    let said = refused(&DaemonOptions::local(), spoil, &["serve"]);
    assert!(said.contains(&address), "{said}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_told() {
    // A file in its place: root may write everywhere else.
    let spoil = |root: &std::path::Path| std::fs::write(root.join("data"), "").expect("a file");
    let said = refused(&DaemonOptions::local(), spoil, &["serve"]);
    assert!(said.contains("/data"), "{said}");
}

#[test]
fn an_engine_that_is_not_there_is_told() {
    let said =
        refused(&DaemonOptions::docker().set("engine", "docker_socket = \"no-engine.sock\""), |_| {}, &["serve"]);
    assert!(said.contains("no-engine.sock"), "{said}");
}
