//! Where the executables under test are: of the same profile as the tests, built by cargo first unless
//! `WINDLASS_BIN_DIR` says that somebody did so already. Must not know what they do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[must_use]
pub fn windlassd() -> PathBuf {
    folder().join("windlassd")
}

#[must_use]
pub fn windlass() -> PathBuf {
    folder().join("windlass")
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = match std::env::var_os("WINDLASS_BIN_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => build(),
        };
        for name in ["windlassd", "windlass"] {
            assert!(folder.join(name).is_file(), "there is no {name} in {}: run tests/run", folder.display());
        }
        folder
    })
}

/// `target/<tuple>/<profile>`, in which this executable is too, in `deps` when it is a test.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("an executable knows where it is");
    let mut folder = own.parent().expect("an executable is in a folder");
    if folder.ends_with("deps") {
        folder = folder.parent().expect("deps is inside of the profile's folder");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "windlass-daemon", "--package", "windlass-tui"]);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo is there, as it built this");
    assert!(status.success(), "cargo could not build windlassd and windlass");
    folder.to_owned()
}
