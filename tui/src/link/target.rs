//! Where the daemon is and how to prove who we are: command line, environment, configuration, default, in that order.
//! Must not know sockets, nor where the configuration is kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::config::Daemon;

/// A place where a daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: bool },
}

/// A daemon, and what is needed to talk to it.
#[derive(Debug, Clone)]
pub struct Target {
    pub place: Place,
    pub token: Option<Token>,
    /// A file of PEM certificates to trust in addition to the usual ones.
    pub ca: Option<PathBuf>,
}

/// A secret that no message shows.
#[derive(Clone)]
pub struct Token(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no address of a daemon: write unix:/path/to/control.sock, ws://host:port or wss://host:port")]
pub struct NotAPlace {
    text: String,
}

/// What the command line and the environment say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) connect: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
}

impl Target {
    /// The command line and the environment, then what the configuration says, then the usual place.
    pub(crate) fn choose(wishes: Wishes, daemon: Daemon) -> Result<Self, String> {
        let place = match wishes.connect.or(daemon.connect) {
            Some(text) => text.parse().map_err(|error: NotAPlace| error.to_string())?,
            None => {
                let folders = directories::ProjectDirs::from("", "", "windlass");
                let folders = folders.ok_or("this user has no home folder: name the daemon with --connect")?;
                Place::Unix(folders.data_dir().join("control.sock"))
            }
        };
        let token = match (wishes.token_file, wishes.token, daemon.token_file) {
            (Some(path), ..) => Some(read_token(&path)?),
            (None, Some(token), _) => Some(Token::checked(&token).ok_or("WINDLASS_TOKEN holds no token")?),
            (None, None, Some(path)) => Some(read_token(&path)?),
            (None, None, None) => None,
        };
        let ca = wishes.ca.or(daemon.ca);
        if let Some(path) = &ca {
            std::fs::File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        }
        Ok(Self { place, token, ca })
    }
}

impl Token {
    fn checked(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

fn read_token(path: &Path) -> Result<Token, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Token::checked(&text).ok_or_else(|| format!("{} holds no token: one line of printable characters", path.display()))
}

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotAPlace { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text)) {
            return if path.is_empty() { Err(refuse()) } else { Ok(Self::Unix(PathBuf::from(path))) };
        }
        let (rest, tls) = match (text.strip_prefix("ws://"), text.strip_prefix("wss://")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => return Err(refuse()),
        };
        let rest = rest.trim_end_matches('/');
        let usual = if tls { 443 } else { 80 };
        let (host, port) = match rest.rsplit_once(':') {
            // [::1] without a port ends in a bracket, not in a number
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| refuse())?),
            _ => (rest, usual),
        };
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let good = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(plain),
        };
        if good { Ok(Self::Tcp { host: inner.unwrap_or(host).to_owned(), port, tls }) } else { Err(refuse()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "wss" } else { "ws" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let table = [
            ("unix:/run/w.sock", Some("unix:/run/w.sock")),
            ("/run/w.sock", Some("unix:/run/w.sock")),
            ("ws://localhost:8081", Some("ws://localhost:8081")),
            ("ws://localhost", Some("ws://localhost:80")),
            ("wss://ci.example.org/", Some("wss://ci.example.org:443")),
            ("wss://[::1]:9", Some("wss://[::1]:9")),
            ("wss://[::1]", Some("wss://[::1]:443")),
            ("unix:", None),
            ("http://x", None),
            ("ws://", None),
            ("ws://host:port", None),
            ("ws://a b", None),
            ("ws://host/path", None),
            ("ws://host\r\nX: y:80", None),
            ("", None),
        ];
        for (text, expected) in table {
            let got = text.parse::<Place>().ok().map(|place| place.to_string());
            assert_eq!(got.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::checked(" s3cret\n").expect("a token");
        assert_eq!(token.reveal(), "s3cret");
        assert_eq!(format!("{token:?}"), "Token(hidden)");
        assert!(Token::checked("two words").is_none());
    }
}
