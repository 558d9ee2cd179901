//! The client's fail points exist in debug builds alone: a release has nothing of them, not even the name of the variable.

use std::path::Path;
use std::process::Command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tui/src/failpoint.rs");

/// The object file of a program that comes to a point.
fn compiled(assertions: &str, folder: &Path) -> Vec<u8> {
    let (program, object) = (folder.join("program.rs"), folder.join("program.o"));
    let text = format!("#[path = {SOURCE:?}]\nmod failpoint;\npub fn paint() {{ failpoint::at(\"frame\") }}\n");
    std::fs::write(&program, text).expect("a file");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--emit=obj", "-Copt-level=3"])
        .args([&format!("-Cdebug-assertions={assertions}"), "-o"])
        .args([&object, &program])
        .output()
        .expect("the compiler that built this is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(object).expect("it was written")
}

#[test]
fn a_release_does_not_panic_on_purpose() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let has = |object: &[u8], word: &str| object.windows(word.len()).any(|window| window == word.as_bytes());
    let (debug, release) = (compiled("yes", folder.path()), compiled("no", folder.path()));
    for word in ["WINDLASS_PANIC", "fail point"] {
        assert!(has(&debug, word), "{word:?} is not even in a debug build");
        assert!(!has(&release, word), "{word:?} is in the release");
    }
}
