//! Old and new speak to each other: what may be unknown is ignored, what may be left out is filled in, and what may not be
//! unknown is an error rather than a guess.

use serde_json::{Map, Value, json};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{
    BuildFilter, ClientMessage, LogWindow, Request, Response, RetryWhat, Role, ServerMessage, Topic,
};
use windlass_protocol::refusal::RefusalCode;
use windlass_protocol::view::{BuildView, DeliveryState, LogSummary, Outcome, QueueView, Status, WaitingFor};

use crate::samples;

/// Every object inside of `value`, changed.
fn in_every_object(value: Value, change: &impl Fn(&mut Map<String, Value>)) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields = fields.into_iter().map(|(key, value)| (key, in_every_object(value, change))).collect();
            change(&mut fields);
            Value::Object(fields)
        }
        Value::Array(values) => values.into_iter().map(|value| in_every_object(value, change)).collect(),
        other => other,
    }
}

fn json_samples() -> impl Iterator<Item = samples::Sample> {
    samples::all().into_iter().filter(|sample| sample.file.ends_with(".json"))
}

#[test]
fn fields_to_come_are_ignored_everywhere() {
    let mut changed = 0;
    for sample in json_samples() {
        let value: Value = serde_json::from_str(&sample.text).expect("JSON");
        let new = in_every_object(value.clone(), &|fields| {
            fields.insert("zz_new".into(), json!({ "type": "x", "of": [1, null] }));
            fields.insert("aa_new".into(), json!(-1.5));
        });
        changed += usize::from(new != value);
        (sample.comes_back)(&new.to_string()).unwrap_or_else(|problem| panic!("{}: {problem}", sample.file));
    }
    assert!(changed > 40, "hardly anything was tried");
}

#[test]
fn what_is_null_may_be_left_out() {
    let mut changed = 0;
    for sample in json_samples() {
        let value: Value = serde_json::from_str(&sample.text).expect("JSON");
        let short = in_every_object(value.clone(), &|fields| fields.retain(|_, value| !value.is_null()));
        changed += usize::from(short != value);
        (sample.comes_back)(&short.to_string()).unwrap_or_else(|problem| panic!("{}: {problem}", sample.file));
    }
    assert!(changed > 8, "hardly anything was tried");
}

#[test]
fn the_order_of_fields_does_not_matter() {
    for sample in json_samples() {
        // serde_json's own maps are sorted by key.
        let sorted: Value = serde_json::from_str(&sample.text).expect("JSON");
        (sample.comes_back)(&sorted.to_string()).unwrap_or_else(|problem| panic!("{}: {problem}", sample.file));
    }
}

#[test]
fn variants_to_come_are_unknown() {
    fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).expect("unknown, not an error")
    }
    assert_eq!(parse::<ClientMessage>(json!({"type": "later", "sub": 1, "id": "x"})), ClientMessage::Unknown);
    assert_eq!(parse::<ServerMessage>(json!({"type": "later", "sub": [], "seq": null})), ServerMessage::Unknown);
    assert_eq!(
        parse::<ClientMessage>(json!({"type": "subscribe", "sub": 1, "topic": {"topic": "later", "limit": "x"}})),
        ClientMessage::Subscribe { sub: 1, topic: Topic::Unknown, after: None }
    );
    assert_eq!(
        parse::<ClientMessage>(json!({"type": "request", "id": 1, "request": {"request": "later", "build": {}}})),
        ClientMessage::Request { id: 1, request: Request::Unknown }
    );
    assert_eq!(
        parse::<ServerMessage>(json!({"type": "response", "id": 1, "response": {"response": "later"}})),
        ServerMessage::Response { id: 1, response: Response::Unknown }
    );
    assert_eq!(parse::<RefusalCode>(json!("later")), RefusalCode::Unknown);
    assert_eq!(parse::<WaitingFor>(json!({"kind": "later", "since": 3})), WaitingFor::Unknown);
}

#[test]
fn closed_sets_refuse_what_they_do_not_have() {
    fn refuses<T: serde::de::DeserializeOwned>(value: Value) -> bool {
        serde_json::from_value::<T>(value).is_err()
    }
    assert!(refuses::<Status>(json!("later")));
    assert!(refuses::<Outcome>(json!("later")));
    assert!(refuses::<Role>(json!("later")));
    assert!(refuses::<DeliveryState>(json!("later")));
    assert!(refuses::<LogWindow>(json!({"mode": "later"})));
    assert!(refuses::<RetryWhat>(json!({"what": "later"})));
}

#[test]
fn what_has_a_default_may_be_left_out() {
    let log = || json!({"build": 42, "job": "test", "attempt": 2});
    let id = || AttemptId { build: 42, job: "test".into(), attempt: 2 };
    let topics = [
        (
            json!({"topic": "builds", "limit": 50}),
            Topic::Builds { filter: BuildFilter::default(), offset: 0, limit: 50 },
        ),
        (json!({"topic": "log_bytes", "log": log()}), Topic::LogBytes { log: id(), from: 0 }),
    ];
    for (short, whole) in topics {
        assert_eq!(serde_json::from_value::<Topic>(short.clone()).expect("parses"), whole, "{short}");
    }
    let requests = [
        (
            json!({"request": "builds", "limit": 50}),
            Request::Builds { filter: BuildFilter::default(), offset: 0, limit: 50 },
        ),
        (
            json!({"request": "retry", "build": 42, "what": {"what": "failed"}}),
            Request::Retry { build: 42, what: RetryWhat::Failed, head: false },
        ),
        (json!({"request": "pause"}), Request::Pause { repository: None, reason: None }),
        (json!({"request": "resume"}), Request::Resume { repository: None }),
        (json!({"request": "cancel", "build": 42}), Request::Cancel { build: 42, job: None, force: false }),
        (
            json!({"request": "search_log", "log": log(), "pattern": "x", "limit": 5}),
            Request::SearchLog { log: id(), pattern: "x".into(), from: 0, backwards: false, limit: 5 },
        ),
    ];
    for (short, whole) in requests {
        assert_eq!(serde_json::from_value::<Request>(short.clone()).expect("parses"), whole, "{short}");
    }
}

/// What a daemon of before these fields sends, and what a client of before them is sent where they say nothing.
#[test]
fn fields_that_came_later_are_missing_when_they_say_nothing() {
    let old = json!({"lines": 3, "bytes": 9, "sha256": null});
    let log: LogSummary = serde_json::from_value(old.clone()).expect("parses");
    assert_eq!((log.dropped_bytes, serde_json::to_value(log).expect("serialises")), (0, old));
    let old = json!({"response": "retry", "attempts": []});
    let retry: Response = serde_json::from_value(old.clone()).expect("parses");
    assert_eq!(retry, Response::Retry { attempts: vec![], delivery: None });
    assert_eq!(serde_json::to_value(retry).expect("serialises"), old);
    let old = json!({"request": "retry", "build": 42, "what": {"what": "failed"}});
    let retry: Request = serde_json::from_value(old.clone()).expect("parses");
    assert_eq!(serde_json::to_value(retry).expect("serialises"), old);
    for (field, view) in [("pauses", "queue_view"), ("estimate", "build_view"), ("because", "build_view")] {
        let sample = json_samples().find(|sample| sample.file == format!("{view}.json")).expect("a sample");
        let value: Value = serde_json::from_str(&sample.text).expect("JSON");
        let old = in_every_object(value, &|fields| {
            fields.remove(field);
        });
        let parsed = match view {
            "queue_view" => serde_json::from_value::<QueueView>(old.clone()).map(serde_json::to_value),
            _ => serde_json::from_value::<BuildView>(old.clone()).map(serde_json::to_value),
        };
        assert_eq!(parsed.expect("parses").expect("serialises"), old, "{field}");
    }
}

/// Each reason to wait is one sentence for a person.
#[test]
fn reasons_to_wait_are_sentences() {
    let table = [
        (
            json!({"kind": "pull", "image": "a:1", "layers_done": 1, "layers": 3, "bytes": 2_000_000, "total_bytes": 9_000_000}),
            "pulling a:1: 1 of 3 layers, 2 of 9 MB",
        ),
        (json!({"kind": "group", "group": "main", "held_by": 41}), "#41 has the turn of group main"),
        (
            json!({"kind": "paused", "repository": "acme/app", "by": "ann", "since": "2026-11-22T23:01:07.636Z", "reason": "moving"}),
            "acme/app is paused by ann: moving",
        ),
        (
            json!({"kind": "paused", "repository": null, "by": "ann", "since": "2026-11-22T23:01:07.636Z", "reason": null}),
            "the queue is paused by ann",
        ),
        (
            json!({"kind": "room", "free_bytes": 1_000_000, "wanted_bytes": 268_000_000}),
            "too little room on the disk: 1 MB free, 268 MB wanted",
        ),
    ];
    for (json, words) in table {
        let reason: WaitingFor = serde_json::from_value(json).expect("parses");
        assert_eq!(reason.to_string(), words);
    }
}

#[test]
fn words_are_the_same_in_json_and_in_code() {
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).expect("a word"), json!(outcome.word()));
    }
}
