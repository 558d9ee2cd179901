//! The README against the types: it names every message, variant and field, and nothing that does not exist.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use windlass_protocol::live::{ClientMessage, ServerMessage};
use windlass_protocol::log::{LINE_CAP, LogFrame, NO_STEP};
use windlass_protocol::{PROTOCOL_VERSION, SUBPROTOCOL};

use crate::samples;

const README: &str = include_str!("../../README.md");

/// What stands first in the rows of the first table under each heading that names a type: "... (`Type`)".
fn tables() -> BTreeMap<String, BTreeSet<String>> {
    let mut tables = BTreeMap::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let named =
            line.strip_prefix('#').and_then(|line| line.split_once("(`")).and_then(|(_, rest)| rest.split_once("`)"));
        let Some((name, _)) = named else { continue };
        let table = lines.by_ref().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        // Below the header and the rule under it.
        let rows: Vec<&str> = table.skip(2).collect();
        let words: BTreeSet<String> = rows.iter().map(|row| first_word(row)).collect();
        assert_eq!(words.len(), rows.len(), "the table of {name} has a row twice");
        assert!(tables.insert(name.to_owned(), words).is_none(), "two headings name {name}");
    }
    tables
}

fn first_word(row: &str) -> String {
    let word = row.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
    word.unwrap_or_else(|| panic!("a row without a word: {row}")).0.to_owned()
}

/// Words between backticks, outside of blocks of code.
fn quoted() -> BTreeSet<&'static str> {
    let prose: Vec<&str> = README.split("```").step_by(2).collect();
    prose.iter().flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_variant_has_a_row_and_every_row_a_variant() {
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sample in samples::all() {
        if !sample.variant.is_empty() && sample.variant != "unknown" {
            expected.entry(sample.of.to_owned()).or_default().insert(sample.variant.to_owned());
        }
    }
    assert_eq!(tables(), expected);
}

#[test]
fn every_field_is_named() {
    fn keys(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    into.insert(key.clone());
                    keys(value, into);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    // Problems are no part of a message.
    for sample in samples::all().iter().filter(|sample| sample.file.ends_with(".json") && sample.of != "Problem") {
        keys(&serde_json::from_str(&sample.text).expect("JSON"), &mut all);
    }
    let quoted = quoted();
    let missing: Vec<&String> = all.iter().filter(|key| !quoted.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "the README does not name {missing:?}");
}

/// Lines of the example session: `client: {…}` and `server: {…}`.
#[test]
fn the_example_session_is_real() {
    let (mut said, mut heard) = (0, 0);
    for line in README.lines() {
        let (parsed, original) = if let Some(text) = line.strip_prefix("client: {") {
            said += 1;
            let text = format!("{{{text}");
            let message: ClientMessage =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
            assert_ne!(message, ClientMessage::Unknown, "{text}");
            (serde_json::to_value(message), text)
        } else if let Some(text) = line.strip_prefix("server: {") {
            heard += 1;
            let text = format!("{{{text}");
            let message: ServerMessage =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
            assert_ne!(message, ServerMessage::Unknown, "{text}");
            (serde_json::to_value(message), text)
        } else if let Some(text) = line.strip_prefix("server, binary: ") {
            let bytes: Result<Vec<u8>, _> = text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect();
            let bytes = bytes.unwrap_or_else(|error| panic!("{error} in {text}"));
            LogFrame::decode(&bytes).unwrap_or_else(|error| panic!("{error} in {text}"));
            continue;
        } else {
            continue;
        };
        let original: Value = serde_json::from_str(&original).expect("parsed above");
        assert_within(&original, &parsed.expect("wire types always serialise"));
    }
    assert!(said >= 5 && heard >= 8, "{said} messages of the client, {heard} of the server");
}

/// Everything in `original` is in `parsed` too: no field was ignored as unknown.
#[track_caller]
fn assert_within(original: &Value, parsed: &Value) {
    match (original, parsed) {
        (Value::Object(original), Value::Object(parsed)) => {
            for (key, value) in original {
                let other = parsed.get(key).unwrap_or_else(|| panic!("{key:?} is no field: {original:?}"));
                assert_within(value, other);
            }
        }
        (Value::Array(original), Value::Array(parsed)) => {
            assert_eq!(original.len(), parsed.len());
            for (original, parsed) in original.iter().zip(parsed) {
                assert_within(original, parsed);
            }
        }
        _ => assert_eq!(original, parsed),
    }
}

#[test]
fn constants_are_told() {
    let quoted = quoted();
    assert!(quoted.contains(SUBPROTOCOL));
    assert_eq!((PROTOCOL_VERSION, LINE_CAP, NO_STEP), (1, 16 * 1024, 65_535), "the README tells these numbers");
    assert!(README.contains("16 KiB") && README.contains("65535") && README.contains("version 1"));
}
