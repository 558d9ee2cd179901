//! `windlass deliveries`: the webhooks that came, and what came of them. Must not know GitHub.

use windlass_protocol::live::{Request, Response};
use windlass_protocol::view::DeliveryState;

use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::safe_text::label;
use crate::words;

/// Lists the webhooks that were received, newest first, and what came of each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass deliveries
  windlass deliveries --limit 1 --json | jq '.[0].reason'")]
pub(super) struct Args {
    /// How many at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
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
