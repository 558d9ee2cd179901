//! A large file that a job leaves: how long the attempt takes for it, and how long it takes to get it, beside a plain copy of
//! the same file on the same disk.

use std::path::Path;
use std::time::Instant;

use windlass_tests::{Daemon, DaemonOptions, Repository};

use crate::process::most_resident_mb;
use crate::{Goal, Row, median, ms, progress};

const MEGABYTES: u64 = 256;
const ROUNDS: usize = 5;

pub(crate) fn of_a_large_file() -> Vec<Row> {
    progress("a file of 256 MB");
    let repository = Repository::new("acme/app");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let large = repository.meeting_point().join("large");
    write_noise(&large);
    let spec = |artifacts: &str| format!("jobs:\n  pack:\n    execute: ['cp {} large']\n{artifacts}", large.display());
    let (mut without, mut with, mut fetched, mut copied) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for (times, artifacts) in [(&mut without, ""), (&mut with, "    artifacts: large\n")] {
            let commit = repository.commit("main", &[(".windlass.yml", spec(artifacts))], &format!("round {round}"));
            let start = Instant::now();
            let number = daemon.push(&repository, &commit);
            assert_eq!(daemon.wait_finished(number).outcome(), "passed");
            times.push(ms(start.elapsed()));
            if artifacts.is_empty() {
                continue;
            }
            let place = repository.meeting_point().join(format!("got-{round}"));
            let shown = place.to_str().expect("a plain name");
            let start = Instant::now();
            let got = daemon.cli(&["artifacts", &number.to_string(), "-o", shown]);
            fetched.push(ms(start.elapsed()));
            assert_eq!(got.code, 0, "{}{}", got.text(), got.stderr);
            assert_eq!(place.join("large").metadata().expect("it came").len(), MEGABYTES << 20);
            std::fs::remove_dir_all(&place).expect("removed");
            let start = Instant::now();
            let copy = repository.meeting_point().join("copy");
            std::fs::copy(&large, &copy).expect("copied");
            std::fs::File::open(&copy).and_then(|copy| copy.sync_all()).expect("on the disk");
            copied.push(ms(start.elapsed()));
        }
    }
    let copy = median(copied);
    let extra = (median(with) - median(without)).max(1.0);
    vec![
        Row {
            what: "256 MB kept, beyond the same job without",
            measured: extra,
            unit: "ms",
            reference: Some(("copy and sync", copy)),
            goal: Goal::AtMost(4.0),
        },
        Row {
            what: "256 MB fetched by `windlass artifacts`",
            measured: median(fetched),
            unit: "ms",
            reference: Some(("copy and sync", copy)),
            goal: Goal::AtMost(8.0),
        },
        Row::of("the daemon's most memory with it", most_resident_mb(daemon.pid()), "MB", Goal::AtMost(150.0)),
    ]
}

/// That nothing makes smaller.
fn write_noise(path: &Path) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(usize::try_from(MEGABYTES << 20).expect("it fits"));
    while bytes.len() < bytes.capacity() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    std::fs::write(path, bytes).expect("written");
}
