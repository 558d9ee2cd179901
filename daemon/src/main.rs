//! `windlassd`: the daemon, and inside of containers the runner. Reads the command line, runs, and turns errors into the
//! documented exit codes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use windlass_daemon::config::{self, Config, ConfigError, Overrides};
use windlass_daemon::daemon::{Daemon, StartError, raise_open_files};
use windlass_daemon::engine::EngineError;
use windlass_daemon::error_chain::chain;
#[cfg(debug_assertions)]
use windlass_daemon::failpoint::{POINTS, Point};
use windlass_daemon::secret::{random_token, sha256_hex};
use windlass_daemon::store::{Role, Store, StoreError};
use windlass_daemon::{clock, demo};

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

Start with `windlassd demo`, then write a configuration: `windlassd check --print-default` shows every key.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or Ctrl-C; jobs go on in their containers and are taken up at the next start
    Serve(ConfigArgs),
    /// Read the configuration and say what is wrong with it, without starting anything
    Check(CheckArgs),
    /// Show what Windlass does: a daemon on free ports, a sample repository, signed webhooks, builds to watch
    Demo(demo::Arguments),
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

#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file [default: windlassd.toml in the platform's configuration folder, if it is there]
    #[arg(long, value_name = "FILE", env = "WINDLASS_CONFIG")]
    config: Option<PathBuf>,
    /// Where database, logs and job folders live, instead of `data_dir`
    #[arg(long, value_name = "DIR", env = "WINDLASS_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address for webhooks and pages, instead of `public.listen`
    #[arg(long, value_name = "ADDRESS", env = "WINDLASS_PUBLIC_LISTEN")]
    public_listen: Option<String>,
    /// Database, instead of `database.url`
    #[arg(long, value_name = "URL", env = "WINDLASS_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// auto, docker or local, instead of `engine.kind`
    #[arg(long, value_name = "KIND", env = "WINDLASS_ENGINE")]
    engine: Option<String>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the commented default configuration and end
    #[arg(long)]
    print_default: bool,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it, this once: only its hash is kept
    Create {
        name: String,
        #[arg(long)]
        role: RoleName,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List names and roles
    List {
        /// One JSON list
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Make a token worthless from now on
    Revoke {
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    /// May look
    Viewer,
    /// May also cancel and retry
    Operator,
    /// May do everything
    Admin,
}

impl ConfigArgs {
    fn load(self) -> Result<Config, ConfigError> {
        config::load(&Overrides {
            config: self.config,
            data_dir: self.data_dir,
            public_listen: self.public_listen,
            database_url: self.database_url,
            engine: self.engine,
        })
    }
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
            report(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => {
            start_logging("info");
            raise_open_files();
            let config = args.load()?;
            let runtime = runtime()?;
            let code = runtime.block_on(serve(config));
            // Blocking work, a search in a large log say, must not keep the process: dropping would wait for its end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            code
        }
        Command::Check(args) if args.print_default => {
            print(config::DEFAULT_FILE.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => {
            let config = args.config.load()?;
            print(&check_report(&config));
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(args) => {
            let runtime = runtime()?;
            let code = runtime.block_on(demo::run(args));
            runtime.shutdown_background();
            Ok(ExitCode::from(code?))
        }
        Command::Token(command) => runtime()?.block_on(token(command)),
        Command::Runner => Ok(windlass_daemon::runner::main()),
        #[cfg(debug_assertions)]
        Command::FailPoints => {
            let line = |Point { name, on, after }: &Point| format!("{name}\t{}\t{after}\n", on.word());
            print(POINTS.iter().map(line).collect::<String>().trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// The daemon's own log goes to standard error; `WINDLASS_LOG` filters it as `RUST_LOG` does elsewhere.
fn start_logging(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WINDLASS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("warn,windlass_daemon={default}")));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    warn_about(&config);
    let daemon = Daemon::start(config).await?;
    if let Some(note) = &daemon.note {
        tracing::warn!("{note}");
    }
    let code = tokio::select! {
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
        () = daemon.failed() => ExitCode::FAILURE,
    };
    tracing::info!("stopping; jobs that run go on, and are taken up at the next start");
    if !daemon.drain().await {
        tracing::warn!("not everything ended in time");
    }
    Ok(code)
}

/// What works, but hardly as meant.
fn warn_about(config: &Config) {
    if config.webhook_secrets.is_empty() {
        tracing::warn!("github.webhook_secret_files is empty: every webhook will be refused");
    }
    if config.repositories.is_empty() {
        tracing::warn!("no [[repository]] is listed: nothing will build");
    }
}

fn check_report(config: &Config) -> String {
    let file = config.file.as_ref().map_or("no file, only defaults".to_owned(), |file| file.display().to_string());
    let mut lines = vec![
        format!("configuration is right: {file}"),
        format!("  data        {}", config.data_dir.display()),
        format!("  database    {}", config.database.describe()),
        format!(
            "  webhooks    http://{}/webhooks/github, {} secret(s)",
            config.public.listen,
            config.webhook_secrets.len()
        ),
        format!("  control     unix:{}", config.control.socket.display()),
    ];
    for entry in &config.repositories {
        lines.push(format!("  repository  {}", entry.name));
    }
    if config.webhook_secrets.is_empty() {
        lines.push("  note: without webhook_secret_files every webhook is refused".to_owned());
    }
    if config.repositories.is_empty() {
        lines.push("  note: without a [[repository]] nothing builds".to_owned());
    }
    lines.join("\n")
}

async fn token(command: TokenCommand) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Create { name, role, config } => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                anyhow::bail!("a token's name has 1 to 64 letters, digits or -_.@");
            }
            let store = Store::open(&prepared(config.load()?)?.database).await?;
            let token = random_token();
            let role = match role {
                RoleName::Viewer => Role::Viewer,
                RoleName::Operator => Role::Operator,
                RoleName::Admin => Role::Admin,
            };
            store.create_token(&name, role, &sha256_hex(token.as_bytes()), clock::now()).await?;
            print(&token);
            store.close().await;
        }
        TokenCommand::List { json, config } => {
            let store = Store::open(&prepared(config.load()?)?.database).await?;
            let tokens = store.tokens().await?;
            if json {
                let list: Vec<_> = tokens
                    .iter()
                    .map(|token| {
                        serde_json::json!({"name": token.name, "role": token.role.word(), "created_at": token.created_at})
                    })
                    .collect();
                print(&serde_json::to_string_pretty(&list)?);
            } else if tokens.is_empty() {
                print("no tokens: make one with `windlassd token create NAME --role operator`");
            } else {
                for token in tokens {
                    print(&format!("{:<24} {:<9} {}", token.name, token.role.word(), token.created_at));
                }
            }
            store.close().await;
        }
        TokenCommand::Revoke { name, config } => {
            let store = Store::open(&prepared(config.load()?)?.database).await?;
            store.revoke_token(&name).await?;
            store.close().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Token commands may be the first to touch the data folder.
fn prepared(config: Config) -> Result<Config, StartError> {
    std::fs::create_dir_all(&config.data_dir).map_err(|source| StartError::Folder {
        what: format!("data_dir {} cannot be used", config.data_dir.display()),
        source,
    })?;
    Ok(config)
}

#[expect(clippy::print_stdout, reason = "the one place where windlassd answers on standard output")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where a fatal error is told")]
fn report(error: &anyhow::Error) {
    let text = chain(error.as_ref());
    eprintln!("windlassd: {text}");
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<ConfigError>().is_some() {
        return 3;
    }
    match error.downcast_ref::<StartError>() {
        Some(StartError::Folder { .. } | StartError::InUse { .. } | StartError::Logs(_) | StartError::Git(_)) => 4,
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
