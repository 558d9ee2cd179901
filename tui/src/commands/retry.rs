//! `windlass retry`: runs again what did not pass, one job, or everything; or the branch's head. Must not know how attempts
//! are made.

use std::time::Duration;

use serde::Serialize;
use windlass_protocol::id::{Address, BuildNumber};
use windlass_protocol::live::{Request, Response, RetryWhat};
use windlass_protocol::view::{DeliveryState, DeliveryView};

use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};

/// So long the new build of a branch's head is waited for, and so often it is asked for.
const PATIENCE: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(150);
/// Among so many of the newest deliveries ours is looked for.
const NEWEST: u32 = 100;

/// Runs again what did not pass. Old attempts keep their logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass retry 42                 what did not pass, and what was skipped because of it
  windlass retry 42/test            this job, and what depends on it
  windlass retry 42 --everything
  windlass retry 42 --head          everything, at the newest commit of its branch: a new build
  windlass retry 42 && windlass watch 42")]
pub(super) struct Args {
    /// A build, or a job of it.
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Every job, also those that passed.
    #[arg(long, visible_alias = "everything")]
    all: bool,
    /// What did not pass (the default for a build).
    #[arg(long, conflicts_with = "all")]
    failed: bool,
    /// Not the same commit but the newest of its branch, tag or pull request, as a new build of everything.
    #[arg(long, conflicts_with = "failed")]
    head: bool,
}

#[derive(Serialize)]
struct Head {
    delivery: String,
    build: Option<BuildNumber>,
    reason: Option<String>,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let build = args.address.build;
    let what = match (args.address.job, args.all || args.failed) {
        (Some(_), _) if args.head => return Err(Failure::Usage("--head goes with a build, not with a job".to_owned())),
        (Some(_), true) => {
            return Err(Failure::Usage("--everything and --failed go with a build, not with a job".to_owned()));
        }
        (Some(_), _) if args.address.attempt.is_some() => {
            return Err(Failure::Usage("an attempt never runs again: name the job, without #".to_owned()));
        }
        (Some(job), false) => RetryWhat::Job { job },
        (None, _) if args.all || args.head => RetryWhat::Everything,
        (None, _) => RetryWhat::Failed,
    };
    let request = Request::Retry { build, what, head: args.head };
    let Response::Retry { attempts, delivery } = session.ask(request).await? else { return Err(strange()) };
    if let (true, Some(delivery)) = (args.head, delivery) {
        return new_build(delivery, "the newest commit is read", session, output).await;
    }
    if output.json {
        output.json(&attempts)?;
        return Ok(Exit::Ok);
    }
    if attempts.is_empty() {
        output.line("the commit is read again: a new build follows")?;
        output.line("see it: windlass builds --limit 1")?;
        return Ok(Exit::Ok);
    }
    for attempt in &attempts {
        output.line(format!("{attempt} will run"))?;
    }
    output.line(format!("follow it: windlass watch {build}"))?;
    Ok(Exit::Ok)
}

/// Tells the delivery, and the build that comes of it if that does not take long.
pub(super) async fn new_build(
    delivery: String,
    says: &str,
    session: &mut Session,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if !output.json {
        output.line(format!("{says} (delivery {delivery})"))?;
        output.flush()?;
    }
    let settled = tokio::time::timeout(PATIENCE, settled(&delivery, session)).await;
    let settled = match settled {
        Ok(settled) => Some(settled?),
        Err(_) => None, // it takes longer than anybody wants to look at
    };
    let build = settled.as_ref().and_then(|settled| settled.builds.first().copied());
    let reason = settled.and_then(|settled| settled.reason);
    let exit = if build.is_none() && reason.is_some() { Exit::Refused } else { Exit::Ok };
    if output.json {
        output.json(&Head { delivery, build, reason })?;
        return Ok(exit);
    }
    match (build, reason) {
        (Some(build), _) => {
            output.line(format!("build {build} will run"))?;
            output.line(format!("follow it: windlass watch {build}"))?;
        }
        (None, Some(reason)) => output.line(format!("no build comes of it: {reason}"))?,
        (None, None) => output.line("a new build follows; what came of it: windlass deliveries")?,
    }
    Ok(exit)
}

/// The delivery once a build came of it, or nothing will.
async fn settled(id: &str, session: &mut Session) -> Result<DeliveryView, Failure> {
    loop {
        let request = Request::Deliveries { limit: NEWEST };
        let Response::Deliveries { deliveries } = session.ask(request).await? else { return Err(strange()) };
        let ours = deliveries.into_iter().find(|delivery| delivery.delivery == id);
        let over = |delivery: &DeliveryView| !delivery.builds.is_empty() || delivery.state == DeliveryState::Ignored;
        if let Some(delivery) = ours.filter(over) {
            return Ok(delivery);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
