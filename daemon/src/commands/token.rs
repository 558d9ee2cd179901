//! `windlassd token`: makes, lists and revokes what clients need over TCP.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use windlass_daemon::clock;
use windlass_daemon::config::Config;
use windlass_daemon::data_dir::{self, DataDirError};
use windlass_daemon::secret::{random_token, sha256_hex};
use windlass_daemon::store::{Role, Store};

use super::{ConfigArgs, print};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
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
pub(crate) enum RoleName {
    /// May look
    Viewer,
    /// May also cancel and retry
    Operator,
    /// May do everything
    Admin,
}

pub(crate) async fn run(command: TokenCommand) -> anyhow::Result<ExitCode> {
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
fn prepared(config: Config) -> Result<Config, DataDirError> {
    data_dir::make_whole(&config.data_dir)?;
    Ok(config)
}
