//! A daemon that has something of everything to show: what most screens are painted from.

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{DeliveryState, DeliveryView, Outcome, WaitingFor};
use windlass_tui::state::digest::Digest;
use windlass_tui::state::log::LogPage;
use windlass_tui::state::{Page, State};

use super::Driver;
use crate::fake::NOW;

/// What every screen is painted at.
pub(crate) const SIZES: [(u16, u16); 5] = [(200, 50), (80, 24), (40, 10), (20, 5), (1, 1)];

/// A build that passed, one that failed, one that runs and waits.
pub(crate) fn story(driver: &Driver) {
    driver.fake.change(|world| {
        world.now = Timestamp(NOW.0 - 7_200_000);
        let first = world.push("acme/app", "main", "Parse quoted values", &[("test", &[], &["pytest"])]);
        world.start_step(first, "test", 0);
        world.now.0 += 61_000;
        world.write(first, "test", "ok\n");
        world.end_step(first, "test", 0, 0);
        world.end_job(first, "test", Outcome::Passed, "");

        world.now = Timestamp(NOW.0 - 3_600_000);
        let second = world.push(
            "acme/app",
            "fix/\u{202e}branch",
            "Hostile \x1b[31mtitle, which is also rather long and does not fit into the columns of a small terminal",
            &[
                ("lint", &[], &["fmt"]),
                ("test (3.13)", &["lint"], &["install", "pytest"]),
                ("deploy", &["test (3.13)"], &["go"]),
            ],
        );
        world.start_step(second, "lint", 0);
        world.end_step(second, "lint", 0, 0);
        world.end_job(second, "lint", Outcome::Passed, "");
        world.start_step(second, "test (3.13)", 0);
        for line in 0..100 {
            world.now.0 += 10;
            world.write(second, "test (3.13)", format!("\x1b[32minstalled\x1b[0m package {line}\n"));
        }
        world.end_step(second, "test (3.13)", 0, 0);
        world.start_step(second, "test (3.13)", 1);
        world.write(
            second,
            "test (3.13)",
            "\x1b[31mE   assert 1 == 2\x1b[0m\n\x1b]0;evil\x07 \u{4f60}\u{597d} 1 failed\n",
        );
        world.end_step(second, "test (3.13)", 1, 1);
        world.end_job(second, "test (3.13)", Outcome::Failed, "step pytest ended with exit code 1");
        world.end_job(second, "deploy", Outcome::Skipped, "needs test (3.13), which failed");

        world.now = Timestamp(NOW.0 - 30_000);
        let third = world.push(
            "octo/site",
            "main",
            "Publish",
            &[("build", &[], &["make"]), ("publish", &["build"], &["push"])],
        );
        world.start_step(third, "build", 0);
        world.write(third, "build", "10%\r20%\rcompiling\n");
        let fourth = world.push("octo/site", "next", "Wait for it", &[("build", &[], &["make"])]);
        world.job(fourth, "build").waiting_for = Some(WaitingFor::Capacity { position: 1, running: 2, limit: 2 });
        world.deliveries.push(DeliveryView {
            delivery: "d-1".to_owned(),
            event: "pull_request".to_owned(),
            action: Some("opened".to_owned()),
            repository: Some("acme/app".to_owned()),
            received_at: NOW,
            state: DeliveryState::Ignored,
            reason: Some("acme/app is not listed in the configuration".to_owned()),
            builds: Vec::new(),
            no_replay: None,
        });
        world.now = NOW;
    });
}

/// The client, as soon as it shows that.
pub(crate) async fn started() -> Driver {
    let driver = Driver::start(SIZES[1]);
    story(&driver);
    let mut driver = driver;
    driver.until("the lists", |state| state.builds.total() == 4 && state.queue.is_some()).await;
    driver
}

/// Nothing that is in view is still to come.
pub(crate) fn whole(state: &State) -> bool {
    use windlass_tui::state::log::Shown;
    let here = |log: &LogPage| {
        let shown = log.shown();
        log.head.is_some()
            && log.mapped()
            && !shown.iter().any(|(_, row)| matches!(row, Shown::Missing { .. } | Shown::Hole))
    };
    match state.pages.last() {
        Some(Page::Log(log)) => here(log),
        Some(Page::Build(page)) => {
            let told = page.digests.values().all(|digest| !matches!(digest, Digest::Asked));
            told && page.view.is_some() && page.preview.as_ref().is_none_or(here)
        }
        None => true,
    }
}
