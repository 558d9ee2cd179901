//! The demo without a terminal: builds as lines, from what the control socket tells.

use std::collections::HashMap;
use std::time::Duration;

use windlass_protocol::view::{BuildView, Outcome, Status};

use super::requests::{Address, get, post};
use super::say;

const LOOK: Duration = Duration::from_millis(100);

async fn builds(control: &Address) -> anyhow::Result<Vec<BuildView>> {
    Ok(serde_json::from_slice(&get(control, "/v1/builds?limit=100").await?)?)
}

/// Returns once build `number` exists.
pub(super) async fn wait_for_builds(control: &Address, number: u64, patience: Duration) -> anyhow::Result<()> {
    let there = async {
        loop {
            if builds(control).await?.iter().any(|build| build.build.number >= number) {
                return Ok::<_, anyhow::Error>(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(patience, there).await.map_err(|_| anyhow::anyhow!("build {number} never appeared"))?
}

/// Tells each change of a job until `count` builds are finished, and returns these.
pub(super) async fn until_finished(control: &Address, count: usize) -> anyhow::Result<Vec<BuildView>> {
    let mut told: HashMap<(u64, String), String> = HashMap::new();
    loop {
        let mut builds = builds(control).await?;
        builds.sort_by_key(|build| build.build.number);
        for build in &builds {
            for job in &build.jobs {
                let now = match (job.outcome, job.status) {
                    (Some(outcome), _) => outcome.to_string(),
                    (None, status) => status.to_string(),
                };
                let key = (build.build.number, job.name.clone());
                if told.get(&key) != Some(&now) {
                    if job.status != Status::Waiting {
                        let reason = job.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                        say(&format!("  {:>3}/{:<12} {now}{reason}", build.build.number, job.name));
                    }
                    told.insert(key, now);
                }
            }
        }
        if builds.len() >= count && builds.iter().all(|build| build.build.status == Status::Finished) {
            return Ok(builds);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The logs of what failed.
pub(super) async fn failed_logs(control: &Address, builds: &[BuildView]) -> anyhow::Result<()> {
    for build in builds {
        for job in build.jobs.iter().filter(|job| matches!(job.outcome, Some(Outcome::Failed | Outcome::Broken))) {
            let number = build.build.number;
            let log = get(control, &format!("/v1/builds/{number}/jobs/{}/log", job.name)).await?;
            say(&format!("--- log of {number}/{}", job.name));
            // The sample's own words: its colours are harmless, and welcome.
            say(String::from_utf8_lossy(&log).trim_end());
        }
    }
    Ok(())
}

/// Stops what still runs, so that nothing of the demo is left.
pub(super) async fn end_all(control: &Address, patience: Duration) {
    let end = async {
        loop {
            let open: Vec<u64> = match builds(control).await {
                Ok(builds) => {
                    builds.iter().filter(|b| b.build.status != Status::Finished).map(|b| b.build.number).collect()
                }
                Err(_) => return,
            };
            if open.is_empty() {
                return;
            }
            for number in open {
                let _ = post(control, &format!("/v1/builds/{number}/cancel"), "{\"force\":true}").await;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(patience, end).await;
}
