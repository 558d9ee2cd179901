//! `GET /v1/live`: one WebSocket a client. Each subscription is a task of its own that reads the truth, sends what is new,
//! and sleeps until woken; a slow client makes only its own subscriptions wait. Messages: `protocol/README.md`.

mod feeds; // builds, one build, the queue
mod logs; // windows of lines, streams of bytes
mod requests; // asked once, answered once
mod views; // windows of only some lines

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use windlass_protocol::live::{ClientMessage, Hello, Request, ServerMessage, Sub, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::{PROTOCOL_VERSION, SUBPROTOCOL};

use super::App;
use super::failure::Failure;
use super::guard::{Caller, Sockets};
use crate::clock;

/// A client's message is a request or a subscription: small.
const MESSAGE_CAP: usize = 256 * 1024;
const SUBSCRIPTIONS: usize = 64;
/// Searches at once of one connection.
const SEARCHES: usize = 4;
/// Maps of logs that wait for their turn: each looks through a whole log, for a column beside it, so they come one after the
/// other, and hold up nothing that somebody asked for.
const MAPS: usize = 16;
/// Messages that wait for a slow client, over all its subscriptions; whoever wants to send more waits.
const BACKLOG: usize = 8;
/// So often a client is pinged, and its token looked up again.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Nothing heard for this long, not even an answer to a ping: the client is gone.
const SILENCE: Duration = Duration::from_secs(65);
/// One message could not be sent for this long: the client does not read.
const SEND_LIMIT: Duration = Duration::from_secs(60);

pub async fn upgrade(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(sockets): Extension<Sockets>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(MESSAGE_CAP).max_frame_size(MESSAGE_CAP);
    if upgrade.selected_protocol().is_none() {
        return Err(Failure::invalid(format!("the WebSocket has to name the subprotocol {SUBPROTOCOL}")));
    }
    let seat = sockets.seat(&caller)?;
    // axum's graceful shutdown does not wait for upgraded connections; `Tasks` does.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    app.tasks.clone().spawn(async move {
        if let Ok(socket) = receiver.await {
            Connection::new(app, caller).run(socket).await;
        }
        drop(seat);
    });
    Ok(upgrade.on_upgrade(async move |socket| {
        let _ = sender.send(socket);
    }))
}

/// Where tasks of a connection put what is to be sent.
#[derive(Debug, Clone)]
struct Outbox {
    sender: mpsc::Sender<Message>,
}

/// The client is gone; whoever learns of it ends.
#[derive(Debug)]
struct Gone;

impl Outbox {
    async fn say(&self, message: &ServerMessage) -> Result<(), Gone> {
        let text = serde_json::to_string(message).expect("wire types always serialise");
        self.sender.send(Message::Text(text.into())).await.map_err(|_| Gone)
    }

    async fn frame(&self, frame: &LogFrame) -> Result<(), Gone> {
        self.sender.send(Message::Binary(frame.encode().into())).await.map_err(|_| Gone)
    }
}

struct Connection {
    app: App,
    caller: Caller,
    subscriptions: HashMap<Sub, JoinHandle<()>>,
    /// Searches under way; dropped with the connection, which ends them.
    searches: JoinSet<()>,
    maps: JoinSet<()>,
    /// The turn to look through a log for a map.
    map_turn: Arc<Semaphore>,
    /// The same for subscriptions that have to look through logs.
    turns: Arc<Semaphore>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in self.subscriptions.values() {
            task.abort();
        }
    }
}

impl Connection {
    fn new(app: App, caller: Caller) -> Self {
        Self {
            app,
            caller,
            subscriptions: HashMap::new(),
            searches: JoinSet::new(),
            maps: JoinSet::new(),
            map_turn: Arc::new(Semaphore::new(1)),
            turns: Arc::new(Semaphore::new(SEARCHES)),
        }
    }

    async fn run(mut self, socket: WebSocket) {
        let (mut sink, mut stream) = socket.split();
        let (sender, mut backlog) = mpsc::channel::<Message>(BACKLOG);
        let outbox = Outbox { sender };
        let pages = self.app.config.public.pages.then_some("pages");
        let capabilities = ["annotations", "artifacts", "log_search", "log_view", "tests"]
            .into_iter()
            .chain(pages)
            .map(str::to_owned)
            .collect();
        let hello = ServerMessage::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.app.instance.to_string(),
            capabilities,
            role: self.caller.wire_role(),
            now: clock::now(),
            webhook: Some(format!("{}/webhooks/github", self.app.public_url)),
        });
        let stop = self.app.tasks.stopping();
        let (app, caller) = (self.app.clone(), self.caller.clone());
        let mut writer = tokio::spawn(async move {
            let mut revoked = std::pin::pin!(caller.revoked(&app, PING_EVERY));
            let mut ping = tokio::time::interval(PING_EVERY);
            ping.tick().await;
            loop {
                let message = tokio::select! {
                    message = backlog.recv() => match message {
                        Some(message) => message,
                        None => Message::Close(None),
                    },
                    _ = ping.tick() => Message::Ping(Vec::new().into()),
                    () = stop.cancelled() => Message::Close(Some(CloseFrame {
                        code: close_code::AWAY,
                        reason: "the daemon stops".into(),
                    })),
                    () = &mut revoked => Message::Close(Some(CloseFrame {
                        code: close_code::POLICY,
                        reason: "the token was revoked".into(),
                    })),
                };
                let last = matches!(message, Message::Close(_));
                let sent = tokio::select! {
                    sent = tokio::time::timeout(SEND_LIMIT, sink.send(message)) => sent,
                    // A client that takes its time keeps nothing open by that.
                    () = &mut revoked, if !last => return,
                };
                match sent {
                    Ok(Ok(())) if !last => {}
                    _ => return,
                }
            }
        });
        let mut writer_ended = false;
        if outbox.say(&hello).await.is_ok() {
            loop {
                let deadline = Instant::now() + SILENCE;
                let message = tokio::select! {
                    message = tokio::time::timeout_at(deadline, stream.next()) => message,
                    _ = &mut writer => {
                        writer_ended = true;
                        break;
                    }
                };
                match message {
                    Ok(Some(Ok(Message::Text(text)))) => {
                        if self.hear(text.as_str(), &outbox).await.is_err() {
                            break;
                        }
                    }
                    Ok(Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_)))) => {}
                    Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => break,
                }
            }
        }
        drop(self);
        drop(outbox);
        // The rest of the backlog may still be sent, but not for long.
        if !writer_ended && tokio::time::timeout(Duration::from_secs(2), &mut writer).await.is_err() {
            writer.abort();
        }
    }

    async fn hear(&mut self, text: &str, outbox: &Outbox) -> Result<(), Gone> {
        let message: ClientMessage = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => return self.misheard(text, &error, outbox).await,
        };
        let is_map = matches!(&message, ClientMessage::Request { request: Request::MapLog { .. }, .. });
        let is_search = matches!(
            &message,
            ClientMessage::Request { request: Request::SearchLog { .. } | Request::Excerpt { .. }, .. }
        );
        match message {
            ClientMessage::Subscribe { sub, topic, after } => self.subscribe(sub, topic, after, outbox).await,
            ClientMessage::Unsubscribe { sub } => {
                self.end(sub).await;
                Ok(())
            }
            ClientMessage::Request { id, request } => {
                let (app, caller) = (self.app.clone(), self.caller.clone());
                let answer = async move {
                    match requests::answer(&app, &caller, request).await {
                        Ok(response) => ServerMessage::Response { id, response },
                        Err(failure) => ServerMessage::Refused { id, refusal: failure.refusal },
                    }
                };
                if !is_map && !is_search {
                    return outbox.say(&answer.await).await;
                }
                // Beside everything else; one more than allowed makes the client wait for one of them.
                let (under_way, most) = if is_map { (&mut self.maps, MAPS) } else { (&mut self.searches, SEARCHES) };
                while under_way.try_join_next().is_some() {}
                if under_way.len() >= most {
                    under_way.join_next().await;
                }
                let (outbox, turn) = (outbox.clone(), is_map.then(|| Arc::clone(&self.map_turn)));
                under_way.spawn(async move {
                    let _turn = match turn {
                        Some(turn) => turn.acquire_owned().await.ok(), // never closed
                        None => None,
                    };
                    let _ = outbox.say(&answer.await).await;
                });
                Ok(())
            }
            ClientMessage::Unknown => Ok(()),
        }
    }

    /// A message of a known type with a shape that is not: whoever asked is told, when it can be made out who did.
    async fn misheard(&self, text: &str, error: &serde_json::Error, outbox: &Outbox) -> Result<(), Gone> {
        let refusal = Refusal::new(RefusalCode::Invalid, format!("message not understood: {error}"));
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(id) = value.get("id").and_then(serde_json::Value::as_u64) {
            return outbox.say(&ServerMessage::Refused { id, refusal }).await;
        }
        let sub = value.get("sub").and_then(serde_json::Value::as_u64).and_then(|sub| u32::try_from(sub).ok());
        if let Some(sub) = sub {
            return outbox.say(&ServerMessage::Ended { sub, refusal }).await;
        }
        tracing::debug!(%error, caller = self.caller.name, "a message was not understood");
        Ok(())
    }

    /// Ends a subscription; it says nothing any more once this returns.
    async fn end(&mut self, sub: Sub) {
        if let Some(task) = self.subscriptions.remove(&sub) {
            task.abort();
            let _ = task.await;
        }
    }

    async fn subscribe(&mut self, sub: Sub, topic: Topic, after: Option<u64>, outbox: &Outbox) -> Result<(), Gone> {
        self.end(sub).await;
        self.subscriptions.retain(|_, task| !task.is_finished());
        if self.subscriptions.len() >= SUBSCRIPTIONS {
            let message = format!("a connection may have {SUBSCRIPTIONS} subscriptions");
            let refusal = Refusal::new(RefusalCode::Invalid, message);
            return outbox.say(&ServerMessage::Ended { sub, refusal }).await;
        }
        let (app, outbox, turns) = (self.app.clone(), outbox.clone(), Arc::clone(&self.turns));
        let task = tokio::spawn(async move {
            let ended = match topic {
                Topic::Builds { filter, offset, limit } => {
                    feeds::builds(&app, &outbox, sub, &filter, offset, limit, after).await
                }
                Topic::Build { number } => feeds::build(&app, &outbox, sub, number, after).await,
                Topic::Tests { number, filter, offset, limit } => {
                    feeds::tests(&app, &outbox, sub, number, &filter, offset, limit).await
                }
                Topic::Queue => feeds::queue(&app, &outbox, sub).await,
                Topic::Log { log, window } => logs::window(&app, &outbox, sub, &log, window).await,
                Topic::LogView { log, view, window } => {
                    views::window(&app, &outbox, sub, &log, view, window, &turns).await
                }
                Topic::LogLine { log, line, from } => logs::line(&app, &outbox, sub, &log, line, from).await,
                Topic::LogBytes { log, from } => logs::bytes(&app, &outbox, sub, &log, from).await,
                Topic::Unknown => Err(End::Refused(Refusal::new(
                    RefusalCode::Unsupported,
                    "this daemon does not know that topic: it is older than the client",
                ))),
            };
            if let Err(End::Refused(refusal)) = ended {
                let _ = outbox.say(&ServerMessage::Ended { sub, refusal }).await;
            }
        });
        self.subscriptions.insert(sub, task);
        Ok(())
    }
}

/// Why a subscription ended by itself.
#[derive(Debug)]
enum End {
    Gone,
    Refused(Refusal),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl<E: Into<Failure>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Refused(error.into().refusal)
    }
}
