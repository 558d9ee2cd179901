//! What the fake daemon knows: builds, logs, deliveries, and how a story changes them. Must not know sockets.

use std::collections::{BTreeMap, HashMap};

use super::artifacts::Artifact;
use super::glance::result;
use windlass_protocol::annotation::{AnnotationCounts, AnnotationView};
use windlass_protocol::cases::CaseView;
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{BuildFilter, ExcerptLine, LogHead, Request, Response, RetryWhat, StepMark, Topic};
use windlass_protocol::log::{LINE_CAP, LogLine, NO_STEP};
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{
    AttemptView, BuildHead, BuildRow, BuildView, Cancelling, DeliveryState, DeliveryView, EngineView, JobSummary,
    JobView, LogSummary, Outcome, Pause, QueueView, QueuedJob, Status, StepView, WaitingFor,
};

/// Everything the daemon knows.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) builds: BTreeMap<u64, BuildView>,
    pub(crate) logs: HashMap<AttemptId, Log>,
    pub(crate) deliveries: Vec<DeliveryView>,
    pub(crate) limit: u64,
    pub(crate) pauses: Vec<Pause>,
    /// New builds of a branch's head that were asked for and are still to come: one comes with each look at deliveries.
    pub(crate) heads: Vec<u64>,
    /// Hits that a search gives at once.
    pub(crate) search_limit: u32,
    /// Repositories that the configuration lists.
    pub(crate) listed: Vec<String>,
    /// What is wrong with the engine.
    pub(crate) trouble: Option<String>,
    /// The name of the only node.
    pub(crate) node: String,
    /// What the daemon says of itself.
    pub(crate) version: String,
    pub(crate) protocol: u32,
    pub(crate) webhook: String,
    /// Why nothing that is asked for is done.
    pub(crate) refuses: Option<String>,
    /// Every request that came, in order, but for those that the screen makes by itself.
    pub(crate) asked: Vec<Request>,
    pub(crate) looked_up: Vec<Request>,
    /// Every subscription that came, in order.
    pub(crate) subscribed: Vec<(Topic, Option<u64>)>,
    pub(super) seq: u64,
    /// The tests of builds, with what could not be taken of their reports.
    pub(super) tests: BTreeMap<u64, (Vec<CaseView>, Vec<String>)>,
    /// What tools say of builds.
    pub(super) annotations: BTreeMap<u64, (Vec<AnnotationView>, AnnotationCounts)>,
    /// The files that jobs of builds left.
    pub(crate) artifacts: BTreeMap<u64, Vec<Artifact>>,
    /// What the daemon says it can do besides.
    pub(crate) abilities: Vec<String>,
    /// The connection breaks at so many pieces of files from now.
    pub(crate) cut_after: Option<u32>,
    /// From this byte on no file can be read just now.
    pub(crate) stuck_from: Option<u64>,
}

#[derive(Default, Clone)]
pub(crate) struct Log {
    pub(crate) bytes: Vec<u8>,
    pub(crate) finished: bool,
    pub(crate) steps: Vec<StepMark>,
    lines: Vec<(usize, i64, u16)>,
}

impl World {
    /// A build whose jobs wait.
    pub(crate) fn push(
        &mut self,
        repository: &str,
        branch: &str,
        title: &str,
        jobs: &[(&str, &[&str], &[&str])],
    ) -> u64 {
        let number = self.builds.last_key_value().map_or(1, |(number, _)| number + 1);
        let now = self.now;
        let jobs = jobs.iter().map(|(name, needs, steps)| job(name, needs, steps, now)).collect();
        let head = BuildHead {
            number,
            seq: 0,
            repository: repository.to_owned(),
            event: "push".to_owned(),
            action: None,
            r#ref: format!("refs/heads/{branch}"),
            branch: Some(branch.to_owned()),
            tag: None,
            base_branch: None,
            pull_request: None,
            sha: format!("{:016x}9b7c1d2e3f4a5b6c7d8e9f0a", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            title: title.to_owned(),
            author: ["octocat", "grace", "linus", "ada"][usize::try_from(number % 4).unwrap_or(0)].to_owned(),
            delivery: None,
            status: Status::Waiting,
            outcome: None,
            reason: None,
            created_at: now,
            started_at: None,
            finished_at: None,
        };
        self.builds.insert(number, BuildView { build: head, jobs, tests: None, annotations: None });
        self.touch(number);
        number
    }

    /// Derives what a build is from its jobs, and gives it a new sequence number.
    pub(crate) fn touch(&mut self, number: u64) {
        self.seq += 1;
        let (now, seq) = (self.now, self.seq);
        let Some(view) = self.builds.get_mut(&number) else { return };
        view.build.seq = seq;
        let all = |status| view.jobs.iter().all(|job| job.status == status);
        view.build.status = match () {
            () if all(Status::Finished) => Status::Finished,
            () if all(Status::Waiting) => Status::Waiting,
            () => Status::Running,
        };
        if view.build.status != Status::Waiting {
            view.build.started_at.get_or_insert(now);
        }
        if view.build.status == Status::Finished {
            view.build.finished_at.get_or_insert(now);
            let bad = view.jobs.iter().find(|job| !matches!(job.outcome, Some(Outcome::Passed | Outcome::Skipped)));
            view.build.outcome = Some(bad.and_then(|job| job.outcome).unwrap_or(Outcome::Passed));
            view.build.reason = bad.map(|job| format!("{}: {}", job.name, job.reason.clone().unwrap_or_default()));
        } else {
            (view.build.finished_at, view.build.outcome, view.build.reason) = (None, None, None);
        }
    }

    pub(crate) fn job(&mut self, number: u64, job: &str) -> &mut JobView {
        let view = self.builds.get_mut(&number).expect("a build that was pushed");
        view.jobs.iter_mut().find(|view| view.name == job).expect("a job of this build")
    }

    pub(crate) fn start_step(&mut self, number: u64, name: &str, step: usize) {
        let now = self.now;
        let job = self.job(number, name);
        (job.status, job.waiting_for) = (Status::Running, None);
        let attempt = job.attempts.last_mut().expect("every job has an attempt");
        attempt.status = Status::Running;
        attempt.started_at.get_or_insert(now);
        let id = AttemptId { build: number, job: name.to_owned(), attempt: attempt.number };
        let view = &mut attempt.steps[step];
        (view.status, view.started_at) = (Status::Running, Some(now));
        let step_name = view.name.clone();
        let log = self.logs.entry(id).or_default();
        let first_line = log.lines.len() as u64;
        log.steps.push(StepMark { step: u16::try_from(step).unwrap_or(0), name: step_name, first_line });
        let attempt = self.job(number, name).attempts.last_mut().expect("every job has an attempt");
        attempt.steps[step].first_line = Some(first_line);
        self.touch(number);
    }

    pub(crate) fn end_step(&mut self, number: u64, name: &str, step: usize, exit_code: i32) {
        let now = self.now;
        let attempt = self.job(number, name).attempts.last_mut().expect("every job has an attempt");
        let view = &mut attempt.steps[step];
        (view.status, view.finished_at, view.exit_code) = (Status::Finished, Some(now), Some(exit_code));
        view.outcome = Some(if exit_code == 0 { Outcome::Passed } else { Outcome::Failed });
        self.touch(number);
    }

    pub(crate) fn end_job(&mut self, number: u64, name: &str, outcome: Outcome, reason: &str) {
        let now = self.now;
        let job = self.job(number, name);
        (job.status, job.outcome, job.waiting_for) = (Status::Finished, Some(outcome), None);
        job.reason = (!reason.is_empty()).then(|| reason.to_owned());
        let reason = job.reason.clone();
        let mut id = None;
        if outcome == Outcome::Skipped {
            job.attempts.clear();
        } else if let Some(attempt) = job.attempts.last_mut() {
            (attempt.status, attempt.outcome, attempt.finished_at) = (Status::Finished, Some(outcome), Some(now));
            (attempt.reason, attempt.cancelling) = (reason, None);
            attempt.exit_code = attempt.steps.iter().find_map(|step| step.exit_code.filter(|code| *code != 0));
            id = Some(AttemptId { build: number, job: name.to_owned(), attempt: attempt.number });
        }
        if let Some(id) = id {
            self.logs.entry(id.clone()).or_default().finished = true;
            self.sum(&id);
        }
        self.touch(number);
    }

    pub(crate) fn write(&mut self, number: u64, name: &str, bytes: impl AsRef<[u8]>) {
        let at = self.now.0;
        let attempt = self.job(number, name).attempts.last().expect("every job has an attempt").number;
        let id = AttemptId { build: number, job: name.to_owned(), attempt };
        self.logs.entry(id.clone()).or_default().append(bytes.as_ref(), at);
        self.sum(&id);
    }

    fn sum(&mut self, id: &AttemptId) {
        let log = &self.logs[id];
        let summary =
            LogSummary { lines: log.lines.len() as u64, bytes: log.bytes.len() as u64, sha256: None, dropped_bytes: 0 };
        let attempts = &mut self.job(id.build, &id.job).attempts;
        if let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.number == id.attempt) {
            attempt.log = summary;
        }
    }

    pub(super) fn rows(&self, filter: &BuildFilter) -> Vec<&BuildView> {
        let fits = |view: &&BuildView| {
            let build = &view.build;
            let is = |wish: &Option<String>, value: &str| wish.as_ref().is_none_or(|wish| wish == value);
            let text =
                format!("{} {} {:?} {} {}", build.number, build.repository, build.branch, build.title, build.author);
            is(&filter.repository, &build.repository)
                && is(&filter.author, &build.author)
                && is(&filter.event, &build.event)
                && filter.branch.as_ref().is_none_or(|branch| Some(branch) == build.branch.as_ref())
                && filter.status.is_none_or(|status| status == build.status)
                && filter.outcome.is_none_or(|outcome| Some(outcome) == build.outcome)
                && filter
                    .text
                    .iter()
                    .flat_map(|text| text.split_whitespace())
                    .all(|word| text.to_lowercase().contains(&word.to_lowercase()))
        };
        self.builds.values().rev().filter(fits).collect()
    }

    pub(super) fn queue(&self) -> QueueView {
        let mut jobs: Vec<QueuedJob> = Vec::new();
        let mut blocked = 0;
        for status in [Status::Running, Status::Waiting] {
            for (view, job) in self.builds.values().flat_map(|view| view.jobs.iter().map(move |job| (view, job))) {
                let Some(attempt) = job.attempts.last().filter(|_| job.status == status) else { continue };
                blocked += u64::from(matches!(job.waiting_for, Some(WaitingFor::Jobs { .. })));
                jobs.push(QueuedJob {
                    id: windlass_protocol::id::JobId { build: view.build.number, job: job.name.clone() },
                    attempt: attempt.number,
                    repository: view.build.repository.clone(),
                    branch: view.build.branch.clone(),
                    title: view.build.title.clone(),
                    status,
                    waiting_for: job.waiting_for.clone(),
                    estimate: job.estimate,
                    cancelling: attempt.cancelling.is_some(),
                    step: attempt
                        .steps
                        .iter()
                        .find(|step| step.status == Status::Running)
                        .map(|step| step.name.clone()),
                    queued_at: attempt.queued_at,
                    started_at: attempt.started_at,
                });
            }
        }
        let running = jobs.iter().filter(|job| job.status == Status::Running).count() as u64;
        QueueView {
            running,
            waiting: jobs.len() as u64 - running - blocked,
            blocked,
            limit: self.limit,
            jobs,
            engine: EngineView {
                kind: "docker".to_owned(),
                version: Some("28.4.0".to_owned()),
                trouble: self.trouble.clone(),
            },
            pauses: self.pauses.clone(),
        }
    }

    pub(super) fn answer(&mut self, request: Request) -> Result<Response, Refusal> {
        if let Some(why) = &self.refuses {
            return Err(Refusal::new(RefusalCode::Conflict, why.clone()));
        }
        let missing = || Refusal::new(RefusalCode::NotFound, "there is no such build");
        match request {
            Request::Builds { filter, offset, limit } => {
                let rows = self.rows(&filter);
                let page = rows.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(limit as usize);
                Ok(Response::Builds { total: rows.len() as u64, builds: page.map(|view| (*view).clone()).collect() })
            }
            Request::Build { number } => {
                let build = self.builds.get(&number).ok_or_else(missing)?;
                Ok(Response::Build { build: Box::new(build.clone()) })
            }
            Request::Deliveries { .. } => {
                let deliveries = self.deliveries.clone();
                if let Some(number) = self.heads.pop() {
                    self.come(number);
                }
                Ok(Response::Deliveries { deliveries })
            }
            Request::Cancel { build, job, force } => self.cancel(build, job.as_deref(), force),
            Request::Retry { build, head: true, .. } => self.retry_head(build),
            Request::Retry { build, what, .. } => self.retry(build, &what),
            Request::Pause { repository, reason } => {
                self.pauses.retain(|pause| pause.repository != repository);
                self.pauses.push(Pause { repository, by: "you".to_owned(), since: self.now, reason });
                self.pauses.sort_by(|one, other| one.repository.cmp(&other.repository));
                Ok(Response::Pauses { pauses: self.pauses.clone() })
            }
            Request::Resume { repository } => {
                let before = self.pauses.len();
                self.pauses.retain(|pause| pause.repository != repository);
                if self.pauses.len() == before {
                    let what = repository.unwrap_or_else(|| "the queue".to_owned());
                    return Err(Refusal::new(RefusalCode::Conflict, format!("{what} is not paused")));
                }
                Ok(Response::Pauses { pauses: self.pauses.clone() })
            }
            Request::SearchLog { log, pattern, from, backwards, limit } => {
                let pattern = super::views::pattern(&pattern)?;
                let log = self.logs.get(&log).ok_or_else(missing)?;
                let (end, limit) = (log.lines.len() as u64, limit.min(self.search_limit) as usize);
                let order: Vec<u64> =
                    if backwards { (0..end.min(from + 1)).rev().collect() } else { (from..end).collect() };
                let found = order.into_iter().filter(|n| pattern.is_match(&log.line(*n).bytes));
                let mut lines: Vec<u64> = found.take(limit + 1).collect();
                let next = lines.get(limit).copied();
                lines.truncate(limit);
                Ok(Response::Matches { lines, next })
            }
            Request::Results { repository, r#ref, limit } => {
                let of = |view: &&BuildView| {
                    let build = &view.build;
                    build.repository == repository && r#ref.as_ref().is_none_or(|name| *name == build.r#ref)
                };
                let results = self.builds.values().rev().filter(of).take(limit as usize).map(result);
                Ok(Response::Results { results: results.collect() })
            }
            Request::Repositories { results } => {
                let repositories = self.repositories(results);
                Ok(Response::Repositories { total: repositories.len() as u64, repositories })
            }
            Request::Tests { number, filter, offset, limit } => {
                Ok(Response::Tests { tests: self.tests_page(number, &filter, offset, limit) })
            }
            Request::Annotations { number, offset, limit } => {
                Ok(Response::Annotations { annotations: self.annotations_page(number, offset, limit) })
            }
            Request::Nodes => Ok(Response::Nodes { nodes: vec![self.node()] }),
            Request::Replay { delivery } => {
                let found = self.deliveries.iter().find(|known| known.delivery == delivery);
                let found = found.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "there is no such delivery"))?;
                let replay = DeliveryView {
                    delivery: format!("replay-{}", self.deliveries.len()),
                    event: "replay".to_owned(),
                    received_at: self.now,
                    builds: Vec::new(),
                    ..found.clone()
                };
                let id = replay.delivery.clone();
                self.deliveries.insert(0, replay);
                Ok(Response::Replay { delivery: id })
            }
            Request::Excerpt { log, pattern, lines } => {
                let pattern = regex::bytes::RegexBuilder::new(&pattern).case_insensitive(true).build();
                let pattern = pattern.map_err(|error| Refusal::new(RefusalCode::Invalid, error.to_string()))?;
                let log = self.logs.get(&log).ok_or_else(missing)?;
                let end = log.lines.len() as u64;
                let last = (0..end).rev().find(|n| pattern.is_match(&log.line(*n).bytes));
                let first = last.map_or(end, |last| last.saturating_sub(1));
                let text = |number: u64| String::from_utf8_lossy(&log.line(number).bytes).into_owned();
                let line = |number| ExcerptLine { number, text: text(number) };
                Ok(Response::Excerpt { lines: (first..end).take(lines as usize).map(line).collect() })
            }
            Request::MapLog { log, pattern, buckets } => {
                let pattern = super::views::pattern(&pattern)?;
                let log = self.logs.get(&log).ok_or_else(missing)?;
                Ok(super::views::map(log, &pattern, buckets as usize))
            }
            Request::Artifacts { number, job, attempt, offset, limit } => {
                self.artifacts_page(number, job.as_deref(), attempt, (offset, limit))
            }
            Request::ReadArtifact { attempt, artifact, from, limit } => {
                self.read_artifact(&attempt, artifact, from, limit)
            }
            Request::Unknown => Err(Refusal::new(RefusalCode::Unsupported, "unknown request")),
        }
    }

    fn cancel(&mut self, number: u64, only: Option<&str>, force: bool) -> Result<Response, Refusal> {
        let now = self.now;
        let view = self.builds.get_mut(&number);
        let view = view.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "there is no such build"))?;
        if view.build.status == Status::Finished {
            return Err(Refusal::new(RefusalCode::Conflict, format!("build {number} has ended already")));
        }
        let (mut stopping, mut cancelled) = (Vec::new(), Vec::new());
        for job in view.jobs.iter_mut().filter(|job| only.is_none_or(|only| only == job.name)) {
            match job.status {
                Status::Running => {
                    let grace = if force { 0 } else { 10_000 };
                    let cancelling =
                        Cancelling { by: "you".to_owned(), since: now, kill_at: Timestamp(now.0 + grace), force };
                    if let Some(attempt) = job.attempts.last_mut() {
                        attempt.cancelling = Some(cancelling);
                    }
                    stopping.push(job.name.clone());
                }
                Status::Waiting => cancelled.push(job.name.clone()),
                Status::Finished => {}
            }
        }
        for name in &cancelled {
            self.end_job(number, name, Outcome::Cancelled, "cancelled by you");
        }
        self.touch(number);
        let killing = if force { stopping.clone() } else { Vec::new() };
        Ok(Response::Cancel { stopping, killing, cancelled })
    }

    pub(crate) fn retry(&mut self, number: u64, what: &RetryWhat) -> Result<Response, Refusal> {
        let now = self.now;
        let view = self.builds.get_mut(&number);
        let view = view.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "there is no such build"))?;
        let mut attempts = Vec::new();
        let meant = |job: &&mut JobView| match what {
            RetryWhat::Jobs { jobs } => jobs.contains(&job.name),
            _ => job.status == Status::Finished && job.outcome != Some(Outcome::Passed),
        };
        for job in view.jobs.iter_mut().filter(meant) {
            let (mut fresh, number_of) = (self::job(&job.name, &[], &["run"], now), job.attempts.len());
            let Some(mut attempt) = fresh.attempts.pop() else { continue };
            attempt.number = u32::try_from(number_of).unwrap_or(0) + 1;
            attempt.because = Some("retried by you".to_owned());
            attempts.push(AttemptId { build: number, job: job.name.clone(), attempt: attempt.number });
            job.attempts.push(attempt);
            (job.status, job.outcome, job.reason) = (Status::Waiting, None, None);
            job.waiting_for = Some(WaitingFor::Scheduler);
        }
        self.touch(number);
        Ok(Response::Retry { attempts, delivery: None })
    }

    fn retry_head(&mut self, number: u64) -> Result<Response, Refusal> {
        let view = self.builds.get(&number);
        let view = view.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "there is no such build"))?;
        let delivery = format!("retry-{number}");
        self.deliveries.push(DeliveryView {
            delivery: delivery.clone(),
            event: "retry".to_owned(),
            action: None,
            repository: Some(view.build.repository.clone()),
            received_at: self.now,
            state: DeliveryState::Accepted,
            reason: None,
            builds: Vec::new(),
            no_replay: None,
        });
        self.heads.push(number);
        Ok(Response::Retry { attempts: Vec::new(), delivery: Some(delivery) })
    }

    /// The build that a retry of this one at the branch's head makes.
    fn come(&mut self, number: u64) {
        let head = self.builds[&number].build.clone();
        let branch = head.branch.unwrap_or_default();
        let new = self.push(&head.repository, &branch, "The newest", &[("test", &[], &["run"])]);
        let delivery = format!("retry-{number}");
        for delivery in self.deliveries.iter_mut().filter(|known| known.delivery == delivery) {
            delivery.builds = vec![new];
        }
    }
}

impl Log {
    fn append(&mut self, bytes: &[u8], at: i64) {
        let step = self.steps.last().map_or(NO_STEP, |mark| mark.step);
        for byte in bytes {
            if self.bytes.last().is_none_or(|last| *last == b'\n') {
                self.lines.push((self.bytes.len(), at, step));
            }
            self.bytes.push(*byte);
        }
    }

    pub(super) fn line(&self, number: u64) -> LogLine {
        let index = usize::try_from(number).expect("a line in memory");
        let (_, at, step) = self.lines[index];
        let whole = self.whole_line(number);
        let open = index + 1 == self.lines.len() && self.bytes.last() != Some(&b'\n');
        let bytes = whole[..whole.len().min(LINE_CAP)].to_vec();
        LogLine { at, step, open, raw_length: whole.len() as u64, bytes }
    }

    /// However long it is, without its line feed.
    pub(super) fn whole_line(&self, number: u64) -> &[u8] {
        let index = usize::try_from(number).expect("a line in memory");
        let end = self.lines.get(index + 1).map_or(self.bytes.len(), |line| line.0);
        let whole = &self.bytes[self.lines[index].0..end];
        whole.strip_suffix(b"\n").unwrap_or(whole)
    }

    pub(super) fn head(&self) -> LogHead {
        LogHead {
            lines: self.lines.len() as u64,
            bytes: self.bytes.len() as u64,
            seq: (self.bytes.len() + self.steps.len()) as u64 + u64::from(self.finished),
            finished: self.finished,
            steps: self.steps.clone(),
        }
    }
}

/// A job that waits, with one attempt.
pub(crate) fn job(name: &str, needs: &[&str], steps: &[&str], now: Timestamp) -> JobView {
    let step = |name: &&str| StepView {
        name: (*name).to_owned(),
        status: Status::Waiting,
        outcome: None,
        exit_code: None,
        signal: None,
        started_at: None,
        finished_at: None,
        first_line: None,
        finally: false,
    };
    let needs: Vec<String> = needs.iter().map(|need| (*need).to_owned()).collect();
    let waiting_for = if needs.is_empty() { WaitingFor::Scheduler } else { WaitingFor::Jobs { jobs: needs.clone() } };
    JobView {
        name: name.to_owned(),
        needs,
        image: Some("rust:1.95".to_owned()),
        status: Status::Waiting,
        outcome: None,
        reason: None,
        waiting_for: Some(waiting_for),
        estimate: None,
        attempts: vec![AttemptView {
            number: 1,
            status: Status::Waiting,
            outcome: None,
            reason: None,
            exit_code: None,
            signal: None,
            engine: Some("docker".to_owned()),
            node: Some("build-1".to_owned()),
            because: None,
            image_digest: None,
            queued_at: now,
            started_at: None,
            finished_at: None,
            cancelling: None,
            steps: steps.iter().map(step).collect(),
            log: LogSummary::default(),
            tests: None,
            annotations: None,
            artifacts: None,
        }],
    }
}

fn ordered(view: &BuildView) -> Option<String> {
    let newest = || view.jobs.iter().filter_map(|job| job.attempts.last());
    let stopping = newest().find_map(|attempt| attempt.cancelling.as_ref());
    let stopping = stopping.map(|cancelling| format!("asked to stop by {}", cancelling.by));
    stopping.or_else(|| newest().find_map(|attempt| attempt.because.clone()))
}

pub(super) fn row(view: &BuildView) -> BuildRow {
    let build = view.build.clone();
    let summary = |job: &JobView| JobSummary { name: job.name.clone(), status: job.status, outcome: job.outcome };
    BuildRow {
        number: build.number,
        seq: build.seq,
        repository: build.repository,
        event: build.event,
        r#ref: build.r#ref,
        branch: build.branch,
        pull_request: build.pull_request,
        sha: build.sha,
        title: build.title,
        author: build.author,
        status: build.status,
        outcome: build.outcome,
        reason: build.reason,
        because: ordered(view),
        cancelling: view.jobs.iter().flat_map(|job| &job.attempts).any(|attempt| attempt.cancelling.is_some()),
        jobs: view.jobs.iter().map(summary).collect(),
        created_at: build.created_at,
        started_at: build.started_at,
        finished_at: build.finished_at,
    }
}
