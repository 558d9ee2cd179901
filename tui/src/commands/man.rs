//! Manual pages, made from the command line's own shape, so that they cannot say anything else than `--help` does. Must not
//! know what the commands do.

use std::fmt::Write;

use clap::{Arg, Command};

use super::output::Output;
use crate::exit::{Exit, Failure};

/// Prints the manual page of windlass, or of one of its commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass man | man -l -
  windlass man logs > windlass-logs.1")]
pub(super) struct Args {
    /// A command of windlass.
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn run(args: &Args, line: &Command, output: &mut Output) -> Result<Exit, Failure> {
    let page = match &args.command {
        None => page(line, None),
        Some(name) => {
            let found = line.find_subcommand(name).filter(|command| !command.is_hide_set());
            page(found.ok_or_else(|| Failure::Usage(format!("windlass has no command {name}")))?, Some(line))
        }
    };
    output.raw(page.as_bytes())?;
    output.flush()?;
    Ok(Exit::Ok)
}

/// A page in the language of man(7). `of`: the whole, when the page is about a command of it.
fn page(command: &Command, of: Option<&Command>) -> String {
    let name = command.get_name();
    let full = of.map_or_else(|| name.to_owned(), |whole| format!("{} {name}", whole.get_name()));
    let version = of.unwrap_or(command).get_version().unwrap_or_default();
    let mut out = format!(
        ".TH \"{}\" 1 \"\" \"windlass {}\"\n.SH NAME\n",
        plain(&full.replace(' ', "-").to_uppercase()),
        plain(version)
    );
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(out, "{} \\- {}", plain(&full.replace(' ', "-")), plain(about.lines().next().unwrap_or_default()));
    let _ = writeln!(out, ".SH SYNOPSIS\n.B {}", plain(&full));
    let positionals: Vec<&Arg> = command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    let subcommands: Vec<&Command> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let mut synopsis = vec!["[OPTIONS]".to_owned()];
    synopsis.extend(positionals.iter().map(|arg| {
        let name = values(arg);
        let dots = if arg.get_action().takes_values() && arg.get_num_args().is_some_and(|n| n.max_values() > 1) {
            "..."
        } else {
            ""
        };
        if arg.is_required_set() { format!("{name}{dots}") } else { format!("[{name}]{dots}") }
    }));
    if !subcommands.is_empty() {
        synopsis.push("[COMMAND]".to_owned());
    }
    let _ = writeln!(out, "{}\n.SH DESCRIPTION\n{}", plain(&synopsis.join(" ")), plain(&about));
    if !positionals.is_empty() {
        out.push_str(".SH ARGUMENTS\n");
        positionals.iter().for_each(|arg| item(&values(arg), arg, &mut out));
    }
    let global = of.into_iter().flat_map(Command::get_arguments).filter(|arg| arg.is_global_set());
    let options: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional())
        .chain(global)
        .filter(|arg| !arg.is_hide_set())
        .collect();
    if !options.is_empty() {
        out.push_str(".SH OPTIONS\n");
        options.iter().for_each(|arg| item(&flags(arg), arg, &mut out));
    }
    if !subcommands.is_empty() {
        out.push_str(".SH COMMANDS\n");
        for command in subcommands {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(out, ".TP\n.B {}\n{}", plain(command.get_name()), plain(&about));
        }
    }
    sections(&command.get_after_help().map(ToString::to_string).unwrap_or_default(), &mut out);
    out
}

/// `Examples:` and what is indented below it become a section, as they stand.
fn sections(text: &str, out: &mut String) {
    let mut inside = false;
    for line in text.lines() {
        let title = line.split(':').next().filter(|_| !line.starts_with(' ') && line.contains(':'));
        if let Some(title) = title {
            if inside {
                out.push_str(".fi\n");
            }
            let rest = line[title.len() + 1..].trim_start_matches(',').trim();
            let _ = writeln!(out, ".SH {}\n.nf", plain(&title.to_uppercase()));
            if !rest.is_empty() {
                let _ = writeln!(out, "{}", plain(rest));
            }
            inside = true;
        } else if inside {
            let _ = writeln!(out, "{}", plain(line));
        } else if !line.is_empty() {
            let _ = writeln!(out, ".PP\n{}", plain(line));
        }
    }
    if inside {
        out.push_str(".fi\n");
    }
}

fn item(head: &str, arg: &Arg, out: &mut String) {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(out, ".TP\n.B {}\n{}", plain(head), plain(&help));
    let listed: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !listed.is_empty() && arg.get_action().takes_values() {
        let _ = writeln!(out, ".br\nOne of {}.", plain(&listed.join(", ")));
    }
    if let Some(name) = arg.get_env() {
        let _ = writeln!(out, ".br\nFrom the environment: {}.", plain(&name.to_string_lossy()));
    }
}

fn flags(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    if arg.get_action().takes_values() { format!("{names} {}", values(arg)) } else { names }
}

fn values(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() { arg.get_id().as_str().to_uppercase() } else { names.join(" ") }
}

/// Text that man(7) takes for nothing else.
fn plain(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let line = |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() };
    escaped.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_text_is_taken_for_a_request() {
        assert_eq!(plain(".SH x\n'a\\b --c"), "\\&.SH x\n\\&'a\\eb \\-\\-c");
    }

    #[test]
    fn every_option_and_command_has_its_place() {
        let line = <crate::commands::Cli as clap::CommandFactory>::command();
        let whole = page(&line, None);
        for command in line.get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(whole.contains(&format!(".B {}\n", plain(command.get_name()))), "{}", command.get_name());
            let own = page(command, Some(&line));
            assert!(own.contains(".SH EXAMPLES\n.nf\n") && own.contains(&plain("--connect")), "{own}");
            for arg in command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()) {
                assert!(own.contains(&plain(&flags(arg))), "{own}");
            }
        }
        assert!(whole.contains(".SH EXIT CODES\n"), "{whole}");
    }
}
