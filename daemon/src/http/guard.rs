//! Who may do what on the control listener. The Unix socket is guarded by its file mode; TCP needs a bearer token.
//! Requests that carry an `Origin` come from a web page: refused unless the operator lists it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use windlass_protocol::live;
use windlass_protocol::refusal::RefusalCode;

use super::App;
use super::failure::Failure;
use super::serve::Peer;
use crate::secret::sha256_hex;
use crate::store::Role;

/// Who a request comes from; every handler of the control listener gets one.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: String,
    pub role: Role,
}

impl Caller {
    /// Refuses when the role is too small for what is asked.
    pub fn needs(&self, role: Role, what: &str) -> Result<(), Failure> {
        if self.role >= role {
            return Ok(());
        }
        let message =
            format!("to {what} needs the role {}; the token {:?} is a {}", role.word(), self.name, self.role.word());
        Err(Failure::forbidden(message))
    }

    #[must_use]
    pub fn wire_role(&self) -> live::Role {
        match self.role {
            Role::Viewer => live::Role::Viewer,
            Role::Operator => live::Role::Operator,
            Role::Admin => live::Role::Admin,
        }
    }
}

/// Failed logins by address: after a few, that address waits.
#[derive(Debug, Clone, Default)]
pub struct FailedLogins {
    by_address: Arc<Mutex<HashMap<IpAddr, (u32, Instant)>>>,
}

const FAILURES_ALLOWED: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const ADDRESSES_KEPT: usize = 10_000;

impl FailedLogins {
    fn too_many(&self, address: IpAddr) -> bool {
        let failures = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&address).is_some_and(|(count, since)| *count >= FAILURES_ALLOWED && since.elapsed() < WINDOW)
    }

    fn failed(&self, address: IpAddr) {
        let mut failures = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_KEPT {
            failures.retain(|_, (_, since)| since.elapsed() < WINDOW);
        }
        let entry = failures.entry(address).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= WINDOW {
            *entry = (0, Instant::now());
        }
        entry.0 += 1;
    }
}

/// Middleware of the control listener.
pub async fn identify(
    State((app, failed)): State<(App, FailedLogins)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    refuse_foreign_origin(&app, request.headers())?;
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Unix);
    let caller = match peer {
        Peer::Unix => Caller { name: "local".to_owned(), role: Role::Admin },
        Peer::Tcp(address) => by_token(&app, &failed, address.ip(), request.headers()).await?,
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn refuse_foreign_origin(app: &App, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let listed = origin.to_str().is_ok_and(|origin| app.config.control.allowed_origins.iter().any(|one| one == origin));
    if listed { Ok(()) } else { Err(Failure::forbidden("web pages of this origin are not in control.allowed_origins")) }
}

async fn by_token(app: &App, failed: &FailedLogins, address: IpAddr, headers: &HeaderMap) -> Result<Caller, Failure> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim);
    // Looked up by hash: what is compared is not what the caller sent, so timing tells nothing about it.
    let found = match token {
        Some(token) => app.store.token_by_hash(&sha256_hex(token.as_bytes())).await?,
        None => None,
    };
    match found {
        Some(token) => Ok(Caller { name: token.name, role: token.role }),
        // A right token is heard also when others behind the same address, a proxy's say, guess.
        None if failed.too_many(address) => {
            let message = "too many wrong tokens from this address: wait a minute";
            Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, RefusalCode::Unavailable, message))
        }
        None => {
            failed.failed(address);
            let message = "a valid bearer token is needed: `windlassd token create NAME --role viewer|operator|admin`";
            Err(Failure::new(StatusCode::UNAUTHORIZED, RefusalCode::Forbidden, message))
        }
    }
}
