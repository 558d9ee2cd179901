//! Room on the disk, budgets, logs and mirrors. Must not know engines.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use windlass_protocol::id::AttemptId;

use super::{Area, Doctor, Found, Mend, Weight};
use crate::artifacts::ArtifactStore;
use crate::clock;
use crate::config::{Config, Database};
use crate::error_chain::chain;
use crate::git::Git;
use crate::keeper::{self, Keeper, SETTLED, Survey, disk};
use crate::logs::{LogError, LogStore};
use crate::room::free_bytes;
use crate::store::{FinishedLog, Store};
use crate::wake::Wake;

impl Doctor<'_> {
    pub(super) async fn disk(&mut self, config: &Config, store: Option<&Store>) {
        self.say("looking at the disk");
        let data = &config.data_dir;
        let shown = data.display().to_string();
        match free_bytes(data) {
            Ok(free) if free < config.limits.free_disk_bytes => {
                let what = format!(
                    "only {} are free on the disk of {shown}, and limits.free_disk wants {}: no job begins",
                    mib(free),
                    mib(config.limits.free_disk_bytes)
                );
                let remedy = "make room: lower retention.logs, retention.artifacts or retention.caches, or give it a larger disk";
                self.by_hand(Area::Disk, "room", Weight::Wrong, &shown, what, remedy);
            }
            Ok(free) => self.fact(Area::Disk, format!("{} free", mib(free))),
            Err(error) => {
                let what = format!("the free space of {shown} cannot be read: {error}");
                self.by_hand(Area::Disk, "room", Weight::Wrong, &shown, what, "look at the file system");
            }
        }
        if let Database::Sqlite(path) = &config.database {
            let bytes = path.metadata().map_or(0, |file| file.len());
            self.fact(Area::Disk, format!("database {}", mib(bytes)));
        }
        self.fact(Area::Disk, format!("job folders {}", mib(disk::size(&data.join("jobs")))));
        if let Some(store) = store {
            self.mirrors(config, store).await;
        }
    }

    /// Mirrors of repositories that are neither configured nor of any build.
    async fn mirrors(&mut self, config: &Config, store: &Store) {
        let urls = match store.clone_urls().await {
            Ok(urls) => urls,
            Err(error) => {
                self.by_hand(Area::Disk, "database", Weight::Wrong, "builds", chain(&error), "look at the database");
                return;
            }
        };
        let configured = config.repositories.iter().filter_map(|repository| repository.clone_url.as_deref());
        let known: HashSet<String> = urls.iter().map(String::as_str).chain(configured).map(Git::mirror_name).collect();
        for mirror in disk::mirrors(&config.data_dir.join("mirrors")) {
            let name = mirror.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if known.contains(&name) || (self.report.daemon && mirror.idle < SETTLED) {
                continue;
            }
            let subject = mirror.path.display().to_string();
            let what = format!("the mirror {name} ({}) is of no repository that is known", mib(mirror.bytes));
            let found = Found { area: Area::Disk, kind: "mirror", weight: Weight::Wrong, subject, what };
            let beside =
                Some("the daemon removes it when it was not used for retention.keep_for; or stop it first".to_owned());
            let mend = Mend { does: "removes it".to_owned(), beside };
            self.found(found, mend, async || Ok(std::fs::remove_dir_all(&mirror.path)?)).await;
        }
    }

    pub(super) async fn logs(&mut self, config: &Config, store: &Store) {
        self.say("looking at the logs");
        let folder = config.data_dir.join("logs");
        if !folder.exists() {
            return;
        }
        let logs = match LogStore::open(&folder) {
            Ok(logs) => logs,
            Err(error) => {
                let subject = folder.display().to_string();
                self.by_hand(Area::Logs, "logs", Weight::Wrong, subject, chain(&error), "look at its permissions");
                return;
            }
        };
        let artifacts = ArtifactStore::at(config.data_dir.join("artifacts"));
        let survey = match keeper::survey(config, store, (&logs, &artifacts), clock::now()).await {
            Ok(survey) => survey,
            Err(error) => {
                self.by_hand(Area::Logs, "database", Weight::Wrong, "logs", chain(&error), "look at the database");
                return;
            }
        };
        self.budgets(config, &survey);
        self.artifacts(config, store, &artifacts, &survey.artifacts).await;
        for id in &survey.logs.orphans {
            let what = format!("the log of {id} belongs to no build");
            let found =
                Found { area: Area::Logs, kind: "orphan_log", weight: Weight::Wrong, subject: id.to_string(), what };
            let beside =
                Some(format!("the daemon removes it at its next look, every {}", span(config.retention.every)));
            let mend = Mend { does: "removes it".to_owned(), beside };
            self.found(found, mend, async || Ok(logs.remove(id)?)).await;
        }
        for id in &survey.logs.missing {
            let what = format!("the log of {id} is not on the disk, and nobody removed it on purpose");
            let remedy = "restore it from a backup, if it matters; its numbers stay in the database";
            self.by_hand(Area::Logs, "log_missing", Weight::Wrong, id.to_string(), what, remedy);
        }
        let torn = survey.logs.unreplaced.iter().map(|log| &log.id).chain(&survey.logs.unnoted);
        let torn: Vec<String> = torn.map(ToString::to_string).collect();
        let due = survey.builds.len()
            + survey.logs.over_budget.len()
            + survey.artifacts.over_budget.len()
            + survey.mirrors.len();
        if due + torn.len() > 0 {
            let what = format!(
                "{} builds, {} logs ({}), artifacts of {} attempts ({}) and {} mirrors are older or more than [retention] keeps; {} removals were cut off",
                survey.builds.len(),
                survey.logs.over_budget.len(),
                mib(survey.logs.over_bytes),
                survey.artifacts.over_budget.len(),
                mib(survey.artifacts.over_bytes),
                survey.mirrors.len(),
                torn.len()
            );
            let found = Found {
                area: Area::Logs,
                kind: "retention",
                weight: Weight::Note,
                subject: "[retention]".to_owned(),
                what,
            };
            let every = format!("the daemon sees to it at its next look, every {}", span(config.retention.every));
            let mend =
                Mend { does: "removes them, as the next start of the daemon does".to_owned(), beside: Some(every) };
            let keeper = async || {
                let git = Git::open(&config.data_dir)?;
                let (config, store) = (Arc::new(config.clone()), store.clone());
                let (logs, artifacts) = (logs.clone(), artifacts.clone());
                let keeper = Keeper { config, store, logs, artifacts, git, wake: Wake::default() };
                Ok(keeper.pass(clock::now()).await?)
            };
            self.found(found, mend, keeper).await;
        }
        if self.options.deep {
            self.sums(store, &logs).await;
        }
    }

    fn budgets(&mut self, config: &Config, survey: &Survey) {
        self.fact(Area::Logs, format!("{} taken", budget(survey.logs.bytes, config.retention.log_bytes)));
        let caches = budget(survey.cache_bytes, config.retention.cache_bytes);
        self.fact(Area::Disk, format!("mirrors and sources {caches}"));
    }

    /// Every stored log against what the database knows of it.
    async fn sums(&mut self, store: &Store, logs: &LogStore) {
        const PAGE: u32 = 500;
        let mut after: Option<FinishedLog> = None;
        let (mut read, mut bytes, mut damaged) = (0_u64, 0_u64, Vec::new());
        loop {
            let page = match store.finished_logs(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    self.by_hand(Area::Logs, "database", Weight::Wrong, "logs", chain(&error), "look at the database");
                    return;
                }
            };
            let Some(last) = page.last().cloned() else { break };
            after = Some(last);
            for log in page {
                self.say(&format!("reading logs: {read}, {}", mib(bytes)));
                (read, bytes) = (read + 1, bytes + log.bytes);
                let (of, logs) = (log.clone(), logs.clone());
                let seen = tokio::task::spawn_blocking(move || fault(&logs, &of)).await.unwrap_or(None);
                damaged.extend(seen.map(|what| (log.id, what)));
            }
        }
        self.fact(Area::Logs, format!("{read} logs read, {}", mib(bytes)));
        // What a daemon removed meanwhile is not what it was.
        let removed: HashSet<AttemptId> =
            store.removed_logs().await.unwrap_or_default().into_iter().map(|log| log.id).collect();
        for (id, what) in damaged {
            if !removed.contains(&id) && store.attempt(&id).await.is_ok() {
                let what = format!("the log of {id} {what}");
                let remedy =
                    "nothing makes its bytes again: restore a backup elsewhere and read it there; look at the disk";
                self.by_hand(Area::Logs, "log_damaged", Weight::Wrong, id.to_string(), what, remedy);
            }
        }
    }
}

/// What is wrong with a finished log, if something is.
fn fault(logs: &LogStore, log: &FinishedLog) -> Option<String> {
    match logs.sum(&log.id) {
        // Told without reading it, too.
        Err(LogError::Missing { .. } | LogError::BadName { .. }) => None,
        Err(error) => Some(format!("cannot be read: {}", chain(&error))),
        Ok(None) if log.sha256.is_none() => None,
        Ok(None) => Some("does not end as it was finished".to_owned()),
        Ok(Some(sum)) if sum.bytes != log.bytes => Some(format!("has {} bytes instead of {}", sum.bytes, log.bytes)),
        Ok(Some(sum)) => match &log.sha256 {
            Some(sha256) if *sha256 != sum.sha256 => {
                Some("has other bytes than were written: its SHA-256 differs".to_owned())
            }
            _ => None,
        },
    }
}

/// What is taken of what may be.
pub(super) fn budget(bytes: u64, budget: Option<u64>) -> String {
    match budget {
        Some(budget) => format!("{} of {}", mib(bytes), mib(budget)),
        None => mib(bytes),
    }
}

/// As people say it.
pub(super) fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes.div_ceil(1024)),
        mib if mib < 10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}

/// `1h`, `90s`, as configurations say it.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}
