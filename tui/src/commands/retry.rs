//! `windlass retry`: runs again what did not pass, one job, or everything. Must not know how attempts are made.

use windlass_protocol::id::Address;
use windlass_protocol::live::{Request, Response, RetryWhat};

use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};

/// Runs again what did not pass. Old attempts keep their logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass retry 42                 what did not pass, and what was skipped because of it
  windlass retry 42/test            this job, and what depends on it
  windlass retry 42 --all
  windlass retry 42 && windlass watch 42")]
pub(super) struct Args {
    /// A build, or a job of it.
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Every job, also those that passed.
    #[arg(long)]
    all: bool,
    /// What did not pass (the default for a build).
    #[arg(long, conflicts_with = "all")]
    failed: bool,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let what = match (args.address.job, args.all || args.failed) {
        (Some(_), true) => return Err(Failure::Usage("--all and --failed go with a build, not with a job".to_owned())),
        (Some(_), _) if args.address.attempt.is_some() => {
            return Err(Failure::Usage("an attempt never runs again: name the job, without #".to_owned()));
        }
        (Some(job), false) => RetryWhat::Job { job },
        (None, _) if args.all => RetryWhat::Everything,
        (None, _) => RetryWhat::Failed,
    };
    let build = args.address.build;
    let Response::Retry { attempts, .. } = session.ask(Request::Retry { build, what, head: false }).await? else {
        return Err(strange());
    };
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
