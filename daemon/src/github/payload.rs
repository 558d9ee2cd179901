//! Bodies of GitHub's webhooks to events. Own structs that ask only for what is needed: GitHub adds fields, events and
//! actions without notice, and sends null in surprising places. Must not know what is done about an event.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::event::{
    BuildRepository, Event, Kind, PullRequest, PullRequestAction, Push, Reference, Repository, Sha, clean, is_ref_text,
};

/// What a signed body is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("the body is not JSON: {what}")]
    NotJson { what: String },
    /// JSON, but not what this event's bodies look like.
    #[error("the body is not that of the event {event}: {what}")]
    WrongShape { event: String, what: String },
}

/// Reads the body of the event that the `X-GitHub-Event` header names. Unknown events and actions are events like any.
///
/// # Errors
/// The body is not JSON, or lacks what is needed.
pub fn parse(event_header: &str, body: &[u8]) -> Result<Event, PayloadError> {
    let event = clean(event_header, 60);
    match event_header {
        "push" => read::<PushBody>(&event, body)?.into_event(),
        "pull_request" => read::<PullRequestBody>(&event, body)?.into_event(),
        "create" => read::<ReferenceBody>(&event, body)?.into_event(Kind::Create, &event),
        "delete" => read::<ReferenceBody>(&event, body)?.into_event(Kind::Delete, &event),
        "ping" => read::<LooseBody>(&event, body).map(|body| body.into_event(Kind::Ping)),
        _ => read::<LooseBody>(&event, body).map(|body| body.into_event(Kind::Other(event.clone()))),
    }
    .map_err(|error| match error {
        PayloadError::WrongShape { what, .. } => PayloadError::WrongShape { event, what },
        not_json @ PayloadError::NotJson { .. } => not_json,
    })
}

fn read<T: DeserializeOwned>(event: &str, body: &[u8]) -> Result<T, PayloadError> {
    // What is skipped over would not be looked at otherwise, and bodies are kept as text.
    let body = std::str::from_utf8(body).map_err(|error| PayloadError::NotJson { what: error.to_string() })?;
    serde_json::from_str(body).map_err(|error| {
        let what = clean(&error.to_string(), 200);
        match error.classify() {
            serde_json::error::Category::Data => PayloadError::WrongShape { event: event.to_owned(), what },
            _ => PayloadError::NotJson { what },
        }
    })
}

/// `parse` adds which event it was.
fn wrong(what: impl Into<String>) -> PayloadError {
    PayloadError::WrongShape { event: String::new(), what: what.into() }
}

/// No branch has a longer name.
const MOST_BRANCH: usize = 255;

#[derive(Deserialize)]
struct RepositoryBody {
    id: u64,
    full_name: String,
    clone_url: String,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct PushBody {
    r#ref: String,
    after: String,
    deleted: Option<bool>,
    head_commit: Option<CommitBody>,
    commits: Option<Vec<IgnoredAny>>,
    pusher: Option<PersonBody>,
    sender: Option<PersonBody>,
    repository: RepositoryBody,
}

#[derive(Deserialize)]
struct CommitBody {
    id: Option<String>,
    message: Option<String>,
    author: Option<PersonBody>,
}

/// A user, a pusher or a commit's author: whichever of these names it has.
#[derive(Deserialize)]
struct PersonBody {
    login: Option<String>,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct PullRequestBody {
    action: String,
    pull_request: PullBody,
    repository: RepositoryBody,
}

#[derive(Deserialize)]
struct PullBody {
    number: u64,
    title: Option<String>,
    /// Null: the account is gone.
    user: Option<PersonBody>,
    draft: Option<bool>,
    commits: Option<u64>,
    head: EndBody,
    base: EndBody,
}

/// Head or base of a pull request.
#[derive(Deserialize)]
struct EndBody {
    r#ref: String,
    sha: String,
    /// Null at the head: the fork is gone.
    repo: Option<NumberedBody>,
}

#[derive(Deserialize)]
struct NumberedBody {
    id: u64,
}

#[derive(Deserialize)]
struct ReferenceBody {
    r#ref: Option<String>,
    ref_type: Option<String>,
    repository: RepositoryBody,
}

/// Of events about which nothing is done: whatever can be read.
#[derive(Deserialize)]
struct LooseBody {
    action: Option<serde_json::Value>,
    repository: Option<serde_json::Value>,
}

impl RepositoryBody {
    fn checked(self) -> Result<BuildRepository, PayloadError> {
        let Self { id, full_name, clone_url, default_branch } = self;
        if !is_full_name(&full_name) {
            return Err(wrong(format!("{} is not a repository's full name", clean(&full_name, 100))));
        }
        if !is_clone_url(&clone_url) {
            return Err(wrong("clone_url is not an address to clone from"));
        }
        // Only compared with other branches' names: one that is none matches nothing.
        let default_branch = default_branch.filter(|name| !name.is_empty() && name.len() <= MOST_BRANCH);
        Ok(BuildRepository { full_name, id, clone_url, default_branch })
    }
}

impl PushBody {
    fn into_event(self) -> Result<Event, PayloadError> {
        let repository = self.repository.checked()?;
        let reference = Reference::parse(&self.r#ref)
            .ok_or_else(|| wrong(format!("{} is not a full ref", clean(&self.r#ref, 100))))?;
        let gone = self.deleted == Some(true) || is_zero(&self.after);
        let (commit, message, commit_author) = match self.head_commit {
            Some(head) => (head.id, head.message.unwrap_or_default(), head.author),
            None => (None, String::new(), None),
        };
        // `after` of an annotated tag is the tag itself; what is built is the commit.
        let commit = if matches!(reference, Reference::Tag(_)) { commit } else { None };
        let sha = if gone { None } else { Some(sha("after", commit.as_deref().unwrap_or(&self.after))?) };
        let author = [commit_author, self.pusher, self.sender].into_iter().flatten().find_map(PersonBody::into_name);
        Ok(Event {
            action: None,
            repository: Some(Repository::from(&repository)),
            kind: Kind::Push(Push {
                repository,
                reference,
                sha,
                message,
                author: author.unwrap_or_default(),
                commit_count: count(self.commits.map_or(0, |commits| commits.len())),
            }),
        })
    }
}

impl PullRequestBody {
    fn into_event(self) -> Result<Event, PayloadError> {
        let Self { action, pull_request: pull, repository } = self;
        let repository = repository.checked()?;
        let base_id = pull.base.repo.as_ref().map_or(repository.id, |repo| repo.id);
        let from_fork = pull.head.repo.as_ref().is_none_or(|repo| repo.id != base_id);
        let action = clean(&action, 60);
        Ok(Event {
            action: Some(action.clone()),
            repository: Some(Repository::from(&repository)),
            kind: Kind::PullRequest(PullRequest {
                repository,
                action: PullRequestAction::parse(&action),
                number: pull.number,
                title: pull.title.unwrap_or_default(),
                author: pull.user.and_then(PersonBody::into_name).unwrap_or_default(),
                head_sha: sha("pull_request.head.sha", &pull.head.sha)?,
                head_branch: branch("pull_request.head.ref", pull.head.r#ref)?,
                base_branch: branch("pull_request.base.ref", pull.base.r#ref)?,
                from_fork,
                draft: pull.draft.unwrap_or(false),
                commit_count: pull.commits.unwrap_or(0),
            }),
        })
    }
}

impl ReferenceBody {
    fn into_event(self, kind: fn(Reference) -> Kind, event: &str) -> Result<Event, PayloadError> {
        let repository = self.repository.checked()?;
        let kind = match (self.ref_type.as_deref(), self.r#ref) {
            (Some("branch"), Some(name)) => kind(Reference::Branch(branch("ref", name)?)),
            (Some("tag"), Some(name)) => kind(Reference::Tag(branch("ref", name)?)),
            // Once there were creations of whole repositories.
            _ => Kind::Other(event.to_owned()),
        };
        Ok(Event { kind, action: None, repository: Some(Repository::from(&repository)) })
    }
}

impl LooseBody {
    fn into_event(self, kind: Kind) -> Event {
        let repository = self.repository.and_then(|repository| {
            let full_name = repository.get("full_name")?.as_str().filter(|name| is_full_name(name))?.to_owned();
            let id = repository.get("id").and_then(serde_json::Value::as_u64);
            let clone_url = repository.get("clone_url").and_then(|url| url.as_str()).filter(|url| is_clone_url(url));
            Some(Repository { full_name, id, clone_url: clone_url.map(str::to_owned) })
        });
        let action = self.action.as_ref().and_then(|action| action.as_str()).map(|action| clean(action, 60));
        Event { kind, action, repository }
    }
}

impl PersonBody {
    fn into_name(self) -> Option<String> {
        [self.login, self.username, self.name].into_iter().flatten().find(|name| !name.trim().is_empty())
    }
}

impl From<&BuildRepository> for Repository {
    fn from(repository: &BuildRepository) -> Self {
        Self {
            full_name: repository.full_name.clone(),
            id: Some(repository.id),
            clone_url: Some(repository.clone_url.clone()),
        }
    }
}

fn sha(field: &str, text: &str) -> Result<Sha, PayloadError> {
    Sha::parse(text).ok_or_else(|| wrong(format!("{field} is not a full commit id: {}", clean(text, 100))))
}

/// The short name of a branch or tag.
fn branch(field: &str, name: String) -> Result<String, PayloadError> {
    if name.len() > 1024 || !is_ref_text(&name) {
        return Err(wrong(format!("{field} is not the name of a branch or tag: {}", clean(&name, 100))));
    }
    Ok(name)
}

fn is_zero(sha: &str) -> bool {
    matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b == b'0')
}

/// `owner/name`, both usable as names of folders.
fn is_full_name(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part != "."
            && part != ".."
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// Nothing that git would take for an option or for one of its helpers (`ext::…`). Which protocols are used is git's matter.
fn is_clone_url(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 2048
        && !text.starts_with('-')
        && !text.contains("::")
        && !text.chars().any(|c| c.is_control() || c == ' ')
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
