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
    /// The hash of the token that let it in; nobody needs one at the Unix socket.
    token: Option<Arc<str>>,
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

    /// As [`Self::needs`], and refuses also when the token was revoked since it let the caller in.
    pub async fn still_needs(&self, app: &App, role: Role, what: &str) -> Result<(), Failure> {
        match &self.token {
            None => self.needs(role, what),
            Some(hash) => match app.store.token_by_hash(hash).await? {
                Some(now) => Self { role: now.role, ..self.clone() }.needs(role, what),
                None => Err(Failure::forbidden(format!("the token {:?} was revoked", self.name))),
            },
        }
    }

    /// Ends when the token is found revoked; looks for that so often. Never ends at the Unix socket.
    pub async fn revoked(&self, app: &App, every: Duration) {
        let Some(hash) = &self.token else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every).await;
            // A database that does not answer just now says nothing about the token.
            if let Ok(None) = app.store.token_by_hash(hash).await {
                return;
            }
        }
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

/// The live sockets that are open by each token.
#[derive(Debug, Clone, Default)]
pub struct Sockets {
    by_token: Arc<Mutex<HashMap<Arc<str>, usize>>>,
}

/// One of them; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    sockets: Sockets,
    token: Option<Arc<str>>,
}

/// A person has a handful of terminals; a script that forgets to close its sockets must not take all there are.
const SOCKETS: usize = 32;

impl Sockets {
    /// Refuses when the caller's token has as many as it may have. At the Unix socket nothing is counted.
    pub fn seat(&self, caller: &Caller) -> Result<Seat, Failure> {
        if let Some(token) = &caller.token {
            let mut open = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(Arc::clone(token)).or_insert(0);
            if *count >= SOCKETS {
                let message = format!("the token {:?} has {SOCKETS} live sockets already: close one", caller.name);
                return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, RefusalCode::Unavailable, message));
            }
            *count += 1;
        }
        Ok(Seat { sockets: self.clone(), token: caller.token.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(token) = &self.token else { return };
        let mut open = self.sockets.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(token) {
            *count -= 1;
            if *count == 0 {
                open.remove(token);
            }
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
    let caller = match request.extensions().get::<Peer>().copied() {
        Some(Peer::Unix) => Caller { name: "local".to_owned(), role: Role::Admin, token: None },
        Some(Peer::Tcp(address)) => by_token(&app, &failed, address.ip(), request.headers()).await?,
        None => {
            tracing::error!("a request came to the control listener from nobody knows where");
            return Err(Failure::forbidden("where this request comes from is not known"));
        }
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
    let found = match token.map(|token| sha256_hex(token.as_bytes())) {
        Some(hash) => app.store.token_by_hash(&hash).await?.map(|token| (token, hash)),
        None => None,
    };
    match found {
        Some((token, hash)) => Ok(Caller { name: token.name, role: token.role, token: Some(hash.into()) }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_so_many_sockets_and_gets_them_back() {
        let caller =
            |token: Option<&str>| Caller { name: "ada".to_owned(), role: Role::Viewer, token: token.map(Arc::from) };
        let sockets = Sockets::default();
        let mut seats: Vec<_> =
            (0..SOCKETS).map(|_| sockets.seat(&caller(Some("one"))).expect("there is room")).collect();
        let refused = sockets.seat(&caller(Some("one"))).expect_err("one too many");
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        sockets.seat(&caller(Some("another"))).expect("each token has its own");
        sockets.seat(&caller(None)).expect("nobody counts at the Unix socket");
        seats.pop();
        seats.push(sockets.seat(&caller(Some("one"))).expect("one was given back"));
        seats.clear();
        assert!(sockets.by_token.lock().expect("whole").is_empty());
    }
}
