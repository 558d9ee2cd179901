//! Webhooks as GitHub sends them: bodies of our own making with GitHub's fields, signed as it signs. Must not know what
//! becomes of them.

use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::repository::{Commit, Repository};

/// The secret that the stories' daemons know.
pub const SECRET: &str = "stories-only-0123456789abcdef0123456789";

#[derive(Debug, Clone)]
pub struct Delivery {
    pub event: String,
    pub id: String,
    pub body: Vec<u8>,
    /// The header's value; `None` leaves the header out.
    pub signature: Option<String>,
}

impl Delivery {
    #[must_use]
    pub fn new(event: &str, body: &Value) -> Self {
        Self::of_bytes(event, body.to_string().into_bytes())
    }

    /// With a body that need not be JSON, rightly signed.
    #[must_use]
    pub fn of_bytes(event: &str, body: Vec<u8>) -> Self {
        let signature = Some(sign(SECRET, &body));
        Self { event: event.to_owned(), id: fresh_id(), body, signature }
    }

    /// `commit` was pushed to its branch.
    #[must_use]
    pub fn push(repository: &Repository, commit: &Commit) -> Self {
        let head = commit_json(commit);
        let body = json!({
            "ref": format!("refs/heads/{}", commit.branch),
            "before": commit.parent,
            "after": commit.sha,
            "created": commit.parent.bytes().all(|byte| byte == b'0'),
            "deleted": false,
            "forced": false,
            "base_ref": null,
            "compare": format!("https://forge.example/{}/compare", repository.name),
            "commits": [head.clone()],
            "head_commit": head,
            "repository": repository_json(repository),
            "pusher": { "name": "ada", "email": "ada@example.org" },
            "sender": user_json("ada"),
        });
        Self::new("push", &body)
    }

    /// A pull request from a branch of the same repository.
    #[must_use]
    pub fn pull_request(repository: &Repository, number: u64, action: &str, head: &Commit) -> Self {
        let side = |branch: &str, sha: &str| json!({ "label": format!("acme:{branch}"), "ref": branch, "sha": sha, "user": user_json("ada"), "repo": repository_json(repository) });
        let body = json!({
            "action": action,
            "number": number,
            "pull_request": {
                "id": 9_000 + number,
                "number": number,
                "state": "open",
                "title": head.message,
                "user": user_json("ada"),
                "body": null,
                "draft": false,
                "merged": false,
                "html_url": format!("https://forge.example/{}/pull/{number}", repository.name),
                "head": side(&head.branch, &head.sha),
                "base": side("main", &head.parent),
                "commits": 1,
            },
            "repository": repository_json(repository),
            "sender": user_json("ada"),
        });
        Self::new("pull_request", &body)
    }

    #[must_use]
    pub fn ping(repository: &Repository) -> Self {
        let body = json!({
            "zen": "Keep it logically awesome.",
            "hook_id": 1,
            "hook": { "type": "Repository", "id": 1, "active": true, "events": ["push"] },
            "repository": repository_json(repository),
            "sender": user_json("ada"),
        });
        Self::new("ping", &body)
    }

    /// The same body under another delivery id, rightly signed.
    #[must_use]
    pub fn again_with_new_id(&self) -> Self {
        Self { id: fresh_id(), ..self.clone() }
    }

    /// The same delivery with another body, rightly signed.
    #[must_use]
    #[track_caller]
    pub fn changed(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut body = serde_json::from_slice(&self.body).expect("a body of our own making");
        change(&mut body);
        let body = body.to_string().into_bytes();
        let signature = Some(sign(SECRET, &body));
        Self { body, signature, ..self }
    }

    #[must_use]
    pub fn signed(mut self, signature: Option<&str>) -> Self {
        self.signature = signature.map(str::to_owned);
        self
    }

    #[must_use]
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("User-Agent", "GitHub-Hookshot/0000000"),
            ("X-GitHub-Event", self.event.as_str()),
            ("X-GitHub-Delivery", self.id.as_str()),
            ("X-GitHub-Hook-ID", "1"),
        ];
        headers.extend(self.signature.as_deref().map(|signature| ("X-Hub-Signature-256", signature)));
        headers
    }
}

/// As GitHub's `X-Hub-Signature-256`.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Looks like the UUIDs that GitHub uses; unique within this process and over processes.
fn fresh_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    format!("{process:08x}-{:04x}-4000-8000-{count:012x}", process & 0xffff)
}

fn repository_json(repository: &Repository) -> Value {
    let (owner, name) = repository.name.split_once('/').expect("repositories are named owner/name");
    let page = format!("https://forge.example/{owner}/{name}");
    json!({
        "id": repository.id,
        "name": name,
        "full_name": repository.name,
        "private": false,
        "fork": false,
        "owner": { "login": owner, "id": 77, "type": "Organization" },
        "html_url": page,
        "clone_url": format!("{page}.git"),
        "default_branch": "main",
    })
}

fn user_json(login: &str) -> Value {
    json!({ "login": login, "id": 4, "type": "User" })
}

fn commit_json(commit: &Commit) -> Value {
    json!({
        "id": commit.sha,
        "message": commit.message,
        "timestamp": "2026-01-02T03:04:05Z",
        "url": format!("https://forge.example/commit/{}", commit.sha),
        "author": { "name": "Ada", "email": "ada@example.org", "username": "ada" },
        "committer": { "name": "Ada", "email": "ada@example.org", "username": "ada" },
        "added": [], "removed": [], "modified": [".windlass.yml"],
        "distinct": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in GitHub's own documentation.
    #[test]
    fn signs_as_github_does() {
        assert_eq!(
            sign("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn ids_are_unique() {
        assert_ne!(fresh_id(), fresh_id());
    }
}
