//! What a step executes: the shell and the file with its script, or a program; and the environment of both. Must not
//! know how processes are started, watched or stopped.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::plan::{self, AttemptPlan};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Scripts are given to the shell as files, outside of the checkout, in a folder that only this user can read; where no
/// place can be written to, as files in memory.
#[derive(Debug)]
pub(super) struct Scripts {
    places: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

/// A script that the shell can read as long as this lives.
#[derive(Debug)]
pub(super) struct Script {
    path: PathBuf,
    /// Inherited by the step: its shell reads it through `/proc`.
    _memory: Option<OwnedFd>,
}

impl Scripts {
    pub(super) fn new(workspace: &Path) -> Self {
        let places = [std::env::temp_dir(), PathBuf::from("/dev/shm")];
        Self { places: places.into_iter().chain(workspace.parent().map(Path::to_owned)).collect(), folder: None }
    }

    /// The text, as a file. `name` is what the shell will put in front of its complaints.
    pub(super) fn write(&mut self, name: &str, text: &str) -> io::Result<Script> {
        // An earlier step may have cleaned up more than it should.
        if let Some(folder) = self.folder.take().filter(|folder| folder.is_dir()) {
            self.folder = Some(folder);
        } else {
            self.folder = self.places.iter().find_map(|place| private_folder(place));
        }
        let in_file = |folder: &PathBuf| {
            let path = folder.join(name);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            Ok::<_, io::Error>(Script { path, _memory: None })
        };
        match self.folder.as_ref().map(in_file) {
            Some(Ok(script)) => Ok(script),
            Some(Err(_)) | None => in_memory(name, text),
        }
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // If that fails it is litter in a temporary folder.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn private_folder(place: &Path) -> Option<PathBuf> {
    // A name that is taken is not ours, whoever made it.
    (0..100).find_map(|n| {
        let folder = place.join(format!(".windlass-{}-{n}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).ok().map(|()| folder)
    })
}

fn in_memory(name: &str, text: &str) -> io::Result<Script> {
    let memory = memfd_create(name, MFdFlags::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let mut file = fs::File::from(memory.try_clone()?);
    file.write_all(text.as_bytes())?;
    io::Seek::rewind(&mut file)?;
    Ok(Script { path, _memory: Some(memory) })
}

/// What is needed to start a step; refused in words for the person who reads the build.
///
/// The returned script has to live until the step has ended.
pub(super) fn command(
    run: &plan::Command,
    name: &str,
    workspace: &Path,
    environment: &BTreeMap<OsString, OsString>,
    scripts: &mut Scripts,
) -> Result<(Command, Option<Script>), String> {
    let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), |path| path);
    let (mut command, script) = match run {
        plan::Command::Script(text) => {
            let shell = shell(path).ok_or("no /bin/sh in this image: use run: [program, args]")?;
            let script = scripts.write(name, text).map_err(|error| format!("cannot keep the script: {error}"))?;
            let mut command = Command::new(shell);
            command.arg0("sh").arg("-eu").arg(&script.path);
            (command, Some(script))
        }
        plan::Command::Program(words) => {
            let (program, arguments) = words.split_first().ok_or("no program is named")?;
            let found = if program.contains('/') {
                PathBuf::from(program)
            } else {
                find(program, path).ok_or_else(|| {
                    format!("no program {program:?} in this image; PATH is {}", path.to_string_lossy())
                })?
            };
            let mut command = Command::new(found);
            command.arg0(program).args(arguments);
            (command, None)
        }
    };
    command.current_dir(workspace).env_clear().envs(environment).stdin(Stdio::null());
    Ok((command, script))
}

/// Why a step that could be prepared could not be started, in words.
pub(super) fn why_not_started(run: &plan::Command, workspace: &Path, error: &io::Error) -> String {
    let program = match run {
        plan::Command::Script(_) => "/bin/sh",
        plan::Command::Program(words) => words.first().map_or("", |word| word),
    };
    match error.kind() {
        io::ErrorKind::NotFound if !workspace.is_dir() => "the working folder is gone".to_owned(),
        io::ErrorKind::NotFound => format!("no program {program:?} in this image, or what it needs to be loaded"),
        io::ErrorKind::PermissionDenied => format!("{program:?} may not be executed"),
        io::ErrorKind::ArgumentListTooLong => {
            format!("the arguments and the environment of {program:?} are too long for this system")
        }
        _ => format!("{program:?} could not be started: {error}"),
    }
}

/// A step's environment: what the image sets (or, without one, what the engine left in the runner's environment), then
/// what the plan sets.
pub(super) fn environment(
    plan: &AttemptPlan,
    inherited: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = inherited
        // `WINDLASS_*` says what the job is; around the runner it would be somebody else's configuration.
        .filter(|(name, _)| !name.as_bytes().starts_with(b"WINDLASS_"))
        .collect();
    all.extend(plan.environment.iter().map(|(name, value)| (name.into(), value.into())));
    let mut default = |name: &str, value: &str| {
        all.entry(name.into()).or_insert_with(|| value.into());
    };
    default("PATH", DEFAULT_PATH);
    default("HOME", "/");
    // The checkout may belong to somebody else than the job's user, where it lies in a folder of the host.
    if !all.contains_key(OsStr::new("GIT_CONFIG_COUNT")) {
        for (name, value) in
            [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")]
        {
            all.insert(name.into(), value.into());
        }
    }
    all
}

fn shell(path: &OsStr) -> Option<PathBuf> {
    let usual = Path::new("/bin/sh");
    if usual.exists() { Some(usual.to_owned()) } else { find("sh", path) }
}

fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    path.as_bytes().split(|&byte| byte == b':').filter(|folder| folder.starts_with(b"/")).find_map(|folder| {
        let file = Path::new(OsStr::from_bytes(folder)).join(program);
        fs::metadata(&file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0).then_some(file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell_says(script: &Script) -> String {
        let output = Command::new("/bin/sh").arg("-eu").arg(&script.path).output().expect("a shell");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn scripts_are_private_outside_of_the_checkout_and_removed() {
        let outer = tempfile::tempdir().expect("a folder");
        let workspace = outer.path().join("work");
        let mut scripts = Scripts { places: vec![PathBuf::from("/proc/no"), outer.path().to_owned()], folder: None };
        let script = scripts.write("step-1", "echo one").expect("a script");
        assert!(script.path.starts_with(outer.path()) && !script.path.starts_with(&workspace));
        assert_eq!(fs::metadata(&script.path).expect("a file").permissions().mode() & 0o077, 0);
        assert_eq!(shell_says(&script), "one\n");
        fs::remove_dir_all(script.path.parent().expect("a folder")).expect("as a step may do");
        let second = scripts.write("step-2", "echo two").expect("a script");
        assert_eq!(shell_says(&second), "two\n");
        drop(scripts);
        assert_eq!(fs::read_dir(outer.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn without_any_place_scripts_are_in_memory() {
        let mut scripts = Scripts { places: vec![PathBuf::from("/proc/no")], folder: None };
        let script = scripts.write("step-1", "echo from memory").expect("a script");
        assert_eq!(shell_says(&script), "from memory\n");
    }

    #[test]
    fn programs_are_found_in_absolute_folders_of_the_path_only() {
        assert!(find("sh", OsStr::new(".:/nowhere:/bin")).is_some());
        assert_eq!(find("sh", OsStr::new("bin:.:")), None);
        assert_eq!(find("etc", OsStr::new("/")), None, "a folder is no program");
    }
}
