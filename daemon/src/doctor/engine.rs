//! Engines: whether they answer, what they lack, what is left on them, and attempts that they have nothing of. Must not know
//! how engines work.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass_protocol::id::AttemptId;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{LogSummary, Outcome, Status};

use super::{Area, Doctor, Found, Mend, Weight};
use crate::clock;
use crate::config::{Config, EngineChoice};
use crate::daemon::engines;
use crate::data_dir::known_owner;
use crate::engine::{
    AnyEngine, Engine as _, Engines, Found as OnEngine, FoundState, Kind, job_folders, remove_job_folder,
};
use crate::error_chain::chain;
use crate::logs::{LogError, LogStore};
use crate::secret::random_token;
use crate::state::attempt::{State, Verdict};
use crate::store::{Attempt, Finish, Store, StoreError};

const OPEN: u32 = 10_000;
/// What ended or began so lately is being cleaned, or written down, at this moment.
const LATELY_MS: u64 = 60_000;
/// Between two looks at what seems to hang.
const LOOK: Duration = Duration::from_secs(3);

/// Why what an engine has of an attempt is not wanted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Finished,
    Unknown,
}

impl Over {
    fn word(self) -> &'static str {
        match self {
            Self::Finished => "is finished",
            Self::Unknown => "is not known",
        }
    }

    /// Beside a daemon that works: the one it does not know may live, and the database be another one than the daemon's.
    fn beside(self) -> Option<String> {
        let words = "stop the daemon first, and see that this is its database: there the attempt may live";
        (self == Self::Unknown).then(|| words.to_owned())
    }
}

impl Doctor<'_> {
    pub(super) async fn engine(&mut self, config: &Config, store: Option<&Store>) {
        self.say("asking the engine");
        let Some(scratch) = Scratch::make(config, self.options.deep) else {
            let what = "no temporary folder can be made: the engine was not looked at";
            self.by_hand(
                Area::Engine,
                "scratch",
                Weight::Wrong,
                "TMPDIR",
                what,
                "set TMPDIR to a folder that can be written",
            );
            return;
        };
        let Some(engines) = self.connect(config, &scratch.0).await else { return };
        self.abilities(config, &engines).await;
        let Some(store) = store else { return };
        self.say("looking for leftovers");
        let mut on_engines: Vec<OnEngine> = Vec::new();
        let mut asked: Vec<Kind> = Vec::new();
        for kind in [Kind::Local, Kind::Docker] {
            let Ok(engine) = engines.pick(Some(kind)) else { continue };
            match engine.adopt().await {
                Ok(found) => {
                    asked.push(kind);
                    on_engines.extend(found);
                }
                Err(error) => {
                    let remedy = "look at the engine's own log";
                    self.by_hand(Area::Engine, "engine", Weight::Wrong, kind.name(), chain(&error), remedy);
                }
            }
        }
        self.hung(config, store, &engines, &asked, &on_engines).await;
        self.left_of_attempts(config, store, &engines, &on_engines).await;
        if let Ok(AnyEngine::Docker(docker)) = engines.pick(Some(Kind::Docker)) {
            self.left_of_helpers(&docker).await;
        }
        if !self.report.findings.iter().any(|finding| finding.area == Area::Leftovers) {
            self.fact(Area::Leftovers, "none");
        }
    }

    async fn connect(&mut self, config: &Config, scratch: &Path) -> Option<Engines> {
        let owner = known_owner(&config.data_dir).unwrap_or_else(|| "doctor".to_owned());
        let mut config = config.clone();
        // The engines make folders of their own where there are none.
        if !config.data_dir.join("jobs/local").is_dir() {
            config.data_dir = scratch.to_owned();
        }
        // Never the daemon's own: the engine removes what it does not know from it.
        let folders = scratch.join("docker");
        let wants_containers =
            config.repositories.iter().any(|repository| repository.engine_kind() != Kind::Local.name());
        let socket = config.docker_socket.display().to_string();
        let remedy = "start it (`systemctl start docker`), or name its socket in engine.docker_socket";
        match engines(&config, &owner, folders.clone()).await {
            Ok(engines) => {
                if let Some(note) = engines.note() {
                    let weight = if wants_containers { Weight::Wrong } else { Weight::Note };
                    self.by_hand(Area::Engine, "no_engine", weight, socket, note, remedy);
                }
                Some(engines)
            }
            Err(error) => {
                self.by_hand(Area::Engine, "no_engine", Weight::Wrong, socket, chain(&error), remedy);
                config.engine = EngineChoice::Local;
                engines_of_this_host(&config, &owner, folders).await
            }
        }
    }

    async fn abilities(&mut self, config: &Config, engines: &Engines) {
        let view = engines.view().await;
        let version = view.version.map(|version| format!(" {version}")).unwrap_or_default();
        self.fact(Area::Engine, format!("{}{version}", view.kind));
        let Ok(AnyEngine::Docker(docker)) = engines.pick(Some(Kind::Docker)) else { return };
        let socket = config.docker_socket.display().to_string();
        if let Some(lacks) = view.trouble {
            let remedy = "jobs run without these limits; the engine's host needs cgroups for them";
            self.by_hand(Area::Engine, "limits", Weight::Note, &socket, lacks, remedy);
        }
        if !self.options.deep {
            return;
        }
        self.say("trying a container");
        match docker.shares_files().await {
            Ok(true) => self.fact(Area::Engine, "containers see files of this host"),
            Ok(false) if config.frames_over_stdout => {}
            Ok(false) => {
                let what =
                    "containers do not see files of this host: output comes through the engine's log, which is slower";
                let remedy = "run the engine where it sees data_dir under the same name; nothing is lost without";
                self.by_hand(Area::Engine, "bind_mounts", Weight::Note, &socket, what, remedy);
            }
            Err(error) => {
                let remedy = "look at the engine's own log";
                self.by_hand(Area::Engine, "engine", Weight::Wrong, &socket, chain(&error), remedy);
            }
        }
    }

    /// Attempts that run in the database, and on no engine; those that were told to stop and do not.
    async fn hung(&mut self, config: &Config, store: &Store, engines: &Engines, asked: &[Kind], seen: &[OnEngine]) {
        let now = clock::now();
        let open = match store.open_attempts(OPEN).await {
            Ok(open) => open,
            Err(error) => {
                self.by_hand(
                    Area::Database,
                    "database",
                    Weight::Wrong,
                    "attempts",
                    chain(&error),
                    "look at the database",
                );
                return;
            }
        };
        let mut runs = 0;
        let mut suspects: Vec<Attempt> = Vec::new();
        for attempt in open.into_iter().map(|open| open.attempt).filter(|attempt| attempt.state == State::Running) {
            runs += 1;
            let begun = attempt.started_at.unwrap_or(now);
            let on_engine = seen.iter().any(|found| found.attempt == attempt.id);
            let lately = self.report.daemon && now.since(begun) < LATELY_MS;
            let kind = attempt.site.as_ref().and_then(|site| asked.iter().find(|kind| kind.name() == site.engine));
            if !on_engine && !lately && kind.is_some() {
                suspects.push(attempt);
                continue;
            }
            let patience = u64::try_from(config.limits.grace.as_millis()).unwrap_or(u64::MAX).saturating_mul(3);
            let told = attempt.cancel.as_ref().map(|cancel| now.since(cancel.at));
            if self.report.daemon && told.is_some_and(|told| told > patience.saturating_add(LATELY_MS)) {
                let what =
                    format!("{} was told to stop {} s ago, and runs", attempt.id, told.unwrap_or_default() / 1000);
                let remedy = format!("`windlass cancel {}` once more kills it", attempt.id);
                self.by_hand(Area::Database, "ignores_cancel", Weight::Wrong, attempt.id.to_string(), what, remedy);
            }
        }
        let words = if runs == 1 { "1 attempt runs".to_owned() } else { format!("{runs} attempts run") };
        self.fact(Area::Engine, words);
        if self.report.daemon && !suspects.is_empty() {
            // It may have ended between the two looks, and be written down any moment.
            tokio::time::sleep(LOOK).await;
        }
        for attempt in suspects {
            let still = store.attempt(&attempt.id).await.is_ok_and(|now| now.state == State::Running);
            if still && !on_engine_now(engines, &attempt.id).await {
                self.hangs(config, store, &attempt).await;
            }
        }
    }

    async fn hangs(&mut self, config: &Config, store: &Store, attempt: &Attempt) {
        let id = &attempt.id;
        let what = format!("{id} runs, says the database, and no engine has anything of it");
        let found =
            Found { area: Area::Database, kind: "hung_attempt", weight: Weight::Wrong, subject: id.to_string(), what };
        let beside = Some(format!("cancel it with `windlass cancel {id}`, twice if need be, and retry it"));
        let mend = Mend { does: "ends it as lost, as the next start of the daemon does".to_owned(), beside };
        self.found(found, mend, async || end_as_lost(&config.data_dir, store, attempt).await).await;
    }

    async fn left_of_attempts(&mut self, config: &Config, store: &Store, engines: &Engines, seen: &[OnEngine]) {
        let folders = job_folders(&config.data_dir.join("jobs/docker"));
        for found in seen {
            let Some(over) = over(store, &found.attempt).await else { continue };
            let (id, engine) = (&found.attempt, &found.site.engine);
            let state = match found.state {
                FoundState::Created => "made and not started",
                FoundState::Running => "running",
                FoundState::Exited => "ended",
            };
            let (thing, kind) = match engine == Kind::Local.name() {
                true => ("the job folder", "leftover_job"),
                false => ("a container", "leftover_container"),
            };
            let what = format!("{thing} of {id} is left ({state}), and the attempt {}", over.word());
            let subject = if found.site.handle.is_empty() { id.to_string() } else { found.site.handle.clone() };
            let left = Found { area: Area::Leftovers, kind, weight: Weight::Wrong, subject, what };
            let mend = Mend { does: "removes it with all that runs in it".to_owned(), beside: over.beside() };
            let clean = async || {
                engines.of(&found.site)?.clean(id).await?;
                for folder in folders.iter().filter(|folder| folder.attempt == *id) {
                    remove_job_folder(folder)?;
                }
                Ok(())
            };
            self.found(left, mend, clean).await;
        }
        let has_container = |id: &AttemptId| seen.iter().any(|found| found.attempt == *id);
        for folder in folders.iter().filter(|folder| !has_container(&folder.attempt)) {
            let Some(over) = over(store, &folder.attempt).await else { continue };
            let what =
                format!("the job folder of {} has no container, and the attempt {}", folder.attempt, over.word());
            let subject = folder.path.display().to_string();
            let left = Found { area: Area::Leftovers, kind: "leftover_folder", weight: Weight::Wrong, subject, what };
            let mend = Mend { does: "removes it".to_owned(), beside: over.beside() };
            self.found(left, mend, async || Ok(remove_job_folder(folder)?)).await;
        }
    }

    async fn left_of_helpers(&mut self, docker: &crate::engine::docker::DockerEngine) {
        let left = match docker.leftovers().await {
            Ok(left) => left,
            Err(error) => {
                let remedy = "look at the engine's own log";
                self.by_hand(Area::Engine, "engine", Weight::Wrong, "docker", chain(&error), remedy);
                return;
            }
        };
        let mut seen = HashSet::new();
        for left in left.iter().filter(|left| seen.insert(left.name())) {
            let what = format!("the {} {} has our label, and nobody uses it", left.kind(), left.name());
            let kind = match left.kind() {
                "volume" => "leftover_volume",
                _ => "leftover_helper",
            };
            let subject = left.name().to_owned();
            let found = Found { area: Area::Leftovers, kind, weight: Weight::Wrong, subject, what };
            let mend = Mend { does: "removes it".to_owned(), beside: None };
            self.found(found, mend, async || Ok(docker.remove_leftover(left).await?)).await;
        }
        for (owner, containers) in docker.of_others().await.unwrap_or_default() {
            self.fact(Area::Leftovers, format!("{containers} containers belong to another windlassd ({owner})"));
        }
    }
}

async fn engines_of_this_host(config: &Config, owner: &str, folders: PathBuf) -> Option<Engines> {
    engines(config, owner, folders).await.ok()
}

async fn on_engine_now(engines: &Engines, id: &AttemptId) -> bool {
    match engines.adopt().await {
        Ok(found) => found.iter().any(|found| found.attempt == *id),
        Err(_) => true, // nothing can be said of it
    }
}

/// `None`: it is wanted, or may be.
async fn over(store: &Store, id: &AttemptId) -> Option<Over> {
    match store.attempt(id).await {
        Ok(attempt) => {
            let ended = attempt.finished_at?;
            (clock::now().since(ended) > LATELY_MS || ended > clock::now()).then_some(Over::Finished)
        }
        Err(StoreError::Missing { .. }) => Some(Over::Unknown),
        Err(_) => None,
    }
}

/// What a daemon does at its start with an attempt that is gone.
async fn end_as_lost(data_dir: &Path, store: &Store, attempt: &Attempt) -> anyhow::Result<()> {
    let (id, now) = (&attempt.id, clock::now());
    let why = "nothing of it was left on its engine; doctor ended it: retry it";
    let logs = LogStore::open(data_dir.join("logs"))?;
    let mut writer = logs.writer(id)?;
    let kept = match writer.notice(now.0, &format!("[windlass] {why}")).and_then(|()| writer.finish(now.0)) {
        Ok(summary) => summary,
        Err(LogError::Finished { .. }) => writer.summary(),
        Err(error) => return Err(error.into()),
    };
    let log = LogSummary {
        lines: kept.lines,
        bytes: kept.bytes,
        sha256: Some(kept.sha256),
        dropped_bytes: kept.dropped_bytes,
    };
    let finish = Finish {
        verdict: Verdict::infrastructure(Outcome::Lost, why, true),
        at: now,
        steps: closed(attempt, now),
        log,
        image_digest: attempt.image_digest.clone(),
        results: None,
        artifacts: None,
        findings: None,
    };
    store.finish_attempt(id, &finish).await?;
    Ok(())
}

/// Its steps, of which none goes on.
fn closed(attempt: &Attempt, now: Timestamp) -> Vec<windlass_protocol::view::StepView> {
    let mut steps = attempt.steps.clone();
    for step in &mut steps {
        match step.status {
            Status::Running => (step.finished_at, step.outcome) = (Some(now), Some(Outcome::Lost)),
            Status::Waiting => step.outcome = Some(Outcome::Skipped),
            Status::Finished => {}
        }
        step.status = Status::Finished;
    }
    steps
}

/// A folder of doctor's own, gone when it is done.
struct Scratch(PathBuf);

impl Scratch {
    /// To see whether containers see files of this host, it has to be where the daemon's are.
    fn make(config: &Config, deep: bool) -> Option<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let jobs = config.data_dir.join("jobs");
        let place = if deep && jobs.is_dir() { jobs } else { std::env::temp_dir() };
        let folder = place.join(format!(".windlass-doctor-{}", &random_token()[..12]));
        std::fs::DirBuilder::new().mode(0o700).create(&folder).ok()?;
        Some(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
