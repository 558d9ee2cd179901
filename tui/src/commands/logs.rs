//! `windlass logs`: the log of one attempt, exactly or made safe. Must not know how logs are kept.

use std::io::Write;

use windlass_protocol::id::{Address, AttemptId};
use windlass_protocol::live::{ServerMessage, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, BuildView, JobView, Status, StepView};

use super::output::Output;
use super::session::{Session, find_attempt};
use super::sieve::Sieve;
use crate::exit::{Exit, Failure};
use crate::link::LinkEvent;
use crate::safe_text::{Lines, label};
use crate::{waiting, words};

/// Prints the log of a job. To a terminal it is made safe, colours kept; into a file or pipe go the exact bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass logs 42                 the job that failed, or the only one
  windlass logs 42/test#1          the first attempt
  windlass logs -f 42/test         follow it until it ends
  windlass logs 42/test > log      the exact bytes
  windlass logs 42/test --since-step pytest --grep 'error|panic'")]
pub(super) struct Args {
    /// A build, a job or an attempt: 42, 42/test, 42/test#2. A build alone means the job that failed, or the only one.
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Goes on until the attempt is finished.
    #[arg(short, long)]
    follow: bool,
    /// The exact bytes also to a terminal. They may do anything to it.
    #[arg(long)]
    raw: bool,
    /// Made safe, colours kept, also into a file or pipe: for less -R.
    #[arg(long, conflicts_with = "raw")]
    safe: bool,
    /// Leaves out what stands before this step: its name, or its number from 1.
    #[arg(long, value_name = "STEP")]
    since_step: Option<String>,
    /// Only lines that match this regular expression; case counts when it has a capital letter.
    #[arg(long, value_name = "PATTERN")]
    grep: Option<String>,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    if output.json {
        return Err(Failure::Usage(
            "a log has no JSON form: it is bytes; about it there is windlass show --json".to_owned(),
        ));
    }
    let pattern = args.grep.as_deref().map(Sieve::pattern).transpose().map_err(Failure::Usage)?;
    let view = match args.follow {
        true => when_begun(&args.address, args.since_step.as_deref(), session).await?,
        false => session.build(args.address.build).await?,
    };
    if let Some(words) = why_nothing(&view, &args.address) {
        let _ = writeln!(std::io::stderr(), "windlass: {}", label(words));
        return Ok(Exit::Ok);
    }
    let log = find_attempt(&view, &args.address)?;
    let attempt = view
        .jobs
        .iter()
        .filter(|job| job.name == log.job)
        .flat_map(|job| &job.attempts)
        .find(|attempt| attempt.number == log.attempt);
    // Without following: what is there now. A finished log is printed to its end in any case.
    let enough = match attempt {
        Some(attempt) if !args.follow && attempt.status != Status::Finished => Some(attempt.log.bytes),
        _ => None,
    };
    let skip = match (&args.since_step, attempt) {
        (Some(step), Some(attempt)) => begin_of(step, attempt, &log)?,
        _ => 0,
    };
    if args.safe {
        output.keep_colours();
    }
    let safe = args.safe || (output.terminal && !args.raw);
    let (mut cutter, mut sieve) = (Lines::default(), Sieve::new(skip, pattern));
    let mut have = 0;
    session.subscribe(Topic::LogBytes { log, from: 0 });
    while enough.is_none_or(|enough| have < enough) {
        match session.next().await? {
            LinkEvent::Log(LogFrame::Bytes { offset, bytes, .. }) => {
                if offset != have {
                    return Err(Failure::Ours(format!("bytes {have} to {offset} of the log did not come")));
                }
                let wanted = enough.map_or(u64::MAX, |enough| enough - have);
                let bytes = &bytes[..bytes.len().min(usize::try_from(wanted).unwrap_or(usize::MAX))];
                have += bytes.len() as u64;
                print(&sieve.push(bytes), safe, &mut cutter, output)?;
                output.flush()?;
            }
            LinkEvent::Message(message) => match *message {
                ServerMessage::LogHead { head, .. } if head.finished && have >= head.bytes => break,
                ServerMessage::Ended { refusal, .. } => return Err(refusal.into()),
                _ => {}
            },
            // Following goes on where it was; a log that is only printed is not worth waiting for.
            LinkEvent::Lost { error, .. } if !args.follow => return Err(Failure::Unreachable(error.to_string())),
            LinkEvent::Lost { .. } | LinkEvent::Connected(_) | LinkEvent::Log(_) => {}
        }
    }
    print(&sieve.finish(), safe, &mut cutter, output)?;
    if let Some(line) = cutter.finish() {
        output.log_line(&line)?;
    }
    if let (Some(pattern), 0) = (&args.grep, sieve.matched) {
        let _ = writeln!(std::io::stderr(), "windlass: no line matches {}", label(pattern));
    }
    Ok(Exit::Ok)
}

fn print(bytes: &[u8], safe: bool, cutter: &mut Lines, output: &mut Output) -> Result<(), Failure> {
    if !safe {
        return output.raw(bytes);
    }
    for line in cutter.push(bytes) {
        output.log_line(&line)?;
    }
    Ok(())
}

/// The step that is meant: its name, or else its number.
fn step_named<'a>(name: &str, attempt: &'a AttemptView) -> Option<&'a StepView> {
    let by_name = attempt.steps.iter().find(|step| step.name == name);
    by_name.or_else(|| attempt.steps.get(name.parse::<usize>().ok()?.checked_sub(1)?))
}

/// How many lines stand before a step.
fn begin_of(name: &str, attempt: &AttemptView, log: &AttemptId) -> Result<u64, Failure> {
    let refuse = |words: String| Failure::Refused(Refusal::new(RefusalCode::NotFound, words));
    let step = step_named(name, attempt).ok_or_else(|| {
        let names = attempt.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ");
        refuse(format!("{log} has no step {name}; its steps: {names}"))
    })?;
    step.first_line.ok_or_else(|| refuse(format!("step {} of {log} never began", step.name)))
}

/// The build as soon as what is to be followed has begun, or will never.
async fn when_begun(address: &Address, step: Option<&str>, session: &mut Session) -> Result<BuildView, Failure> {
    session.subscribe(Topic::Build { number: address.build });
    let mut told = false;
    loop {
        let LinkEvent::Message(message) = session.next().await? else { continue };
        let view = match *message {
            ServerMessage::Build { build, .. } => build,
            ServerMessage::Ended { refusal, .. } => return Err(refusal.into()),
            _ => continue,
        };
        // Without a job's name any job will do that has something to tell.
        let waits = |job: &&JobView| job.status == Status::Waiting && job.attempts.len() < 2;
        let waiting = match &address.job {
            Some(name) => view.jobs.iter().find(|job| job.name == *name).filter(waits),
            None => view.jobs.first().filter(|_| view.jobs.iter().all(|job| waits(&job))),
        };
        let Some(job) = waiting else {
            if step.is_some_and(|step| comes(step, &view, address)) {
                continue;
            }
            return Ok(*view);
        };
        if !told {
            told = true;
            let words = format!("{}/{} has not begun: {}", address.build, job.name, waiting_words(job, session.now()));
            let _ = writeln!(std::io::stderr(), "windlass: {}", label(words));
        }
    }
}

/// The step is still to begin.
fn comes(step: &str, view: &BuildView, address: &Address) -> bool {
    let job = match &address.job {
        Some(name) => view.jobs.iter().find(|job| job.name == *name),
        None => words::telling_job(view),
    };
    let attempt = job.and_then(|job| match address.attempt {
        Some(wanted) => job.attempts.iter().find(|attempt| attempt.number == wanted),
        None => job.attempts.last(),
    });
    attempt.is_some_and(|attempt| {
        attempt.status != Status::Finished && step_named(step, attempt).is_some_and(|step| step.first_line.is_none())
    })
}

/// Why the newest attempt of what is named has no log and gets none: it was skipped, or cancelled before it began.
fn why_nothing(view: &BuildView, address: &Address) -> Option<String> {
    let number = view.build.number;
    let job = match &address.job {
        Some(name) => view.jobs.iter().find(|job| job.name == *name)?,
        None => words::telling_job(view).or(view.jobs.first())?,
    };
    let attempt = match address.attempt {
        Some(wanted) => Some(job.attempts.iter().find(|attempt| attempt.number == wanted)?),
        None => job.attempts.last(),
    };
    let nothing = attempt.is_none_or(|attempt| {
        attempt.status == Status::Finished && attempt.started_at.is_none() && attempt.log.bytes == 0
    });
    let outcome = attempt.map_or(job.outcome, |attempt| attempt.outcome).filter(|_| job.status == Status::Finished)?;
    let reason = attempt.and_then(|attempt| attempt.reason.as_ref()).or(job.reason.as_ref());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    nothing.then(|| format!("{number}/{} has no log, it never began: {}{reason}", job.name, outcome.word()))
}

fn waiting_words(job: &JobView, now: Timestamp) -> String {
    waiting::reason(job.waiting_for.as_ref(), now)
}
