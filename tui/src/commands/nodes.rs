//! `windlass nodes`: the machines that jobs run on, and what they do. Must not know engines.

use windlass_protocol::glance::NodeView;
use windlass_protocol::live::{Request, Response};

use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::words::{self, Standing};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::Status;

/// Lists the machines that jobs run on: engine, slots, load, and the jobs that hold the slots.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass nodes
  windlass nodes --json | jq '.[] | {name, slots, running: (.jobs | length)}'")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let Response::Nodes { nodes } = session.ask(Request::Nodes).await? else { return Err(strange()) };
    if output.json {
        output.json(&nodes)?;
        return Ok(Exit::Ok);
    }
    let now = session.now();
    for node in &nodes {
        output.line(about(node, now))?;
        if let Some(trouble) = &node.engine.trouble {
            output
                .line(format!("  the engine is in trouble since {}: {trouble}", words::age(node.answered_at, now)))?;
        }
        for job in &node.jobs {
            let (status, took) = match job.started_at {
                Some(started) => (Status::Running, words::running_duration(now.since(started))),
                None => (Status::Waiting, "-".to_owned()),
            };
            let step = job.step.as_deref().unwrap_or("being prepared");
            let text = format!("{}#{}  {took}  {}  {step}", job.id, job.attempt, job.repository);
            output.standing(Standing::of(status, None), 0, text)?;
        }
    }
    Ok(Exit::Ok)
}

fn about(node: &NodeView, now: Timestamp) -> String {
    const GB: u64 = 1_000_000_000;
    let version = node.engine.version.as_deref().unwrap_or_default();
    let mut text =
        format!("{}: {} of {} slots taken; engine {}", node.name, node.jobs.len(), node.slots, node.engine.kind);
    if !version.is_empty() {
        text.push_str(&format!(" {version}"));
    }
    if node.engine.trouble.is_none() {
        text.push_str(&format!(", answered {}", words::age(node.answered_at, now)));
    }
    if let Some(machine) = &node.machine {
        let used = machine.memory_bytes.saturating_sub(machine.memory_free_bytes) / GB;
        let (whole, part) = (machine.load_milli / 1_000, machine.load_milli % 1_000 / 10);
        text.push_str(&format!("; {}, load {whole}.{part:02}", words::plural(machine.cpus, "processor")));
        text.push_str(&format!("; memory {used} of {} GB", machine.memory_bytes / GB));
    }
    if let Some(disk) = &node.disk {
        text.push_str(&format!("; disk {} free", words::bytes(disk.free_bytes)));
    }
    text
}
