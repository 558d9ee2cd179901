//! What an engine has under our labels besides the containers of attempts: helpers that somebody was killed over, volumes
//! that nobody uses, containers of other daemons. Must not know which attempts live.

use std::collections::HashMap;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};

use super::DockerEngine;
use super::prepare::{MADE_LABEL, OLD, SHARED_LABEL, now};
use super::shape::{ATTEMPT_LABEL, OWNER_LABEL};
use crate::engine::EngineError;

/// A helper lives for seconds.
const HELPER: i64 = 10 * 60;

/// Something on the engine that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    Container { id: String, name: String },
    Volume { name: String },
}

impl Leftover {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Container { name, .. } | Self::Volume { name } => name,
        }
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Container { .. } => "container",
            Self::Volume { .. } => "volume",
        }
    }
}

impl DockerEngine {
    /// What is left over besides containers of attempts, which `adopt` finds.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn leftovers(&self) -> Result<Vec<Leftover>, EngineError> {
        let inner = &*self.0;
        let ours = format!("{OWNER_LABEL}={}", inner.settings.owner);
        let mut left = Vec::new();
        for container in self.containers(&ours).await? {
            let labels = container.labels.unwrap_or_default();
            let old = container.created.is_some_and(|made| seconds() - made > HELPER);
            if let Some(id) = container.id
                && old
                && !labels.contains_key(ATTEMPT_LABEL)
            {
                let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_else(|| id.clone());
                left.push(Leftover::Container { id, name: name.trim_start_matches('/').to_owned() });
            }
        }
        let horizon = now().saturating_sub(OLD.as_secs());
        let shared = format!("{SHARED_LABEL}={}", inner.settings.namespace);
        for label in [&ours, &shared] {
            // Unused: no container has them, running or not.
            let filters = HashMap::from([("label", vec![label.as_str()]), ("dangling", vec!["true"])]);
            let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
            let found = inner
                .docker
                .quick(inner.docker.list_volumes(Some(options)))
                .await
                .map_err(|failure| failure.trouble("listing volumes"))?;
            for volume in found.volumes.unwrap_or_default() {
                let made = volume.labels.get(MADE_LABEL).and_then(|made| made.parse::<u64>().ok());
                // A runner's volume is made again by whoever still counts on it.
                if label == &ours || made.is_some_and(|made| made < horizon) {
                    left.push(Leftover::Volume { name: volume.name });
                }
            }
        }
        Ok(left)
    }

    /// How many containers other daemons have here, by their owners.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn of_others(&self) -> Result<Vec<(String, usize)>, EngineError> {
        let mut owners: HashMap<String, usize> = HashMap::new();
        for container in self.containers(ATTEMPT_LABEL).await? {
            let owner = container.labels.and_then(|mut labels| labels.remove(OWNER_LABEL)).unwrap_or_default();
            if owner != self.0.settings.owner {
                *owners.entry(owner).or_default() += 1;
            }
        }
        let mut owners: Vec<_> = owners.into_iter().collect();
        owners.sort();
        Ok(owners)
    }

    /// Removes it; fine if it is gone.
    ///
    /// # Errors
    /// When the engine does not do it.
    pub async fn remove_leftover(&self, left: &Leftover) -> Result<(), EngineError> {
        let docker = &self.0.docker;
        let removed = match left {
            Leftover::Container { id, .. } => {
                let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
                docker.slow(docker.remove_container(id, Some(options))).await
            }
            Leftover::Volume { name } => docker.slow(docker.remove_volume(name, None::<RemoveVolumeOptions>)).await,
        };
        match removed {
            Err(failure) if !failure.is_missing() => {
                Err(failure.trouble(&format!("removing the {} {}", left.kind(), left.name())))
            }
            _ => Ok(()),
        }
    }

    async fn containers(&self, label: &str) -> Result<Vec<bollard::models::ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let docker = &self.0.docker;
        let listed = docker.slow(docker.list_containers(Some(options))).await;
        listed.map_err(|failure| failure.trouble("listing containers"))
    }
}

fn seconds() -> i64 {
    i64::try_from(now()).unwrap_or(i64::MAX)
}
