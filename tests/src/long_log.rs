//! A build whose only job writes numbered lines, as many and as fast as is said: logs to follow, to jump in and to cut off.
//! Must not know what is looked for in them.

use std::path::Path;

use crate::binaries;
use crate::daemon::{Daemon, DaemonOptions};
use crate::repository::Repository;
use crate::terminal::Terminal;

/// The job `test` waits for the word `go`, writes until all is written or it hears `stop`, and ends after `end`.
pub struct LongLog {
    pub daemon: Daemon,
    repository: Repository,
    pub build: u64,
}

impl LongLog {
    /// `writer` is the executable of the benches; `a_second` 0: as fast as can be.
    #[must_use]
    #[track_caller]
    pub fn start(writer: &Path, lines: u64, a_second: u64) -> Self {
        let repository = Repository::new("acme/app");
        let meet = repository.meeting_point();
        let (meet, writer) = (meet.display(), writer.to_str().expect("a plain name"));
        let until = |word: &str| format!("until [ -e {meet}/{word} ]; do sleep 0.02; done");
        let (go, end) = (until("go"), until("end"));
        let spec = format!(
            "jobs:\n  test:\n    execute:\n      - {{ name: stand by, run: '{go}' }}\n      - name: write\n        \
             run: [{writer:?}, write, '{lines}', '{a_second}', '{meet}/stop']\n      - {{ name: stay, run: '{end}' }}\n"
        );
        let commit = repository.commit("main", &[(".windlass.yml", spec)], "a long log");
        let options = DaemonOptions::local().with(&repository).set("limits", "log = \"8GiB\"");
        let daemon = Daemon::start(&options);
        let build = daemon.push(&repository, &commit);
        daemon.wait_until(build, "running", |build| build.status() == "running");
        Self { daemon, repository, build }
    }

    /// To the job.
    #[track_caller]
    pub fn say(&self, word: &str) {
        std::fs::write(self.repository.meeting_point().join(word), "").expect("a file");
    }

    /// A client that has opened the log, and follows it.
    #[must_use]
    #[track_caller]
    pub fn opened(&self, connect: &str, rows: u16, columns: u16, environment: &[(&str, &str)]) -> Terminal {
        let (client, arguments) = (binaries::windlass(), ["--connect", connect]);
        let screen = Terminal::start_with(&client, &arguments, self.daemon.root(), rows, columns, environment);
        screen.wait_words(&["acme/app"]);
        screen.keys("\r");
        screen.wait_words(&["whole build"]);
        screen.keys("\r");
        screen.wait_words(&["› test"]);
        screen
    }
}
