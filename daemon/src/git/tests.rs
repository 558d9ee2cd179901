//! Real repositories, the real `git`.

use std::process::Command as StdCommand;

use super::*;

fn git(folder: &Path, args: &[&str]) -> String {
    let output = StdCommand::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn sample() -> (tempfile::TempDir, PathBuf, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let repo = dir.path().join("repo");
    std::fs::create_dir(&repo).expect("a folder");
    git(&repo, &["init", "-q"]);
    std::fs::write(repo.join("run.sh"), "#!/bin/sh\necho hi\n").expect("written");
    std::fs::create_dir_all(repo.join("deep/er")).expect("folders");
    std::fs::write(repo.join("deep/er/file with space"), "x").expect("written");
    std::os::unix::fs::symlink("run.sh", repo.join("link")).expect("linked");
    git(&repo, &["add", "-A"]);
    git(&repo, &["commit", "-q", "-m", "first"]);
    std::fs::write(repo.join("spec.yml"), "image: x\n").expect("written");
    git(&repo, &["add", "-A"]);
    git(&repo, &["update-index", "--chmod=+x", "run.sh"]);
    git(&repo, &["commit", "-q", "-m", "second"]);
    let sha = git(&repo, &["rev-parse", "HEAD"]);
    (dir, repo, sha)
}

async fn file_at(git: &Git, commit: Commit<'_>, path: &str, cap: u64) -> Result<FileAtCommit, GitError> {
    git.look(commit, path, cap).await.map(|looked| looked.file)
}

#[tokio::test]
async fn a_commit_s_message_is_read_whole() {
    let (dir, repo, _) = sample();
    git(&repo, &["commit", "-q", "--allow-empty", "-m", "a title\n\nand a body\n\nwith parts"]);
    let sha = git(&repo, &["rev-parse", "HEAD"]);
    let url = repo.display().to_string();
    let git_edge = Git::open(&dir.path().join("data")).expect("opens");
    let commit = Commit { clone_url: &url, sha: &sha, reference: "refs/heads/main" };
    let looked = git_edge.look(commit, "spec.yml", 100).await.expect("reads");
    assert_eq!(looked.message, "a title\n\nand a body\n\nwith parts\n\n");
    assert_eq!(looked.file, FileAtCommit::Contents(b"image: x\n".to_vec()));
}

#[tokio::test]
async fn a_file_is_read_at_its_commit_and_missing_ones_are_told() {
    let (dir, repo, sha) = sample();
    let url = repo.display().to_string();
    let git_edge = Git::open(&dir.path().join("data")).expect("opens");
    let commit = Commit { clone_url: &url, sha: &sha, reference: "refs/heads/main" };
    let spec = file_at(&git_edge, commit, "spec.yml", 1000).await.expect("reads");
    assert_eq!(spec, FileAtCommit::Contents(b"image: x\n".to_vec()));
    assert_eq!(file_at(&git_edge, commit, "spec.yml", 3).await.expect("reads"), FileAtCommit::TooLarge { bytes: 9 });
    assert_eq!(file_at(&git_edge, commit, "nothing", 1000).await.expect("reads"), FileAtCommit::Missing);
    assert_eq!(file_at(&git_edge, commit, "deep", 1000).await.expect("reads"), FileAtCommit::Missing);
    assert_eq!(
        file_at(&git_edge, commit, "deep/er/file with space", 9).await.expect("reads"),
        FileAtCommit::Contents(b"x".to_vec())
    );
    let first = git(&repo, &["rev-parse", "HEAD~1"]);
    let before = Commit { sha: &first, ..commit };
    assert_eq!(file_at(&git_edge, before, "spec.yml", 1000).await.expect("reads"), FileAtCommit::Missing);
}

#[tokio::test]
async fn an_unknown_commit_is_an_error_that_names_it() {
    let (dir, repo, _) = sample();
    let url = repo.display().to_string();
    let git_edge = Git::open(&dir.path().join("data")).expect("opens");
    let sha = "0123456789012345678901234567890123456789";
    let commit = Commit { clone_url: &url, sha, reference: "refs/heads/main" };
    let error = file_at(&git_edge, commit, "spec.yml", 1000).await.expect_err("no such commit");
    assert!(matches!(error, GitError::Fetch { .. }) && error.to_string().contains(sha), "{error}");
    let error = file_at(&git_edge, Commit { clone_url: "/nowhere/at/all", ..commit }, "spec.yml", 1000)
        .await
        .expect_err("no such repository");
    assert!(matches!(error, GitError::Fetch { .. }), "{error}");
}

#[tokio::test]
async fn names_that_look_like_options_stay_names() {
    let (dir, repo, _) = sample();
    let url = repo.display().to_string();
    let git_edge = Git::open(&dir.path().join("data")).expect("opens");
    let marker = dir.path().join("owned");
    let reference = format!("--upload-pack=touch {}", marker.display());
    let sha = "0123456789012345678901234567890123456789";
    for (clone_url, reference) in
        [(url.as_str(), reference.as_str()), (reference.as_str(), "refs/heads/main"), ("ext::sh -c touch% owned", "x")]
    {
        file_at(&git_edge, Commit { clone_url, sha, reference }, "spec.yml", 9).await.expect_err("refused");
    }
    assert!(!marker.exists());
}

#[tokio::test]
async fn an_archive_is_a_clean_checkout_without_history() {
    let (dir, repo, sha) = sample();
    let url = repo.display().to_string();
    let git_edge = Git::open(&dir.path().join("data")).expect("opens");
    let commit = Commit { clone_url: &url, sha: &sha, reference: "refs/heads/main" };
    let archive = git_edge.archive(commit).await.expect("made");
    assert_eq!(git_edge.archive(commit).await.expect("kept"), archive);
    let out = dir.path().join("out");
    std::fs::create_dir(&out).expect("a folder");
    tar::Archive::new(std::fs::File::open(&archive).expect("opens")).unpack(&out).expect("unpacks");
    assert_eq!(git(&out, &["rev-parse", "HEAD"]), sha);
    assert_eq!(git(&out, &["status", "--porcelain", "--ignored"]), "");
    assert_eq!(git(&out, &["log", "--format=%s"]), "second");
    assert_eq!(git(&out, &["fsck", "--full", "--no-dangling"]), "");
    assert_eq!(std::fs::read_link(out.join("link")).expect("a link"), PathBuf::from("run.sh"));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(out.join("run.sh")).expect("there"));
    assert_eq!(mode & 0o111, 0o111, "{mode:o}");
    assert!(!std::fs::read_to_string(archive).unwrap_or_default().contains("data/mirrors"));
    let leftovers: Vec<_> = std::fs::read_dir(dir.path().join("data/sources")).expect("there").flatten().collect();
    assert_eq!(leftovers.len(), 1, "{leftovers:?}");
}

#[test]
fn passwords_in_urls_are_not_shown() {
    assert_eq!(public_url("https://me:secret@host/a/b.git"), "https://host/a/b.git");
    assert_eq!(public_url("/srv/git/a.git"), "/srv/git/a.git");
}

#[tokio::test]
async fn the_tip_of_a_reference_is_told_and_a_missing_one_is_none() {
    let (data, repository, sha) = sample();
    git(&repository, &["tag", "-a", "-m", "one", "v1"]);
    let branch = git(&repository, &["symbolic-ref", "HEAD"]);
    let git = Git::open(data.path()).expect("opened");
    let url = repository.display().to_string();
    assert_eq!(git.tip(&url, branch.trim()).await.expect("asked"), Some(sha.clone()));
    assert_eq!(git.tip(&url, "refs/tags/v1").await.expect("asked"), Some(sha), "the commit, not the tag");
    assert_eq!(git.tip(&url, "refs/heads/gone").await.expect("asked"), None);
    assert_eq!(git.tip(&url, "--upload-pack=false").await.expect("asked"), None, "a name stays a name");
    let nowhere = git.tip(&data.path().join("nowhere").display().to_string(), "refs/heads/main").await;
    assert!(matches!(nowhere, Err(GitError::Command { .. })), "{nowhere:?}");
}
