//! `windlassd check`: reads the configuration and says what is wrong with it. Must not start anything.

use std::process::ExitCode;

use clap::Args;
use windlass_daemon::config::{self, Config};

use super::{ConfigArgs, print};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the commented default configuration and end
    #[arg(long)]
    print_default: bool,
}

pub(crate) fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    if args.print_default {
        print(config::DEFAULT_FILE.trim_end());
    } else {
        print(&check_report(&args.config.load()?));
    }
    Ok(ExitCode::SUCCESS)
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
