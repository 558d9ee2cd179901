//! An image made of this host's own shell and a few tools, for machines that reach no registry. A tar archive of the
//! programs and the libraries they load; nothing is downloaded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// The image's repository; its tag is 1.
pub(super) const NAME: &str = "windlass-demo";

/// What the sample's scripts use, besides what a shell has built in.
const TOOLS: [&str; 14] =
    ["sh", "cat", "date", "env", "grep", "head", "ls", "seq", "sleep", "sort", "tail", "tr", "uname", "wc"];

/// The archive.
pub(super) fn of_this_host() -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut libraries = BTreeSet::new();
    for tool in TOOLS {
        let Some(path) = find(tool) else {
            if tool == "sh" {
                bail!("this host has no sh");
            }
            continue;
        };
        let real = std::fs::canonicalize(&path)?;
        builder.append_path_with_name(&real, format!("bin/{tool}")).with_context(|| format!("{}", real.display()))?;
        libraries.extend(loaded_by(&real));
    }
    for library in libraries {
        let real = std::fs::canonicalize(&library)?;
        builder.append_path_with_name(&real, library.strip_prefix("/").unwrap_or(&library))?;
    }
    for folder in ["tmp", "root", "etc"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        builder.append_data(&mut header, folder, std::io::empty())?;
    }
    Ok(builder.into_inner()?)
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path)
        .chain([PathBuf::from("/bin"), PathBuf::from("/usr/bin")])
        .map(|folder| folder.join(tool))
        .find(|candidate| candidate.is_file())
}

/// The libraries that a program loads, the loader included, by their own account; none for a static one.
fn loaded_by(program: &Path) -> Vec<PathBuf> {
    let Ok(output) = Command::new("ldd").arg(program).env("LC_ALL", "C").output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from))
        .filter(|path| path.is_file())
        .collect()
}
