//! `windlass deliveries`: the webhooks that came, and what came of them. Must not know GitHub.

use windlass_protocol::live::{Request, Response};
use windlass_protocol::view::DeliveryState;

use super::output::Output;
use super::retry;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::safe_text::label;
use crate::words;

/// Lists the webhooks that were received, newest first, and what came of each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass deliveries
  windlass deliveries --limit 1 --json | jq '.[0].reason'
  windlass deliveries replay 72d3162e-cc78-11e3-81ab-4c9367dc0958")]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Replay(ReplayArgs),
}

/// Works on a delivery once more, as if it came now: a new build of the same event. Its content has to be kept still.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass deliveries replay 72d3162e-cc78-11e3-81ab-4c9367dc0958
  windlass deliveries replay 72d3162e-cc78-11e3-81ab-4c9367dc0958 --json | jq .build")]
struct ReplayArgs {
    /// The delivery, as `windlass deliveries` and GitHub name it.
    #[arg(value_name = "DELIVERY")]
    delivery: String,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    if let Some(Command::Replay(args)) = args.command {
        let request = Request::Replay { delivery: args.delivery };
        let Response::Replay { delivery } = session.ask(request).await? else { return Err(strange()) };
        return retry::new_build(delivery, "it is worked on once more", session, output).await;
    }
    let request = Request::Deliveries { limit: args.limit };
    let Response::Deliveries { deliveries } = session.ask(request).await? else { return Err(strange()) };
    if output.json {
        output.json(&deliveries)?;
        return Ok(Exit::Ok);
    }
    if deliveries.is_empty() {
        output.line(
            "no webhook was received yet: point one at the public address of windlassd (POST /webhooks/github)",
        )?;
    }
    if output.terminal && !deliveries.is_empty() {
        let heads = ["state", "came", "delivery", "event", "repository"];
        let [state, came, id, event, repository] = heads;
        output.line(format!("{state:9}  {came:8}  {id:36}  {event:26}  {repository:24}  what came of it"))?;
    }
    for delivery in &deliveries {
        let event = match &delivery.action {
            Some(action) => format!("{}.{action}", delivery.event),
            None => delivery.event.clone(),
        };
        let state = match delivery.state {
            DeliveryState::Accepted => "accepted",
            DeliveryState::Ignored => "ignored",
            DeliveryState::Duplicate => "duplicate",
        };
        let builds: Vec<_> = delivery.builds.iter().map(|build| format!("build {build}")).collect();
        let outcome = match &delivery.reason {
            Some(reason) if builds.is_empty() => reason.clone(),
            Some(reason) => format!("{}: {reason}", builds.join(", ")),
            None => builds.join(", "),
        };
        output.line(format!(
            "{state:9}  {:8}  {:36}  {:26}  {:24}  {outcome}",
            words::age(delivery.received_at, session.now()),
            label(&delivery.delivery).as_str(),
            label(event).fitted(26),
            label(delivery.repository.as_deref().unwrap_or("-")).fitted(24),
        ))?;
    }
    Ok(Exit::Ok)
}
