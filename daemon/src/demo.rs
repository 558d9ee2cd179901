//! `windlassd demo`
use std::path::PathBuf;
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
}
pub async fn run(_args: Arguments) -> anyhow::Result<u8> {
    Ok(0)
}
