//! Whatever is done in whatever order: random histories on a real database, checked after each step against what always
//! holds, and worked off in the end, so that nothing is left standing.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use windlass_protocol::live::RetryWhat;

use super::*;
use crate::plan::{CancelOlder, Concurrency};
use crate::state::attempt::{Fault, Step};

#[derive(Debug, Clone)]
enum Op {
    Create { repository: usize, priority: i64, shape: usize, group: Option<(usize, bool)>, retry: Retry },
    Claim { limit: u64, away: bool },
    Release { which: usize },
    Start { which: usize },
    Finish { which: usize, outcome: Outcome, fault: Fault },
    Cancel { which: usize, whole: bool, force: bool },
    Retry { which: usize, what: usize },
    Pause { repository: Option<usize> },
    Resume { repository: Option<usize> },
    Advance { which: usize },
    Pass { ms: i64 },
}

const REPOSITORIES: [&str; 3] = ["acme/r0", "acme/r1", "acme/r2"];
const GROUPS: [&str; 2] = ["deploy", "docs"];
const SHAPES: [&[(&str, &[&str])]; 4] = [
    &[("a", &[])],
    &[("a", &[]), ("b", &["a"])],
    &[("a", &[]), ("b", &[]), ("c", &["a", "b"])],
    &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])],
];

fn op() -> impl Strategy<Value = Op> {
    let which = 0..64_usize;
    let repository = 0..REPOSITORIES.len();
    let fault = prop_oneof![
        Just(Fault::None),
        Just(Fault::Job),
        Just(Fault::Infrastructure { began: false }),
        Just(Fault::Infrastructure { began: true }),
    ];
    let retry =
        (prop::option::of(0..3_u32), 0..2_u32).prop_map(|(infrastructure, failure)| Retry { infrastructure, failure });
    prop_oneof![
        4 => (repository.clone(), 0..2_i64, 0..SHAPES.len(), prop::option::weighted(0.7, (0..GROUPS.len(), any::<bool>())), retry)
            .prop_map(|(repository, priority, shape, group, retry)| Op::Create { repository, priority, shape, group, retry }),
        8 => (1..5_u64, prop::bool::weighted(0.1)).prop_map(|(limit, away)| Op::Claim { limit, away }),
        1 => which.clone().prop_map(|which| Op::Release { which }),
        7 => which.clone().prop_map(|which| Op::Start { which }),
        9 => (which.clone(), prop::sample::select(Outcome::ALL.to_vec()), fault)
            .prop_map(|(which, outcome, fault)| Op::Finish { which, outcome, fault }),
        2 => (which.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(which, whole, force)| Op::Cancel { which, whole, force }),
        3 => (which.clone(), 0..3_usize).prop_map(|(which, what)| Op::Retry { which, what }),
        1 => prop::option::weighted(0.7, repository.clone()).prop_map(|repository| Op::Pause { repository }),
        2 => prop::option::weighted(0.7, repository).prop_map(|repository| Op::Resume { repository }),
        1 => which.prop_map(|which| Op::Advance { which }),
        2 => (1..40_000_i64).prop_map(|ms| Op::Pass { ms }),
    ]
}

/// One history: what it made, and what it knows of that.
struct World {
    store: Store,
    now: i64,
    builds: Vec<u64>,
    tokens: HashMap<AttemptId, String>,
    /// Every attempt as it was when it was looked at last.
    seen: BTreeMap<AttemptId, Attempt>,
    next_token: u64,
}

impl World {
    /// Any attempt, those that are under way rather than others.
    fn pick(&self, which: usize, wanted: State) -> Option<AttemptId> {
        let all: Vec<&Attempt> = self.seen.values().collect();
        let fit: Vec<&Attempt> = all.iter().copied().filter(|attempt| attempt.state == wanted).collect();
        // Now and then one that does not fit: it has to be refused.
        let among = if fit.is_empty() || which.is_multiple_of(8) { &all } else { &fit };
        (!among.is_empty()).then(|| among[which % among.len()].id.clone())
    }

    async fn apply(&mut self, op: &Op) {
        let store = self.store.clone();
        let now = at(self.now);
        match op {
            Op::Create { repository, priority, shape, group, retry } => {
                let mut build = sketch(&store, SHAPES[*shape]).await;
                build.facts.created_at = now;
                build.facts.request.repository = REPOSITORIES[*repository].to_owned();
                build.priority = *priority;
                build.concurrency = group.map(|(group, outdated)| Concurrency {
                    group: GROUPS[group].to_owned(),
                    cancel: if outdated { CancelOlder::Outdated } else { CancelOlder::Never },
                });
                build.jobs.iter_mut().for_each(|job| job.plan.retry = *retry);
                store.create_build(&build).await.expect("made");
                self.builds.push(build.number);
            }
            Op::Claim { limit, away } => self.claim(*limit, if *away { &["docker"] } else { &[] }).await,
            Op::Release { which } => {
                let Some(id) = self.pick(*which, State::Claimed) else { return };
                let may = self.seen[&id].cancel.is_none();
                let done = store.release_attempt(&id).await;
                self.judge(&id, Step::Release, accepted(done), may);
            }
            Op::Start { which } => {
                let Some(id) = self.pick(*which, State::Claimed) else { return };
                let token = self.tokens.get(&id).cloned().unwrap_or_default();
                let may = self.seen[&id].cancel.is_none();
                let done = store.start_attempt(&Claimed { id: id.clone(), token }, &site(), None, now).await;
                self.judge(&id, Step::Start, accepted(done), may);
            }
            Op::Finish { which, outcome, fault } => {
                let Some(id) = self.pick(*which, State::Running) else { return };
                let verdict = Verdict { fault: *fault, ..ended(*outcome).verdict };
                let finish = Finish { verdict: verdict.clone(), at: now, ..ended(*outcome) };
                let done = store.finish_attempt(&id, &finish).await;
                self.judge(&id, Step::Finish(verdict), accepted(done.map(drop)), true);
            }
            Op::Cancel { which, whole, force } => {
                let Some(id) = self.pick(*which, State::Running) else { return };
                let job = (!whole).then_some(id.job.as_str());
                let left = self.seen.values().any(|attempt| {
                    attempt.id.build == id.build
                        && attempt.state != State::Finished
                        && job.is_none_or(|job| attempt.id.job == job)
                });
                let done = store.cancel(id.build, job, *force, "ann", now).await;
                assert!(if left { done.is_ok() } else { is_conflict(&done) }, "{done:?}");
            }
            Op::Retry { which, what } => {
                let Some(id) = self.pick(*which, State::Finished) else { return };
                let what = match what {
                    0 => RetryWhat::Failed,
                    1 => RetryWhat::Everything,
                    _ => RetryWhat::Job { job: id.job.clone() },
                };
                let done = store.retry(id.build, &what, "ann", now).await;
                assert!(done.is_ok() || is_conflict(&done), "{done:?}");
            }
            Op::Pause { repository } => {
                let done = store.pause(repository.map(|index| REPOSITORIES[index]), "ann", None, now).await;
                assert!(done.is_ok() || is_conflict(&done), "{done:?}");
            }
            Op::Resume { repository } => {
                let done = store.resume(repository.map(|index| REPOSITORIES[index])).await;
                assert!(done.is_ok() || is_conflict(&done), "{done:?}");
            }
            Op::Advance { which } => {
                let Some(id) = self.pick(*which, State::Blocked) else { return };
                assert!(
                    !store.advance(id.build, now).await.expect("looked at"),
                    "each change settles what follows from it"
                );
            }
            Op::Pass { ms } => self.now += ms,
        }
    }

    /// What the states allow is done; what they refuse is refused. `may`: nothing else forbids it.
    fn judge(&self, id: &AttemptId, step: Step, done: bool, may: bool) {
        let from = self.seen[id].state;
        assert_eq!(done, may && from.after(step.clone()).is_ok(), "{id}, {from}: {step:?}");
    }

    /// Exactly that is claimed which was told to be next.
    async fn claim(&mut self, limit: u64, away: &[&str]) {
        let now = at(self.now);
        let waiting = self.store.waiting(now, away).await.expect("read");
        let places = self.store.places(0, u64::MAX, now).await.expect("read");
        let mut positions: BTreeMap<u64, windlass_protocol::id::JobId> = BTreeMap::new();
        for (job, place) in places {
            if let Some(position) = waiting.position(&place) {
                assert!(positions.insert(position, job).is_none(), "two at position {position}");
            }
        }
        assert!(positions.keys().copied().eq(0..positions.len() as u64), "{positions:?}");
        let token = format!("token {}", self.next_token);
        self.next_token += 1;
        let claimed = self.store.claim_attempt(&token, limit, now, away).await.expect("asked");
        let expected = if waiting.counts.taken < limit { positions.remove(&0) } else { None };
        assert_eq!(claimed.as_ref().map(|claimed| claimed.id.job_id()), expected);
        if let Some(claimed) = claimed {
            let attempt = self.store.attempt(&claimed.id).await.expect("there");
            assert!(attempt.not_before <= now && attempt.state == State::Claimed, "{attempt:?}");
            self.tokens.insert(claimed.id, token);
        }
    }

    /// Reads everything and checks what always holds.
    async fn check(&mut self) {
        let mut holders: HashMap<(String, String), u64> = HashMap::new();
        let mut lines: Vec<(String, String)> = Vec::new();
        for build in &self.builds.clone() {
            let stored = self.store.build(*build).await.expect("there");
            let jobs = self.store.jobs(*build).await.expect("jobs");
            let passed: Vec<&str> = jobs
                .iter()
                .filter(|job| job.attempts.last().is_some_and(|last| outcome(last) == Some(Outcome::Passed)))
                .map(|job| job.plan.name.as_str())
                .collect();
            let unfinished = jobs.iter().any(|job| job.attempts.iter().any(|attempt| attempt.state != State::Finished));
            let turn = stored.group.as_ref().map(|group| group.turn);
            if let Some(group) = &stored.group {
                let key = (stored.facts.request.repository.clone(), group.name.clone());
                assert_eq!(unfinished, group.turn != Turn::Over, "{build} {group:?}");
                match group.turn {
                    Turn::Holds => assert_eq!(holders.insert(key, *build), None, "two have the turn"),
                    Turn::Waits { held_by } => {
                        assert!(held_by.is_some(), "{build} waits for nobody");
                        lines.push(key);
                    }
                    Turn::Over => {}
                }
            }
            let waits = matches!(turn, Some(Turn::Waits { .. }));
            for job in &jobs {
                let last = job.attempts.len() - 1;
                for (index, attempt) in job.attempts.iter().enumerate() {
                    assert_eq!(
                        (attempt.id.attempt as usize, attempt.current),
                        (index + 1, index == last),
                        "{}",
                        attempt.id
                    );
                    assert!(attempt.current || attempt.state == State::Finished, "{} was left behind", attempt.id);
                    assert_eq!(attempt.verdict.is_some(), attempt.state == State::Finished);
                    assert_eq!(attempt.because.is_some(), index > 0, "{}", attempt.id);
                    match attempt.state {
                        State::Blocked => {
                            let needs = job.plan.needs.iter().any(|need| !passed.contains(&need.as_str()));
                            assert!(waits || needs, "{} is blocked for no reason", attempt.id);
                        }
                        State::Waiting | State::Claimed | State::Running => {
                            assert!(!waits, "{} jumped the line", attempt.id)
                        }
                        State::Finished => {}
                    }
                    self.follow(attempt);
                }
            }
        }
        for line in lines {
            assert!(holders.contains_key(&line), "a group stands still: {line:?}");
        }
    }

    /// From how an attempt was to how it is: only by what the states allow, and never once it is finished.
    fn follow(&mut self, is: &Attempt) {
        if let Some(was) = self.seen.get(&is.id) {
            let mut was = was.clone();
            if was.state == State::Finished {
                was.current = is.current;
                assert_eq!(format!("{is:?}"), format!("{was:?}"), "what is finished never changes");
            } else if was.state != is.state {
                let mut steps = vec![Step::Unblock, Step::Claim, Step::Release, Step::Start];
                steps.extend(is.verdict.clone().map(Step::Finish));
                let allowed = steps.into_iter().any(|step| was.state.after(step).ok() == Some(is.state));
                assert!(allowed, "{} went from {} to {}", is.id, was.state, is.state);
            }
        }
        self.seen.insert(is.id.clone(), is.clone());
    }

    /// Slots turn over, pauses end, time passes: everything comes to its end.
    async fn work_off(&mut self) {
        for pause in self.store.pauses().await.expect("listed") {
            self.store.resume(pause.repository.as_deref()).await.expect("resumed");
        }
        assert!(!self.store.repair_groups(at(self.now)).await.expect("looked at"), "a group stood still");
        let under_way = |world: &Self| -> Vec<AttemptId> {
            let taken = |attempt: &&Attempt| matches!(attempt.state, State::Claimed | State::Running);
            world.seen.values().filter(taken).map(|attempt| attempt.id.clone()).collect()
        };
        for round in 0.. {
            assert!(round < 1_000, "it never ends");
            for id in under_way(self) {
                let outcome = if self.seen[&id].cancel.is_some() { Outcome::Cancelled } else { Outcome::Lost };
                self.store.finish_attempt(&id, &Finish { at: at(self.now), ..ended(outcome) }).await.expect("finished");
                self.check().await;
            }
            self.now += 1_000_000;
            self.claim(1, &[]).await;
            self.check().await;
            if under_way(self).is_empty() {
                break;
            }
        }
        for attempt in self.seen.values() {
            assert_eq!(attempt.state, State::Finished, "{} was starved", attempt.id);
        }
        assert_eq!(self.store.queue_counts().await.expect("counted"), QueueCounts::default());
    }
}

fn outcome(attempt: &Attempt) -> Option<Outcome> {
    attempt.verdict.as_ref().map(|verdict| verdict.outcome)
}

fn accepted(result: Result<(), StoreError>) -> bool {
    match result {
        Ok(()) => true,
        Err(StoreError::Conflict { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// The same each time: a failure can be looked at again.
fn drawn(many: usize) -> Vec<Vec<Op>> {
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(op(), 1..40);
    (0..many).map(|_| strategy.new_tree(&mut runner).expect("no filter").current()).collect()
}

async fn histories(store: Store, many: usize) {
    for ops in drawn(many) {
        let mut world = World {
            store: store.clone(),
            now: 10_000,
            builds: Vec::new(),
            tokens: HashMap::new(),
            seen: BTreeMap::new(),
            next_token: 0,
        };
        let told = format!("{ops:#?}");
        let run = async move {
            for op in &ops {
                world.apply(op).await;
                world.check().await;
            }
            world.work_off().await;
        };
        if let Err(failed) = tokio::spawn(run).await {
            panic!("{failed} after some of {told}");
        }
    }
}

#[test]
fn every_history_holds_in_sqlite() {
    on_sqlite(|database| opened(database, |store| histories(store, 200)));
}

#[test]
fn every_history_holds_in_postgres() {
    on_postgres(|database| opened(database, |store| histories(store, 25)));
}
