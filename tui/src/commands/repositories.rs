//! `windlass repositories`: how the builds of each repository ended lately. Must not know where that is kept.

use windlass_protocol::glance::RepositoryView;
use windlass_protocol::live::{Request, Response};

use super::output::{Output, Table};
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::waiting;
use crate::words::{self, Standing};

/// Lists the repositories: how their builds ended lately, the newest at the right, how many passed and how long they took.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass repositories
  windlass repositories --json | jq '.[] | {name, passed, judged, p95_ms}'")]
pub(super) struct Args {
    /// Of how many builds of each.
    #[arg(long, default_value_t = 40, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    results: u32,
}

/// Results that stand in a line.
const SHOWN: usize = 20;

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let request = Request::Repositories { results: args.results };
    let Response::Repositories { repositories, total } = session.ask(request).await? else { return Err(strange()) };
    if output.json {
        output.json(&repositories)?;
        return Ok(Exit::Ok);
    }
    if repositories.is_empty() {
        output.line("no repository is listed, and none ever built: add a [[repository]] entry to windlassd.toml")?;
    }
    let now = session.now();
    let mut table = Table::new(&["repository", "results", "passed", "median", "p95", "remark"]);
    for repository in &repositories {
        let newest = repository.results.first();
        let standing = newest.map_or(Standing::Unknown, |newest| Standing::of(newest.status, newest.outcome));
        let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), words::duration);
        table.row(
            standing,
            [
                repository.name.clone(),
                results(repository),
                format!("{}/{}", repository.passed, repository.judged),
                time(repository.median_ms),
                time(repository.p95_ms),
                match (&repository.pause, repository.listed) {
                    (Some(pause), _) => waiting::pause(pause, now),
                    (None, false) => "not listed: its webhooks are ignored".to_owned(),
                    (None, true) if newest.is_none() => "nothing was built yet".to_owned(),
                    (None, true) => String::new(),
                },
            ],
        );
    }
    table.write(output)?;
    if total > repositories.len() as u64 {
        output.line(format!("the first {} of {} repositories", repositories.len(), words::count(total)))?;
    }
    Ok(Exit::Ok)
}

/// A sign for each, the newest at the right.
fn results(repository: &RepositoryView) -> String {
    let shown = repository.results.iter().take(SHOWN).rev();
    let signs: String = shown.map(|result| Standing::of(result.status, result.outcome).glyph()).collect();
    if signs.is_empty() { "-".to_owned() } else { signs }
}
