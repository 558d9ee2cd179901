//! One WebSocket to the daemon: Unix socket, TCP or TLS. The only file that knows tungstenite. Must not know what the
//! messages mean, nor when to try again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use windlass_protocol::SUBPROTOCOL;
use windlass_protocol::live::{ClientMessage, ServerMessage};
use windlass_protocol::log::{BadFrame, LogFrame};

use super::target::{Place, Target};

const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no connection. The words are for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("{0}")]
    Unreachable(String),
    /// The daemon, or something in front of it, answered and said no.
    #[error("{0}")]
    Denied(String),
    /// It answered over TLS, and its certificate does not do.
    #[error("{0}")]
    Untrusted(String),
    /// It speaks another version of the protocol.
    #[error("{0}")]
    Foreign(String),
    #[error("{0}")]
    Broken(String),
}

/// What came.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Box<ServerMessage>),
    Log(LogFrame),
    /// Nothing that matters: a ping, or a message of a newer daemon.
    Other,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct Socket(WebSocketStream<Box<dyn Io>>);

impl Socket {
    pub(super) async fn open(target: &Target) -> Result<Self, LinkError> {
        match tokio::time::timeout(CONNECT, Self::dial(target)).await {
            Ok(result) => result,
            Err(_) => Err(LinkError::Unreachable(format!("{} did not answer within 10 s", target.place))),
        }
    }

    async fn dial(target: &Target) -> Result<Self, LinkError> {
        let (stream, address): (Box<dyn Io>, String) = match &target.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| unreachable(&target.place, &error))?;
                (Box::new(stream), "ws://localhost/v1/live".to_owned())
            }
            Place::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port));
                let stream = stream.await.map_err(|error| unreachable(&target.place, &error))?;
                let _ = stream.set_nodelay(true); // only a matter of speed
                let address = format!("{}/v1/live", target.place);
                if *tls { (encrypt(stream, host, target).await?, address) } else { (Box::new(stream), address) }
            }
        };
        let mut request = address.into_client_request().map_err(|error| LinkError::Broken(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        if let Some(token) = &target.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                .map_err(|_| LinkError::Denied("the token cannot be sent: it is not plain text".to_owned()))?;
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(denied(response.status().as_u16(), target)),
            Err(error) => Err(LinkError::Broken(format!(
                "what listens on {} does not speak {SUBPROTOCOL}: {error}",
                target.place
            ))),
        }
    }

    pub(super) async fn send(&mut self, message: &ClientMessage) -> Result<(), LinkError> {
        let text = serde_json::to_string(message).expect("wire types always become JSON");
        self.0.send(Message::text(text)).await.map_err(|error| lost(&error))
    }

    pub(super) async fn ping(&mut self) -> Result<(), LinkError> {
        self.0.send(Message::Ping(Bytes::new())).await.map_err(|error| lost(&error))
    }

    /// Waits for what comes next. May be abandoned and called again.
    pub(super) async fn receive(&mut self) -> Result<Incoming, LinkError> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(message) => Ok(Incoming::Message(Box::new(message))),
                Err(error) => Err(LinkError::Broken(format!("the daemon said something unreadable: {error}"))),
            },
            Some(Ok(Message::Binary(bytes))) => match LogFrame::decode(&bytes) {
                Ok(frame) => Ok(Incoming::Log(frame)),
                Err(BadFrame::Kind(_)) => Ok(Incoming::Other),
                Err(error) => Err(LinkError::Broken(format!("the daemon sent an unreadable frame: {error}"))),
            },
            Some(Ok(Message::Close(frame))) => {
                let reason = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                Err(LinkError::Unreachable(reason.unwrap_or_else(|| "the daemon closed the connection".to_owned())))
            }
            Some(Ok(_)) => Ok(Incoming::Other),
            Some(Err(error)) => Err(lost(&error)),
            None => Err(LinkError::Unreachable("the connection ended".to_owned())),
        }
    }
}

async fn encrypt(stream: TcpStream, host: &str, target: &Target) -> Result<Box<dyn Io>, LinkError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = &target.ca {
        let unusable = |why: String| LinkError::Broken(format!("cannot use {} as certificates: {why}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| LinkError::Broken(error.to_string()))?;
    match tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(LinkError::Untrusted(untrusted(&target.place, &error))),
    }
}

fn untrusted(place: &Place, error: &io::Error) -> String {
    // rustls knows this one only as an "other" error: by its words.
    let advice = match error.to_string().contains("CaUsedAsEndEntity") {
        true => {
            "its certificate is marked as an authority's, which a server's must not be; make a self-signed one with \
             openssl req -x509 ... -addext basicConstraints=critical,CA:FALSE"
        }
        false => "a certificate of your own goes into --ca FILE",
    };
    format!("{place} is not trusted: {error}; {advice}")
}

fn lost(error: &Error) -> LinkError {
    LinkError::Unreachable(format!("the connection broke: {error}"))
}

fn denied(status: u16, target: &Target) -> LinkError {
    let place = &target.place;
    LinkError::Denied(match status {
        401 if target.token.is_some() => format!("{place} does not know this token (401)"),
        401 => format!("{place} wants a token (401): give --token-file FILE or WINDLASS_TOKEN"),
        403 => format!("{place} forbids this (403)"),
        404 => format!("{place} has no /v1/live (404): is this the control listener of windlassd?"),
        429 => format!("{place} has too many failed logins from here (429): wait a minute"),
        other => format!("{place} answered {other} instead of opening a WebSocket"),
    })
}

fn unreachable(place: &Place, error: &io::Error) -> LinkError {
    LinkError::Unreachable(match (place, error.kind()) {
        (Place::Unix(path), io::ErrorKind::NotFound) => format!("there is no socket {}", path.display()),
        (Place::Unix(path), io::ErrorKind::ConnectionRefused) => {
            format!("nobody listens on {}", path.display())
        }
        (Place::Unix(path), io::ErrorKind::PermissionDenied) => {
            format!("this user may not open {}", path.display())
        }
        (place, _) => format!("cannot connect to {place}: {error}"),
    })
}
