//! `windlass watch`: waits for a build or a job, telling what happens; the exit code is the outcome. Must not know logs.

use std::io::Write;

use windlass_protocol::id::Address;
use windlass_protocol::live::{BuildFilter, Request, Response, ServerMessage, Topic};
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildView, JobView, Status};

use super::output::Output;
use super::session::{Session, find_job, strange};
use super::watch_live;
use crate::exit::{Exit, Failure};
use crate::left;
use crate::link::LinkEvent;
use crate::teller::Teller;
use crate::words::{self, Standing};

/// Waits until a build or job has ended. On a terminal it is shown as a tree with what runs just now, elsewhere a line is
/// written for each thing that happens. The exit code tells the outcome.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass watch                    the newest build that has not ended
  windlass watch 42 && ./deploy
  windlass watch 42/test            only this job
  windlass watch 42 --json          nothing until the end, then the build as one object")]
pub(super) struct Args {
    /// A build, or a job of it: 42, 42/test. Without one: the newest build that has not ended.
    #[arg(value_name = "ADDRESS")]
    address: Option<Address>,
    /// A line for each thing that happens also on a terminal, instead of a tree that changes where it stands.
    #[arg(long)]
    plain: bool,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let address = match args.address {
        Some(address) => address,
        None => newest(session).await?,
    };
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let live = output.terminal && !(output.json || args.plain || dumb);
    let build = match live {
        true => watch_live::until_ended(&address, session, output).await?,
        false => until_ended(&address, session, output, true).await?,
    };
    if output.json {
        output.json(&build)?;
    }
    let outcome = match &address.job {
        Some(_) => find_job(&build, &address)?.outcome,
        None => build.build.outcome,
    };
    if !(output.json || live) {
        let took = words::took(build.build.started_at, build.build.finished_at, session.now());
        let reason = build.build.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        if address.job.is_none() {
            let text = format!("build {}  {}{reason}", build.build.number, took.unwrap_or_default());
            output.standing(Standing::of(build.build.status, outcome), 9, text)?;
        }
    }
    if let (false, None, Some(words)) = (output.json, &address.job, left::in_a_line(&build)) {
        output.line(words)?;
    }
    Ok(outcome.map_or(Exit::Ours, Exit::from))
}

/// The newest build that has not ended.
async fn newest(session: &mut Session) -> Result<Address, Failure> {
    let mut found = None;
    for status in [Status::Running, Status::Waiting] {
        let filter = BuildFilter { status: Some(status), ..BuildFilter::default() };
        let request = Request::Builds { filter, offset: 0, limit: 1 };
        let Response::Builds { builds, .. } = session.ask(request).await? else { return Err(strange()) };
        found = found.max(builds.first().map(|view| view.build.number));
    }
    let build = found.ok_or_else(|| {
        let words = "nothing runs and nothing waits: name a build that has ended";
        Failure::from(Refusal::new(RefusalCode::NotFound, words))
    })?;
    Ok(Address { build, job: None, attempt: None })
}

/// Follows a build until it, or the job that the address names, is finished.
pub(super) async fn until_ended(
    address: &Address,
    session: &mut Session,
    output: &mut Output,
    telling: bool,
) -> Result<BuildView, Failure> {
    // The daemon's clock as it goes on from when the command began.
    let began = (session.now(), std::time::Instant::now());
    let (mut teller, mut connected) = (Teller::default(), true);
    session.subscribe(Topic::Build { number: address.build });
    loop {
        match session.next().await? {
            LinkEvent::Message(message) => match *message {
                ServerMessage::Build { build, .. } => {
                    let finished = match &address.job {
                        Some(_) => find_job(&build, address)?.status == Status::Finished,
                        None => build.build.status == Status::Finished,
                    };
                    if telling && !output.json {
                        let passed = i64::try_from(began.1.elapsed().as_millis()).unwrap_or(0);
                        let now = Timestamp(began.0.0.saturating_add(passed));
                        let wanted = |job: &&JobView| address.job.as_ref().is_none_or(|name| *name == job.name);
                        for (standing, text) in build.jobs.iter().filter(wanted).flat_map(|job| teller.news(job, now)) {
                            output.standing(standing, 9, text)?;
                        }
                        output.flush()?;
                    }
                    if finished {
                        return Ok(*build);
                    }
                }
                ServerMessage::Ended { refusal, .. } => return Err(refusal.into()),
                _ => {}
            },
            LinkEvent::Lost { error, .. } if connected => {
                connected = false;
                let _ = writeln!(std::io::stderr(), "windlass: {error}; trying again");
            }
            LinkEvent::Connected(_) => connected = true,
            LinkEvent::Lost { .. } | LinkEvent::Log(_) => {}
        }
    }
}
