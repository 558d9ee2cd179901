//! Bodies as GitHub sends them, cut to what shows something, and bodies as nobody should.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PayloadError, parse};
use crate::event::{Decision, Event, Kind, PullRequestAction, Reference, decide};

const HEAD: &str = "9b2f6c1d4e8a7035b1c2d3e4f5061728394a5b6c";
const BEFORE: &str = "1111111111111111111111111111111111111111";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn repository() -> Value {
    json!({
        "id": 4711, "node_id": "R_kgDOAbc", "name": "harbour", "full_name": "lighthouse/harbour", "private": false,
        "owner": { "login": "lighthouse", "id": 99, "name": "lighthouse", "email": null },
        "html_url": "https://github.example/lighthouse/harbour", "description": null, "fork": false,
        "clone_url": "https://github.example/lighthouse/harbour.git", "default_branch": "main", "license": null,
        "created_at": 1_700_000_000, "pushed_at": "2026-01-02T03:04:05Z", "topics": []
    })
}

fn push() -> Value {
    json!({
        "ref": "refs/heads/main", "before": BEFORE, "after": HEAD, "repository": repository(),
        "pusher": { "name": "keeper", "email": null },
        "sender": { "login": "keeper", "id": 5, "type": "User", "site_admin": false },
        "installation": { "id": 31, "node_id": "x" },
        "created": false, "deleted": false, "forced": false, "base_ref": null,
        "compare": "https://github.example/compare",
        "commits": [
            { "id": BEFORE, "tree_id": HEAD, "distinct": true, "message": "one", "author": { "name": "K", "email": "k@example.org" }, "added": [], "removed": [], "modified": ["a"] },
            { "id": HEAD, "tree_id": HEAD, "distinct": true, "message": "two" }
        ],
        "head_commit": {
            "id": HEAD, "tree_id": BEFORE, "distinct": true, "message": "Turn the lamp on\n\nIt was dark.",
            "timestamp": "2026-01-02T03:04:05+01:00", "url": "https://github.example/commit",
            "author": { "name": "Grace K.", "email": "grace@example.org", "username": "grace" },
            "committer": { "name": "GitHub", "email": "noreply@example.org" }, "added": [], "removed": [], "modified": ["lamp.c"]
        }
    })
}

fn pull_request(action: &str) -> Value {
    json!({
        "action": action, "number": 17, "repository": repository(),
        "sender": { "login": "visitor", "id": 6 }, "installation": null, "organization": null,
        "pull_request": {
            "id": 1, "number": 17, "state": "open", "locked": false, "title": "Paint the tower", "body": null,
            "user": { "login": "visitor", "id": 6 }, "draft": true, "merged": false, "mergeable": null,
            "merge_commit_sha": null, "assignee": null, "milestone": null, "commits": 4, "additions": 10,
            "head": {
                "label": "visitor:main", "ref": "main", "sha": HEAD, "user": { "login": "visitor" },
                "repo": { "id": 8000, "full_name": "visitor/harbour", "fork": true }
            },
            "base": {
                "label": "lighthouse:main", "ref": "main", "sha": BEFORE, "user": { "login": "lighthouse" },
                "repo": { "id": 4711, "full_name": "lighthouse/harbour" }
            }
        }
    })
}

fn read(event: &str, body: &Value) -> Event {
    parse(event, body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{event}: {error}"))
}

fn refused(event: &str, body: &Value) -> String {
    match parse(event, body.to_string().as_bytes()) {
        Err(PayloadError::WrongShape { event: named, what }) => {
            assert_eq!(named, event);
            what
        }
        other => panic!("{event}: {other:?}"),
    }
}

/// `body` with the value at `pointer` replaced.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    body
}

/// `body` without the field at `pointer`.
fn without(mut body: Value, pointer: &str) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let object = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    object.remove(field).expect("the field");
    body
}

#[test]
fn a_push() {
    let event = read("push", &push());
    let repository = event.repository.expect("a repository");
    assert_eq!(repository.full_name, "lighthouse/harbour");
    assert_eq!(repository.id, Some(4711));
    let Kind::Push(push) = event.kind else { panic!("{:?}", event.kind) };
    assert_eq!(push.reference, Reference::Branch("main".into()));
    assert_eq!(push.sha.expect("a commit").as_str(), HEAD);
    assert_eq!(push.message, "Turn the lamp on\n\nIt was dark.");
    assert_eq!(push.author, "grace");
    assert_eq!(push.commit_count, 2);
    assert_eq!(push.repository.clone_url, "https://github.example/lighthouse/harbour.git");
}

#[test]
fn a_push_that_deletes() {
    let body = with(with(push(), "/after", json!(ZERO)), "/deleted", json!(true));
    let body = with(body, "/head_commit", Value::Null);
    let event = read("push", &body);
    assert!(matches!(&event.kind, Kind::Push(push) if push.sha.is_none()));
    assert_eq!(decide(&event), Decision::Ignore("the branch main was deleted: there is nothing to build".into()));
    let unmarked = without(with(push(), "/after", json!(ZERO)), "/deleted");
    assert!(matches!(read("push", &unmarked).kind, Kind::Push(push) if push.sha.is_none()));
}

#[test]
fn a_pushed_tag_builds_its_commit_not_the_tag_object() {
    let tag_object = "abababababababababababababababababababab";
    let body = with(with(push(), "/ref", json!("refs/tags/v1.2")), "/after", json!(tag_object));
    let Kind::Push(tagged) = read("push", &body).kind else { panic!("not a push") };
    assert_eq!(tagged.reference, Reference::Tag("v1.2".into()));
    assert_eq!(tagged.sha.expect("a commit").as_str(), HEAD);
    let bare = with(body, "/head_commit", Value::Null);
    let Kind::Push(bare) = read("push", &bare).kind else { panic!("not a push") };
    assert_eq!(bare.sha.expect("a commit").as_str(), tag_object);
}

#[test]
fn a_pull_request_from_a_fork() {
    let event = read("pull_request", &pull_request("opened"));
    assert_eq!(event.action.as_deref(), Some("opened"));
    let Kind::PullRequest(pull) = event.kind else { panic!("{:?}", event.kind) };
    assert_eq!(pull.action, PullRequestAction::Opened);
    assert_eq!((pull.number, pull.commit_count), (17, 4));
    assert_eq!(pull.repository.full_name, "lighthouse/harbour");
    assert_eq!((pull.head_branch.as_str(), pull.base_branch.as_str()), ("main", "main"));
    assert_eq!(pull.head_sha.as_str(), HEAD);
    assert_eq!(pull.author, "visitor");
    assert!(pull.from_fork && pull.draft);
}

#[test]
fn what_makes_a_fork_is_the_id() {
    let fork = |body: &Value| match read("pull_request", body).kind {
        Kind::PullRequest(pull) => pull.from_fork,
        other => panic!("{other:?}"),
    };
    let own = with(pull_request("opened"), "/pull_request/head/repo/id", json!(4711));
    assert!(!fork(&own));
    // A name proves nothing.
    let named_alike = with(pull_request("opened"), "/pull_request/head/repo/full_name", json!("lighthouse/harbour"));
    assert!(fork(&named_alike));
    assert!(fork(&with(pull_request("opened"), "/pull_request/head/repo", Value::Null)), "a deleted fork");
    assert!(!fork(&without(own, "/pull_request/base/repo")), "the event's repository is the base");
}

#[test]
fn creations_deletions_and_pings() {
    let body = json!({ "ref": "feature", "ref_type": "branch", "master_branch": "main", "pusher_type": "user", "repository": repository() });
    assert_eq!(read("create", &body).kind, Kind::Create(Reference::Branch("feature".into())));
    let tag = with(body.clone(), "/ref_type", json!("tag"));
    assert_eq!(read("delete", &tag).kind, Kind::Delete(Reference::Tag("feature".into())));
    let odd = with(with(body, "/ref_type", json!("repository")), "/ref", Value::Null);
    assert_eq!(read("create", &odd).kind, Kind::Other("create".into()));
    let ping = read("ping", &json!({ "zen": "Keep it simple.", "hook_id": 1, "hook": {}, "repository": repository() }));
    assert_eq!(ping.kind, Kind::Ping);
    assert_eq!(ping.repository.expect("a repository").full_name, "lighthouse/harbour");
    assert_eq!(read("ping", &json!({ "zen": "x", "organization": {} })).repository, None);
}

#[test]
fn the_unknown_is_no_error() {
    let event = read("sprint_review", &json!({ "action": "started", "repository": repository(), "x": [1] }));
    assert_eq!(event.kind, Kind::Other("sprint_review".into()));
    assert_eq!(event.action.as_deref(), Some("started"));
    assert_eq!(event.repository.expect("a repository").id, Some(4711));
    let odd = read("odd", &json!({ "action": { "deep": 1 }, "repository": "lighthouse/harbour" }));
    assert_eq!((odd.action, odd.repository), (None, None));
    let action = read("pull_request", &pull_request("levitated"));
    assert_eq!(decide(&action), Decision::Ignore("nothing is built when a pull request is levitated".into()));
    let header = read("a\u{1b}[31m".repeat(40).as_str(), &json!({}));
    assert!(matches!(header.kind, Kind::Other(name) if name.chars().count() == 60 && !name.contains('\u{1b}')));
}

#[test]
fn nulls_and_missing_fields_are_tolerated_where_github_sends_them() {
    for pointer in [
        "/head_commit",
        "/head_commit/author",
        "/head_commit/author/username",
        "/head_commit/message",
        "/pusher",
        "/sender",
        "/commits",
        "/deleted",
        "/installation",
        "/base_ref",
    ] {
        assert!(matches!(read("push", &with(push(), pointer, Value::Null)).kind, Kind::Push(_)), "{pointer}");
        assert!(matches!(read("push", &without(push(), pointer)).kind, Kind::Push(_)), "{pointer}");
    }
    for field in ["title", "user", "draft", "commits"] {
        let pointer = format!("/pull_request/{field}");
        let body = with(pull_request("opened"), &pointer, Value::Null);
        assert!(matches!(read("pull_request", &body).kind, Kind::PullRequest(_)), "{pointer}");
    }
}

#[test]
fn authors_are_named_by_what_there_is() {
    let author = |body: &Value| match read("push", body).kind {
        Kind::Push(push) => push.author,
        other => panic!("{other:?}"),
    };
    let nameless = without(push(), "/head_commit/author/username");
    assert_eq!(author(&nameless), "Grace K.");
    let headless = with(push(), "/head_commit", Value::Null);
    assert_eq!(author(&headless), "keeper");
    assert_eq!(author(&without(without(headless, "/pusher"), "/sender")), "");
}

#[test]
fn wrong_shapes_are_refused_with_a_reason() {
    for (event, body, part) in [
        ("push", without(push(), "/after"), "missing field `after`"),
        ("push", without(push(), "/repository"), "missing field `repository`"),
        ("push", with(push(), "/after", json!("HEAD")), "after is not a full commit id: HEAD"),
        ("push", with(push(), "/after", json!(HEAD.to_uppercase())), "after is not a full commit id"),
        ("push", with(push(), "/after", json!("--upload-pack=touch x")), "after is not a full commit id"),
        ("push", with(push(), "/ref", json!("main")), "main is not a full ref"),
        ("push", with(push(), "/ref", json!("refs/heads/a\nb")), "refs/heads/a b is not a full ref"),
        ("push", with(push(), "/ref", json!(7)), "invalid type"),
        ("push", with(push(), "/repository/full_name", json!("../etc")), "not a repository's full name"),
        ("push", with(push(), "/repository/full_name", json!("a/../b")), "not a repository's full name"),
        ("push", with(push(), "/repository/full_name", json!("a")), "not a repository's full name"),
        ("push", with(push(), "/repository/id", json!("4711")), "invalid type"),
        ("push", with(push(), "/repository/clone_url", json!("--upload-pack=x")), "clone_url"),
        ("push", with(push(), "/repository/clone_url", json!("ext::sh -c x")), "clone_url"),
        ("push", json!([]), "invalid length 0"),
        ("push", json!(null), "invalid type: null"),
        ("pull_request", without(pull_request("opened"), "/action"), "missing field `action`"),
        ("pull_request", without(pull_request("opened"), "/pull_request"), "missing field `pull_request`"),
        ("pull_request", with(pull_request("opened"), "/pull_request/head/sha", json!(ZERO)), "head.sha is not a full"),
        (
            "pull_request",
            with(pull_request("opened"), "/pull_request/head/ref", json!("a b")),
            "head.ref is not the name",
        ),
        ("pull_request", with(pull_request("opened"), "/pull_request/number", json!(-1)), "invalid value"),
    ] {
        let what = refused(event, &body);
        assert!(what.contains(part), "{event}: {what} should contain {part}");
        assert!(what.chars().count() <= 300 && !what.chars().any(char::is_control), "{what}");
    }
}

#[test]
fn what_is_not_json_is_called_that() {
    for body in [&b""[..], b"{", b"ref=refs%2Fheads", b"\xff\xfe", b"{\"ref\": \"\xff\"}"] {
        for event in ["push", "pull_request", "ping", "unknown"] {
            let error = parse(event, body).expect_err("not JSON");
            assert!(matches!(error, PayloadError::NotJson { .. }), "{error}");
        }
    }
    for event in ["push", "pull_request", "ping", "unknown"] {
        parse(event, &b"[".repeat(100_000)).expect_err("nothing but brackets");
        parse(event, &b"{\"a\":".repeat(100_000)).expect_err("nothing but braces");
    }
}

#[test]
fn texts_from_outside_are_cut() {
    let long = format!("Big\u{1b}[2J {}", "x".repeat(100_000));
    let body = with(push(), "/head_commit/message", json!(long));
    let body = with(body, "/head_commit/author/username", json!("n".repeat(5_000)));
    let Decision::Build(request) = decide(&read("push", &body)) else { panic!("a build") };
    assert_eq!(request.title.chars().count(), 500);
    assert!(request.title.starts_with("Big\u{fffd}[2J x"));
    assert_eq!(request.author.chars().count(), 100);
}

/// Any JSON, with the field names that matter among the keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/]{0,12}".prop_map(Value::from),
        Just(json!(HEAD)),
        Just(json!("refs/heads/main")),
        Just(repository()),
    ];
    let key = prop_oneof![
        Just("ref".to_owned()),
        Just("after".to_owned()),
        Just("repository".to_owned()),
        Just("head_commit".to_owned()),
        Just("pull_request".to_owned()),
        Just("action".to_owned()),
        Just("head".to_owned()),
        Just("base".to_owned()),
        "[a-z]{1,6}",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const EVENTS: [&str; 6] = ["push", "pull_request", "create", "delete", "ping", "else"];

proptest! {
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..300), event in prop::sample::select(&EVENTS)) {
        if let Ok(event) = parse(event, &body) {
            let _ = decide(&event);
        }
    }

    #[test]
    fn any_json_is_answered(body in any_json(), event in prop::sample::select(&EVENTS)) {
        if let Ok(event) = parse(event, body.to_string().as_bytes()) {
            let _ = decide(&event);
        }
    }

    /// One field of a good body, whichever, becomes something else: still an answer, and never a half-checked build.
    #[test]
    fn one_odd_field_is_answered(value in any_json(), pointer in prop::sample::select(&["/ref", "/after", "/repository", "/repository/full_name", "/repository/clone_url", "/head_commit", "/head_commit/id", "/commits", "/pusher", "/deleted"])) {
        let body = with(push(), pointer, value);
        if let Ok(event) = parse("push", body.to_string().as_bytes())
            && let Decision::Build(request) = decide(&event)
        {
            prop_assert_eq!(request.sha.len(), 40);
            prop_assert!(request.r#ref.starts_with("refs/heads/") || request.r#ref.starts_with("refs/tags/"));
            prop_assert_eq!(request.repository.matches('/').count(), 1);
        }
    }
}
