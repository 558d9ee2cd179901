//! What the job of a story does: prints, waits until it is let go on, fails. The same acts run on the fake daemon and, as a
//! shell script, on a real one. Must not know either.

use std::fmt::Write as _;
use std::path::Path;

/// The name of a story's jobs.
pub const JOB: &str = "test";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Print(String),
    /// `line 1`, `line 2` and so on, both ends included.
    Lines {
        first: u32,
        last: u32,
    },
    /// Until the story lets it go on.
    Wait,
    Fail {
        at_first: bool,
    },
}

/// The file whose appearance ends the n-th wait.
#[must_use]
pub fn go_file(folder: &Path, build: &str, wait: usize) -> std::path::PathBuf {
    let name: String = build.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    folder.join(format!("go-{name}-{wait}"))
}

/// A spec whose only job does this.
#[must_use]
pub fn spec(acts: &[Act], folder: &Path, build: &str) -> String {
    let mut text = format!("jobs:\n  {JOB}:\n    execute:\n      - name: work\n        run: |\n          true\n");
    let mut waits = 0;
    for act in acts {
        let line = match act {
            Act::Print(words) => format!("echo '{}'", words.replace('\'', "'\\''")),
            Act::Lines { first, last } => format!("seq -f 'line %.0f' {first} {last}"),
            Act::Wait => {
                waits += 1;
                let file = go_file(folder, build, waits);
                format!("until [ -e '{}' ]; do sleep 0.02; done", file.display())
            }
            Act::Fail { at_first: true } => "[ \"$WINDLASS_ATTEMPT\" -gt 1 ] || exit 1".to_owned(),
            Act::Fail { at_first: false } => "exit 1".to_owned(),
        };
        let _ = writeln!(text, "          {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_a_shell_script_too() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let acts = [
            Act::Print("it's begun".to_owned()),
            Act::Lines { first: 1, last: 3 },
            Act::Wait,
            Act::Fail { at_first: true },
            Act::Print("again".to_owned()),
        ];
        let spec = spec(&acts, folder.path(), "a build");
        let script: String =
            spec.lines().skip_while(|line| !line.ends_with('|')).skip(1).map(|line| format!("{line}\n")).collect();
        std::fs::write(go_file(folder.path(), "a build", 1), "").expect("a file");
        let run = |attempt: &str| {
            let mut shell = std::process::Command::new("/bin/sh");
            let output = shell.args(["-ec", &script]).env("WINDLASS_ATTEMPT", attempt).output().expect("a shell");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert_eq!(run("1"), (Some(1), "it's begun\nline 1\nline 2\nline 3\n".to_owned()));
        assert_eq!(run("2"), (Some(0), "it's begun\nline 1\nline 2\nline 3\nagain\n".to_owned()));
    }
}
