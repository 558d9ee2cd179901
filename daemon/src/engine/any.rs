//! The engines a daemon has, behind one face: calls about a site go to the engine that made it. Must not know how any
//! engine works.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::EngineView;

use super::docker::{self, DockerEngine, DockerSettings};
use super::local::{self, LocalEngine, LocalSettings};
use super::{
    Away, Engine, EngineError, Exit, Found, FramePosition, Frames, Made, PullProgress, Site, Source, Stop, TroubleKind,
};
use crate::clock;
use crate::findings::place::Roots;
use crate::plan::AttemptPlan;

/// With `auto`, an engine that answers nothing for so long is none.
const AUTO: Duration = Duration::from_secs(2);
/// … and is looked for so often while there is none.
const LOOK: Duration = Duration::from_secs(1);
/// What an engine said of itself is shown for so long before it is asked again.
const FRESH: Duration = Duration::from_secs(5);

/// What the operator's configuration says: `[engine] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Auto,
    Docker,
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Local,
}

/// One engine of any kind. Cheap to clone.
#[derive(Debug, Clone)]
pub enum AnyEngine {
    Docker(DockerEngine),
    Local(LocalEngine),
}

/// What a daemon has. Cheap to clone. As an [`Engine`] it makes new attempts on the default one.
#[derive(Debug, Clone)]
pub struct Engines(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    choice: Choice,
    /// Kept for the time when an engine that was not there comes up.
    settings: DockerSettings,
    docker: OnceLock<DockerEngine>,
    /// Always there: who may use it is for the caller to say.
    local: LocalEngine,
    /// Why there is no container engine; for the log and the screen.
    note: Option<String>,
    /// Since when `auto` has found no container engine, and what it found instead; `None` once there is one.
    missing: StdMutex<Option<Away>>,
    /// When looking for the engine failed last. Locked while somebody looks.
    missed: Mutex<Option<Instant>>,
    /// What the engine last said of itself. Locked while somebody asks.
    seen: Mutex<Option<(Instant, EngineView)>>,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => docker::KIND,
            Self::Local => local::KIND,
        }
    }
}

impl Engines {
    /// Looks for the engines and decides about the default one.
    ///
    /// # Errors
    /// When docker is chosen and does not answer, or the local engine's folder cannot be made.
    pub async fn connect(choice: Choice, settings: DockerSettings, local: LocalSettings) -> Result<Self, EngineError> {
        let local = LocalEngine::open(local)?;
        let (docker, note) = match choice {
            Choice::Local => (None, None),
            Choice::Docker => (Some(DockerEngine::connect(settings.clone()).await?), None),
            Choice::Auto => match find(&settings).await {
                Ok(docker) => (Some(docker), None),
                Err(why) => (None, Some(hint(&why))),
            },
        };
        let docker = docker.map_or_else(OnceLock::new, OnceLock::from);
        let (missed, seen) = (Mutex::default(), Mutex::default());
        let missing = note.clone().map(|why| Away { engine: docker::KIND, since: clock::now(), why });
        let is_missing = missing.is_some();
        let missing = StdMutex::new(missing);
        let engines = Self(Arc::new(Inner { choice, settings, docker, local, note, missing, missed, seen }));
        if is_missing {
            tokio::spawn(look_for_it(Arc::downgrade(&engines.0)));
        }
        Ok(engines)
    }

    /// Looks again for a container engine that was not there, where the choice allows one. Whether there is one now.
    pub async fn reconnect(&self) -> bool {
        let inner = &*self.0;
        if inner.docker.get().is_some() || inner.choice == Choice::Local {
            return inner.docker.get().is_some();
        }
        let asked = Instant::now();
        let mut missed = inner.missed.lock().await;
        if inner.docker.get().is_some() {
            return true;
        }
        // Somebody looked while this one waited for its turn: the answer is as good as a new one.
        if missed.is_some_and(|missed| missed >= asked) {
            return false;
        }
        match find(&inner.settings).await {
            Ok(docker) => {
                tracing::info!(socket = %inner.settings.socket.display(), "the container engine is there now");
                inner.docker.get_or_init(|| docker);
                *inner.missing() = None;
                true
            }
            Err(why) => {
                tracing::debug!("{why}");
                if let Some(away) = &mut *inner.missing() {
                    away.why = hint(&why);
                }
                *missed = Some(Instant::now());
                false
            }
        }
    }

    /// The kind that new attempts go to where nothing else is said.
    #[must_use]
    pub fn default_kind(&self) -> Kind {
        if self.0.docker.get().is_some() { Kind::Docker } else { Kind::Local }
    }

    /// One sentence while `auto` has found no container engine.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.0.note.as_deref().filter(|_| self.0.docker.get().is_none())
    }

    /// Makes ready what new attempts need; worth calling at start, in the background.
    ///
    /// # Errors
    /// When the engine has trouble with it.
    pub async fn prepare(&self) -> Result<(), EngineError> {
        match self.0.docker.get() {
            Some(docker) => docker.prepare().await,
            None => Ok(()),
        }
    }

    /// The engine of a kind; `None`: the default one.
    ///
    /// # Errors
    /// When this daemon has none of that kind.
    pub fn pick(&self, kind: Option<Kind>) -> Result<AnyEngine, EngineError> {
        match (kind.unwrap_or(self.default_kind()), self.0.docker.get()) {
            (Kind::Local, _) => Ok(AnyEngine::Local(self.0.local.clone())),
            (Kind::Docker, Some(docker)) => Ok(AnyEngine::Docker(docker.clone())),
            (Kind::Docker, None) => Err(EngineError::Trouble {
                engine: docker::KIND,
                kind: TroubleKind::Away,
                what: "this daemon has no container engine".to_owned(),
                source: None,
            }),
        }
    }

    /// The engine that made a site.
    ///
    /// # Errors
    /// When this daemon does not have it (any more).
    pub fn of(&self, site: &Site) -> Result<AnyEngine, EngineError> {
        let kind = [Kind::Docker, Kind::Local].into_iter().find(|kind| kind.name() == site.engine);
        match kind {
            Some(kind) => self.pick(Some(kind)),
            None => Err(EngineError::Gone { handle: format!("{}:{}", site.engine, site.handle) }),
        }
    }

    /// Since when the container engine does not answer, when it does not, or was never found. From memory: a watch in the
    /// background notices both its going and its return.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        match self.0.docker.get() {
            Some(docker) => docker.away(),
            None => self.0.missing().clone(),
        }
    }

    /// The machine that new attempts run on, as they name it.
    #[must_use]
    pub fn node(&self) -> String {
        match self.0.docker.get() {
            Some(docker) => docker.node().to_owned(),
            None => self.0.local.node().to_owned(),
        }
    }

    /// What to show of the default engine; at most [`FRESH`] old, however many ask.
    pub async fn view(&self) -> EngineView {
        let inner = &*self.0;
        let Some(docker) = inner.docker.get() else {
            return EngineView { trouble: self.note().map(str::to_owned), ..inner.local.view() };
        };
        let mut seen = inner.seen.lock().await;
        match &*seen {
            Some((when, view)) if when.elapsed() < FRESH => view.clone(),
            _ => {
                let view = docker.view().await;
                *seen = Some((Instant::now(), view.clone()));
                view
            }
        }
    }
}

impl Engines {
    /// The names under which a job knows its own folder, whichever engine it runs on.
    #[must_use]
    pub fn workspaces(&self, id: &AttemptId) -> Roots {
        let here = self.0.local.workspace(id);
        let real = here.as_ref().and_then(|path| path.canonicalize().ok());
        let local = [here, real].into_iter().flatten().map(|path| path.display().to_string());
        Roots::new([docker::WORKSPACE.to_owned()].into_iter().chain(local))
    }
}

impl Inner {
    fn missing(&self) -> MutexGuard<'_, Option<Away>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until it is found, or nobody has the engines any more. What waits for it starts then, whoever installs it when.
async fn look_for_it(engines: Weak<Inner>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(engines) = engines.upgrade().map(Engines) else { return };
        if engines.reconnect().await {
            return;
        }
    }
}

/// Why there is no container engine, and what to do about it.
fn hint(why: &str) -> String {
    format!("{why}: until one answers, only repositories with engine = \"local\" can build")
}

/// The container engine, when it answers soon; else why there is none.
async fn find(settings: &DockerSettings) -> Result<DockerEngine, String> {
    let socket = settings.socket.display();
    match tokio::time::timeout(AUTO, DockerEngine::connect(settings.clone())).await {
        Ok(Ok(docker)) => Ok(docker),
        Ok(Err(error)) => Err(format!("no container engine at {socket} ({error})")),
        Err(_) => Err(format!("the container engine at {socket} did not answer within 2 s")),
    }
}

/// A stream of frames that only tells why there are none.
fn failed(error: EngineError) -> Frames {
    let (sender, frames) = mpsc::channel(1);
    sender.try_send(Err(error)).expect("a new channel has room for one");
    frames
}

impl Engine for Engines {
    async fn create(&self, plan: &AttemptPlan, say: &mpsc::Sender<String>) -> Result<Made, EngineError> {
        self.pick(None)?.create(plan, say).await
    }

    fn pulling(&self, id: &AttemptId) -> Option<PullProgress> {
        self.0.docker.get()?.pulling(id)
    }

    async fn feed(&self, plan: &AttemptPlan, site: &Site, source: Source) -> Result<Site, EngineError> {
        self.of(site)?.feed(plan, site, source).await
    }

    fn frames(&self, id: &AttemptId, site: &Site, after: FramePosition) -> Frames {
        match self.of(site) {
            Ok(engine) => engine.frames(id, site, after),
            Err(error) => failed(error),
        }
    }

    async fn exited(&self, id: &AttemptId, site: &Site) -> Result<Exit, EngineError> {
        self.of(site)?.exited(id, site).await
    }

    async fn stop(&self, id: &AttemptId, site: &Site, how: Stop) -> Result<(), EngineError> {
        self.of(site)?.stop(id, site, how).await
    }

    async fn adopt(&self) -> Result<Vec<Found>, EngineError> {
        let mut found = self.0.local.adopt().await?;
        if let Some(docker) = self.0.docker.get() {
            found.extend(docker.adopt().await?);
        }
        Ok(found)
    }

    async fn clean(&self, id: &AttemptId) -> Result<(), EngineError> {
        let local = self.0.local.clean(id);
        match self.0.docker.get() {
            Some(docker) => tokio::try_join!(local, docker.clean(id)).map(|((), ())| ()),
            None => local.await,
        }
    }

    fn release(&self, id: &AttemptId, upto: FramePosition) {
        // Only the engine that made the attempt has frames of it.
        self.0.local.release(id, upto);
        if let Some(docker) = self.0.docker.get() {
            docker.release(id, upto);
        }
    }
}

impl Engine for AnyEngine {
    async fn create(&self, plan: &AttemptPlan, say: &mpsc::Sender<String>) -> Result<Made, EngineError> {
        match self {
            Self::Docker(engine) => engine.create(plan, say).await,
            Self::Local(engine) => engine.create(plan, say).await,
        }
    }

    fn pulling(&self, id: &AttemptId) -> Option<PullProgress> {
        match self {
            Self::Docker(engine) => engine.pulling(id),
            Self::Local(engine) => engine.pulling(id),
        }
    }

    async fn feed(&self, plan: &AttemptPlan, site: &Site, source: Source) -> Result<Site, EngineError> {
        match self {
            Self::Docker(engine) => engine.feed(plan, site, source).await,
            Self::Local(engine) => engine.feed(plan, site, source).await,
        }
    }

    fn frames(&self, id: &AttemptId, site: &Site, after: FramePosition) -> Frames {
        match self {
            Self::Docker(engine) => engine.frames(id, site, after),
            Self::Local(engine) => engine.frames(id, site, after),
        }
    }

    async fn exited(&self, id: &AttemptId, site: &Site) -> Result<Exit, EngineError> {
        match self {
            Self::Docker(engine) => engine.exited(id, site).await,
            Self::Local(engine) => engine.exited(id, site).await,
        }
    }

    async fn stop(&self, id: &AttemptId, site: &Site, how: Stop) -> Result<(), EngineError> {
        match self {
            Self::Docker(engine) => engine.stop(id, site, how).await,
            Self::Local(engine) => engine.stop(id, site, how).await,
        }
    }

    async fn adopt(&self) -> Result<Vec<Found>, EngineError> {
        match self {
            Self::Docker(engine) => engine.adopt().await,
            Self::Local(engine) => engine.adopt().await,
        }
    }

    async fn clean(&self, id: &AttemptId) -> Result<(), EngineError> {
        match self {
            Self::Docker(engine) => engine.clean(id).await,
            Self::Local(engine) => engine.clean(id).await,
        }
    }

    fn release(&self, id: &AttemptId, upto: FramePosition) {
        match self {
            Self::Docker(engine) => engine.release(id, upto),
            Self::Local(engine) => engine.release(id, upto),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    /// An engine that knows nothing of itself, and counts how often it is asked whether it is there.
    fn engine(socket: &Path, pings: &Arc<AtomicUsize>) {
        let (listener, pings) = (UnixListener::bind(socket).expect("bound"), Arc::clone(pings));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let pings = Arc::clone(&pings);
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                        if request.ends_with(b"\r\n\r\n") {
                            let line = String::from_utf8_lossy(&request);
                            pings.fetch_add(usize::from(line.contains("/_ping")), Ordering::Relaxed);
                            let answer =
                                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                            let _ = stream.write_all(answer.as_bytes()).await;
                            request.clear();
                        }
                    }
                });
            }
        });
    }

    fn settings(home: &Path) -> (DockerSettings, LocalSettings) {
        let executable = home.join("windlassd");
        let docker = DockerSettings::new(home.join("engine.sock"), executable.clone(), home.join("docker"), "any");
        (docker, LocalSettings { executable, jobs: home.join("local") })
    }

    #[tokio::test]
    async fn an_engine_that_comes_up_later_is_taken() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (docker, local) = settings(home.path());
        let socket = docker.socket.clone();
        let engines = Engines::connect(Choice::Auto, docker, local).await.expect("there is always this host");
        let other = engines.clone();
        assert!(!engines.reconnect().await);
        assert_eq!(engines.default_kind(), Kind::Local);
        assert!(engines.note().is_some() && engines.pick(Some(Kind::Docker)).is_err());

        let pings = Arc::new(AtomicUsize::new(0));
        engine(&socket, &pings);
        assert!(engines.reconnect().await);
        // The same for everybody who has them.
        assert_eq!((other.default_kind(), other.note()), (Kind::Docker, None));
        assert!(matches!(other.pick(None), Ok(AnyEngine::Docker(_))));
        assert!(matches!(other.pick(Some(Kind::Local)), Ok(AnyEngine::Local(_))));

        let views = futures_util::future::join_all((0..20).map(|_| other.view())).await;
        assert!(views.iter().all(|view| view.kind == docker::KIND));
        assert_eq!(pings.load(Ordering::Relaxed), 1, "one asks for all");
    }

    #[tokio::test]
    async fn where_local_is_chosen_nobody_looks_for_another() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (docker, local) = settings(home.path());
        engine(&docker.socket, &Arc::default());
        let engines = Engines::connect(Choice::Local, docker, local).await.expect("there is always this host");
        assert!(!engines.reconnect().await);
        assert_eq!((engines.default_kind(), engines.note()), (Kind::Local, None));
    }
}
