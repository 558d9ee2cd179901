//! `windlass queue`: what runs, and what waits for what. Must not know how jobs are chosen.

use windlass_protocol::live::{ServerMessage, Topic};
use windlass_protocol::view::Status;

use super::output::{Output, Table};
use super::session::Session;
use crate::exit::{Exit, Failure};
use crate::link::LinkEvent;
use crate::waiting;
use crate::words::{self, Standing};

/// Shows what runs, what is paused, and what waits and why, in the order in which it will start.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass queue
  windlass queue --json | jq .waiting")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    session.subscribe(Topic::Queue);
    let queue = loop {
        match session.next().await? {
            LinkEvent::Message(message) => match *message {
                ServerMessage::Queue { queue, .. } => break queue,
                ServerMessage::Ended { refusal, .. } => return Err(refusal.into()),
                _ => {}
            },
            LinkEvent::Lost { error, .. } => return Err(Failure::Unreachable(error.to_string())),
            LinkEvent::Connected(_) | LinkEvent::Log(_) => {}
        }
    };
    if output.json {
        output.json(&queue)?;
        return Ok(Exit::Ok);
    }
    let engine = &queue.engine;
    output.line(format!(
        "{} of {} slots taken, {} waiting, {} blocked; engine {} {}",
        queue.running,
        queue.limit,
        queue.waiting,
        queue.blocked,
        engine.kind,
        engine.version.as_deref().unwrap_or_default()
    ))?;
    if let Some(trouble) = &engine.trouble {
        output.line(format!("the engine is in trouble: {trouble}"))?;
    }
    let now = session.now();
    for pause in &queue.pauses {
        output.line(waiting::pause(pause, now))?;
    }
    let mut table = Table::new(&["job", "repository", "branch", "for", "step, or why it waits"]);
    for job in &queue.jobs {
        let standing = match job.status {
            _ if job.cancelling => Standing::Stopping,
            status => Standing::of(status, None),
        };
        let what = match job.status {
            Status::Waiting => waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now),
            _ => job.step.clone().unwrap_or_default(),
        };
        let time = job.started_at.unwrap_or(job.queued_at);
        table.row(
            standing,
            [
                job.id.to_string(),
                job.repository.clone(),
                job.branch.clone().unwrap_or_default(),
                words::running_duration(now.since(time)),
                what,
            ],
        );
    }
    table.write(output)?;
    Ok(Exit::Ok)
}
