//! Jobs in containers of a Docker engine, through its API. Must not know the database, or what a job's steps are.
//!
//! One container per attempt, named after it and labelled with its owner; the daemon's executable, in a volume, is its
//! first process. `call` gives every request a deadline, `prepare` makes what an engine needs once, `shape` says what a
//! container looks like, `image` pulls, `wire` is the way to the socket, `life` ends containers, `follow` reads frames where they cannot go by file.

mod call;
mod follow;
mod image;
mod leftovers; // what has our labels and is nobody's
mod life;
mod prepare;
mod presence;
mod pulls;
mod refusal;
mod shape;
mod wire;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use tokio::sync::{Mutex, mpsc};
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::EngineView;

pub use self::call::Deadlines;
use self::call::{Client, Failure, trouble};
pub use self::leftovers::Leftover;
use self::prepare::Prepared;
use self::presence::Presence;
use self::pulls::Pulls;
pub use self::shape::Limits;
use self::shape::Shape;
pub(super) use self::shape::WORKSPACE;
use super::folder::{self, Folders};
use super::{
    Away, Engine, EngineError, Exit, Found, FoundState, FramePosition, Frames, Made, PullProgress, Site, Source, Stop,
    TroubleKind, hand_over, tail,
};
use crate::failpoint;
use crate::plan::{AttemptPlan, Pull, Transport};

/// What [`Site::engine`] says.
pub const KIND: &str = "docker";

const DEFAULT_PIDS: u64 = 4096;
/// What the oldest engine speaks that has all that jobs need: Docker 19.03.
const OLDEST_API: (u32, u32) = (1, 40);

/// How to reach an engine, and what jobs on it may have.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    pub socket: PathBuf,
    /// The daemon's own executable, static; `/proc/self/exe` stays the right one while the file is replaced.
    pub executable: PathBuf,
    /// A folder of this engine's alone, on this host: one folder per attempt goes there.
    pub jobs: PathBuf,
    /// Tells daemons on one engine apart: each only sees its own containers. Lower-case letters and digits.
    pub owner: String,
    /// Begins the names of what daemons on one engine share: the network, the runner's volume, an empty image.
    pub namespace: String,
    /// What a job gets that asks for nothing. Memory: three quarters of the engine's when not set here.
    pub defaults: Limits,
    /// What a job may ask for.
    pub most: Limits,
    /// Capabilities that the operator grants to all jobs on top of the documented ones.
    pub capabilities: Vec<String>,
    /// Frames over standard output even where the engine sees our files.
    pub frames_over_stdout: bool,
    pub deadlines: Deadlines,
}

impl DockerSettings {
    /// With the usual bounds.
    #[must_use]
    pub fn new(socket: PathBuf, executable: PathBuf, jobs: PathBuf, owner: &str) -> Self {
        Self {
            socket,
            executable,
            jobs,
            owner: owner.to_owned(),
            namespace: "windlass".to_owned(),
            defaults: Limits { memory_bytes: None, cpu_millis: None, pids: Some(DEFAULT_PIDS) },
            most: Limits::default(),
            capabilities: Vec::new(),
            frames_over_stdout: false,
            deadlines: Deadlines::default(),
        }
    }
}

/// A Docker engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DockerEngine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    docker: Client,
    presence: Arc<Presence>,
    pulls: Pulls,
    settings: DockerSettings,
    folders: Folders,
    machine: Machine,
    /// Made before the first job; forgotten when it turns out that somebody removed it.
    prepared: Mutex<Option<Arc<Prepared>>>,
    /// Attempts that have a folder already and no container yet.
    making: StdMutex<HashSet<AttemptId>>,
    /// Containers that got a KILL, and when. One that an engine says runs on after that does not end any more.
    killed: StdMutex<HashMap<String, Instant>>,
}

/// Says that an attempt is being made, as long as it lives.
struct Making<'a>(&'a Inner, &'a AttemptId);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.making().remove(self.1);
    }
}

/// What the engine says of its machine.
#[derive(Debug)]
struct Machine {
    node: String,
    version: Option<String>,
    cpu_millis: Option<u64>,
    memory_bytes: Option<u64>,
    /// What it cannot enforce, in words.
    lacks: Option<String>,
    can_limit_memory: bool,
    can_limit_swap: bool,
    can_limit_pids: bool,
    can_limit_cpu: bool,
}

impl DockerEngine {
    /// Asks the engine who it is; nothing is made on it yet.
    ///
    /// # Errors
    /// When it does not answer, or the settings make no sense.
    pub async fn connect(settings: DockerSettings) -> Result<Self, EngineError> {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !plain(&settings.owner) || !plain(&settings.namespace) {
            return Err(trouble(
                TroubleKind::Host,
                "owner and namespace have to be of lower-case letters, digits and hyphens",
            ));
        }
        let folders = Folders::open(KIND, settings.jobs.clone())?;
        let socket = settings.socket.to_string_lossy();
        let docker = wire::connect(&settings.socket)
            .map_err(|error| Failure::from(error).trouble(&format!("connecting to {socket}")))?;
        let docker = Client::new(docker, settings.deadlines);
        let machine = Machine::ask(&docker, &socket).await?;
        let presence = Arc::<Presence>::default();
        presence.watch(docker.clone());
        Ok(Self(Arc::new(Inner {
            docker,
            presence,
            pulls: Pulls::default(),
            settings,
            folders,
            machine,
            prepared: Mutex::new(None),
            making: StdMutex::default(),
            killed: StdMutex::default(),
        })))
    }

    /// Makes the image `repository:1` of a tar archive, at the engine behind `socket`: for the demo, which reaches no
    /// registry.
    ///
    /// # Errors
    /// When the engine does not answer, or does not take it.
    pub async fn import_image(socket: &Path, repository: &str, archive: Vec<u8>) -> Result<(), EngineError> {
        let docker = wire::connect(socket)
            .map_err(|error| Failure::from(error).trouble(&format!("connecting to {}", socket.display())))?;
        let socket = socket.to_string_lossy();
        let docker = Client::new(docker, Deadlines::default());
        Machine::ask(&docker, &socket).await?;
        image::import(&docker, repository, &["ENV PATH=/bin:/usr/bin".to_owned()], archive).await
    }

    /// Makes what the engine needs before its first job: worth calling at start, in the background. `create` does it
    /// where nobody has.
    ///
    /// # Errors
    /// When the engine has trouble with it.
    pub async fn prepare(&self) -> Result<(), EngineError> {
        self.0.prepared().await.map(drop)
    }

    /// Whether containers see files of this host. Makes what the engine needs where that is not done yet.
    ///
    /// # Errors
    /// When the engine has trouble with it.
    pub async fn shares_files(&self) -> Result<bool, EngineError> {
        self.0.prepared().await.map(|prepared| prepared.shares_files)
    }

    /// Since when it does not answer, when it does not.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        self.0.presence.away()
    }

    /// The machine that containers run on, as the engine names it.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.0.machine.node
    }

    /// What to show of it.
    pub async fn view(&self) -> EngineView {
        let machine = &self.0.machine;
        let trouble = match self.0.docker.within(Duration::from_secs(2), self.0.docker.ping()).await {
            Ok(_) => machine.lacks.clone(),
            Err(_) => Some(format!("the engine at {} does not answer", self.0.settings.socket.display())),
        };
        EngineView { kind: KIND.to_owned(), version: machine.version.clone(), trouble }
    }
}

impl Machine {
    async fn ask(docker: &Client, socket: &str) -> Result<Self, EngineError> {
        let info = docker.quick(docker.info()).await.map_err(|failure| failure.trouble(&format!("asking {socket}")))?;
        let said =
            docker.quick(docker.version()).await.map_err(|failure| failure.trouble(&format!("asking {socket}")))?;
        if let Some(api) = said.api_version.filter(|api| is_too_old(api)) {
            let (major, minor) = OLDEST_API;
            let what =
                format!("speaks version {api} of Docker's API, and {major}.{minor} is needed: install a newer one");
            return Err(trouble(TroubleKind::Fault, what));
        }
        let can = [
            ("memory", info.memory_limit.unwrap_or(false)),
            ("swap", info.swap_limit.unwrap_or(false)),
            ("processes", info.pids_limit.unwrap_or(false)),
            ("cpu", info.cpu_cfs_quota.unwrap_or(false)),
        ];
        let missing: Vec<_> = can.iter().filter(|(_, can)| !can).map(|(what, _)| *what).collect();
        let positive = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).filter(|n| *n > 0);
        Ok(Self {
            node: info.name.unwrap_or_default(),
            version: info.server_version,
            cpu_millis: positive(info.ncpu).map(|cpus| cpus * 1000),
            memory_bytes: positive(info.mem_total),
            lacks: (!missing.is_empty()).then(|| format!("this engine cannot limit: {}", missing.join(", "))),
            can_limit_memory: can[0].1,
            can_limit_swap: can[1].1,
            can_limit_pids: can[2].1,
            can_limit_cpu: can[3].1,
        })
    }
}

impl Inner {
    fn making(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prepared(&self) -> Result<Arc<Prepared>, EngineError> {
        let mut prepared = self.prepared.lock().await;
        if let Some(prepared) = &*prepared {
            return Ok(Arc::clone(prepared));
        }
        let made = Arc::new(prepare::prepare(&self.docker, &self.settings, self.folders.root()).await?);
        Ok(Arc::clone(prepared.insert(made)))
    }

    /// The name of an attempt's container.
    fn name(&self, id: &AttemptId) -> Result<String, EngineError> {
        Ok(format!("{}-{}-{}", self.settings.namespace, self.settings.owner, folder::name(id)?))
    }

    /// The request for an attempt's container: the same whenever it is asked for.
    fn wanted(
        &self,
        plan: &AttemptPlan,
        prepared: &Prepared,
        frames: &Path,
    ) -> Result<bollard::models::ContainerCreateBody, EngineError> {
        let refused = |what: String| EngineError::Refused { what };
        let image = plan.job.image.as_deref();
        let image = image.ok_or_else(|| refused("a job on the docker engine needs an image".to_owned()))?;
        let machine = &self.machine;
        let memory = self.settings.defaults.memory_bytes.or(machine.memory_bytes.map(|bytes| bytes / 4 * 3));
        let defaults = Limits { memory_bytes: memory, ..self.settings.defaults };
        let mut limits = defaults.applied(&plan.job.resources, &self.settings.most).map_err(refused)?;
        // More cores than there are is as good as all of them, but engines refuse it.
        limits.cpu_millis = limits.cpu_millis.map(|millis| millis.min(machine.cpu_millis.unwrap_or(millis)));
        limits.memory_bytes = limits.memory_bytes.filter(|_| machine.can_limit_memory);
        limits.cpu_millis = limits.cpu_millis.filter(|_| machine.can_limit_cpu);
        limits.pids = limits.pids.filter(|_| machine.can_limit_pids);
        let mut body = shape::body(&Shape {
            id: &plan.id,
            owner: &self.settings.owner,
            image,
            runner: &prepared.runner,
            network: plan.job.network,
            bridge: &prepared.bridge,
            frames: prepared.shares_files.then_some(frames),
            limits,
            capabilities: &self.settings.capabilities,
        });
        if !machine.can_limit_swap
            && let Some(host) = &mut body.host_config
        {
            host.memory_swap = None;
        }
        Ok(body)
    }

    async fn inspect(&self, handle: &str) -> Result<ContainerInspectResponse, EngineError> {
        self.docker.quick(self.docker.inspect_container(handle, None)).await.map_err(|failure| {
            match failure.is_missing() {
                true => EngineError::Gone { handle: handle.to_owned() },
                false => failure.trouble("inspecting a container"),
            }
        })
    }

    /// Makes sure that the engine has the job's image, as the plan's policy says; what its name stands for.
    async fn image(&self, plan: &AttemptPlan, image: &str, say: &mpsc::Sender<String>) -> Result<String, EngineError> {
        let digest = async || {
            image::digest(&self.docker, image).await.map_err(|failure| match failure {
                Failure::No { status: 400, message } => EngineError::Refused {
                    what: format!("the engine knows no such thing as image {image}: {}", message.trim()),
                },
                failure => failure.trouble("looking at an image"),
            })
        };
        let there = match plan.job.pull {
            Pull::Always => None,
            Pull::Missing | Pull::Never => digest().await?,
        };
        match there {
            Some(digest) => return Ok(digest),
            None if plan.job.pull == Pull::Never => {
                return Err(EngineError::Refused {
                    what: format!(
                        "image {image} is not on the engine, and the job says `pull: never`: pull or build it there, or \
                         say `pull: missing`"
                    ),
                });
            }
            None => self.pulls.pull(&self.docker, &plan.id, image, say).await?,
        }
        let gone = || trouble(TroubleKind::Fault, format!("has no image {image} although it was pulled"));
        let digest = digest().await?.ok_or_else(gone)?;
        drop(say.try_send(format!("image {image} is {digest}")));
        Ok(digest)
    }

    /// The site of a container that is there already under the attempt's name.
    async fn existing(&self, name: &str) -> Result<Site, EngineError> {
        let seen = self.inspect(name).await?;
        match (seen.id, seen.state.and_then(|state| state.status)) {
            (Some(id), Some(ContainerStateStatusEnum::CREATED)) => Ok(self.site(id)),
            _ => Err(trouble(
                TroubleKind::Fault,
                format!("the container {name} is there already and was started before"),
            )),
        }
    }

    fn site(&self, handle: String) -> Site {
        Site { engine: KIND.to_owned(), node: self.machine.node.clone(), handle }
    }
}

impl Engine for DockerEngine {
    async fn create(&self, plan: &AttemptPlan, say: &mpsc::Sender<String>) -> Result<Made, EngineError> {
        let inner = &*self.0;
        let _user = inner.presence.user();
        let name = inner.name(&plan.id)?;
        let prepared = inner.prepared().await?;
        inner.making().insert(plan.id.clone());
        let _making = Making(inner, &plan.id);
        inner.folders.make(&plan.id)?;
        failpoint::reached!("docker.folder");
        let frames = match prepared.shares_files {
            true => inner.folders.make_frames(&plan.id)?,
            false => PathBuf::new(),
        };
        let body = inner.wanted(plan, &prepared, &frames)?;
        let image = body.image.clone().unwrap_or_default();
        let digest = inner.image(plan, &image, say).await?;
        failpoint::reached!("docker.image");
        let made = |site| Made { site, image_digest: Some(digest.clone()) };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        match inner.docker.slow(inner.docker.create_container(Some(options), body)).await {
            Ok(created) => {
                failpoint::reached!("docker.created");
                Ok(made(inner.site(created.id)))
            }
            Err(failure) if failure.is_conflict() => inner.existing(&name).await.map(made),
            Err(Failure::No { status: 400, message }) => {
                let what = format!("the engine refuses a container of image {image}: {}", message.trim());
                Err(EngineError::Refused { what })
            }
            Err(failure) => Err(failure.trouble("creating a container")),
        }
    }

    fn pulling(&self, id: &AttemptId) -> Option<PullProgress> {
        self.0.pulls.of(id)
    }

    async fn feed(&self, plan: &AttemptPlan, site: &Site, source: Source) -> Result<Site, EngineError> {
        let inner = &*self.0;
        let handle = &site.handle;
        let prepared = inner.prepared().await?;
        let frames = inner.folders.path(&plan.id)?.join(folder::FRAMES);
        let wanted = inner.wanted(plan, &prepared, &frames)?;
        let mut plan = plan.clone();
        plan.workspace = WORKSPACE.to_owned();
        plan.transport = match prepared.shares_files {
            true => Transport::File(shape::FRAMES.to_owned()),
            false => Transport::Stdout,
        };

        // Attached before it is started, and checked meanwhile: nothing runs that differs from what was asked for.
        let attach = async {
            let options = AttachContainerOptionsBuilder::default().stdin(true).stream(true).build();
            inner.docker.quick(inner.docker.attach_container(handle, Some(options))).await.map_err(|failure| {
                match failure.is_missing() {
                    true => EngineError::Gone { handle: handle.clone() },
                    false => failure.trouble("attaching to a container"),
                }
            })
        };
        let (mut attached, made) = tokio::try_join!(attach, inner.inspect(handle))?;
        if made.state.as_ref().and_then(|state| state.status) != Some(ContainerStateStatusEnum::CREATED) {
            return Err(trouble(TroubleKind::Fault, format!("the container of {} was started before", plan.id)));
        }
        failpoint::reached!("docker.attached");
        let differences = shape::differences(&wanted, &made);
        if !differences.is_empty() {
            let what = format!("made another container than it was asked for: {}", differences.join("; "));
            return Err(trouble(TroubleKind::Nonsense, what));
        }

        let start = async {
            failpoint::reached!("docker.starting");
            inner.docker.slow(inner.docker.start_container(handle, None)).await.map_err(|failure| match failure {
                // A network that is gone is not found, too.
                Failure::No { status: 404, message } if message.contains("No such container") => {
                    EngineError::Gone { handle: handle.clone() }
                }
                // Something of the image is in the way: a file where the workspace goes, say. Not so when it is the runner
                // that cannot be executed: then its volume is not what it was.
                Failure::No { status: 400, message } if !message.contains(shape::RUNNER) => {
                    EngineError::Refused { what: format!("the engine cannot start this image: {}", message.trim()) }
                }
                failure => failure.trouble("starting a container"),
            })?;
            failpoint::reached!("docker.started");
            Ok(())
        };
        let write = hand_over(KIND, &plan, &source, &mut attached.input, inner.docker.deadlines.feed);
        let (mut start, mut write) = (std::pin::pin!(start), std::pin::pin!(write));
        let result = tokio::select! {
            biased;
            started = &mut start => match started {
                Ok(()) => write.await,
                Err(error) => Err(error),
            },
            written = &mut write => start.await.and(written),
        };
        if result.is_err() {
            // Somebody may have removed the runner's volume or the network; the next attempt shall look.
            *inner.prepared.lock().await = None;
        }
        result.map(|()| site.clone())
    }

    fn frames(&self, id: &AttemptId, site: &Site, after: FramePosition) -> Frames {
        let inner = Arc::clone(&self.0);
        let handle = site.handle.clone();
        // Gone or out of reach for good: either way nothing more will come.
        let gone = async move { drop(inner.ended(&handle).await) };
        match self.0.folders.path(id).map(|folder| folder.join(folder::FRAMES)) {
            Ok(frames) if frames.exists() => tail::follow(KIND, frames, after, gone),
            _ => follow::follow(self.0.docker.clone(), site.handle.clone(), after, gone),
        }
    }

    async fn exited(&self, _id: &AttemptId, site: &Site) -> Result<Exit, EngineError> {
        self.0.ended(&site.handle).await
    }

    async fn stop(&self, id: &AttemptId, site: &Site, how: Stop) -> Result<(), EngineError> {
        Arc::clone(&self.0).stop(id, &site.handle, how).await
    }

    async fn adopt(&self) -> Result<Vec<Found>, EngineError> {
        let inner = &*self.0;
        // Looked at before the containers: a folder whose container is not made at this moment has one by now, or is
        // what a daemon left behind that died in between.
        let mut orphans: HashSet<_> = inner.folders.list()?.into_iter().collect();
        let label = format!("{}={}", shape::OWNER_LABEL, inner.settings.owner);
        let filters = HashMap::from([("label", vec![label.as_str(), shape::ATTEMPT_LABEL])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = inner
            .docker
            .slow(inner.docker.list_containers(Some(options)))
            .await
            .map_err(|failure| failure.trouble("listing containers"))?;
        let found = containers.into_iter().filter_map(|container| {
            let attempt = container.labels?.get(shape::ATTEMPT_LABEL)?.parse().ok()?;
            let state = match container.state? {
                ContainerSummaryStateEnum::CREATED => FoundState::Created,
                ContainerSummaryStateEnum::EXITED
                | ContainerSummaryStateEnum::DEAD
                | ContainerSummaryStateEnum::REMOVING => FoundState::Exited,
                _ => FoundState::Running,
            };
            Some(Found { attempt, site: inner.site(container.id?), state })
        });
        let found: Vec<_> = found.collect();
        for found in &found {
            orphans.remove(&found.attempt);
        }
        for orphan in &orphans {
            // Looking took a while: it may be in use again by now, by a container that is being made, or has been made.
            let made = inner.inspect(&inner.name(orphan)?).await;
            if !matches!(made, Err(EngineError::Gone { .. })) || inner.making().contains(orphan) {
                continue;
            }
            if let Err(error) = inner.folders.remove(orphan).await {
                tracing::warn!(attempt = %orphan, %error, "a folder without a container could not be removed");
            }
        }
        Ok(found)
    }

    async fn clean(&self, id: &AttemptId) -> Result<(), EngineError> {
        let inner = &*self.0;
        let name = inner.name(id)?;
        let begun = Instant::now();
        loop {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match inner.docker.slow(inner.docker.remove_container(&name, Some(options))).await {
                Err(failure) if failure.is_missing() => break,
                // The removal counts when the engine has nothing of that name: a start it carried out meanwhile is seen.
                Ok(()) => match inner.inspect(&name).await {
                    Err(EngineError::Gone { .. }) => break,
                    Ok(_) if begun.elapsed() < inner.docker.deadlines.slow => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    Ok(_) => return Err(trouble(TroubleKind::Nonsense, "still has a container that it removed")),
                    Err(error) => return Err(error),
                },
                // It is being removed already, or something on the engine's side still holds it for a moment.
                Err(Failure::No { status: 409 | 500, .. }) if begun.elapsed() < inner.docker.deadlines.slow => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(failure) => return Err(failure.trouble("removing a container")),
            }
        }
        failpoint::reached!("docker.removed");
        inner.folders.remove(id).await
    }

    fn release(&self, id: &AttemptId, upto: FramePosition) {
        // Where frames come over standard output there is no such file.
        self.0.folders.release(id, upto);
    }
}

/// Whether a version of the API is older than what is needed. What cannot be read is no reason.
fn is_too_old(api: &str) -> bool {
    let Some((major, minor)) = api.split_once('.') else { return false };
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => (major, minor) < OLDEST_API,
        _ => false,
    }
}
