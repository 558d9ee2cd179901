//! A log for another program: this same executable prints it, the other one reads. Must not know the terminal client's state,
//! nor how logs are kept.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use windlass_protocol::id::AttemptId;

use crate::exit::Exit;
use crate::signals::{Signals, Woken};
use crate::state::Reader;

/// Which log, and of which daemon.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) id: AttemptId,
    /// The profile of the daemon that was switched to; `None`: still the one that we were called for.
    pub(crate) switched_to: Option<String>,
}

/// Lets another program show a log on the terminal, which is its own until it ends. `Some`: a signal ends us too.
pub(crate) async fn read(reader: Reader, log: &Log, signals: &mut Signals) -> Result<Option<Exit>, String> {
    match reader {
        Reader::Pager => page(log, signals).await,
        Reader::Editor | Reader::File => edit(log, signals).await,
    }
}

/// Writes the exact bytes of a log into a new file in the folder that we were started in. What to say about it.
pub(crate) async fn save(log: Log) -> Result<String, String> {
    let path = PathBuf::from(file_name(&log.id));
    write(&log, &path).await?;
    Ok(format!("saved as {}", path.display()))
}

async fn page(log: &Log, signals: &mut Signals) -> Result<Option<Exit>, String> {
    let mut printing = ourselves(log)?;
    let mut printing =
        printing.arg("--safe").stdout(Stdio::piped()).spawn().map_err(|error| fault("windlass", &error))?;
    let pager = named("PAGER", "less");
    let log = printing.stdout.take().and_then(|log| log.into_owned_fd().ok()).ok_or("the log cannot be handed over")?;
    let mut command = shell(&pager);
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "-R"); // colours are kept, everything else was taken out before
    }
    let showing = command.stdin(log).spawn().map_err(|error| fault(&pager, &error))?;
    // A pager that is left early closes the pipe, and with it ends whoever prints into it: that is no fault.
    wait(showing, &pager, signals).await
}

async fn edit(log: &Log, signals: &mut Signals) -> Result<Option<Exit>, String> {
    let path = std::env::temp_dir().join(format!("{}-{}", std::process::id(), file_name(&log.id)));
    write(log, &path).await?;
    let editor = named("EDITOR", "vi");
    let editing = shell(&format!("{editor} \"$0\"")).arg(&path).spawn().map_err(|error| fault(&editor, &error));
    let ended = match editing {
        Ok(editing) => wait(editing, &editor, signals).await,
        Err(words) => Err(words),
    };
    let _ = std::fs::remove_file(&path); // whoever empties that folder is as good
    ended
}

/// Waits until the other program gives the terminal back.
async fn wait(mut child: Child, name: &str, signals: &mut Signals) -> Result<Option<Exit>, String> {
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|error| fault(name, &error))?;
                return if status.success() { Ok(None) } else { Err(format!("{name}: {status}")) };
            }
            woken = signals.next() => match woken {
                Woken::End(exit) => return Ok(Some(exit)),
                // Ctrl-Z stops the other one; the shell comes back when we are stopped too.
                Woken::Stop => nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP)
                    .map_err(|error| format!("cannot stop: {error}"))?,
                // Ctrl-C is the other one's.
                Woken::Interrupt | Woken::Continued => {}
            },
        }
    }
}

/// The exact bytes of a log, in a file that was not there before and that nobody else reads.
async fn write(log: &Log, path: &Path) -> Result<(), String> {
    let file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let printing = ourselves(log)?.arg("--raw").stdout(file).stderr(Stdio::piped()).spawn();
    // Not `output`, which would take standard output for itself.
    let output = match printing {
        Ok(printing) => printing.wait_with_output().await,
        Err(error) => Err(error),
    };
    let output = output.map_err(|error| fault("windlass", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let _ = std::fs::remove_file(path); // half a log is none
    Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("the log did not come").to_owned())
}

/// `windlass logs` as we were called ourselves: without a command our arguments are options, and they all fit. Arguments and
/// environment spoke of the first daemon, though, its token least of all goes along to another.
fn ourselves(log: &Log) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| fault("windlass", &error))?;
    let mut command = Command::new(program);
    match &log.switched_to {
        None => {
            let options: Vec<OsString> = std::env::args_os().skip(1).collect();
            command.args(options);
        }
        Some(profile) => {
            command.arg("--profile").arg(profile);
            for variable in ["WINDLASS_CONNECT", "WINDLASS_PROFILE", "WINDLASS_TOKEN"] {
                command.env_remove(variable);
            }
        }
    }
    command.arg("logs").arg(log.id.to_string());
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).kill_on_drop(true);
    command
}

fn named(variable: &str, usual: &str) -> String {
    std::env::var(variable).ok().filter(|value| !value.trim().is_empty()).unwrap_or_else(|| usual.to_owned())
}

fn fault(program: &str, error: &std::io::Error) -> String {
    format!("{program} cannot be started: {error}")
}

/// A name for the file of a log: a job's name may hold anything, a file's may not.
fn file_name(id: &AttemptId) -> String {
    let tame = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let job: String = id.job.chars().map(tame).take(80).collect();
    format!("windlass-{}-{job}-{}.log", id.build, id.attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_holds_nothing_that_leads_elsewhere() {
        let id = AttemptId { build: 7, job: "../test (3.13)\n".to_owned(), attempt: 2 };
        assert_eq!(file_name(&id), "windlass-7-.._test__3.13__-2.log");
    }
}
