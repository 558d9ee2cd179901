//! `windlass annotations`: what tools say about places in the source of a build. Must not know how it was read.

use windlass_protocol::annotation::{AnnotationsPage, Level};
use windlass_protocol::id::BuildNumber;
use windlass_protocol::live::{Request, Response};

use super::output::Output;
use super::session::{Session, strange};
use crate::annotated;
use crate::exit::{Exit, Failure};
use crate::words;

/// What the daemon gives at once.
const PAGE: u32 = 500;

/// Lists what tools say about places in the source: reports in SARIF, lines such as ::error in logs, failing tests.
///
/// One a line, errors first: `path:line:column: level: message [rule]`, the form that compilers print and editors read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass annotations 42
  windlass annotations 42 --errors
  vim -q <(windlass annotations 42)              goes from one to the next with :cnext
  windlass annotations 42 --json | jq -r '.annotations[] | select(.path) | .path' | sort | uniq -c")]
pub(super) struct Args {
    /// A build's number.
    #[arg(value_name = "BUILD")]
    build: BuildNumber,
    /// Only errors.
    #[arg(long)]
    errors: bool,
    /// At most so many; 0: all that are listed.
    #[arg(short = 'n', long, default_value_t = 0)]
    limit: u32,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let most = if args.limit == 0 { u32::MAX } else { args.limit };
    let mut page = all(args.build, most, session).await?;
    if args.errors {
        page.annotations.retain(|annotation| annotation.level == Level::Error);
    }
    if output.json {
        output.json(&page)?;
        return Ok(Exit::Ok);
    }
    for annotation in &page.annotations {
        output.line(annotated::in_full(args.build, annotation))?;
    }
    // Beside the list, which an editor reads.
    output.flush()?;
    for trouble in &page.counts.troubles {
        output.aside(trouble);
    }
    let listed = if args.errors { page.counts.errors } else { page.counts.total() };
    let more = listed.saturating_sub(page.annotations.len() as u64);
    if more > 0 {
        output.aside(&format!("and {} more", words::count(more)));
    }
    Ok(Exit::Ok)
}

/// As many as are wanted, the worst first.
pub(super) async fn all(build: BuildNumber, most: u32, session: &mut Session) -> Result<AnnotationsPage, Failure> {
    let mut page = window(build, 0, most.min(PAGE), session).await?;
    loop {
        let have = u32::try_from(page.annotations.len()).unwrap_or(u32::MAX);
        if have >= most || u64::from(have) >= page.total {
            return Ok(page);
        }
        let next = window(build, u64::from(have), (most - have).min(PAGE), session).await?;
        if next.annotations.is_empty() {
            return Ok(page);
        }
        page.annotations.extend(next.annotations);
    }
}

async fn window(
    number: BuildNumber,
    offset: u64,
    limit: u32,
    session: &mut Session,
) -> Result<AnnotationsPage, Failure> {
    match session.ask(Request::Annotations { number, offset, limit }).await? {
        Response::Annotations { annotations } => Ok(annotations),
        _ => Err(strange()),
    }
}
