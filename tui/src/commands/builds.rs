//! `windlass builds`: the newest builds. Must not know how the list is kept.

use windlass_protocol::live::{BuildFilter, Request, Response};
use windlass_protocol::view::{BuildView, Outcome, Status};

use super::output::{Output, Table};
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::filter::Filter;
use crate::words::{self, Standing};

/// Lists builds, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass builds
  windlass builds --repo acme/app --branch main --outcome failed
  windlass builds parser octocat          words that must all occur, in title, author, branch, number or sha
  windlass builds repo:app status:failed author:ada      as in the terminal client: parts of names
  windlass builds --limit 1 --json | jq '.[0].number'")]
pub(super) struct Args {
    /// Words that must all occur; repo:, branch: and author: with a part of a name, status: and event: with a whole word.
    #[arg(value_name = "WORD")]
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
    let typed = Filter::parse(&args.text.join(" "));
    if let Some(problem) = &typed.problem {
        return Err(Failure::Usage(problem.clone()));
    }
    let asked = typed.for_daemon();
    let filter = BuildFilter {
        repository: args.repo,
        branch: args.branch,
        event: args.event.or(asked.event),
        author: args.author,
        status: args.status.or(asked.status),
        outcome: args.outcome.or(asked.outcome),
        text: asked.text,
    };
    let wanted = args.limit as usize;
    let (mut found, mut seen): (Vec<BuildView>, u64) = (Vec::new(), 0);
    let total = loop {
        let request = Request::Builds { filter: filter.clone(), offset: seen, limit: PAGE.min(args.limit) };
        let Response::Builds { total, builds } = session.ask(request).await? else { return Err(strange()) };
        let last = builds.is_empty();
        seen += builds.len() as u64;
        found.extend(builds.into_iter().filter(|view| typed.fits((&view.build).into())));
        if last || found.len() >= wanted || seen >= total {
            break total;
        }
    };
    let exact = found.len() as u64 == seen;
    found.truncate(wanted);
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
    if exact && total > found.len() as u64 {
        let more = total - found.len() as u64;
        output.line(format!("and {} more: --limit {}", words::count(more), total.min(100_000)))?;
    } else if total > seen {
        output.line(format!(
            "{} older ones were not looked at: a larger --limit shows more",
            words::count(total - seen)
        ))?;
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
