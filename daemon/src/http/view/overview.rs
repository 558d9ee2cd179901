//! Many builds at a glance: results of a repository or a ref, all repositories, the machines that jobs run on. Each costs a
//! bounded look at the newest builds, however many there are. Must not change anything.

use std::collections::BTreeMap;

use windlass_protocol::glance::{BuildResult, Disk, Machine, NodeJob, NodeView, PriorityView, RepositoryView};
use windlass_protocol::id::JobId;
use windlass_protocol::view::{Outcome, Status};

use super::{App, PAGE_CAP, newest_round};
use crate::clock;
use crate::host;
use crate::http::snapshot;
use crate::room;
use crate::state::attempt::State;
use crate::state::build::{JobStanding, derive};
use crate::store::{StoreError, StoredResult};

/// Results of one repository or ref.
const RESULTS_CAP: u32 = 100;

/// The newest results of a repository, or of one of its refs.
pub async fn results(
    app: &App,
    repository: &str,
    reference: Option<&str>,
    limit: u32,
) -> Result<Vec<BuildResult>, StoreError> {
    let results = app.store.results(repository, reference, limit.min(RESULTS_CAP)).await?;
    Ok(results.iter().map(result).collect())
}

/// Every repository that ever built or is listed by its full name, as far as a page goes, and how many there are.
pub async fn repositories(app: &App, results: u32) -> Result<(u64, Vec<RepositoryView>), StoreError> {
    let pauses = snapshot::pauses(app).await?;
    // By lower-case name: as the database has them, and as GitHub compares them.
    let mut names: BTreeMap<String, String> =
        app.store.repositories().await?.into_iter().map(|(name, _)| (name.clone(), name)).collect();
    let listed = app.config.repositories.iter().filter(|entry| !entry.name.ends_with("/*"));
    names.extend(listed.map(|entry| (entry.name.to_ascii_lowercase(), entry.name.clone())));
    let total = names.len() as u64;
    let mut views = Vec::with_capacity(names.len().min(PAGE_CAP as usize));
    for (lower, name) in names.into_iter().take(PAGE_CAP as usize) {
        let stored = app.store.results(&lower, None, results.min(RESULTS_CAP)).await?;
        let name = stored.first().map_or(name, |newest| newest.repository.clone());
        let entry = app.config.repository(&name);
        let paused = |paused: &str| paused.eq_ignore_ascii_case(&name);
        let results: Vec<BuildResult> = stored.iter().map(result).collect();
        let judges = |result: &&BuildResult| {
            use Outcome::{Failed, OutOfMemory, Passed, TimedOut};
            matches!(result.outcome, Some(Passed | Failed | TimedOut | OutOfMemory))
        };
        let passed = |result: &&BuildResult| result.outcome == Some(Outcome::Passed);
        let mut took: Vec<u64> = results.iter().filter(passed).filter_map(|result| result.took_ms).collect();
        took.sort_unstable();
        views.push(RepositoryView {
            listed: entry.is_some(),
            engine: entry.map(|entry| entry.engine_kind().to_owned()),
            priority: entry.map_or_else(PriorityView::default, |entry| PriorityView {
                push: entry.priority.push,
                pull_request: entry.priority.pull_request,
            }),
            pause: pauses.iter().find(|pause| pause.repository.as_deref().is_some_and(paused)).cloned(),
            judged: results.iter().filter(judges).count() as u64,
            passed: results.iter().filter(passed).count() as u64,
            median_ms: percentile(&took, 50),
            p95_ms: percentile(&took, 95),
            results,
            name,
        });
    }
    Ok((total, views))
}

/// The machines that jobs run on: today only the daemon's own.
pub async fn nodes(app: &App) -> Result<Vec<NodeView>, StoreError> {
    let engine = app.engines.view().await;
    let now = clock::now();
    // While it does not answer, the moment since when is what is known.
    let away = app.engines.away();
    let answered_at = if engine.trouble.is_some() { away.map_or(now, |away| away.since) } else { now };
    let counts = app.store.queue_counts().await?;
    let taken = u32::try_from(counts.taken).unwrap_or(PAGE_CAP).min(PAGE_CAP);
    // What holds a slot comes first there.
    let open = if taken == 0 { Vec::new() } else { app.store.open_attempts(taken).await? };
    let holds = open.into_iter().filter(|open| matches!(open.attempt.state, State::Claimed | State::Running));
    let jobs = holds.map(|open| NodeJob {
        id: JobId { build: open.attempt.id.build, job: open.attempt.id.job.clone() },
        attempt: open.attempt.id.attempt,
        repository: open.repository,
        title: open.title,
        step: open.attempt.steps.iter().find(|step| step.status == Status::Running).map(|step| step.name.clone()),
        started_at: open.attempt.started_at,
    });
    let (free, total) = (room::free_bytes(&app.config.data_dir), room::total_bytes(&app.config.data_dir));
    Ok(vec![NodeView {
        name: app.engines.node(),
        engine,
        answered_at,
        slots: app.config.limits.jobs,
        jobs: jobs.collect(),
        machine: host::look().map(|host| Machine {
            cpus: host.cpus,
            load_milli: host.load_milli,
            memory_bytes: host.memory_bytes,
            memory_free_bytes: host.memory_free_bytes,
        }),
        disk: free.ok().zip(total.ok()).map(|(free_bytes, total_bytes)| Disk {
            free_bytes,
            total_bytes,
            wanted_bytes: app.config.limits.free_disk_bytes,
        }),
    }])
}

fn result(stored: &StoredResult) -> BuildResult {
    let jobs = &stored.jobs;
    let standings: Vec<JobStanding> =
        jobs.iter().map(|job| JobStanding { status: job.state.status(), outcome: job.outcome }).collect();
    let (status, outcome) = derive(&standings);
    let (started_at, finished_at) =
        newest_round(status, jobs.iter().map(|job| (job.queued_at, job.started_at, job.finished_at)));
    let took_ms = started_at.zip(finished_at).map(|(started, finished)| finished.since(started));
    BuildResult { number: stored.number, status, outcome, took_ms, created_at: stored.created_at }
}

/// The smallest of sorted figures that so many in a hundred do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let hundred: Vec<u64> = (1..=100).collect();
        let table: [(&[u64], usize, Option<u64>); 7] = [
            (&[], 50, None),
            (&[7], 50, Some(7)),
            (&[7], 95, Some(7)),
            (&[1, 2, 3], 50, Some(2)),
            (&[1, 2, 3, 100], 95, Some(100)),
            (&hundred, 50, Some(50)),
            (&hundred, 95, Some(95)),
        ];
        for (sorted, percent, expected) in table {
            assert_eq!(percentile(sorted, percent), expected, "{percent} of {sorted:?}");
        }
    }
}
