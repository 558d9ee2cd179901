//! Old and new speak to each other: what may be unknown is ignored, what may be left out is filled in, and what may not be
//! unknown is an error rather than a guess.

use serde_json::{Map, Value, json};
use windlass_protocol::id::AttemptId;
use windlass_protocol::live::{
    BuildFilter, ClientMessage, LogWindow, Request, Response, RetryWhat, Role, ServerMessage, Topic,
};
use windlass_protocol::refusal::RefusalCode;
use windlass_protocol::view::{DeliveryState, Outcome, Status, WaitingFor};

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

#[test]
fn words_are_the_same_in_json_and_in_code() {
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).expect("a word"), json!(outcome.word()));
    }
}
