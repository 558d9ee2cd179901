//! The live socket from a client's side, blocking. Uses the protocol's own types, so that what travels is held against
//! them. Must not know what subscriptions mean.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use windlass_protocol::SUBPROTOCOL;
use windlass_protocol::live::{ClientMessage, Hello, Request, Response, ServerMessage};
use windlass_protocol::log::LogFrame;
use windlass_protocol::refusal::Refusal;

use crate::daemon::Daemon;
use crate::wait::SHORT;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub struct Live {
    runtime: Runtime,
    socket: WebSocketStream<Box<dyn Stream>>,
    next_id: u64,
    close_code: Option<u16>,
}

/// What the daemon says.
#[derive(Debug)]
pub enum Told {
    Message(Box<ServerMessage>),
    Log(LogFrame),
    Closed,
}

/// Why a connection was not made.
#[derive(Debug)]
pub enum NotConnected {
    /// The HTTP status that came instead of the upgrade.
    Status(u16),
    Other(String),
}

impl Live {
    /// Over the Unix socket, as the client connects.
    #[must_use]
    #[track_caller]
    pub fn unix(daemon: &Daemon) -> Self {
        Self::at(&daemon.socket()).expect("the live socket accepts")
    }

    /// Over a Unix socket behind which there may be nobody just now.
    ///
    /// # Errors
    /// When there is nobody.
    pub fn at(socket: &Path) -> Result<Self, NotConnected> {
        let path = socket.to_owned();
        let connect = async move { UnixStream::connect(path).await.map(|stream| Box::new(stream) as Box<dyn Stream>) };
        Self::open(connect, "ws://localhost/v1/live", &[])
    }

    /// Over TCP, with further headers.
    ///
    /// # Errors
    /// When the daemon does not upgrade the connection.
    pub fn tcp(address: &str, headers: &[(&'static str, String)]) -> Result<Self, NotConnected> {
        let to = address.to_owned();
        let connect = async move { TcpStream::connect(to).await.map(|stream| Box::new(stream) as Box<dyn Stream>) };
        Self::open(connect, &format!("ws://{address}/v1/live"), headers)
    }

    fn open(
        connect: impl Future<Output = std::io::Result<Box<dyn Stream>>>,
        url: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Self, NotConnected> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut request = url.into_client_request().expect("our own address");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header's value"));
        }
        let opened = runtime.block_on(async {
            let stream = connect.await.map_err(|error| NotConnected::Other(error.to_string()))?;
            match tokio_tungstenite::client_async(request, stream).await {
                Ok((socket, _)) => Ok(socket),
                Err(Error::Http(response)) => Err(NotConnected::Status(response.status().as_u16())),
                Err(error) => Err(NotConnected::Other(error.to_string())),
            }
        });
        Ok(Self { socket: opened?, runtime, next_id: 1, close_code: None })
    }

    /// The daemon's first message.
    #[track_caller]
    pub fn hello(&mut self) -> Hello {
        match self.next(SHORT) {
            Some(Told::Message(message)) => match *message {
                ServerMessage::Hello(hello) => hello,
                other => panic!("the first message is no hello: {other:?}"),
            },
            other => panic!("the first message is no hello: {other:?}"),
        }
    }

    /// Says it to a daemon that may be dead. Whether it could be said; whether it was heard, nobody knows.
    pub fn try_say(&mut self, message: &ClientMessage) -> bool {
        let text = serde_json::to_string(message).expect("messages are JSON");
        self.runtime.block_on(self.socket.send(Message::text(text))).is_ok()
    }

    #[track_caller]
    pub fn say(&mut self, message: &ClientMessage) {
        self.say_text(&serde_json::to_string(message).expect("messages are JSON"));
    }

    #[track_caller]
    pub fn say_text(&mut self, text: &str) {
        self.runtime.block_on(self.socket.send(Message::text(text))).expect("the connection is there");
    }

    /// The next thing the daemon says, or nothing within the time.
    #[track_caller]
    pub fn next(&mut self, within: Duration) -> Option<Told> {
        let (socket, close_code) = (&mut self.socket, &mut self.close_code);
        let next = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message = serde_json::from_str(&text)
                            .unwrap_or_else(|error| panic!("not of the protocol ({error}): {text}"));
                        return Told::Message(Box::new(message));
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        return Told::Log(LogFrame::decode(&bytes).expect("a binary frame of the protocol"));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        *close_code = frame.map(|frame| frame.code.into());
                        return Told::Closed;
                    }
                    Some(Err(_)) | None => return Told::Closed,
                    Some(Ok(_)) => {} // pings are answered by the library
                }
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(within, next).await.ok() })
    }

    /// Reads to the connection's end, and says with which code it was closed; `None`: without a word.
    #[track_caller]
    pub fn wait_closed(&mut self) -> Option<u16> {
        loop {
            match self.next(SHORT) {
                Some(Told::Closed) => return self.close_code,
                Some(_) => {}
                None => panic!("the connection stays open"),
            }
        }
    }

    /// Reads until `find` finds; panics after a while with everything that came instead.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut find: impl FnMut(&Told) -> Option<T>) -> T {
        let start = Instant::now();
        let mut others = Vec::new();
        while let Some(left) = SHORT.checked_sub(start.elapsed()) {
            let Some(told) = self.next(left) else { break };
            if let Some(found) = find(&told) {
                return found;
            }
            let closed = matches!(told, Told::Closed);
            others.push(told);
            if closed {
                break;
            }
        }
        panic!("{what} did not come; this came: {others:#?}");
    }

    /// Asks, and waits for the answer with the same id; what else comes in between is dropped.
    ///
    /// # Errors
    /// What the daemon refuses.
    #[track_caller]
    pub fn request(&mut self, request: Request) -> Result<Response, Refusal> {
        let asked = self.next_id;
        self.next_id += 1;
        self.say(&ClientMessage::Request { id: asked, request });
        self.until("the answer to a request", |told| match told {
            Told::Message(message) => match &**message {
                ServerMessage::Response { id, response } if *id == asked => Some(Ok(response.clone())),
                ServerMessage::Refused { id, refusal } if *id == asked => Some(Err(refusal.clone())),
                _ => None,
            },
            _ => None,
        })
    }
}
