//! A fake daemon and the real executable beside it, run as a script runs it. Must not know what is asked of either.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use windlass_protocol::view::Outcome;

use crate::fake::{Fake, NOW};

pub(crate) struct Stage {
    pub(crate) fake: Fake,
    pub(crate) folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fake = Fake::start(&folder.path().join("s"), NOW);
        Self { fake, folder }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        windlass(&self.folder.path().join("s"), self.folder.path(), args)
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        finish(self.command(args)).await
    }

    /// A build with one job that failed in its second step.
    pub(crate) fn failed(&self) -> u64 {
        self.fake.change(|world| {
            let number = world.push("acme/app", "main", "Break it", &[("test", &[], &["install", "pytest"])]);
            world.start_step(number, "test", 0);
            world.write(number, "test", "installed\n");
            world.end_step(number, "test", 0, 0);
            world.start_step(number, "test", 1);
            world.write(number, "test", b"\x1b[31mE  boom\x1b[0m\xff\x00\nlast");
            world.end_step(number, "test", 1, 3);
            world.end_job(number, "test", Outcome::Failed, "step pytest ended with exit code 3");
            number
        })
    }

    pub(crate) fn running(&self) -> u64 {
        self.fake.change(|world| {
            let number = world.push("acme/app", "main", "Run", &[("test", &[], &["pytest"])]);
            world.start_step(number, "test", 0);
            number
        })
    }
}

pub(crate) fn windlass(socket: &Path, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
    command.args(args).env("WINDLASS_CONNECT", format!("unix:{}", socket.display())).env("HOME", home);
    command.env_remove("XDG_CONFIG_HOME").env_remove("WINDLASS_TOKEN").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) async fn finish(mut command: Command) -> Output {
    let output = tokio::time::timeout(Duration::from_secs(20), command.output());
    output.await.expect("the command ends").expect("the command starts")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
