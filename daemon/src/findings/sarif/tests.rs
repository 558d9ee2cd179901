//! Reports as tools write them, and as nobody should.

use proptest::prelude::*;

use super::*;

fn roots() -> Roots {
    Roots::new(["/workspace".to_owned()])
}

fn read_all(text: &str) -> Result<Vec<Finding>, Broken> {
    let mut all = Vec::new();
    read(text.as_bytes(), &roots(), &mut |finding| all.push(finding)).map(|()| all)
}

/// `path:line:column-end: level: message [rule] (tool)`
fn told(text: &str) -> Vec<String> {
    let found = read_all(text).unwrap_or_else(|why| panic!("{why}: {text}"));
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let line = |of: Finding| {
        format!(
            "{}:{}:{}-{}: {}: {} [{}] ({})",
            of.path.as_deref().unwrap_or("-"),
            number(of.line),
            number(of.column),
            number(of.end_line),
            of.level.word(),
            of.message,
            of.rule.as_deref().unwrap_or("-"),
            of.tool.as_deref().unwrap_or("-")
        )
    };
    found.into_iter().map(line).collect()
}

fn one(result: &str) -> Vec<String> {
    told(&format!(r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"t"}}}},"results":[{result}]}}]}}"#))
}

/// As converters of a compiler's messages write it: rules by index, levels with each result, absolute places.
#[test]
fn a_compilers_messages() {
    let text = r#"{
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [{
        "results": [
          {"level": "warning", "message": {"text": "unused variable: `depth`"}, "ruleId": "unused_variables", "ruleIndex": 0,
           "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/main.rs"},
             "region": {"byteLength": 5, "byteOffset": 300, "startLine": 17, "startColumn": 9, "endLine": 17, "endColumn": 14}}}]},
          {"level": "error", "message": {"text": "this loop never ends"}, "ruleId": "clippy::infinite_loop", "ruleIndex": 1,
           "locations": [{"physicalLocation": {"artifactLocation": {"uri": "file:///workspace/src/pump.rs"},
             "region": {"startLine": 3, "startColumn": 1}}}],
           "relatedLocations": [{"physicalLocation": {"artifactLocation": {"uri": "src/other.rs"}}}]}
        ],
        "tool": {"driver": {"name": "clippy", "informationUri": "https://example.org", "rules": [
          {"id": "unused_variables", "fullDescription": {"text": "see the book"}},
          {"id": "clippy::infinite_loop"}]}}
      }]
    }"#;
    assert_eq!(
        told(text),
        [
            "src/main.rs:17:9-17: warning: unused variable: `depth` [unused_variables] (clippy)",
            "src/pump.rs:3:1--: error: this loop never ends [clippy::infinite_loop] (clippy)",
        ]
    );
}

/// As a linter for scripts writes it: files in a list of their own, messages of lines without columns.
#[test]
fn a_linters_findings() {
    let text = r#"{"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "ESLint", "rules": [{"id": "no-var", "shortDescription": {"text": "use let"}, "properties": {"category": "x"}}]}},
        "artifacts": [{"location": {"uri": "file:///workspace/web/a%20b.js"}}, {"location": {"uri": "file:///home/me/c.js"}}],
        "results": [
          {"level": "error", "ruleId": "no-var", "ruleIndex": 0, "message": {"text": "Unexpected var."},
           "locations": [{"physicalLocation": {"artifactLocation": {"uri": "file:///workspace/web/a%20b.js", "index": 0}, "region": {"startLine": 2}}}]},
          {"ruleId": "no-var", "ruleIndex": 0, "message": {},
           "locations": [{"physicalLocation": {"artifactLocation": {"index": 0}, "region": {"startLine": 9, "startColumn": 1}}}]},
          {"level": "note", "message": {"text": "elsewhere"},
           "locations": [{"physicalLocation": {"artifactLocation": {"index": 1}, "region": {"startLine": 9, "startColumn": 1}}}]}
        ]}]}"#;
    assert_eq!(
        told(text),
        [
            "web/a b.js:2:---: error: Unexpected var. [no-var] (ESLint)",
            "web/a b.js:9:1--: warning: use let [no-var] (ESLint)",
            "-:-:---: note: elsewhere [-] (ESLint)",
        ]
    );
}

/// As a search for dangerous code writes it: levels of the rules, folders by name, findings that somebody has waved through.
#[test]
fn a_search_for_dangerous_code() {
    let text = r#"{"runs": [{
        "results": [
          {"ruleId": "sql.injection", "message": {"id": "tainted", "arguments": ["query", "{0}"]}, "fingerprints": {"x": "y"},
           "locations": [{"id": 1}, {"physicalLocation": {"artifactLocation": {"uri": "db.py", "uriBaseId": "APP"}, "region": {"startLine": 4, "endLine": 6}}}]},
          {"ruleId": "sql.injection", "message": {"text": "waved through"}, "suppressions": [{"kind": "inSource"}]},
          {"ruleId": "sql.injection", "message": {"text": "looked at"}, "suppressions": [{"kind": "external", "status": "underReview"}]},
          {"ruleId": "style/7", "message": {"text": "long line"}},
          {"rule": {"id": "x", "index": 0, "toolComponent": {"index": 0}}, "message": {"id": "global"}},
          {"ruleId": "style", "level": "none", "message": {"text": "nothing"}},
          {"ruleId": "style", "kind": "pass", "message": {"text": "fine"}},
          {"ruleId": "style", "baselineState": "absent", "message": {"text": "gone"}}
        ],
        "originalUriBaseIds": {"APP": {"uri": "app/", "uriBaseId": "ROOT"}, "ROOT": {"uri": "file:///workspace/"}},
        "tool": {"driver": {"name": "semgrep", "rules": [
            {"id": "style", "defaultConfiguration": {"level": "note"}},
            {"id": "sql.injection", "defaultConfiguration": {"level": "error"}, "messageStrings": {"tainted": {"text": "{0} is {{tainted}} by {1}{2}"}}}]},
          "extensions": [{"name": "pack", "rules": [{"id": "packed", "defaultConfiguration": {"level": "error"}}], "globalMessageStrings": {"global": {"text": "of the pack"}}}]},
        "version": "0"
      }], "version": "2.1.0"}"#;
    assert_eq!(
        told(text),
        [
            "app/db.py:4:--6: error: query is {tainted} by {0}{2} [sql.injection] (semgrep)",
            "-:-:---: error: looked at [sql.injection] (semgrep)",
            "-:-:---: note: long line [style/7] (semgrep)",
            "-:-:---: error: of the pack [x] (semgrep)",
        ]
    );
}

#[test]
fn what_is_of_a_wrong_kind_is_passed_over() {
    assert_eq!(
        told(
            r#"{"runs": [3, null, {"results": {"a": []}}, {"tool": [], "results": [1, "x", null, [], {}, {"level": 7, "message": "m", "ruleId": {}, "locations": "here"}]}]}"#
        ),
        ["-:-:---: warning: no message [-] (-)"; 2]
    );
    let place = |region: &str| {
        one(&format!(r#"{{"message":{{"text":"m"}},"locations":[{{"physicalLocation":{{"artifactLocation":{{"uri":"a"}},"region":{region}}}}}]}}"#)).remove(0)
    };
    assert_eq!(place(r#"{"startLine":17.0,"startColumn":2}"#), "a:17:2--: warning: m [-] (t)");
    assert_eq!(place(r#"{"startLine":-1,"startColumn":1.5,"endLine":99999999999}"#), "a:-:---: warning: m [-] (t)");
    assert_eq!(place(r#"{"startLine":0,"startColumn":"2"}"#), "a:-:---: warning: m [-] (t)");
    assert_eq!(place("[]"), "a:-:---: warning: m [-] (t)");
    assert_eq!(
        one(r#"{"level":"dreadful","ruleIndex":77,"message":{"text":" "},"ruleId":"r"}"#),
        ["-:-:---: warning: r [r] (t)"]
    );
    // Of a key that is there twice, one counts.
    assert_eq!(one(r#"{"message":{"text":"a"},"message":{"text":"b","text":"c"}}"#), ["-:-:---: warning: c [-] (t)"]);
    let twice = r#"{"runs":[{"results":[{"message":{"text":"a"}}]}],"runs":[]}"#;
    assert_eq!(read_all(twice), Err(Broken::Runs), "no more runs than were counted");
}

#[test]
fn what_is_no_report_says_why() {
    let why = |text: &str| read_all(text).expect_err(text).to_string();
    assert_eq!(why(""), "the file is empty");
    assert_eq!(why(" \n"), "the file is empty");
    assert_eq!(why("{}"), "it is not SARIF: it has no `runs`");
    assert_eq!(why("[1]"), "it is not SARIF: it has no `runs`");
    assert_eq!(why(r#"{"runs":{}}"#), "it is not SARIF: it has no `runs`");
    assert_eq!(why(r#"{"version":"1.0.0","runs":[]}"#), "it is SARIF 1.0.0: only 2 is read");
    assert_eq!(why("{\n\"runs\":[{}"), "it ends in the middle (line 2)");
    assert_eq!(why("<sarif/>"), "it is not well-formed JSON: expected value (line 1)");
    assert_eq!(why("{\"runs\":[]}\nx"), "it is not well-formed JSON: trailing characters (line 2)");
    let many = format!(r#"{{"runs":[{}]}}"#, vec!["{}"; MOST_RUNS + 1].join(","));
    assert_eq!(why(&many), "it has more than 50 runs");
    let wide: Vec<u8> = "{\"runs\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [vec![0xff, 0xfe], wide].concat();
    assert_eq!(read(&wide, &roots(), &mut |_| {}), Err(Broken::Utf16));
    assert_eq!(read_all("\u{feff}{\"runs\":[]}"), Ok(vec![]), "a mark that says UTF-8 is fine");
}

#[test]
fn no_depth_and_no_count_costs_more_than_the_file_is_long() {
    let deep = "[".repeat(16 << 20);
    assert_eq!(read_all(&deep).expect_err("nothing").to_string(), "it ends in the middle (line 1)");
    let pairs = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let at = [
        format!(r#"{{"runs":[{{"results":[{{"message":{{"text":"m"}},"properties":{pairs}}}]}}]}}"#),
        format!(r#"{{"runs":[{{"results":[{{"message":{{"text":"m","arguments":{pairs}}}}}]}}]}}"#),
        format!(r#"{{"runs":[{{"results":[{{"message":{{"text":"m"}},"locations":{pairs}}}]}}]}}"#),
        format!(r#"{{"properties":{pairs},"runs":[{{"tool":{pairs},"results":[{{"message":{{"text":"m"}}}}]}}]}}"#),
    ];
    for text in at {
        assert_eq!(told(&text), ["-:-:---: warning: m [-] (-)"]);
    }
    let many = format!(r#"{{"runs":[{{"results":[{}{{}}]}}]}}"#, "{},".repeat(500_000));
    let mut told = 0;
    read(many.as_bytes(), &roots(), &mut |_| told += 1).expect("a report");
    assert_eq!(told, 500_001);
    let long = format!(r#"{{"runs":[{{"results":[{{"message":{{"text":"{}"}}}}]}}]}}"#, "\\u00e4x".repeat(1 << 20));
    let found = read_all(&long).expect("a report");
    assert!(found[0].message.len() <= MOST_MESSAGE && found[0].message.ends_with('…'));
    let arguments = vec![format!("\"{}\"", "y".repeat(10_000)); 60].join(",");
    let filled = format!(r#"{{"message":{{"text":"{}","arguments":[{arguments}]}}}}"#, "{0}".repeat(600));
    assert!(one(&filled)[0].len() < 10_000, "what is filled in has an end");
}

#[test]
fn control_characters_stay_in_messages_and_not_in_paths() {
    let found = one(
        r#"{"message":{"text":"\u001b[31mred\u0000"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a%1b%5b2J%0a\u202eb"}}}]}"#,
    );
    assert_eq!(found, ["a\u{fffd}[2J \u{fffd}b:-:---: warning: \u{1b}[31mred\0 [-] (t)"]);
}

fn any_json() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "runs",
        "results",
        "tool",
        "driver",
        "rules",
        "message",
        "text",
        "id",
        "arguments",
        "level",
        "error",
        "none",
        "locations",
        "physicalLocation",
        "artifactLocation",
        "uri",
        "uriBaseId",
        "region",
        "startLine",
        "originalUriBaseIds",
        "ruleId",
        "ruleIndex",
        "index",
        "suppressions",
        "status",
        "kind",
        "version",
        "2.1.0",
        "{0}",
        "../x",
        "file:///workspace/a",
    ]);
    let word = words.prop_map(|word| format!("\"{word}\""));
    let leaf = prop_oneof![
        word.clone(),
        "[0-9]{1,12}",
        prop::sample::select(vec!["null", "true", "-1", "1e999", "0.5", "\"\\ud800\"", "\"\\u0000\""])
            .prop_map(str::to_owned)
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|all| {
                let fields: Vec<String> = all.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, &roots(), &mut |_| {});
    }

    #[test]
    fn any_json_is_read_or_refused(result in any_json(), run in any_json(), cut in any::<prop::sample::Index>()) {
        let text = format!(r#"{{"version":"2.1.0","runs":[{{"results":[{result}]}},{run}]}}"#);
        let mut told = 0;
        let _ = read(text.as_bytes(), &roots(), &mut |finding| {
            told += 1;
            assert!(!finding.message.is_empty());
            assert!(finding.path.is_none_or(|path| !path.starts_with('/') && !path.split('/').any(|part| part == "..")));
        });
        prop_assert!(told <= text.len() / 2);
        let end = (0..=cut.index(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        prop_assert!(read(&text.as_bytes()[..end], &roots(), &mut |_| {}).is_err(), "it is cut");
    }
}
