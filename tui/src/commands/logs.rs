//! `windlass logs`: the log of one attempt, exactly or made safe. Must not know how logs are kept.

use std::io::Write;

use windlass_protocol::id::Address;
use windlass_protocol::live::{ServerMessage, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildView, JobView, Status};

use super::output::{LineCutter, Output};
use super::session::{Session, find_attempt};
use crate::exit::{Exit, Failure};
use crate::link::LinkEvent;
use crate::safe_text::label;
use crate::{waiting, words};

/// Prints the log of a job. To a terminal it is made safe, colours kept; into a file or pipe go the exact bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass logs 42                 the job that failed, or the only one
  windlass logs 42/test#1          the first attempt
  windlass logs -f 42/test         follow it until it ends
  windlass logs 42/test > log      the exact bytes")]
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
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    if output.json {
        return Err(Failure::Usage(
            "a log has no JSON form: it is bytes; about it there is windlass show --json".to_owned(),
        ));
    }
    let view = match args.follow {
        true => when_begun(&args.address, session).await?,
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
    let safe = output.terminal && !args.raw;
    let mut cutter = LineCutter::default();
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
                if safe {
                    for line in cutter.push(bytes) {
                        output.log_line(&line)?;
                    }
                } else {
                    output.raw(bytes)?;
                }
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
    if let Some(line) = cutter.finish() {
        output.log_line(&line)?;
    }
    Ok(Exit::Ok)
}

/// The build as soon as what is to be followed has begun, or will never.
async fn when_begun(address: &Address, session: &mut Session) -> Result<BuildView, Failure> {
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
        let Some(job) = waiting else { return Ok(*view) };
        if !told {
            told = true;
            let words = format!("{}/{} has not begun: {}", address.build, job.name, waiting_words(job, session.now()));
            let _ = writeln!(std::io::stderr(), "windlass: {}", label(words));
        }
    }
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
