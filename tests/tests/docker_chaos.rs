//! At least fifteen kills under load with jobs in containers, and every fail point that only containers lead to: nothing is
//! lost, doubled, untrue, or left behind on the engine.

use windlass_protocol::view::Outcome;
use windlass_tests::chaos::{self, Engine, Options};

#[test]
fn nothing_is_lost_in_fifteen_kills_with_docker() {
    let ends = &[(Outcome::Passed, 6)];
    let options = Options { every_point: true, ends, ..Options::new(Engine::Docker, 15, 20_262) };
    let report = chaos::run(&options, &|_| {});
    assert!(report.violations.is_empty(), "{}\n{:#?}\n{:?}", report.summary(), report.violations, report.kept);
    assert!(report.kills >= 15 && report.missed.is_empty(), "{}", report.summary());
    let passed = report.evidence.attempts.iter().filter(|attempt| attempt.outcome.as_deref() == Some("passed")).count();
    assert!(passed >= 6, "{passed} attempts passed: {}", report.summary());
}
