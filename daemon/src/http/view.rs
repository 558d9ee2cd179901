//! Domain -> wire types; the only place that does it. Reads the store; must not change anything.

mod artifacts; // files that jobs left
mod cases; // results of tests
mod findings; // what tools say about places in the source
mod overview; // many builds at a glance

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use windlass_protocol::id::JobId;
use windlass_protocol::live::BuildFilter;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{
    AttemptView, BuildHead, BuildRow, BuildView, Cancelling, DeliveryState, DeliveryView, Estimate, JobSummary,
    JobView, Outcome, QueueView, QueuedJob, Status, StepView, WaitingFor,
};

use super::App;
use super::reasons::{self, Group, Holds};
use super::snapshot::{self, Asked, Snapshot};
use crate::state::attempt::State;
use crate::state::build::{JobStanding, derive};
use crate::store::{
    self, Attempt, CancelAsked, PageFilter, StoreError, StoredBuild, StoredGroup, StoredJob, Summary, Turn,
};

pub use artifacts::{artifact_piece, artifacts_page};
pub use cases::{Remembered, tests_page};
pub use findings::annotations_page;
pub use overview::{nodes, repositories, results};

/// The longest page of a list.
pub const PAGE_CAP: u32 = 500;
/// Jobs in a view of the queue, which is sent whole at each change: of what waits behind them the counts tell.
const QUEUE_CAP: u32 = 200;

/// A page of builds as lists show them, and how many there are.
pub async fn build_rows(
    app: &App,
    filter: &BuildFilter,
    offset: u64,
    limit: u32,
) -> Result<(u64, Vec<BuildRow>), StoreError> {
    let page = app.store.build_page(&page_filter(filter), offset, limit.min(PAGE_CAP)).await?;
    let queue = Snapshot::for_rows(app).await?;
    let rows = page.builds.into_iter().map(|(build, jobs)| row(build, &jobs, &queue)).collect();
    Ok((page.total, rows))
}

/// A page of builds, whole.
pub async fn build_views(
    app: &App,
    filter: &BuildFilter,
    offset: u64,
    limit: u32,
) -> Result<(u64, Vec<BuildView>), StoreError> {
    let page = app.store.build_page(&page_filter(filter), offset, limit.min(PAGE_CAP)).await?;
    let repositories: BTreeSet<&str> =
        page.builds.iter().map(|(build, _)| build.facts.request.repository.as_str()).collect();
    let queue = Snapshot::read(app, &repositories.into_iter().collect::<Vec<_>>()).await?;
    let mut views = Vec::with_capacity(page.builds.len());
    for (build, _) in page.builds {
        let jobs = app.store.jobs(build.number).await?;
        views.push(whole(app, build, jobs, &queue).await?);
    }
    Ok((page.total, views))
}

/// One build, whole.
pub async fn build_view(app: &App, number: u64) -> Result<BuildView, StoreError> {
    let build = app.store.build(number).await?;
    let jobs = app.store.jobs(number).await?;
    let queue = Snapshot::read(app, &[&build.facts.request.repository]).await?;
    let has_tests = jobs.iter().filter_map(newest).any(|attempt| attempt.tests.is_some());
    let tested = if has_tests { Some(cases::tested(app, &build).await?) } else { None };
    let annotations = findings::counts(&jobs, tested.as_deref());
    let tests = tested.map(|tested| tested.summary.clone());
    Ok(BuildView { tests, annotations, ..whole(app, build, jobs, &queue).await? })
}

/// What runs and what waits.
pub async fn queue_view(app: &App) -> Result<QueueView, StoreError> {
    let open = app.store.open_attempts(QUEUE_CAP).await?;
    let queue = Snapshot::of_open(app, &open).await?;
    let unfinished: HashSet<JobId> = open.iter().map(|open| open.attempt.id.job_id()).collect();
    let positions = queue.positions(&open);
    let jobs = open
        .into_iter()
        .map(|open| {
            let attempt = &open.attempt;
            // What it needs and is finished has passed: otherwise it would have been skipped.
            let is_open =
                |need: &&String| unfinished.contains(&JobId { build: attempt.id.build, job: (*need).clone() });
            let group =
                open.group.as_ref().map(|(name, held_by)| Group { name: name.clone(), held_by: Some(*held_by) });
            let asked = Asked {
                repository: &open.repository,
                group: group.as_ref(),
                needs: open.needs.iter().filter(is_open).cloned().collect(),
                ahead: positions.get(&attempt.id).copied(),
            };
            let (waiting_for, estimate) = queue.of_attempt(app, attempt, asked);
            QueuedJob {
                id: JobId { build: attempt.id.build, job: attempt.id.job.clone() },
                attempt: attempt.id.attempt,
                repository: open.repository.clone(),
                branch: open.branch.clone(),
                title: open.title.clone(),
                status: attempt.state.status(),
                waiting_for,
                estimate,
                cancelling: attempt.cancel.is_some(),
                step: attempt.steps.iter().find(|step| step.status == Status::Running).map(|step| step.name.clone()),
                queued_at: attempt.queued_at,
                started_at: attempt.started_at,
            }
        })
        .collect();
    Ok(QueueView {
        running: queue.counts.taken,
        waiting: queue.counts.waiting,
        blocked: queue.counts.blocked,
        limit: queue.limit,
        jobs,
        engine: app.engines.view().await,
        pauses: queue.pauses,
    })
}

/// The newest deliveries.
pub async fn deliveries(app: &App, limit: u32) -> Result<Vec<DeliveryView>, StoreError> {
    let list = app.store.deliveries(limit.min(PAGE_CAP)).await?;
    Ok(list
        .into_iter()
        .map(|delivery| DeliveryView {
            delivery: delivery.id,
            event: delivery.event,
            action: delivery.action,
            repository: delivery.repository,
            received_at: delivery.received_at,
            state: match delivery.state {
                store::DeliveryState::Accepted => DeliveryState::Accepted,
                store::DeliveryState::Ignored => DeliveryState::Ignored,
            },
            reason: delivery.reason,
            builds: delivery.builds,
            no_replay: delivery.no_replay.map(|why| why.to_string()),
        })
        .collect())
}

fn page_filter(filter: &BuildFilter) -> PageFilter {
    PageFilter {
        repository: filter.repository.clone(),
        branch: filter.branch.clone(),
        event: filter.event.clone(),
        author: filter.author.clone(),
        status: filter.status,
        outcome: filter.outcome,
        text: filter.text.clone(),
    }
}

fn row(build: StoredBuild, jobs: &[Summary], queue: &Snapshot) -> BuildRow {
    let standings: Vec<JobStanding> =
        jobs.iter().map(|job| JobStanding { status: job.state.status(), outcome: job.outcome }).collect();
    let (status, outcome) = derive(&standings);
    let reason = match status {
        Status::Finished => deciding(outcome, jobs.iter().map(|job| (job.outcome, job.reason.as_deref(), &job.job))),
        Status::Waiting => row_waits(&build, jobs, queue),
        Status::Running => None,
    };
    let (started_at, finished_at) =
        newest_round(status, jobs.iter().map(|job| (job.queued_at, job.started_at, job.finished_at)));
    let facts = build.facts;
    let request = facts.request;
    BuildRow {
        number: build.number,
        seq: build.seq,
        repository: request.repository,
        event: request.event,
        r#ref: request.r#ref,
        branch: request.branch,
        pull_request: request.pull_request,
        sha: request.sha,
        title: request.title,
        author: request.author,
        status,
        outcome,
        reason,
        cancelling: jobs.iter().any(|job| job.cancelling.is_some()),
        because: ordered(jobs),
        jobs: jobs
            .iter()
            .map(|job| JobSummary { name: job.job.clone(), status: job.state.status(), outcome: job.outcome })
            .collect(),
        created_at: facts.created_at,
        started_at,
        finished_at,
    }
}

/// What a person asked of a build, and who: to stop what is being stopped, or the newest of what was asked for again.
fn ordered(jobs: &[Summary]) -> Option<String> {
    let stopping = jobs.iter().find_map(|job| job.cancelling.as_ref()).map(|by| format!("asked to stop by {by}"));
    let newest = jobs.iter().filter(|job| job.because.is_some()).max_by_key(|job| job.queued_at);
    stopping.or_else(|| newest.and_then(|job| job.because.clone()))
}

/// The group in whose line a build stands.
fn waits_in(build: &StoredBuild) -> Option<Group> {
    match &build.group {
        Some(StoredGroup { name, turn: Turn::Waits { held_by } }) => {
            Some(Group { name: name.clone(), held_by: *held_by })
        }
        _ => None,
    }
}

/// Why a build that only waits does so: of the job that is nearest to its start.
fn row_waits(build: &StoredBuild, jobs: &[Summary], queue: &Snapshot) -> Option<String> {
    let nearest = [State::Claimed, State::Waiting, State::Blocked];
    let job = nearest.into_iter().find_map(|state| jobs.iter().find(|job| job.state == state))?;
    if job.state == State::Claimed {
        return Some("being prepared".to_owned());
    }
    let group = waits_in(build);
    let repository = &build.facts.request.repository;
    let asked = Asked { repository, group: group.as_ref(), needs: Vec::new(), ahead: None };
    let holds = Holds { back_off: snapshot::back_off(job.not_before, job.because.as_deref()), ..queue.holds(asked) };
    reasons::waiting_for(job.state, holds, queue.now).map(|reason| reasons::in_a_row(&reason))
}

async fn whole(app: &App, build: StoredBuild, jobs: Vec<StoredJob>, queue: &Snapshot) -> Result<BuildView, StoreError> {
    let passed: BTreeMap<String, bool> = jobs
        .iter()
        .map(|job| {
            let outcome = newest(job).and_then(|attempt| attempt.verdict.as_ref()).map(|verdict| verdict.outcome);
            (job.plan.name.clone(), outcome == Some(Outcome::Passed))
        })
        .collect();
    let places = queue.places(app, build.number).await?;
    let group = waits_in(&build);
    let mut views = Vec::with_capacity(jobs.len());
    for job in jobs {
        let (waiting_for, estimate) = match newest(&job) {
            Some(attempt) => {
                let asked = Asked {
                    repository: &build.facts.request.repository,
                    group: group.as_ref(),
                    needs: job.plan.needs.iter().filter(|need| passed.get(*need) != Some(&true)).cloned().collect(),
                    ahead: places.get(&attempt.id.job_id()).copied(),
                };
                queue.of_attempt(app, attempt, asked)
            }
            None => (None, None),
        };
        views.push(job_view(app, job, waiting_for, estimate));
    }
    let standings: Vec<JobStanding> =
        views.iter().map(|job| JobStanding { status: job.status, outcome: job.outcome }).collect();
    let (status, outcome) = derive(&standings);
    let reason = match status {
        Status::Finished => deciding(outcome, views.iter().map(|job| (job.outcome, job.reason.as_deref(), &job.name))),
        // The job that is nearest to its start, not one that only needs others.
        Status::Waiting => {
            let reasons = || views.iter().filter_map(|job| job.waiting_for.as_ref());
            let own = reasons().find(|reason| !matches!(reason, WaitingFor::Jobs { .. }));
            own.or_else(|| reasons().next()).map(ToString::to_string)
        }
        Status::Running => None,
    };
    let newest = views.iter().filter_map(|job| job.attempts.last());
    let (started_at, finished_at) =
        newest_round(status, newest.map(|attempt| (attempt.queued_at, attempt.started_at, attempt.finished_at)));
    let facts = build.facts;
    let request = facts.request;
    Ok(BuildView {
        build: BuildHead {
            number: build.number,
            seq: build.seq,
            repository: request.repository,
            event: request.event,
            action: request.action,
            r#ref: request.r#ref,
            branch: request.branch,
            tag: request.tag,
            base_branch: request.base_branch,
            pull_request: request.pull_request,
            sha: request.sha,
            title: request.title,
            author: request.author,
            delivery: facts.delivery,
            status,
            outcome,
            reason,
            created_at: facts.created_at,
            started_at,
            finished_at,
        },
        jobs: views,
        tests: None,
        annotations: None,
    })
}

fn job_view(app: &App, job: StoredJob, waiting_for: Option<WaitingFor>, estimate: Option<Estimate>) -> JobView {
    let limit = job.plan.finally_timeout_ms;
    let attempts: Vec<AttemptView> =
        job.attempts.into_iter().map(|attempt| attempt_view(app, attempt, limit)).collect();
    let last = attempts.last();
    JobView {
        name: job.plan.name,
        needs: job.plan.needs,
        image: job.plan.image,
        status: last.map_or(Status::Waiting, |attempt| attempt.status),
        outcome: last.and_then(|attempt| attempt.outcome),
        reason: last.and_then(|attempt| attempt.reason.clone()),
        waiting_for,
        estimate,
        attempts,
    }
}

fn attempt_view(app: &App, attempt: Attempt, finally_ms: u64) -> AttemptView {
    let status = attempt.state.status();
    let (because, image_digest) = (attempt.because, attempt.image_digest);
    let cancelling = match (&attempt.cancel, attempt.state) {
        (Some(cancel), State::Claimed | State::Running) => Some(Cancelling {
            by: cancel.by.clone(),
            since: cancel.at,
            kill_at: kill_at(cancel, &attempt.steps, app.config.limits.grace, finally_ms),
            force: cancel.force,
        }),
        _ => None,
    };
    let mut log = attempt.log;
    if status == Status::Running
        && let Ok(reader) = app.logs.reader(&attempt.id)
    {
        let head = reader.head();
        (log.lines, log.bytes) = (head.lines, head.bytes);
    }
    let (outcome, reason, exit_code, signal) = match attempt.verdict {
        Some(verdict) => (Some(verdict.outcome), verdict.reason, verdict.exit_code, verdict.signal),
        None => (None, None, None, None),
    };
    AttemptView {
        number: attempt.id.attempt,
        status,
        outcome,
        reason,
        exit_code,
        signal,
        engine: attempt.site.as_ref().map(|site| site.engine.clone()),
        node: attempt.site.as_ref().map(|site| site.node.clone()),
        because,
        image_digest,
        queued_at: attempt.queued_at,
        started_at: attempt.started_at,
        finished_at: attempt.finished_at,
        cancelling,
        steps: attempt.steps,
        log,
        tests: attempt.tests,
        artifacts: attempt.artifacts,
        annotations: attempt.findings,
    }
}

fn newest(job: &StoredJob) -> Option<&Attempt> {
    job.attempts.iter().find(|attempt| attempt.current)
}

/// When nothing is left of a cancelled attempt at the latest: at the end of the grace, or of the `finally` steps' own limit
/// once they run.
fn kill_at(cancel: &CancelAsked, steps: &[StepView], grace: Duration, finally_ms: u64) -> Timestamp {
    let after = |from: Timestamp, ms: u128| Timestamp(from.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
    if cancel.force {
        return cancel.at;
    }
    match steps.iter().find(|step| step.finally && step.started_at.is_some()).and_then(|step| step.started_at) {
        Some(began) => after(began, u128::from(finally_ms)),
        None => after(cancel.at, grace.as_millis()),
    }
}

/// The sentence of the job that made the build's outcome, with the job's name.
fn deciding<'a>(
    outcome: Option<Outcome>,
    jobs: impl Iterator<Item = (Option<Outcome>, Option<&'a str>, &'a String)>,
) -> Option<String> {
    if outcome == Some(Outcome::Passed) {
        return None;
    }
    jobs.filter(|(of_job, ..)| *of_job == outcome)
        .find_map(|(_, reason, name)| reason.map(|reason| format!("{name}: {reason}")))
}

/// When the build began and ended, of what was queued last: a retry is a round of its own, and what passed before it does
/// not make it look as if it took the time between.
fn newest_round(
    status: Status,
    attempts: impl Iterator<Item = (Timestamp, Option<Timestamp>, Option<Timestamp>)> + Clone,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let newest = attempts.clone().map(|(queued, ..)| queued).max();
    let round = attempts.filter(move |(queued, ..)| Some(*queued) == newest);
    let started = round.clone().filter_map(|(_, started, _)| started).min();
    let finished = if status == Status::Finished { round.filter_map(|(.., finished)| finished).max() } else { None };
    (started, finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_attempt_ends_with_its_grace_or_with_the_limit_of_its_finally_steps() {
        let step = |finally, started_at| StepView {
            name: "s".to_owned(),
            status: Status::Waiting,
            outcome: None,
            exit_code: None,
            signal: None,
            started_at,
            finished_at: None,
            first_line: None,
            finally,
        };
        let cancel = |force| CancelAsked { by: "ann".to_owned(), at: Timestamp(1_000), force };
        let at = |force, steps: &[StepView]| kill_at(&cancel(force), steps, Duration::from_secs(10), 300_000).0;
        let began = Some(Timestamp(4_000));
        assert_eq!(at(false, &[step(false, began), step(true, None)]), 11_000);
        assert_eq!(at(false, &[step(false, began), step(true, began), step(true, None)]), 304_000);
        assert_eq!(at(true, &[step(false, began)]), 1_000);
    }
}
