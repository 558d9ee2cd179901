//! The scriptable commands, one file each. Here: what they share, the command line's shape and the way out. Must not know
//! the terminal client's state or screens.

mod annotations;
mod artifacts;
mod builds;
mod cancel;
mod cases;
mod coming;
mod complete;
mod deliveries;
mod lint;
mod logs;
mod man;
mod nodes;
mod output;
mod pause;
mod queue;
mod redraw;
mod repositories;
mod retry;
mod session;
mod show;
mod sieve;
mod tree;
mod watch;
mod watch_live;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::app;
use crate::config::Config;
use crate::exit::{self, Exit, Failure};
use crate::link::target::{Target, Wishes};
use crate::plain;
use crate::recording::Recorder;
use crate::replay;
use crate::safe_text::{Sgr, label, log_line};
use crate::screens;
use crate::theme::{Palette, Theme};
use output::Output;
use session::Session;

/// Browse and follow builds, cancel and retry them, from the keyboard. Without a command: the terminal client.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, after_help = format!("{EXAMPLES}\n\n{}\n\n{CONFIGURATION}", exit::HELP))]
pub(crate) struct Cli {
    #[command(flatten)]
    shared: Shared,
    /// Nothing moves on the screen by itself: running times stand still until something happens.
    #[arg(long)]
    no_animation: bool,
    /// Leaves the mouse to the terminal, so that its own selection works.
    #[arg(long)]
    no_mouse: bool,
    /// Draws with ASCII only, for terminals without UTF-8. Default: as the locale says (LC_ALL, LC_CTYPE, LANG).
    #[arg(long)]
    ascii: bool,
    /// Begins as for the first time, not where you were when you left.
    #[arg(long)]
    fresh: bool,
    /// Writes what comes from the daemon and from the keyboard into this new file (at most 64 MB), for a bug report. The
    /// token is not in it; names, what is typed and the logs that are looked at are.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Shows what a recording shows, without a daemon. Space stops it, q leaves.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// So many times as fast as it was.
    #[arg(long, value_name = "N", requires = "replay", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Prints the last frame of the recording as text, and nothing else.
    #[arg(long, requires = "replay")]
    dump: bool,
    /// Without a screen: a line for each change, and commands in words, the same as the palette's. For screen readers; also
    /// what TERM=dumb gets.
    #[arg(long)]
    plain: bool,
    /// The colours of the terminal client. Default: `theme` of client.toml, else dark.
    #[arg(long, value_enum, value_name = "NAME")]
    theme: Option<Palette>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Shared {
    /// Where windlassd listens: unix:PATH, ws://HOST:PORT or wss://HOST:PORT. Default: `connect` of client.toml, else the
    /// socket in this user's data folder.
    #[arg(long, global = true, env = "WINDLASS_CONNECT", value_name = "ADDRESS", hide_env_values = true)]
    connect: Option<String>,
    /// A daemon by its name under `profiles` in client.toml.
    #[arg(long, global = true, env = "WINDLASS_PROFILE", value_name = "NAME", hide_env_values = true)]
    profile: Option<String>,
    /// A file that holds the token for a daemon behind TCP; WINDLASS_TOKEN may hold the token itself.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// PEM certificates to trust for wss:// in addition to the usual ones.
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Prints JSON as the daemon says it, instead of text for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lint(lint::Args),
    Completions(complete::Args),
    Complete(complete::AskArgs),
    Man(man::Args),
    #[command(flatten)]
    Asking(Asking),
}

/// Commands that ask a daemon.
#[derive(Debug, Subcommand)]
enum Asking {
    Builds(builds::Args),
    Show(show::Args),
    Logs(logs::Args),
    Watch(watch::Args),
    Retry(retry::Args),
    Cancel(cancel::Args),
    Queue(queue::Args),
    Pause(pause::Args),
    Resume(pause::ResumeArgs),
    Deliveries(deliveries::Args),
    Repositories(repositories::Args),
    Nodes(nodes::Args),
    Tests(cases::Args),
    Annotations(annotations::Args),
    Artifacts(artifacts::Args),
}

const EXAMPLES: &str = "\
Examples:
  windlass                          the terminal client
  windlass builds --branch main     the newest builds of a branch
  windlass show 42                  what happened to build 42, and what to do
  windlass logs -f 42/test          follow the log of a job
  windlass watch 42 && deploy       wait for a build; the exit code tells its outcome

An ADDRESS is a build, a job or an attempt: 42, 42/test, 42/test#2.";

const CONFIGURATION: &str = "\
Configuration, in client.toml in the configuration folder (~/.config/windlass on Linux):
  connect, token_file, ca   the usual daemon; the same under [profiles.NAME] for others, chosen with --profile NAME
  theme = \"light\"           dark, light, high-contrast or colour-blind
  [keys]                    other keys: copy = \"c\", page-down = [\"PgDn\", \"F7\"]; [keys.in-log] is for logs alone, and so
                            are in-lists, in-build, in-graph, in-tests, in-artifacts, in-prompt, in-question, in-help. The
                            palette (:) shows the names
  [notify]                  of builds that are watched (w): bell = false, desktop = false
  [tones]                   any of them otherwise: warn = \"bold magenta\", hit = \"black on 214\"";

/// Runs the command line and tells how it ended.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help to stdout, faults to stderr; nobody is left to tell if that fails.
            if !error.use_stderr() {
                let _ = error.print();
                return Exit::Ok;
            }
            let _ = std::io::stderr().write_all(usage(&error).as_bytes());
            return Exit::Usage;
        }
    };
    let json = cli.shared.json;
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            if json {
                if let Some(error) = failure.json() {
                    let _ = writeln!(std::io::stderr(), "{error}");
                }
            } else if let Some(words) = failure.words() {
                let _ = writeln!(std::io::stderr(), "windlass: {words}");
            }
            failure.exit()
        }
    }
}

/// What is wrong with the command line. It says what was given, and that may be a branch or a job of somebody else's.
fn usage(error: &clap::Error) -> String {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let words = error.render();
    match std::io::stderr().is_terminal() && !no_colour {
        true => {
            let mut style = Sgr::default();
            let words = words.ansi().to_string();
            words.lines().map(|line| log_line(line.as_bytes(), &mut style).to_ansi() + "\n").collect()
        }
        false => words.to_string().lines().map(|line| format!("{}\n", label(line))).collect(),
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let Cli { shared, no_animation, no_mouse, fresh, record, replay, speed, dump, ascii, plain, theme, command } = cli;
    let config = Config::read().map_err(Failure::Usage)?;
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let theme = match no_colour {
        true => Theme::plain(),
        false => Theme::new(theme.unwrap_or(config.theme)).with(&config.tones),
    };
    let theme = theme.in_ascii(ascii || screens::ascii::wanted(|name| std::env::var(name).ok()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Ours(format!("cannot start: {error}")))?;
    if let (Some(path), None) = (&replay, &command) {
        if dump {
            std::io::stdout().write_all(replay::dump(path, theme)?.as_bytes())?;
            return Ok(Exit::Ok);
        }
        on_a_terminal()?;
        return runtime.block_on(replay::run(path, speed, theme, !no_mouse));
    }
    let wishes = Wishes {
        connect: shared.connect,
        token: std::env::var("WINDLASS_TOKEN").ok().filter(|token| !token.is_empty()),
        token_file: shared.token_file,
        ca: shared.ca,
    };
    let daemon = config.daemon(shared.profile.as_deref()).map_err(Failure::Usage)?;
    let target = Target::choose(wishes, daemon).map_err(Failure::Usage)?;
    let Some(command) = command else {
        let plain = plain || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if !plain {
            on_a_terminal()?;
        }
        let recorder = record.as_deref().map(Recorder::create).transpose().map_err(Failure::Usage)?;
        let (animation, mouse, profile) = (!(no_animation || plain), !no_mouse, shared.profile);
        let options = app::Options { theme, animation, mouse, fresh, config, profile };
        return match plain {
            true => runtime.block_on(plain::run(target, options, recorder)),
            false => runtime.block_on(app::run(target, options, recorder)),
        };
    };
    let mut output = Output::new(shared.json);
    let command = match command {
        Command::Lint(args) => return lint::run(&args, &mut output),
        Command::Completions(args) => return complete::script(&args, &mut output),
        Command::Man(args) => return man::run(&args, &Cli::command(), &mut output),
        Command::Complete(args) => {
            return runtime.block_on(complete::answer(&args, &Cli::command(), &target, &mut output));
        }
        Command::Asking(command) => command,
    };
    runtime.block_on(async {
        let interrupted = async {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Failure::Interrupted,
                Err(error) => Failure::Ours(format!("cannot listen for Ctrl-C: {error}")),
            }
        };
        tokio::select! {
            failure = interrupted => Err(failure),
            result = carry_out(command, &target, &mut output) => result,
        }
    })
}

fn on_a_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    let words = "the terminal client needs a terminal, and standard input or output is none\n\
                 for scripts there are commands: windlass builds, show, logs, watch (see windlass --help)";
    Err(Failure::Usage(words.to_owned()))
}

fn speed(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.01..=10_000.0).contains(number));
    number.ok_or_else(|| "write a number from 0.01 to 10000".to_owned())
}

async fn carry_out(command: Asking, target: &Target, output: &mut Output) -> Result<Exit, Failure> {
    let mut session = Session::open(target).await?;
    let exit = match command {
        Asking::Builds(args) => builds::run(args, &mut session, output).await,
        Asking::Show(args) => show::run(args, &mut session, output).await,
        Asking::Logs(args) => logs::run(args, &mut session, output).await,
        Asking::Watch(args) => watch::run(args, &mut session, output).await,
        Asking::Retry(args) => retry::run(args, &mut session, output).await,
        Asking::Cancel(args) => cancel::run(args, &mut session, output).await,
        Asking::Queue(args) => queue::run(args, &mut session, output).await,
        Asking::Pause(args) => pause::run(args, &mut session, output).await,
        Asking::Resume(args) => pause::resume(args, &mut session, output).await,
        Asking::Deliveries(args) => deliveries::run(args, &mut session, output).await,
        Asking::Repositories(args) => repositories::run(args, &mut session, output).await,
        Asking::Nodes(args) => nodes::run(args, &mut session, output).await,
        Asking::Tests(args) => cases::run(args, &mut session, output).await,
        Asking::Annotations(args) => annotations::run(args, &mut session, output).await,
        Asking::Artifacts(args) => artifacts::run(args, &mut session, output).await,
    }?;
    output.flush()?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lists_every_exit_code_as_documented() {
        let help = Cli::command().render_help().to_string();
        for exit in Exit::ALL {
            let line = format!("{:5}  ", exit as u8);
            assert!(help.contains(&line), "{exit:?} is not documented");
        }
    }

    #[test]
    fn every_command_teaches_by_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  windlass "), "{} shows no example", command.get_name());
        }
    }
}
