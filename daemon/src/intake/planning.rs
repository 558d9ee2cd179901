//! From a request to a build: the spec at the commit, checked, becomes jobs. Whatever keeps it from running becomes a build
//! that says so: never silence.

use std::time::Duration;

use windlass_protocol::id::AttemptId;
use windlass_protocol::view::{LogSummary, Outcome};

use super::Intake;
use crate::clock;
use crate::config::{EngineChoice, Repository};
use crate::event::{BuildRequest, clean, skip_word};
use crate::failpoint;
use crate::git::{Commit, FileAtCommit, GitError};
use crate::plan::group::{Facts, concurrency};
use crate::plan::{JobPlan, Network, Pull, Reports, Resources, Retry};
use crate::spec;
use crate::state::attempt::Verdict;
use crate::store::{BuildFacts, FirstState, NewBuild, NewJob};

/// Between tries to fetch a commit; after the last the build is broken and says why.
pub(super) const PATIENCE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];

/// The job that stands for a build without jobs of its own.
const SPEC_JOB: &str = "spec";

/// What is said of a fork's code where jobs are processes of the host.
const FORK_ON_HOST: &str = "code from a fork does not run on the host itself: this repository's jobs are processes of the \
                            daemon's own user (engine = \"local\")";

/// Makes the build that `delivery` asks for, and settles the delivery with it.
pub(super) async fn make_build(
    intake: &Intake,
    delivery: &str,
    mut request: BuildRequest,
    entry: &Repository,
) -> anyhow::Result<()> {
    let skip = request.skip.take();
    let refused = match &entry.clone_url {
        Some(clone_url) => {
            request.clone_url.clone_from(clone_url);
            None
        }
        // A path or another protocol reaches what only this host can: that takes the operator's word, not a payload's.
        None if !request.clone_url.starts_with("https://") => Some(format!(
            "the webhook names the repository's URL as {}: only https:// is taken from a webhook; write clone_url into the \
             [[repository]] entry for anything else",
            clean(&request.clone_url, 200)
        )),
        None => None,
    };
    let planned = match (skip, refused) {
        (Some(reason), _) => Err(Unplanned { outcome: Outcome::Skipped, reason, log: Vec::new() }),
        (None, Some(reason)) => Err(Unplanned { outcome: Outcome::Broken, log: vec![reason.clone()], reason }),
        (None, None) => plan(intake, &request, entry).await?,
    };
    failpoint::reached!("intake.planned");
    let number = intake.store.next_build_number().await?;
    failpoint::reached!("intake.numbered");
    let (jobs, concurrency) = match planned {
        Ok(spec) => {
            let first = |plan: &JobPlan| {
                if plan.needs.is_empty() { FirstState::Waiting } else { FirstState::Blocked }
            };
            let jobs = spec.jobs.into_iter().map(|plan| NewJob { first: first(&plan), plan }).collect();
            (jobs, spec.concurrency)
        }
        // Nothing of it runs, but a pull request's newer commit ends the builds before it all the same.
        Err(unplanned) => (vec![told(intake, number, unplanned)?], concurrency(None, &Facts::from(&request))),
    };
    let facts = BuildFacts { delivery: Some(delivery.to_owned()), request, created_at: clock::now() };
    let priority = entry.priority.of(&facts.request.event);
    let engine = Some(entry.engine_kind().to_owned());
    let build = NewBuild { number, facts, jobs, priority, engine, concurrency };
    let outdated = intake.store.create_build(&build).await?;
    failpoint::reached!("build.made");
    if !outdated.is_empty() {
        tracing::info!(build = number, ?outdated, "older builds of its group are cancelled");
    }
    tracing::info!(
        build = number,
        delivery,
        repository = build.facts.request.repository,
        jobs = build.jobs.len(),
        "build made"
    );
    intake.wake.wake();
    Ok(())
}

/// Why there is nothing to run.
struct Unplanned {
    outcome: Outcome,
    /// One sentence.
    reason: String,
    /// Lines for the log.
    log: Vec<String>,
}

/// The outer error is ours (a full disk, no git) and passes: the delivery stays pending.
async fn plan(
    intake: &Intake,
    request: &BuildRequest,
    entry: &Repository,
) -> anyhow::Result<Result<spec::Spec, Unplanned>> {
    let broken = |reason: String| Unplanned { outcome: Outcome::Broken, log: vec![reason.clone()], reason };
    let commit = Commit { clone_url: &request.clone_url, sha: &request.sha, reference: &request.r#ref };
    let mut tries = PATIENCE.into_iter();
    if request.from_fork && entry.engine == Some(EngineChoice::Local) {
        return Ok(Err(broken(FORK_ON_HOST.to_owned())));
    }
    let looked = loop {
        match intake.git.look(commit, spec::FILE, spec::MOST_BYTES as u64).await {
            Ok(looked) => break looked,
            Err(error @ (GitError::Fetch { .. } | GitError::TooSlow { .. })) => {
                let Some(pause) = tries.next() else { return Ok(Err(broken(format!("{error}; `retry` tries again")))) };
                tracing::warn!(sha = request.sha, %error, "trying again in {} s", pause.as_secs());
                tokio::time::sleep(pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    failpoint::reached!("intake.fetched");
    // A push says it itself; of a pull request only the commit does.
    if let Some(word) = skip_word(&looked.message) {
        let reason = format!("the head commit's message says {word}");
        return Ok(Err(Unplanned { outcome: Outcome::Skipped, reason, log: Vec::new() }));
    }
    make_archive_ahead(intake, request).await;
    let options = spec::Options {
        image_required: entry.engine != Some(EngineChoice::Local),
        facts: Some(request.into()),
        ..spec::Options::default()
    };
    let problems = match looked.file {
        FileAtCommit::Contents(text) => match spec::parse(spec::FILE, &text, &options) {
            Ok(spec) => return Ok(Ok(spec)),
            Err(problems) => problems,
        },
        FileAtCommit::Missing => vec![spec::missing()],
        FileAtCommit::TooLarge { bytes } => {
            return Ok(Err(broken(format!(
                "{} has {bytes} bytes; a spec has at most {}",
                spec::FILE,
                spec::MOST_BYTES
            ))));
        }
    };
    let reason = match problems.as_slice() {
        [one] => format!("{}:{}:{}: {}", one.file, one.line, one.column, one.message),
        many => format!("{} has {} problems: the log shows each", spec::FILE, many.len()),
    };
    let log = problems
        .iter()
        .flat_map(|problem| format!("{problem}\n").lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    Ok(Err(Unplanned { outcome: Outcome::Broken, reason, log }))
}

/// While a slot is free the source is wanted in a moment: made while the spec is checked and the build is stored. With a
/// queue it would only fill the disk. Whether it succeeds is the executor's business, which asks for it in any case.
async fn make_archive_ahead(intake: &Intake, request: &BuildRequest) {
    let counts = intake.store.queue_counts().await;
    if !counts.is_ok_and(|counts| counts.waiting == 0 && counts.taken < intake.config.limits.jobs) {
        return;
    }
    let (git, stop) = (intake.git.clone(), intake.tasks.stopping());
    let (clone_url, sha, reference) = (request.clone_url.clone(), request.sha.clone(), request.r#ref.clone());
    intake.tasks.spawn(async move {
        let commit = Commit { clone_url: &clone_url, sha: &sha, reference: &reference };
        tokio::select! {
            archive = git.archive(commit) => {
                if let Err(error) = archive {
                    tracing::debug!(sha, %error, "no archive ahead of its build");
                }
            }
            () = stop.cancelled() => {}
        }
    });
}

/// A finished job in the place of what cannot run; its log holds the words.
fn told(intake: &Intake, build: u64, unplanned: Unplanned) -> anyhow::Result<NewJob> {
    let mut log = LogSummary::default();
    if !unplanned.log.is_empty() {
        let id = AttemptId { build, job: SPEC_JOB.to_owned(), attempt: 1 };
        let mut writer = intake.logs.writer(&id)?;
        let now = clock::now().0;
        for line in &unplanned.log {
            writer.notice(now, line)?;
        }
        let summary = writer.finish(now)?;
        failpoint::reached!("intake.told");
        log = LogSummary { lines: summary.lines, bytes: summary.bytes, sha256: Some(summary.sha256), dropped_bytes: 0 };
    }
    let plan = JobPlan {
        name: SPEC_JOB.to_owned(),
        needs: Vec::new(),
        image: None,
        environment: std::collections::BTreeMap::new(),
        steps: Vec::new(),
        timeout_ms: 0,
        network: Network::None,
        resources: Resources::default(),
        finally: Vec::new(),
        finally_timeout_ms: 0,
        pull: Pull::default(),
        retry: Retry::default(),
        reports: Reports::default(),
        artifacts: Vec::new(),
    };
    let verdict = Verdict::because(unplanned.outcome, unplanned.reason);
    Ok(NewJob { plan, first: FirstState::Finished { verdict, log } })
}
