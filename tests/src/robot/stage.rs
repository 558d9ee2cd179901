//! What a story is played against: a real daemon, or a fake one behind a line that misbehaves. Both do what sentences ask
//! for, so that the story is the same. Must not know the client's screen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::daemon::{Output, finish, windlass};
use crate::fake::FakeDaemon;
use crate::fake::acts::{self, Act};
use crate::fake::line::{Line, Manners};
use crate::wait::LONG;
use crate::{Daemon, DaemonOptions, Repository};

/// Where a story is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum House {
    /// windlassd, with nothing in between unless the story is about the line.
    Real,
    /// A fake daemon: all it says lags, comes twice and between things that nobody asked for; answers come last; a new
    /// connection begins with what was true at the beginning.
    Rude,
    /// A fake daemon whose connections are cut, again and again, in the middle of a message.
    Cut,
}

impl House {
    fn manners(self) -> Manners {
        let ms = Duration::from_millis;
        match self {
            Self::Real => Manners::default(),
            Self::Rude => {
                Manners { lag: ms(30), twice: true, late: ms(150), strange: true, old: true, ..Manners::default() }
            }
            Self::Cut => Manners { lag: ms(5), cut_after: Some(9), ..Manners::default() },
        }
    }
}

pub struct Stage {
    daemon: Server,
    line: Option<Line>,
    folder: TempDir,
    /// Titles and numbers, and how often each was let go on.
    builds: Vec<(String, u64, usize)>,
    _runtime: Runtime,
}

enum Server {
    Real(Box<Daemon>, Repository),
    Fake(FakeDaemon),
}

impl Stage {
    /// `line`: the story is about what lies between daemon and client.
    #[must_use]
    pub fn new(house: House, room: u32, line: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let folder = TempDir::with_prefix("wl-story-").expect("a temporary folder");
        let daemon = match house {
            House::Real => {
                let repository = Repository::new("acme/app");
                let options = DaemonOptions::local().with(&repository).jobs(room);
                Server::Real(Box::new(Daemon::start(&options)), repository)
            }
            House::Rude | House::Cut => {
                Server::Fake(FakeDaemon::start(runtime.handle(), &folder.path().join("fake"), room))
            }
        };
        let mut stage = Self { daemon, line: None, folder, builds: Vec::new(), _runtime: runtime };
        if line || house != House::Real {
            let (near, far) = (stage.folder.path().join("line"), stage.straight());
            stage.line = Some(Line::start(stage._runtime.handle(), &near, &far, house.manners()));
        }
        stage
    }

    /// The daemon's own socket.
    fn straight(&self) -> PathBuf {
        match &self.daemon {
            Server::Real(daemon, _) => daemon.socket(),
            Server::Fake(fake) => fake.socket.clone(),
        }
    }

    /// Where clients of the story connect.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.line.as_ref().map_or_else(|| self.straight(), |line| line.socket.clone())
    }

    #[must_use]
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    #[track_caller]
    pub fn build(&mut self, title: &str, acts: &[Act]) {
        let number = match &self.daemon {
            Server::Real(daemon, repository) => {
                let spec = acts::spec(acts, self.folder.path(), title);
                let commit = repository.commit("main", &[(".windlass.yml", spec)], title);
                daemon.push(repository, &commit)
            }
            Server::Fake(fake) => fake.push(title, acts),
        };
        self.builds.push((title.to_owned(), number, 0));
    }

    #[track_caller]
    pub fn let_go_on(&mut self, title: &str) {
        let build = self.builds.iter_mut().find(|(known, ..)| known == title);
        let (_, number, times) = build.unwrap_or_else(|| panic!("there is no build {title:?}"));
        *times += 1;
        match &self.daemon {
            Server::Real(..) => {
                std::fs::write(acts::go_file(self.folder.path(), title, *times), "").expect("a file");
            }
            Server::Fake(fake) => fake.let_go_on(*number),
        }
    }

    #[must_use]
    #[track_caller]
    pub fn number(&self, title: &str) -> u64 {
        let build = self.builds.iter().find(|(known, ..)| known == title);
        build.unwrap_or_else(|| panic!("there is no build {title:?}")).1
    }

    /// The builds of the story, the newest first: as the list shows them.
    #[must_use]
    pub fn titles(&self) -> Vec<&str> {
        self.builds.iter().rev().map(|(title, ..)| title.as_str()).collect()
    }

    #[must_use]
    #[track_caller]
    pub fn line(&self) -> &Line {
        self.line.as_ref().expect("the story is about the line")
    }

    #[track_caller]
    pub fn goes_away(&mut self) {
        if let Server::Real(daemon, _) = &mut self.daemon {
            daemon.kill9();
        }
        if let Some(line) = &mut self.line {
            line.close();
        }
    }

    #[track_caller]
    pub fn comes_back(&mut self) {
        if let Server::Real(daemon, _) = &mut self.daemon {
            daemon.restart();
        }
        if let Some(line) = &mut self.line {
            line.open();
        }
    }

    /// What a command says that asks the daemon directly.
    #[track_caller]
    #[must_use]
    pub fn truth(&self, arguments: &[&str]) -> Value {
        let output = self.command(&self.straight(), arguments);
        assert_eq!(output.code, 0, "windlass {arguments:?}: {}{}", output.text(), output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {}", output.text()))
    }

    #[track_caller]
    fn command(&self, socket: &Path, arguments: &[&str]) -> Output {
        let to = format!("unix:{}", socket.display());
        let mut all = vec!["--connect", to.as_str(), "--json"];
        all.extend(arguments);
        finish(windlass(self.home(), &all), LONG)
    }
}
