//! Git: a mirror for each repository, fetched by full SHA; the spec as it is at a commit; a clean checkout as a tar archive.
//! Runs the `git` program, with everything switched off that a hostile repository could use. Must not know specs or builds.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::secret::sha256_hex;
use crate::shortage::{is_shortage, tells_of_shortage};

/// A commit of a repository. Both were checked when the event was parsed; `sha` is full and hexadecimal.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    pub clone_url: &'a str,
    pub sha: &'a str,
    /// Fetched instead when the server does not hand out commits by SHA: `refs/heads/main`, `refs/pull/7/head`.
    pub reference: &'a str,
}

/// What is to be known of a commit before it is built.
#[derive(Debug, PartialEq, Eq)]
pub struct Looked {
    /// The commit's message, cut to 64 KiB.
    pub message: String,
    pub file: FileAtCommit,
}

/// A file at a commit.
#[derive(Debug, PartialEq, Eq)]
pub enum FileAtCommit {
    Contents(Vec<u8>),
    Missing,
    /// Larger than the caller wants to read.
    TooLarge {
        bytes: u64,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The server answered, and does not have it or does not give it.
    #[error("commit {sha} cannot be fetched from {url}: {why}")]
    Fetch { url: String, sha: String, why: String },
    #[error("git {what} failed: {why}")]
    Command { what: &'static str, why: String },
    #[error("git {what} did not end within {seconds} s")]
    TooSlow { what: &'static str, seconds: u64 },
    #[error("git cannot be run: is it installed?")]
    NoGit {
        #[source]
        source: std::io::Error,
    },
    /// Room, handles, processes: what this host lacks comes back.
    #[error("git {what} failed for want of something on this host: {why}")]
    Shortage { what: &'static str, why: String },
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

impl GitError {
    /// Whether the same may work in a moment, and nobody is at fault.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::Shortage { .. } => true,
            Self::NoGit { source } | Self::Io { source, .. } => is_shortage(source),
            Self::Fetch { .. } | Self::Command { .. } | Self::TooSlow { .. } => false,
        }
    }

    /// What git said when it failed.
    fn said(what: &'static str, stderr: &[u8]) -> Self {
        let why = last_words(stderr);
        match tells_of_shortage(&String::from_utf8_lossy(stderr)) {
            true => Self::Shortage { what, why },
            false => Self::Command { what, why },
        }
    }
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Git {
    mirrors: PathBuf,
    sources: PathBuf,
    settings: PathBuf,
    /// One writer a mirror or archive at a time.
    locks: Arc<Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>>,
    next_work: Arc<AtomicU64>,
}

/// A fetch of something large over a slow line is still fine after this; a server that hangs is not.
const FETCH_LIMIT: Duration = Duration::from_secs(15 * 60);
/// A list of one name.
const TIP_LIMIT: Duration = Duration::from_secs(60);
const LOCAL_LIMIT: Duration = Duration::from_secs(5 * 60);
/// Archives are made again from the mirror whenever they are missed.
const KEEP_ARCHIVES: Duration = Duration::from_secs(60 * 60);

/// Put before every command. Protocols are allowed one by one; nothing of a repository's own is executed.
const GUARDS: [&str; 16] = [
    "-c",
    "protocol.allow=never",
    "-c",
    "protocol.https.allow=always",
    "-c",
    "protocol.http.allow=always",
    "-c",
    "protocol.ssh.allow=always",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
];

/// For checkouts: they are archived at once and thrown away, so nothing has to survive a power cut.
const NO_FSYNC: &str = "core.fsync=none";

impl Git {
    pub fn open(data_dir: &Path) -> Result<Self, GitError> {
        let git = Self {
            mirrors: data_dir.join("mirrors"),
            sources: data_dir.join("sources"),
            settings: data_dir.join("gitconfig"),
            locks: Arc::default(),
            next_work: Arc::default(),
        };
        for folder in [&git.mirrors, &git.sources] {
            std::fs::create_dir_all(folder).map_err(|source| GitError::Io {
                what: format!("folder {} cannot be made", folder.display()),
                source,
            })?;
        }
        git.drop_half_made();
        // Repositories on this host may belong to another user; the operator's own settings (credentials) still count.
        let mut settings = String::from("# Made by windlassd at each start.\n[safe]\n\tdirectory = *\n");
        if let Some(home) = std::env::var_os("HOME") {
            let theirs = Path::new(&home).join(".gitconfig");
            settings.push_str(&format!("[include]\n\tpath = {:?}\n", theirs.display().to_string()));
        }
        std::fs::write(&git.settings, settings)
            .map_err(|source| GitError::Io { what: format!("{} cannot be written", git.settings.display()), source })?;
        Ok(git)
    }

    /// Reads a commit's message and a file at it, fetching the commit if the mirror does not have it.
    pub async fn look(&self, commit: Commit<'_>, path: &str, cap: u64) -> Result<Looked, GitError> {
        let mirror = self.mirror(commit.clone_url);
        if mirror.join(kept(commit.sha)).exists()
            && let Some(looked) = self.read_object(&mirror, commit.sha, path, cap).await?
        {
            return Ok(looked);
        }
        self.fetch(&mirror, commit).await?;
        self.read_object(&mirror, commit.sha, path, cap).await?.ok_or_else(|| GitError::Fetch {
            url: public_url(commit.clone_url),
            sha: commit.sha.to_owned(),
            why: "the server sent something else".to_owned(),
        })
    }

    /// The commit that a reference of a repository names now. `None`: the repository does not have the reference.
    pub async fn tip(&self, clone_url: &str, reference: &str) -> Result<Option<String>, GitError> {
        let what = "ls-remote";
        // What an annotated tag names stands in a line of its own.
        let peeled = format!("{reference}^{{}}");
        let mut command = self.command(&self.mirrors);
        command.args([what, "-q", "--end-of-options", clone_url, reference, &peeled]);
        let output = tokio::time::timeout(TIP_LIMIT, command.output())
            .await
            .map_err(|_| GitError::TooSlow { what, seconds: TIP_LIMIT.as_secs() })?
            .map_err(|source| GitError::NoGit { source })?;
        if !output.status.success() {
            return Err(GitError::said(what, &output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // Patterns match the ends of names too: only the whole name counts.
        let named = |name: &str| {
            text.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == name).map(|(sha, _)| sha)
        };
        Ok(named(&peeled).or_else(|| named(reference)).map(ToOwned::to_owned))
    }

    /// A clean checkout of the commit as a tar archive, history left out: `git status` is clean in it and
    /// `git rev-parse HEAD` is the commit. Made once for each commit, kept for an hour after its last use.
    pub async fn archive(&self, commit: Commit<'_>) -> Result<PathBuf, GitError> {
        let mirror = self.mirror(commit.clone_url);
        let name = mirror.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let archive = self.sources.join(format!("{name}-{}.tar", commit.sha));
        let lock = self.lock(&archive);
        let _turn = lock.lock().await;
        if let Ok(file) = std::fs::File::options().append(true).open(&archive) {
            // Its age counts from its last use.
            let _ = file.set_modified(SystemTime::now());
            return Ok(archive);
        }
        self.drop_old_archives();
        // Nobody else's: a future that was dropped may still be packing its own in a thread.
        let work =
            self.sources.join(format!("{name}-{}.{}.work", commit.sha, self.next_work.fetch_add(1, Ordering::Relaxed)));
        let mut made = self.check_out(&mirror, commit.sha, &work).await;
        // The spec was read from the mirror just before, so the commit is nearly always there; asking first would cost more.
        if made.is_err() && !self.has_commit(&mirror, commit.sha).await? {
            self.fetch(&mirror, commit).await?;
            made = self.check_out(&mirror, commit.sha, &work).await;
        }
        let made = match made {
            Ok(()) => {
                let (work, archive) = (work.clone(), archive.clone());
                tokio::task::spawn_blocking(move || pack(&work, &archive))
                    .await
                    .map_err(|error| GitError::Command { what: "archive", why: error.to_string() })?
            }
            Err(error) => Err(error),
        };
        let _ = tokio::fs::remove_dir_all(&work).await;
        made.map(|()| archive)
    }

    /// Removes a mirror that is not fetched into just now; the next commit of its repository makes it anew.
    pub async fn forget(&self, mirror: &Path) -> Result<(), GitError> {
        let lock = self.lock(mirror);
        let _turn = lock.lock().await;
        // At once, so that nobody finds half of it.
        let gone = mirror.with_extension("gone");
        let removed = async {
            tokio::fs::rename(mirror, &gone).await?;
            tokio::fs::remove_dir_all(&gone).await
        };
        removed.await.map_err(|source| GitError::Io { what: format!("{} cannot be removed", mirror.display()), source })
    }

    fn mirror(&self, clone_url: &str) -> PathBuf {
        self.mirrors.join(Self::mirror_name(clone_url))
    }

    /// The name of the folder of a repository's mirror: a readable part, and a hash that no name can collide with.
    #[must_use]
    pub fn mirror_name(clone_url: &str) -> String {
        let tail = clone_url.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or("");
        let readable: String =
            tail.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
        format!("{readable}-{}.git", &sha256_hex(clone_url.as_bytes())[..16])
    }

    fn lock(&self, path: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(path.to_owned()).or_default().clone()
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new("git");
        command
            .args(GUARDS)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", &self.settings)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS", "/bin/false")
            .env("GIT_SSH_COMMAND", std::env::var("GIT_SSH_COMMAND").unwrap_or_else(|_| "ssh -oBatchMode=yes".into()))
            .env("LC_ALL", "C")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run<A: AsRef<OsStr>>(
        &self,
        what: &'static str,
        folder: &Path,
        args: impl IntoIterator<Item = A>,
        limit: Duration,
    ) -> Result<(), GitError> {
        let mut command = self.command(folder);
        command.args(args);
        let output = tokio::time::timeout(limit, command.output())
            .await
            .map_err(|_| GitError::TooSlow { what, seconds: limit.as_secs() })?
            .map_err(|source| GitError::NoGit { source })?;
        if output.status.success() { Ok(()) } else { Err(GitError::said(what, &output.stderr)) }
    }

    async fn has_commit(&self, mirror: &Path, sha: &str) -> Result<bool, GitError> {
        if !mirror.join("HEAD").exists() {
            return Ok(false);
        }
        match self.run("cat-file", mirror, ["cat-file", "-e", &format!("{sha}^{{commit}}")], LOCAL_LIMIT).await {
            Ok(()) => Ok(true),
            Err(GitError::Command { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `None`: the mirror does not have the commit.
    async fn read_object(&self, mirror: &Path, sha: &str, path: &str, cap: u64) -> Result<Option<Looked>, GitError> {
        let what = "cat-file";
        let io = |source| GitError::Io { what: "git cat-file broke off".to_owned(), source };
        let read = async {
            let mut child = self
                .command(mirror)
                .args([what, "--batch-command"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|source| GitError::NoGit { source })?;
            let mut stdin = child.stdin.take().expect("piped above");
            let mut stdout = BufReader::new(child.stdout.take().expect("piped above"));
            stdin
                .write_all(format!("contents {sha}^{{commit}}\ncontents {sha}:{path}\n").as_bytes())
                .await
                .map_err(io)?;
            drop(stdin);
            let Some(("commit", size)) = object_head(&mut stdout, what).await? else { return Ok(None) };
            let mut commit = Vec::new();
            (&mut stdout).take(size + 1).read_to_end(&mut commit).await.map_err(io)?;
            let message = message_of(&commit);
            let file = match object_head(&mut stdout, what).await? {
                Some(("blob", bytes)) if bytes > cap => FileAtCommit::TooLarge { bytes },
                Some(("blob", bytes)) => {
                    let mut contents = Vec::new();
                    stdout.take(bytes).read_to_end(&mut contents).await.map_err(io)?;
                    FileAtCommit::Contents(contents)
                }
                _ => FileAtCommit::Missing,
            };
            Ok(Some(Looked { message, file }))
        };
        tokio::time::timeout(LOCAL_LIMIT, read)
            .await
            .map_err(|_| GitError::TooSlow { what, seconds: LOCAL_LIMIT.as_secs() })?
    }

    async fn fetch(&self, mirror: &Path, commit: Commit<'_>) -> Result<(), GitError> {
        let lock = self.lock(mirror);
        let (_turn, waited) = match lock.try_lock() {
            Ok(turn) => (turn, false),
            Err(_) => (lock.lock().await, true),
        };
        if !mirror.join("HEAD").exists() {
            std::fs::create_dir_all(mirror).map_err(|source| GitError::Io {
                what: format!("folder {} cannot be made", mirror.display()),
                source,
            })?;
            self.run("init", mirror, ["init", "-q", "--bare", "--template=", "."], LOCAL_LIMIT).await?;
        } else if waited && self.has_commit(mirror, commit.sha).await? {
            return Ok(()); // somebody else fetched it while we waited for our turn
        }
        // A ref of its own keeps the commit from being pruned, and tells later fetches what is here already.
        let keep = kept(commit.sha);
        let refused =
            |why: String| GitError::Fetch { url: public_url(commit.clone_url), sha: commit.sha.to_owned(), why };
        let by_sha = self.fetch_one(mirror, commit.clone_url, &format!("+{}:{keep}", commit.sha)).await;
        let error = match by_sha {
            Ok(()) => return Ok(()),
            Err(GitError::Command { why, .. }) => why,
            Err(error) => return Err(error),
        };
        // Servers that hand out nothing by SHA: by name, and then the commit has to be among what came.
        let by_name = format!("+{}:refs/windlass-names/{}", commit.reference, sha256_hex(commit.reference.as_bytes()));
        match self.fetch_one(mirror, commit.clone_url, &by_name).await {
            Ok(()) if self.has_commit(mirror, commit.sha).await? => {
                self.run("update-ref", mirror, ["update-ref", &keep, commit.sha], LOCAL_LIMIT).await
            }
            Ok(()) => Err(refused(format!("it is not on {} any more; {error}", commit.reference))),
            Err(GitError::Command { .. }) => Err(refused(error)),
            Err(error) => Err(error),
        }
    }

    async fn fetch_one(&self, mirror: &Path, url: &str, refspec: &str) -> Result<(), GitError> {
        let args = [
            "fetch",
            "-q",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--end-of-options",
            url,
            refspec,
        ];
        self.run("fetch", mirror, args, FETCH_LIMIT).await
    }

    /// A repository of its own in `work`: this one commit, its files, nothing that points back here.
    async fn check_out(&self, mirror: &Path, sha: &str, work: &Path) -> Result<(), GitError> {
        let io = |source| GitError::Io { what: format!("checkout in {}", work.display()), source };
        let _ = tokio::fs::remove_dir_all(work).await;
        let git_dir = work.join(".git");
        for folder in ["objects/info", "refs/heads"] {
            std::fs::create_dir_all(git_dir.join(folder)).map_err(io)?;
        }
        let format = if sha.len() == 64 {
            "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectFormat = sha256\n"
        } else {
            "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
        };
        std::fs::write(git_dir.join("config"), format).map_err(io)?;
        std::fs::write(git_dir.join("HEAD"), format!("{sha}\n")).map_err(io)?;
        std::fs::write(git_dir.join("shallow"), format!("{sha}\n")).map_err(io)?;
        let alternates = git_dir.join("objects/info/alternates");
        std::fs::write(&alternates, format!("{}\n", mirror.join("objects").display())).map_err(io)?;
        std::fs::create_dir_all(git_dir.join("objects/pack")).map_err(io)?;
        // Files and objects side by side: both only read the mirror.
        tokio::try_join!(
            self.run("reset", work, ["-c", NO_FSYNC, "reset", "-q", "--hard", sha], LOCAL_LIMIT),
            self.pack_objects(work, sha)
        )?;
        std::fs::remove_file(alternates).map_err(io)
    }

    /// The commit's objects as one pack. `shallow` leaves its history out.
    async fn pack_objects(&self, work: &Path, sha: &str) -> Result<(), GitError> {
        let what = "pack-objects";
        let pack = async {
            let mut child = self
                .command(work)
                .args(["-c", NO_FSYNC, what, "-q", "--revs", "--window=0", ".git/objects/pack/pack"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|source| GitError::NoGit { source })?;
            let mut stdin = child.stdin.take().expect("piped above");
            let asked = stdin.write_all(format!("{sha}\n").as_bytes()).await;
            drop(stdin);
            let output = child.wait_with_output().await.map_err(|source| GitError::NoGit { source })?;
            if output.status.success() && asked.is_ok() { Ok(()) } else { Err(GitError::said(what, &output.stderr)) }
        };
        tokio::time::timeout(LOCAL_LIMIT, pack)
            .await
            .map_err(|_| GitError::TooSlow { what, seconds: LOCAL_LIMIT.as_secs() })?
    }

    /// What a daemon that was killed left half-made.
    fn drop_half_made(&self) {
        let entries = [&self.sources, &self.mirrors].into_iter().filter_map(|folder| std::fs::read_dir(folder).ok());
        for path in entries.flatten().flatten().map(|entry| entry.path()) {
            match path.extension().and_then(OsStr::to_str) {
                Some("work" | "gone") => drop(std::fs::remove_dir_all(&path)),
                Some("part") => drop(std::fs::remove_file(&path)),
                _ => {}
            }
        }
    }

    fn drop_old_archives(&self) {
        let Ok(entries) = std::fs::read_dir(&self.sources) else { return };
        for entry in entries.flatten() {
            let old = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEEP_ARCHIVES));
            if old && entry.path().extension().is_some_and(|extension| extension == "tar") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Writes the folder as a tar archive; it appears whole or not at all.
fn pack(work: &Path, archive: &Path) -> Result<(), GitError> {
    let io = |source| GitError::Io { what: format!("archive {} cannot be written", archive.display()), source };
    let partial = work.with_extension("part");
    let file = std::fs::File::create(&partial).map_err(io)?;
    let mut builder = tar::Builder::new(std::io::BufWriter::with_capacity(1 << 20, file));
    builder.follow_symlinks(false);
    builder.append_dir_all(".", work).map_err(io)?;
    builder.into_inner().and_then(|file| file.into_inner().map_err(std::io::IntoInnerError::into_error)).map_err(io)?;
    std::fs::rename(&partial, archive).map_err(io)
}

/// The ref by which a mirror keeps a commit; nobody packs a mirror's refs, so the file tells without asking git.
fn kept(sha: &str) -> String {
    format!("refs/windlass/{sha}")
}

/// The head of an object in the output of `git cat-file`: its kind and size. `None`: there is no such object.
async fn object_head(
    stdout: &mut (impl tokio::io::AsyncBufRead + Unpin),
    what: &'static str,
) -> Result<Option<(&'static str, u64)>, GitError> {
    let mut line = String::new();
    let read = stdout.read_line(&mut line).await;
    read.map_err(|source| GitError::Io { what: "git cat-file broke off".to_owned(), source })?;
    let mut words = line.trim_end().rsplit(' ');
    let (size, kind) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let kind = match kind {
        "commit" => "commit",
        "blob" => "blob",
        "tree" => "tree",
        _ => return Ok(None),
    };
    let size = size.parse().map_err(|_| GitError::Command { what, why: line.clone() })?;
    Ok(Some((kind, size)))
}

/// The message of a commit object: what follows its first empty line.
fn message_of(commit: &[u8]) -> String {
    const MOST: usize = 64 << 10;
    let at = memchr::memmem::find(commit, b"\n\n").map_or(commit.len(), |at| at + 2);
    String::from_utf8_lossy(&commit[at..commit.len().min(at + MOST)]).into_owned()
}

/// The end of what git said, in one line.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(3)..].join("; ");
    if tail.is_empty() { "it said nothing".to_owned() } else { tail.chars().take(500).collect() }
}

/// A URL for messages: without the user and password that it may carry.
fn public_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (place, path) = rest.split_once('/').map_or((rest, ""), |(place, path)| (place, path));
            let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
