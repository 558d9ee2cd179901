//! Chaos: the real daemon under a stream of deliveries, orders and following clients, killed again and again, at random
//! moments and at its fail points; then everything that is known from outside is held against its database.
//!
//! `recipe` is what builds are made to do, `load` delivers and orders, `client` follows logs, `kills` kills, `ledger` is
//! what this side knows, `evidence` what the daemon has, `checker` compares. Must not know the daemon's code: only its
//! executables, listeners, the schema of its database, and the list of fail points that it prints.

mod checker; // ledger against evidence
mod client; // a client that follows everything through all kills
mod evidence; // what the daemon has in the end
mod kills; // when and where it dies
mod ledger; // what this side knows
mod load; // deliveries, cancels, retries
mod recipe; // what builds are made to do
mod steps; // where steps write down that they ran

use std::time::{Duration, Instant};

use windlass_protocol::view::Outcome;

pub use checker::{Promise, Violation, check};
pub use evidence::{Attempt, Build, Delivered, Evidence};
pub use kills::Point;
pub use ledger::{Followed, Ledger};
pub use recipe::{Fate, Job, Random, Recipe, Step};

use crate::daemon::{Daemon, DaemonOptions};
use crate::image;
use crate::repository::Repository;
use crate::wait::came_true;

/// After the last kill everything has to be over by then. An attempt that was lost again and again waits for minutes.
const DRAIN: Duration = Duration::from_secs(420);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Local,
    Docker,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub engine: Engine,
    pub kills: u32,
    pub seed: u64,
    /// Goes on until every fail point of this engine has fired, also beyond `kills`.
    pub every_point: bool,
    /// The load goes on without kills until so many attempts ended like this: kills that come quickly let few get so far.
    pub ends: &'static [(Outcome, usize)],
    /// A switch that breaks the daemon.
    pub sabotage: Option<&'static str>,
    /// When the load ends although there were fewer kills; for a daemon that is broken.
    pub at_most: Duration,
    /// After the last kill; see [`DRAIN`].
    pub drain: Duration,
}

impl Options {
    #[must_use]
    pub fn new(engine: Engine, kills: u32, seed: u64) -> Self {
        let at_most = Duration::from_secs(30 + 20 * u64::from(kills));
        Self { engine, kills, seed, every_point: false, ends: &[], sabotage: None, at_most, drain: DRAIN }
    }
}

/// A run and what was found.
#[derive(Debug)]
pub struct Report {
    pub kills: u32,
    /// Of them at fail points.
    pub at_points: u32,
    /// Fail points of this engine at which the daemon never died.
    pub missed: Vec<String>,
    pub ledger: Ledger,
    pub evidence: Evidence,
    pub violations: Vec<Violation>,
    pub took: Duration,
    /// The longest that a daemon took to be ready.
    pub slowest_start: Duration,
    /// Where the daemon's own words are, when something was wrong.
    pub kept: Option<std::path::PathBuf>,
}

impl Report {
    /// In one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let Evidence { builds, attempts, .. } = &self.evidence;
        let bytes: usize = self.evidence.logs.values().map(Vec::len).sum();
        format!(
            "{} kills ({} at fail points), {} deliveries, {} builds, {} attempts, {} steps, {} MB of logs, in {} s; slowest \
             start {} ms; {} violations, {} fail points not seen",
            self.kills,
            self.at_points,
            self.ledger.deliveries.len(),
            builds.len(),
            attempts.len(),
            self.ledger.steps.len(),
            bytes / 1_000_000,
            self.took.as_secs(),
            self.slowest_start.as_millis(),
            self.violations.len(),
            self.missed.len(),
        )
    }
}

/// Runs it all. `tell` hears how it goes.
#[track_caller]
pub fn run(options: &Options, tell: &(dyn Fn(&str) + Sync)) -> Report {
    let start = Instant::now();
    let repositories: Vec<Repository> = ["acme/app", "acme/lib", "umbra/tool"].map(Repository::new).into();
    let mut settings = match options.engine {
        Engine::Local => DaemonOptions::local(),
        Engine::Docker => DaemonOptions::docker(),
    };
    for repository in &repositories {
        settings = settings.with(repository);
    }
    settings = settings.jobs(4).set("retention", "every = \"1s\"").set("retention", "keep_builds = 0");
    let points = kills::points(options.engine);
    let sabotage: Vec<(&str, &str)> = options.sabotage.iter().map(|name| ("WINDLASS_SABOTAGE", *name)).collect();
    let mut daemon = Daemon::start_with(&settings, &sabotage);
    let steps = steps::Writing::open(options.engine, daemon.root());
    let shared = ledger::Shared::default();
    let place = load::Place { data: daemon.data(), socket: daemon.socket() };
    let image = (options.engine == Engine::Docker).then(image::busybox);
    let mut killing = kills::Killing::new(options, points, daemon.root());
    std::thread::scope(|scope| {
        scope.spawn(|| client::follow(&place, &shared));
        scope.spawn(|| load::stream(&place, &shared, &repositories, &steps, image.as_deref(), options.seed));
        // Whatever becomes of this thread, the others end.
        let _ends = shared.ends_on_drop();
        killing.run(&mut daemon, &shared, tell);
        came_true(options.drain, || options.ends.iter().all(|(outcome, count)| shared.ended(*outcome) >= *count));
        shared.stop_load();
        tell("no more kills: waiting for everything to be over");
        let over = || evidence::is_over(&place.data) && shared.all_followed(&place.data);
        if !came_true(options.drain, over) {
            tell("not everything is over");
        }
    });
    let mut evidence = Evidence::read(&place);
    let root = daemon.root().to_owned();
    let clean = came_true(Duration::from_secs(20), || evidence::left(&root, options.engine).is_empty());
    if !clean {
        evidence.left = evidence::left(&root, options.engine);
    }
    evidence.exit_code = Some(daemon.terminate());
    evidence.reread(&place.data);
    let mut ledger = shared.ledger();
    ledger.steps = steps.lines();
    let mut violations = check(&ledger, &evidence);
    if options.every_point {
        violations.extend(killing.missed().iter().map(|name| Violation {
            promise: Promise::Harness,
            what: format!("the fail point {name} was never reached"),
        }));
    }
    violations.extend(killing.ended_by_themselves.iter().map(|last| Violation {
        promise: Promise::Survives,
        what: format!("a daemon ended that nobody had killed; its last words: {last}"),
    }));
    let kept = (!violations.is_empty() && options.sabotage.is_none()).then(|| keep(&daemon));
    Report {
        kills: killing.kills,
        at_points: killing.at_points,
        missed: killing.missed(),
        ledger,
        evidence,
        violations,
        took: start.elapsed(),
        slowest_start: killing.slowest_start,
        kept,
    }
}

/// What the daemon printed and its database outlive the run, for whoever looks for the reason.
fn keep(daemon: &Daemon) -> std::path::PathBuf {
    let folder = std::env::var_os("WINDLASS_CHAOS_KEEP").map_or_else(std::env::temp_dir, std::path::PathBuf::from);
    let to = folder.join(format!("windlass-chaos-{}", std::process::id()));
    std::fs::create_dir_all(&to).expect("a temporary folder");
    for (from, name) in
        [(daemon.root().join("daemon.log"), "daemon.log"), (daemon.data().join("windlass.db"), "windlass.db")]
    {
        // What is missing is missing there, too.
        let _ = std::fs::copy(from, to.join(name));
    }
    to
}
