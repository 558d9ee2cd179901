//! A log that reaches its cap keeps what came before, exactly, and says in its last line and in its figures how much is
//! missing; also when the daemon is killed while the job goes on writing.

use windlass_tests::follow::{Follower, sha256};
use windlass_tests::{Daemon, DaemonOptions, Repository};

const CAP: usize = 256 << 10;
const LINES: usize = 100_000;

#[test]
fn what_is_beyond_the_cap_is_counted() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let spec = format!(
        "jobs:\n  test:\n    execute:\n      - 'seq -f %09.0f 1 {LINES}; until [ -e {}/killed ]; do sleep 0.02; done; seq -f %09.0f 1 {LINES}'\n      - 'echo the last step; exit 3'\n",
        meet.display()
    );
    let commit = repository.commit("main", &[(".windlass.yml", &spec)], "first");
    let options = DaemonOptions::local().with(&repository).set("limits", "log = \"256KiB\"");
    let mut daemon = Daemon::start(&options);
    let number = daemon.push(&repository, &commit);
    let mut follower = Follower::new(number, "test");
    follower.until_bytes(&daemon, CAP);
    daemon.kill9();
    std::fs::write(meet.join("killed"), "").expect("a file");
    daemon.restart();
    follower.to_end(&daemon);
    let build = daemon.wait_finished(number);
    let job = build.job("test");
    assert_eq!((job.outcome(), job.attempts().len()), ("failed", 1), "the job itself did not notice: {:#}", build.0);
    assert_eq!(job.attempt(1)["exit_code"], 3);

    let once: String = (1..=LINES).map(|line| format!("{line:09}\n")).collect();
    let written = format!("{once}{once}the last step\n");
    let missing = written.len() - CAP;
    let said = format!("[windlass] output was cut after {CAP} bytes: {missing} more are not in this log\n");
    let log = daemon.raw_log(&format!("{number}/test"));
    let (kept, rest) = log.split_at(CAP);
    assert!(kept == &written.as_bytes()[..CAP], "what is kept is what was written");
    // On a line of its own.
    let rest = String::from_utf8_lossy(rest);
    assert_eq!(rest.trim_start_matches('\n'), said);
    let figures = &job.attempt(1)["log"];
    assert_eq!(figures["dropped_bytes"], missing, "{figures:#}");
    assert_eq!((&figures["bytes"], &figures["sha256"]), (&log.len().into(), &sha256(&log).as_str().into()));
    assert!(follower.seen == log, "a follower saw {} of {} bytes", follower.seen.len(), log.len());
}
