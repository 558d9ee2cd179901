//! What travels on the wire, held fast: a golden file for every variant of every message, tolerance towards what is
//! unknown, and a README that names all of it and nothing else. Must not know sockets.
//!
//! `UPDATE_GOLDEN=1 cargo test -p windlass-protocol` writes the files anew; read the difference before committing it.

mod frames; // binary frames
mod readme; // the README against the types
mod samples; // a value of every variant
mod tolerance; // what may be unknown, and what may not
mod views; // the views that messages carry

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use samples::Sample;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn updating() -> bool {
    let asked = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    assert!(!asked || std::env::var_os("CI").is_none(), "golden files are not written anew in CI");
    asked
}

#[test]
fn every_sample_is_its_file_and_comes_back_from_it() {
    for Sample { file, text, comes_back, .. } in samples::all() {
        let path = folder().join(&file);
        if updating() {
            fs::write(&path, &text).expect("the folder of golden files can be written");
        }
        let stored = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{file}: {error}: UPDATE_GOLDEN=1 writes it for a new variant"));
        assert_eq!(text, stored, "{file} is not what is sent now: clients in use would be told something else");
        comes_back(&stored).unwrap_or_else(|problem| panic!("{file}: {problem}"));
    }
}

#[test]
fn there_is_a_file_for_every_sample_and_none_else() {
    let samples: Vec<String> = samples::all().into_iter().map(|sample| sample.file).collect();
    let expected: BTreeSet<String> = samples.iter().cloned().collect();
    assert_eq!(samples.len(), expected.len(), "two samples have one file");
    let stored: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder of golden files is there")
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("plain names"))
        .collect();
    let stale: Vec<&String> = stored.difference(&expected).collect();
    let missing: Vec<&String> = expected.difference(&stored).collect();
    if updating() {
        for name in stale {
            fs::remove_file(folder().join(name)).expect("a stale file can be removed");
        }
        return;
    }
    assert!(stale.is_empty() && missing.is_empty(), "stale: {stale:?}, missing: {missing:?}");
}
