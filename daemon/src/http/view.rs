//! Domain -> wire types; the only place that does it. Reads the store; must not change anything.

use std::collections::{BTreeMap, HashSet};

use windlass_protocol::id::JobId;
use windlass_protocol::live::BuildFilter;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{
    AttemptView, BuildHead, BuildRow, BuildView, Cancelling, DeliveryState, DeliveryView, JobSummary, JobView, Outcome,
    QueueView, QueuedJob, Status, WaitingFor,
};

use super::App;
use crate::clock;
use crate::state::attempt::State;
use crate::state::build::{JobStanding, derive};
use crate::store::{self, Attempt, PageFilter, QueueCounts, StoreError, StoredBuild, StoredJob, Summary};

/// The longest page of a list.
pub const PAGE_CAP: u32 = 500;

/// A page of builds as lists show them, and how many there are.
pub async fn build_rows(
    app: &App,
    filter: &BuildFilter,
    offset: u64,
    limit: u32,
) -> Result<(u64, Vec<BuildRow>), StoreError> {
    let page = app.store.build_page(&page_filter(filter), offset, limit.min(PAGE_CAP)).await?;
    let counts = app.store.queue_counts().await?;
    let rows = page.builds.into_iter().map(|(build, jobs)| row(app, build, &jobs, counts)).collect();
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
    let mut views = Vec::with_capacity(page.builds.len());
    for (build, _) in page.builds {
        let jobs = app.store.jobs(build.number).await?;
        views.push(whole(app, build, jobs).await?);
    }
    Ok((page.total, views))
}

/// One build, whole.
pub async fn build_view(app: &App, number: u64) -> Result<BuildView, StoreError> {
    let build = app.store.build(number).await?;
    let jobs = app.store.jobs(number).await?;
    whole(app, build, jobs).await
}

/// What runs and what waits.
pub async fn queue_view(app: &App) -> Result<QueueView, StoreError> {
    let counts = app.store.queue_counts().await?;
    let open = app.store.open_attempts(PAGE_CAP).await?;
    let unfinished: HashSet<JobId> = open.iter().map(|open| open.attempt.id.job_id()).collect();
    let mut position = 0;
    let jobs = open
        .into_iter()
        .map(|open| {
            let attempt = &open.attempt;
            let waiting_for = match attempt.state {
                State::Waiting => {
                    position += 1;
                    Some(slot(position, counts, app.config.limits.jobs))
                }
                State::Claimed => Some(prepared(attempt)),
                // What it needs and is finished has passed: otherwise it would have been skipped.
                State::Blocked => Some(WaitingFor::Jobs {
                    jobs: open
                        .needs
                        .iter()
                        .filter(|need| unfinished.contains(&JobId { build: attempt.id.build, job: (*need).clone() }))
                        .cloned()
                        .collect(),
                }),
                State::Running | State::Finished => None,
            };
            QueuedJob {
                id: JobId { build: attempt.id.build, job: attempt.id.job.clone() },
                attempt: attempt.id.attempt,
                repository: open.repository.clone(),
                branch: open.branch.clone(),
                title: open.title.clone(),
                status: attempt.state.status(),
                waiting_for,
                estimate: None,
                cancelling: attempt.cancel.is_some(),
                step: attempt.steps.iter().find(|step| step.status == Status::Running).map(|step| step.name.clone()),
                queued_at: attempt.queued_at,
                started_at: attempt.started_at,
            }
        })
        .collect();
    Ok(QueueView {
        running: counts.taken,
        waiting: counts.waiting,
        blocked: counts.blocked,
        limit: app.config.limits.jobs,
        jobs,
        engine: app.engines.view().await,
        pauses: Vec::new(),
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

fn row(app: &App, build: StoredBuild, jobs: &[Summary], counts: QueueCounts) -> BuildRow {
    let standings: Vec<JobStanding> =
        jobs.iter().map(|job| JobStanding { status: job.state.status(), outcome: job.outcome }).collect();
    let (status, outcome) = derive(&standings);
    let reason = match status {
        Status::Finished => deciding(outcome, jobs.iter().map(|job| (job.outcome, job.reason.as_deref(), &job.job))),
        Status::Waiting if jobs.iter().any(|job| job.state == State::Claimed) => Some("being prepared".to_owned()),
        Status::Waiting if counts.taken >= app.config.limits.jobs => {
            Some(format!("every slot is taken ({} of {})", counts.taken, app.config.limits.jobs))
        }
        Status::Waiting => Some("next to start".to_owned()),
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
        cancelling: jobs.iter().any(|job| job.cancelling),
        jobs: jobs
            .iter()
            .map(|job| JobSummary { name: job.job.clone(), status: job.state.status(), outcome: job.outcome })
            .collect(),
        created_at: facts.created_at,
        started_at,
        finished_at,
    }
}

async fn whole(app: &App, build: StoredBuild, jobs: Vec<StoredJob>) -> Result<BuildView, StoreError> {
    let now = clock::now();
    let waiting = app.store.waiting(now, &[]).await?;
    let places = app.store.places(build.number, build.number, now).await?;
    let counts = waiting.counts;
    let passed: BTreeMap<String, bool> = jobs
        .iter()
        .map(|job| {
            let outcome = newest(job).and_then(|attempt| attempt.verdict.as_ref()).map(|verdict| verdict.outcome);
            (job.plan.name.clone(), outcome == Some(Outcome::Passed))
        })
        .collect();
    let mut views = Vec::with_capacity(jobs.len());
    for job in jobs {
        let waiting_for = match newest(&job) {
            Some(attempt) => match attempt.state {
                State::Blocked => Some(WaitingFor::Jobs {
                    jobs: job.plan.needs.iter().filter(|need| passed.get(*need) != Some(&true)).cloned().collect(),
                }),
                State::Waiting => {
                    let place = places.get(&attempt.id.job_id());
                    let position = place.and_then(|place| waiting.position(place)).map_or(1, |before| before + 1);
                    Some(slot(position, counts, app.config.limits.jobs))
                }
                State::Claimed => Some(prepared(attempt)),
                State::Running | State::Finished => None,
            },
            None => None,
        };
        views.push(job_view(app, job, waiting_for));
    }
    let standings: Vec<JobStanding> =
        views.iter().map(|job| JobStanding { status: job.status, outcome: job.outcome }).collect();
    let (status, outcome) = derive(&standings);
    let reason = match status {
        Status::Finished => deciding(outcome, views.iter().map(|job| (job.outcome, job.reason.as_deref(), &job.name))),
        Status::Waiting => views.iter().find_map(|job| job.waiting_for.as_ref()).map(ToString::to_string),
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
    })
}

fn job_view(app: &App, job: StoredJob, waiting_for: Option<WaitingFor>) -> JobView {
    let attempts: Vec<AttemptView> = job.attempts.into_iter().map(|attempt| attempt_view(app, attempt)).collect();
    let last = attempts.last();
    JobView {
        name: job.plan.name,
        needs: job.plan.needs,
        image: job.plan.image,
        status: last.map_or(Status::Waiting, |attempt| attempt.status),
        outcome: last.and_then(|attempt| attempt.outcome),
        reason: last.and_then(|attempt| attempt.reason.clone()),
        waiting_for,
        estimate: None,
        attempts,
    }
}

fn attempt_view(app: &App, attempt: Attempt) -> AttemptView {
    let status = attempt.state.status();
    let grace = i64::try_from(app.config.limits.grace.as_millis()).unwrap_or(i64::MAX);
    let cancelling = match (&attempt.cancel, attempt.state) {
        (Some(cancel), State::Claimed | State::Running) => Some(Cancelling {
            by: cancel.by.clone(),
            since: cancel.at,
            kill_at: Timestamp(if cancel.force { cancel.at.0 } else { cancel.at.0.saturating_add(grace) }),
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
        because: None,
        image_digest: None,
        queued_at: attempt.queued_at,
        started_at: attempt.started_at,
        finished_at: attempt.finished_at,
        cancelling,
        steps: attempt.steps,
        log,
    }
}

fn newest(job: &StoredJob) -> Option<&Attempt> {
    job.attempts.iter().find(|attempt| attempt.current)
}

fn slot(position: u64, counts: QueueCounts, limit: u64) -> WaitingFor {
    if position == 1 && counts.taken < limit {
        WaitingFor::Scheduler
    } else {
        WaitingFor::Capacity { position, running: counts.taken, limit }
    }
}

fn prepared(attempt: &Attempt) -> WaitingFor {
    let engine = attempt.site.as_ref().map_or_else(|| "the engine".to_owned(), |site| site.engine.clone());
    WaitingFor::Engine { engine }
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
