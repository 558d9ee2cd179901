//! What the fake daemon tells at a glance: repositories and its node. Must not know sockets.

use windlass_protocol::glance::{BuildResult, Disk, Machine, NodeJob, NodeView, PriorityView, RepositoryView};
use windlass_protocol::id::JobId;
use windlass_protocol::view::{BuildView, EngineView, Outcome, Status};

use super::World;

pub(super) fn result(view: &BuildView) -> BuildResult {
    let build = &view.build;
    let took_ms = build.started_at.zip(build.finished_at).map(|(started, finished)| finished.since(started));
    BuildResult {
        number: build.number,
        status: build.status,
        outcome: build.outcome,
        took_ms,
        created_at: build.created_at,
    }
}

impl World {
    pub(super) fn repositories(&self, results: u32) -> Vec<RepositoryView> {
        let mut names: Vec<String> = self.builds.values().map(|view| view.build.repository.clone()).collect();
        names.extend(self.listed.iter().cloned());
        names.sort();
        names.dedup();
        let repository = |name: String| {
            let of = |view: &&BuildView| view.build.repository == name;
            let results: Vec<BuildResult> =
                self.builds.values().rev().filter(of).take(results as usize).map(result).collect();
            let ended =
                |outcome: Outcome| results.iter().filter(|result| result.outcome == Some(outcome)).count() as u64;
            let mut took: Vec<u64> = results.iter().filter_map(|result| result.took_ms).collect();
            took.sort_unstable();
            RepositoryView {
                listed: self.listed.contains(&name),
                engine: Some("docker".to_owned()),
                priority: PriorityView { push: i64::from(name.starts_with("octo")) * 5, pull_request: 0 },
                pause: self.pauses.iter().find(|pause| pause.repository.as_ref() == Some(&name)).cloned(),
                judged: ended(Outcome::Passed) + ended(Outcome::Failed),
                passed: ended(Outcome::Passed),
                median_ms: took.get(took.len() / 2).copied(),
                p95_ms: took.last().copied(),
                results,
                name,
            }
        };
        names.into_iter().map(repository).collect()
    }

    pub(super) fn node(&self) -> NodeView {
        let jobs = self.builds.values().flat_map(|view| view.jobs.iter().map(move |job| (view, job)));
        let running = jobs.filter(|(_, job)| job.status == Status::Running);
        let job = |(view, job): (&BuildView, &windlass_protocol::view::JobView)| {
            let attempt = job.attempts.last().expect("every job has an attempt");
            let step = attempt.steps.iter().find(|step| step.status == Status::Running);
            NodeJob {
                id: JobId { build: view.build.number, job: job.name.clone() },
                attempt: attempt.number,
                repository: view.build.repository.clone(),
                title: view.build.title.clone(),
                step: step.map(|step| step.name.clone()),
                started_at: attempt.started_at,
            }
        };
        NodeView {
            name: self.node.clone(),
            engine: EngineView {
                kind: "docker".to_owned(),
                version: Some("28.4.0".to_owned()),
                trouble: self.trouble.clone(),
            },
            answered_at: self.now,
            slots: self.limit,
            jobs: running.map(job).collect(),
            machine: Some(Machine {
                cpus: 8,
                load_milli: 1_520,
                memory_bytes: 16_000_000_000,
                memory_free_bytes: 9_100_000_000,
            }),
            disk: Some(Disk { free_bytes: 120_000_000_000, total_bytes: 500_000_000_000, wanted_bytes: 256_000_000 }),
        }
    }
}
