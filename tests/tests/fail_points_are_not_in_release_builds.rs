//! The daemon's fail points exist in debug builds alone: compiled as a release, their module has nothing but a table that
//! no code reads. It is one file without dependencies then, so it can be looked at by itself.

use std::path::Path;
use std::process::Command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../daemon/src/failpoint.rs");

/// The object file of the module alone, or what the compiler said.
fn compiled(assertions: &str, folder: &Path) -> Result<Vec<u8>, String> {
    let object = folder.join("failpoint.o");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--emit=obj", "-Copt-level=3", "--cap-lints=allow"])
        .args([&format!("-Cdebug-assertions={assertions}"), "-o"])
        .arg(&object)
        .arg(SOURCE)
        .output()
        .expect("the compiler that built this is there");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(std::fs::read(object).expect("it was written"))
}

#[test]
fn a_release_has_no_way_to_kill_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let object = compiled("no", folder.path()).expect("in a release it needs no other crate");
    for word in ["WINDLASS_", "inbox", "sabotage"] {
        let found = object.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!found, "{word:?} is in the release");
    }
    // And in a debug build it does what it says, for which it needs system calls.
    let error = compiled("yes", folder.path()).expect_err("it sends signals");
    assert!(error.contains("nix"), "{error}");
}
