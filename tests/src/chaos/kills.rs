//! When and where the daemon dies: by `kill -9` at random moments, and by its own hand at the fail points that it lists.
//! It is started again at once each time. Must not know what it works on.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ledger::Shared;
use super::recipe::Random;
use super::{Engine, Options};
use crate::daemon::{Daemon, finish, windlassd};
use crate::wait::{SHORT, came_true, wait_for};

/// A fail point that is not reached by then is tried again later.
const REACH: Duration = Duration::from_secs(8);
/// How often a point is tried before it counts as missed.
const TRIES: u32 = 8;

/// A named point in the daemon's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub name: String,
    /// The daemon before has to die at this one.
    pub after: Option<String>,
    /// Only reached with this engine; `None`: with any.
    pub engine: Option<Engine>,
}

pub(super) struct Killing {
    wanted: u32,
    every_point: bool,
    at_most: Duration,
    sabotage: Option<&'static str>,
    random: Random,
    /// To be proven, with how often they were tried.
    open: VecDeque<(Point, u32)>,
    all: Vec<Point>,
    required: BTreeSet<String>,
    fired: BTreeSet<String>,
    ledger: PathBuf,
    pub(super) kills: u32,
    pub(super) at_points: u32,
    pub(super) slowest_start: Duration,
    /// The last words of daemons that nobody killed.
    pub(super) ended_by_themselves: Vec<String>,
}

/// The points that the daemon lists, as far as this engine leads to them.
#[track_caller]
pub(super) fn points(engine: Engine) -> Vec<Point> {
    let root = tempfile::tempdir().expect("a temporary folder");
    let listed = finish(windlassd(root.path(), &["fail-points"]), SHORT);
    assert_eq!(listed.code, 0, "this windlassd has no fail points, it is a release build: {}", listed.stderr);
    let text = listed.text();
    let point = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap_or_default().to_owned();
        let engine = match fields.next().unwrap_or_default() {
            "local" => Some(Engine::Local),
            "docker" => Some(Engine::Docker),
            _ => None,
        };
        let after = fields.next().filter(|after| !after.is_empty()).map(str::to_owned);
        Point { name, after, engine }
    };
    text.lines().map(point).filter(|point| point.engine.is_none_or(|of| of == engine)).collect()
}

impl Killing {
    pub(super) fn new(options: &Options, points: Vec<Point>, root: &Path) -> Self {
        let mut random = Random::new(options.seed ^ 0x6b69_6c6c);
        // With containers only their own points are to be proven: the others are with processes, which is quicker.
        let required = |point: &&Point| options.engine == Engine::Local || point.engine == Some(options.engine);
        let mut open: Vec<(Point, u32)> = points.iter().filter(required).map(|point| (point.clone(), 0)).collect();
        for at in (1..open.len()).rev() {
            open.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap_or(0));
        }
        let required = open.iter().map(|(point, _)| point.name.clone()).collect();
        Self {
            wanted: options.kills,
            every_point: options.every_point,
            at_most: options.at_most,
            sabotage: options.sabotage,
            random,
            open: open.into(),
            all: points,
            required,
            fired: BTreeSet::new(),
            ledger: root.join("failpoints"),
            kills: 0,
            at_points: 0,
            slowest_start: Duration::ZERO,
            ended_by_themselves: Vec::new(),
        }
    }

    /// Points that are to be proven and are not.
    pub(super) fn missed(&self) -> Vec<String> {
        self.required.difference(&self.fired).cloned().collect()
    }

    /// Kills and starts; the last daemon is left alive and ready.
    #[track_caller]
    pub(super) fn run(&mut self, daemon: &mut Daemon, shared: &Shared, tell: &(dyn Fn(&str) + Sync)) {
        let start = Instant::now();
        daemon.kill9();
        let mut told = 0;
        while start.elapsed() < self.at_most {
            let points_left = self.every_point && !self.open.is_empty();
            if self.kills >= self.wanted && !points_left {
                break;
            }
            if points_left && (self.random.percent(75) || self.kills >= self.wanted) {
                self.prove(daemon);
            } else if self.random.percent(40) {
                let point = self.random.pick(&self.all).cloned().expect("there are some");
                let count = 1 + self.random.below(4);
                self.die_at(daemon, &point.name, count, REACH / 4);
            } else {
                self.die_at_random(daemon);
            }
            if self.kills >= told + 10 {
                told = self.kills;
                let left: Vec<&str> = self.open.iter().map(|(point, _)| point.name.as_str()).collect();
                let left = if left.len() > 6 { format!("{} points", left.len()) } else { left.join(" ") };
                tell(&format!(
                    "[{:4} s] {} kills, {} at fail points; {} builds open; left: {left}",
                    start.elapsed().as_secs(),
                    self.kills,
                    self.at_points,
                    shared.open_builds()
                ));
            }
        }
        self.begin(daemon, &[]);
        wait_for("the last daemon is ready", SHORT, || if daemon.is_ready() { Ok(()) } else { Err("not yet") });
    }

    fn prove(&mut self, daemon: &mut Daemon) {
        let Some((point, tries)) = self.open.pop_front() else { return };
        if self.fired.contains(&point.name) {
            return;
        }
        let came = point.after.as_ref().is_none_or(|after| self.die_at(daemon, after, 1, REACH));
        let reached = came && self.die_at(daemon, &point.name, 1, REACH);
        if !reached && tries + 1 < TRIES {
            self.open.push_back((point, tries + 1));
        }
    }

    fn begin(&self, daemon: &mut Daemon, environment: &[(&str, &str)]) {
        let mut all = environment.to_vec();
        all.extend(self.sabotage.map(|name| ("WINDLASS_SABOTAGE", name)));
        daemon.begin_again(&all);
    }

    /// A daemon that lives until it reaches the point for the `count`-th time, or long enough. Whether it died there.
    fn die_at(&mut self, daemon: &mut Daemon, name: &str, count: u64, within: Duration) -> bool {
        let armed = format!("{name}:{count}");
        let ledger = self.ledger.to_str().expect("temporary folders have plain names").to_owned();
        let notes = self.notes();
        self.begin(daemon, &[("WINDLASS_FAILPOINTS", &armed), ("WINDLASS_FAILPOINT_LEDGER", &ledger)]);
        let (start, mut ready) = (Instant::now(), false);
        came_true(within, || {
            if !ready && daemon.is_ready() {
                ready = true;
                self.slowest_start = self.slowest_start.max(start.elapsed());
            }
            daemon.has_ended()
        });
        let died_there = self.notes().len() > notes.len();
        if !daemon.has_ended() {
            daemon.kill9();
        } else if !died_there {
            self.ended_by_itself(daemon);
        }
        self.kills += 1;
        if died_there {
            self.at_points += 1;
            self.fired.insert(name.to_owned());
        }
        died_there
    }

    fn die_at_random(&mut self, daemon: &mut Daemon) {
        self.begin(daemon, &[]);
        let start = Instant::now();
        let early = self.random.percent(25);
        if !early {
            wait_for("the daemon is ready, or dead", SHORT, || {
                if daemon.is_ready() || daemon.has_ended() { Ok(()) } else { Err("not yet") }
            });
            self.slowest_start = self.slowest_start.max(start.elapsed());
        }
        let life = Duration::from_millis(self.random.below(if early { 300 } else { 1500 }));
        if came_true(life, || daemon.has_ended()) {
            self.ended_by_itself(daemon);
        } else {
            daemon.kill9();
        }
        self.kills += 1;
    }

    fn ended_by_itself(&mut self, daemon: &Daemon) {
        let last = daemon.printed().lines().last().unwrap_or_default().to_owned();
        self.ended_by_themselves.push(last);
    }

    /// What daemons noted before they died at a point.
    fn notes(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.ledger).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
