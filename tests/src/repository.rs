//! A git repository as a forge has it (bare) with a work tree to commit in. Must not know Windlass.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub struct Repository {
    /// `owner/name`.
    pub name: String,
    /// The forge's own number for it.
    pub id: u64,
    folder: TempDir,
}

/// A commit that the bare repository has.
#[derive(Debug, Clone)]
pub struct Commit {
    pub sha: String,
    pub parent: String,
    pub branch: String,
    pub message: String,
}

impl Repository {
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = TempDir::with_prefix("wl-git-").expect("a temporary folder");
        let id = name.bytes().fold(7_u64, |id, byte| (id * 31 + u64::from(byte)) % 1_000_000_007);
        let repository = Self { name: name.to_owned(), id, folder };
        std::fs::create_dir(repository.work()).expect("a new folder");
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "../bare.git"]);
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["remote", "add", "origin", "../bare.git"]);
        repository
    }

    /// A repository whose first commit has this spec.
    #[must_use]
    pub fn with_spec(spec: &str) -> (Self, Commit) {
        let repository = Self::new("acme/app");
        let commit = repository.commit("main", &[(".windlass.yml", spec)], "add the spec");
        (repository, commit)
    }

    /// Where it is cloned from.
    #[must_use]
    pub fn url(&self) -> String {
        self.folder.path().join("bare.git").to_str().expect("temporary folders have plain names").to_owned()
    }

    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes the files, commits them on `branch` (made if there is none) and pushes it.
    pub fn commit(&self, branch: &str, files: &[(&str, impl AsRef<[u8]>)], message: &str) -> Commit {
        let parent = self.try_git(&["rev-parse", "--verify", "--quiet", "HEAD"]).unwrap_or_else(|| "0".repeat(40));
        self.git(&["checkout", "--quiet", "-B", branch]);
        for (path, contents) in files {
            let path = self.work().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder for the file");
            std::fs::write(path, contents).expect("a file in the work tree");
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        let sha = self.git(&["rev-parse", "HEAD"]);
        self.git(&["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]);
        Commit { sha, parent, branch: branch.to_owned(), message: message.to_owned() }
    }

    /// Offers the commit as a pull request's head, as forges do.
    #[track_caller]
    pub fn offer_pull(&self, number: u64, commit: &Commit) {
        self.git(&["push", "--quiet", "--force", "origin", &format!("{}:refs/pull/{number}/head", commit.sha)]);
    }

    /// A folder in which story and job leave each other files.
    #[must_use]
    #[track_caller]
    pub fn meeting_point(&self) -> PathBuf {
        let folder = self.folder.path().join("meet");
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// What git says; panics when it fails.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.try_git(arguments).unwrap_or_else(|| panic!("git {arguments:?} failed"))
    }

    fn try_git(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.work())
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")])
            .output()
            .expect("git is installed");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_arrive_in_the_bare_repository() {
        let (repository, first) = Repository::with_spec("execute: [echo]\n");
        let second = repository.commit("topic", &[("deep/file", [0_u8, 255])], "bytes");
        assert_eq!(second.parent, first.sha);
        assert_eq!(first.parent, "0".repeat(40));
        let tips = repository.git(&["ls-remote", "origin", "refs/heads/*"]);
        assert_eq!(tips, format!("{}\trefs/heads/main\n{}\trefs/heads/topic", first.sha, second.sha));
    }
}
