//! The connection to the daemon: one task that connects, tries again with growing pauses, and takes every subscription up
//! where it was. Must not know what is shown, and decides nothing but when to connect.

mod socket;
pub mod target;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use windlass_protocol::PROTOCOL_VERSION;
use windlass_protocol::live::{ClientMessage, Hello, Request, ServerMessage, Sub, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::{Refusal, RefusalCode};

use crate::failpoint;
pub use socket::LinkError;
use socket::{Incoming, Socket};
use target::Target;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const DENIED_PAUSE: Duration = Duration::from_secs(30);
/// After this much silence we ask whether the other side is there; after as much again it is not.
const SILENCE: Duration = Duration::from_secs(20);
/// How much may wait for the reader before the daemon feels it.
const WAITING: usize = 64;
/// So often a question is asked whose answer was lost with its connection.
const TRIES: u32 = 3;

/// What the link tells.
#[derive(Debug)]
pub enum LinkEvent {
    Connected(Hello),
    /// There is no connection; the next try comes after `pause`.
    Lost {
        error: LinkError,
        pause: Duration,
    },
    Message(Box<ServerMessage>),
    Log(LogFrame),
}

/// A handle to the task. Dropping it ends the connection.
pub struct Link {
    outgoing: mpsc::UnboundedSender<ClientMessage>,
    incoming: mpsc::Receiver<LinkEvent>,
}

impl Link {
    /// Begins to connect. Never fails: what happens is told by events.
    #[must_use]
    pub fn open(target: Target) -> Self {
        let (outgoing, from_client) = mpsc::unbounded_channel();
        let (to_client, incoming) = mpsc::channel(WAITING);
        let (subscriptions, asked) = (BTreeMap::new(), BTreeMap::new());
        tokio::spawn(Task { target, from_client, to_client, subscriptions, asked, instance: None }.run());
        Self { outgoing, incoming }
    }

    /// Subscriptions are remembered over reconnections. Requests that find no connection are refused; when one breaks before
    /// the answer came, what only looks is asked again, and of what changes something nobody knows whether it was done.
    pub fn send(&self, message: ClientMessage) {
        let _ = self.outgoing.send(message); // the task ends only after this handle is gone
    }

    pub async fn next(&mut self) -> Option<LinkEvent> {
        self.incoming.recv().await
    }

    pub fn try_next(&mut self) -> Option<LinkEvent> {
        self.incoming.try_recv().ok()
    }
}

struct Task {
    target: Target,
    from_client: mpsc::UnboundedReceiver<ClientMessage>,
    to_client: mpsc::Sender<LinkEvent>,
    subscriptions: BTreeMap<Sub, Subscription>,
    /// Requests without an answer so far.
    asked: BTreeMap<u64, Asked>,
    /// Which start of the daemon the sequence numbers are from.
    instance: Option<String>,
}

struct Asked {
    request: Request,
    tries: u32,
}

struct Subscription {
    topic: Topic,
    after: Option<u64>,
}

/// The client is gone.
struct Closed;

impl Task {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match Socket::open(&self.target).await {
                Ok(socket) => match self.serve(socket, &mut pause).await {
                    Ok(error) => error,
                    Err(Closed) => return,
                },
                Err(error) => error,
            };
            // Who was turned away is not let in by knocking again at once, and may be locked out for it.
            let denied = matches!(error, LinkError::Denied(_));
            let rest = if denied { DENIED_PAUSE } else { pause };
            if self.to_client.send(LinkEvent::Lost { error, pause: rest }).await.is_err() {
                return;
            }
            if let Err(Closed) = self.wait(rest).await {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Serves one connection until it breaks.
    async fn serve(&mut self, mut socket: Socket, pause: &mut Duration) -> Result<LinkError, Closed> {
        let hello = match timeout(SILENCE, socket.receive()).await {
            Ok(Ok(Incoming::Message(message))) => match *message {
                ServerMessage::Hello(hello) => hello,
                _ => return Ok(LinkError::Broken("the daemon did not say hello first".to_owned())),
            },
            Ok(Ok(_)) => return Ok(LinkError::Broken("the daemon did not say hello first".to_owned())),
            Ok(Err(error)) => return Ok(error),
            Err(_) => return Ok(LinkError::Unreachable("the daemon does not say hello".to_owned())),
        };
        if hello.protocol != PROTOCOL_VERSION {
            return Ok(foreign(&hello));
        }
        *pause = FIRST_PAUSE;
        if self.instance.as_ref() != Some(&hello.instance) {
            // Another start of the daemon, perhaps on other data: ask for everything anew. Log bytes keep their offset,
            // the bytes of a log never change.
            self.subscriptions.values_mut().for_each(|subscription| subscription.after = None);
            self.instance = Some(hello.instance.clone());
        }
        self.tell(LinkEvent::Connected(hello)).await?;
        failpoint::at("link");
        for (&sub, subscription) in &self.subscriptions {
            let message =
                ClientMessage::Subscribe { sub, topic: subscription.topic.clone(), after: subscription.after };
            if let Err(error) = socket.send(&message).await {
                return Ok(error);
            }
        }
        for (&id, asked) in &mut self.asked {
            asked.tries += 1;
            if let Err(error) = socket.send(&ClientMessage::Request { id, request: asked.request.clone() }).await {
                return Ok(error);
            }
        }
        let error = self.exchange(&mut socket).await?;
        let again = |asked: &Asked| only_looks(&asked.request) && asked.tries < TRIES;
        let lost: Vec<u64> = self.asked.iter().filter(|(_, asked)| !again(asked)).map(|(id, _)| *id).collect();
        for id in lost {
            self.asked.remove(&id);
            self.tell(LinkEvent::Message(Box::new(unanswered(id)))).await?;
        }
        Ok(error)
    }

    async fn exchange(&mut self, socket: &mut Socket) -> Result<LinkError, Closed> {
        let mut heard = Instant::now();
        let mut asked = false;
        loop {
            let patience = heard + if asked { SILENCE * 2 } else { SILENCE };
            tokio::select! {
                message = self.from_client.recv() => {
                    let message = message.ok_or(Closed)?;
                    if let ClientMessage::Request { id, request } = &message {
                        self.asked.insert(*id, Asked { request: request.clone(), tries: 1 });
                    }
                    self.remember(&message);
                    if let Err(error) = socket.send(&message).await {
                        return Ok(error);
                    }
                }
                incoming = socket.receive() => {
                    heard = Instant::now();
                    asked = false;
                    let event = match incoming {
                        Ok(Incoming::Message(message)) if self.is_wanted(&message) => {
                            self.note(&message);
                            LinkEvent::Message(message)
                        }
                        Ok(Incoming::Message(_)) => continue,
                        Ok(Incoming::Log(frame)) => match self.only_new(frame) {
                            Some(frame) => LinkEvent::Log(frame),
                            None => continue,
                        },
                        Ok(Incoming::Other) => continue,
                        Err(error) => return Ok(error),
                    };
                    self.tell(event).await?;
                }
                () = tokio::time::sleep_until(patience) => {
                    if asked {
                        return Ok(LinkError::Unreachable("the daemon has been silent for 40 s".to_owned()));
                    }
                    asked = true;
                    if let Err(error) = socket.ping().await {
                        return Ok(error);
                    }
                }
            }
        }
    }

    /// Waits for the next try. What the client subscribes to meanwhile is remembered, what it asks for is refused.
    async fn wait(&mut self, pause: Duration) -> Result<(), Closed> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                message = self.from_client.recv() => {
                    let message = message.ok_or(Closed)?;
                    self.remember(&message);
                    if let ClientMessage::Request { id, .. } = message {
                        self.tell(LinkEvent::Message(Box::new(not_connected(id)))).await?;
                    }
                }
            }
        }
    }

    async fn tell(&self, event: LinkEvent) -> Result<(), Closed> {
        self.to_client.send(event).await.map_err(|_| Closed)
    }

    fn remember(&mut self, message: &ClientMessage) {
        match message {
            ClientMessage::Subscribe { sub, topic, after } => {
                self.subscriptions.insert(*sub, Subscription { topic: topic.clone(), after: *after });
            }
            ClientMessage::Unsubscribe { sub } => {
                self.subscriptions.remove(sub);
            }
            ClientMessage::Request { .. } | ClientMessage::Unknown => {}
        }
    }

    /// What is about a subscription that was left, answers a question a second time, or is older than what came before is not
    /// for anybody any more.
    fn is_wanted(&self, message: &ServerMessage) -> bool {
        match message {
            ServerMessage::Builds { sub, seq, .. } | ServerMessage::Build { sub, seq, .. } => {
                let known = self.subscriptions.get(sub);
                known.is_some_and(|known| known.after.is_none_or(|after| *seq >= after))
            }
            ServerMessage::Queue { sub, .. }
            | ServerMessage::Tests { sub, .. }
            | ServerMessage::LogHead { sub, .. }
            | ServerMessage::LogRows { sub, .. }
            | ServerMessage::Ended { sub, .. } => self.subscriptions.contains_key(sub),
            ServerMessage::Response { id, .. } | ServerMessage::Refused { id, .. } => self.asked.contains_key(id),
            ServerMessage::Hello(_) | ServerMessage::Unknown => false,
        }
    }

    fn note(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Response { id, .. } | ServerMessage::Refused { id, .. } => {
                self.asked.remove(id);
            }
            ServerMessage::Builds { sub, seq, .. } | ServerMessage::Build { sub, seq, .. } => {
                if let Some(subscription) = self.subscriptions.get_mut(sub) {
                    subscription.after = Some(*seq);
                }
            }
            ServerMessage::Ended { sub, .. } => {
                self.subscriptions.remove(sub);
            }
            _ => {}
        }
    }

    /// Bytes of a log, or of a line of it: moves the offset to resume from, and cuts off what was handed on already.
    fn only_new(&mut self, frame: LogFrame) -> Option<LogFrame> {
        let (LogFrame::Bytes { sub, .. } | LogFrame::Lines { sub, .. }) = &frame;
        if !self.subscriptions.contains_key(sub) {
            return None;
        }
        let LogFrame::Bytes { sub, offset, mut bytes } = frame else { return Some(frame) };
        let (Topic::LogBytes { from, .. } | Topic::LogLine { from, .. }) = &mut self.subscriptions.get_mut(&sub)?.topic
        else {
            return None;
        };
        let known = usize::try_from(from.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        bytes.drain(..known);
        if bytes.is_empty() {
            return None;
        }
        let offset = offset.max(*from);
        *from = offset + bytes.len() as u64;
        Some(LogFrame::Bytes { sub, offset, bytes })
    }
}

/// What such a daemon says would be misunderstood; what is only added does not raise the number.
fn foreign(hello: &Hello) -> LinkError {
    let (theirs, version) = (hello.protocol, &hello.version);
    LinkError::Foreign(format!(
        "it speaks protocol {theirs}, not {PROTOCOL_VERSION}: use the windlass that came with windlassd {version}"
    ))
}

/// Asked twice it does no more than asked once.
fn only_looks(request: &Request) -> bool {
    match request {
        Request::Builds { .. }
        | Request::Build { .. }
        | Request::Deliveries { .. }
        | Request::SearchLog { .. }
        | Request::Excerpt { .. }
        | Request::Results { .. }
        | Request::Repositories { .. }
        | Request::Nodes
        | Request::Tests { .. }
        | Request::Artifacts { .. }
        | Request::ReadArtifact { .. }
        | Request::Annotations { .. }
        | Request::MapLog { .. } => true,
        Request::Cancel { .. }
        | Request::Retry { .. }
        | Request::Pause { .. }
        | Request::Resume { .. }
        | Request::Replay { .. }
        | Request::Unknown => false,
    }
}

fn unanswered(id: u64) -> ServerMessage {
    let words = "the connection broke before the answer came: look whether it was done";
    ServerMessage::Refused { id, refusal: Refusal::new(RefusalCode::Unavailable, words) }
}

fn not_connected(id: u64) -> ServerMessage {
    let words = "there is no connection to the daemon: nothing was done";
    ServerMessage::Refused { id, refusal: Refusal::new(RefusalCode::Unavailable, words) }
}
