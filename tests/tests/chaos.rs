//! At least sixty kills under load, and every fail point reached, with jobs as processes of this host: nothing is lost,
//! doubled, untrue, or left behind.

use windlass_protocol::view::Outcome;
use windlass_tests::chaos::{self, Engine, Options};

#[test]
fn nothing_is_lost_in_sixty_kills_and_at_every_fail_point() {
    let ends = &[
        (Outcome::Passed, 6),
        (Outcome::Failed, 1),
        (Outcome::Cancelled, 1),
        (Outcome::Skipped, 1),
        (Outcome::Broken, 1),
    ];
    let options = Options { every_point: true, ends, ..Options::new(Engine::Local, 60, 20_261) };
    let report = chaos::run(&options, &|_| {});
    assert!(report.violations.is_empty(), "{}\n{:#?}\n{:?}", report.summary(), report.violations, report.kept);
    assert!(report.kills >= 60 && report.missed.is_empty(), "{}", report.summary());
    // It was a load, and all kinds of ends were among it.
    for outcome in ["passed", "failed", "cancelled", "skipped", "lost", "broken"] {
        let any = report.evidence.attempts.iter().any(|attempt| attempt.outcome.as_deref() == Some(outcome));
        assert!(any, "no attempt is {outcome}: {}", report.summary());
    }
    assert!(report.evidence.attempts.len() > 60, "{}", report.summary());
}
