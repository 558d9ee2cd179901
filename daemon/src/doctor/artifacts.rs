//! Files that jobs left to be kept. Must not know logs or engines.

use super::disk::{budget, mib, span};
use super::{Area, Doctor, Found, Mend, Weight};
use crate::artifacts::ArtifactStore;
use crate::config::Config;
use crate::error_chain::chain;
use crate::keeper::ArtifactSurvey;
use crate::store::{KeptArtifacts, Store};

impl Doctor<'_> {
    pub(super) async fn artifacts(
        &mut self,
        config: &Config,
        store: &Store,
        artifacts: &ArtifactStore,
        survey: &ArtifactSurvey,
    ) {
        let taken = budget(survey.bytes, config.retention.artifact_bytes);
        self.fact(Area::Artifacts, format!("{taken} taken"));
        for id in &survey.orphans {
            let what = format!("the artifacts of {id} are of nothing that is known");
            let (kind, subject) = ("orphan_artifacts", id.to_string());
            let found = Found { area: Area::Artifacts, kind, weight: Weight::Wrong, subject, what };
            let every = span(config.retention.every);
            let beside = Some(format!("the daemon removes them at its next look, every {every}"));
            let mend = Mend { does: "removes them".to_owned(), beside };
            self.found(found, mend, async || Ok(artifacts.remove(id)?)).await;
        }
        for id in &survey.missing {
            let what = format!("the artifacts of {id} are not on the disk, and nobody removed them on purpose");
            let remedy = "restore them from a backup, if they matter, or build it again";
            self.by_hand(Area::Artifacts, "artifacts_missing", Weight::Wrong, id.to_string(), what, remedy);
        }
        if self.options.deep {
            self.artifact_sums(store, artifacts).await;
        }
    }

    /// Every file that is kept against what the database knows of it.
    async fn artifact_sums(&mut self, store: &Store, artifacts: &ArtifactStore) {
        const PAGE: u32 = 500;
        let mut after: Option<KeptArtifacts> = None;
        let (mut read, mut bytes) = (0_u64, 0_u64);
        loop {
            let page = match store.kept_artifacts(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    let (subject, remedy) = ("artifacts", "look at the database");
                    self.by_hand(Area::Artifacts, "database", Weight::Wrong, subject, chain(&error), remedy);
                    return;
                }
            };
            let Some(last) = page.last().cloned() else { break };
            after = Some(last);
            for kept in page {
                self.say(&format!("reading artifacts: {read}, {}", mib(bytes)));
                let left = match store.artifacts_of(&kept.id).await {
                    Ok(Some(left)) => left,
                    Ok(None) => continue, // removed meanwhile
                    Err(error) => {
                        let subject = kept.id.to_string();
                        let (kind, remedy) = ("database", "look at the database");
                        self.by_hand(Area::Artifacts, kind, Weight::Wrong, subject, chain(&error), remedy);
                        continue;
                    }
                };
                let (store_of, id) = (artifacts.clone(), kept.id.clone());
                let (files, sum) = (left.files.len() as u64, left.counts.bytes);
                let fault = tokio::task::spawn_blocking(move || {
                    (1..).zip(&left.files).find_map(|(number, file)| match store_of.sum(&id, number) {
                        Ok((bytes, sha256)) if bytes == file.bytes && sha256 == file.sha256 => None,
                        Ok(_) => Some((number, "has other bytes than were written".to_owned())),
                        Err(error) => Some((number, format!("cannot be read: {error}"))),
                    })
                });
                let fault = fault.await.unwrap_or(None);
                (read, bytes) = (read + files, bytes + sum);
                // Where all of them are gone, that is told already, or somebody removed them just now.
                let there = artifacts.read(&kept.id, 1, 0, 0).is_ok();
                if let Some((number, fault)) = fault.filter(|_| there) {
                    let what = format!("artifact {number} of {} {fault}", kept.id);
                    let remedy = "nothing makes its bytes again: restore a backup elsewhere, or build it again";
                    let (kind, subject) = ("artifact_damaged", kept.id.to_string());
                    self.by_hand(Area::Artifacts, kind, Weight::Wrong, subject, what, remedy);
                }
            }
        }
        self.fact(Area::Artifacts, format!("{read} artifacts read, {}", mib(bytes)));
    }
}
