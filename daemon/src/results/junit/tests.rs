//! Reports as tools write them, and files that want to do harm.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn cases(text: impl AsRef<[u8]>) -> Vec<Case> {
    let mut cases = Vec::new();
    read(text.as_ref(), &mut |case| cases.push(case)).expect("a report");
    cases
}

fn why(text: impl AsRef<[u8]>) -> String {
    read(text.as_ref(), &mut |_| {}).expect_err("no report").to_string()
}

fn told(case: &Case) -> (&str, &str, CaseOutcome, u64) {
    (&case.suite, &case.name, case.outcome, case.duration_ms)
}

const FAILED: CaseOutcome = CaseOutcome::Failed;
const PASSED: CaseOutcome = CaseOutcome::Passed;
const ERROR: CaseOutcome = CaseOutcome::Error;
const SKIPPED: CaseOutcome = CaseOutcome::Skipped;

#[test]
fn what_one_tool_writes() {
    let report = r#"<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.5">
  <testcase classname="tests.test_a" name="test_good" file="tests/test_a.py" line="3" time="0.0014" />
  <testcase classname="tests.test_a" name="test_bad[a&lt;b]" time="1,200.25"><failure message="assert 1 == 2">def test_bad():
&gt;       assert 1 == 2
E       assert 1 == 2</failure><system-out>not this</system-out></testcase>
  <testcase classname="tests.test_a" name="test_odd"><error message="failed on setup">boom</error></testcase>
  <testcase classname="tests.test_a" name="test_off"><skipped type="pytest.skip" message="not today"></skipped></testcase>
</testsuite></testsuites>"#;
    let cases = cases(report);
    let class = "tests.test_a";
    assert_eq!(
        cases.iter().map(told).collect::<Vec<_>>(),
        [
            (class, "test_good", PASSED, 1),
            (class, "test_bad[a<b]", FAILED, 1_200_250),
            (class, "test_odd", ERROR, 0),
            (class, "test_off", SKIPPED, 0),
        ]
    );
    assert_eq!((cases[0].file.as_deref(), cases[0].line), (Some("tests/test_a.py"), Some(3)));
    let message = cases[1].message.as_deref().unwrap_or_default();
    assert_eq!(message, "assert 1 == 2\ndef test_bad():\n>       assert 1 == 2\nE       assert 1 == 2");
    assert_eq!(cases[2].message.as_deref(), Some("failed on setup\nboom"));
    assert_eq!(cases[3].message.as_deref(), Some("not today"));
}

#[test]
fn what_other_tools_write() {
    let nested = cases(
        r#"<testsuites name="all"><testsuite name="outer" file="a.spec.js"><testsuite name="">
        <properties><property name="x" value="y"/></properties>
        <testcase name="one"><failure><![CDATA[thread 'one' panicked & died]]></failure></testcase>
        <testcase name="two" status="notrun"/>
        <testcase name="three"><flakyFailure message="once"/><system-err>x</system-err></testcase>
        <testcase name="four"><failure message="m">m and more</failure><error type="E"/><failure message="later"/></testcase>
        </testsuite></testsuite></testsuites>"#,
    );
    let names: Vec<_> = nested.iter().map(told).collect();
    assert_eq!(
        names,
        [
            ("outer", "one", FAILED, 0),
            ("outer", "two", SKIPPED, 0),
            ("outer", "three", PASSED, 0),
            ("outer", "four", ERROR, 0)
        ]
    );
    assert_eq!(nested[0].message.as_deref(), Some("thread 'one' panicked & died"));
    assert_eq!(nested[0].file.as_deref(), Some("a.spec.js"));
    assert!(nested[2].flaky && !nested[0].flaky);
    assert_eq!(nested[3].message.as_deref(), Some("E"));
    // With a name space, another encoding than it says, and characters by number.
    let odd = cases(b"\xef\xbb\xbf<?xml version='1.0' encoding='latin1'?><j:testsuite xmlns:j='u' name='s'><j:testcase name='\xe4'><j:failure>&#10;a&#x42;&amp;</j:failure></j:testcase></j:testsuite>");
    assert_eq!(told(&odd[0]), ("s", "\u{fffd}", FAILED, 0));
    assert_eq!(odd[0].message.as_deref(), Some("aB&"));
    assert!(cases("<testsuites/>").is_empty());
}

#[test]
fn what_is_no_report_is_refused_with_its_place() {
    let xxe =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\n<testsuite>&e;</testsuite>";
    assert_eq!(why(xxe), "it has a DOCTYPE, which no report needs (line 2)");
    assert_eq!(
        why("<testsuite>\n<testcase name='&e;'/></testsuite>"),
        "it has the entity &e;, which XML does not know (line 2)"
    );
    assert_eq!(
        why("<testsuite><testcase><failure>&lol9;</failure></testcase></testsuite>"),
        "it has the entity &lol9;, which XML does not know (line 1)"
    );
    let deep = format!("{}{}", "<testsuite>".repeat(10), "</testsuite>".repeat(10));
    assert_eq!(why(deep), "its elements are nested more than 9 deep (line 1)");
    assert_eq!(why("<html><testsuite/></html>"), "it is not JUnit's XML: it begins with <html> (line 1)");
    assert_eq!(why(""), "the file is empty (line 1)");
    assert_eq!(why("  \n"), "the file is empty (line 2)");
    assert_eq!(why(b"\xff\xfe<\0t\0"), "it is not UTF-8 but UTF-16 (line 1)");
    assert_eq!(why("<testsuite>\n<testcase name='a'>"), "it ends in the middle (line 2)");
    assert_eq!(why("<testsuite>\n<testcase name='a'"), "it ends in the middle (line 2)");
    assert!(why("<testsuite></testcase>").starts_with("it is not well-formed XML: "));
    assert!(
        why("<testsuite a=b></testsuite>").starts_with("it is not well-formed XML: ")
            || cases("<testsuite a=b></testsuite>").is_empty()
    );
}

#[test]
fn hostile_files_cost_no_more_than_they_are_long() {
    let attributes = (0..200_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, " a{n}='x'");
        text
    });
    let long = "x".repeat(4 << 20);
    let files = [
        format!("<testsuite{attributes}><testcase{attributes}/></testsuite>"),
        format!("<testsuite name='{long}'>{}</testsuite>", "<testcase/>".repeat(300_000)),
        format!("<testsuite><testcase><failure message='{long}'>{long}</failure></testcase></testsuite>"),
        format!("<testsuite><testcase><failure>{}</failure></testcase></testsuite>", "&amp;".repeat(800_000)),
        "<testsuite>".repeat(300_000),
        "<".repeat(4 << 20),
        format!("<testsuite><!--{long}"),
    ];
    for file in files {
        let begun = Instant::now();
        let mut kept = 0;
        let _ = read(file.as_bytes(), &mut |case| {
            kept = kept.max(case.suite.len() + case.message.map_or(0, |message| message.len()));
        });
        // Unoptimised, on a busy machine; what grows with the square takes minutes.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?} {}", begun.elapsed(), &file[..30]);
        assert!(kept <= 2 * MOST_MESSAGE + 2, "{kept}");
    }
}

fn any_tree() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "<testsuites>",
        "</testsuites>",
        "<testsuite name='a'>",
        "</testsuite>",
        "<testcase name='b' time='1'>",
        "</testcase>",
        "<failure message='&lt;'>",
        "</failure>",
        "<error/>",
        "<skipped/>",
        "text",
        "&amp;",
        "&#0;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?pi?>",
        "<!DOCTYPE x>",
        "\u{1b}[31m",
        "<",
        ">",
        "\"",
        "'",
        "\0",
        "\u{e4}",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, &mut |_| {});
    }

    #[test]
    fn any_tree_is_read_or_refused_and_bounded(text in any_tree()) {
        let mut told = 0;
        if read(text.as_bytes(), &mut |_| told += 1).is_ok() {
            prop_assert_eq!(told, text.matches("<testcase").count().min(told));
        }
    }

    /// Whatever stands in names and messages comes out as it went in.
    #[test]
    fn names_and_messages_survive(name in "[^\r\n\t]{1,40}", message in "[^\r]{0,60}", failed in any::<bool>()) {
        let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
        let body = if failed { format!("<failure message=\"{}\"/>", escape(&message)) } else { String::new() };
        let report = format!("<testsuite><testcase name=\"{}\">{body}</testcase></testsuite>", escape(&name));
        let all = cases(report);
        prop_assert_eq!(all.len(), 1);
        prop_assert_eq!(&all[0].name, &name);
        prop_assert_eq!(all[0].outcome.is_failure(), failed);
        let expected = Some(message.trim().to_owned()).filter(|text| failed && !text.is_empty());
        prop_assert_eq!(all[0].message.clone(), expected);
    }
}
