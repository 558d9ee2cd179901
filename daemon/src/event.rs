//! What happened on the forge, and whether it asks for a build. Pure; must not know how a forge words its webhooks,
//! nor the database. Everything in an event was written by strangers: texts for people are cut and cleaned here.

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
fn title(message: &str) -> String {
    clean(message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default(), MOST_TITLE)
}

fn skip_word(message: &str) -> Option<&'static str> {
    let message = message.to_ascii_lowercase();
    SKIP_WORDS.into_iter().find(|word| message.contains(word))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn repository() -> BuildRepository {
        BuildRepository {
            full_name: "acme/app".into(),
            id: 7,
            clone_url: "https://git.example.org/acme/app.git".into(),
        }
    }

    fn push(full: &str, sha: Option<&str>, message: &str) -> Event {
        Event {
            kind: Kind::Push(Push {
                repository: repository(),
                reference: Reference::parse(full).expect("a reference"),
                sha: sha.map(|sha| Sha::parse(sha).expect("a commit")),
                message: message.into(),
                author: "ada".into(),
                commit_count: 2,
            }),
            action: None,
            repository: None,
        }
    }

    fn pull(action: &str) -> Event {
        Event {
            kind: Kind::PullRequest(PullRequest {
                repository: repository(),
                action: PullRequestAction::parse(action),
                number: 12,
                title: "Make it faster".into(),
                author: "eve".into(),
                head_sha: Sha::parse(SHA).expect("a commit"),
                head_branch: "main".into(),
                base_branch: "main".into(),
                from_fork: true,
                draft: false,
                commit_count: 3,
            }),
            action: Some(action.into()),
            repository: None,
        }
    }

    fn built(event: &Event) -> BuildRequest {
        match decide(event) {
            Decision::Build(request) => *request,
            Decision::Ignore(reason) => panic!("ignored: {reason}"),
        }
    }

    fn ignored(event: &Event) -> String {
        match decide(event) {
            Decision::Build(request) => panic!("built: {request:?}"),
            Decision::Ignore(reason) => reason,
        }
    }

    #[test]
    fn a_push_to_a_branch_builds_its_head() {
        let request = built(&push("refs/heads/feature/x", Some(SHA), "\n  Fix it \n\nlong story"));
        assert_eq!(request.event, "push");
        assert_eq!(request.r#ref, "refs/heads/feature/x");
        assert_eq!(request.branch.as_deref(), Some("feature/x"));
        assert_eq!(request.tag, None);
        assert_eq!(request.sha, SHA);
        assert_eq!(request.title, "Fix it");
        assert_eq!(request.repository_id, 7);
        assert_eq!(request.skip, None);
    }

    #[test]
    fn a_pushed_tag_builds_too() {
        let request = built(&push("refs/tags/v1.0", Some(SHA), "Release"));
        assert_eq!((request.branch, request.tag.as_deref()), (None, Some("v1.0")));
    }

    #[test]
    fn pull_requests_build_when_their_head_may_be_new() {
        for action in ["opened", "synchronize", "reopened", "ready_for_review"] {
            let request = built(&pull(action));
            assert_eq!(request.r#ref, "refs/pull/12/head");
            assert_eq!(request.action.as_deref(), Some(action));
            assert_eq!(request.base_branch.as_deref(), Some("main"));
            assert_eq!(request.pull_request, Some(12));
            assert!(request.from_fork);
        }
        assert_eq!(ignored(&pull("closed")), "a closed pull request builds nothing");
        assert_eq!(ignored(&pull("labeled")), "nothing is built when a pull request is labeled");
        assert_eq!(ignored(&pull("")), "nothing is built when a pull request is ");
    }

    #[test]
    fn the_rest_is_ignored_with_a_reason() {
        assert_eq!(ignored(&push("refs/heads/old", None, "")), "the branch old was deleted: there is nothing to build");
        assert_eq!(
            ignored(&push("refs/notes/commits", Some(SHA), "")),
            "refs/notes/commits is neither a branch nor a tag"
        );
        let event = |kind| Event { kind, action: None, repository: None };
        for (kind, reason) in [
            (Kind::Ping, "ping: the hook works"),
            (
                Kind::Create(Reference::Branch("b".into())),
                "the branch b was created; the push that comes with it is what builds",
            ),
            (Kind::Delete(Reference::Tag("t".into())), "the tag t was deleted: there is nothing to build"),
            (Kind::Other("star\u{7}".into()), "nothing is built for the event star\u{fffd}"),
        ] {
            assert_eq!(ignored(&event(kind)), reason);
        }
    }

    #[test]
    fn skip_words_are_found_and_told() {
        for (message, skips) in [
            ("Docs [skip ci]", true),
            ("Docs\n\nbody [CI Skip] here", true),
            ("skip ci", false),
            ("[skip  ci]", false),
            ("", false),
        ] {
            assert_eq!(built(&push("refs/heads/x", Some(SHA), message)).skip.is_some(), skips, "{message:?}");
        }
        let mut event = pull("opened");
        let Kind::PullRequest(pull) = &mut event.kind else { unreachable!("made above") };
        pull.title = "Typo [ci skip]".into();
        assert_eq!(built(&event).skip.as_deref(), Some("the pull request's title says [ci skip]"));
    }

    #[test]
    fn commit_ids_are_full_and_lower_case() {
        let long = "a".repeat(64);
        for good in [SHA, long.as_str()] {
            assert_eq!(Sha::parse(good).expect("good").as_str(), good);
        }
        let zero = "0".repeat(40);
        let upper = SHA.to_uppercase();
        for bad in [
            "",
            "HEAD",
            &SHA[..39],
            zero.as_str(),
            upper.as_str(),
            "--upload-pack=x",
            "g123456789abcdef0123456789abcdef01234567",
        ] {
            assert_eq!(Sha::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn references_are_taken_apart() {
        for (full, expected) in [
            ("refs/heads/main", Some(Reference::Branch("main".into()))),
            ("refs/heads/--upload-pack=x", Some(Reference::Branch("--upload-pack=x".into()))),
            ("refs/tags/v1/x", Some(Reference::Tag("v1/x".into()))),
            ("refs/pull/1/head", Some(Reference::Other("refs/pull/1/head".into()))),
            ("refs/heads/", None),
            ("main", None),
            ("refs/heads/a b", None),
            ("refs/heads/a\n", None),
            ("refs/heads/../x", None),
            ("", None),
        ] {
            assert_eq!(Reference::parse(full), expected, "{full}");
        }
        assert_eq!(Reference::parse(&format!("refs/heads/{}", "x".repeat(2000))), None);
    }

    #[test]
    fn jobs_find_themselves_in_their_environment() {
        let request = built(&pull("opened"));
        let environment = environment(&request, 42, "test", 2, "https://ci.example.org/builds/42");
        let get = |name: &str| environment.get(name).map(String::as_str);
        for (name, value) in [
            ("CI", "true"),
            ("WINDLASS_BUILD", "42"),
            ("WINDLASS_JOB", "test"),
            ("WINDLASS_ATTEMPT", "2"),
            ("WINDLASS_REPO", "app"),
            ("WINDLASS_OWNER", "acme"),
            ("WINDLASS_SHA", SHA),
            ("WINDLASS_REF", "refs/pull/12/head"),
            ("WINDLASS_BRANCH", "main"),
            ("WINDLASS_TAG", ""),
            ("WINDLASS_EVENT", "pull_request"),
            ("WINDLASS_PULL_REQUEST", "12"),
            ("WINDLASS_BASE_BRANCH", "main"),
            ("WINDLASS_COMMIT_COUNT", "3"),
            ("WINDLASS_ACTION", "opened"),
            ("WINDLASS_STATUS_URL", "https://ci.example.org/builds/42"),
        ] {
            assert_eq!(get(name), Some(value), "{name}");
        }
        assert_eq!(environment.len(), 16);
    }

    proptest! {
        #[test]
        fn cleaned_text_is_short_and_harmless(text in any::<String>(), most in 1..600usize) {
            let cleaned = clean(&text, most);
            prop_assert!(cleaned.chars().count() <= most);
            prop_assert!(!cleaned.chars().any(char::is_control));
        }

        #[test]
        fn references_survive(full in "refs/(heads|tags|x)/[a-z/-]{1,20}") {
            prop_assert_eq!(Reference::parse(&full).expect("plain").full(), full);
        }
    }
}
