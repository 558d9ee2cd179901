//! One script played: a real executor and scheduler run one job on a fake engine, from its creation to its recorded end.
//! Must not know what scripts there are.

use std::path::Path;
use std::process::Command as Process;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use windlass_daemon::artifacts::ArtifactStore;
use windlass_daemon::clock;
use windlass_daemon::config::{self, Overrides};
use windlass_daemon::engine::docker::{Deadlines, DockerEngine, DockerSettings};
use windlass_daemon::engine::local::LocalSettings;
use windlass_daemon::engine::{Choice, Engine as _, EngineError, Engines, FramePosition, TroubleKind};
use windlass_daemon::event::BuildRequest;
use windlass_daemon::executor::{Executor, Patience};
use windlass_daemon::git::Git;
use windlass_daemon::logs::LogStore;
use windlass_daemon::plan::{AttemptPlan, Pull, Retry};
use windlass_daemon::room::Room;
use windlass_daemon::scheduler;
use windlass_daemon::state::attempt::{State, Verdict};
use windlass_daemon::store::{Attempt, BuildFacts, FirstState, NewBuild, NewJob, Store};
use windlass_daemon::tasks::Tasks;
use windlass_daemon::wake::Wake;
use windlass_protocol::id::AttemptId;
use windlass_protocol::view::Outcome;

use super::engine::{Engine, OWNER};
use super::faults::{Call, Rule};
use super::inside::{Act, good_day};
use super::plans;

/// Longer than anything here takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(10);

/// What goes wrong, and what has to come of it.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    rules: Vec<Rule>,
    acts: Vec<Act>,
    stdout: bool,
    /// What an earlier daemon left in the folder for logs.
    left: Option<fn(&Path, &AttemptId)>,
    /// What is in the place of the engine's socket.
    place: Option<fn(&Path)>,
    deadlines: Deadlines,
    image: &'static str,
    pull: Pull,
    events: Vec<Value>,
    run: &'static str,
    timeout_ms: u64,
    meanwhile: Option<Meanwhile>,
    expects: Expects,
    within: Duration,
    /// Of what the job wrote, which has to be in its log.
    log: &'static str,
}

/// What happens while the job runs, once its log has `up`.
#[derive(Debug, Clone)]
pub(crate) enum Meanwhile {
    /// The engine's socket is gone and comes back, and only then the job goes on.
    Restart,
    Cancel {
        force: bool,
    },
    /// … and the job goes on as soon as the engine was asked to carry it out.
    CancelAndGoOn,
}

#[derive(Debug, Clone)]
enum Expects {
    Ends {
        outcome: Outcome,
        infrastructure: bool,
        /// Of the first trouble that the engine's callers get, where there is one.
        kind: Option<TroubleKind>,
        words: &'static str,
    },
    /// It is not begun, and the reason has these words; it passes once all is well.
    Waits { words: &'static str },
}

impl Script {
    pub(crate) fn new(name: &'static str, rules: Vec<Rule>) -> Self {
        let expects = Expects::Ends { outcome: Outcome::Passed, infrastructure: false, kind: None, words: "" };
        Self {
            name,
            rules,
            acts: good_day(),
            stdout: false,
            left: None,
            place: None,
            deadlines: deadlines(),
            image: "busybox:1",
            pull: Pull::Missing,
            events: Vec::new(),
            run: "true",
            timeout_ms: 600_000,
            meanwhile: None,
            expects,
            within: Duration::from_secs(20),
            log: "",
        }
    }

    pub(crate) fn acts(mut self, acts: Vec<Act>) -> Self {
        self.acts = acts;
        self
    }

    pub(crate) fn over_stdout(mut self) -> Self {
        self.stdout = true;
        self
    }

    pub(crate) fn after(mut self, leave: fn(&Path, &AttemptId)) -> Self {
        self.left = Some(leave);
        self
    }

    /// The engine is not there; this is in the place of its socket.
    pub(crate) fn in_place(mut self, make: fn(&Path)) -> Self {
        self.place = Some(make);
        self
    }

    pub(crate) fn deadlines(mut self, change: fn(&mut Deadlines)) -> Self {
        change(&mut self.deadlines);
        self
    }

    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.within = Duration::from_secs(seconds);
        self
    }

    /// Of an image that is not there; the registry's events are these.
    pub(crate) fn pulls(mut self, events: Vec<Value>) -> Self {
        (self.image, self.events) = ("registry.example.org/app:2", events);
        self
    }

    pub(crate) fn pull(mut self, pull: Pull) -> Self {
        self.pull = pull;
        self
    }

    pub(crate) fn runs(mut self, script: &'static str) -> Self {
        self.run = script;
        self
    }

    pub(crate) fn timeout_ms(mut self, ms: u64) -> Self {
        self.timeout_ms = ms;
        self
    }

    pub(crate) fn meanwhile(mut self, what: Meanwhile) -> Self {
        self.meanwhile = Some(what);
        self
    }

    pub(crate) fn logs(mut self, text: &'static str) -> Self {
        self.log = text;
        self
    }

    /// It ends like this, and nobody is to blame but the job.
    pub(crate) fn ends(mut self, outcome: Outcome, words: &'static str) -> Self {
        self.expects = Expects::Ends { outcome, infrastructure: false, kind: None, words };
        self
    }

    /// It is lost to a fault of machines.
    pub(crate) fn lost(mut self, kind: impl Into<Option<TroubleKind>>, words: &'static str) -> Self {
        self.expects = Expects::Ends { outcome: Outcome::Lost, infrastructure: true, kind: kind.into(), words };
        self
    }

    /// What a cancel or a limit makes of it is nobody's to try again.
    pub(crate) fn lost_for_good(mut self, words: &'static str) -> Self {
        self.expects = Expects::Ends { outcome: Outcome::Lost, infrastructure: false, kind: None, words };
        self
    }

    /// It passes, with a word about its log.
    pub(crate) fn passes_inexactly(mut self) -> Self {
        let words = "its log is not exact";
        self.expects = Expects::Ends { outcome: Outcome::Passed, infrastructure: false, kind: None, words };
        self
    }

    pub(crate) fn waits(mut self, words: &'static str) -> Self {
        self.expects = Expects::Waits { words };
        self
    }

    /// What went wrong with the expectation, in words.
    pub(crate) async fn play(&self) -> Result<(), String> {
        let story = Story::begin(self).await;
        let played = tokio::time::timeout(LONG, self.play_in(&story)).await.unwrap_or(Err("it hangs".to_owned()));
        story.end().await;
        played?;
        match &self.expects {
            Expects::Ends { kind: Some(kind), .. } => {
                let first =
                    tokio::time::timeout(LONG, self.first_trouble()).await.map_err(|_| "it hangs".to_owned())?;
                match first.as_ref().and_then(EngineError::trouble_kind) {
                    Some(first) if first == *kind => Ok(()),
                    _ => Err(format!("expected {kind:?}: {first:?}")),
                }
            }
            _ => Ok(()),
        }
    }

    async fn play_in(&self, story: &Story) -> Result<(), String> {
        match &self.expects {
            Expects::Waits { words } => {
                until(async || story.engines.away().is_some_and(|away| away.why.contains(words))).await;
                let attempt = story.attempt().await;
                if attempt.state != State::Waiting {
                    return Err(format!("it does not wait: {attempt:?}"));
                }
                story.fake.heal();
                if self.place.is_some() {
                    let socket = story.home.path().join("engine.sock");
                    let removed = std::fs::remove_file(&socket).or_else(|_| std::fs::remove_dir(&socket));
                    drop(removed); // or nothing was there
                    story.fake.open();
                }
                let verdict = story.verdict().await;
                if verdict.outcome != Outcome::Passed {
                    return Err(format!("after that it has to pass: {verdict:?}"));
                }
            }
            Expects::Ends { outcome, infrastructure, words, .. } => {
                if let Some(meanwhile) = &self.meanwhile {
                    until(async || story.log().contains("up\n")).await;
                    story.act(meanwhile).await;
                }
                let verdict = story.verdict().await;
                let (took, log) = (story.begun.elapsed(), story.log());
                let reason = verdict.reason.clone().unwrap_or_default();
                let again = story.is_tried_again().await;
                let passes_plainly = *outcome != Outcome::Passed || reason.is_empty() == words.is_empty();
                if verdict.outcome != *outcome || again != *infrastructure || !reason.contains(words) || !passes_plainly
                {
                    return Err(format!("tried again: {again}, {verdict:?}, log: {log}"));
                }
                if took > self.within {
                    return Err(format!("it took {took:?}: {verdict:?}"));
                }
                if !log.contains(self.log) {
                    return Err(format!("{:?} is not in its log: {log}", self.log));
                }
            }
        }
        self.leaves_nothing(story).await
    }

    /// Cleaning works, or fails in time with a trouble of the engine's; once all is well it leaves nothing.
    async fn leaves_nothing(&self, story: &Story) -> Result<(), String> {
        let begun = Instant::now();
        match story.engines.clean(&story.id).await {
            Ok(()) => {}
            Err(error) if error.is_infrastructure() => {}
            Err(error) => return Err(format!("cleaning: {error:?}")),
        }
        if begun.elapsed() > self.within {
            return Err(format!("cleaning took {:?}", begun.elapsed()));
        }
        story.fake.heal();
        story.engines.clean(&story.id).await.map_err(|error| format!("cleaning once all is well: {error:?}"))?;
        let (containers, folders) = (story.fake.left(), story.folders());
        match containers.is_empty() && folders.is_empty() {
            true => Ok(()),
            false => Err(format!("left: {containers:?} {folders:?}")),
        }
    }

    /// The first trouble of whoever calls an engine like this, without an executor around it.
    async fn first_trouble(&self) -> Option<EngineError> {
        let home = tempfile::tempdir().expect("a temporary folder");
        let _fake = self.engine(home.path());
        let engine = match DockerEngine::connect(self.settings(home.path())).await {
            Ok(engine) => engine,
            Err(error) => return Some(error),
        };
        let plan = self.plan();
        let (say, _said) = mpsc::channel(16);
        let site = match engine.create(&plan, &say).await {
            Ok(made) => made.site,
            Err(error) => return Some(error),
        };
        if let Err(error) = engine.feed(&plan, &site, plans::source(home.path())).await {
            return Some(error);
        }
        let mut frames = engine.frames(&plan.id, &site, FramePosition(0));
        let taken = async {
            while let Some(frame) = frames.recv().await {
                frame?;
            }
            Ok(())
        };
        let (taken, exited) = tokio::join!(taken, engine.exited(&plan.id, &site));
        exited.err().or(taken.err())
    }

    fn plan(&self) -> AttemptPlan {
        let mut plan = plans::plan("test", Some(self.image), &[self.run]);
        plan.job.pull = self.pull;
        plan.job.timeout_ms = self.timeout_ms;
        // So that an end that is the machines' fault shows in a second attempt.
        plan.job.retry = Retry { infrastructure: Some(1), failure: 0 };
        plan
    }

    fn engine(&self, home: &Path) -> Engine {
        let socket = home.join("engine.sock");
        let engine = Engine::new(&socket, &self.rules, &self.acts, &["busybox:1"], &self.events);
        match self.place {
            Some(make) => make(&socket),
            None => engine.open(),
        }
        engine
    }

    fn settings(&self, home: &Path) -> DockerSettings {
        let mut settings = settings(home);
        settings.frames_over_stdout = self.stdout;
        settings.deadlines = self.deadlines;
        settings
    }
}

/// For an engine at `engine.sock` in a folder, with short deadlines.
pub(crate) fn settings(home: &Path) -> DockerSettings {
    let executable = home.join("windlassd");
    std::fs::write(&executable, "the runner's executable").expect("written");
    let settings = DockerSettings::new(home.join("engine.sock"), executable, home.join("docker"), OWNER);
    DockerSettings { deadlines: deadlines(), ..settings }
}

/// Waits for a condition; the only place here that sleeps.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("in time");
}

/// Long enough for a busy machine, short enough that what hangs costs little.
fn deadlines() -> Deadlines {
    let ms = Duration::from_millis;
    Deadlines {
        quick: ms(1500),
        slow: ms(2000),
        ping: ms(500),
        feed: ms(1000),
        pull_stalled: ms(1000),
        pull: ms(5000),
        filling: ms(3000),
        recheck: ms(300),
        patience: ms(8000),
        contradiction: ms(1000),
    }
}

struct Story {
    home: TempDir,
    fake: Engine,
    engines: Engines,
    store: Store,
    logs: LogStore,
    tasks: Tasks,
    wake: Wake,
    id: AttemptId,
    begun: Instant,
}

impl Story {
    async fn begin(script: &Script) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let fake = script.engine(home.path());
        let data = home.path().join("data");
        std::fs::create_dir(&data).expect("made");
        let file = home.path().join("windlassd.toml");
        let text = format!("data_dir = {data:?}\n[limits]\ngrace = \"1s\"\n[[repository]]\nname = \"acme/app\"\n");
        std::fs::write(&file, text).expect("written");
        let config = config::load(&Overrides { config: Some(file), ..Overrides::default() }).expect("a configuration");
        let store = Store::open(&config.database).await.expect("a database");
        let logs = LogStore::open(data.join("logs")).expect("a folder for logs");
        let local = LocalSettings { executable: data.join("none"), jobs: data.join("local") };
        let engines = Engines::connect(Choice::Auto, script.settings(home.path()), local).await.expect("engines");
        let (tasks, wake) = (Tasks::default(), Wake::default());
        let ms = Duration::from_millis;
        let executor = Executor {
            git: Git::open(&data).expect("git is installed"),
            room: Room::new(data.clone(), 0),
            config: Arc::new(config),
            store: store.clone(),
            logs: logs.clone(),
            artifacts: ArtifactStore::at(data.join("artifacts")),
            engines: engines.clone(),
            wake: wake.clone(),
            tasks: tasks.clone(),
            patience: Patience {
                overdue: ms(500),
                runner_slow: ms(500),
                frames_after_exit: ms(1500),
                exit_after_report: ms(1500),
                ready: ms(2000),
            },
            public_url: "http://localhost".into(),
        };
        let plan = script.plan();
        if let Some(leave) = script.left {
            leave(&data.join("logs"), &plan.id);
        }
        let begun = Instant::now();
        store.create_build(&build(&plan)).await.expect("made");
        tasks.spawn(scheduler::run(executor));
        Self { home, fake, engines, store, logs, tasks, wake, id: plan.id, begun }
    }

    async fn act(&self, meanwhile: &Meanwhile) {
        match meanwhile {
            Meanwhile::Restart => {
                self.fake.shut().await;
                until(async || self.engines.away().is_some()).await;
                self.fake.open();
                until(async || self.engines.away().is_none()).await;
                self.fake.let_go();
            }
            Meanwhile::Cancel { force } => {
                self.store.cancel(self.id.build, None, *force, "ann", clock::now()).await.expect("it runs");
                self.wake.wake();
            }
            Meanwhile::CancelAndGoOn => {
                self.store.cancel(self.id.build, None, true, "ann", clock::now()).await.expect("it runs");
                self.wake.wake();
                until(async || self.fake.count(Call::Kill) > 0).await;
                self.fake.let_go();
            }
        }
    }

    async fn attempt(&self) -> Attempt {
        self.store.attempt(&self.id).await.expect("it is there")
    }

    /// How it ends.
    async fn verdict(&self) -> Verdict {
        until(async || self.attempt().await.state == State::Finished).await;
        self.attempt().await.verdict.expect("a finished one has a verdict")
    }

    /// Whether another attempt follows by itself: what is nobody's wish and not the job's fault.
    async fn is_tried_again(&self) -> bool {
        let next = AttemptId { attempt: self.id.attempt + 1, ..self.id.clone() };
        self.store.attempt(&next).await.is_ok()
    }

    fn log(&self) -> String {
        let bytes = self.logs.reader(&self.id).and_then(|reader| reader.bytes(0, 1 << 20)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn folders(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.home.path().join("docker")).expect("it is there");
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    async fn end(self) {
        self.fake.heal();
        assert!(self.tasks.shut_down(LONG).await, "the executor ends when it is told to");
        self.store.close().await;
    }
}

fn build(plan: &AttemptPlan) -> NewBuild {
    let (url, sha) = repository();
    let request = BuildRequest {
        repository: "acme/app".to_owned(),
        repository_id: 1,
        clone_url: url.clone(),
        event: "push".to_owned(),
        action: None,
        r#ref: "refs/heads/main".to_owned(),
        branch: Some("main".to_owned()),
        tag: None,
        base_branch: None,
        default_branch: Some("main".to_owned()),
        pull_request: None,
        sha: sha.clone(),
        title: "a job".to_owned(),
        author: "ann".to_owned(),
        commit_count: 1,
        from_fork: false,
        skip: None,
    };
    NewBuild {
        number: plan.id.build,
        facts: BuildFacts { delivery: None, request, created_at: clock::now() },
        jobs: vec![NewJob { plan: plan.job.clone(), first: FirstState::Waiting }],
        priority: 0,
        engine: Some("docker".to_owned()),
        concurrency: None,
    }
}

/// A repository with one commit, for all stories: where it is, and the commit.
fn repository() -> &'static (String, String) {
    static REPOSITORY: OnceLock<(TempDir, (String, String))> = OnceLock::new();
    let (_, repository) = REPOSITORY.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let git = |arguments: &[&str]| {
            let mut process = Process::new("git");
            process.arg("-C").arg(folder.path()).args(["-c", "user.name=ann", "-c", "user.email=ann@example.org"]);
            let told = process.args(arguments).output().expect("git is installed");
            assert!(told.status.success(), "{told:?}");
            String::from_utf8_lossy(&told.stdout).trim().to_owned()
        };
        git(&["init", "--quiet", "--initial-branch=main"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "first"]);
        let sha = git(&["rev-parse", "HEAD"]);
        let url = folder.path().display().to_string();
        (folder, (url, sha))
    });
    repository
}
