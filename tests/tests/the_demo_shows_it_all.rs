//! `windlassd demo` without a terminal: ends with 0 when every build ended as the sample intends, and leaves nothing.

use tempfile::TempDir;
use windlass_tests::daemon::{finish, windlassd};
use windlass_tests::terminal::Terminal;
use windlass_tests::{LONG, SHORT, binaries, cleanup, wait_for};

#[track_caller]
fn nothing_is_left(root: &TempDir) {
    let names = || -> Vec<_> { std::fs::read_dir(root.path()).expect("the folder").flatten().collect() };
    assert!(names().iter().all(|entry| entry.file_name() == "home"), "left behind: {:?}", names());
    wait_for("all processes of the demo end", SHORT, || match cleanup::left(root.path()).as_slice() {
        [] => Ok(()),
        left => Err(left.to_vec()),
    });
}

#[test]
fn without_an_engine_it_says_so_and_works() {
    let root = TempDir::with_prefix("wl-").expect("a temporary folder");
    let mut command = windlassd(root.path(), &["demo"]);
    command.env("TMPDIR", root.path()).env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let output = finish(command, LONG);
    let said = output.text() + &output.stderr;
    assert_eq!(output.code, 0, "{said}");
    let about_the_engine = said.lines().filter(|line| line.contains("No container engine")).count();
    assert_eq!(about_the_engine, 1, "in one line:\n{said}");
    for outcome in ["passed", "failed"] {
        assert!(said.contains(outcome), "no build {outcome}:\n{said}");
    }
    nothing_is_left(&root);
}

#[test]
fn docker_with_an_engine_it_runs_in_containers() {
    let root = TempDir::with_prefix("wl-").expect("a temporary folder");
    let mut command = windlassd(root.path(), &["demo", "--engine", "docker"]);
    command.env("TMPDIR", root.path());
    let output = finish(command, LONG);
    assert_eq!(output.code, 0, "{}{}", output.text(), output.stderr);
    nothing_is_left(&root);
    assert_eq!(cleanup::containers(root.path()), Vec::<String>::new());
}

#[test]
fn in_a_terminal_it_opens_the_client_and_leaving_ends_all_of_it() {
    let root = TempDir::with_prefix("wl-").expect("a temporary folder");
    let folder = root.path().to_str().expect("a plain name");
    let path = std::env::var("PATH").expect("a path");
    let environment = [("TMPDIR", folder), ("DOCKER_HOST", "unix:///nowhere/docker.sock"), ("PATH", path.as_str())];
    let arguments = ["demo", "--engine", "local"];
    let mut terminal = Terminal::start_with(&binaries::windlassd(), &arguments, root.path(), 40, 120, &environment);
    terminal.wait_words(&["Builds", "Queue", "passed"]);
    terminal.keys("\x03");
    terminal.wait_end();
    assert_eq!(terminal.left_behind(), Vec::<&str>::new());
    nothing_is_left(&root);
}
