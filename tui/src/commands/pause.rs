//! `windlass pause` and `windlass resume`: whether anything new is begun. Must not know how jobs are chosen.

use windlass_protocol::live::{Request, Response};
use windlass_protocol::view::Pause;

use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::waiting;

/// Begins nothing new, of one repository or at all; what runs goes on. Holds over restarts of the daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass pause                    nothing new at all
  windlass pause acme/app --reason 'the registry moves'
  windlass resume acme/app")]
pub(super) struct Args {
    /// owner/name; without it the whole queue is paused.
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    repository: Option<String>,
    /// Shown to everybody whose jobs wait because of it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Ends a pause: of one repository, or of the whole queue.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass resume                   the whole queue; repositories paused by themselves stay so
  windlass resume acme/app")]
pub(super) struct ResumeArgs {
    /// owner/name; without it the pause of the whole queue ends.
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    repository: Option<String>,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let Args { repository, reason } = args;
    let what = name(repository.as_deref());
    let advice = match &repository {
        None => "go on:  windlass resume".to_owned(),
        Some(repository) => format!("go on:  windlass resume {}", crate::words::for_shell(repository)),
    };
    let pauses = ask(Request::Pause { repository, reason }, session).await?;
    if output.json {
        output.json(&pauses)?;
        return Ok(Exit::Ok);
    }
    output.line(format!("{what} is paused: nothing new begins, what runs goes on"))?;
    output.line(advice)?;
    Ok(Exit::Ok)
}

pub(super) async fn resume(args: ResumeArgs, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let what = name(args.repository.as_deref());
    let pauses = ask(Request::Resume { repository: args.repository }, session).await?;
    if output.json {
        output.json(&pauses)?;
        return Ok(Exit::Ok);
    }
    output.line(format!("{what} goes on"))?;
    for pause in &pauses {
        output.line(format!("still: {}", waiting::pause(pause, session.now())))?;
    }
    Ok(Exit::Ok)
}

async fn ask(request: Request, session: &mut Session) -> Result<Vec<Pause>, Failure> {
    match session.ask(request).await? {
        Response::Pauses { pauses } => Ok(pauses),
        _ => Err(strange()),
    }
}

fn name(repository: Option<&str>) -> String {
    repository.unwrap_or("the queue").to_owned()
}

/// A build's number or a word in its place is a slip that must not pause anything.
fn repository(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [owner, name] if !owner.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err("write owner/name, or nothing for the whole queue".to_owned()),
    }
}
