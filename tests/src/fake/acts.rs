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
    /// Leaves a file in its folder, to be kept.
    Leave {
        path: String,
        bytes: usize,
    },
}

/// What is in a file that a job leaves: numbers, a line each, until there are so many bytes.
#[must_use]
pub fn left(bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 1.. {
        if out.len() >= bytes {
            break;
        }
        out.extend(format!("{number}\n").into_bytes());
    }
    out.truncate(bytes);
    out
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
    let kept = acts.iter().filter_map(|act| match act {
        Act::Leave { path, .. } => Some(format!("'{path}'")),
        _ => None,
    });
    let kept: Vec<String> = kept.collect();
    let kept = if kept.is_empty() { String::new() } else { format!("    artifacts: [{}]\n", kept.join(", ")) };
    let mut text = format!("jobs:\n  {JOB}:\n{kept}    execute:\n      - name: work\n        run: |\n          true\n");
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
            Act::Leave { path, bytes } => {
                let folder = Path::new(path).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
                format!("mkdir -p './{folder}'; seq {bytes} | head -c {bytes} > '{path}'")
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
            Act::Leave { path: "dist/app".to_owned(), bytes: 12 },
            Act::Leave { path: "notes".to_owned(), bytes: 3 },
        ];
        let spec = spec(&acts, folder.path(), "a build");
        let script: String =
            spec.lines().skip_while(|line| !line.ends_with('|')).skip(1).map(|line| format!("{line}\n")).collect();
        std::fs::write(go_file(folder.path(), "a build", 1), "").expect("a file");
        let run = |attempt: &str| {
            let mut shell = std::process::Command::new("/bin/sh");
            shell.current_dir(folder.path());
            let output = shell.args(["-ec", &script]).env("WINDLASS_ATTEMPT", attempt).output().expect("a shell");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert_eq!(run("1"), (Some(1), "it's begun\nline 1\nline 2\nline 3\n".to_owned()));
        assert_eq!(run("2"), (Some(0), "it's begun\nline 1\nline 2\nline 3\nagain\n".to_owned()));
        assert!(spec.contains("    artifacts: ['dist/app', 'notes']\n"), "{spec}");
        assert_eq!(std::fs::read(folder.path().join("dist/app")).expect("left"), left(12));
        assert_eq!(left(12), b"1\n2\n3\n4\n5\n6\n");
    }
}
