//! `windlass tests`: the results of a build's tests. Must not know how they are compared.

use windlass_protocol::cases::{CaseFilter, CaseKind, CaseOutcome, CaseView, TestsPage};
use windlass_protocol::id::{Address, BuildNumber, NotAnAddress};
use windlass_protocol::live::{Request, Response};
use windlass_protocol::view::Outcome;

use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::tested;
use crate::words::{self, Standing};

/// What the daemon gives at once.
const PAGE: u32 = 500;

/// Lists the tests of a build: new failures first, then the other failures, flaky ones, the rest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass tests 42 --failed
  windlass tests 42 --new                        failed here, and not in the build it is compared with
  windlass tests 42 --text 'parser overflow'
  windlass tests 42 --failed --json | jq -r '.cases[] | .suite + \" \" + .name'")]
pub(super) struct Args {
    /// A build's number.
    #[arg(value_name = "BUILD", value_parser = number)]
    build: BuildNumber,
    /// Only those that failed, or could not be carried out.
    #[arg(long, group = "only")]
    failed: bool,
    /// Only those that failed here and not in the build it is compared with.
    #[arg(long, group = "only")]
    new: bool,
    /// Only those that both passed and failed on this commit, or keep changing on this branch.
    #[arg(long, group = "only")]
    flaky: bool,
    /// Only those whose job, suite, name or file has all of these words.
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
    /// At most so many; 0: all.
    #[arg(short = 'n', long, default_value_t = 200)]
    limit: u32,
}

fn number(text: &str) -> Result<BuildNumber, String> {
    match text.parse() {
        Ok(Address { build, job: None, .. }) => Ok(build),
        Ok(Address { build, .. }) => {
            Err(format!("tests are those of a whole build: write {build}, and --text for less"))
        }
        Err(NotAnAddress { .. }) => Err(format!("{text:?} names no build: write its number")),
    }
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let only = [(args.failed, CaseKind::Failed), (args.new, CaseKind::New), (args.flaky, CaseKind::Flaky)];
    let only = only.into_iter().find_map(|(wanted, kind)| wanted.then_some(kind));
    let most = if args.limit == 0 { u32::MAX } else { args.limit };
    let tests = all(args.build, &CaseFilter { text: args.text, only }, most, session).await?;
    if output.json {
        output.json(&tests)?;
        return Ok(Exit::Ok);
    }
    output.line(format!("build {}  {}", args.build, tested::in_a_line(&tests.summary)))?;
    output.line(format!("  {}", tested::beside(&tests.summary)))?;
    for trouble in &tests.troubles {
        output.line(format!("  report of {trouble}"))?;
    }
    for case in &tests.cases {
        tell(case, output)?;
    }
    let more = tests.total.saturating_sub(tests.cases.len() as u64);
    if more > 0 {
        output.line(format!("and {} more: --limit 0 shows all", words::count(more)))?;
    }
    Ok(Exit::Ok)
}

/// The tests that a filter lets through, as many as are wanted.
pub(super) async fn all(
    build: BuildNumber,
    filter: &CaseFilter,
    most: u32,
    session: &mut Session,
) -> Result<TestsPage, Failure> {
    let mut page = window(build, filter, 0, most.min(PAGE), session).await?;
    loop {
        let have = u32::try_from(page.cases.len()).unwrap_or(u32::MAX);
        if have >= most || u64::from(have) >= page.total {
            return Ok(page);
        }
        let next = window(build, filter, u64::from(have), (most - have).min(PAGE), session).await?;
        if next.cases.is_empty() {
            return Ok(page);
        }
        page.cases.extend(next.cases);
    }
}

async fn window(
    number: BuildNumber,
    filter: &CaseFilter,
    offset: u64,
    limit: u32,
    session: &mut Session,
) -> Result<TestsPage, Failure> {
    match session.ask(Request::Tests { number, filter: filter.clone(), offset, limit }).await? {
        Response::Tests { tests } => Ok(tests),
        _ => Err(strange()),
    }
}

/// Two lines at most: what it is, and what it says.
pub(super) fn tell(case: &CaseView, output: &mut Output) -> Result<(), Failure> {
    let mut text = format!("{}  {}", tested::name(case), words::duration(case.duration_ms));
    for mark in tested::marks(case) {
        text.push_str(&format!("  {mark}"));
    }
    text.push_str(&format!("  ({}#{})", case.job, case.attempt));
    if let Some(place) = tested::place(case) {
        text.push_str(&format!("  {place}"));
    }
    output.worded(standing(case.outcome), tested::word(case.outcome), 7, text)?;
    match tested::headline(case) {
        Some(line) => output.line(format!("           {line}")),
        None => Ok(()),
    }
}

fn standing(outcome: CaseOutcome) -> Standing {
    Standing::Ended(match outcome {
        CaseOutcome::Failed => Outcome::Failed,
        CaseOutcome::Error => Outcome::Broken,
        CaseOutcome::Passed => Outcome::Passed,
        CaseOutcome::Skipped => Outcome::Skipped,
    })
}
