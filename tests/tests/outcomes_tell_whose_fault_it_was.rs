//! How a job ended is one of a few words, from evidence, with a sentence for a person: a step that fails, that a signal
//! ends, that takes too long, that cannot be started; a runner that is killed from outside.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass_tests::{Daemon, DaemonOptions, Repository, wait_for_file};

#[test]
fn outcomes_tell_whose_fault_it_was() {
    let repository = Repository::new("acme/app");
    let meet = repository.meeting_point();
    let at = meet.display();
    let jobs = [
        ("fails", "execute: ['exit 3']".to_owned(), "failed", "3"),
        ("dies", "execute: ['kill -SEGV $$']".to_owned(), "failed", "SEGV"),
        ("step-is-slow", "execute: [{ run: sleep 600, timeout: 1s }]".to_owned(), "timed_out", "1s"),
        ("job-is-slow", "timeout: 1s, execute: [sleep 600]".to_owned(), "timed_out", "1s"),
        ("has-no-program", "execute: [{ run: [no-such-program] }]".to_owned(), "failed", "no-such-program"),
        (
            "loses-its-runner",
            format!("execute: ['echo $PPID >{at}/part; mv {at}/part {at}/runner; sleep 600']"),
            "lost",
            "retry it",
        ),
    ];
    let spec: String = jobs.iter().map(|(name, rest, _, _)| format!("  {name}: {{ {rest} }}\n")).collect();
    let commit = repository.commit("main", &[(".windlass.yml", format!("jobs:\n{spec}"))], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository).jobs(6));
    let number = daemon.push(&repository, &commit);
    let runner = meet.join("runner");
    wait_for_file(&runner);
    let pid = std::fs::read_to_string(&runner).expect("it is there").trim().parse().expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the runner is there");

    let build = daemon.wait_finished(number);
    for (name, _, outcome, words) in jobs {
        let job = build.job(name);
        assert_eq!(job.outcome(), outcome, "{name}: {:#}", build.0);
        let reason = job.attempt(1)["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains(words), "{name}: {reason:?} does not say {words:?}");
    }
    assert_eq!(build.job("fails").attempt(1)["exit_code"], 3);
    assert_eq!(build.job("dies").attempt(1)["signal"], 11);
    // A step had begun, so it is not run again without being asked.
    assert_eq!(build.job("loses-its-runner").attempts().len(), 1);
}
