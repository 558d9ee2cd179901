//! The database: whether it opens, is whole, fits this version, and makes sense. Must not know engines.

use super::{Area, Doctor, Found, Mend, Weight};
use crate::clock;
use crate::config::{Config, Database};
use crate::data_dir::known_owner;
use crate::error_chain::chain;
use crate::store::{Health, Store, newest_schema};

const AREA: Area = Area::Database;

impl Doctor<'_> {
    /// The database, where it can be worked with.
    pub(super) async fn database(&mut self, config: &Config) -> Option<Store> {
        self.say("looking at the database");
        let name = config.database.describe();
        if matches!(&config.database, Database::Sqlite(path) if !path.exists()) {
            self.fact(AREA, format!("{name} is not there yet: the first `windlassd serve` makes it"));
            return None;
        }
        let health = match Store::health(&config.database).await {
            Ok(health) => health,
            Err(error) => {
                let remedy = match &config.database {
                    Database::Sqlite(_) => {
                        "if it is damaged: stop the daemon, move the data folder away, and `windlassd restore` the newest backup"
                    }
                    Database::Postgres(_) => "look whether the server runs, and whether database.url is right",
                };
                self.by_hand(AREA, "database", Weight::Wrong, &name, chain(&error), remedy);
                return None;
            }
        };
        for damage in &health.damage {
            let what = format!("{name} is damaged: {damage}");
            let remedy = "stop the daemon, move the data folder away, and `windlassd restore` the newest backup";
            self.by_hand(AREA, "damage", Weight::Wrong, &name, what, remedy);
        }
        if !health.unknown.is_empty() {
            let what = format!("{name} has schema {}, this windlassd only knows {}", health.schema, newest_schema());
            self.by_hand(AREA, "schema", Weight::Wrong, &name, what, "use the newer windlassd that was here before");
            return None;
        }
        if !health.missing.is_empty() {
            let what = format!("{name} has schema {}, this windlassd has {}", health.schema, newest_schema());
            let remedy = "make a backup with the windlassd it belongs to; the next start of this one brings it up";
            self.by_hand(AREA, "schema", Weight::Note, &name, what, remedy);
            return None;
        }
        self.claim(config).await;
        let store = match Store::open(&config.database).await {
            Ok(store) => store,
            Err(error) => {
                let remedy = "correct what it says";
                self.by_hand(AREA, "database", Weight::Wrong, &name, chain(&error), remedy);
                return None;
            }
        };
        // With another folder's, everything here would look left over.
        if let Err(error) = store.is_of(known_owner(&config.data_dir).as_deref()).await {
            let remedy =
                "name the database of this data folder in database.url, or the folder of the database in data_dir";
            self.by_hand(AREA, "foreign_database", Weight::Wrong, &name, chain(&error), remedy);
            store.close().await;
            return None;
        }
        if let Ok(counts) = store.counts().await {
            let says = format!(
                "{name}, schema {}, {} builds, {} attempts, {} webhooks",
                health.schema, counts.builds, counts.attempts, counts.deliveries
            );
            self.fact(AREA, says);
        }
        self.contradictions(&store, &health).await;
        Some(store)
    }

    async fn contradictions(&mut self, store: &Store, health: &Health) {
        let by_daemon = || Some("stop the daemon, and let doctor end it".to_owned());
        for (id, oddity) in &health.odd {
            let what = format!("{id} {oddity}: it would never end");
            let found = Found { area: AREA, kind: "odd_attempt", weight: Weight::Wrong, subject: id.to_string(), what };
            let mend = Mend { does: "ends it as lost".to_owned(), beside: by_daemon() };
            let reason = format!("its state in the database contradicted itself ({oddity}); doctor ended it: retry it");
            self.found(found, mend, async || Ok(store.end_odd(id, &reason, clock::now()).await?)).await;
        }
        for build in &health.stuck {
            let what = format!("nobody has the turn in the concurrency group of build {build}: it waits for ever");
            let subject = build.to_string();
            let found = Found { area: AREA, kind: "stuck_group", weight: Weight::Wrong, subject, what };
            let mend = Mend { does: "gives the turn to who waits longest".to_owned(), beside: None };
            self.found(found, mend, async || Ok(store.repair_groups(clock::now()).await.map(drop)?)).await;
        }
    }
}
