//! `windlass artifacts`: what files jobs left, and getting them. Must not know how they come, nor how they are kept.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use windlass_protocol::artifact::{ArtifactView, ArtifactsPage};
use windlass_protocol::id::Address;
use windlass_protocol::live::{Request, Response};
use windlass_protocol::refusal::{Refusal, RefusalCode};

use super::coming::Coming;
use super::output::Output;
use super::session::{Session, strange};
use crate::exit::{Exit, Failure};
use crate::fetch::choose::{Wanted, places};
use crate::fetch::draft::{Folder, Taken};
use crate::fetch::{self, Fault, Saved};
use crate::left;
use crate::safe_text::{SafeLine, label};
use crate::words;

/// What the daemon gives at once.
const PAGE: u32 = 500;

/// Lists the files that jobs left (`artifacts` in the spec), or gets them with --output: whole and compared with their
/// SHA-256, or not at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass artifacts 42                      what the newest attempts of build 42 left
  windlass artifacts 42 -o out               all of it into the folder out
  windlass artifacts 42/wheel '**/*.whl' -o .
  windlass artifacts 42/test#1 -o first      of the first attempt
  windlass artifacts 42 dist/app -o - | sha256sum
  windlass artifacts 42 --json | jq -r '.artifacts[] | .sha256 + \"  \" + .path'

A PATTERN is a path below the job's folder, with *, ? and ** as in the spec; quote it, or the shell takes it for its own.
Below the folder, files stand where they stood in the job; where two jobs left the same, in a folder for each job. A file that
is there already is left as it is (and fine when it has the same bytes), and no link is followed. Ends with 1 when something
was left out.")]
pub(super) struct Args {
    /// A build, a job or an attempt: 42, 42/test, 42/test#2.
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Only these: paths, or patterns of them.
    #[arg(value_name = "PATTERN")]
    files: Vec<String>,
    /// Writes the files into this folder, which is made when it is not there; - is standard output, for one file.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Writes over files that are there.
    #[arg(long, requires = "output")]
    force: bool,
}

pub(super) async fn run(args: Args, session: &mut Session, output: &mut Output) -> Result<Exit, Failure> {
    let wanted = Wanted::parse(&args.files).map_err(Failure::Usage)?;
    let mut page = all(&args.address, session).await?;
    let idle: Vec<String> = {
        let paths: Vec<&str> = page.artifacts.iter().map(|file| file.path.as_str()).collect();
        wanted.idle(&paths).into_iter().map(str::to_owned).collect()
    };
    let none = page.artifacts.is_empty();
    page.artifacts.retain(|file| wanted.takes(&file.path));
    if page.artifacts.is_empty() && (args.output.is_some() || !none && !idle.is_empty()) {
        return Err(Refusal::new(RefusalCode::NotFound, nothing(&args, none, &page.troubles)).into());
    }
    for pattern in &idle {
        let _ = writeln!(std::io::stderr(), "windlass: no file matches {}", label(pattern));
    }
    let exit = match &args.output {
        None => {
            list(&args, &page, session, output)?;
            Exit::Ok
        }
        Some(path) if path.as_os_str() == "-" => {
            print(&args, &page, session, output).await?;
            Exit::Ok
        }
        // Whoever ends us has half a file removed, too.
        Some(path) => tokio::select! {
            saved = save(&args, &page, path.clone(), session, output) => saved?,
            failure = ended() => return Err(failure),
        },
    };
    Ok(if exit == Exit::Ok && !idle.is_empty() { Exit::NotPassed } else { exit })
}

async fn ended() -> Failure {
    match (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
        (Ok(mut terminate), Ok(mut hangup)) => tokio::select! {
            _ = terminate.recv() => Failure::Interrupted,
            _ = hangup.recv() => Failure::Interrupted,
        },
        (Err(error), _) | (_, Err(error)) => Failure::Ours(format!("cannot listen for signals: {error}")),
    }
}

fn nothing(args: &Args, none: bool, troubles: &[String]) -> String {
    let of = address(&args.address);
    if none {
        let troubles: String = troubles.iter().map(|trouble| format!("\n{trouble}")).collect();
        return format!("{of} left no files: {}{troubles}", left::HOW);
    }
    let patterns = args.files.join(", ");
    let folder = args.files.iter().find(|text| !text.contains(['*', '?']));
    let hint = folder.map(|text| format!("; all that is in a folder: '{text}/**'")).unwrap_or_default();
    format!("no file of {of} matches {patterns}{hint}\nwhich there are: windlass artifacts {}", in_shell(&args.address))
}

/// `build 42`, `42/test`, `42/test#2`.
fn address(address: &Address) -> String {
    let Address { build, job, attempt } = address;
    match (job, attempt) {
        (None, _) => format!("build {build}"),
        (Some(job), None) => format!("{build}/{job}"),
        (Some(job), Some(attempt)) => format!("{build}/{job}#{attempt}"),
    }
}

fn in_shell(wanted: &Address) -> String {
    words::for_shell(address(wanted).trim_start_matches("build "))
}

/// Every file of what is named.
pub(super) async fn all(address: &Address, session: &mut Session) -> Result<ArtifactsPage, Failure> {
    if let Some(words) = left::unknown_to(&session.hello) {
        return Err(Refusal::new(RefusalCode::Unsupported, words).into());
    }
    let mut page = window(address, 0, session).await?;
    while (page.artifacts.len() as u64) < page.total {
        let next = window(address, page.artifacts.len() as u64, session).await?;
        if next.artifacts.is_empty() {
            break;
        }
        page.artifacts.extend(next.artifacts);
    }
    Ok(page)
}

async fn window(address: &Address, offset: u64, session: &mut Session) -> Result<ArtifactsPage, Failure> {
    let (job, attempt) = (address.job.clone(), address.attempt);
    let request = Request::Artifacts { number: address.build, job, attempt, offset, limit: PAGE };
    match session.ask(request).await? {
        Response::Artifacts { artifacts } => Ok(artifacts),
        _ => Err(strange()),
    }
}

fn list(args: &Args, page: &ArtifactsPage, session: &Session, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        return output.json(page);
    }
    let of = address(&args.address);
    if page.artifacts.is_empty() {
        output.line(format!("{of} left no files: {}", left::HOW))?;
    } else {
        let bytes = page.artifacts.iter().map(|file| file.bytes).sum();
        output.line(format!("{of}  {}", left::counts(page.artifacts.len() as u64, bytes)))?;
        table(page, session, output)?;
    }
    for trouble in &page.troubles {
        output.line(format!("  {trouble}"))?;
    }
    if output.terminal && page.artifacts.iter().any(|file| file.removed_at.is_none()) {
        let patterns: String = args.files.iter().map(|text| format!(" {}", words::for_shell(text))).collect();
        output.line(format!("get them: windlass artifacts {}{patterns} -o DIR", in_shell(&args.address)))?;
    }
    Ok(())
}

/// The path comes last, whole: whatever is in it, it is the rest of its line.
fn table(page: &ArtifactsPage, session: &Session, output: &mut Output) -> Result<(), Failure> {
    const WIDEST: usize = 32;
    let jobs: Vec<SafeLine> = page.artifacts.iter().map(|file| label(left::whose(file)).fitted(WIDEST)).collect();
    let width = jobs.iter().map(SafeLine::width).max().unwrap_or(0).max("job".len());
    if output.terminal {
        output.line(format!("  {:>8}  {:12}  {:width$}  path", "size", "sha256", "job"))?;
    }
    for (file, job) in page.artifacts.iter().zip(jobs) {
        let pad = " ".repeat(width.saturating_sub(job.width()));
        let removed = file.removed_at.map(|at| format!("  (removed {})", words::age(at, session.now())));
        let sum = file.sha256.get(..12).unwrap_or(&file.sha256);
        let size = words::bytes(file.bytes);
        output.line(format!("  {size:>8}  {sum:12}  {job}{pad}  {}{}", file.path, removed.unwrap_or_default()))?;
    }
    Ok(())
}

/// The one file that is meant, to standard output.
async fn print(args: &Args, page: &ArtifactsPage, session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let usage = |words: String| Err(Failure::Usage(words));
    let [file] = page.artifacts.as_slice() else {
        return usage(format!("{} match, and standard output takes one", left_counts(page)));
    };
    if output.json {
        return usage("a file has no JSON form: it is bytes".to_owned());
    }
    if output.terminal {
        return usage(
            "the bytes of a file may do anything to a terminal: write them into a pipe, or -o DIR".to_owned(),
        );
    }
    if let Some(words) = removed(file, session) {
        return Err(Refusal::new(RefusalCode::NotFound, format!("{} {words}", file.path)).into());
    }
    let mut coming = Coming::new(1, file.bytes);
    coming.begin(&file.path);
    let mut have = 0;
    let mut take = |bytes: &[u8]| {
        have += bytes.len() as u64;
        coming.have(have);
        output.raw(bytes).map_err(|failure| failure.words().unwrap_or_else(|| ENOUGH.to_owned()))
    };
    let came = fetch::read(args.address.build, file, &mut session.line(), &mut take).await;
    drop(coming);
    output.flush()?;
    came.map_err(|fault| match fault {
        Fault::Here(words) if words == ENOUGH => Failure::Output(std::io::ErrorKind::BrokenPipe.into()),
        Fault::Left(words) => Refusal::new(RefusalCode::NotFound, words).into(),
        fault => failure(&file.path, fault),
    })
}

/// Whoever reads our output has seen enough.
const ENOUGH: &str = "";

fn left_counts(page: &ArtifactsPage) -> String {
    words::plural(page.artifacts.len() as u64, "file")
}

fn removed(file: &ArtifactView, session: &Session) -> Option<String> {
    file.removed_at.map(|at| format!("was removed {} to make room", words::age(at, session.now())))
}

/// What became of each file.
#[derive(Debug, Default, Serialize)]
struct Done<'a> {
    saved: Vec<Written<'a>>,
    left_out: Vec<LeftOut<'a>>,
}

#[derive(Debug, Serialize)]
struct Written<'a> {
    path: &'a str,
    job: &'a str,
    attempt: u32,
    file: String,
    bytes: u64,
    sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct LeftOut<'a> {
    path: &'a str,
    job: &'a str,
    attempt: u32,
    reason: String,
}

async fn save(
    args: &Args,
    page: &ArtifactsPage,
    path: PathBuf,
    session: &mut Session,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let folder = Folder::open(&path).map_err(Failure::Ours)?;
    let taken = if args.force { Taken::WriteOver } else { Taken::Refuse };
    let files: Vec<&ArtifactView> = page.artifacts.iter().collect();
    let size = files.iter().filter(|file| file.removed_at.is_none()).map(|file| file.bytes).sum();
    let mut coming = Coming::new(files.len(), size);
    let (mut done, mut exit) = (Done::default(), Exit::Ok);
    for (file, place) in files.iter().zip(places(&files)) {
        coming.begin(&file.path);
        let saved = match (removed(file, session), place) {
            (Some(words), _) => Err(Fault::Left(format!("it {words}"))),
            (None, Err(why)) => Err(Fault::Left(why.to_owned())),
            (None, Ok(parts)) => {
                let mut progress = |have| coming.have(have);
                let line = &mut session.line();
                fetch::save(args.address.build, file, (&folder, &parts), taken, line, &mut progress).await
            }
        };
        coming.end(file.bytes);
        let ArtifactView { path, job, attempt, bytes, sha256, .. } = *file;
        match saved {
            Ok(saved) => {
                let (Saved::Now(place) | Saved::Before(place)) = &saved;
                let before = if matches!(saved, Saved::Before(_)) { "  (was there)" } else { "" };
                let place = place.to_string_lossy().into_owned();
                if !output.json {
                    output.line(format!("{:>8}  {place}{before}", words::bytes(*bytes)))?;
                    output.flush()?;
                }
                done.saved.push(Written { path, job, attempt: *attempt, file: place, bytes: *bytes, sha256 });
            }
            Err(fault @ (Fault::Left(_) | Fault::Damaged(_))) => {
                let damaged = matches!(fault, Fault::Damaged(_));
                exit = if damaged || exit == Exit::Ours { Exit::Ours } else { Exit::NotPassed };
                let reason = fault.to_string();
                let hint = if reason == fetch::EXISTS { ": --force writes over it" } else { "" };
                let words = format!("windlass: {path} of {} is left out: {reason}{hint}", left::whose(file));
                let _ = writeln!(std::io::stderr(), "{}", label(words));
                done.left_out.push(LeftOut { path, job, attempt: *attempt, reason });
            }
            Err(fault) => return Err(failure(path, fault)),
        }
    }
    drop(coming);
    if output.json {
        output.json(&done)?;
    } else if std::io::stderr().is_terminal() || !done.left_out.is_empty() {
        let bytes = done.saved.iter().map(|saved| saved.bytes).sum();
        let out = done.left_out.len() as u64;
        let out = if out > 0 { format!(", {} left out", words::count(out)) } else { String::new() };
        let words = format!("{} in {}{out}", left::counts(done.saved.len() as u64, bytes), path.display());
        output.line(words)?;
    }
    Ok(exit)
}

fn failure(path: &str, fault: Fault) -> Failure {
    match fault {
        Fault::Unreachable(words) => Failure::Unreachable(words),
        Fault::Refused(refusal) => refusal.into(),
        Fault::Here(words) => Failure::Ours(words),
        fault @ (Fault::Left(_) | Fault::Damaged(_)) => Failure::Ours(format!("{path}: {fault}")),
    }
}
