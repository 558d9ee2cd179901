//! The logs that finished first make room for a sentence when all together are larger than their budget; their builds stay,
//! and so does what the database says of them.

use std::path::Path;

use windlass_tests::{Daemon, DaemonOptions, LONG, Repository, wait_for};

const BUDGET: u64 = 600 << 10;
const SENTENCE: &str = "[windlass] this log of ";

fn taken(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let seen = entry.metadata().ok()?;
            Some(if seen.is_dir() { taken(&entry.path()) } else { seen.len() })
        })
        .sum()
}

#[test]
fn logs_keep_to_their_budget() {
    // Noise does not shrink when it is compressed: three quarters of base64 are left.
    let (repository, commit) = Repository::with_spec("execute: [head -c 200000 /dev/urandom | base64]\n");
    let options = DaemonOptions::local().with(&repository).set("retention", "every = \"1s\"\nlogs = \"600KiB\"");
    let mut daemon = Daemon::start(&options);
    let mut numbers = vec![daemon.push(&repository, &commit)];
    daemon.wait_finished(numbers[0]);
    for n in 0..4 {
        let commit = repository.commit("main", &[("n", n.to_string())], "once more");
        numbers.push(daemon.push(&repository, &commit));
        daemon.wait_finished(numbers[n + 1]);
    }
    let address = |number: u64| format!("{number}/{}", daemon.build(number).only_job().name());
    let addresses: Vec<String> = numbers.iter().copied().map(address).collect();
    wait_for("the logs fit their budget", LONG, || {
        let taken = taken(&daemon.data().join("logs"));
        if taken <= BUDGET { Ok(()) } else { Err(taken) }
    });
    // The sentence is written after the log is gone.
    let first = wait_for("the oldest log says what became of it", LONG, || {
        let output = daemon.cli(&["logs", "--raw", &addresses[0]]);
        if output.text().starts_with(SENTENCE) { Ok(output.text()) } else { Err(output.stderr) }
    });
    let attempt = daemon.build(numbers[0]).only_job().attempt(1);
    let bytes = attempt["log"]["bytes"].as_u64().expect("its numbers stay");
    assert!(bytes > 200_000 && first.contains(&format!("of {bytes} bytes")), "{first} {attempt}");
    assert!(first.contains("retention.logs"), "{first}");

    let newest = daemon.raw_log(&addresses[4]);
    let expected = daemon.build(numbers[4]).only_job().attempt(1)["log"]["bytes"].clone();
    assert_eq!(expected, newest.len(), "the newest is whole");
    assert_eq!(daemon.builds().len(), 5, "builds stay without their logs");

    // Done once, whatever happens to the daemon.
    daemon.kill9();
    daemon.restart();
    assert_eq!(String::from_utf8_lossy(&daemon.raw_log(&addresses[0])), first);
    assert!(daemon.raw_log(&addresses[4]) == newest);
}
