//! A line between a daemon and its clients on which things go wrong as they are told to: messages lag, come twice, are cut in
//! the middle, answers are late or lost, and the daemon speaks of what nobody asked for. It reads every message and so works
//! before a real daemon as well as before a fake one. Must not know either, nor the client.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response as Upgraded};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use windlass_protocol::SUBPROTOCOL;
use windlass_protocol::live::{ClientMessage, LogHead, Request, Response, ServerMessage, Sub};
use windlass_protocol::log::{LogFrame, LogLine, NO_STEP};
use windlass_protocol::refusal::{Refusal, RefusalCode};

use super::lock;

/// No client gives a subscription this number, nor a request that id.
const NOBODYS: u32 = u32::MAX;

/// How the line behaves. By default it passes everything on as it is.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// Whatever the daemon says comes so much later.
    pub lag: Duration,
    /// Whatever the daemon says comes twice, but for its hello.
    pub twice: bool,
    /// Answers come so much later than the rest, which overtakes them.
    pub late: Duration,
    /// Answers to what changes something never come; it is done all the same.
    pub lost: bool,
    /// The connection is cut in the middle of a message, after so many whole ones; each time after some more.
    pub cut_after: Option<u32>,
    /// The daemon also speaks of subscriptions that nobody made, answers what nobody asked, and says what is in no protocol.
    pub strange: bool,
    /// After a reconnection the daemon begins with what it said at the beginning, and has forgotten what the client has.
    pub old: bool,
    /// The version of the protocol that the daemon claims to speak.
    pub protocol: Option<u32>,
}

/// Dropping it cuts every connection.
pub struct Line {
    pub socket: PathBuf,
    to: PathBuf,
    runtime: Handle,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    manners: Mutex<Manners>,
    /// Counts how often all connections were cut.
    cut: watch::Sender<u64>,
    /// Counts connections.
    connections: Mutex<u32>,
    /// What each subscription was told first, on whichever connection.
    first: Mutex<HashMap<Sub, Message>>,
}

impl Line {
    /// Listens at `socket` and passes everything on to the daemon at `to`.
    #[must_use]
    pub fn start(runtime: &Handle, socket: &Path, to: &Path, manners: Manners) -> Self {
        let shared = Shared {
            manners: Mutex::new(manners),
            cut: watch::Sender::new(0),
            connections: Mutex::new(0),
            first: Mutex::default(),
        };
        let mut line = Self {
            socket: socket.to_owned(),
            to: to.to_owned(),
            runtime: runtime.clone(),
            shared: Arc::new(shared),
            listening: None,
        };
        line.open();
        line
    }

    /// Cuts every connection. The next one is taken at once.
    pub fn drop_all(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    /// Nobody listens any more, as after the end of a daemon.
    pub fn close(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // Until the listener is gone, a client could still knock.
            let _ = self.runtime.block_on(listening);
        }
        self.drop_all();
    }

    /// Listens again after [`Line::close`].
    pub fn open(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        let inside = self.runtime.enter();
        let listener = UnixListener::bind(&self.socket).expect("a free path for the socket");
        drop(inside);
        let (shared, to) = (Arc::clone(&self.shared), self.to.clone());
        self.listening = Some(self.runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to.clone(), Arc::clone(&shared)));
            }
        }));
    }

    /// From now on, also for those who are connected.
    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut lock(&self.shared.manners));
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> u32 {
        *lock(&self.shared.connections)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
        self.drop_all();
    }
}

type Socket = WebSocketStream<UnixStream>;

/// One connection of a client.
struct Carried {
    client: Socket,
    daemon: Socket,
    shared: Arc<Shared>,
    number: u32,
    /// What is still to be said to the client, and when.
    due: Vec<(Instant, Message)>,
    /// Said to the client, in whole.
    said: u32,
    /// Requests whose answers are lost.
    changing: Vec<u64>,
}

async fn carry(client: UnixStream, to: PathBuf, shared: Arc<Shared>) {
    let number = {
        let mut connections = lock(&shared.connections);
        *connections += 1;
        *connections
    };
    let mut cut = shared.cut.subscribe();
    let Some(daemon) = dial(&to).await else { return };
    let Some(client) = answer(client).await else { return };
    let mut carried = Carried { client, daemon, shared, number, due: Vec::new(), said: 0, changing: Vec::new() };
    tokio::select! {
        _ = cut.changed() => {}
        _ = carried.run() => {}
    }
}

async fn dial(to: &Path) -> Option<Socket> {
    let stream = UnixStream::connect(to).await.ok()?;
    let mut request = "ws://localhost/v1/live".into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    tokio_tungstenite::client_async(request, stream).await.ok().map(|(socket, _)| socket)
}

#[expect(clippy::result_large_err, reason = "the handshake's callback has this shape")]
async fn answer(client: UnixStream) -> Option<Socket> {
    let upgrade = |_: &Upgrade, mut response: Upgraded| {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async(client, upgrade).await.ok()
}

impl Carried {
    /// Until one side is gone, or the line is cut.
    async fn run(&mut self) -> Option<()> {
        loop {
            let next = self.due.iter().map(|(at, _)| *at).min();
            tokio::select! {
                said = self.client.next() => self.hear(said?.ok()?).await?,
                told = self.daemon.next() => self.take(told?.ok()?),
                () = until(next) => self.say_due().await?,
            }
        }
    }

    /// Something from the client.
    async fn hear(&mut self, mut message: Message) -> Option<()> {
        let manners = lock(&self.shared.manners).clone();
        if let Message::Text(text) = &message {
            match serde_json::from_str(text) {
                Ok(ClientMessage::Request {
                    id,
                    request: Request::Cancel { .. } | Request::Retry { .. } | Request::Replay { .. },
                }) => {
                    self.changing.push(id);
                }
                Ok(ClientMessage::Subscribe { sub, topic, .. }) if manners.old => {
                    let first = lock(&self.shared.first).get(&sub).cloned();
                    self.due.extend(first.filter(|_| self.number > 1).map(|first| (Instant::now(), first)));
                    let forgotten = ClientMessage::Subscribe { sub, topic, after: None };
                    message = Message::text(serde_json::to_string(&forgotten).expect("messages are JSON"));
                }
                _ => {}
            }
        }
        self.daemon.send(message).await.ok()
    }

    /// Something from the daemon.
    fn take(&mut self, message: Message) {
        let manners = lock(&self.shared.manners).clone();
        let Message::Text(text) = &message else {
            if matches!(message, Message::Binary(_)) {
                self.put(&manners, Duration::ZERO, message);
            }
            return;
        };
        match serde_json::from_str(text) {
            Ok(ServerMessage::Hello(mut hello)) => {
                hello.protocol = manners.protocol.unwrap_or(hello.protocol);
                let text = serde_json::to_string(&ServerMessage::Hello(hello)).expect("messages are JSON");
                self.due.push((Instant::now() + manners.lag, Message::text(text)));
            }
            Ok(ServerMessage::Response { id, .. } | ServerMessage::Refused { id, .. }) => {
                if !(manners.lost && self.changing.contains(&id)) {
                    self.put(&manners, manners.late, message);
                }
            }
            Ok(
                ServerMessage::Builds { sub, .. } | ServerMessage::Build { sub, .. } | ServerMessage::Queue { sub, .. },
            ) => {
                lock(&self.shared.first).entry(sub).or_insert_with(|| message.clone());
                self.put(&manners, Duration::ZERO, message);
            }
            _ => self.put(&manners, Duration::ZERO, message),
        }
    }

    fn put(&mut self, manners: &Manners, late: Duration, message: Message) {
        let at = Instant::now() + manners.lag + late;
        if manners.strange {
            self.due.extend(strangers().into_iter().map(|stranger| (at, stranger)));
        }
        self.due.extend(std::iter::repeat_n((at, message), if manners.twice { 2 } else { 1 }));
    }

    async fn say_due(&mut self) -> Option<()> {
        let now = Instant::now();
        // What is due at one moment goes in the order in which it came.
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.due).into_iter().partition(|(at, _)| *at <= now);
        due.sort_by_key(|(at, _)| *at);
        self.due = later;
        for (_, message) in due {
            let cut_after = lock(&self.shared.manners).cut_after;
            if cut_after.is_some_and(|whole| self.said >= whole + self.number) {
                let bytes = message.into_data();
                let _ = self.client.get_mut().write_all(&half_of_a_frame(&bytes)).await;
                let _ = self.client.get_mut().shutdown().await;
                return None;
            }
            self.client.send(message).await.ok()?;
            self.said += 1;
        }
        Some(())
    }
}

/// The beginning of a frame as it stands on the line, cut in the middle of what it carries.
fn half_of_a_frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x81, 127];
    bytes.extend((payload.len() as u64 + 1).to_be_bytes());
    bytes.extend(&payload[..payload.len() / 2]);
    bytes
}

/// What nobody asked for, and what no protocol knows.
fn strangers() -> Vec<Message> {
    let text = |message: &ServerMessage| Message::text(serde_json::to_string(message).expect("messages are JSON"));
    let head = LogHead { lines: 7, bytes: 70, seq: 9, finished: true, steps: Vec::new() };
    let line = LogLine { at: 0, step: NO_STEP, open: false, raw_length: 5, bytes: b"stray".to_vec() };
    let (sub, id) = (NOBODYS, u64::MAX);
    let refusal = || Refusal::new(RefusalCode::NotFound, "stray refusal");
    vec![
        text(&ServerMessage::Builds { sub, seq: 1, total: 1, offset: 0, order: vec![999_999], changed: Vec::new() }),
        text(&ServerMessage::LogHead { sub, head }),
        text(&ServerMessage::Response { id, response: Response::Matches { lines: vec![1], next: None } }),
        text(&ServerMessage::Refused { id, refusal: refusal() }),
        text(&ServerMessage::Ended { sub, refusal: refusal() }),
        Message::text("{\"type\":\"weather\",\"wind\":[3]}"),
        Message::Binary(LogFrame::Lines { sub, first: 0, lines: vec![line] }.encode().into()),
        Message::Binary(LogFrame::Bytes { sub, offset: 0, bytes: b"stray".to_vec() }.encode().into()),
        Message::Binary(vec![250, 0, 0, 0, 1].into()),
    ]
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
