//! `tests/run chaos`: kills the real daemon again and again under load, then checks that nothing was lost, doubled or left
//! behind. Must not know how that is checked.

use std::process::ExitCode;

use windlass_tests::chaos::{self, Engine, Options};

const USAGE: &str = "\
usage: tests/run chaos [--kills N] [--seed N] [--engine local|docker] [--every-point]

Runs the real daemon under a stream of deliveries, orders and following clients, kills it N times (100) at random moments
and at some of its fail points, and holds what it has in the end against what is known from outside. Ends with 1 and the list of
what is wrong. --every-point goes on until every fail point of the engine has fired.";

fn main() -> ExitCode {
    let options = match read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            say(&format!("chaos: {wrong}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    say(&format!("seed {}", options.seed));
    let report = chaos::run(&options, &say);
    for violation in &report.violations {
        say(&format!("  {violation}"));
    }
    let verdict = if report.violations.is_empty() { "passed" } else { "FAILED" };
    say(&format!("chaos {verdict}: seed {}: {}", options.seed, report.summary()));
    if let Some(kept) = &report.kept {
        say(&format!("what the daemon printed, and its database, are in {}", kept.display()));
    }
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `None`: help is wanted.
fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let (mut engine, mut kills, mut seed, mut every_point) = (Engine::Local, 100, u64::from(std::process::id()), false);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--kills" => kills = number(&value()?)?,
            "--seed" => seed = number(&value()?)?,
            "--engine" => {
                engine = match value()?.as_str() {
                    "local" => Engine::Local,
                    "docker" => Engine::Docker,
                    other => return Err(format!("{other:?} is no engine: local or docker")),
                }
            }
            "--every-point" => every_point = true,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(Some(Options { every_point, ..Options::new(engine, kills, seed) }))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

#[expect(clippy::print_stdout, reason = "a command answers on standard output")]
fn say(text: &str) {
    println!("{text}");
}
