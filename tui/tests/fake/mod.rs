//! A daemon without an engine: it keeps builds and logs in memory and speaks the live protocol over a Unix socket. Tests
//! script it, the example tells stories with it. Must not know the client.

pub(crate) mod annotations;
mod artifacts;
pub(crate) mod cases;
mod glance;
mod views;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response as Upgraded};
use windlass_protocol::cases::TestsPage;
use windlass_protocol::live::{ClientMessage, Hello, LogHead, LogWindow, Request, Role, ServerMessage, Sub, Topic};
use windlass_protocol::log::{LogFrame, LogLine};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildRow, BuildView, QueueView};

pub(crate) use world::World;
use world::row;

/// When tests take place: 2023-11-14 22:13:20 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A running daemon. Dropping it closes the socket and every connection.
pub(crate) struct Fake {
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    /// Counts the times that all connections were cut.
    cut: watch::Sender<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    pub(crate) fn start(path: &Path, now: Timestamp) -> Self {
        let world = World {
            now,
            builds: BTreeMap::new(),
            logs: HashMap::new(),
            deliveries: Vec::new(),
            limit: 2,
            pauses: Vec::new(),
            heads: Vec::new(),
            search_limit: 10_000,
            listed: vec!["acme/app".to_owned(), "octo/site".to_owned()],
            trouble: None,
            node: "build-1".to_owned(),
            version: "0.1.0".to_owned(),
            protocol: 1,
            webhook: "https://ci.example.org/webhooks/github".to_owned(),
            refuses: None,
            asked: Vec::new(),
            looked_up: Vec::new(),
            subscribed: Vec::new(),
            seq: 0,
            tests: BTreeMap::new(),
            annotations: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            abilities: ["annotations", "artifacts", "log_view", "tests"].map(str::to_owned).to_vec(),
            cut_after: None,
            stuck_from: None,
        };
        let world = Arc::new(Mutex::new(world));
        let listener = UnixListener::bind(path).expect("a free path for the socket");
        let (changed, cut) = (watch::Sender::new(0), watch::Sender::new(0));
        let task = tokio::spawn(accept(listener, Arc::clone(&world), changed.clone(), cut.clone()));
        Self { world, changed, cut, task }
    }

    /// Looks at the world or changes it; whoever is connected is told.
    pub(crate) fn change<T>(&self, with: impl FnOnce(&mut World) -> T) -> T {
        let out = with(&mut lock(&self.world));
        self.changed.send_modify(|n| *n += 1);
        out
    }

    /// Cuts every connection at once.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// Waits until the world is as wished; panics with `what` when it never is.
    pub(crate) async fn until(&self, what: &str, wished: impl Fn(&World) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !wished(&lock(&self.world)) {
                changed.changed().await.expect("the daemon lives as long as this handle");
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), wait)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn accept(
    listener: UnixListener,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    cut: watch::Sender<u64>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = Connection { world: Arc::clone(&world), changed: changed.clone(), subs: BTreeMap::new() };
        tokio::spawn(connection.serve(stream, cut.subscribe()));
    }
}

struct Connection {
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    subs: BTreeMap<Sub, Subscription>,
}

struct Subscription {
    topic: Topic,
    /// Sequence numbers of what the client has: by build, or of the whole at 0.
    has: HashMap<u64, u64>,
    order: Option<Vec<u64>>,
    queue: Option<QueueView>,
    tests: Option<TestsPage>,
    /// Lines or bytes sent so far.
    sent: u64,
    head: Option<LogHead>,
}

impl Connection {
    #[expect(clippy::result_large_err, reason = "the handshake's callback has this shape")]
    async fn serve(mut self, stream: UnixStream, mut cut: watch::Receiver<u64>) {
        let upgrade = |request: &Upgrade, mut response: Upgraded| {
            if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
                response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
            }
            Ok(response)
        };
        let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, upgrade).await else { return };
        let mut changes = self.changed.subscribe();
        let hello = {
            let world = lock(&self.world);
            ServerMessage::Hello(Hello {
                protocol: world.protocol,
                version: world.version.clone(),
                instance: "fake".to_owned(),
                capabilities: world.abilities.clone(),
                role: Role::Admin,
                now: world.now,
                webhook: Some(world.webhook.clone()),
            })
        };
        if say(&mut socket, &hello).await.is_none() {
            return;
        }
        loop {
            changes.mark_unchanged();
            if self.push(&mut socket).await.is_none() {
                return;
            }
            tokio::select! {
                _ = cut.changed() => return,
                _ = changes.changed() => {}
                message = socket.next() => {
                    let Some(Ok(message)) = message else { return };
                    let Message::Text(text) = message else { continue };
                    let message = serde_json::from_str(&text).expect("clients send what the protocol says");
                    if self.hear(message, &mut socket).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    async fn hear(&mut self, message: ClientMessage, socket: &mut WebSocketStream<UnixStream>) -> Option<()> {
        match message {
            ClientMessage::Subscribe { sub, topic, after } => {
                lock(&self.world).subscribed.push((topic.clone(), after));
                let sent = if let Topic::LogBytes { from, .. } = topic { from } else { 0 };
                let mut has = HashMap::new();
                if let Some(after) = after {
                    let world = lock(&self.world);
                    let known = world.builds.values().filter(|view| view.build.seq <= after);
                    has.extend(known.map(|view| (view.build.number, view.build.seq)));
                }
                self.subs
                    .insert(sub, Subscription { topic, has, order: None, queue: None, tests: None, sent, head: None });
            }
            ClientMessage::Unsubscribe { sub } => {
                self.subs.remove(&sub);
            }
            ClientMessage::Request { id, request } => {
                let answer = {
                    let mut world = lock(&self.world);
                    match request {
                        Request::Excerpt { .. }
                        | Request::Results { .. }
                        | Request::Repositories { .. }
                        | Request::Nodes => world.looked_up.push(request.clone()),
                        _ => world.asked.push(request.clone()),
                    }
                    // In the middle of something: the question is heard, and never answered.
                    if let (Request::ReadArtifact { .. }, Some(left)) = (&request, &mut world.cut_after) {
                        *left -= 1;
                        if *left == 0 {
                            world.cut_after = None;
                            return None;
                        }
                    }
                    world.answer(request)
                };
                let message = match answer {
                    Ok(response) => ServerMessage::Response { id, response },
                    Err(refusal) => ServerMessage::Refused { id, refusal },
                };
                say(socket, &message).await?;
            }
            ClientMessage::Unknown => {}
        }
        self.changed.send_modify(|n| *n += 1);
        Some(())
    }

    /// Sends whatever the client does not have yet.
    async fn push(&mut self, socket: &mut WebSocketStream<UnixStream>) -> Option<()> {
        let mut out = Vec::new();
        for (&sub, subscription) in &mut self.subs {
            subscription.due(sub, &lock(&self.world), &mut out);
        }
        for message in out {
            match message {
                Due::Message(message) => say(socket, &message).await?,
                Due::Frame(frame) => socket.send(Message::Binary(frame.encode().into())).await.ok()?,
            }
        }
        Some(())
    }
}

enum Due {
    Message(ServerMessage),
    Frame(LogFrame),
}

impl Subscription {
    fn due(&mut self, sub: Sub, world: &World, out: &mut Vec<Due>) {
        match &self.topic {
            Topic::Builds { filter, offset, limit } => {
                let rows = world.rows(filter);
                let page = rows.iter().skip(usize::try_from(*offset).unwrap_or(usize::MAX)).take(*limit as usize);
                let page: Vec<&BuildView> = page.copied().collect();
                let order: Vec<u64> = page.iter().map(|view| view.build.number).collect();
                let fresh = |view: &&&BuildView| self.has.get(&view.build.number) != Some(&view.build.seq);
                let changed: Vec<BuildRow> = page.iter().filter(fresh).map(|view| row(view)).collect();
                if changed.is_empty() && self.order.as_ref() == Some(&order) {
                    return;
                }
                self.has.extend(changed.iter().map(|row| (row.number, row.seq)));
                self.order = Some(order.clone());
                let (seq, total, offset) = (world.seq, rows.len() as u64, *offset);
                out.push(Due::Message(ServerMessage::Builds { sub, seq, total, offset, order, changed }));
            }
            Topic::Build { number } => match world.builds.get(number) {
                Some(view) if self.has.get(number) != Some(&view.build.seq) => {
                    self.has.insert(*number, view.build.seq);
                    let (seq, build) = (world.seq, Box::new(view.clone()));
                    out.push(Due::Message(ServerMessage::Build { sub, seq, build }));
                }
                _ => {}
            },
            Topic::Tests { number, filter, offset, limit } => {
                let tests = world.tests_page(*number, filter, *offset, *limit);
                if self.tests.as_ref() != Some(&tests) {
                    self.tests = Some(tests.clone());
                    out.push(Due::Message(ServerMessage::Tests { sub, tests }));
                }
            }
            Topic::Queue => {
                let queue = world.queue();
                if self.queue.as_ref() != Some(&queue) {
                    self.queue = Some(queue.clone());
                    out.push(Due::Message(ServerMessage::Queue { sub, queue }));
                }
            }
            Topic::Log { log, window } => {
                let Some(log) = world.logs.get(log) else { return };
                let head = log.head();
                let (first, end) = match window {
                    LogWindow::Range { first, count } => (*first, head.lines.min(first + u64::from(*count))),
                    LogWindow::Tail { count } => (head.lines.saturating_sub(u64::from(*count)), head.lines),
                };
                if self.head.as_ref() != Some(&head) {
                    // The last line sent may have grown, so it goes again.
                    let first = first.max(self.sent.saturating_sub(1)).min(end);
                    let lines: Vec<LogLine> = (first..end).map(|line| log.line(line)).collect();
                    if !lines.is_empty() {
                        out.push(Due::Frame(LogFrame::Lines { sub, first, lines }));
                    }
                    (self.sent, self.head) = (end, Some(head.clone()));
                    out.push(Due::Message(ServerMessage::LogHead { sub, head }));
                }
            }
            Topic::LogBytes { log, .. } => {
                let Some(log) = world.logs.get(log) else { return };
                for chunk in log.bytes[usize::try_from(self.sent).unwrap_or(0)..].chunks(1000) {
                    out.push(Due::Frame(LogFrame::Bytes { sub, offset: self.sent, bytes: chunk.to_vec() }));
                    self.sent += chunk.len() as u64;
                }
                let head = log.head();
                if head.finished && self.head.as_ref() != Some(&head) {
                    self.head = Some(head.clone());
                    out.push(Due::Message(ServerMessage::LogHead { sub, head }));
                }
            }
            Topic::LogView { log, view, window } => {
                let Some(log) = world.logs.get(log) else { return };
                let head = log.head();
                if self.head.as_ref() != Some(&head) {
                    self.head = Some(head.clone());
                    views::view(sub, log, view, *window, out);
                }
            }
            Topic::LogLine { log, line, from } => {
                let Some(log) = world.logs.get(log).filter(|_| self.head.is_none()) else { return };
                self.head = Some(log.head());
                views::line(sub, log, *line, *from, out);
            }
            Topic::Unknown => {}
        }
    }
}

async fn say(socket: &mut WebSocketStream<UnixStream>, message: &ServerMessage) -> Option<()> {
    let text = serde_json::to_string(message).expect("wire types always become JSON");
    socket.send(Message::text(text)).await.ok()
}
