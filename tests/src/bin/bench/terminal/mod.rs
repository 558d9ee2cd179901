//! The terminal client as a person has it: the real one, in a pseudo-terminal of 200 columns and 50 rows, on logs of
//! 10,000,000 lines and 1 GB, on logs that grow, on 100,000 builds, on a connection that is cut. Times are taken from the
//! moment a key is written to the moment at which what it brings was read. Here: what the benches share.

mod big; // a log of 1 GB
mod builds; // the list, filtered
mod cuts; // a connection that breaks
mod follow; // a log that grows fast
mod others; // less and lnav on the same file
mod rest; // the first frame, a key, and nothing at all
pub(crate) mod writer; // the job that writes the lines

use std::path::Path;
use std::time::Duration;

use windlass_tests::binaries;
use windlass_tests::long_log::LongLog;
use windlass_tests::terminal::Terminal;

pub(crate) use big::big_log;
pub(crate) use builds::many_builds;
pub(crate) use cuts::reconnections;
pub(crate) use follow::following;
pub(crate) use rest::{first_frame, idle_client, key_to_frame};

const ROWS: u16 = 50;
const COLUMNS: u16 = 200;
/// For what is measured: longer than any goal, so that what is late is told with its time.
const LATE: Duration = Duration::from_secs(60);
/// For what has to happen before something can be measured.
const FILLED: Duration = Duration::from_secs(600);

fn client(connect: &str, root: &Path, environment: &[(&str, &str)]) -> Terminal {
    Terminal::start_with(&binaries::windlass(), &["--connect", connect], root, ROWS, COLUMNS, environment)
}

/// A build whose job is this executable.
fn long_log(lines: u64, a_second: u64) -> LongLog {
    let own = std::env::current_exe().expect("an executable knows where it is");
    LongLog::start(&own, lines, a_second)
}

/// A client in it, following.
fn opened(log: &LongLog, environment: &[(&str, &str)]) -> Terminal {
    log.opened(&log.daemon.connect(), ROWS, COLUMNS, environment)
}
