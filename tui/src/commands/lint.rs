//! `windlass lint`: reads a `.windlass.yml` as the daemon would and says everything that is wrong with it. Asks no daemon.
//! The only place of this crate that knows the daemon's library, and only its spec parser.

use std::io::Read as _;
use std::path::PathBuf;

use windlass_daemon::spec;

use super::output::Output;
use crate::exit::{Exit, Failure};

/// Checks a .windlass.yml: every problem with line, column and a hint. Exit code 1 when there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass lint
  windlass lint ci/other.yml
  git show main:.windlass.yml | windlass lint -")]
pub(super) struct Args {
    /// The file; - reads standard input.
    #[arg(default_value = spec::FILE)]
    file: PathBuf,
    /// For repositories whose jobs run on the local engine: a job needs no image.
    #[arg(long)]
    local: bool,
}

pub(super) fn run(args: &Args, output: &mut Output) -> Result<Exit, Failure> {
    let name = if args.file.as_os_str() == "-" { "standard input".to_owned() } else { args.file.display().to_string() };
    let text = read(&args.file).map_err(|error| Failure::Usage(format!("{name} cannot be read: {error}")))?;
    let options = spec::Options { image_required: !args.local, ..spec::Options::default() };
    let parsed = spec::parse(&name, &text, &options);
    let exit = if parsed.is_ok() { Exit::Ok } else { Exit::NotPassed };
    match parsed {
        Ok(_) if output.json => output.json(&[(); 0])?,
        Ok(spec) => {
            let jobs: Vec<&str> = spec.jobs.iter().map(|job| job.name.as_str()).collect();
            output.line(format!("{name} is right: {}", jobs.join(", ")))?;
        }
        Err(problems) if output.json => output.json(&problems)?,
        Err(problems) => {
            for problem in &problems {
                for line in problem.to_string().lines() {
                    output.line(line)?;
                }
            }
        }
    }
    output.flush()?;
    Ok(exit)
}

/// One byte more than a spec may have: enough to be told that it is too long.
fn read(file: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let limit = spec::MOST_BYTES as u64 + 1;
    let mut text = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(limit).read_to_end(&mut text)?;
    }
    Ok(text)
}
