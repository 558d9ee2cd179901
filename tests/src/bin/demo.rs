//! `cargo demo`: builds the daemon and the client with the profile this was built with, then becomes `windlassd demo` with
//! the arguments it was given. Must not know what the demo shows.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let own = std::env::current_exe().expect("an executable knows where it is");
    let folder = own.parent().expect("an executable is in a folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // Cargo's own progress stays visible: the first build takes minutes.
    build.args(["build", "--package", "windlass-daemon", "--package", "windlass-tui"]);
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    match build.status() {
        Ok(status) if status.success() => become_demo(folder),
        Ok(_) => ExitCode::FAILURE, // cargo has said why
        Err(error) => fail("cannot start cargo", &error),
    }
}

fn become_demo(folder: &Path) -> ExitCode {
    let program = folder.join("windlassd");
    let error = Command::new(&program).arg("demo").args(std::env::args_os().skip(1)).exec();
    fail(&format!("cannot execute {}", program.display()), &error)
}

#[expect(clippy::print_stderr, reason = "this is how a command says what went wrong")]
fn fail(what: &str, error: &std::io::Error) -> ExitCode {
    eprintln!("demo: {what}: {error}");
    ExitCode::FAILURE
}
