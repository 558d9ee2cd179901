//! A container engine that is none: it answers as Docker does, keeps containers in memory, and does wrong what its script
//! says. Must not know what is expected of whoever talks to it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::faults::{Call, Fault, Rule};
use super::http::{self, Request};
use super::inside::{Act, Outlet, play};
use super::stream::{self, Flow};

pub(crate) const OWNER: &str = "fake";
pub(crate) const DIGEST: &str = "sha256:5be7104a4306abe768359a5379e6050ef69a29e9a5f99fcf7f46d5f7e9ba29a2";

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: PathBuf,
    acts: Vec<Act>,
    state: Mutex<State>,
    /// Counts what changed.
    changed: watch::Sender<u64>,
    gate: watch::Sender<bool>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    counts: HashMap<Call, usize>,
    containers: HashMap<String, Container>,
    next: u64,
    /// What was put into the runner's volume, by name.
    volume: HashMap<String, Vec<u8>>,
    images: HashSet<String>,
    events: Vec<Value>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) body: Value,
    pub(crate) started: bool,
    pub(crate) exited: Option<i64>,
    pub(crate) out_of_memory: bool,
    pub(crate) input: Vec<u8>,
    pub(crate) input_closed: bool,
    pub(crate) signals: Vec<String>,
    /// What it wrote to standard output.
    pub(crate) log: Vec<u8>,
}

/// What a request gets.
pub(crate) enum Answer {
    Json(u16, Value),
    Nothing(u16),
    Text(u16, &'static str, Vec<u8>),
    Stream(Flow),
    /// The connection becomes the standard input of this container.
    Upgrade(String),
}

impl Container {
    fn is_helper(&self) -> bool {
        self.body["Image"].as_str().is_some_and(|image| image.ends_with("-empty:1"))
    }

    fn inspected(&self, id: &str) -> Value {
        let status = match (self.started, self.exited) {
            (_, Some(_)) => "exited",
            (true, None) => "running",
            (false, None) => "created",
        };
        let mounts = self.body["HostConfig"]["Mounts"].as_array().cloned().unwrap_or_default();
        let mounts: Vec<_> = mounts.iter().map(|mount| {
            json!({ "Type": mount["Type"], "Destination": mount["Target"], "RW": mount["ReadOnly"] != json!(true) })
        }).collect();
        json!({
            "Id": id,
            "Name": format!("/{}", self.name),
            "State": {
                "Status": status,
                "Running": status == "running",
                "ExitCode": self.exited.unwrap_or(0),
                "OOMKilled": self.out_of_memory,
                "Error": "",
            },
            "HostConfig": self.body["HostConfig"],
            "Config": { "User": self.body["User"], "Labels": self.body["Labels"] },
            "Mounts": mounts,
        })
    }
}

impl Engine {
    /// Answers at `socket` once it is open. `acts`: what happens inside of each job's container.
    pub(crate) fn new(socket: &Path, rules: &[Rule], acts: &[Act], images: &[&str], events: &[Value]) -> Self {
        let state = State {
            rules: rules.to_vec(),
            images: images.iter().map(|image| (*image).to_owned()).collect(),
            events: events.to_vec(),
            ..State::default()
        };
        Self(Arc::new(Inner {
            socket: socket.to_owned(),
            acts: acts.to_vec(),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            gate: watch::Sender::new(false),
            listener: Mutex::default(),
        }))
    }

    /// From here on it answers.
    pub(crate) fn open(&self) {
        let listener = UnixListener::bind(&self.0.socket).expect("bound");
        let engine = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new(); // ends with this task
            while let Ok((connection, _)) = listener.accept().await {
                let engine = engine.clone();
                connections.spawn(async move { engine.serve(connection).await });
                while connections.try_join_next().is_some() {}
            }
        });
        *self.0.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Like an engine that stops: every connection ends. What runs in containers goes on.
    pub(crate) async fn shut(&self) {
        let task = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
        std::fs::remove_file(&self.0.socket).expect("removed");
    }

    /// From here on everything goes right.
    pub(crate) fn heal(&self) {
        self.state().rules.clear();
        self.woken();
    }

    /// From here on this goes wrong, too.
    pub(crate) fn hurt(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Lets what waits in containers go on.
    pub(crate) fn let_go(&self) {
        self.0.gate.send_replace(true);
    }

    pub(crate) async fn gate(&self) {
        let _ = self.0.gate.subscribe().wait_for(|open| *open).await;
    }

    /// How often something was asked for.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.state().counts.get(&call).copied().unwrap_or(0)
    }

    /// Names of what is left of jobs.
    pub(crate) fn left(&self) -> Vec<String> {
        let state = self.state();
        state.containers.values().filter(|it| !it.is_helper()).map(|it| it.name.clone()).collect()
    }

    /// Until a container is as wanted, or gone.
    pub(crate) async fn until(&self, id: &str, is_so: impl Fn(&Container) -> bool) {
        let mut changed = self.0.changed.subscribe();
        while self.state().containers.get(id).is_some_and(|container| !is_so(container)) {
            let _ = changed.changed().await;
        }
    }

    pub(crate) async fn changed(&self, seen: &mut watch::Receiver<u64>) {
        let _ = seen.changed().await;
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    pub(crate) fn container(&self, id: &str) -> Option<Container> {
        self.state().containers.get(id).cloned()
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.state().containers.get_mut(id) {
            change(container);
        }
        self.woken();
    }

    pub(crate) fn take_input(&self, id: &str) -> Vec<u8> {
        self.state().containers.get_mut(id).map(|container| std::mem::take(&mut container.input)).unwrap_or_default()
    }

    fn woken(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut connection: UnixStream) {
        let Some(request) = Request::read(&mut connection).await else { return };
        let call = self.call(&request);
        let (rule, vanishes) = {
            let mut state = self.state();
            let count = state.counts.entry(call).or_default();
            *count += 1;
            let count = *count;
            let rule = state.rules.iter().find(|rule| rule.is_for(call, count)).cloned();
            let vanishes = rule.as_ref().is_some_and(|rule| matches!(rule.fault, Fault::Vanish));
            (rule, vanishes)
        };
        self.woken();
        if vanishes && let Some(id) = self.named(&request) {
            self.state().containers.remove(&id);
        }
        let fault = rule.as_ref().map(|rule| rule.fault.clone());
        let skips =
            matches!(&fault, Some(Fault::Hang | Fault::ResetAtOnce | Fault::Say(..) | Fault::Body(_) | Fault::Endless))
                && !rule.is_some_and(|rule| rule.done);
        let answer = if skips { Answer::Nothing(204) } else { self.answer(&request) };
        let _ = stream::send(self, &mut connection, answer, fault.as_ref(), request.rest).await;
    }

    /// What a request is for.
    fn call(&self, request: &Request) -> Call {
        let path = request.path.as_str();
        let last = path.rsplit('/').next().unwrap_or_default();
        let helps = |id: Option<String>| {
            id.is_some_and(|id| self.state().containers.get(&id).is_some_and(Container::is_helper))
        };
        match (request.method.as_str(), path) {
            (_, "/_ping") => Call::Ping,
            (_, "/version") => Call::Version,
            (_, "/info") => Call::Info,
            (_, "/images/create") => Call::Pull,
            (_, path) if path.starts_with("/images/") && path.contains("-empty:1") => Call::Helper,
            (_, path) if path.starts_with("/images/") => Call::Image,
            (_, path) if path.starts_with("/networks") => Call::Network,
            (_, path) if path.starts_with("/volumes") => Call::Volume,
            (_, "/containers/json") => Call::List,
            (_, "/containers/create")
                if request.json()["Image"].as_str().is_some_and(|it| it.ends_with("-empty:1")) =>
            {
                Call::Helper
            }
            (_, "/containers/create") => Call::Create,
            _ if helps(self.named(request)) => Call::Helper,
            ("DELETE", _) => Call::Remove,
            _ => match last {
                "attach" => Call::Attach,
                "start" => Call::Start,
                "wait" => Call::Wait,
                "logs" => Call::Logs,
                "kill" => Call::Kill,
                _ => Call::Inspect,
            },
        }
    }

    /// The id of the container that a request is about.
    fn named(&self, request: &Request) -> Option<String> {
        let word = request.path.strip_prefix("/containers/")?.split('/').next()?;
        let state = self.state();
        if state.containers.contains_key(word) {
            return Some(word.to_owned());
        }
        state.containers.iter().find(|(_, container)| container.name == word).map(|(id, _)| id.clone())
    }

    fn answer(&self, request: &Request) -> Answer {
        let no = |status, words: String| Answer::Json(status, json!({ "message": words }));
        let path = request.path.as_str();
        match (request.method.as_str(), path) {
            (_, "/_ping") => Answer::Text(200, "text/plain", b"OK".to_vec()),
            (_, "/version") => Answer::Json(200, json!({ "Version": "20.10.24", "ApiVersion": "1.41" })),
            (_, "/info") => Answer::Json(
                200,
                json!({
                    "Name": "fake", "ServerVersion": "20.10.24", "NCPU": 4, "MemTotal": 8_u64 << 30,
                    "MemoryLimit": true, "SwapLimit": true, "PidsLimit": true, "CpuCfsQuota": true,
                }),
            ),
            ("POST", "/images/create") => {
                let mut state = self.state();
                let image = format!("{}:{}", request.asked("fromImage"), request.asked("tag"));
                let failed = state.events.iter().any(|event| event.get("error").is_some());
                if !failed {
                    state.images.insert(image);
                }
                Answer::Stream(Flow::Lines(state.events.clone()))
            }
            ("GET", path) if path.starts_with("/images/") => {
                let image = path.trim_start_matches("/images/").trim_end_matches("/json");
                if image.ends_with("-empty:1") || self.state().images.contains(image) {
                    return Answer::Json(200, json!({ "Id": DIGEST, "RepoDigests": [format!("busybox@{DIGEST}")] }));
                }
                no(404, format!("No such image: {image}"))
            }
            ("GET", "/networks") => Answer::Json(
                200,
                json!([{
                    "Name": "windlass", "Id": "net1", "Driver": "bridge",
                    "Options": { "com.docker.network.bridge.enable_icc": "false" },
                }]),
            ),
            ("POST", "/volumes/create") => Answer::Json(
                201,
                json!({
                    "Name": request.json()["Name"], "Driver": "local", "Mountpoint": "/", "Labels": {}, "Scope": "local",
                    "Options": {},
                }),
            ),
            ("GET", "/volumes") => Answer::Json(200, json!({ "Volumes": [], "Warnings": [] })),
            ("GET", "/containers/json") => {
                let state = self.state();
                let ours = state.containers.iter().filter(|(_, container)| !container.is_helper());
                let list = ours.map(|(id, container)| {
                    let state = container.inspected(id)["State"]["Status"].clone();
                    json!({ "Id": id, "Names": [container.name], "Labels": container.body["Labels"], "State": state })
                });
                Answer::Json(200, list.collect())
            }
            ("POST", "/containers/create") => self.create(request),
            _ => match self.named(request) {
                Some(id) => self.about(request, id),
                None => no(404, format!("No such container: {}", path.split('/').nth(2).unwrap_or_default())),
            },
        }
    }

    fn create(&self, request: &Request) -> Answer {
        let name = request.asked("name").to_owned();
        let mut state = self.state();
        if !name.is_empty() && state.containers.values().any(|container| container.name == name) {
            return Answer::Json(409, json!({ "message": format!("Conflict. The container name {name} is in use") }));
        }
        state.next += 1;
        let id = format!("{:064x}", state.next);
        state.containers.insert(id.clone(), Container { name, body: request.json(), ..Container::default() });
        Answer::Json(201, json!({ "Id": id, "Warnings": [] }))
    }

    fn about(&self, request: &Request, id: String) -> Answer {
        let Some(container) = self.container(&id) else { return Answer::Nothing(404) };
        let last = request.path.rsplit('/').next().unwrap_or_default();
        match (request.method.as_str(), last) {
            ("DELETE", _) => {
                self.state().containers.remove(&id);
                self.woken();
                Answer::Nothing(204)
            }
            ("GET", "json") => Answer::Json(200, container.inspected(&id)),
            ("POST", "attach") => Answer::Upgrade(id),
            ("POST", "start") if container.started => Answer::Nothing(304),
            ("POST", "start") => {
                self.change(&id, |container| container.started = true);
                tokio::spawn(play(self.clone(), id, self.0.acts.clone(), outlet(&container.body)));
                Answer::Nothing(204)
            }
            ("POST", "wait") => Answer::Stream(Flow::Wait(id)),
            ("GET", "logs") => Answer::Stream(Flow::Log { id, follow: request.asked("follow") == "true" }),
            ("POST", "kill") if !container.started || container.exited.is_some() => {
                Answer::Json(409, json!({ "message": format!("Container {id} is not running") }))
            }
            ("POST", "kill") => {
                let signal = request.asked("signal").to_owned();
                self.change(&id, |container| container.signals.push(signal));
                Answer::Nothing(204)
            }
            ("GET", "archive") => match self.file(&container, request.asked("path")) {
                Some(content) => Answer::Text(200, "application/x-tar", archive(&content)),
                None => Answer::Json(404, json!({ "message": "no such file" })),
            },
            ("PUT", "archive") => {
                let mut archive = tar::Archive::new(&request.body[..]);
                for entry in archive.entries().expect("a tar archive") {
                    let mut entry = entry.expect("an entry");
                    let (path, mut content) = (entry.path().expect("a path").display().to_string(), Vec::new());
                    std::io::Read::read_to_end(&mut entry, &mut content).expect("read");
                    self.state().volume.insert(path, content);
                }
                Answer::Nothing(200)
            }
            _ => Answer::Json(404, json!({ "message": "page not found" })),
        }
    }

    /// A file that a container shows: mounted from this host, or in the runner's volume.
    fn file(&self, container: &Container, path: &str) -> Option<Vec<u8>> {
        let mounts = container.body["HostConfig"]["Mounts"].as_array().cloned().unwrap_or_default();
        if let Some(mount) = mounts.iter().find(|mount| mount["Type"] == "bind" && mount["Target"] == path) {
            return std::fs::read(mount["Source"].as_str()?).ok();
        }
        self.state().volume.get(path.rsplit('/').next()?).cloned()
    }

    /// Standard input of a container, until it is closed.
    pub(crate) async fn take(&self, id: &str, connection: &mut UnixStream, rest: &[u8]) {
        let mut bytes = rest.to_vec();
        loop {
            self.change(id, |container| container.input.extend_from_slice(&bytes));
            bytes.clear();
            if !connection.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                break;
            }
        }
        self.change(id, |container| container.input_closed = true);
        self.until(id, |container| container.exited.is_some()).await;
        let _ = connection.shutdown().await;
    }
}

fn outlet(body: &Value) -> Outlet {
    let mounts = body["HostConfig"]["Mounts"].as_array().cloned().unwrap_or_default();
    match mounts.iter().find(|mount| mount["Target"] == "/run/windlass/frames") {
        Some(mount) => Outlet::File(mount["Source"].as_str().expect("a path").into()),
        None => Outlet::Log,
    }
}

fn archive(content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "file", content).expect("appended");
    archive.into_inner().expect("ended")
}

/// As the engine's JSON.
pub(crate) fn bytes(answer: &Answer) -> Vec<u8> {
    match answer {
        Answer::Json(status, value) => http::whole(*status, "application/json", value.to_string().as_bytes()),
        Answer::Nothing(status) => http::whole(*status, "application/json", b""),
        Answer::Text(status, kind, body) => http::whole(*status, kind, body),
        Answer::Stream(_) | Answer::Upgrade(_) => Vec::new(),
    }
}
