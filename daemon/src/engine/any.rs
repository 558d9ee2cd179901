//! The engines a daemon has, behind one face: calls about a site go to the engine that made it. Must not know how any
//! engine works.

use std::time::Duration;

use tokio::sync::mpsc;
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::EngineView;

use super::docker::{self, DockerEngine, DockerSettings};
use super::local::{self, LocalEngine, LocalSettings};
use super::{Engine, EngineError, Exit, Found, FramePosition, Frames, Site, Source, Stop};
use crate::plan::AttemptPlan;

/// With `auto`, an engine that answers nothing for so long is none.
const AUTO: Duration = Duration::from_secs(2);

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
pub struct Engines {
    docker: Option<DockerEngine>,
    /// Always there: who may use it is for the caller to say.
    local: LocalEngine,
    default: Kind,
    /// Why the default is not what one would expect; for the log and the screen.
    note: Option<String>,
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
    pub async fn connect(choice: Choice, docker: DockerSettings, local: LocalSettings) -> Result<Self, EngineError> {
        let local = LocalEngine::open(local)?;
        let socket = docker.socket.display().to_string();
        let (docker, note) = match choice {
            Choice::Local => (None, None),
            Choice::Docker => (Some(DockerEngine::connect(docker).await?), None),
            Choice::Auto => match tokio::time::timeout(AUTO, DockerEngine::connect(docker)).await {
                Ok(Ok(docker)) => (Some(docker), None),
                Ok(Err(error)) => (None, Some(format!("no container engine at {socket} ({error})"))),
                Err(_) => (None, Some(format!("the container engine at {socket} did not answer within 2 s"))),
            },
        };
        let note = note.map(|note| format!("{note}: jobs run as processes of this host, without isolation"));
        let default = if docker.is_some() { Kind::Docker } else { Kind::Local };
        Ok(Self { docker, local, default, note })
    }

    /// The kind that new attempts go to where nothing else is said.
    #[must_use]
    pub fn default_kind(&self) -> Kind {
        self.default
    }

    /// One sentence when `auto` found no container engine.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Makes ready what new attempts need; worth calling at start, in the background.
    ///
    /// # Errors
    /// When the engine has trouble with it.
    pub async fn prepare(&self) -> Result<(), EngineError> {
        match &self.docker {
            Some(docker) => docker.prepare().await,
            None => Ok(()),
        }
    }

    /// The engine of a kind; `None`: the default one.
    ///
    /// # Errors
    /// When this daemon has none of that kind.
    pub fn pick(&self, kind: Option<Kind>) -> Result<AnyEngine, EngineError> {
        match (kind.unwrap_or(self.default), &self.docker) {
            (Kind::Local, _) => Ok(AnyEngine::Local(self.local.clone())),
            (Kind::Docker, Some(docker)) => Ok(AnyEngine::Docker(docker.clone())),
            (Kind::Docker, None) => Err(EngineError::Trouble {
                engine: docker::KIND,
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

    /// What to show of the default engine.
    pub async fn view(&self) -> EngineView {
        match (self.default, &self.docker) {
            (Kind::Docker, Some(docker)) => docker.view().await,
            _ => EngineView { trouble: self.note.clone(), ..self.local.view() },
        }
    }
}

/// A stream of frames that only tells why there are none.
fn failed(error: EngineError) -> Frames {
    let (sender, frames) = mpsc::channel(1);
    sender.try_send(Err(error)).expect("a new channel has room for one");
    frames
}

impl Engine for Engines {
    async fn create(&self, plan: &AttemptPlan, say: &mpsc::Sender<String>) -> Result<Site, EngineError> {
        self.pick(None)?.create(plan, say).await
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
        let mut found = self.local.adopt().await?;
        if let Some(docker) = &self.docker {
            found.extend(docker.adopt().await?);
        }
        Ok(found)
    }

    async fn clean(&self, id: &AttemptId) -> Result<(), EngineError> {
        let local = self.local.clean(id);
        match &self.docker {
            Some(docker) => tokio::try_join!(local, docker.clean(id)).map(|((), ())| ()),
            None => local.await,
        }
    }
}

impl Engine for AnyEngine {
    async fn create(&self, plan: &AttemptPlan, say: &mpsc::Sender<String>) -> Result<Site, EngineError> {
        match self {
            Self::Docker(engine) => engine.create(plan, say).await,
            Self::Local(engine) => engine.create(plan, say).await,
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
}
