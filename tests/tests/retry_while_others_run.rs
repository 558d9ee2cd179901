//! A retry while other jobs of the build still run: of what failed, of one job with what depends on it, of everything. What
//! runs is left alone, attempts are numbered, and each keeps its log.

use windlass_tests::{Build, Daemon, DaemonOptions, Repository};

/// `flaky` fails until there is a file `mended`; `runs` runs until there is a file `go`.
struct Story {
    repository: Repository,
    daemon: Daemon,
    number: u64,
}

impl Story {
    /// With `flaky` failed and `runs` running.
    #[track_caller]
    fn begin() -> Self {
        let repository = Repository::new("acme/app");
        let meet = repository.meeting_point();
        let at = meet.display();
        let spec = format!(
            "jobs:\n  flaky: {{ execute: ['echo try $WINDLASS_ATTEMPT; test -e {at}/mended'] }}\n  after: {{ needs: flaky, execute: [echo after] }}\n  last: {{ needs: after, execute: [echo last] }}\n  fine: {{ execute: [echo fine] }}\n  runs: {{ execute: ['echo up; until [ -e {at}/go ]; do sleep 0.02; done'] }}\n"
        );
        let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
        let daemon = Daemon::start(&DaemonOptions::local().jobs(3).with(&repository));
        let number = daemon.push(&repository, &commit);
        daemon.wait_log(&format!("{number}/runs"), "up");
        daemon.wait_until(number, "all but one ended", |build| {
            build.summary() == "flaky: failed, after: skipped, last: skipped, fine: passed, runs: running"
        });
        Self { repository, daemon, number }
    }

    fn say(&self, file: &str) {
        std::fs::write(self.repository.meeting_point().join(file), "").expect("a file");
    }

    #[track_caller]
    fn retry(&self, arguments: &[&str]) {
        let retry = self.daemon.cli(&[&["retry"], arguments].concat());
        assert_eq!(retry.code, 0, "{}{}", retry.text(), retry.stderr);
    }

    #[track_caller]
    fn wait_summary(&self, summary: &str) -> Build {
        self.daemon.wait_until(self.number, summary, |build| build.summary() == summary)
    }
}

/// How many attempts each job has had, in the jobs' order.
fn attempts(build: &Build) -> Vec<usize> {
    build.jobs().iter().map(|job| job.attempts().len()).collect()
}

#[test]
fn of_what_failed() {
    let story = Story::begin();
    story.say("mended");
    story.retry(&[&story.number.to_string()]);
    let build = story.wait_summary("flaky: passed, after: passed, last: passed, fine: passed, runs: running");
    assert_eq!(attempts(&build), [2, 2, 2, 1, 1], "{:#}", build.0);
    story.say("go");
    let build = story.daemon.wait_finished(story.number);
    assert_eq!((build.outcome(), attempts(&build)), ("passed", vec![2, 2, 2, 1, 1]), "{:#}", build.0);
    for number in 1..=2 {
        let log = story.daemon.raw_log(&format!("{}/flaky#{number}", story.number));
        assert_eq!(String::from_utf8_lossy(&log), format!("try {number}\n"));
    }
}

#[test]
fn of_one_job_and_what_depends_on_it() {
    let story = Story::begin();
    let job = format!("{}/flaky", story.number);
    // Not mended: it fails once more, and what depends on it is skipped once more.
    story.retry(&[&job]);
    story.daemon.wait_until(story.number, "failed twice", |build| {
        attempts(build) == [2, 2, 2, 1, 1]
            && build.summary() == "flaky: failed, after: skipped, last: skipped, fine: passed, runs: running"
    });
    story.say("mended");
    story.retry(&[&job]);
    let build = story.wait_summary("flaky: passed, after: passed, last: passed, fine: passed, runs: running");
    assert_eq!(attempts(&build), [3, 3, 3, 1, 1], "{:#}", build.0);
    // One in the middle: what it needs is not run again, what needs it is.
    story.retry(&[&format!("{}/after", story.number)]);
    story.say("go");
    let build = story.daemon.wait_finished(story.number);
    assert_eq!((build.outcome(), attempts(&build)), ("passed", vec![3, 4, 4, 1, 1]), "{:#}", build.0);
    // One that passed, alone.
    story.retry(&[&format!("{}/fine", story.number)]);
    let build = story.daemon.wait_until(story.number, "run again", |build| {
        build.status() == "finished" && build.job("fine").attempts().len() == 2
    });
    assert_eq!((build.outcome(), attempts(&build)), ("passed", vec![3, 4, 4, 2, 1]), "{:#}", build.0);
}

#[test]
fn of_everything() {
    let story = Story::begin();
    story.say("mended");
    story.retry(&["--everything", &story.number.to_string()]);
    let build = story.wait_summary("flaky: passed, after: passed, last: passed, fine: passed, runs: running");
    assert_eq!(attempts(&build), [2, 2, 2, 2, 1], "what runs is left alone: {:#}", build.0);
    story.say("go");
    assert_eq!(story.daemon.wait_finished(story.number).outcome(), "passed");
    story.retry(&["--everything", &story.number.to_string()]);
    let build = story.daemon.wait_until(story.number, "all of it again", |build| {
        build.status() == "finished" && attempts(build) == [3, 3, 3, 3, 2]
    });
    assert_eq!(build.outcome(), "passed", "{:#}", build.0);
}
