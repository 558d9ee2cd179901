//! The shape of a spec: which keys there are and what kind of value each has, as written, with places. Whether the values
//! make sense is `check`'s matter; this must not know it.

use super::report::{Pos, Problems, nearest, shown};
use super::yaml::{Entry, Node, Value};

/// A text from the file and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) at: Pos,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct RawSpec {
    /// For every job.
    pub(super) environment: Vec<RawVariable>,
    pub(super) jobs: Vec<RawJob>,
    pub(super) concurrency: Option<RawConcurrency>,
}

#[derive(Debug)]
pub(super) struct RawConcurrency {
    pub(super) at: Pos,
    pub(super) group: Option<Text>,
    pub(super) cancel: Option<Text>,
    /// A value of a wrong shape is left out above; its absence is no second problem.
    pub(super) has_group: bool,
}

#[derive(Debug)]
pub(super) struct RawJob {
    pub(super) name: Text,
    pub(super) needs: Vec<Text>,
    pub(super) image: Option<Text>,
    pub(super) environment: Vec<RawVariable>,
    pub(super) steps: Vec<RawStep>,
    pub(super) finally: Vec<RawStep>,
    pub(super) pull: Option<Text>,
    pub(super) retry: RawRetry,
    pub(super) timeout: Option<Text>,
    pub(super) network: Option<Text>,
    pub(super) cpu: Option<Text>,
    pub(super) memory: Option<Text>,
    pub(super) pids: Option<Text>,
    pub(super) reports: RawReports,
    /// Patterns of files.
    pub(super) artifacts: Vec<Text>,
    /// Values of a wrong shape are left out above; their absence is no second problem.
    pub(super) has_image: bool,
    pub(super) has_execute: bool,
}

/// Patterns of files, by what is in them.
#[derive(Debug, Default)]
pub(super) struct RawReports {
    pub(super) junit: Vec<Text>,
    pub(super) sarif: Vec<Text>,
}

#[derive(Debug, Default)]
pub(super) struct RawRetry {
    pub(super) infrastructure: Option<Text>,
    pub(super) failure: Option<Text>,
}

#[derive(Debug)]
pub(super) struct RawVariable {
    pub(super) name: Text,
    pub(super) value: Text,
}

#[derive(Debug)]
pub(super) struct RawStep {
    pub(super) at: Pos,
    pub(super) name: Option<Text>,
    pub(super) run: RawRun,
    pub(super) timeout: Option<Text>,
}

#[derive(Debug)]
pub(super) enum RawRun {
    Script(Text),
    Program(Vec<Text>),
}

/// Keys of a place, those that a later version will have, and words that other systems use for ours.
struct Keys {
    place: &'static str,
    known: &'static [&'static str],
    later: &'static [&'static str],
    alike: &'static [(&'static str, &'static str)],
}

/// What belongs to a job: under `jobs`, or at the top level of the short form.
const OF_A_JOB: [&str; 11] = [
    "artifacts",
    "execute",
    "finally",
    "image",
    "needs",
    "network",
    "pull",
    "reports",
    "resources",
    "retry",
    "timeout",
];

const TOP: Keys = Keys {
    place: "at the top level",
    known: &[
        "artifacts",
        "concurrency",
        "environment",
        "execute",
        "finally",
        "image",
        "jobs",
        "network",
        "pull",
        "reports",
        "resources",
        "retry",
        "timeout",
    ],
    later: &["approve", "cache", "matrix", "on", "secrets", "services", "when"],
    alike: &[
        ("commands", "execute"),
        ("after_script", "finally"),
        ("always", "finally"),
        ("container", "image"),
        ("env", "environment"),
        ("pull_policy", "pull"),
        ("resource_group", "concurrency"),
        ("run", "execute"),
        ("script", "execute"),
        ("steps", "execute"),
        ("variables", "environment"),
    ],
};

const JOB: Keys = Keys {
    place: "in a job",
    known: &[
        "artifacts",
        "environment",
        "execute",
        "finally",
        "image",
        "needs",
        "network",
        "pull",
        "reports",
        "resources",
        "retry",
        "timeout",
    ],
    later: &["approve", "cache", "matrix", "secrets", "services", "when"],
    alike: &[
        ("after_script", "finally"),
        ("always", "finally"),
        ("commands", "execute"),
        ("container", "image"),
        ("dependencies", "needs"),
        ("depends_on", "needs"),
        ("env", "environment"),
        ("pull_policy", "pull"),
        ("run", "execute"),
        ("script", "execute"),
        ("steps", "execute"),
        ("variables", "environment"),
    ],
};

const STEP: Keys = Keys {
    place: "in a step",
    known: &["name", "run", "timeout"],
    later: &[],
    alike: &[("command", "run"), ("execute", "run"), ("script", "run")],
};

const RESOURCES: Keys = Keys {
    place: "in `resources`",
    known: &["cpu", "memory", "pids"],
    later: &[],
    alike: &[("cores", "cpu"), ("cpus", "cpu"), ("ram", "memory"), ("processes", "pids")],
};

const RETRY: Keys = Keys {
    place: "in `retry`",
    known: &["failure", "infrastructure"],
    later: &[],
    alike: &[("fail", "failure"), ("failed", "failure"), ("lost", "infrastructure"), ("max", "failure")],
};

const REPORTS: Keys = Keys {
    place: "in `reports`",
    known: &["junit", "sarif"],
    later: &["coverage"],
    alike: &[
        ("annotations", "sarif"),
        ("findings", "sarif"),
        ("lint", "sarif"),
        ("tests", "junit"),
        ("xml", "junit"),
        ("xunit", "junit"),
    ],
};

const CONCURRENCY: Keys = Keys {
    place: "in `concurrency`",
    known: &["cancel", "group"],
    later: &[],
    alike: &[("cancel-in-progress", "cancel"), ("name", "group")],
};

const REPORTS_FORM: &str =
    "write `reports: { junit: report.xml }`: the files in which the job's tests leave their results";
const ARTIFACTS_FORM: &str = "write `artifacts: [dist/**]`: the files that are kept when the job ends";

/// Takes the tree apart. `None`: it is not even a map.
pub(super) fn take(root: Node, problems: &mut Problems<'_>) -> Option<RawSpec> {
    let at = root.at;
    let Value::Map(entries) = root.value else {
        problems.add_with_hint(
            at,
            format!("a spec is a map of keys, not {}", root.kind()),
            "the smallest one has the keys `image` and `execute`",
        );
        return None;
    };
    check_keys(&entries, &TOP, problems);
    let jobs = entries.iter().find(|entry| entry.key == "jobs");
    let environment = entries.iter().find(|entry| entry.key == "environment");
    let concurrency = entries.iter().find(|entry| entry.key == "concurrency");
    let concurrency = concurrency.and_then(|entry| take_concurrency(entry, problems));
    match jobs {
        Some(entry) => {
            for stray in entries.iter().filter(|entry| OF_A_JOB.contains(&entry.key.as_str()) && entry.key != "needs") {
                problems.add_with_hint(
                    stray.at,
                    format!("`{}` cannot stand beside `jobs`", stray.key),
                    "move it into the jobs it is meant for",
                );
            }
            Some(RawSpec {
                environment: environment.map(|entry| variables(entry, problems)).unwrap_or_default(),
                jobs: take_jobs(entry, problems),
                concurrency,
            })
        }
        None => {
            let name = Text { at, text: "build".to_owned() };
            // `needs` is an unknown key here, which has been said; what it names does not matter.
            let build = RawJob { needs: Vec::new(), ..job(name, &entries, problems) };
            Some(RawSpec { environment: Vec::new(), jobs: vec![build], concurrency })
        }
    }
}

fn take_jobs(entry: &Entry, problems: &mut Problems<'_>) -> Vec<RawJob> {
    let Value::Map(jobs) = &entry.value.value else {
        problems.add_with_hint(
            entry.at,
            format!("`jobs` is a map of names to jobs, not {}", entry.value.kind()),
            "write `jobs:` and below it, indented, a name and a colon for each job",
        );
        return Vec::new();
    };
    if jobs.is_empty() {
        problems.add(entry.at, "there are no jobs");
    }
    let mut taken = Vec::new();
    for entry in jobs {
        let name = Text { at: entry.at, text: entry.key.clone() };
        match &entry.value.value {
            Value::Map(entries) => {
                check_keys(entries, &JOB, problems);
                taken.push(job(name, entries, problems));
            }
            _ => {
                problems.add_with_hint(
                    entry.at,
                    format!("job `{}` is a map of keys, not {}", shown(&entry.key), entry.value.kind()),
                    "a job has at least the keys `image` and `execute`",
                );
                // Others may need it: its name is known, and what is wrong with it has been said.
                taken.push(RawJob { has_image: true, has_execute: true, ..job(name, &[], problems) });
            }
        }
    }
    taken
}

fn take_concurrency(entry: &Entry, problems: &mut Problems<'_>) -> Option<RawConcurrency> {
    let mut raw = RawConcurrency { at: entry.at, group: None, cancel: None, has_group: false };
    match &entry.value.value {
        Value::Map(entries) => {
            check_keys(entries, &CONCURRENCY, problems);
            for entry in entries {
                match entry.key.as_str() {
                    "group" => {
                        raw.has_group = true;
                        raw.group = text(entry, problems);
                    }
                    "cancel" => raw.cancel = text(entry, problems),
                    _ => {}
                }
            }
        }
        Value::Text(_) => {
            raw.has_group = true;
            raw.group = text(entry, problems);
        }
        Value::Null | Value::List(_) => {
            problems.add_with_hint(
                entry.at,
                format!("`concurrency` is the name of a group, or a map of keys, not {}", entry.value.kind()),
                "write `concurrency: { group: \"${branch}\", cancel: outdated }`",
            );
            return None;
        }
    }
    Some(raw)
}

fn take_retry(entry: &Entry, problems: &mut Problems<'_>) -> RawRetry {
    const FORM: &str =
        "write `retry: { infrastructure: 2, failure: 1 }`: how often after faults of the machines, and of the job";
    let mut raw = RawRetry::default();
    let Some(entries) = map_of(entry, FORM, problems) else { return raw };
    check_keys(entries, &RETRY, problems);
    for entry in entries {
        match entry.key.as_str() {
            "failure" => raw.failure = text(entry, problems),
            "infrastructure" => raw.infrastructure = text(entry, problems),
            _ => {}
        }
    }
    raw
}

fn take_reports(entry: &Entry, problems: &mut Problems<'_>) -> RawReports {
    let Some(entries) = map_of(entry, REPORTS_FORM, problems) else { return RawReports::default() };
    check_keys(entries, &REPORTS, problems);
    if entries.is_empty() {
        problems.add_with_hint(entry.at, "`reports` names no files", REPORTS_FORM);
    }
    let mut named = |key: &str| {
        let entry = entries.iter().find(|entry| entry.key == key);
        if let Some(entry) = entry.filter(|entry| matches!(&entry.value.value, Value::List(items) if items.is_empty()))
        {
            problems.add_with_hint(entry.at, "`reports` names no files", REPORTS_FORM);
        }
        entry.map(|entry| texts(entry, problems)).unwrap_or_default()
    };
    RawReports { junit: named("junit"), sarif: named("sarif") }
}

fn take_artifacts(entry: &Entry, problems: &mut Problems<'_>) -> Vec<Text> {
    match &entry.value.value {
        Value::Null => problems.add_with_hint(entry.at, "`artifacts` names no files", ARTIFACTS_FORM),
        Value::List(items) if items.is_empty() => {
            problems.add_with_hint(entry.at, "`artifacts` names no files", ARTIFACTS_FORM);
        }
        _ => return texts(entry, problems),
    }
    Vec::new()
}

/// The keys below `entry`; says so where there can be none.
fn map_of<'e>(entry: &'e Entry, form: &str, problems: &mut Problems<'_>) -> Option<&'e [Entry]> {
    if let Value::Map(entries) = &entry.value.value {
        return Some(entries);
    }
    let found = entry.value.kind();
    problems.add_with_hint(entry.at, format!("`{}` is a map of keys, not {found}", entry.key), form);
    None
}

fn job(name: Text, entries: &[Entry], problems: &mut Problems<'_>) -> RawJob {
    let mut raw = RawJob {
        name,
        needs: Vec::new(),
        image: None,
        environment: Vec::new(),
        steps: Vec::new(),
        finally: Vec::new(),
        pull: None,
        retry: RawRetry::default(),
        timeout: None,
        network: None,
        cpu: None,
        memory: None,
        pids: None,
        reports: RawReports::default(),
        artifacts: Vec::new(),
        has_image: false,
        has_execute: false,
    };
    for entry in entries {
        match entry.key.as_str() {
            "needs" => raw.needs = texts(entry, problems),
            "image" => {
                raw.has_image = true;
                raw.image = text(entry, problems);
            }
            "environment" => raw.environment = variables(entry, problems),
            "execute" => {
                raw.has_execute = true;
                raw.steps = steps(entry, problems);
            }
            "finally" => raw.finally = steps(entry, problems),
            "pull" => raw.pull = text(entry, problems),
            "retry" => raw.retry = take_retry(entry, problems),
            "timeout" => raw.timeout = text(entry, problems),
            "network" => raw.network = text(entry, problems),
            "reports" => raw.reports = take_reports(entry, problems),
            "artifacts" => raw.artifacts = take_artifacts(entry, problems),
            "resources" => {
                const FORM: &str = "write `resources: { cpu: 2, memory: 2GiB }`";
                let Some(entries) = map_of(entry, FORM, problems) else { continue };
                check_keys(entries, &RESOURCES, problems);
                for entry in entries {
                    match entry.key.as_str() {
                        "cpu" => raw.cpu = text(entry, problems),
                        "memory" => raw.memory = text(entry, problems),
                        "pids" => raw.pids = text(entry, problems),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    raw
}

fn steps(entry: &Entry, problems: &mut Problems<'_>) -> Vec<RawStep> {
    match &entry.value.value {
        Value::List(items) => {
            if items.is_empty() {
                problems.add(entry.at, format!("`{}` is empty: there is nothing to run", entry.key));
            }
            items.iter().filter_map(|item| step(item.at, item, problems)).collect()
        }
        // An absent value stands nowhere; the key does.
        Value::Null => {
            problems.add(entry.at, format!("`{}` is empty: there is nothing to run", entry.key));
            Vec::new()
        }
        _ => step(entry.value.at, &entry.value, problems).into_iter().collect(),
    }
}

fn step(at: Pos, node: &Node, problems: &mut Problems<'_>) -> Option<RawStep> {
    match &node.value {
        Value::Text(text) => {
            let script = Text { at: node.at, text: text.clone() };
            Some(RawStep { at, name: None, run: RawRun::Script(script), timeout: None })
        }
        Value::Map(entries) => named_step(at, entries, problems),
        Value::List(_) => {
            problems.add_with_hint(
                at,
                "a step is text or a map of keys, not a list",
                "for a program without a shell write `- run: [program, argument]`",
            );
            None
        }
        Value::Null => {
            problems.add(at, "an empty step");
            None
        }
    }
}

fn named_step(at: Pos, entries: &[Entry], problems: &mut Problems<'_>) -> Option<RawStep> {
    // `- echo "done: all"`: a command that YAML takes for a map. Which key is unknown would help nobody.
    if let [only] = entries
        && !STEP.known.contains(&only.key.as_str())
        && (only.key.contains(char::is_whitespace) || only.key.contains('"'))
    {
        problems.add_with_hint(
            at,
            "YAML takes this command for a key and a value, because of the colon and the space after it",
            "put the whole command in single quotes, or write it as a block after `- |`",
        );
        return None;
    }
    check_keys(entries, &STEP, problems);
    let mut name = None;
    let mut run = None;
    let mut has_run = false;
    let mut timeout = None;
    for entry in entries {
        match entry.key.as_str() {
            "name" => name = text(entry, problems),
            "run" => {
                has_run = true;
                run = match &entry.value.value {
                    Value::List(items) if items.is_empty() => {
                        problems.add(entry.at, "`run` is an empty list: there is no program");
                        None
                    }
                    Value::List(_) => Some(RawRun::Program(texts(entry, problems))),
                    _ => text(entry, problems).map(RawRun::Script),
                };
            }
            "timeout" => timeout = text(entry, problems),
            _ => {}
        }
    }
    // Where every key is unknown, `run` is probably among them under another name.
    if !has_run && (entries.is_empty() || entries.iter().any(|entry| STEP.known.contains(&entry.key.as_str()))) {
        problems.add_with_hint(at, "a step without `run`", "write what it executes: `run: cargo test`");
    }
    Some(RawStep { at, name, run: run?, timeout })
}

fn variables(entry: &Entry, problems: &mut Problems<'_>) -> Vec<RawVariable> {
    let Value::Map(entries) = &entry.value.value else {
        problems.add_with_hint(
            entry.at,
            format!("`environment` is a map of names to values, not {}", entry.value.kind()),
            "write `environment: { NAME: value }`",
        );
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|entry| {
            if entry.value.value == Value::Null {
                problems.add_with_hint(
                    entry.at,
                    format!("`{}` has no value", shown(&entry.key)),
                    "write \"\" for an empty one",
                );
                return None;
            }
            let value = text(entry, problems)?;
            Some(RawVariable { name: Text { at: entry.at, text: entry.key.clone() }, value })
        })
        .collect()
}

/// One text.
fn text(entry: &Entry, problems: &mut Problems<'_>) -> Option<Text> {
    match &entry.value.value {
        Value::Text(text) => no_nul(entry.value.at, text, problems),
        Value::Null => {
            problems.add(entry.at, format!("`{}` has no value", shown(&entry.key)));
            None
        }
        Value::List(_) | Value::Map(_) => {
            problems.add(entry.at, format!("`{}` is text, not {}", shown(&entry.key), entry.value.kind()));
            None
        }
    }
}

/// One text or a list of them.
fn texts(entry: &Entry, problems: &mut Problems<'_>) -> Vec<Text> {
    let Value::List(items) = &entry.value.value else {
        return text(entry, problems).into_iter().collect();
    };
    items
        .iter()
        .filter_map(|item| match &item.value {
            Value::Text(text) => no_nul(item.at, text, problems),
            _ => {
                problems.add(item.at, format!("`{}` is a list of texts; this is {}", shown(&entry.key), item.kind()));
                None
            }
        })
        .collect()
}

/// No operating system takes a NUL in a name, an argument or a variable.
fn no_nul(at: Pos, text: &str, problems: &mut Problems<'_>) -> Option<Text> {
    if text.contains('\0') {
        problems.add(at, "text with a NUL character in it");
        return None;
    }
    Some(Text { at, text: text.to_owned() })
}

fn check_keys(entries: &[Entry], keys: &Keys, problems: &mut Problems<'_>) {
    for Entry { at, key, .. } in entries {
        let key = key.as_str();
        if keys.known.contains(&key) {
            continue;
        }
        if keys.later.contains(&key) {
            problems.add_with_hint(
                *at,
                format!("`{key}` is not supported yet by this version of Windlass"),
                "remove it; nothing that it asks for would happen",
            );
            continue;
        }
        let message = format!("unknown key `{}` {}", shown(key), keys.place);
        let elsewhere = match key {
            "needs" => Some("it belongs into a job under `jobs`"),
            "concurrency" => Some("it belongs at the top level: builds run one at a time, not jobs"),
            _ => None,
        };
        if let Some(elsewhere) = elsewhere {
            problems.add_with_hint(*at, message, elsewhere);
            continue;
        }
        let meant = keys
            .alike
            .iter()
            .find_map(|(alike, ours)| (*alike == key).then_some(*ours))
            .or_else(|| if problems.has_room() { nearest(key, keys.known.iter().copied()) } else { None });
        match meant {
            Some(meant) => problems.add_with_hint(*at, message, format!("did you mean `{meant}`?")),
            None => problems.add_with_hint(*at, message, format!("known here: {}", keys.known.join(", "))),
        }
    }
}
