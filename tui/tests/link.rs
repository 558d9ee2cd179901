//! The connection against a daemon that a test plays word by word: what it makes of what it should not hear, and what it does
//! when it breaks.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response as Upgraded};
use windlass_protocol::live::{ClientMessage, Hello, Request, Response, Role, ServerMessage, Topic};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::{Refusal, RefusalCode};
use windlass_protocol::time::Timestamp;
use windlass_tui::link::target::{Place, Target};
use windlass_tui::link::{Link, LinkError, LinkEvent};

struct Daemon {
    listener: UnixListener,
    socket: Option<WebSocketStream<UnixStream>>,
    _folder: tempfile::TempDir,
}

/// A daemon that says nothing yet, and a link to it.
fn stage() -> (Daemon, Link) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("a free path");
    let link = Link::open(Target { place: Place::Unix(path), token: None, ca: None });
    (Daemon { listener, socket: None, _folder: folder }, link)
}

impl Daemon {
    #[expect(clippy::result_large_err, reason = "the handshake's callback has this shape")]
    async fn accept(&mut self, protocol: u32, instance: &str) {
        let (stream, _) = self.listener.accept().await.expect("the link connects");
        let upgrade = |request: &Upgrade, mut response: Upgraded| {
            let wished = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", wished);
            Ok(response)
        };
        self.socket = Some(tokio_tungstenite::accept_hdr_async(stream, upgrade).await.expect("a WebSocket"));
        self.say(&ServerMessage::Hello(Hello {
            protocol,
            version: "7.8.9".to_owned(),
            instance: instance.to_owned(),
            capabilities: Vec::new(),
            role: Role::Admin,
            now: Timestamp(0),
            webhook: None,
        }))
        .await;
    }

    async fn send(&mut self, message: Message) {
        self.socket.as_mut().expect("it is connected").send(message).await.expect("the link listens");
    }

    async fn say(&mut self, message: &ServerMessage) {
        self.send(Message::text(serde_json::to_string(message).expect("messages are JSON"))).await;
    }

    async fn builds(&mut self, sub: u32, seq: u64) {
        self.say(&ServerMessage::Builds { sub, seq, total: 0, offset: 0, order: Vec::new(), changed: Vec::new() })
            .await;
    }

    /// What the link says next.
    async fn hear(&mut self) -> ClientMessage {
        let socket = self.socket.as_mut().expect("it is connected");
        let next = tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("it says something");
        let text = next.expect("it is there").expect("a message").into_text().expect("text");
        serde_json::from_str(&text).expect("of the protocol")
    }
}

async fn next(link: &mut Link) -> LinkEvent {
    tokio::time::timeout(Duration::from_secs(20), link.next()).await.expect("something happens").expect("it lives")
}

/// The sequence number of the list of builds that comes next.
async fn seq(link: &mut Link) -> u64 {
    match next(link).await {
        LinkEvent::Message(message) => match *message {
            ServerMessage::Builds { seq, .. } => seq,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn subscribe(link: &Link) {
    link.send(ClientMessage::Subscribe {
        sub: 4,
        topic: Topic::Builds { filter: Default::default(), offset: 0, limit: 9 },
        after: None,
    });
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_told() {
    let (mut daemon, mut link) = stage();
    daemon.accept(1, "one").await;
    assert!(matches!(next(&mut link).await, LinkEvent::Connected(_)));
    subscribe(&link);
    assert!(matches!(daemon.hear().await, ClientMessage::Subscribe { sub: 4, .. }));
    let refusal = || Refusal::new(RefusalCode::NotFound, "stray");
    daemon.builds(5, 1).await;
    daemon.say(&ServerMessage::Ended { sub: 5, refusal: refusal() }).await;
    daemon.say(&ServerMessage::Refused { id: 9, refusal: refusal() }).await;
    daemon.say(&ServerMessage::Unknown).await;
    daemon.send(Message::text("{\"type\":\"weather\"}")).await;
    daemon.send(Message::Binary(vec![77, 1, 2, 3].into())).await;
    daemon.send(Message::Binary(LogFrame::Lines { sub: 5, first: 0, lines: Vec::new() }.encode().into())).await;
    daemon.send(Message::Binary(LogFrame::Bytes { sub: 5, offset: 0, bytes: vec![1] }.encode().into())).await;
    daemon.builds(4, 8).await;
    assert_eq!(seq(&mut link).await, 8);
    // What is older than what came before; the same once more is.
    daemon.builds(4, 7).await;
    daemon.builds(4, 8).await;
    daemon.builds(4, 9).await;
    assert_eq!((seq(&mut link).await, seq(&mut link).await), (8, 9));
    // Another start of the daemon counts anew.
    daemon.socket = None;
    assert!(matches!(next(&mut link).await, LinkEvent::Lost { .. }));
    daemon.accept(1, "two").await;
    assert!(matches!(next(&mut link).await, LinkEvent::Connected(_)));
    assert!(matches!(daemon.hear().await, ClientMessage::Subscribe { sub: 4, after: None, .. }));
    daemon.builds(4, 2).await;
    assert_eq!(seq(&mut link).await, 2);
}

#[tokio::test]
async fn questions_are_asked_again_and_orders_are_not() {
    let (mut daemon, mut link) = stage();
    daemon.accept(1, "one").await;
    assert!(matches!(next(&mut link).await, LinkEvent::Connected(_)));
    let cancel = Request::Cancel { build: 1, job: None, force: false };
    link.send(ClientMessage::Request { id: 1, request: Request::Nodes });
    link.send(ClientMessage::Request { id: 2, request: cancel.clone() });
    for id in 1..=2 {
        assert!(matches!(daemon.hear().await, ClientMessage::Request { id: heard, .. } if heard == id));
    }
    for round in 0..2 {
        daemon.socket = None;
        if round == 0 {
            // Nobody knows what became of the order.
            let LinkEvent::Message(message) = next(&mut link).await else { panic!("no word of the order") };
            assert!(matches!(*message, ServerMessage::Refused { id: 2, .. }), "{message:?}");
        }
        assert!(matches!(next(&mut link).await, LinkEvent::Lost { .. }));
        daemon.accept(1, "one").await;
        assert!(matches!(next(&mut link).await, LinkEvent::Connected(_)));
        assert_eq!(daemon.hear().await, ClientMessage::Request { id: 1, request: Request::Nodes });
    }
    // Three times, and not for ever: it may be what the daemon dies of.
    daemon.socket = None;
    let LinkEvent::Message(message) = next(&mut link).await else { panic!("no word of the question") };
    assert!(matches!(*message, ServerMessage::Refused { id: 1, .. }), "{message:?}");
    assert!(matches!(next(&mut link).await, LinkEvent::Lost { .. }));
    daemon.accept(1, "one").await;
    assert!(matches!(next(&mut link).await, LinkEvent::Connected(_)));
    link.send(ClientMessage::Request { id: 3, request: Request::Nodes });
    assert!(matches!(daemon.hear().await, ClientMessage::Request { id: 3, .. }));
    // Of two answers one is told.
    for _ in 0..2 {
        daemon.say(&ServerMessage::Response { id: 3, response: Response::Nodes { nodes: Vec::new() } }).await;
    }
    subscribe(&link);
    daemon.hear().await;
    daemon.builds(4, 1).await;
    assert!(
        matches!(next(&mut link).await, LinkEvent::Message(message) if matches!(*message, ServerMessage::Response { id: 3, .. }))
    );
    assert_eq!(seq(&mut link).await, 1);
}

#[tokio::test]
async fn a_daemon_of_another_protocol_is_named_and_waited_for() {
    let (mut daemon, mut link) = stage();
    for other in [0, 2] {
        daemon.accept(other, "one").await;
        let LinkEvent::Lost { error, .. } = next(&mut link).await else { panic!("it was taken") };
        let words = format!("it speaks protocol {other}, not 1: use the windlass that came with windlassd 7.8.9");
        assert_eq!(error, LinkError::Foreign(words));
    }
    daemon.accept(1, "one").await;
    assert!(matches!(next(&mut link).await, LinkEvent::Connected(_)));
}
