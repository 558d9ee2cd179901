//! `windlass show`: what happened to one build, and what to do. Must not know how it is watched.

use serde::Serialize;
use windlass_protocol::annotation::AnnotationView;
use windlass_protocol::cases::{CaseFilter, CaseKind, CaseView};
use windlass_protocol::id::{Address, AttemptId};
use windlass_protocol::live::{LogWindow, ServerMessage, Topic};
use windlass_protocol::log::{LogFrame, LogLine};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, BuildView, JobView, Status};

use super::output::Output;
use super::session::{Session, find_job};
use super::{annotations, cases};
use crate::annotated;
use crate::exit::{Exit, Failure};
use crate::left;
use crate::link::LinkEvent;
use crate::safe_text::{Sgr, log_line};
use crate::tested;
use crate::waiting;
use crate::words::{self, Standing};

/// So many failing tests are named.
const FAILING: u32 = 20;
/// So many annotations are shown, and asked for: failing tests among them are shown already.
const ANNOTATIONS: usize = 10;
const ASKED: u32 = 500;

/// Shows one build: its jobs and steps, what failed and its last lines, and how to try again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass show 42
  windlass show 42/test             only this job
  windlass show 42 --json | jq -r .outcome")]
pub(super) struct Args {
    /// A build, or a job of it: 42, 42/test, 42/test#2.
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// How many of the last lines of a failing step are shown.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(0..=500))]
    lines: u32,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let mut view = session.build(args.address.build).await?;
    let standing = Standing::of_build(&view); // of all its jobs, also when only one is shown
    if args.address.job.is_some() {
        find_job(&view, &args.address)?;
        view.jobs.retain(|job| Some(&job.name) == args.address.job.as_ref());
    }
    let annotations = told(&view, session).await?;
    if output.json {
        output.json(&Whole { view: &view, annotation_list: &annotations })?;
        return Ok(Exit::Ok);
    }
    head(&view, standing, session, output)?;
    for job in &view.jobs {
        describe(job, args.address.attempt, session, output)?;
    }
    failing_tests(&view, session, output).await?;
    annotated_places(&view, &annotations, output)?;
    if args.lines > 0 {
        for job in view.jobs.iter().filter(|job| words::is_bad(job.outcome)) {
            if let Some(attempt) = job.attempts.last() {
                last_lines(&view, job, attempt, args.lines, session, output).await?;
            }
        }
    }
    advice(&view, output)?;
    Ok(Exit::Ok)
}

/// A build as JSON: what the daemon says, and what tools say about its source.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    view: &'a BuildView,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotation_list: &'a [AnnotationView],
}

fn head(view: &BuildView, standing: Standing, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let build = &view.build;
    let took = words::took(build.started_at, build.finished_at, session.now());
    let time = took.map(|took| format!(" in {took}")).unwrap_or_default();
    output.standing(standing, 0, format!("build {}{time}: {}", build.number, build.title))?;
    let what = [
        build.repository.clone(),
        words::branch_of(build),
        words::short_sha(&build.sha).to_owned(),
        words::event_by(&build.event, &build.author),
        words::age(build.created_at, session.now()),
    ];
    output.line(format!("  {}", what.join("  ")))?;
    if let Some(reason) = &build.reason {
        output.line(format!("  {reason}"))?;
    }
    if let Some(tests) = &view.tests {
        output.line(format!("  {}", tested::in_a_line(tests)))?;
    }
    if let Some(counts) = &view.annotations {
        output.line(format!("  {}", annotated::in_a_line(counts)))?;
    }
    if let Some(words) = left::in_a_line(view) {
        output.line(format!("  {words}"))?;
    }
    output.line("")
}

fn describe(job: &JobView, attempt: Option<u32>, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let shown = match attempt {
        Some(number) => job.attempts.iter().find(|attempt| attempt.number == number),
        None => job.attempts.last(),
    };
    let mut text = job.name.clone();
    if let Some(attempt) = shown {
        if job.attempts.len() > 1 {
            text += &format!("#{}", attempt.number);
        }
        if let Some(took) = words::took(attempt.started_at, attempt.finished_at, session.now()) {
            text += &format!("  {took}");
        }
    }
    if job.status == Status::Waiting {
        let why = waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), session.now());
        text += &format!("  {why}");
    } else if let Some((attempt, cancelling)) =
        shown.and_then(|attempt| attempt.cancelling.as_ref().map(|cancelling| (attempt, cancelling)))
    {
        text += &format!("  {}", waiting::countdown(cancelling, &attempt.steps, session.now()));
    } else if let Some(reason) = shown.and_then(|attempt| attempt.reason.as_ref()).or(job.reason.as_ref()) {
        text += &format!("  {reason}");
    }
    if job.status != Status::Finished {
        text += &waiting::takes(job.estimate.as_ref()).map(|takes| format!(", {takes}")).unwrap_or_default();
    }
    output.standing(Standing::of_job(job), 9, text)?;
    for fact in shown.map(|attempt| facts(attempt, session.now())).unwrap_or_default() {
        output.line(format!("             {fact}"))?;
    }
    for (attempt, step) in shown.iter().flat_map(|attempt| attempt.steps.iter().map(move |step| (attempt, step))) {
        let mut text = format!("  {}{}", step.name, if step.finally { "  (finally)" } else { "" });
        if let Some(took) = words::took(step.started_at, step.finished_at, session.now()) {
            text += &format!("  {took}");
        }
        if let Some(ending) = words::ending(step.exit_code, step.signal) {
            text += &format!("  {ending}");
        }
        output.standing(Standing::of_step(attempt, step), 9, text)?;
    }
    Ok(())
}

/// What else there is to know of an attempt.
fn facts(attempt: &AttemptView, now: Timestamp) -> Vec<String> {
    let because = attempt.because.as_ref().map(|because| format!("attempt {}: {because}", attempt.number));
    let digest = attempt.image_digest.as_ref().map(|digest| format!("image {digest}"));
    let dropped = (attempt.log.dropped_bytes > 0).then(|| {
        let kept = words::bytes(attempt.log.bytes);
        format!("{} of its log were left out, beyond the cap; {kept} are kept", words::bytes(attempt.log.dropped_bytes))
    });
    let left = attempt.artifacts.as_ref().map(|known| format!("left {}", left::of_attempt(known, now)));
    let missing = attempt.artifacts.iter().flat_map(left::troubles);
    let annotated = attempt.annotations.iter().flat_map(annotated::troubles);
    let troubles = attempt.tests.iter().flat_map(tested::troubles).chain(annotated).chain(missing);
    [because, digest, dropped, left].into_iter().flatten().chain(troubles).collect()
}

/// Which tests failed, and the first line of what each says.
async fn failing_tests(view: &BuildView, session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let shown_jobs = view.jobs.iter().filter_map(|job| job.attempts.last()?.tests.as_ref());
    if shown_jobs.map(|tests| tests.failed + tests.errors).sum::<u64>() == 0 {
        return Ok(());
    }
    let filter = CaseFilter { only: Some(CaseKind::Failed), ..CaseFilter::default() };
    let tests = cases::all(view.build.number, &filter, FAILING, session).await?;
    output.line("")?;
    let of_shown = |case: &&CaseView| view.jobs.iter().any(|job| job.name == case.job);
    for case in tests.cases.iter().filter(of_shown) {
        cases::tell(case, output)?;
    }
    if tests.total > u64::from(FAILING) {
        let more = words::count(tests.total - u64::from(FAILING));
        output.line(format!("and {more} more: windlass tests {} --failed", view.build.number))?;
    }
    Ok(())
}

/// What tools say about the source of the jobs that are shown.
async fn told(view: &BuildView, session: &mut Session) -> Result<Vec<AnnotationView>, Failure> {
    if view.annotations.as_ref().is_none_or(|counts| counts.total() == 0) {
        return Ok(Vec::new());
    }
    let mut all = annotations::all(view.build.number, ASKED, session).await?.annotations;
    all.retain(|annotation| view.jobs.iter().any(|job| job.name == annotation.job));
    Ok(all)
}

/// The first of it, but the failing tests.
fn annotated_places(view: &BuildView, all: &[AnnotationView], output: &mut Output) -> Result<(), Failure> {
    let others: Vec<&AnnotationView> = all.iter().filter(|annotation| !annotation.test).collect();
    if others.is_empty() {
        return Ok(());
    }
    output.line("")?;
    for annotation in others.iter().take(ANNOTATIONS) {
        output.line(annotated::in_full(view.build.number, annotation))?;
    }
    if others.len() > ANNOTATIONS {
        output.line(format!("and more: windlass annotations {}", view.build.number))?;
    }
    Ok(())
}

/// The last lines of the step that failed, or of the whole log when no step did.
async fn last_lines(
    view: &BuildView,
    job: &JobView,
    attempt: &AttemptView,
    count: u32,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), Failure> {
    let failed = words::failing_step(attempt);
    let begin = failed.and_then(|(_, step)| step.first_line).unwrap_or(0);
    let next = failed.and_then(|(index, _)| attempt.steps.get(index + 1..)).unwrap_or_default();
    let end = next.iter().find_map(|step| step.first_line).unwrap_or(attempt.log.lines);
    let first = begin.max(end.saturating_sub(u64::from(count)));
    if first >= end {
        return Ok(());
    }
    let log = AttemptId { build: view.build.number, job: job.name.clone(), attempt: attempt.number };
    let what = failed.map(|(_, step)| format!(", step {}", step.name)).unwrap_or_default();
    output.line("")?;
    output.line(format!("{log}{what}, lines {} to {}:", words::count(first + 1), words::count(end)))?;
    let mut style = Sgr::default();
    for line in window(log, first, end, session).await? {
        output.log_line(&log_line(&line.bytes, &mut style))?;
    }
    Ok(())
}

/// The lines `first .. end`, or those that exist.
async fn window(log: AttemptId, first: u64, end: u64, session: &mut Session) -> Result<Vec<LogLine>, Failure> {
    let count = u32::try_from(end - first).unwrap_or(u32::MAX);
    let mut found: Vec<LogLine> = Vec::new();
    let (mut lines, mut finished) = (None, false);
    session.subscribe(Topic::Log { log, window: LogWindow::Range { first, count } });
    loop {
        let have = first + found.len() as u64;
        if have >= end || (finished && lines.is_some_and(|lines| have >= lines)) {
            return Ok(found);
        }
        match session.next().await? {
            LinkEvent::Log(LogFrame::Lines { first: at, lines, .. }) => {
                let known = usize::try_from(have.saturating_sub(at)).unwrap_or(usize::MAX);
                found.extend(lines.into_iter().skip(known));
            }
            LinkEvent::Message(message) => match *message {
                ServerMessage::LogHead { head, .. } => (lines, finished) = (Some(head.lines), head.finished),
                ServerMessage::Ended { refusal, .. } => return Err(refusal.into()),
                _ => {}
            },
            LinkEvent::Lost { error, .. } => return Err(Failure::Unreachable(error.to_string())),
            LinkEvent::Connected(_) | LinkEvent::Log(_) => {}
        }
    }
}

fn advice(view: &BuildView, output: &mut Output) -> Result<(), Failure> {
    let number = view.build.number;
    if view.build.status != Status::Finished {
        output.line("")?;
        let reasons = view.jobs.iter().filter_map(|job| job.waiting_for.as_ref()).filter_map(waiting::what_to_do);
        let mut told: Vec<String> = Vec::new();
        for advice in reasons {
            if !told.contains(&advice) {
                output.line(&advice)?;
                told.push(advice);
            }
        }
        output.line(format!("follow it: windlass watch {number}"))?;
    } else if words::is_bad(view.build.outcome) {
        output.line("")?;
        if let Some(id) = words::telling_job(view).and_then(|job| words::newest_attempt(view, job)) {
            output.line(format!("the whole log:  windlass logs {}", words::for_shell(&id.job_id().to_string())))?;
        }
        output.line(format!("try again:      windlass retry {number}"))?;
        output.line(format!("a newer commit: windlass retry {number} --head"))?;
    }
    Ok(())
}
