//! A daemon that has nothing to do.

use std::time::Duration;

use windlass_tests::{Daemon, DaemonOptions, Repository};

use crate::process::{resident_mb, ticks};
use crate::{Goal, Row, median, ms};

const REST: Duration = Duration::from_secs(10);

pub(crate) fn idle_daemon() -> Vec<Row> {
    let mut ready = Vec::new();
    let (repository, commit) = Repository::with_spec("execute: [echo hi]\n");
    let options = DaemonOptions::local().with(&repository);
    for _ in 0..5 {
        ready.push(ms(Daemon::start(&options).ready_after));
    }
    let daemon = Daemon::start(&options);
    daemon.wait_finished(daemon.push(&repository, &commit));
    let before = ticks(daemon.pid());
    std::thread::sleep(REST); // a bench of rest has to rest
    let used = (ticks(daemon.pid()) - before) * 10.0 / ms(REST) * 100.0;
    vec![
        Row::of("daemon ready after", median(ready), "ms", Goal::AtMost(200.0)),
        Row::of("idle daemon, resident", resident_mb(daemon.pid()), "MB", Goal::AtMost(30.0)),
        Row::of("idle daemon, processor", used, "%", Goal::AtMost(0.5)),
    ]
}
