//! `windlassd doctor`: what is wrong, and what becomes of it.

use std::process::ExitCode;

use clap::Args;

use super::ConfigArgs;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    args.config.load()?;
    Ok(ExitCode::SUCCESS)
}
