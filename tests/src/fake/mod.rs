//! A daemon that only pretends, behind a line that misbehaves as it is told to. It executes nothing: jobs are short scripts
//! that it acts out on the terminal client's own fake world. Must not know the client, nor the stories.

pub mod acts; // what jobs do, for the fake and for a shell alike
pub mod line; // what goes wrong between a daemon and its clients
#[path = "../../../tui/tests/fake/mod.rs"]
#[expect(dead_code, reason = "the terminal client's tests use the rest")]
mod daemon;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{DeliveryState, DeliveryView, Outcome, Status, WaitingFor};

use acts::{Act, JOB, left};
use daemon::{Fake, World};

const BEAT: Duration = Duration::from_millis(10);

/// Dropping it closes the socket and every connection.
pub struct FakeDaemon {
    pub socket: PathBuf,
    told: Arc<Fake>,
    runs: Arc<Mutex<Vec<Run>>>,
    beat: JoinHandle<()>,
}

/// A build's only job, and how far it is.
struct Run {
    number: u64,
    acts: Vec<Act>,
    at: usize,
    attempt: u32,
    /// How often it was let go on, and how often it has been.
    let_go: usize,
    gone_on: usize,
}

impl FakeDaemon {
    /// Listens at `socket`; at most so many jobs run at once.
    #[must_use]
    pub fn start(runtime: &Handle, socket: &Path, room: u32) -> Self {
        let inside = runtime.enter();
        let told = Arc::new(Fake::start(socket, clock()));
        told.change(|world| world.limit = u64::from(room));
        let runs = Arc::new(Mutex::new(Vec::new()));
        let (beating, running) = (Arc::clone(&told), Arc::clone(&runs));
        let beat = runtime.spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            loop {
                beat.tick().await;
                beating.change(|world| go_on(world, &mut lock(&running)));
            }
        });
        drop(inside);
        Self { socket: socket.to_owned(), told, runs, beat }
    }

    /// A push comes in: a build whose only job does this.
    pub fn push(&self, title: &str, acts: &[Act]) -> u64 {
        let number = self.told.change(|world| {
            world.now = clock();
            let number = world.push("acme/app", "main", title, &[(JOB, &[], &["work"])]);
            deliver(world, "push", number);
            number
        });
        self.run(number, acts.to_vec());
        number
    }

    fn run(&self, number: u64, acts: Vec<Act>) {
        lock(&self.runs).push(Run { number, acts, at: 0, attempt: 1, let_go: 0, gone_on: 0 });
    }

    /// The job of this build waits for this.
    pub fn let_go_on(&self, number: u64) {
        lock(&self.runs).iter_mut().filter(|run| run.number == number).for_each(|run| run.let_go += 1);
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(0))
}

fn deliver(world: &mut World, event: &str, number: u64) {
    let delivery = DeliveryView {
        delivery: format!("{event}-{number}"),
        event: event.to_owned(),
        action: None,
        repository: Some("acme/app".to_owned()),
        received_at: world.now,
        state: DeliveryState::Accepted,
        reason: None,
        builds: vec![number],
        no_replay: None,
    };
    world.deliveries.insert(0, delivery);
}

/// A moment passes.
fn go_on(world: &mut World, runs: &mut Vec<Run>) {
    world.now = clock();
    runs.extend(replays(world, runs));
    for run in runs {
        run.go_on(world);
    }
}

/// Deliveries that are worked on once more become builds that do the same.
fn replays(world: &mut World, runs: &[Run]) -> Vec<Run> {
    let mut new = Vec::new();
    let open = |delivery: &DeliveryView| delivery.event == "replay" && delivery.builds.is_empty();
    while let Some(at) = world.deliveries.iter().position(open) {
        let Some(first) = runs.first() else { break };
        let title = world.builds[&first.number].build.title.clone();
        let number = world.push("acme/app", "main", &title, &[(JOB, &[], &["work"])]);
        world.deliveries[at].builds.push(number);
        new.push(Run { number, acts: first.acts.clone(), at: 0, attempt: 1, let_go: 0, gone_on: 0 });
    }
    new
}

impl Run {
    fn go_on(&mut self, world: &mut World) {
        let (number, limit) = (self.number, world.limit);
        let running = world.builds.values().flat_map(|view| &view.jobs).filter(|job| job.status == Status::Running);
        let running = running.count() as u64;
        let job = world.job(number, JOB);
        let Some(attempt) = job.attempts.last() else { return };
        if attempt.number != self.attempt {
            (self.attempt, self.at, self.gone_on) = (attempt.number, 0, 0);
        }
        match job.status {
            Status::Finished => {}
            Status::Waiting if running < limit => world.start_step(number, JOB, 0),
            Status::Waiting => {
                let reason = WaitingFor::Capacity { position: 1, running, limit };
                if job.waiting_for.as_ref() != Some(&reason) {
                    job.waiting_for = Some(reason);
                    world.touch(number);
                }
            }
            Status::Running if attempt.cancelling.is_some() => {
                world.end_job(number, JOB, Outcome::Cancelled, "cancelled by you");
            }
            Status::Running => self.act(world),
        }
    }

    fn act(&mut self, world: &mut World) {
        while let Some(act) = self.acts.get(self.at) {
            match act {
                Act::Print(text) => world.write(self.number, JOB, format!("{text}\n")),
                Act::Lines { first, last } => {
                    let lines: String = (*first..=*last).map(|line| format!("line {line}\n")).collect();
                    world.write(self.number, JOB, lines);
                }
                Act::Leave { .. } => {}
                Act::Wait if self.gone_on == self.let_go => return,
                Act::Wait => self.gone_on += 1,
                Act::Fail { at_first } if *at_first && self.attempt > 1 => {}
                Act::Fail { .. } => {
                    world.end_step(self.number, JOB, 0, 1);
                    self.leave(world);
                    return world.end_job(self.number, JOB, Outcome::Failed, "step work ended with exit code 1");
                }
            }
            self.at += 1;
        }
        world.end_step(self.number, JOB, 0, 0);
        self.leave(world);
        world.end_job(self.number, JOB, Outcome::Passed, "");
    }

    /// What it left up to here is kept.
    fn leave(&self, world: &mut World) {
        for act in &self.acts[..self.at] {
            if let Act::Leave { path, bytes } = act {
                world.left(self.number, JOB, &[(path, &left(*bytes))], &[]);
            }
        }
    }
}
