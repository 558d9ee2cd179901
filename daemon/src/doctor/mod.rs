//! Looks at everything a daemon needs and leaves, says what is wrong and what becomes of it, and mends it when told to. A
//! daemon may work meanwhile: what belongs to it is then left to it. Without being told to mend, nothing is changed. Must not
//! know how findings are shown.

mod database; // the database, and attempts in it
mod artifacts; // files that jobs left
mod disk; // room and budgets, logs, mirrors
mod engine; // engines, and what is left on them
mod files; // configuration, secrets, data folder, socket

use serde::Serialize;

use crate::config::{Config, ConfigError};
use crate::data_dir::{self, Held};
use crate::error_chain::chain;
use crate::store::{Alone, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    Configuration,
    Data,
    Database,
    Disk,
    Logs,
    Artifacts,
    Engine,
    Leftovers,
}

impl Area {
    pub const ALL: [Self; 8] = [
        Self::Configuration,
        Self::Data,
        Self::Database,
        Self::Disk,
        Self::Logs,
        Self::Artifacts,
        Self::Engine,
        Self::Leftovers,
    ];
}

/// Whether somebody has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    Wrong,
    /// Worth knowing; a daemon sees to it, or it harms nobody.
    Note,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Only a person can.
    ByHand,
    /// Would be done when told to.
    Possible,
    /// Not while a daemon works.
    StopFirst,
    Done,
    Failed,
}

#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub area: Area,
    /// A word for scripts; does not change.
    pub kind: &'static str,
    pub weight: Weight,
    /// A path, an attempt, a container.
    pub subject: String,
    /// One sentence.
    pub what: String,
    /// What repairing does, or what the operator has to do.
    pub remedy: String,
    pub repair: Repair,
    /// Why repairing failed.
    pub trouble: Option<String>,
}

/// Something to be told of an area besides findings.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    pub area: Area,
    pub says: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// A windlassd works on the data folder.
    pub daemon: bool,
    pub facts: Vec<Fact>,
    pub findings: Vec<Finding>,
}

impl Report {
    /// What is wrong and stays so.
    #[must_use]
    pub fn wrong(&self) -> usize {
        let stays = |finding: &&Finding| finding.weight == Weight::Wrong && finding.repair != Repair::Done;
        self.findings.iter().filter(stays).count()
    }

    #[must_use]
    pub fn repaired(&self) -> usize {
        self.findings.iter().filter(|finding| finding.repair == Repair::Done).count()
    }

    /// What would be mended when told to.
    #[must_use]
    pub fn possible(&self) -> usize {
        self.findings.iter().filter(|finding| finding.repair == Repair::Possible).count()
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub repair: bool,
    /// Read every log, and have the engine make a container.
    pub deep: bool,
}

/// Told what is being looked at, now and then.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// What was found, before anything is done about it.
struct Found {
    area: Area,
    kind: &'static str,
    weight: Weight,
    subject: String,
    what: String,
}

/// What repairing does.
struct Mend {
    /// In the third person: "removes the folder".
    does: String,
    /// What to say instead while a daemon works, if it must not be done beside one.
    beside: Option<String>,
}

struct Doctor<'a> {
    options: Options,
    report: Report,
    progress: Progress<'a>,
    /// While mending: nobody starts a daemon meanwhile.
    held: Option<Held>,
    alone: Option<Alone>,
}

/// Looks at everything; at nothing but the configuration where that is wrong.
pub async fn examine(loaded: Result<Config, ConfigError>, options: Options, progress: Progress<'_>) -> Report {
    let mut doctor = Doctor { options, report: Report::default(), progress, held: None, alone: None };
    match loaded {
        Ok(config) => doctor.look(&config).await,
        Err(error) => doctor.configuration_is_wrong(&error),
    }
    doctor.report.findings.sort_by_key(|finding| finding.area);
    doctor.report
}

impl Doctor<'_> {
    async fn look(&mut self, config: &Config) {
        self.configuration(config).await;
        let Some(usable) = self.data_folder(config).await else {
            self.engine(config, None).await;
            return;
        };
        if !usable {
            return;
        }
        self.take(config).await;
        self.socket(config).await;
        let store = self.database(config).await;
        self.disk(config, store.as_ref()).await;
        if let Some(store) = &store {
            self.logs(config, store).await;
        }
        self.engine(config, store.as_ref()).await;
        if let Some(store) = store {
            store.close().await;
        }
    }

    /// Finds out whether a daemon works, and keeps others from beginning while something is mended.
    async fn take(&mut self, config: &Config) {
        match data_dir::is_held(&config.data_dir) {
            Ok(held) => self.report.daemon = held,
            Err(error) => {
                let path = config.data_dir.join(data_dir::LOCK).display().to_string();
                let what = format!("{path} cannot be read: {error}");
                self.by_hand(Area::Data, "lock", Weight::Wrong, path, what, "run doctor as the daemon's user");
                self.report.daemon = true; // to be on the safe side
            }
        }
        if self.options.repair && !self.report.daemon {
            match data_dir::hold(&config.data_dir) {
                Ok(held) => self.held = Some(held),
                Err(_) => self.report.daemon = true,
            }
        }
        let says = match self.report.daemon {
            true => format!("{}, a windlassd works on it", config.data_dir.display()),
            false => format!("{}, no windlassd works on it", config.data_dir.display()),
        };
        self.fact(Area::Data, says);
    }

    fn fact(&mut self, area: Area, says: impl Into<String>) {
        self.report.facts.push(Fact { area, says: says.into() });
    }

    fn say(&mut self, what: &str) {
        (self.progress)(what);
    }

    /// Something that only a person can do something about.
    fn by_hand(
        &mut self,
        area: Area,
        kind: &'static str,
        weight: Weight,
        subject: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.report.findings.push(Finding {
            area,
            kind,
            weight,
            subject: subject.into(),
            what: what.into(),
            remedy: remedy.into(),
            repair: Repair::ByHand,
            trouble: None,
        });
    }

    /// Something that can be mended, and is when that was asked for and harms no daemon.
    async fn found(&mut self, found: Found, mend: Mend, fix: impl AsyncFnOnce() -> anyhow::Result<()>) {
        let Found { area, kind, weight, subject, what } = found;
        let mut finding =
            Finding { area, kind, weight, subject, what, remedy: mend.does, repair: Repair::Possible, trouble: None };
        match mend.beside {
            Some(beside) if self.report.daemon => {
                finding.remedy = beside;
                finding.repair = Repair::StopFirst;
            }
            _ if self.options.repair => match fix().await {
                Ok(()) => finding.repair = Repair::Done,
                Err(error) => {
                    finding.repair = Repair::Failed;
                    finding.trouble = Some(chain(error.as_ref()));
                }
            },
            _ => {}
        }
        self.report.findings.push(finding);
    }

    /// On the database of another daemon nothing is mended, whatever the data folder.
    async fn claim(&mut self, config: &Config) {
        let shared = matches!(config.database, crate::config::Database::Postgres(_));
        if self.report.daemon || !(self.options.repair || shared) {
            return;
        }
        match Store::claim_alone(&config.database).await {
            Ok(alone) => self.alone = self.options.repair.then_some(alone),
            Err(_) => {
                self.report.daemon = true;
                self.fact(Area::Database, "a windlassd of another data folder works on it");
            }
        }
    }
}
