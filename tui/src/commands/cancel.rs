//! `windlass cancel`: stops what waits or runs. Must not know how processes are stopped.

use serde::Serialize;
use windlass_protocol::id::Address;
use windlass_protocol::live::{Request, Response};
use windlass_protocol::view::JobView;

use super::output::Output;
use super::session::{Session, strange};
use super::watch::until_ended;
use crate::exit::{Exit, Failure};
use crate::words::Standing;

/// Stops a build or a job: what waits at once, what runs after a grace in which it may clean up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass cancel 42
  windlass cancel 42/test --wait    comes back when it has ended
  windlass cancel 42 --force        kills at once")]
pub(super) struct Args {
    /// A build, or a job of it.
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Kills at once instead of after the grace.
    #[arg(long)]
    force: bool,
    /// Comes back when everything has ended.
    #[arg(long)]
    wait: bool,
}

#[derive(Serialize)]
struct Answer {
    stopping: Vec<String>,
    killing: Vec<String>,
    cancelled: Vec<String>,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let Address { build, job, .. } = args.address.clone();
    let request = Request::Cancel { build, job, force: args.force };
    let Response::Cancel { stopping, killing, cancelled } = session.ask(request).await? else { return Err(strange()) };
    if output.json {
        output.json(&Answer { stopping, killing, cancelled })?;
    } else {
        for job in &cancelled {
            output.line(format!("{build}/{job} is cancelled"))?;
        }
        for job in &stopping {
            let how = match killing.contains(job) {
                true => "is being killed",
                false => "is being stopped: asked to end, killed after its grace; finally steps run in any case",
            };
            output.line(format!("{build}/{job} {how}"))?;
        }
        if !stopping.is_empty() && !args.wait {
            output.line(format!("follow it: windlass watch {build}"))?;
        }
    }
    output.flush()?;
    if args.wait {
        let view = until_ended(&args.address, session, output, false).await?;
        if !output.json {
            let wanted = |job: &&JobView| args.address.job.as_ref().is_none_or(|name| *name == job.name);
            for job in view.jobs.iter().filter(wanted) {
                let reason = job.attempts.last().and_then(|attempt| attempt.reason.as_ref()).or(job.reason.as_ref());
                let reason = reason.map(|reason| format!("  {reason}")).unwrap_or_default();
                output.standing(Standing::of_job(job), 9, format!("{build}/{}{reason}", job.name))?;
            }
        }
    }
    Ok(Exit::Ok)
}
