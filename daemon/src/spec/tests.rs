//! What specs mean, what is wrong with wrong ones, and that hostile ones cost nothing.

mod reports; // files that a job leaves

use std::time::{Duration, Instant};

use proptest::prelude::*;
use windlass_protocol::problem::Problem;

use super::{FILE, MOST_BYTES, Options, Spec, missing, parse};
use crate::plan::{CancelOlder, Command, Concurrency, Facts, Network, Pull, Retry};

fn read(text: &str) -> Result<Spec, Vec<Problem>> {
    parse(FILE, text.as_bytes(), &Options::default())
}

fn good(text: &str) -> Spec {
    read(text).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("refused:\n{}", all.join("\n"))
    })
}

fn bad(text: &str) -> Vec<Problem> {
    match read(text) {
        Ok(spec) => panic!("accepted: {spec:?}"),
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.is_sorted_by_key(|problem| (problem.line, problem.column)));
            problems
        }
    }
}

/// Problems as `line:column message`.
fn told(text: &str) -> Vec<String> {
    bad(text).iter().map(|p| format!("{}:{} {}", p.line, p.column, p.message)).collect()
}

fn hint(text: &str) -> String {
    let problems = bad(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].hint.clone().expect("a hint")
}

fn scripts(spec: &Spec, job: usize) -> Vec<&str> {
    spec.jobs[job]
        .steps
        .iter()
        .map(|step| match &step.run {
            Command::Script(script) => script.as_str(),
            Command::Program(_) => panic!("a program"),
        })
        .collect()
}

#[test]
fn the_short_form_is_one_job_named_build() {
    let spec = good(
        "image: python:3.13\nenvironment: { PYTHONUNBUFFERED: 1 }\nexecute:\n  - pip install -e .[test]\n  - pytest --junitxml=report.xml\n",
    );
    assert_eq!(spec.jobs.len(), 1);
    let job = &spec.jobs[0];
    assert_eq!(job.name, "build");
    assert_eq!(job.image.as_deref(), Some("python:3.13"));
    assert_eq!(job.environment.get("PYTHONUNBUFFERED").map(String::as_str), Some("1"));
    assert_eq!(scripts(&spec, 0), ["pip install -e .[test]", "pytest --junitxml=report.xml"]);
    assert_eq!(job.steps[0].name, "pip install -e .[test]");
    assert_eq!(job.timeout_ms, 3_600_000);
    assert_eq!(job.network, Network::Bridge);
    assert!(job.needs.is_empty());
}

#[test]
fn one_value_stands_for_a_list() {
    let one = good("image: a\nexecute: make");
    assert_eq!(one, good("image: a\nexecute: [make]"));
    assert_eq!(one, good("image: a\nexecute:\n  run: make"));
    let jobs = good("jobs:\n  a: { image: x, execute: a }\n  b: { image: x, execute: b, needs: a }");
    assert_eq!(jobs, good("jobs:\n  a: { image: x, execute: a }\n  b: { image: x, execute: b, needs: [a] }"));
    let program = good("image: a\nexecute:\n  - run: [/bin/tool, --flag, 3]");
    assert_eq!(program.jobs[0].steps[0].run, Command::Program(vec!["/bin/tool".into(), "--flag".into(), "3".into()]));
    assert_eq!(program.jobs[0].steps[0].name, "/bin/tool --flag 3");
}

#[test]
fn the_long_form_says_everything() {
    let spec = good(
        r#"
environment: { RUST_BACKTRACE: 1, SHARED: top, EMPTY: "", FLAG: true }
jobs:
  deploy:
    needs: [test, lint]
    image: alpine
    execute: ./deploy.sh
  lint: { image: rust:1.95, execute: [cargo fmt --check, cargo clippy -- -D warnings] }
  test:
    needs: lint
    image: ghcr.io/acme/test:v2
    environment: { SHARED: job }
    network: none
    resources: { cpu: 1.5, memory: 2GiB, pids: 100 }
    timeout: 20m
    execute:
      - name: install
        run: pip install -e .[test]
        timeout: 90s
      - |
        set -x

        pytest
"#,
    );
    let names: Vec<&str> = spec.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["lint", "test", "deploy"], "each after what it needs");
    let test = &spec.jobs[1];
    assert_eq!(test.network, Network::None);
    assert_eq!(test.resources.cpu_millis, Some(1500));
    assert_eq!(test.resources.memory_bytes, Some(2 << 30));
    assert_eq!(test.resources.pids, Some(100));
    assert_eq!(test.timeout_ms, 1_200_000);
    assert_eq!(test.steps[0].name, "install");
    assert_eq!(test.steps[0].timeout_ms, Some(90_000));
    assert_eq!(test.steps[1].name, "set -x");
    assert_eq!(test.steps[1].run, Command::Script("set -x\n\npytest\n".into()));
    let environment: Vec<(&str, &str)> =
        test.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(environment, [("EMPTY", ""), ("FLAG", "true"), ("RUST_BACKTRACE", "1"), ("SHARED", "job")]);
    assert_eq!(spec.jobs[0].environment.get("SHARED").map(String::as_str), Some("top"));
}

#[test]
fn what_happens_around_the_steps() {
    let spec = good(
        r#"
jobs:
  plain: { image: x, execute: x }
  all:
    image: x
    pull: always
    retry: { infrastructure: 3, failure: 1 }
    execute: make
    finally:
      - name: collect
        run: tar cf logs.tar logs
        timeout: 10m
      - rm -r scratch
  timed: { image: x, execute: x, finally: [{ run: a, timeout: 1m }, { run: b, timeout: 30s }], retry: { failure: 2 } }
"#,
    );
    let [plain, all, timed] = &spec.jobs[..] else { panic!("three jobs") };
    assert_eq!((plain.finally.len(), plain.pull, plain.retry), (0, Pull::Missing, Retry::default()));
    assert_eq!((all.pull, all.retry), (Pull::Always, Retry { infrastructure: Some(3), failure: 1 }));
    let names: Vec<&str> = all.finally.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["collect", "rm -r scratch"]);
    assert_eq!(all.finally[0].timeout_ms, Some(600_000));
    // Whoever is given a time has it; those without share the usual one.
    assert_eq!((plain.finally_timeout_ms, all.finally_timeout_ms), (300_000, 900_000));
    assert_eq!((timed.finally_timeout_ms, timed.retry), (90_000, Retry { infrastructure: None, failure: 2 }));
    let short = good("image: x\nexecute: x\nfinally: y\npull: never");
    assert_eq!((short.jobs[0].finally.len(), short.jobs[0].pull), (1, Pull::Never));
}

#[test]
fn groups_are_filled_in_where_the_event_is_known() {
    let of = |text: &str, facts: Option<Facts>| {
        let options = Options { facts, ..Options::default() };
        parse(FILE, format!("image: x\nexecute: x\n{text}").as_bytes(), &options).expect("good").concurrency
    };
    let group = |group: &str, cancel| Some(Concurrency { group: group.to_owned(), cancel });
    let push = || Facts { event: "push".into(), branch: Some("main".into()), ..Facts::default() };
    let pull = || Facts { event: "pull_request".into(), pull_request: Some(7), ..push() };
    assert_eq!(of("", None), None);
    assert_eq!(of("", Some(push())), None);
    assert_eq!(of("", Some(pull())), group("pull request 7", CancelOlder::Outdated));
    assert_eq!(of("concurrency: deploy", Some(pull())), group("deploy", CancelOlder::Never));
    let long = "concurrency: { group: \"${event} of ${branch}\", cancel: outdated }";
    assert_eq!(of(long, None), group("${event} of ${branch}", CancelOlder::Outdated), "only checked");
    assert_eq!(of(long, Some(push())), group("push of main", CancelOlder::Outdated));
    assert_eq!(of(long, Some(pull())), group("pull_request of main (pull request 7)", CancelOlder::Outdated));
    assert_eq!(of("concurrency: ${tag}", Some(push())), None, "an empty name is no group");
    assert_eq!(
        of("concurrency:\n  group: $5 ${branch}\n  cancel: never", Some(push())),
        group("$5 main", CancelOlder::Never)
    );
}

#[test]
fn scalars_mean_their_text() {
    let spec = good(
        "image: a\nenvironment: { A: 0x1F, B: 1.50, C: yes, D: 'null', E: 2026-01-01, F: \"tab\\t\" }\nexecute: [true, 12]",
    );
    let values: Vec<&str> = spec.jobs[0].environment.values().map(String::as_str).collect();
    assert_eq!(values, ["0x1F", "1.50", "yes", "null", "2026-01-01", "tab\t"]);
    assert_eq!(scripts(&spec, 0), ["true", "12"]);
}

#[test]
fn jobs_keep_the_order_of_the_file_where_needs_allow() {
    let spec = good(
        "jobs:\n  c: {image: x, execute: x, needs: a}\n  b: {image: x, execute: x}\n  a: {image: x, execute: x}\n  d: {image: x, execute: x}",
    );
    let names: Vec<&str> = spec.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["b", "a", "c", "d"]);
}

#[test]
fn unnamed_steps_are_called_by_their_first_line() {
    let long = "x".repeat(80);
    let spec = good(&format!("image: a\nexecute:\n  - {long}\n  - \"\\n\\n  first\\tline  \\nsecond\"\n"));
    assert_eq!(spec.jobs[0].steps[0].name, format!("{}…", "x".repeat(59)));
    assert_eq!(spec.jobs[0].steps[1].name, "first line");
}

#[test]
fn aliases_repeat_values() {
    let spec = good(
        "jobs:\n  a: { image: &i rust:1, environment: &e { X: 1 }, execute: a }\n  b: { image: *i, environment: *e, execute: b }",
    );
    assert_eq!(spec.jobs[1].image.as_deref(), Some("rust:1"));
    assert_eq!(spec.jobs[1].environment.get("X").map(String::as_str), Some("1"));
}

#[test]
fn what_an_alias_repeats_is_told_once() {
    let text = "jobs:\n  a: { image: x, environment: &e { 1A: 1 }, execute: a }\n  b: { image: x, environment: *e, execute: b }";
    assert_eq!(told(text), ["2:36 `1A` is not the name of an environment variable"]);
}

#[test]
fn lines_are_counted_as_the_parser_does() {
    for text in [
        "image: a\rexecute: b\rfoo: c",
        "image: a\r\nexecute: b\r\nfoo: c",
        "image: a # ä\nexecute: x\u{2028}y\nfoo: c",
    ] {
        let problem = bad(text).remove(0);
        assert_eq!((problem.line, problem.column, problem.text.as_str()), (3, 1, "foo: c"), "{text:?}");
    }
}

#[test]
fn files_from_other_systems_are_read() {
    let plain = good("image: a\nexecute: |\n  one\n  two\n");
    assert_eq!(plain, good("image: a\r\nexecute: |\r\n  one\r\n  two\r\n"));
    assert_eq!(plain, good("\u{feff}image: a\nexecute: |\n  one\n  two\n"));
    assert_eq!(plain, good("# a comment\n---\nimage: a\nexecute: |\n  one\n  two\n...\n"));
}

#[test]
fn an_image_is_needed_unless_the_engine_is_local() {
    assert_eq!(told("execute: make"), ["1:1 job `build` has no image"]);
    let local = Options { image_required: false, ..Options::default() };
    let spec = parse(FILE, b"execute: make", &local).expect("no image needed");
    assert_eq!(spec.jobs[0].image, None);
    let timed = Options { default_timeout_ms: 5, ..local };
    assert_eq!(parse(FILE, b"execute: make", &timed).expect("good").jobs[0].timeout_ms, 5);
}

#[test]
fn every_problem_is_told_at_once_in_order() {
    let text = "\
jobs:
  test:
    needs: lnit
    imge: rust
    environment: { WINDLASS_X: 1, 2A: 1 }
    execute:
      - run: [a]
        timeout: 5
  lint:
    image: Rust
    matrix: { a: [1] }
    execute: [x]
    network: host
";
    assert_eq!(
        told(text),
        [
            "2:3 job `test` has no image",
            "3:12 there is no job `lnit`",
            "4:5 unknown key `imge` in a job",
            "5:20 `WINDLASS_X` is reserved",
            "5:35 `2A` is not the name of an environment variable",
            "8:18 `5` is a number without a unit",
            "10:12 `Rust` is not an image reference",
            "11:5 `matrix` is not supported yet by this version of Windlass",
            "13:14 `host` is not a network",
        ]
    );
    let problems = bad(text);
    assert_eq!(problems[1].text, "    needs: lnit");
    assert_eq!(problems[1].hint.as_deref(), Some("did you mean `lint`?"));
    assert_eq!(problems[2].hint.as_deref(), Some("did you mean `image`?"));
    assert_eq!(problems[5].hint.as_deref(), Some("write 5m for minutes, 5s for seconds"));
    assert!(problems.iter().all(|problem| problem.file == FILE));
}

#[test]
fn each_mistake_has_its_words() {
    for (text, expected) in [
        ("", "1:1 the file is empty"),
        ("# nothing\n", "1:1 the file is empty"),
        ("---\n", "1:1 the file is empty"),
        ("just text", "1:1 a spec is a map of keys, not text"),
        ("- a\n- b", "1:1 a spec is a map of keys, not a list"),
        ("image: a", "1:1 job `build` has nothing to execute"),
        ("image: a\nexecute:", "2:1 `execute` is empty: there is nothing to run"),
        ("image: a\nexecute: []", "2:1 `execute` is empty: there is nothing to run"),
        ("image: a\nexecute: ['']", "2:11 an empty command"),
        ("image: a\nexecute:\n  -\n", "3:4 an empty step"),
        ("image: a\nexecute: [[a, b]]", "2:11 a step is text or a map of keys, not a list"),
        ("image: a\nexecute:\n  - name: x\n", "3:5 a step without `run`"),
        ("image: a\nexecute:\n  - {}\n", "3:5 a step without `run`"),
        ("image: a\nexecute:\n  - run: []\n", "3:5 `run` is an empty list: there is no program"),
        ("image: a\nexecute:\n  - run: ['']\n", "3:11 the name of the program is empty"),
        ("image: a\nexecute:\n  - run: [a, [b]]\n", "3:14 `run` is a list of texts; this is a list"),
        ("image: a\nexecute:\n  - {run: a, name: ''}\n", "3:20 `` is not usable as the name of a step"),
        ("image: [a]\nexecute: b", "1:1 `image` is text, not a list"),
        ("image: a\nexecute: b\nfinally: []", "3:1 `finally` is empty: there is nothing to run"),
        ("image: a\nexecute: b\nfinally: [{name: x}]", "3:11 a step without `run`"),
        ("image: a\nfinally: b", "1:1 job `build` has nothing to execute"),
        ("image: a\nexecute: b\npull: weekly", "3:7 `weekly` is not when an image is pulled"),
        ("image: a\nexecute: b\nretry: 2", "3:1 `retry` is a map of keys, not text"),
        ("image: a\nexecute: b\nretry: {failure: -1}", "3:18 `-1` is not a number of times"),
        ("image: a\nexecute: b\nretry: {infrastructure: 11}", "3:25 `11` is too often"),
        (
            "image: a\nexecute: b\nconcurrency: [x]",
            "3:1 `concurrency` is the name of a group, or a map of keys, not a list",
        ),
        (
            "image: a\nexecute: b\nconcurrency:",
            "3:1 `concurrency` is the name of a group, or a map of keys, not nothing",
        ),
        ("image: a\nexecute: b\nconcurrency: {cancel: outdated}", "3:1 `concurrency` names no group"),
        ("image: a\nexecute: b\nconcurrency: ''", "3:14 `` is not usable as the name of a group"),
        ("image: a\nexecute: b\nconcurrency: a${user}", "3:14 `a${user}` is a name with an unknown variable"),
        (
            "image: a\nexecute: b\nconcurrency: {group: a, cancel: all}",
            "3:33 `all` is not what happens to older builds",
        ),
        ("jobs:\n  a: {image: x, execute: x}\nretry: {}", "3:1 `retry` cannot stand beside `jobs`"),
        ("image:\nexecute: b", "1:1 `image` has no value"),
        ("image: a\nexecute: b\ntimeout: 8d", "3:10 `8d` is too long"),
        ("image: a\nexecute: b\nresources: 2GiB", "3:1 `resources` is a map of keys, not text"),
        ("image: a\nexecute: b\nresources: {memory: 2}", "3:21 `2` is a number without a unit"),
        ("image: a\nexecute: b\nresources: {mem: 2GiB}", "3:13 unknown key `mem` in `resources`"),
        ("image: a\nexecute: b\nenvironment: [A=b]", "3:1 `environment` is a map of names to values, not a list"),
        ("image: a\nexecute: b\nenvironment: {A: }", "3:15 `A` has no value"),
        ("image: a\nexecute: b\nenvironment: {A: \"x\\0\"}", "3:18 text with a NUL character in it"),
        ("image: a\nexecute: b\nenvironment: {CI: 0}", "3:15 `CI` is reserved"),
        ("image: a\nexecute: b\nimage: c", "3:1 `image` is there twice"),
        ("image: a\nexecute: b\n<<: {x: y}", "3:1 merge keys (`<<`) are not supported"),
        ("image: a\nexecute: b\nneeds: x", "3:1 unknown key `needs` at the top level"),
        ("image: a\nexecute: !!str b", "2:10 tags (`!…`) are not supported"),
        ("image: a\nexecute: b\n[a]: c", "3:1 a list or map cannot be a key"),
        ("image: a\nexecute: &a [*a]", "2:14 an alias of something that is not complete here"),
        ("image: a\nexecute: b\n---\nimage: a", "3:1 a second document: a spec is one document"),
        ("image: a\nexecute: b\0c", "2:11 a control character: this is not a text file"),
        ("jobs: {}", "1:1 there are no jobs"),
        ("jobs: [a]", "1:1 `jobs` is a map of names to jobs, not a list"),
        ("jobs:\n  a: make", "2:3 job `a` is a map of keys, not text"),
        ("jobs:\n  a/b: {image: x, execute: x}", "2:3 `a/b` is not usable as the name of a job"),
        ("jobs:\n  ..: {image: x, execute: x}", "2:3 `..` is not usable as the name of a job"),
        ("jobs:\n  a: {image: x, execute: x, needs: a}", "2:36 job `a` needs itself"),
        ("image: x\njobs:\n  a: {image: x, execute: x}", "1:1 `image` cannot stand beside `jobs`"),
    ] {
        assert_eq!(told(text), [expected], "{text:?}");
    }
    assert_eq!(
        told("jobs:\n  a: {image: x, execute: x}\n  A: {image: x, execute: x}"),
        ["3:3 job `A` differs from `a` only in upper and lower case"]
    );
    assert_eq!(
        told("jobs:\n  a: {image: x, execute: x}\n  b: {image: x, execute: x, needs: [a, a]}"),
        ["3:40 `a` is named twice"]
    );
}

#[test]
fn what_a_later_version_will_do_is_not_called_unknown() {
    for key in ["on", "matrix", "services", "cache", "when", "approve"] {
        assert_eq!(
            told(&format!("image: a\nexecute: b\n{key}: x")),
            [format!("3:1 `{key}` is not supported yet by this version of Windlass")]
        );
    }
    assert_eq!(told("jobs:\n  a: {image: x, execute: x, secrets: [A], cache: [x]}").len(), 2);
}

#[test]
fn hints_show_the_way_out() {
    for (text, expected) in [
        ("image: a\nexecute: b\nenviroment: {}", "did you mean `environment`?"),
        ("image: a\nexecute: b\nenv: {}", "did you mean `environment`?"),
        ("image: a\nexecute: b\nfinaly: c", "did you mean `finally`?"),
        ("image: a\nexecute: b\nalways: c", "did you mean `finally`?"),
        ("image: a\nexecute: b\npull: weekly", "write `missing` (the default) or `always` or `never`"),
        ("image: a\nexecute: b\nretry: {failure: 11}", "the most is 10"),
        ("image: a\nexecute: b\nretry: {failures: 1}", "did you mean `failure`?"),
        (
            "image: a\nexecute: b\nretry: 2",
            "write `retry: { infrastructure: 2, failure: 1 }`: how often after faults of the machines, and of the job",
        ),
        ("image: a\nexecute: b\nconcurrency: x-${brunch}", "did you mean `${branch}`?"),
        (
            "image: a\nexecute: b\nconcurrency: ${user}",
            "variables here are: ${branch}, ${event}, ${pull_request}, ${ref}, ${repository}, ${tag}",
        ),
        ("image: a\nexecute: b\nconcurrency: x-${branch", "write `${branch}`, with both braces"),
        ("image: a\nexecute: b\nconcurrency: {group: a, cancel: all}", "write `never` (the default) or `outdated`"),
        (
            "image: a\nexecute: b\nconcurrency: {group: ${branch}}",
            "brackets and commas inside of […] or {…} belong to YAML: quote the text, or write one item a line",
        ),
        (
            "jobs:\n  a: {image: x, execute: x, concurrency: b}",
            "it belongs at the top level: builds run one at a time, not jobs",
        ),
        (
            "image: a\nexecute: b\nbanana: {}",
            "known here: artifacts, concurrency, environment, execute, finally, image, jobs, network, pull, reports, resources, retry, timeout",
        ),
        ("image: a\nexecute: [{run: a, tmeout: 5m}]", "did you mean `timeout`?"),
        ("image: a\nexecute: [{script: a}]", "did you mean `run`?"),
        (
            "image: a\nexecute:\n  - echo \"done: all\"",
            "put the whole command in single quotes, or write it as a block after `- |`",
        ),
        ("image: python:${python}\nexecute: b", "`${…}` comes from `matrix`, which this version does not support yet"),
        ("image: a\nexecute: b\nimage: c", "the first one is in line 1: keep one of them"),
        (
            "image: a\nexecute: - b",
            "a list begins on a line of its own; text that begins with `-` and a space has to be quoted",
        ),
        ("image: a\nexecute: `date`", "text that begins with `%`, `@` or a backtick has to be quoted"),
        (
            "image: a\nexecute: [*.whl]",
            "`*name` repeats what `&name` marked earlier; text that begins with `*` has to be quoted",
        ),
        ("image: a\nexecute: \"b", "is the closing quote missing?"),
        (
            "image: a\n execute: b",
            "a colon and a space make a key: quote the text if it is none, or check the indentation",
        ),
        ("image: a\nexecute:\n\t- b", "indent with spaces; YAML knows no tabs there"),
        (
            "image: a\nexecute: [pip install -e .[test]]",
            "brackets and commas inside of […] or {…} belong to YAML: quote the text, or write one item a line",
        ),
        (
            "image: a: b\nexecute: c",
            "a colon and a space make a key: quote the text if it is none, or check the indentation",
        ),
    ] {
        assert_eq!(hint(text), expected, "{text:?}");
    }
}

#[test]
fn circles_are_named_once() {
    let job = |name: &str, needs: &str| format!("  {name}: {{ image: x, execute: x, needs: [{needs}] }}\n");
    let text = format!(
        "jobs:\n{}{}{}{}{}{}",
        job("free", ""),
        job("hangs", "b"),
        job("a", "c"),
        job("b", "free, a"),
        job("c", "b"),
        job("late", "hangs, a")
    );
    assert_eq!(told(&text), ["4:38 jobs that need each other in a circle: a needs c needs b needs a"]);
    let two = format!("jobs:\n{}{}{}{}", job("a", "b"), job("b", "a"), job("c", "d"), job("d", "c"));
    assert_eq!(bad(&two).len(), 2);
}

#[test]
fn the_missing_spec_shows_the_smallest_one() {
    let problem = missing();
    assert_eq!(problem.file, ".windlass.yml");
    let hint = problem.hint.expect("a hint");
    let smallest = hint.split_once('\n').expect("a spec below").1;
    assert_eq!(good(smallest).jobs.len(), 1);
}

#[test]
fn limits_of_number() {
    let jobs = |n: usize| {
        let mut text = "jobs:\n".to_owned();
        (0..n).for_each(|i| text.push_str(&format!("  j{i}: {{image: x, execute: x}}\n")));
        text
    };
    assert_eq!(good(&jobs(256)).jobs.len(), 256);
    assert_eq!(told(&jobs(257)), ["258:3 more than 256 jobs"]);
    let steps = |n: usize| format!("image: x\nexecute: [{}]", vec!["x"; n].join(", "));
    assert_eq!(good(&steps(64)).jobs[0].steps.len(), 64);
    assert_eq!(told(&steps(65)), ["2:203 more than 64 steps in job `build`"]);
    assert_eq!(good(&format!("{}\nfinally: y", steps(63))).jobs[0].finally.len(), 1);
    assert_eq!(told(&format!("{}\nfinally: y", steps(64))), ["3:10 more than 64 steps in job `build`"]);
    let environment = format!("image: x\nexecute: x\nenvironment: {{ A: {} }}", "x".repeat(70_000));
    assert_eq!(told(&environment), ["1:1 the environment of job `build` has more than 65536 bytes"]);
}

#[test]
fn not_utf8_is_told_with_its_place() {
    let problems = parse(FILE, b"image: a\nexecute: \xff", &Options::default()).expect_err("not UTF-8");
    assert_eq!((problems[0].line, problems[0].column), (2, 10));
    assert_eq!(problems[0].message, "this is not UTF-8");
}

/// Refused, and in less time than anyone notices, also unoptimised on a busy machine.
fn refused_at_once(what: &str, text: &str) -> Vec<Problem> {
    let begun = Instant::now();
    let problems = bad(text);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{what}: {took:?}");
    assert!(problems.len() <= 101, "{what}");
    problems
}

#[test]
fn bombs_are_refused_at_once() {
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, now) in "abcdefghi".chars().zip("bcdefghij".chars()) {
        laughs.push_str(&format!("{now}: &{now} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
    }
    let message = |what: &str, text: &str| refused_at_once(what, text).last().expect("one").message.clone();
    assert!(message("a billion laughs", &laughs).starts_with("aliases stand for more than"));
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(200_000), "*a, ".repeat(10_000));
    assert!(message("long aliases", &long).starts_with("aliases stand for more than"));
    let fill = |unit: &str| unit.repeat((MOST_BYTES - 20) / unit.len());
    for (what, text, expected) in [
        ("deep flow", "[".repeat(10_000), "nested deeper than 32 levels"),
        ("brackets", fill("["), "nested deeper than 32 levels"),
        ("braces", fill("{"), "nested deeper than 32 levels"),
        ("flow maps", fill("{a: "), "nested deeper than 32 levels"),
        ("dashes", fill("- "), "nested deeper than 32 levels"),
        ("question marks", fill("? "), "a list or map cannot be a key"),
    ] {
        assert_eq!(message(what, &text), expected, "{what}");
    }
    let chain: String = (1..40).map(|i| format!("k{i}: &k{i} [*k{}]\n", i - 1)).collect();
    assert_eq!(message("a chain of aliases", &format!("k0: &k0 [x]\n{chain}")), "nested deeper than 32 levels");
    refused_at_once("too large", &"#".repeat(MOST_BYTES + 1));
    refused_at_once("many unknown keys", &(0..20_000).map(|i| format!("k{i}: 1\n")).collect::<String>());
    refused_at_once("one key many times", &fill("a: 1\n"));
    refused_at_once("anchors", &(0..15_000).map(|i| format!("- &a{i} x\n")).collect::<String>());
    refused_at_once("colons", &fill(": "));
    refused_at_once("quotes", &fill("\"\" "));
    refused_at_once("exclamation marks", &fill("!"));
    refused_at_once("ampersands", &fill("&a "));
    refused_at_once("commas", &format!("[{}]", fill(",")));
    refused_at_once("values", &format!("[{}]", fill("a,")));
    refused_at_once("blocks", &fill("|\n"));
    refused_at_once("percents", &fill("%a\n"));
    refused_at_once("directives", &fill("%TAG !a! x\n"));
    refused_at_once("documents", &fill("---\n"));
    refused_at_once("line feeds", &fill("\n"));
    refused_at_once("many jobs", &format!("jobs: {{{}}}", (0..20_000).map(|i| format!("a{i}:, ")).collect::<String>()));
    let names: Vec<String> = (0..250).map(|i| format!("{i:0>30}")).collect();
    let wrong: String = (0..150).map(|i| format!("{i:x>30}, ")).collect();
    let jobs: String =
        names.iter().map(|name| format!("  '{name}': {{image: x, execute: x, needs: [{wrong}]}}\n")).collect();
    let jobs = &jobs
        [..jobs.match_indices('\n').map(|(at, _)| at).take_while(|at| *at < MOST_BYTES - 10).last().expect("lines")];
    refused_at_once("needs that are nearly right", &format!("jobs:\n{jobs}"));
}

#[test]
fn the_largest_good_spec_is_quick() {
    let mut text = "jobs:\n".to_owned();
    for i in 0..256 {
        let needs: Vec<String> = (0..i).rev().take(150).map(|n| format!("j{n}")).collect();
        text.push_str(&format!("  j{i}: {{image: x, execute: x, needs: [{}]}}\n", needs.join(",")));
    }
    assert!(text.len() < MOST_BYTES, "{}", text.len());
    let begun = Instant::now();
    assert_eq!(good(&text).jobs.len(), 256);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_examples_are_good() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of examples") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        assert!(name.ends_with(".windlass.yml"), "{name}");
        let spec = parse(&name, &std::fs::read(&path).expect("an example"), &Options::default());
        let problems: Vec<String> = spec.err().into_iter().flatten().map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        seen += 1;
    }
    assert!(seen >= 4, "{seen} examples");
}

/// Text made of the pieces that specs and attacks are made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("jobs:\n"),
        Just("  a: "),
        Just("image: x\n"),
        Just("execute: "),
        Just("needs: [a, b]\n"),
        Just("environment: {A: 1}\n"),
        Just("timeout: 5m\n"),
        Just("- "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(": "),
        Just("\n"),
        Just("  "),
        Just("\t"),
        Just("&a "),
        Just("*a"),
        Just("!x "),
        Just("|\n  "),
        Just(">-\n "),
        Just("'"),
        Just("\""),
        Just("\\x"),
        Just("? "),
        Just("---\n"),
        Just("...\n"),
        Just("%TAG ! x\n"),
        Just("# c\n"),
        Just("<<: "),
        Just("\u{feff}"),
        Just("ä\u{202e}"),
        Just("\r"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(problems) = parse(FILE, &bytes, &Options::default()) {
            prop_assert!(!problems.is_empty() && problems.len() <= 101);
        }
    }

    #[test]
    fn any_yaml_is_answered(text in pieces()) {
        match parse(FILE, text.as_bytes(), &Options { image_required: false, ..Options::default() }) {
            Ok(spec) => prop_assert!(!spec.jobs.is_empty()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.line >= 1 && problem.column >= 1);
                    let unsafe_text = problem.to_string().chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
                    prop_assert!(!unsafe_text, "{:?}", problem);
                }
            }
        }
    }

    /// Whatever the needs are: accepted means that each job comes after those it needs.
    #[test]
    fn accepted_jobs_are_in_order(edges in prop::collection::vec((0..8usize, 0..8usize), 0..12)) {
        let mut text = "jobs:\n".to_owned();
        for job in 0..8 {
            let mut needs: Vec<usize> = edges.iter().filter(|(from, _)| *from == job).map(|(_, to)| *to).collect();
            needs.sort_unstable();
            needs.dedup();
            let needs: Vec<String> = needs.iter().map(|need| format!("j{need}")).collect();
            text.push_str(&format!("  j{job}: {{image: x, execute: x, needs: [{}]}}\n", needs.join(", ")));
        }
        match read(&text) {
            Ok(spec) => {
                prop_assert_eq!(spec.jobs.len(), 8);
                for (index, job) in spec.jobs.iter().enumerate() {
                    for need in &job.needs {
                        prop_assert!(spec.jobs[..index].iter().any(|before| before.name == *need));
                    }
                }
            }
            Err(problems) => {
                let reasons = |p: &Problem| p.message.contains("circle") || p.message.contains("needs itself");
                prop_assert!(problems.iter().all(reasons), "{:?}", problems);
            }
        }
    }

    /// A script comes out as it went in, whatever it contains.
    #[test]
    fn quoted_scripts_survive(script in "[ -~äß]{0,40}[!-~]") {
        let quoted = script.replace('\'', "''");
        let spec = read(&format!("image: x\nexecute: '{quoted}'")).expect("a quoted script");
        prop_assert_eq!(&spec.jobs[0].steps[0].run, &Command::Script(script));
    }
}
