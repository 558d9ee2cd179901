//! The stream of deliveries and orders that goes on while the daemon dies. As GitHub does, it delivers again what was not
//! answered. Must not know when the daemon dies.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use windlass_protocol::view::{BuildView, Outcome, Status};

use super::ledger::Shared;
use super::recipe::{Fate, Random, Recipe};
use super::steps::Writing;
use crate::delivery::Delivery;
use crate::http::Connection;
use crate::repository::Repository;
use crate::wait::came_true;

/// Unfinished builds at once; what more there is waits to be delivered.
const OPEN: usize = 8;

/// Where the daemon is, when it is.
pub(super) struct Place {
    pub(super) data: PathBuf,
    pub(super) socket: PathBuf,
}

struct Load<'a> {
    place: &'a Place,
    shared: &'a Shared,
    random: Random,
}

/// Delivers and orders until the load is over; from then on only what hangs is cancelled, until all is over.
pub(super) fn stream(
    place: &Place,
    shared: &Shared,
    repositories: &[Repository],
    steps: &Writing,
    image: Option<&str>,
    seed: u64,
) {
    let note = steps.command();
    let mut load = Load { place, shared, random: Random::new(seed ^ 0x6c6f_6164) };
    let mut count = 0;
    while !shared.load_is_over() {
        load.order();
        // Even then a few: what is open may all wait for its back-off.
        if shared.open_builds() >= OPEN && !load.random.percent(2) {
            came_true(Duration::from_millis(40), || shared.load_is_over());
            continue;
        }
        count += 1;
        let recipe = Recipe::new(seed.wrapping_mul(1_000_003).wrapping_add(count));
        let repository = load.random.pick(repositories).expect("there are some");
        load.deliver_build(repository, recipe, count, image, &note);
    }
    while !shared.is_over() {
        load.cancel_what_hangs(100);
        came_true(Duration::from_millis(200), || shared.is_over());
    }
}

impl Load<'_> {
    fn deliver_build(&mut self, repository: &Repository, recipe: Recipe, count: u64, image: Option<&str>, note: &str) {
        if self.random.percent(4) {
            let ping = Delivery::ping(repository).changed(|body| body["hook_id"] = json!(count));
            return self.deliver(&ping, None);
        }
        let mut files = recipe.files();
        files.push((".windlass.yml".to_owned(), recipe.spec(image, note).into_bytes()));
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let pull = self.random.percent(30).then(|| 1 + self.random.below(2));
        let branch = pull.map_or_else(|| format!("branch-{}", self.random.below(3)), |pull| format!("topic-{pull}"));
        let commit = repository.commit(&branch, &files, &format!("number {count}"));
        self.shared.note(|ledger| drop(ledger.recipes.insert(commit.sha.clone(), recipe)));
        let delivery = match pull {
            Some(pull) => {
                repository.offer_pull(pull, &commit);
                Delivery::pull_request(repository, pull, "synchronize", &commit)
            }
            None => Delivery::push(repository, &commit),
        };
        self.deliver(&delivery, Some(commit.sha));
    }

    /// Again and again until it is answered with 2xx, or the load is over.
    fn deliver(&mut self, delivery: &Delivery, sha: Option<String>) {
        let address = self.place.data.join("public.addr");
        came_true(Duration::from_secs(120), || {
            let address = std::fs::read_to_string(&address).unwrap_or_default();
            let answer = Connection::open(address.trim()).and_then(|mut connection| {
                connection.request("POST", "/webhooks/github", &delivery.headers(), &delivery.body)
            });
            match answer {
                Ok(answer) if matches!(answer.status, 200..=299) => {
                    self.shared.note(|ledger| drop(ledger.deliveries.insert(delivery.id.clone(), sha.clone())));
                    true
                }
                Ok(answer) if answer.status != 503 => {
                    let fault =
                        format!("delivery {} was answered with {}: {}", delivery.id, answer.status, answer.text());
                    self.shared.note(|ledger| ledger.faults.push(fault));
                    true
                }
                _ => self.shared.load_is_over(),
            }
        });
    }

    /// Sometimes something is cancelled or retried.
    fn order(&mut self) {
        self.cancel_what_hangs(40);
        let builds = self.shared.newest(30);
        if self.random.percent(6) {
            let open: Vec<&BuildView> = builds.iter().filter(|build| build.build.status != Status::Finished).collect();
            if let Some(build) = self.random.pick(&open) {
                self.cancel(build.build.number, None);
            }
        }
        if self.shared.open_builds() >= OPEN {
            return;
        }
        let finished = |build: &&BuildView| build.build.status == Status::Finished;
        let planned = |build: &&BuildView| {
            let attempts = build.jobs.iter().map(|job| job.attempts.len()).max().unwrap_or(0);
            finished(build) && attempts < 4 && build.jobs.iter().all(|job| job.name != "spec")
        };
        if self.random.percent(15) {
            let failed = |build: &&BuildView| build.build.outcome == Some(Outcome::Failed);
            let failed: Vec<&BuildView> = builds.iter().filter(planned).filter(failed).collect();
            if let Some(build) = self.random.pick(&failed) {
                let what = if self.random.percent(70) { "failed" } else { "everything" };
                self.retry(build.build.number, &json!({ "what": what }));
            }
        }
        if self.random.percent(6) {
            let pushes: Vec<&BuildView> =
                builds.iter().filter(planned).filter(|build| build.build.event == "push").collect();
            if let Some(build) = self.random.pick(&pushes) {
                self.ask(build.build.number, "retry", &json!({ "head": true }));
            }
        }
    }

    /// What would run for ever: nothing but a cancel ends it.
    fn cancel_what_hangs(&mut self, percent: u64) {
        for build in self.shared.open() {
            let Some(recipe) = self.shared.recipe(&build.build.sha) else { continue };
            for job in build.jobs.iter().filter(|job| job.status == Status::Running) {
                let hangs = recipe.job(&job.name).is_some_and(|job| job.course().1 == Fate::Hangs);
                if hangs && self.random.percent(percent) {
                    self.cancel(build.build.number, Some(&job.name));
                }
            }
        }
    }

    fn cancel(&mut self, build: u64, job: Option<&str>) {
        self.shared.note(|ledger| {
            ledger.cancels.insert(build);
        });
        let force = self.random.percent(25);
        self.ask(build, "cancel", &json!({ "job": job, "force": force }));
    }

    fn retry(&mut self, build: u64, what: &serde_json::Value) {
        self.shared.note(|ledger| {
            ledger.retries.insert(build);
        });
        self.ask(build, "retry", what);
    }

    /// Once; the daemon may be dead, or may think that there is nothing to do.
    fn ask(&self, build: u64, what: &str, body: &serde_json::Value) {
        let path = format!("/v1/builds/{build}/{what}");
        let headers = [("Content-Type", "application/json")];
        let answer = Connection::unix(&self.place.socket)
            .and_then(|mut connection| connection.request("POST", &path, &headers, body.to_string().as_bytes()));
        if let Ok(answer) = answer
            && !matches!(answer.status, 200..=299 | 404 | 409 | 503)
        {
            let fault = format!("POST {path} {body}: {} {}", answer.status, answer.text());
            self.shared.note(|ledger| ledger.faults.push(fault));
        }
    }
}
