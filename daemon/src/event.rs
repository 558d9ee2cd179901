//! What happened on the forge, and whether it asks for a build. Pure; must not know how a forge words its webhooks,
//! nor the database. Everything in an event was written by strangers: texts for people are cut and cleaned here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use windlass_protocol::id::BuildNumber;

/// Texts for people are not longer than this.
const MOST_TITLE: usize = 500;
const MOST_AUTHOR: usize = 100;

/// Words in a commit's message or a title that ask for no build.
const SKIP_WORDS: [&str; 2] = ["[skip ci]", "[ci skip]"];

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    pub action: Option<String>,
    /// `None`: it concerns no repository, or none that could be read.
    pub repository: Option<Repository>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`; fit for addresses and file names.
    pub full_name: String,
    /// What identifies it: names can be given up and taken by somebody else. `None` only where nothing builds.
    pub id: Option<u64>,
    pub clone_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Push(Push),
    PullRequest(PullRequest),
    Create(Reference),
    Delete(Reference),
    Ping,
    /// An event that Windlass does nothing about; its name.
    Other(String),
}

/// A branch or tag points somewhere else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    pub repository: BuildRepository,
    pub reference: Reference,
    /// The commit it points to now; `None`: it was deleted.
    pub sha: Option<Sha>,
    /// The head commit's whole message.
    pub message: String,
    pub author: String,
    pub commit_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The one it wants to change.
    pub repository: BuildRepository,
    pub action: PullRequestAction,
    pub number: u64,
    pub title: String,
    pub author: String,
    pub head_sha: Sha,
    /// As the head's repository calls it: a fork may well call it `main`.
    pub head_branch: String,
    pub base_branch: String,
    pub from_fork: bool,
    pub draft: bool,
    pub commit_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullRequestAction {
    Opened,
    Synchronize,
    Reopened,
    ReadyForReview,
    Closed,
    Other(String),
}

/// A repository from which a build can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRepository {
    pub full_name: String,
    pub id: u64,
    pub clone_url: String,
    /// Its main branch, where the webhook names one.
    pub default_branch: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Branch(String),
    Tag(String),
    /// Something else below `refs/`, in full.
    Other(String),
}

/// A full commit id: 40 or 64 lower-case hexadecimal digits, not all of them zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sha(String);

/// What is to be done about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Build(Box<BuildRequest>),
    /// Nothing; why, in one sentence.
    Ignore(String),
}

/// A build that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// `owner/name`.
    pub repository: String,
    pub repository_id: u64,
    pub clone_url: String,
    /// `push` or `pull_request`.
    pub event: String,
    pub action: Option<String>,
    /// What to fetch: `refs/heads/main`, `refs/tags/v1`, `refs/pull/7/head`.
    pub r#ref: String,
    /// The branch pushed to, or the pull request's own branch. With `from_fork` it is a stranger's word: it may say `main`.
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub base_branch: Option<String>,
    /// The repository's main branch, as the webhook names it.
    pub default_branch: Option<String>,
    pub pull_request: Option<u64>,
    pub sha: String,
    pub title: String,
    pub author: String,
    pub commit_count: u64,
    pub from_fork: bool,
    /// Why nothing of it is to run: the build is made, and shown as skipped.
    pub skip: Option<String>,
}

impl Sha {
    /// `None`: not a full commit id, or the zeros that stand for "no commit".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let zero = text.bytes().all(|b| b == b'0');
        (matches!(text.len(), 40 | 64) && hex && !zero).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reference {
    /// From a full name: `refs/heads/main`. `None`: nothing that git would take for one, or unreasonably long.
    #[must_use]
    pub fn parse(full: &str) -> Option<Self> {
        if !full.starts_with("refs/") || full.len() > 1024 || !is_ref_text(full) {
            return None;
        }
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        match (full.strip_prefix("refs/heads/"), full.strip_prefix("refs/tags/")) {
            (Some(branch), _) => named(branch).map(Self::Branch),
            (_, Some(tag)) => named(tag).map(Self::Tag),
            _ => Some(Self::Other(full.to_owned())),
        }
    }

    /// `refs/heads/main`.
    #[must_use]
    pub fn full(&self) -> String {
        match self {
            Self::Branch(name) => format!("refs/heads/{name}"),
            Self::Tag(name) => format!("refs/tags/{name}"),
            Self::Other(full) => full.clone(),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Branch(name) => format!("branch {}", clean(name, 100)),
            Self::Tag(name) => format!("tag {}", clean(name, 100)),
            Self::Other(full) => clean(full, 100),
        }
    }
}

impl PullRequestAction {
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "opened" => Self::Opened,
            "synchronize" => Self::Synchronize,
            "reopened" => Self::Reopened,
            "ready_for_review" => Self::ReadyForReview,
            "closed" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Whether `text` may be a git reference's name or a part of one: not empty, no character that git forbids, no `..`.
#[must_use]
pub fn is_ref_text(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    !text.is_empty() && !text.contains("..") && !text.contains("@{") && !text.chars().any(forbidden)
}

/// What is to be done about `event`.
#[must_use]
pub fn decide(event: &Event) -> Decision {
    let ignore = |reason: String| Decision::Ignore(reason);
    match &event.kind {
        Kind::Push(push) => decide_push(push),
        Kind::PullRequest(pull) => decide_pull_request(pull, event.action.as_deref()),
        Kind::Create(reference) => {
            ignore(format!("the {} was created; the push that comes with it is what builds", reference.in_words()))
        }
        Kind::Delete(reference) => {
            ignore(format!("the {} was deleted: there is nothing to build", reference.in_words()))
        }
        Kind::Ping => ignore("ping: the hook works".to_owned()),
        Kind::Other(name) => ignore(format!("nothing is built for the event {}", clean(name, 60))),
    }
}

fn decide_push(push: &Push) -> Decision {
    let Some(sha) = &push.sha else {
        return Decision::Ignore(format!("the {} was deleted: there is nothing to build", push.reference.in_words()));
    };
    let (branch, tag) = match &push.reference {
        Reference::Branch(name) => (Some(name.clone()), None),
        Reference::Tag(name) => (None, Some(name.clone())),
        Reference::Other(full) => {
            return Decision::Ignore(format!("{} is neither a branch nor a tag", clean(full, 100)));
        }
    };
    Decision::Build(Box::new(BuildRequest {
        repository: push.repository.full_name.clone(),
        repository_id: push.repository.id,
        clone_url: push.repository.clone_url.clone(),
        event: "push".to_owned(),
        action: None,
        r#ref: push.reference.full(),
        branch,
        tag,
        base_branch: None,
        default_branch: push.repository.default_branch.clone(),
        pull_request: None,
        sha: sha.as_str().to_owned(),
        title: title(&push.message),
        author: clean(&push.author, MOST_AUTHOR),
        commit_count: push.commit_count,
        from_fork: false,
        skip: skip_word(&push.message).map(|word| format!("the head commit's message says {word}")),
    }))
}

fn decide_pull_request(pull: &PullRequest, action: Option<&str>) -> Decision {
    match &pull.action {
        PullRequestAction::Opened
        | PullRequestAction::Synchronize
        | PullRequestAction::Reopened
        | PullRequestAction::ReadyForReview => {}
        PullRequestAction::Closed => return Decision::Ignore("a closed pull request builds nothing".to_owned()),
        PullRequestAction::Other(action) => {
            return Decision::Ignore(format!("nothing is built when a pull request is {}", clean(action, 60)));
        }
    }
    Decision::Build(Box::new(BuildRequest {
        repository: pull.repository.full_name.clone(),
        repository_id: pull.repository.id,
        clone_url: pull.repository.clone_url.clone(),
        event: "pull_request".to_owned(),
        action: action.map(|action| clean(action, 60)),
        // The base repository offers it also for forks, and for forks that are gone.
        r#ref: format!("refs/pull/{}/head", pull.number),
        branch: Some(pull.head_branch.clone()),
        tag: None,
        base_branch: Some(pull.base_branch.clone()),
        default_branch: pull.repository.default_branch.clone(),
        pull_request: Some(pull.number),
        sha: pull.head_sha.as_str().to_owned(),
        title: title(&pull.title),
        author: clean(&pull.author, MOST_AUTHOR),
        commit_count: pull.commit_count,
        from_fork: pull.from_fork,
        skip: skip_word(&pull.title).map(|word| format!("the pull request's title says {word}")),
    }))
}

/// What every job finds in its environment, whatever its spec says. All names are always there, because scripts run with
/// `sh -u`; what does not apply is empty.
#[must_use]
pub fn environment(
    request: &BuildRequest,
    build: BuildNumber,
    job: &str,
    attempt: u32,
    status_url: &str,
) -> BTreeMap<String, String> {
    let (owner, name) = request.repository.split_once('/').unwrap_or(("", &request.repository));
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let pairs: [(&str, String); 16] = [
        ("CI", "true".to_owned()),
        ("WINDLASS_ACTION", optional(&request.action)),
        ("WINDLASS_ATTEMPT", attempt.to_string()),
        ("WINDLASS_BASE_BRANCH", optional(&request.base_branch)),
        ("WINDLASS_BRANCH", optional(&request.branch)),
        ("WINDLASS_BUILD", build.to_string()),
        ("WINDLASS_COMMIT_COUNT", request.commit_count.to_string()),
        ("WINDLASS_EVENT", request.event.clone()),
        ("WINDLASS_JOB", job.to_owned()),
        ("WINDLASS_OWNER", owner.to_owned()),
        ("WINDLASS_PULL_REQUEST", request.pull_request.map(|number| number.to_string()).unwrap_or_default()),
        ("WINDLASS_REF", request.r#ref.clone()),
        ("WINDLASS_REPO", name.to_owned()),
        ("WINDLASS_SHA", request.sha.clone()),
        ("WINDLASS_STATUS_URL", status_url.to_owned()),
        ("WINDLASS_TAG", optional(&request.tag)),
    ];
    // An environment variable cannot hold a NUL; no value above has one, and a container must not fail to start over it.
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.replace('\0', ""))).collect()
}

/// The first line that says something.
#[must_use]
pub fn title(message: &str) -> String {
    clean(message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default(), MOST_TITLE)
}

/// The word in a commit's message or a title that asks for no build.
#[must_use]
pub fn skip_word(message: &str) -> Option<&'static str> {
    let message = message.to_ascii_lowercase();
    SKIP_WORDS.into_iter().find(|word| message.contains(word))
}

/// At most `most` bytes, with a mark where something is missing.
pub fn cut(text: &mut String, most: usize) {
    const MARK: &str = "…";
    if text.len() <= most {
        return;
    }
    let mut end = most - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(MARK);
    text.shrink_to_fit();
}

/// At most `most` characters, on one line, without characters that a terminal obeys or that turn the direction of writing.
#[must_use]
pub fn clean(text: &str, most: usize) -> String {
    let harmless = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            '\u{fffd}'
        }
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let mut cut: String = text.chars().take(most).map(harmless).collect();
    if text.chars().nth(most).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}
