//! `windlass builds`: the newest builds. Must not know how the list is kept.

use windlass_protocol::live::{BuildFilter, Request, Response};
use windlass_protocol::view::{BuildView, Outcome, Status};

use super::output::{Output, Table};
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::words::{self, Standing};

/// Lists builds, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass builds
  windlass builds --repo acme/app --branch main --outcome failed
  windlass builds parser octocat          words that must all occur, in title, author, branch, number or sha
  windlass builds --limit 1 --json | jq '.[0].number'")]
pub(super) struct Args {
    /// Words that must all occur.
    text: Vec<String>,
    /// Only this repository, owner/name.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<String>,
    #[arg(long)]
    branch: Option<String>,
    /// waiting, running or finished.
    #[arg(long, value_parser = status)]
    status: Option<Status>,
    /// passed, failed, timed_out, cancelled, out_of_memory, lost, broken or skipped.
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    #[arg(long)]
    author: Option<String>,
    /// push, pull_request, ...
    #[arg(long)]
    event: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// What the daemon gives at once.
const PAGE: u32 = 500;

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let text = args.text.join(" ");
    let filter = BuildFilter {
        repository: args.repo,
        branch: args.branch,
        event: args.event,
        author: args.author,
        status: args.status,
        outcome: args.outcome,
        text: (!text.trim().is_empty()).then_some(text),
    };
    let wanted = args.limit as usize;
    let mut found: Vec<BuildView> = Vec::new();
    let total = loop {
        let limit = u32::try_from(wanted - found.len()).unwrap_or(PAGE).min(PAGE);
        let request = Request::Builds { filter: filter.clone(), offset: found.len() as u64, limit };
        let Response::Builds { total, builds } = session.ask(request).await? else { return Err(strange()) };
        let last = builds.is_empty();
        found.extend(builds);
        if last || found.len() >= wanted || found.len() as u64 >= total {
            break total;
        }
    };
    if output.json {
        output.json(&found)?;
        return Ok(Exit::Ok);
    }
    if found.is_empty() {
        output.line(if filter == BuildFilter::default() {
            "no builds yet: point a GitHub webhook at the public address of windlassd (POST /webhooks/github)"
        } else {
            "no build fits"
        })?;
        return Ok(Exit::Ok);
    }
    let now = session.now();
    let mut table = Table::new(&["build", "repository", "branch", "took", "came", "author", "title"]);
    for view in &found {
        let build = &view.build;
        table.row(
            Standing::of(build.status, build.outcome),
            [
                build.number.to_string(),
                build.repository.clone(),
                words::branch_of(build),
                words::took(build.started_at, build.finished_at, now).unwrap_or_default(),
                words::age(build.created_at, now),
                build.author.clone(),
                build.title.clone(),
            ],
        );
    }
    table.write(output)?;
    if total > found.len() as u64 {
        let more = total - found.len() as u64;
        output.line(format!("and {} more: --limit {}", words::count(more), total.min(100_000)))?;
    }
    Ok(Exit::Ok)
}

fn status(text: &str) -> Result<Status, String> {
    [Status::Waiting, Status::Running, Status::Finished]
        .into_iter()
        .find(|status| status.to_string() == text)
        .ok_or_else(|| "write waiting, running or finished".to_owned())
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::from_word(&text.replace('-', "_")).ok_or_else(|| {
        let all: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
        format!("write one of {}", all.join(", "))
    })
}
