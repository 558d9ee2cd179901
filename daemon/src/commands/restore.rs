//! `windlassd restore`: a backup into an empty data folder.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Args;
use windlass_daemon::backup;

use super::backup::contents;
use super::{ConfigArgs, Interrupted, Progress, print, watch_interrupts};

#[derive(Debug, Args)]
#[command(after_help = "\
Everything is checked before anything is in place; a file that is cut or changed is refused and leaves nothing.
What ran when the backup was made is told as lost by the daemon that starts on it. The restored folder is a new one to the
engine: containers of the old one, which may still work, are not touched.

Exit codes: 0 restored; 1 the file is no whole backup; 4 the data folder is not empty, or a windlassd uses it;
6 the database is not empty, or of another kind than the backup's; else as `windlassd --help` says.")]
pub(crate) struct RestoreArgs {
    /// Made by `windlassd backup`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) async fn run(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let mut progress = Progress::new();
    let interrupted = watch_interrupts()?;
    let mut say = |what: &str| {
        progress.say(what);
        if interrupted.load(Ordering::Relaxed) { Err(Interrupted.into()) } else { Ok(()) }
    };
    let manifest = backup::restore(&config, &args.file, &mut say).await?;
    drop(progress);
    print(&format!("{} restored into {}", args.file.display(), config.data_dir.display()));
    print(&contents(&manifest));
    if manifest.with_secrets {
        let folder = config.data_dir.join("restored-secrets");
        print(&format!("  the secrets are in {}: put them where the configuration expects them", folder.display()));
    }
    print("start it with `windlassd serve`; `windlassd doctor` looks it over");
    Ok(ExitCode::SUCCESS)
}
