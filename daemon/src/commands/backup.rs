//! `windlassd backup`: everything in one file, verified; or a file looked at.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Args;
use windlass_daemon::backup::{self, Manifest};

use super::{ConfigArgs, Interrupted, Progress, print, size, watch_interrupts};

#[derive(Debug, Args)]
#[command(after_help = "\
It holds a consistent copy of the database and the logs and artifacts of all attempts that were finished in it, each file with its
SHA-256. Not in it: logs that are being written, mirrors (fetched again), and, without --with-secrets, the configuration
and the files that it names. Postgres is copied with pg_dump, which has to be installed here.

Exit codes: 0 written and verified; 1 the file cannot be written, or is no whole backup; else as `windlassd --help` says.")]
pub(crate) struct BackupArgs {
    /// The file to write; with --verify the one to look at
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only check that FILE is a whole backup that this windlassd understands; needs no configuration
    #[arg(long, conflicts_with_all = ["with_secrets", "without_artifacts", "force"])]
    verify: bool,
    /// Also copy the webhook secrets, the TLS key and the configuration file
    #[arg(long)]
    with_secrets: bool,
    /// Leave out the files that jobs left to be kept, which may be most of it; what they were is still known
    #[arg(long)]
    without_artifacts: bool,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) async fn run(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new();
    let interrupted = watch_interrupts()?;
    let mut say = |what: &str| {
        progress.say(what);
        if interrupted.load(Ordering::Relaxed) { Err(Interrupted.into()) } else { Ok(()) }
    };
    if args.verify {
        let manifest = backup::verify(&args.file, &mut say)?;
        drop(progress);
        print(&format!("{} is whole", args.file.display()));
        print(&contents(&manifest));
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.config.load()?;
    let options = backup::Options {
        with_secrets: args.with_secrets,
        without_artifacts: args.without_artifacts,
        replace: args.force,
    };
    let manifest = backup::backup(&config, &args.file, options, &mut say).await?;
    drop(progress);
    let bytes = std::fs::metadata(&args.file).map_or(0, |file| file.len());
    print(&format!("{} written and verified, {}", args.file.display(), size(bytes)));
    print(&contents(&manifest));
    if args.with_secrets {
        print("  it holds secrets: keep it as private as they are");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a backup holds, line by line.
pub(super) fn contents(manifest: &Manifest) -> String {
    let counts = manifest.counts;
    let below = |folder: &str| {
        let members = manifest.members.iter().filter(|member| member.name.starts_with(folder));
        let (files, bytes) = members.fold((0_u64, 0), |(files, bytes), member| (files + 1, bytes + member.bytes));
        format!("{files} files, {}", size(bytes))
    };
    [
        format!("  made      {}, by windlassd {}", manifest.made_at, manifest.windlass),
        format!("  database  {}, schema {}", manifest.database, manifest.schema),
        format!("  builds    {}, with {} attempts", counts.builds, counts.attempts),
        format!("  webhooks  {}", counts.deliveries),
        format!("  logs      {}", below("logs/")),
        format!("  artifacts {}", below("artifacts/")),
        format!("  secrets   {}", if manifest.with_secrets { "yes" } else { "no" }),
    ]
    .join("\n")
}
