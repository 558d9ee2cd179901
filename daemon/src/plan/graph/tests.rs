//! The graph by tables, and what holds for any graph.

use std::collections::HashSet;

use proptest::prelude::*;
use windlass_protocol::live::RetryWhat;
use windlass_protocol::view::Outcome;

use super::{Again, Begins, Next, NoRetry, Node, Standing, advance, retry};
use Standing::{Blocked, Running, Waiting};

const PASSED: Standing = Standing::Finished(Outcome::Passed);
const FAILED: Standing = Standing::Finished(Outcome::Failed);
const SKIPPED: Standing = Standing::Finished(Outcome::Skipped);
const CANCELLED: Standing = Standing::Finished(Outcome::Cancelled);

/// A build that owns its texts.
#[derive(Debug)]
struct Build(Vec<(String, Vec<String>, Standing)>);

impl Build {
    /// Jobs as `("name", "needs needs", standing)`.
    fn new(jobs: &[(&str, &str, Standing)]) -> Self {
        let needs = |needs: &str| needs.split_whitespace().map(str::to_owned).collect();
        Self(jobs.iter().map(|(name, of, standing)| ((*name).to_owned(), needs(of), *standing)).collect())
    }

    fn nodes(&self) -> Vec<Node<'_>> {
        self.0.iter().map(|(name, needs, standing)| Node { name, needs, standing: *standing }).collect()
    }

    /// What becomes of blocked jobs, in words.
    fn advanced(&self) -> Vec<String> {
        advance(&self.nodes())
            .into_iter()
            .map(|(name, next)| match next {
                Next::Waiting => format!("{name} waits"),
                Next::Blocked { by } => format!("{name} blocked by {}", by.join(" ")),
                Next::Skipped { reason } => format!("{name} skipped: {reason}"),
            })
            .collect()
    }

    /// New attempts, in words; those that begin blocked in brackets.
    fn retried(&self, what: &RetryWhat) -> String {
        match retry(&self.nodes(), what) {
            Ok(again) => again.into_iter().map(in_words).collect::<Vec<_>>().join(" "),
            Err(reason) => format!("no: {reason}"),
        }
    }
}

fn in_words(again: Again<'_>) -> String {
    match again.begins {
        Begins::Waiting => again.name.to_owned(),
        Begins::Blocked => format!("[{}]", again.name),
    }
}

fn job(name: &str) -> RetryWhat {
    RetryWhat::Job { job: name.to_owned() }
}

#[test]
fn blocked_jobs_go_on_when_what_they_need_has_passed() {
    for (jobs, expected) in [
        (vec![("a", "", Blocked)], vec!["a waits"]),
        (vec![("a", "", PASSED), ("b", "a", Blocked)], vec!["b waits"]),
        (vec![("a", "", Running), ("b", "a", Blocked)], vec!["b blocked by a"]),
        (
            vec![("a", "", Waiting), ("b", "a", Blocked), ("c", "b a", Blocked)],
            vec!["b blocked by a", "c blocked by b a"],
        ),
        (vec![("a", "", PASSED), ("b", "", Running), ("c", "a b", Blocked)], vec!["c blocked by b"]),
        (vec![("a", "", PASSED), ("b", "a", Running)], vec![]),
    ] {
        assert_eq!(Build::new(&jobs).advanced(), expected, "{jobs:?}");
    }
}

#[test]
fn what_can_no_longer_run_is_skipped_with_the_reason() {
    for (outcome, words) in [
        (Outcome::Failed, "failed"),
        (Outcome::TimedOut, "timed out"),
        (Outcome::Cancelled, "was cancelled"),
        (Outcome::OutOfMemory, "ran out of memory"),
        (Outcome::Lost, "was lost"),
        (Outcome::Broken, "could not be run"),
        (Outcome::Skipped, "was skipped"),
    ] {
        let build = Build::new(&[("a", "", Standing::Finished(outcome)), ("b", "a", Blocked)]);
        assert_eq!(build.advanced(), [format!("b skipped: needs a, which {words}")]);
    }
    // At once, and down the whole chain, also when dependents are named first.
    let chain = Build::new(&[
        ("d", "c", Blocked),
        ("c", "b", Blocked),
        ("b", "a x", Blocked),
        ("x", "", Running),
        ("a", "", FAILED),
    ]);
    assert_eq!(
        chain.advanced(),
        [
            "d skipped: needs c, which was skipped",
            "c skipped: needs b, which was skipped",
            "b skipped: needs a, which failed"
        ]
    );
    assert_eq!(
        Build::new(&[("b", "gone", Blocked)]).advanced(),
        ["b skipped: needs gone, which this build does not have"]
    );
}

#[test]
fn retry_of_what_failed() {
    for (jobs, expected) in [
        (vec![("a", "", PASSED), ("b", "a", FAILED), ("c", "b", SKIPPED)], "b [c]"),
        (vec![("a", "", FAILED), ("b", "a", SKIPPED), ("c", "", PASSED)], "a [b]"),
        (vec![("a", "", CANCELLED), ("b", "", Running)], "a"),
        (vec![("a", "", CANCELLED), ("b", "", CANCELLED)], "a b"),
        // The need still runs again: what hung on it begins behind it.
        (vec![("a", "", Running), ("b", "a", SKIPPED)], "[b]"),
        (vec![("a", "", FAILED), ("b", "a", PASSED)], "a [b]"),
        (vec![("a", "", PASSED)], "no: nothing to retry: every job that has finished has passed"),
        (vec![("a", "", Running)], "no: nothing to retry: every job that has finished has passed"),
    ] {
        assert_eq!(Build::new(&jobs).retried(&RetryWhat::Failed), expected, "{jobs:?}");
    }
}

#[test]
fn retry_of_one_job_takes_its_dependents_along() {
    let build = Build::new(&[
        ("lint", "", PASSED),
        ("test", "lint", PASSED),
        ("docs", "", PASSED),
        ("deploy", "test docs", PASSED),
    ]);
    assert_eq!(build.retried(&job("lint")), "lint [test] [deploy]");
    assert_eq!(build.retried(&job("test")), "test [deploy]");
    assert_eq!(build.retried(&job("deploy")), "deploy");
    assert_eq!(
        build.retried(&job("tset")),
        "no: there is no job tset in this build; its jobs are lint, test, docs, deploy"
    );
}

#[test]
fn retry_of_one_job_is_refused_or_bounded_by_what_stands_in_the_way() {
    for (jobs, asked, expected) in [
        (vec![("a", "", Running)], "a", "no: job a is still running: cancel it first, or wait"),
        (vec![("a", "", Waiting)], "a", "no: job a is still waiting: cancel it first, or wait"),
        (
            vec![("a", "", FAILED), ("b", "a", SKIPPED)],
            "b",
            "no: job b needs a, which failed: retry a instead, or everything that failed",
        ),
        // What runs keeps the attempt it has.
        (vec![("a", "", PASSED), ("b", "a", Running), ("c", "b", Blocked)], "a", "a"),
        // c would only be skipped again, and d with it.
        (vec![("a", "", FAILED), ("x", "", FAILED), ("c", "a x", SKIPPED), ("d", "c", SKIPPED)], "a", "a"),
        (vec![("a", "", Running), ("b", "a", SKIPPED)], "b", "[b]"),
    ] {
        assert_eq!(Build::new(&jobs).retried(&job(asked)), expected, "{jobs:?}");
    }
}

#[test]
fn retry_of_some_jobs_takes_along_only_what_was_skipped_because_of_them() {
    for (jobs, asked, expected) in [
        // What a cancel did is undone, and nothing else: b passed and stays.
        (vec![("a", "", CANCELLED), ("b", "", PASSED), ("c", "a", SKIPPED), ("d", "c", SKIPPED)], "a", "a [c] [d]"),
        (vec![("a", "", CANCELLED), ("b", "a", CANCELLED), ("c", "", FAILED)], "b a", "a [b]"),
        // A job that is being stopped will end: what waited for it begins behind it, and is skipped when it is cancelled.
        (vec![("a", "", Running), ("b", "a", CANCELLED)], "b", "[b]"),
        (vec![("a", "", CANCELLED), ("x", "", FAILED), ("c", "a x", SKIPPED)], "a", "a"),
        (vec![("a", "", CANCELLED), ("b", "a", PASSED)], "a", "a"),
        (vec![("a", "", Waiting)], "a", "no: job a is still waiting: cancel it first, or wait"),
        (vec![("a", "", CANCELLED)], "a b", "no: there is no job b in this build; its jobs are a"),
        (vec![("a", "", CANCELLED)], "", "no: nothing to retry: no job has finished yet"),
    ] {
        let what = RetryWhat::Jobs { jobs: asked.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(Build::new(&jobs).retried(&what), expected, "{jobs:?}");
    }
}

#[test]
fn retry_of_everything() {
    let build = Build::new(&[("a", "", PASSED), ("b", "a", FAILED), ("c", "", Running), ("d", "c", Blocked)]);
    assert_eq!(build.retried(&RetryWhat::Everything), "a [b]");
    let fresh = Build::new(&[("a", "", Running), ("b", "a", Blocked)]);
    assert_eq!(fresh.retried(&RetryWhat::Everything), "no: nothing to retry: no job has finished yet");
}

fn any_standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Blocked),
        Just(Waiting),
        Just(Running),
        prop::sample::select(&Outcome::ALL).prop_map(Standing::Finished),
    ]
}

/// Any graph without circles: each job needs only earlier ones. Standings are any, possible or not; with `fresh` every
/// job is blocked, as when a build was just made.
fn any_build(fresh: bool) -> impl Strategy<Value = Build> {
    let job = (any_standing(), prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    prop::collection::vec(job, 1..10).prop_map(move |jobs| {
        let named = |(at, (standing, needs)): (usize, (Standing, Vec<prop::sample::Index>))| {
            let needs: HashSet<usize> = needs.iter().filter(|_| at > 0).map(|need| need.index(at)).collect();
            let needs = needs.into_iter().map(|need| format!("j{need}")).collect();
            (format!("j{at}"), needs, if fresh { Blocked } else { standing })
        };
        Build(jobs.into_iter().enumerate().map(named).collect())
    })
}

impl Build {
    fn standing(&self, name: &str) -> Standing {
        self.0.iter().find(|(known, ..)| known == name).expect("a job of this build").2
    }

    fn set(&mut self, name: &str, to: Standing) {
        self.0.iter_mut().find(|(known, ..)| known == name).expect("a job of this build").2 = to;
    }

    fn apply_advance(&mut self) {
        let next: Vec<(String, Next)> =
            advance(&self.nodes()).into_iter().map(|(n, next)| (n.to_owned(), next)).collect();
        for (name, next) in next {
            match next {
                Next::Waiting => self.set(&name, Waiting),
                Next::Blocked { .. } => {}
                Next::Skipped { .. } => self.set(&name, SKIPPED),
            }
        }
    }

    /// Runs to the end: whatever waits gets the next of `outcomes`. Panics if a job starts before what it needs passed.
    fn run(&mut self, outcomes: &mut impl Iterator<Item = Outcome>) {
        for _ in 0..100 {
            self.apply_advance();
            let waiting: Vec<(String, Vec<String>)> = self
                .0
                .iter()
                .filter(|(_, _, standing)| *standing == Waiting)
                .map(|(name, needs, _)| (name.clone(), needs.clone()))
                .collect();
            for (name, needs) in &waiting {
                assert!(needs.iter().all(|need| self.standing(need) == PASSED), "{name} started too early");
                self.set(name, Standing::Finished(outcomes.next().expect("endless")));
            }
            if waiting.is_empty() {
                return;
            }
        }
        panic!("never ends");
    }
}

fn any_what() -> impl Strategy<Value = RetryWhat> {
    prop_oneof![
        Just(RetryWhat::Failed),
        Just(RetryWhat::Everything),
        (0..12usize).prop_map(|at| RetryWhat::Job { job: format!("j{at}") }),
        proptest::collection::vec(0..12usize, 0..4)
            .prop_map(|all| RetryWhat::Jobs { jobs: all.iter().map(|at| format!("j{at}")).collect() }),
    ]
}

proptest! {
    /// Every build ends, in the right order, and a job is skipped exactly if something it needs did not pass.
    #[test]
    fn builds_end(mut build in any_build(true), outcomes in prop::collection::vec(prop::sample::select(&Outcome::ALL[..7]), 1..12)) {
        build.run(&mut outcomes.into_iter().cycle());
        for (name, needs, standing) in &build.0 {
            prop_assert!(matches!(standing, Standing::Finished(_)), "{} stays {:?}", name, standing);
            let all_passed = needs.iter().all(|need| build.standing(need) == PASSED);
            prop_assert_eq!(*standing == SKIPPED, !all_passed, "{}", name);
        }
    }

    /// After any end, retrying what failed and letting everything pass makes the build pass; what had passed runs again
    /// only if something it needs does.
    #[test]
    fn retrying_what_failed_repairs_a_build(mut build in any_build(true), outcomes in prop::collection::vec(prop::sample::select(&Outcome::ALL[..7]), 1..12)) {
        build.run(&mut outcomes.into_iter().cycle());
        let again: Vec<(String, Begins)> = match retry(&build.nodes(), &RetryWhat::Failed) {
            Ok(again) => again.into_iter().map(|again| (again.name.to_owned(), again.begins)).collect(),
            Err(reason) => {
                prop_assert_eq!(reason, NoRetry::NothingFailed);
                prop_assert!(build.0.iter().all(|(_, _, standing)| *standing == PASSED));
                return Ok(());
            }
        };
        for (name, _) in &again {
            prop_assert!(build.standing(name) != PASSED, "{} had passed with all it needs", name);
        }
        for (name, begins) in &again {
            build.set(name, if *begins == Begins::Waiting { Waiting } else { Blocked });
        }
        build.run(&mut std::iter::repeat(Outcome::Passed));
        prop_assert!(build.0.iter().all(|(_, _, standing)| *standing == PASSED));
    }

    /// Whatever the standings: only finished jobs get new attempts, at most one each, and never before what they need.
    #[test]
    fn retries_are_sound(build in any_build(false), what in any_what()) {
        let nodes = build.nodes();
        if let Ok(again) = retry(&nodes, &what) {
            prop_assert!(!again.is_empty());
            let names: HashSet<&str> = again.iter().map(|again| again.name).collect();
            prop_assert_eq!(names.len(), again.len());
            for Again { name, begins } in &again {
                prop_assert!(matches!(build.standing(name), Standing::Finished(_)));
                let needs = &build.0.iter().find(|(known, ..)| known == name).expect("a job").1;
                let ready = needs.iter().all(|need| build.standing(need) == PASSED && !names.contains(need.as_str()));
                prop_assert_eq!(*begins == Begins::Waiting, ready);
            }
            if let RetryWhat::Job { job } = &what {
                prop_assert!(names.contains(job.as_str()));
            }
        }
    }

    /// Only blocked jobs change, and a second look after applying the first finds nothing new to skip or start.
    #[test]
    fn advancing_settles(mut build in any_build(false)) {
        let blocked: Vec<String> = build.0.iter().filter(|(_, _, s)| *s == Blocked).map(|(name, ..)| name.clone()).collect();
        let told: Vec<String> = advance(&build.nodes()).into_iter().map(|(name, _)| name.to_owned()).collect();
        prop_assert_eq!(blocked, told);
        build.apply_advance();
        for (_, next) in advance(&build.nodes()) {
            let blocked = matches!(next, Next::Blocked { by } if !by.is_empty());
            prop_assert!(blocked);
        }
    }
}
