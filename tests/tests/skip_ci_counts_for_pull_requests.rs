//! `[skip ci]` in the message of a pull request's head commit counts, although its payload holds only the title.

use windlass_tests::{Build, Daemon, DaemonOptions, Delivery, Repository, repository::Commit};

#[test]
fn skip_ci_counts_for_pull_requests() {
    let repository = Repository::new("acme/app");
    let marker = repository.meeting_point().join("marker");
    let spec = format!("execute: ['echo ran >>{}']\n", marker.display());
    repository.commit("main", &[(".windlass.yml", spec)], "first");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let build = |action: &str, head: &Commit| -> Build {
        repository.offer_pull(7, head);
        let delivery = Delivery::pull_request(&repository, 7, action, head)
            .changed(|body| body["pull_request"]["title"] = "words about it".into());
        daemon.accept(&delivery);
        daemon.wait_finished(daemon.build_of(&delivery))
    };

    let head = repository.commit("topic", &[("notes", "x")], "words about it\n\nNothing to build. [skip ci]");
    let skipped = build("opened", &head);
    assert_eq!(skipped.outcome(), "skipped", "{:#}", skipped.0);
    assert!(skipped.reason().contains("skip ci"), "{:?}", skipped.reason());
    assert!(!marker.exists(), "a step ran");

    // Only the head's message counts, not those of the commits before it.
    let head = repository.commit("topic", &[("notes", "y")], "more words");
    let built = build("synchronize", &head);
    assert_eq!(built.outcome(), "passed", "{:#}", built.0);
    assert_eq!(std::fs::read_to_string(&marker).expect("a file"), "ran\n");
}
