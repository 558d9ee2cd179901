//! Rules about the code, as tests: each names the file and the line that breaks it. Every rule is a function of source
//! texts, and is itself tested on a small text that breaks it. Must not know what the code does.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use source::{Source, crate_imports, line_of, words};

const PACKAGES: [&str; 4] = ["protocol", "daemon", "tui", "tests"];

/// Everything that may be at the top, besides names that begin with a dot and cargo's output.
const TOP_LEVEL: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "daemon",
    "tui",
    "protocol",
    "tests",
    "assets",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
];

const LONGEST_FILE: usize = 700;

/// Only `inside` may mention `word`; everything else under `within` may not.
struct Home {
    word: &'static str,
    within: &'static str,
    inside: &'static [&'static str],
}

/// Each outside technology has one home.
const HOMES: [Home; 4] = [
    Home { word: "sqlx", within: "daemon/src/", inside: &["daemon/src/store"] },
    Home { word: "axum", within: "daemon/src/", inside: &["daemon/src/http"] },
    Home { word: "bollard", within: "daemon/src/", inside: &["daemon/src/engine"] },
    Home {
        word: "ratatui",
        within: "tui/src/",
        inside: &["tui/src/app", "tui/src/screens", "tui/src/widgets", "tui/src/theme", "tui/src/terminal"],
    },
];

/// Parts that must not mention certain crates or modules of the standard library.
struct Without {
    parts: &'static [&'static str],
    words: &'static [&'static str],
    because: &'static str,
}

const WITHOUT: [Without; 3] = [
    Without {
        parts: &["daemon/src/event", "daemon/src/spec", "daemon/src/plan", "daemon/src/state", "daemon/src/frame"],
        words: &[
            "tokio",
            "sqlx",
            "axum",
            "bollard",
            "hyper",
            "SystemTime",
            "Instant",
            "std::fs",
            "std::net",
            "std::process",
        ],
        because: "the middle is pure: no async, SQL, HTTP, engine, files or clock; take what you need as a value",
    },
    Without {
        parts: &["daemon/src/runner"],
        words: &["tokio", "sqlx", "axum", "bollard", "hyper", "futures_util"],
        because: "the runner is PID 1 in strangers' containers: threads and system calls only",
    },
    Without {
        parts: &["protocol/src"],
        words: &["tokio", "std::fs", "std::net", "std::process", "SystemTime", "Instant"],
        because: "the protocol is data only",
    },
];

/// Parts of the daemon and the modules of the same crate that they must not import.
struct Direction {
    part: &'static str,
    not: &'static [&'static str],
}

const ABOVE_PURE: [&str; 14] = [
    "github",
    "git",
    "store",
    "logs",
    "engine",
    "runner",
    "executor",
    "intake",
    "scheduler",
    "http",
    "daemon",
    "demo",
    "clock",
    "config",
];

const DIRECTIONS: [Direction; 15] = [
    Direction { part: "daemon/src/event", not: &ABOVE_PURE },
    Direction { part: "daemon/src/spec", not: &ABOVE_PURE },
    Direction { part: "daemon/src/plan", not: &ABOVE_PURE },
    Direction { part: "daemon/src/state", not: &ABOVE_PURE },
    Direction { part: "daemon/src/frame", not: &ABOVE_PURE },
    Direction {
        part: "daemon/src/github",
        not: &["git", "store", "logs", "engine", "executor", "intake", "scheduler"],
    },
    Direction {
        part: "daemon/src/git",
        not: &["github", "store", "logs", "engine", "executor", "intake", "scheduler"],
    },
    Direction {
        part: "daemon/src/store",
        not: &["github", "git", "logs", "engine", "executor", "intake", "scheduler"],
    },
    Direction {
        part: "daemon/src/logs",
        not: &["github", "git", "store", "engine", "executor", "intake", "scheduler"],
    },
    Direction {
        part: "daemon/src/engine",
        not: &["github", "git", "store", "logs", "executor", "intake", "scheduler"],
    },
    Direction {
        part: "daemon/src/runner",
        not: &[
            "github",
            "git",
            "store",
            "logs",
            "engine",
            "executor",
            "intake",
            "scheduler",
            "config",
            "tasks",
            "wake",
        ],
    },
    Direction { part: "daemon/src/executor", not: &["github"] },
    Direction { part: "tui/src/state", not: &["app", "screens", "widgets", "theme", "terminal", "link", "commands"] },
    Direction { part: "tui/src/widgets", not: &["state", "screens", "app", "link"] },
    Direction { part: "tui/src/link", not: &["state", "screens", "widgets", "app"] },
];

/// Who may import the daemon's `http`.
const MAY_IMPORT_HTTP: [&str; 3] = ["daemon/src/daemon", "daemon/src/main", "daemon/src/http"];

/// Where words may go straight to standard output or error: the executables' own answers to a person.
const MAY_PRINT: [&str; 7] = [
    "daemon/src/main",
    "daemon/src/demo",
    "daemon/src/commands",
    "daemon/src/runner",
    "tui/src/main",
    "tui/src/commands",
    "tests/src/bin",
];

// ---- the rules ------------------------------------------------------------------------------------------------------

/// `daemon/src/git` is the module whether it is `git.rs` or a folder, and never `daemon/src/github`.
fn is_part(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.starts_with('/') || rest.starts_with(".rs") || part.ends_with('/'))
}

fn top_level(names: &[String]) -> Vec<String> {
    let unknown = |name: &&String| !name.starts_with('.') && *name != "target" && !TOP_LEVEL.contains(&name.as_str());
    names.iter().filter(unknown).map(|name| format!("{name}: does not belong at the top level")).collect()
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let message =
        format!("{}: {lines} lines, more than {LONGEST_FILE}: it has more than one reason to exist", source.path);
    if lines > LONGEST_FILE { vec![message] } else { Vec::new() }
}

fn header(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    // A crate's root may take its words from the README.
    let words = first.strip_prefix("//! ").is_some_and(|words| words.len() > 16); // more than "placeholder"
    if words || first.starts_with("#![doc = include_str!(") {
        return Vec::new();
    }
    vec![format!(
        "{}:1: begins without `//!` and a sentence: say what this file is and what it must not know",
        source.path
    )]
}

fn homes(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut faults = Vec::new();
    for home in HOMES.iter().filter(|home| source.path.starts_with(home.within)) {
        if home.inside.iter().any(|inside| is_part(&source.path, inside)) {
            continue;
        }
        for at in words(&code, home.word) {
            let (path, line) = (&source.path, line_of(&code, at));
            faults.push(format!("{path}:{line}: `{}` belongs in {} only", home.word, home.inside.join(", ")));
        }
    }
    faults
}

fn without(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut faults = Vec::new();
    for rule in WITHOUT.iter().filter(|rule| rule.parts.iter().any(|part| is_part(&source.path, part))) {
        for word in rule.words {
            for at in words(&code, word) {
                faults.push(format!("{}:{}: mentions `{word}`: {}", source.path, line_of(&code, at), rule.because));
            }
        }
    }
    faults
}

fn directions(source: &Source) -> Vec<String> {
    let code = source.code();
    let mut faults = Vec::new();
    for (at, module) in crate_imports(&source.path, &code) {
        let line = line_of(&code, at);
        for direction in DIRECTIONS.iter().filter(|direction| is_part(&source.path, direction.part)) {
            if direction.not.contains(&module.as_str()) {
                let part = direction.part.rsplit('/').next().unwrap_or_default();
                faults.push(format!("{}:{line}: {part} must not import {module}", source.path));
            }
        }
        let http = module == "http" && source.path.starts_with("daemon/src/");
        if http && !MAY_IMPORT_HTTP.iter().any(|part| is_part(&source.path, part)) {
            faults.push(format!("{}:{line}: only daemon.rs and main.rs may import http", source.path));
        }
    }
    faults
}

/// What must be finished or removed before it is committed; unit tests included, so on the whole file.
fn unfinished(source: &Source) -> Vec<String> {
    let code = source::blank(&source.text);
    let mut faults = Vec::new();
    for (what, why) in [
        ("#[ignore", "a test that does not run proves nothing"),
        ("todo!", "finish it"),
        ("unimplemented!", "finish it"),
        ("dbg!", "left over"),
    ] {
        for (at, _) in code.match_indices(what) {
            faults.push(format!("{}:{}: `{what}`: {why}", source.path, line_of(&code, at)));
        }
    }
    for word in [concat!("TO", "DO"), concat!("FIX", "ME")] {
        for at in words(&source.text, word) {
            faults.push(format!("{}:{}: `{word}`: do it, or write an issue", source.path, line_of(&source.text, at)));
        }
    }
    faults
}

fn printing(source: &Source) -> Vec<String> {
    if MAY_PRINT.iter().any(|part| is_part(&source.path, part)) || !source.path.contains("/src/") {
        return Vec::new();
    }
    let code = source.code();
    let mut faults = Vec::new();
    for what in ["println", "print", "eprintln", "eprint"] {
        for at in words(&code, what).filter(|at| code[at + what.len()..].starts_with("!(")) {
            let (path, line) = (&source.path, line_of(&code, at));
            faults.push(format!("{path}:{line}: `{what}!` in a library: return it, or log it with tracing"));
        }
    }
    faults
}

fn migrations(kinds: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    let all: BTreeSet<&String> = kinds.values().flatten().collect();
    if all.is_empty() {
        return vec!["daemon: no migrations/sqlite and migrations/postgres with .sql files in them".to_owned()];
    }
    let mut faults = Vec::new();
    for (kind, names) in kinds {
        for name in all.iter().filter(|name| !names.contains(**name)) {
            faults.push(format!("migrations/{kind}/{name}: missing; the other kind of database has it"));
        }
    }
    faults
}

// ---- held against this workspace ------------------------------------------------------------------------------------

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder of the workspace")
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("a readable folder").file_name().to_str().expect("UTF-8 file names").to_owned()
    };
    entries.map(name).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names_in(folder) {
        let path = folder.join(&name);
        if path.is_dir() && name != "target" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for path in PACKAGES.iter().flat_map(|package| files(&top().join(package), "rs")) {
        let text = std::fs::read_to_string(&path).expect("source files are UTF-8");
        let path = path.strip_prefix(top()).expect("below the top").to_str().expect("UTF-8 file names").to_owned();
        sources.push(Source { path, text });
    }
    assert!(sources.len() > 30, "only {} source files found: the walk is broken", sources.len());
    sources
}

#[track_caller]
fn hold(rule: impl Fn(&Source) -> Vec<String>) {
    none(sources().iter().flat_map(rule).collect());
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} broken:\n  {}", faults.len(), faults.join("\n  "));
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    none(top_level(&names_in(top())));
}

#[test]
fn no_file_is_too_long() {
    hold(length);
}

#[test]
fn every_file_says_what_it_is() {
    hold(header);
}

#[test]
fn each_technology_has_one_home() {
    hold(homes);
}

#[test]
fn the_pure_parts_are_pure() {
    hold(without);
}

#[test]
fn imports_go_one_way() {
    hold(directions);
}

#[test]
fn nothing_is_left_unfinished() {
    hold(unfinished);
}

#[test]
fn libraries_do_not_print() {
    hold(printing);
}

#[test]
fn every_migration_exists_for_each_database() {
    let mut kinds = BTreeMap::from([("sqlite", BTreeSet::new()), ("postgres", BTreeSet::new())]);
    for path in files(&top().join("daemon"), "sql") {
        let mut parts = path.iter().rev().filter_map(|part| part.to_str());
        if let (Some(name), Some(kind), Some("migrations")) = (parts.next(), parts.next(), parts.next()) {
            kinds.get_mut(kind).unwrap_or_else(|| panic!("migrations/{kind}: which database?")).insert(name.to_owned());
        }
    }
    none(migrations(&kinds));
}

// ---- and the rules themselves ---------------------------------------------------------------------------------------

/// Asserts what a rule says of one small text: the starts of its messages.
#[track_caller]
fn says(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str, expected: &[&str]) {
    let got = rule(&Source { path: path.to_owned(), text: text.to_owned() });
    let matches = got.len() == expected.len() && got.iter().zip(expected).all(|(got, start)| got.starts_with(start));
    assert!(matches, "{path}: {text:?}\n  expected {expected:?}\n  got      {got:?}");
}

#[test]
fn rule_top_level_can_fail() {
    let names = |names: &[&str]| top_level(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(&["Cargo.toml", ".github", "target", "daemon"]), Vec::<String>::new());
    assert_eq!(names(&["scripts", "tui"]), ["scripts: does not belong at the top level"]);
}

#[test]
fn rule_length_can_fail() {
    says(length, "a.rs", &"\n".repeat(700), &[]);
    says(length, "a.rs", &"\n".repeat(701), &["a.rs: 701 lines"]);
}

#[test]
fn rule_header_can_fail() {
    says(header, "a.rs", "//! What this file is.\n", &[]);
    says(header, "a.rs", "use x;\n//! late", &["a.rs:1: begins"]);
    says(header, "a.rs", "//! placeholder", &["a.rs:1: begins"]);
    says(header, "a.rs", "", &["a.rs:1: begins"]);
}

#[test]
fn rule_homes_can_fail() {
    says(homes, "daemon/src/store/jobs.rs", "use sqlx::Row;", &[]);
    says(homes, "daemon/src/executor.rs", "// sqlx\nuse sqlx::Row;", &["daemon/src/executor.rs:2: `sqlx`"]);
    says(homes, "daemon/src/http/view.rs", "use bollard::Docker;", &["daemon/src/http/view.rs:1: `bollard`"]);
    says(homes, "daemon/src/github/mod.rs", "axum::Json", &["daemon/src/github/mod.rs:1: `axum`"]);
    says(homes, "tui/src/state/log.rs", "use ratatui::style::Color;", &["tui/src/state/log.rs:1: `ratatui`"]);
    says(homes, "tui/src/terminal.rs", "use ratatui::Terminal;", &[]);
    says(homes, "daemon/src/executor.rs", "#[cfg(test)]\nmod tests { use sqlx::Row; }", &[]);
}

#[test]
fn rule_pure_can_fail() {
    says(without, "daemon/src/plan/graph.rs", "use tokio::sync;", &["daemon/src/plan/graph.rs:1: mentions `tokio`"]);
    says(
        without,
        "daemon/src/event.rs",
        "std::time::SystemTime::now()",
        &["daemon/src/event.rs:1: mentions `SystemTime`"],
    );
    says(without, "daemon/src/runner/steps.rs", "tokio::spawn", &["daemon/src/runner/steps.rs:1: mentions `tokio`"]);
    says(without, "protocol/src/id.rs", "use std::fs;", &["protocol/src/id.rs:1: mentions `std::fs`"]);
    says(without, "daemon/src/events_elsewhere.rs", "use tokio;", &[]);
}

#[test]
fn rule_directions_can_fail() {
    says(
        directions,
        "daemon/src/git.rs",
        "use crate::store::Store;",
        &["daemon/src/git.rs:1: git must not import store"],
    );
    says(
        directions,
        "daemon/src/executor/mod.rs",
        "use crate::{engine, github::Payload,\n http};",
        &[
            "daemon/src/executor/mod.rs:1: executor must not import github",
            "daemon/src/executor/mod.rs:2: only daemon.rs",
        ],
    );
    says(directions, "daemon/src/runner/mod.rs", "use crate::{frame, plan};", &[]);
    says(directions, "daemon/src/runner/mod.rs", "use crate::logs;", &["daemon/src/runner/mod.rs:1: runner"]);
    says(directions, "daemon/src/daemon.rs", "use crate::http;", &[]);
    says(directions, "daemon/src/plan/mod.rs", "use crate::clock;", &["daemon/src/plan/mod.rs:1: plan"]);
    says(directions, "tui/src/state/mod.rs", "use crate::screens;", &["tui/src/state/mod.rs:1: state"]);
}

#[test]
fn rule_unfinished_can_fail() {
    let ignored = concat!("#[ign", "ore]\nfn f() { to", "do!() } // TO", "DO: x");
    says(unfinished, "a.rs", ignored, &["a.rs:1: `#[ignore`", "a.rs:2: `todo!`", "a.rs:2: `TO"]);
    says(unfinished, "a.rs", "let x = \"todo!\"; // nothing", &[]);
}

#[test]
fn rule_printing_can_fail() {
    says(printing, "tui/src/link.rs", "println!(1)", &["tui/src/link.rs:1: `println!`"]);
    says(printing, "daemon/src/http/mod.rs", "\neprint!(x)", &["daemon/src/http/mod.rs:2: `eprint!`"]);
    says(printing, "tui/src/commands/show.rs", "println!(1)", &[]);
    says(printing, "daemon/src/logs/mod.rs", "#[cfg(test)]\nmod tests { println!(1) }", &[]);
}

#[test]
fn rule_migrations_can_fail() {
    let kinds = |sqlite: &[&str], postgres: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        migrations(&BTreeMap::from([("sqlite", set(sqlite)), ("postgres", set(postgres))]))
    };
    assert_eq!(kinds(&["0001_a.sql"], &["0001_a.sql"]), Vec::<String>::new());
    assert_eq!(kinds(&["0001_a.sql", "0002_b.sql"], &["0001_a.sql"]).len(), 1);
    assert_eq!(kinds(&[], &[]).len(), 1);
}
