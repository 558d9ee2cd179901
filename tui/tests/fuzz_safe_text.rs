//! Hostile bytes against the one door for text from elsewhere. Every file of `corpus` goes through it, and so do mutations
//! of them: some thousand with a fixed seed in every run of the tests, and as many as fit into a time when asked for:
//!
//! `WINDLASS_FUZZ_SECONDS=600 cargo test -p windlass-tui --test fuzz_safe_text -- --nocapture`
//!
//! `WINDLASS_FUZZ_SEED` chooses other mutations. An input that breaks a promise is made as small as it gets and written to
//! the test's folder for temporary files; put it into `corpus` with a name that says what it is.

mod fuzz;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fuzz::mutate::Mutator;
use fuzz::promises;

/// Each with its name.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = std::fs::read_dir(&folder).expect("the corpus is there").map(|entry| entry.expect("an entry").path());
    let file = |path: std::path::PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, std::fs::read(&path).expect("a file of the corpus"))
    };
    files.map(file).collect()
}

/// What is broken, if anything: a panic counts.
fn fault(bytes: &[u8]) -> Option<String> {
    match std::panic::catch_unwind(|| promises::broken(bytes)) {
        Ok(broken) => broken,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            Some(format!("it panicked: {}", words.unwrap_or_default()))
        }
    }
}

/// Panics with the smallest input that still breaks something.
fn must_hold(name: &str, bytes: &[u8]) {
    let Some(first) = fault(bytes) else { return };
    let small = fuzz::mutate::shrunk(bytes, |bytes| fault(bytes).is_some());
    let words = fault(&small).unwrap_or(first);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-bytes");
    std::fs::write(&path, &small).expect("a folder for temporary files");
    panic!("{name}: {words}\n{}\nwritten to {}", small.escape_ascii(), path.display());
}

#[test]
fn every_file_of_the_corpus_is_made_safe() {
    let corpus = corpus();
    assert!(corpus.len() > 50, "only {} files", corpus.len());
    for (name, bytes) in &corpus {
        must_hold(name, bytes);
        // However little of it has come.
        for end in 0..bytes.len().min(400) {
            must_hold(&format!("the first {end} bytes of {name}"), &bytes[..end]);
        }
    }
}

#[test]
fn mutations_of_the_corpus_are_made_safe() {
    const FEW: u64 = 4_000;
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let time = number("WINDLASS_FUZZ_SECONDS").map(Duration::from_secs);
    let seed = number("WINDLASS_FUZZ_SEED").unwrap_or(1);
    let mut mutator = Mutator::new(seed, corpus().into_values().collect());
    let (start, mut told) = (Instant::now(), Duration::ZERO);
    let (mut count, mut bytes) = (0, 0);
    while time.map_or(count < FEW, |time| start.elapsed() < time) {
        let input = mutator.next_input();
        must_hold(&format!("mutation {count} of seed {seed}"), &input);
        (count, bytes) = (count + 1, bytes + input.len());
        if time.is_some() && start.elapsed() > told + Duration::from_secs(60) {
            told = start.elapsed();
            tell(count, bytes, told);
        }
    }
    tell(count, bytes, start.elapsed());
}

fn tell(count: u64, bytes: usize, after: Duration) {
    let words = format!("{count} inputs, {} kB, {} s: nothing broken\n", bytes / 1_000, after.as_secs());
    std::io::stdout().write_all(words.as_bytes()).expect("standard output");
}

#[test]
fn a_broken_promise_is_noticed() {
    let table = [
        ("a\x1bb", "a control character"),
        ("a\u{202e}b", "an invisible character"),
        ("a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}", "more marks"),
    ];
    for (text, words) in table {
        let found = promises::of_text(text).expect("it is noticed");
        assert!(found.contains(words), "{found}");
    }
    assert_eq!(promises::of_text("plain \u{4f60}\u{301}"), None);
    let written =
        [("\x1b[31mred", "does not end plain"), ("\x1b[2Jx", "CSI"), ("\x1b]0;t\x07", "OSC"), ("a\x07", "control")];
    for (text, words) in written {
        let found = promises::of_output(text).expect("it is noticed");
        assert!(found.contains(words), "{found}");
    }
    let small = fuzz::mutate::shrunk(b"some bytes with an X in the middle of them", |bytes| bytes.contains(&b'X'));
    assert_eq!(small, b"X");
}
