//! Jobs as processes of this host, without isolation: for `windlass run`, the demo, and repositories the operator names.
//! Limits, images and network modes are not applied; who may use it is for the caller to say. Must not know containers.
//!
//! An attempt's folder holds `frames`, `workspace`, `output` (what the runner itself says), `site` (its process, once there
//! is one) and `exit` (how it ended, where this or an earlier daemon was its parent and saw it). The runner is meant to
//! outlive the daemon: it is a process group of its own, and nothing here ends it but `stop` and `clean`.

mod process; // processes of this host, as /proc tells of them

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::EngineView;

use self::process::Process;
use super::folder::{FRAMES, Folders};
use super::{
    ASK, Engine, EngineError, Exit, Found, FoundState, FramePosition, Frames, Made, PullProgress, STALLED, Site,
    Source, Stop, TroubleKind, hand_over, tail,
};
use crate::failpoint::{self, Sabotage};
use crate::plan::{AttemptPlan, Transport};

/// What [`Site::engine`] says.
pub const KIND: &str = "local";

const WORKSPACE: &str = "workspace";
const OUTPUT: &str = "output";
const SITE: &str = "site";
const EXIT: &str = "exit";

/// All that a runner gets of the daemon's environment, which may hold secrets of the operator's.
const ENVIRONMENT: [&str; 10] = ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

/// A process that is no child of ours is looked at so often.
const LOOK: Duration = Duration::from_millis(50);
/// Between telling a runner to stop at once and doing it for it.
const NOW: Duration = Duration::from_secs(3);
/// A killed process that is still there after so long hangs in the kernel.
const KILLED: Duration = Duration::from_secs(10);
/// From this code on the runner itself failed, and what it said is worth telling.
const RUNNER_FAILED: i64 = 64;

/// What the local engine needs.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// The daemon's own executable; `/proc/self/exe` stays the right one while the file is replaced.
    pub executable: PathBuf,
    /// A folder of this engine's alone: one folder per attempt goes there.
    pub jobs: PathBuf,
}

/// Processes of this host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalEngine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    executable: PathBuf,
    folders: Folders,
    node: String,
    /// By handle: how the runners ended whose parent this daemon is.
    children: Mutex<HashMap<String, watch::Receiver<Option<Exit>>>>,
}

impl LocalEngine {
    /// # Errors
    /// When the folder for jobs cannot be made.
    pub fn open(settings: LocalSettings) -> Result<Self, EngineError> {
        let folders = Folders::open(KIND, settings.jobs)?;
        // It is started from another folder.
        let executable = std::path::absolute(&settings.executable)
            .map_err(|error| caused("cannot tell where the runner's executable is", error))?;
        let node = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let children = Mutex::default();
        Ok(Self(Arc::new(Inner { executable, folders, node, children })))
    }

    /// The machine that jobs run on.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// The folder that a job runs in, whether it exists or not.
    #[must_use]
    pub fn workspace(&self, id: &AttemptId) -> Option<PathBuf> {
        Some(self.0.folders.path(id).ok()?.join(WORKSPACE))
    }

    /// What to show of it.
    #[must_use]
    pub fn view(&self) -> EngineView {
        EngineView { kind: KIND.to_owned(), version: None, trouble: None }
    }
}

impl Inner {
    fn site(&self, handle: String) -> Site {
        Site { engine: KIND.to_owned(), node: self.node.clone(), handle }
    }

    fn spawn(&self, folder: &Path) -> io::Result<Child> {
        let output = File::options().append(true).create(true).open(folder.join(OUTPUT))?;
        let environment = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        Command::new(&self.executable)
            .arg("runner")
            .current_dir(folder.join(WORKSPACE))
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0) // a Ctrl-C meant for the daemon is not meant for it
            .kill_on_drop(false)
            .spawn()
    }

    /// Starts what has been started, for whoever checks that nothing runs twice.
    async fn run_again(&self, mut plan: AttemptPlan, source: &Source) -> Result<(), EngineError> {
        let folder = self.folders.path(&plan.id)?;
        plan.transport = Transport::File(folder.join("frames.again").display().to_string());
        plan.workspace = folder.join("again").display().to_string();
        std::fs::create_dir(&plan.workspace).map_err(|error| caused("cannot make the workspace", error))?;
        let mut child = self.spawn(&folder).map_err(|error| caused("cannot start the runner", error))?;
        let mut input = child.stdin.take().ok_or_else(|| trouble("the runner has no standard input"))?;
        hand_over(KIND, &plan, source, &mut input, STALLED).await
    }

    /// Waits for a child, remembers how it ended, and writes it down for the next daemon.
    fn watch(self: &Arc<Self>, handle: String, mut child: Child, folder: PathBuf) {
        let (ended, exit) = watch::channel(None);
        self.children().insert(handle, exit);
        tokio::spawn(async move {
            let exit = match child.wait().await {
                Ok(status) => exit_of(status, &folder),
                Err(error) => Exit { code: -1, out_of_memory: false, error: Some(error.to_string()) },
            };
            // Whether or not it can be written: without it the next daemon only does not know the code.
            let _ = std::fs::write(folder.join(EXIT), exit.code.to_string());
            ended.send_replace(Some(exit));
        });
    }

    fn children(&self) -> std::sync::MutexGuard<'_, HashMap<String, watch::Receiver<Option<Exit>>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runner's process. Whoever was interrupted while starting it has a handle without one; then what was written
    /// down tells.
    fn started(&self, id: &AttemptId, handle: &str) -> Result<Option<Process>, EngineError> {
        match handle.parse() {
            Ok(process) => Ok(Some(process)),
            Err(()) => self.process(id),
        }
    }

    async fn ended(&self, id: &AttemptId, handle: &str) -> Result<Exit, EngineError> {
        let started = self.started(id, handle)?.map(|process| process.to_string());
        let child = started.and_then(|handle| self.children().get(&handle).cloned());
        if let Some(mut child) = child
            && let Ok(exit) = child.wait_for(Option::is_some).await
            && let Some(exit) = exit.clone()
        {
            return Ok(exit);
        }
        let process = self.started(id, handle)?.ok_or_else(|| trouble(format!("{id} was never started")))?;
        let folder = self.folders.path(id)?;
        while process.is_alive() {
            tokio::time::sleep(LOOK).await;
        }
        if !folder.exists() {
            return Err(EngineError::Gone { handle: handle.to_owned() });
        }
        // Nobody tells how another's child ended; the runner's last frame does.
        let code = std::fs::read_to_string(folder.join(EXIT)).ok().and_then(|code| code.parse().ok()).unwrap_or(-1);
        Ok(Exit { code, out_of_memory: false, error: None })
    }

    /// The runner's process as it was written down.
    fn process(&self, id: &AttemptId) -> Result<Option<Process>, EngineError> {
        let site = std::fs::read_to_string(self.folders.path(id)?.join(SITE)).ok();
        Ok(site.and_then(|site| site.parse().ok()))
    }

    /// Kills a runner with all that descends from it, and what of the job hides elsewhere.
    async fn kill(&self, id: &AttemptId, process: Option<Process>) -> Result<(), EngineError> {
        let folder = self.folders.path(id)?;
        let kill = async {
            loop {
                let folder = folder.clone();
                let killed = tokio::task::spawn_blocking(move || process::kill_all(process, &folder)).await;
                if killed.unwrap_or_default() == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(KILLED, kill).await.map_err(|_| trouble(format!("processes of {id} cannot be killed")))
    }
}

impl Engine for LocalEngine {
    async fn create(&self, plan: &AttemptPlan, _say: &mpsc::Sender<String>) -> Result<Made, EngineError> {
        let inner = &*self.0;
        let id = &plan.id;
        if inner.process(id)?.is_some() {
            return Err(trouble(format!("the folder of {id} is there already and its runner was started before")));
        }
        let folder = inner.folders.make(id)?;
        failpoint::reached!("local.folder");
        inner.folders.make_frames(id)?;
        match std::fs::create_dir(folder.join(WORKSPACE)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(caused("cannot make the workspace", error))
            }
            _ => {
                failpoint::reached!("local.made");
                Ok(Made { site: inner.site(String::new()), image_digest: None })
            }
        }
    }

    fn pulling(&self, _id: &AttemptId) -> Option<PullProgress> {
        None
    }

    async fn feed(&self, plan: &AttemptPlan, _site: &Site, source: Source) -> Result<Site, EngineError> {
        let inner = &self.0;
        let id = &plan.id;
        let folder = inner.folders.path(id)?;
        if !folder.exists() {
            return Err(EngineError::Gone { handle: folder.display().to_string() });
        }
        if inner.process(id)?.is_some() {
            return Err(trouble(format!("the runner of {id} was started before")));
        }
        let mut plan = plan.clone();
        plan.workspace = folder.join(WORKSPACE).display().to_string();
        plan.transport = Transport::File(folder.join(FRAMES).display().to_string());

        let mut child = inner.spawn(&folder).map_err(|error| caused("cannot start the runner", error))?;
        let mut input = child.stdin.take().ok_or_else(|| trouble("the runner has no standard input"))?;
        let process = child
            .id()
            .and_then(|pid| Process::find(i32::try_from(pid).ok()?))
            .ok_or_else(|| trouble("the runner is not to be found among the processes"))?;
        failpoint::reached!("local.spawned");
        let handle = process.to_string();
        // Written down before it gets anything to do. A daemon that dies before this leaves a runner without a plan,
        // which ends by itself.
        std::fs::write(folder.join(SITE), &handle).map_err(|error| caused("cannot write the site down", error))?;
        failpoint::reached!("local.site-written");
        inner.watch(handle.clone(), child, folder);
        hand_over(KIND, &plan, &source, &mut input, STALLED).await?;
        if failpoint::is_sabotaged(Sabotage::RunTwice) {
            inner.run_again(plan, &source).await?;
        }
        Ok(inner.site(handle))
    }

    fn frames(&self, id: &AttemptId, site: &Site, after: FramePosition) -> Frames {
        let inner = Arc::clone(&self.0);
        let (owned, handle) = (id.clone(), site.handle.clone());
        let gone = async move { drop(inner.ended(&owned, &handle).await) };
        // A name that is no job's has no folder, and following then says that it is gone.
        let folder = self.0.folders.path(id).unwrap_or_default();
        tail::follow(KIND, folder.join(FRAMES), after, gone)
    }

    async fn exited(&self, id: &AttemptId, site: &Site) -> Result<Exit, EngineError> {
        self.0.ended(id, &site.handle).await
    }

    async fn stop(&self, id: &AttemptId, site: &Site, how: Stop) -> Result<(), EngineError> {
        let Some(process) = self.0.started(id, &site.handle)? else { return Ok(()) };
        if how == Stop::Gently {
            process.signal(ASK);
        } else {
            process.signal(Signal::SIGTERM);
            let (inner, id, handle) = (Arc::clone(&self.0), id.clone(), process.to_string());
            // A runner that hears TERM twice kills at once and still delivers what was written.
            tokio::spawn(async move {
                if tokio::time::timeout(NOW / 20, inner.ended(&id, &handle)).await.is_ok() {
                    return;
                }
                process.signal(Signal::SIGTERM);
                if tokio::time::timeout(NOW, inner.ended(&id, &handle)).await.is_err()
                    && let Err(error) = inner.kill(&id, Some(process)).await
                {
                    tracing::warn!(%error, "a job could not be killed");
                }
            });
        }
        Ok(())
    }

    async fn adopt(&self) -> Result<Vec<Found>, EngineError> {
        let inner = &*self.0;
        let mut found = Vec::new();
        for attempt in inner.folders.list()? {
            let (handle, state) = match inner.process(&attempt)? {
                None => (String::new(), FoundState::Created),
                Some(process) if process.is_alive() => (process.to_string(), FoundState::Running),
                Some(process) => (process.to_string(), FoundState::Exited),
            };
            found.push(Found { attempt, site: inner.site(handle), state });
        }
        Ok(found)
    }

    async fn clean(&self, id: &AttemptId) -> Result<(), EngineError> {
        let inner = &*self.0;
        if !inner.folders.path(id)?.exists() {
            return Ok(());
        }
        let process = inner.process(id)?;
        inner.kill(id, process).await?;
        failpoint::reached!("local.killed");
        if let Some(process) = process {
            inner.children().remove(&process.to_string());
        }
        inner.folders.remove(id).await
    }

    fn release(&self, id: &AttemptId, upto: FramePosition) {
        self.0.folders.release(id, upto);
    }
}

fn exit_of(status: std::process::ExitStatus, folder: &Path) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).map_or(-1, i64::from);
    let said = match code {
        RUNNER_FAILED.. => std::fs::read(folder.join(OUTPUT)).unwrap_or_default(),
        _ => Vec::new(),
    };
    let said = String::from_utf8_lossy(&said[..said.len().min(1000)]).trim().to_owned();
    Exit { code, out_of_memory: false, error: (!said.is_empty()).then_some(said) }
}

fn trouble(what: impl Into<String>) -> EngineError {
    EngineError::Trouble { engine: KIND, kind: TroubleKind::Host, what: what.into(), source: None }
}

fn caused(what: &str, error: io::Error) -> EngineError {
    EngineError::of_host(KIND, what.to_owned(), error)
}
