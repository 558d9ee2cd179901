//! Completion in shells: the scripts, which only ask, and the answers, made from the command line's own shape and from what
//! the daemon has. Must not know what the commands do.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Arg, Command};
use windlass_protocol::id::Address;
use windlass_protocol::live::{BuildFilter, Request, Response};
use windlass_protocol::view::{BuildView, Outcome};

use super::artifacts;
use super::output::Output;
use super::session::Session;
use crate::exit::{Exit, Failure};
use crate::filter;
use crate::link::target::Target;
use crate::safe_text::label;
use crate::words;

/// Prints a script that makes a shell complete windlass: commands, options, build numbers, job and branch names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass completions bash >> ~/.bashrc
  windlass completions zsh > \"${fpath[1]}/_windlass\"
  windlass completions fish > ~/.config/fish/completions/windlass.fish")]
pub(super) struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Answers a completion script: what may stand where the last of these words stands.
#[derive(Debug, clap::Args)]
#[command(hide = true, after_help = "Examples:\n  windlass complete -- logs 4")]
pub(super) struct AskArgs {
    #[arg(last = true)]
    words: Vec<String>,
}

/// A colon ends a word for bash and not for us: the words are cut from the line, and what bash has already is cut off again.
const BASH: &str = r#"_windlass() {
    local line="${COMP_LINE:0:COMP_POINT}" words word cut answer
    read -ra words <<< "$line"
    [[ "$line" == *' ' ]] && words+=('')
    word="${words[${#words[@]}-1]}"
    cut="${word%"${COMP_WORDS[COMP_CWORD]}"}"
    [[ "${COMP_WORDS[COMP_CWORD]}" == ':' ]] && cut="$word"
    COMPREPLY=()
    while IFS=$'\t' read -r answer _; do
        COMPREPLY+=("${answer#"$cut"}")
    done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _windlass windlass
"#;

const ZSH: &str = r#"#compdef windlass
_windlass() {
    local -a answers
    local answer told
    while IFS=$'\t' read -r answer told; do
        answers+=("${answer//:/\\:}:$told")
    done < <("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#answers} )); then _describe windlass answers; else _files; fi
}
if [[ "${funcstack[1]}" == _windlass ]]; then _windlass "$@"; else compdef _windlass windlass; fi
"#;

const FISH: &str = r#"function __windlass_complete
    set -l words (commandline -opc)
    $words[1] complete -- $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c windlass -a '(__windlass_complete)'
"#;

pub(super) fn script(args: &Args, output: &mut Output) -> Result<Exit, Failure> {
    let script = match args.shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    };
    output.raw(script.as_bytes())?;
    output.flush()?;
    Ok(Exit::Ok)
}

/// What may stand in a place.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// These words, each with what it means.
    Words(Vec<(String, String)>),
    /// A value of this name, of which the daemon has some.
    Live(&'static str),
    /// A file that what is named here left.
    File(Address),
}

/// A completion waits for nobody: a daemon that does not answer by then has nothing to say.
const PATIENCE: Duration = Duration::from_millis(800);

pub(super) async fn answer(
    args: &AskArgs,
    line: &Command,
    target: &Target,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let typed = args.words.last().map_or("", String::as_str);
    let answers = match place(line, &args.words) {
        Place::Words(words) => words,
        Place::Live(name) => match tokio::time::timeout(PATIENCE, newest(target)).await {
            Ok(Ok(builds)) => live(name, typed, &builds),
            Ok(Err(_)) | Err(_) => Vec::new(), // nobody who presses Tab wants to read why
        },
        Place::File(of) => match tokio::time::timeout(PATIENCE, files(&of, target)).await {
            Ok(Ok(files)) => files,
            Ok(Err(_)) | Err(_) => Vec::new(),
        },
    };
    // A shell puts the word on its line as it is: what it would take for more than a word is not offered.
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:#".contains(c));
    for (word, told) in answers.iter().filter(|(word, _)| word.starts_with(typed) && plain(word)) {
        output.raw(format!("{word}\t{}\n", label(told)).as_bytes())?;
    }
    output.flush()?;
    Ok(Exit::Ok)
}

/// What may stand where the last word stands.
fn place(line: &Command, words: &[String]) -> Place {
    let (typed, before) = words.split_last().map_or(("", [].as_slice()), |(last, before)| (last.as_str(), before));
    let mut command = line;
    let mut after: Option<&Arg> = None;
    let mut given: Vec<&str> = Vec::new();
    for word in before {
        if after.take().is_some() {
            continue; // the value of the option before it
        }
        if word.starts_with('-') {
            after = option(line, command, word).filter(|arg| arg.get_action().takes_values());
        } else if let Some(found) = command.find_subcommand(word) {
            command = found;
        } else {
            given.push(word);
        }
    }
    if let Some(arg) = after {
        return value(arg);
    }
    if typed.starts_with('-') {
        let global = line.get_arguments().filter(|arg| arg.is_global_set() && !std::ptr::eq(line, command));
        let all = command.get_arguments().chain(global).filter(|arg| !arg.is_hide_set());
        let named = all.filter_map(|arg| Some((format!("--{}", arg.get_long()?), told(arg.get_help()))));
        return Place::Words(named.collect());
    }
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let commands: Vec<_> = commands.map(|command| (command.get_name().to_owned(), told(command.get_about()))).collect();
    if !commands.is_empty() {
        return Place::Words(commands);
    }
    // The last one may take many words, and is then the place of all that follow.
    let Some(arg) = command.get_positionals().take(given.len() + 1).last() else { return Place::Words(Vec::new()) };
    match given.first().map(|address| address.parse()) {
        Some(Ok(address)) if arg.get_id() == "files" => Place::File(address),
        _ => value(arg),
    }
}

fn option<'a>(line: &'a Command, command: &'a Command, word: &str) -> Option<&'a Arg> {
    let arguments = || command.get_arguments().chain(line.get_arguments());
    match word.strip_prefix("--") {
        Some(long) => arguments().find(|arg| arg.get_long() == Some(long)),
        None => arguments().find(|arg| arg.get_short().is_some_and(|short| word == format!("-{short}"))),
    }
}

fn told(help: Option<&clap::builder::StyledStr>) -> String {
    help.map(ToString::to_string).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

const LIVE: [&str; 5] = ["address", "repo", "branch", "author", "text"];

/// What an argument takes: its own list, or something that the daemon has.
fn value(arg: &Arg) -> Place {
    let listed = arg.get_possible_values();
    if !listed.is_empty() {
        return Place::Words(
            listed.iter().map(|value| (value.get_name().to_owned(), told(value.get_help()))).collect(),
        );
    }
    let words = |words: &[&str]| Place::Words(words.iter().map(|word| ((*word).to_owned(), String::new())).collect());
    match arg.get_id().as_str() {
        "status" => words(&["waiting", "running", "finished"]),
        "outcome" => words(&Outcome::ALL.map(Outcome::word)),
        "event" => words(&["push", "pull_request", "retry"]),
        id => LIVE.into_iter().find(|name| *name == id).map_or(Place::Words(Vec::new()), Place::Live),
    }
}

async fn newest(target: &Target) -> Result<Vec<BuildView>, Failure> {
    let mut session = Session::open(target).await?;
    let request = Request::Builds { filter: BuildFilter::default(), offset: 0, limit: 100 };
    match session.ask(request).await? {
        Response::Builds { builds, .. } => Ok(builds),
        _ => Ok(Vec::new()),
    }
}

async fn files(of: &Address, target: &Target) -> Result<Vec<(String, String)>, Failure> {
    let mut session = Session::open(target).await?;
    let page = artifacts::all(of, &mut session).await?;
    let there = page.artifacts.into_iter().filter(|file| file.removed_at.is_none());
    Ok(there.map(|file| (file.path, words::bytes(file.bytes))).collect())
}

/// Values of a name, of the newest builds.
fn live(name: &str, typed: &str, builds: &[BuildView]) -> Vec<(String, String)> {
    let distinct = |of: &dyn Fn(&BuildView) -> Option<String>, before: &str| {
        let all: BTreeSet<String> = builds.iter().filter_map(of).collect();
        all.into_iter().map(|value| (format!("{before}{value}"), String::new())).collect::<Vec<_>>()
    };
    let repository = |view: &BuildView| Some(view.build.repository.clone());
    let branch = |view: &BuildView| view.build.branch.clone();
    let author = |view: &BuildView| Some(view.build.author.clone());
    match (name, typed.split_once(':')) {
        ("repo", _) => distinct(&repository, ""),
        ("branch", _) => distinct(&branch, ""),
        ("author", _) => distinct(&author, ""),
        ("text", Some(("repo", _))) => distinct(&repository, "repo:"),
        ("text", Some(("branch", _))) => distinct(&branch, "branch:"),
        ("text", Some(("author", _))) => distinct(&author, "author:"),
        ("text", Some(("status", _))) => {
            let words = ["waiting", "running", "finished"].into_iter().chain(Outcome::ALL.map(Outcome::word));
            words.map(|word| (format!("status:{word}"), String::new())).collect()
        }
        ("text", _) => filter::NAMES.iter().map(|name| ((*name).to_owned(), String::new())).collect(),
        // Job names come once the build is typed.
        _ => match typed.split_once('/') {
            Some((number, _)) => {
                let view = builds.iter().find(|view| view.build.number.to_string() == number);
                let jobs = view.iter().flat_map(|view| &view.jobs);
                jobs.map(|job| (format!("{number}/{}", job.name), String::new())).collect()
            }
            None => builds.iter().map(|view| (view.build.number.to_string(), about(view))).collect(),
        },
    }
}

fn about(view: &BuildView) -> String {
    let build = &view.build;
    format!("{} {} {}", build.repository, words::branch_of(build), build.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_place_tells_what_may_stand_there() {
        let line = <crate::commands::Cli as clap::CommandFactory>::command();
        let table = [
            ("logs ", Place::Live("address")),
            ("logs -f ", Place::Live("address")),
            ("--connect unix:x logs -f 4", Place::Live("address")),
            ("builds --branch m", Place::Live("branch")),
            ("builds x", Place::Live("text")),
            ("builds --limit ", Place::Words(Vec::new())),
            ("artifacts ", Place::Live("address")),
            ("artifacts 42/test ", Place::File("42/test".parse().expect("an address"))),
            ("artifacts 42 -o out --force a ", Place::File("42".parse().expect("an address"))),
            ("artifacts zz ", Place::Words(Vec::new())),
            ("logs 42 ", Place::Live("address")),
        ];
        for (typed, expected) in table {
            assert_eq!(place(&line, &words(typed)), expected, "{typed:?}");
        }
        let has = |typed: &str, word: &str| match place(&line, &words(typed)) {
            Place::Words(all) => all.iter().any(|(known, _)| known == word),
            Place::Live(_) | Place::File(_) => false,
        };
        assert!(has("lo", "logs") && has("", "builds") && !has("", "complete"));
        assert!(has("logs --", "--since-step") && has("logs --", "--connect") && !has("logs --", "--branch"));
        assert!(has("builds --outcome ", "timed_out") && has("--theme ", "colour-blind"));
    }
}
