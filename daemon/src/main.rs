//! `windlassd`: the daemon, and inside of containers the runner. Reads the command line, runs, and turns errors into the
//! documented exit codes.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use windlass_daemon::backup::Refused;
use windlass_daemon::config::ConfigError;
use windlass_daemon::daemon::StartError;
use windlass_daemon::data_dir::DataDirError;
use windlass_daemon::demo;
use windlass_daemon::engine::EngineError;
use windlass_daemon::error_chain::chain;
#[cfg(debug_assertions)]
use windlass_daemon::failpoint::{POINTS, Point};
use windlass_daemon::store::StoreError;

use commands::backup::BackupArgs;
use commands::check::CheckArgs;
use commands::doctor::DoctorArgs;
use commands::restore::RestoreArgs;
use commands::serve::ServeArgs;
use commands::token::TokenCommand;
use commands::{Interrupted, backup, check, doctor, restore, serve, token};

/// The Windlass daemon: takes signed webhooks and runs the builds they ask for.
#[derive(Debug, Parser)]
#[command(name = "windlassd", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  ended as it should
  1  a fault: the last line on standard error says which
  2  the command line is wrong
  3  the configuration is wrong, or a file that it names
  4  the data folder cannot be used, or another windlassd uses it
  5  an address cannot be listened on
  6  the database cannot be opened
  7  the engine does not answer
  130  interrupted

Start with `windlassd demo`, then write a configuration: `windlassd check --print-default` shows every key.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or Ctrl-C; jobs go on in their containers and are taken up at the next start
    Serve(ServeArgs),
    /// Read the configuration and say what is wrong with it, without starting anything
    Check(CheckArgs),
    /// Show what Windlass does: a daemon on free ports, a sample repository, signed webhooks, builds to watch
    Demo(demo::Arguments),
    /// Look at configuration, database, disk, engine and leftovers, say what is wrong, and mend it if asked to
    Doctor(DoctorArgs),
    /// Copy database and logs into one file, while the daemon works; or check such a file
    Backup(BackupArgs),
    /// Put a backup into an empty data folder
    Restore(RestoreArgs),
    /// Make, list and revoke the tokens that clients need over TCP
    #[command(subcommand)]
    Token(TokenCommand),
    /// The program inside of containers; not for people
    #[command(hide = true)]
    Runner,
    /// The points at which tests end the daemon: name, engine, and the point at which the one before it has to have died
    #[cfg(debug_assertions)]
    #[command(hide = true)]
    FailPoints,
}

fn main() -> ExitCode {
    // Before anything else: inside of a container there is nothing of a command line to speak of.
    if std::env::args_os().nth(1).is_some_and(|word| word == "runner") {
        return windlass_daemon::runner::main();
    }
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            commands::tell(&chain(error.as_ref()));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(args),
        Command::Demo(args) => {
            let runtime = runtime()?;
            let code = runtime.block_on(demo::run(args));
            runtime.shutdown_background();
            Ok(ExitCode::from(code?))
        }
        Command::Doctor(args) => runtime()?.block_on(doctor::run(args)),
        Command::Backup(args) => runtime()?.block_on(backup::run(args)),
        Command::Restore(args) => runtime()?.block_on(restore::run(args)),
        Command::Token(command) => runtime()?.block_on(token::run(command)),
        Command::Runner => Ok(windlass_daemon::runner::main()),
        #[cfg(debug_assertions)]
        Command::FailPoints => {
            let line = |Point { name, on, after }: &Point| format!("{name}\t{}\t{after}\n", on.word());
            commands::print(POINTS.iter().map(line).collect::<String>().trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Interrupted>().is_some() {
        return 130;
    }
    if error.downcast_ref::<ConfigError>().is_some() {
        return 3;
    }
    if error.downcast_ref::<DataDirError>().is_some() {
        return 4;
    }
    match error.downcast_ref::<Refused>() {
        Some(Refused::Data(_)) => return 4,
        Some(Refused::Database(_)) => return 6,
        Some(Refused::File(_)) => return 1,
        None => {}
    }
    match error.downcast_ref::<StartError>() {
        Some(StartError::Data(_) | StartError::Logs(_) | StartError::Artifacts { .. } | StartError::Git(_)) => 4,
        Some(StartError::Listen { .. }) => 5,
        Some(StartError::Store(_)) => 6,
        Some(StartError::Engine(EngineError::Trouble { .. } | EngineError::Gone { .. })) => 7,
        Some(StartError::Tls { .. }) => 3,
        Some(StartError::Engine(_)) => 1,
        // Of `token`: a name that is taken or unknown is not the database's fault.
        None => match error.downcast_ref::<StoreError>() {
            Some(StoreError::Missing { .. } | StoreError::Conflict { .. }) | None => 1,
            Some(_) => 6,
        },
    }
}
