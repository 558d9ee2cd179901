//! Which events build, what is told of those that do not, and what jobs find in their environment.

use proptest::prelude::*;

use super::*;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn repository() -> BuildRepository {
    BuildRepository {
        full_name: "acme/app".into(),
        id: 7,
        clone_url: "https://git.example.org/acme/app.git".into(),
        default_branch: Some("main".into()),
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
    assert_eq!(ignored(&push("refs/notes/commits", Some(SHA), "")), "refs/notes/commits is neither a branch nor a tag");
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
