//! `[skip ci]` in the head commit's message: nothing runs, and everyone can see why.

use windlass_tests::{Daemon, DaemonOptions, Delivery, Repository, SHORT, wait_for};

#[test]
fn skip_ci_is_visible() {
    let repository = Repository::new("acme/app");
    let commit = repository.commit("main", &[(".windlass.yml", "execute: [echo ran]\n")], "docs only [skip ci]");
    let daemon = Daemon::start(&DaemonOptions::local().with(&repository));
    let delivery = Delivery::push(&repository, &commit);
    let response = daemon.deliver(&delivery);
    assert!(matches!(response.status, 200..=299), "{}", response.text());

    // Either the delivery is ignored, or it made a build that is skipped: both say why, and neither runs anything.
    let why = wait_for("the skip is told", SHORT, || {
        let known = daemon.delivery(&delivery.id).ok_or("unknown delivery".to_owned())?;
        if known["state"] == "ignored" {
            return Ok(known["reason"].as_str().unwrap_or_default().to_owned());
        }
        let number = known["builds"][0].as_u64().ok_or_else(|| known.to_string())?;
        let build = daemon.build(number);
        if build.outcome() == "skipped" { Ok(build.reason().to_owned()) } else { Err(build.0.to_string()) }
    });
    assert!(why.contains("skip ci"), "{why:?}");
    assert!(daemon.builds().iter().all(|build| build.outcome() == "skipped"));

    // The words elsewhere than in the message of a commit mean nothing.
    let plain = repository.commit("main", &[("notes", "[skip ci]\n")], "notes");
    assert_eq!(daemon.wait_finished(daemon.push(&repository, &plain)).outcome(), "passed");
}
