//! From what a spec says to what it means: values understood, names checked, jobs put in an order in which each comes
//! after what it needs. Must not know YAML.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::raw::{RawConcurrency, RawJob, RawRetry, RawRun, RawSpec, RawStep, RawVariable, Text};
use super::report::{Problems, nearest, shown};
use super::value::{self, Piece, Wrong};
use super::{MOST_JOBS, MOST_STEPS, Options, Spec};
use crate::plan::{
    self, CancelOlder, Command, Concurrency, FINALLY_TIMEOUT_MS, Facts, JobPlan, Network, Pull, Reports, Resources,
    Retry, StepPlan,
};

/// What a job's variables may amount to, names and values together.
const MOST_ENVIRONMENT: usize = 64 << 10;

/// Patterns of one kind in one job.
const MOST_PATTERNS: usize = 32;

/// An unnamed step is called by that much of its first line.
const NAME_FROM_SCRIPT: usize = 60;

/// Understands `raw`. What comes back is only good if there are no problems.
pub(super) fn check(raw: RawSpec, options: &Options, problems: &mut Problems<'_>) -> Spec {
    if let Some(job) = raw.jobs.get(MOST_JOBS) {
        // What follows compares jobs with each other, and is only cheap for few.
        problems.add(job.name.at, format!("more than {MOST_JOBS} jobs"));
        return Spec { jobs: Vec::new(), concurrency: None };
    }
    names(&raw.jobs, problems);
    let order = needs(&raw.jobs, problems);
    let common = variables(&raw.environment, problems);
    let jobs: Vec<JobPlan> = raw.jobs.iter().map(|raw| job(raw, &common, options, problems)).collect();
    let asked = raw.concurrency.as_ref().and_then(|raw| concurrency(raw, options.facts.as_ref(), problems));
    if !problems.is_empty() {
        return Spec { jobs: Vec::new(), concurrency: None };
    }
    let concurrency = match &options.facts {
        Some(facts) => plan::concurrency(asked, facts),
        None => asked,
    };
    let mut jobs: Vec<Option<JobPlan>> = jobs.into_iter().map(Some).collect();
    Spec { jobs: order.into_iter().filter_map(|index| jobs[index].take()).collect(), concurrency }
}

/// The group as the spec writes it, its variables filled in where they are known.
fn concurrency(raw: &RawConcurrency, facts: Option<&Facts>, problems: &mut Problems<'_>) -> Option<Concurrency> {
    if !raw.has_group {
        problems.add_with_hint(
            raw.at,
            "`concurrency` names no group",
            "write `group: \"${branch}\"`: builds of one group run one at a time",
        );
    }
    let cancel = raw.cancel.as_ref().and_then(|text| word(text, "what happens to older builds", &CANCEL, problems));
    let group = understand(raw.group.as_ref()?, value::group, problems)?;
    let group = match facts {
        None => raw.group.as_ref()?.text.clone(),
        Some(facts) => group
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Variable(name) => facts.value(name),
            })
            .collect(),
    };
    Some(Concurrency { group: group.trim().to_owned(), cancel: cancel.unwrap_or(CancelOlder::Never) })
}

fn names(jobs: &[RawJob], problems: &mut Problems<'_>) {
    let mut seen: HashMap<String, &Text> = HashMap::new();
    for RawJob { name, .. } in jobs {
        if let Err(why) = value::job_name(&name.text) {
            complain(name, why, problems);
            continue;
        }
        // Files on some systems and statuses on GitHub are compared without case.
        match seen.get(&name.text.to_ascii_lowercase()) {
            Some(first) => problems.add_with_hint(
                name.at,
                format!("job `{}` differs from `{}` only in upper and lower case", name.text, first.text),
                "rename one of them",
            ),
            None => {
                seen.insert(name.text.to_ascii_lowercase(), name);
            }
        }
    }
}

/// Checks what jobs need. Returns their indices so that each comes after what it needs, otherwise as in the file.
fn needs(jobs: &[RawJob], problems: &mut Problems<'_>) -> Vec<usize> {
    let known: HashMap<&str, usize> = jobs.iter().enumerate().map(|(i, job)| (job.name.text.as_str(), i)).collect();
    // For each job, those it needs that exist and are not itself, with the place that says so.
    let mut edges: Vec<Vec<(usize, &Text)>> = Vec::with_capacity(jobs.len());
    for (index, job) in jobs.iter().enumerate() {
        let mut of_job: Vec<(usize, &Text)> = Vec::new();
        for need in &job.needs {
            match known.get(need.text.as_str()) {
                Some(other) if *other == index => {
                    problems.add(need.at, format!("job `{}` needs itself", shown(&need.text)));
                }
                Some(other) if of_job.iter().any(|(there, _)| there == other) => {
                    problems.add(need.at, format!("`{}` is named twice", shown(&need.text)));
                }
                Some(other) => of_job.push((*other, need)),
                None => unknown_need(need, jobs, problems),
            }
        }
        edges.push(of_job);
    }
    circles(jobs, &edges, problems)
}

fn unknown_need(need: &Text, jobs: &[RawJob], problems: &mut Problems<'_>) {
    let message = format!("there is no job `{}`", shown(&need.text));
    let names = || jobs.iter().map(|job| job.name.text.as_str());
    let meant = if problems.has_room() { nearest(&need.text, names()) } else { None };
    let hint = match meant {
        Some(meant) => format!("did you mean `{}`?", shown(meant)),
        None if jobs.len() <= 10 => format!("jobs are: {}", names().map(shown).collect::<Vec<_>>().join(", ")),
        None => "`needs` names jobs of the same file".to_owned(),
    };
    problems.add_with_hint(need.at, message, hint);
}

/// Reports each circle once, by name. Returns the order of the jobs that are on none and hang on none.
fn circles(jobs: &[RawJob], edges: &[Vec<(usize, &Text)>], problems: &mut Problems<'_>) -> Vec<usize> {
    let mut open: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); jobs.len()];
    for (index, needs) in edges.iter().enumerate() {
        for (need, _) in needs {
            dependents[*need].push(index);
        }
    }
    // Always the first in the file whose needs are all settled; what is left in the end hangs on a circle.
    let mut ready: BTreeSet<usize> = (0..jobs.len()).filter(|index| open[*index] == 0).collect();
    let mut order = Vec::with_capacity(jobs.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for dependent in &dependents[index] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                ready.insert(*dependent);
            }
        }
    }
    // From each of these, following the first open need leads into a circle; `walk` says which walk came by first.
    let mut walk = vec![usize::MAX; jobs.len()];
    for start in (0..jobs.len()).filter(|index| open[*index] > 0) {
        let mut path: Vec<(usize, &Text)> = Vec::new();
        let mut at = start;
        while walk[at] == usize::MAX {
            walk[at] = start;
            let Some((next, place)) = edges[at].iter().find(|(need, _)| open[*need] > 0) else { break };
            path.push((at, place));
            at = *next;
        }
        let Some(from) = path.iter().position(|(index, _)| *index == at) else { continue };
        let circle = &path[from..];
        let Some(first) = circle.iter().enumerate().min_by_key(|(_, (index, _))| *index).map(|(i, _)| i) else {
            continue;
        };
        let mut names: Vec<&str> = circle
            .iter()
            .cycle()
            .skip(first)
            .take(circle.len())
            .map(|(index, _)| jobs[*index].name.text.as_str())
            .collect();
        names.push(names[0]);
        let shown_names: Vec<String> = if names.len() > 12 {
            let last = names.len() - 1;
            names[..10].iter().map(|name| shown(name)).chain(["…".to_owned(), shown(names[last])]).collect()
        } else {
            names.iter().map(|name| shown(name)).collect()
        };
        problems.add_with_hint(
            circle[first].1.at,
            format!("jobs that need each other in a circle: {}", shown_names.join(" needs ")),
            "none of them could ever start: remove one of these needs",
        );
    }
    order
}

fn job(raw: &RawJob, common: &BTreeMap<String, String>, options: &Options, problems: &mut Problems<'_>) -> JobPlan {
    let name = &raw.name;
    if !raw.has_execute {
        problems.add_with_hint(
            name.at,
            format!("job `{}` has nothing to execute", shown(&name.text)),
            "add `execute:` and below it a list of commands",
        );
    }
    if !raw.has_image && options.image_required {
        problems.add_with_hint(
            name.at,
            format!("job `{}` has no image", shown(&name.text)),
            "add `image: name:tag`; only on the local engine jobs run without one",
        );
    }
    if let Some(image) = &raw.image {
        understand(image, value::image, problems);
    }
    if let Some(step) = raw.steps.iter().chain(&raw.finally).nth(MOST_STEPS) {
        problems.add(step.at, format!("more than {MOST_STEPS} steps in job `{}`", shown(&name.text)));
    }
    let mut environment = common.clone();
    environment.extend(variables(&raw.environment, problems));
    let size: usize = environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if size > MOST_ENVIRONMENT {
        problems.add_with_hint(
            name.at,
            format!("the environment of job `{}` has more than {MOST_ENVIRONMENT} bytes", shown(&name.text)),
            "put large values into a file of the repository",
        );
        environment.clear();
    }
    let resources = Resources {
        cpu_millis: raw.cpu.as_ref().and_then(|text| understand(text, value::cpu, problems)),
        memory_bytes: raw.memory.as_ref().and_then(|text| understand(text, value::memory, problems)),
        pids: raw.pids.as_ref().and_then(|text| understand(text, value::pids, problems)),
    };
    let timeout = raw.timeout.as_ref().and_then(|text| understand(text, value::duration, problems));
    let mut steps =
        |raw: &[RawStep]| -> Vec<StepPlan> { raw.iter().take(MOST_STEPS).map(|raw| step(raw, problems)).collect() };
    let (execute, finally) = (steps(&raw.steps), steps(&raw.finally));
    // Whoever gives a step its own time has it, and the others still have the usual.
    let named: u64 = finally.iter().filter_map(|step| step.timeout_ms).fold(0, u64::saturating_add);
    JobPlan {
        name: name.text.clone(),
        needs: raw.needs.iter().map(|need| need.text.clone()).collect(),
        image: raw.image.as_ref().map(|image| image.text.clone()),
        environment,
        steps: execute,
        timeout_ms: timeout.unwrap_or(options.default_timeout_ms),
        network: raw
            .network
            .as_ref()
            .and_then(|text| word(text, "a network", &NETWORKS, problems))
            .unwrap_or(Network::Bridge),
        resources,
        finally_timeout_ms: if finally.iter().all(|step| step.timeout_ms.is_some()) && !finally.is_empty() {
            named
        } else {
            FINALLY_TIMEOUT_MS.saturating_add(named)
        },
        finally,
        pull: raw
            .pull
            .as_ref()
            .and_then(|text| word(text, "when an image is pulled", &PULLS, problems))
            .unwrap_or_default(),
        retry: retry(&raw.retry, problems),
        reports: Reports {
            junit: files(&raw.reports.junit, "reports", problems),
            sarif: files(&raw.reports.sarif, "reports", problems),
        },
        artifacts: files(&raw.artifacts, "artifacts", problems),
    }
}

fn retry(raw: &RawRetry, problems: &mut Problems<'_>) -> Retry {
    let mut times = |text: &Option<Text>| text.as_ref().and_then(|text| understand(text, value::times, problems));
    Retry { infrastructure: times(&raw.infrastructure), failure: times(&raw.failure).unwrap_or_default() }
}

/// Patterns of files that a job leaves.
fn files(patterns: &[Text], key: &str, problems: &mut Problems<'_>) -> Vec<String> {
    if let Some(more) = patterns.get(MOST_PATTERNS) {
        problems.add_with_hint(
            more.at,
            format!("more than {MOST_PATTERNS} {key}"),
            "one pattern means many files: `build/**/TEST-*.xml`",
        );
    }
    let patterns = patterns.iter().take(MOST_PATTERNS);
    for text in patterns.clone() {
        understand(text, value::files, problems);
    }
    patterns.map(|text| text.text.clone()).collect()
}

fn step(raw: &RawStep, problems: &mut Problems<'_>) -> StepPlan {
    let run = match &raw.run {
        RawRun::Script(script) => {
            if script.text.trim().is_empty() {
                problems.add(script.at, "an empty command");
            }
            Command::Script(script.text.clone())
        }
        RawRun::Program(words) => {
            if let Some(program) = words.first().filter(|program| program.text.trim().is_empty()) {
                problems.add(program.at, "the name of the program is empty");
            }
            Command::Program(words.iter().map(|word| word.text.clone()).collect())
        }
    };
    if let Some(name) = &raw.name {
        understand(name, value::step_name, problems);
    }
    StepPlan {
        name: raw.name.as_ref().map_or_else(|| name_of(&run), |name| name.text.trim().to_owned()),
        timeout_ms: raw.timeout.as_ref().and_then(|text| understand(text, value::duration, problems)),
        run,
    }
}

/// What an unnamed step is called: the first line of its script that is not empty.
fn name_of(run: &Command) -> String {
    let line = match run {
        Command::Script(script) => {
            script.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
        }
        Command::Program(words) => words.join(" "),
    };
    let mut name: String = line.chars().take(NAME_FROM_SCRIPT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().nth(NAME_FROM_SCRIPT).is_some() {
        name.pop();
        name.push('…');
    }
    name
}

/// What a word means.
type Words<T, const N: usize> = [(&'static str, T); N];

const NETWORKS: Words<Network, 2> = [("bridge", Network::Bridge), ("none", Network::None)];
const PULLS: Words<Pull, 3> = [("missing", Pull::Missing), ("always", Pull::Always), ("never", Pull::Never)];
const CANCEL: Words<CancelOlder, 2> = [("never", CancelOlder::Never), ("outdated", CancelOlder::Outdated)];

/// One of a few words; the first of them is the default. `what` they say.
fn word<T: Copy, const N: usize>(
    text: &Text,
    what: &str,
    words: &Words<T, N>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let meant = words.iter().find_map(|(word, meaning)| (*word == text.text).then_some(*meaning));
    if meant.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let (default, others) = known.split_first().map_or(("", &known[..]), |(first, rest)| (first, rest));
        problems.add_with_hint(
            text.at,
            format!("`{}` is not {what}", shown(&text.text)),
            format!("write {default} (the default) or {}", others.join(" or ")),
        );
    }
    meant
}

fn variables(raw: &[RawVariable], problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for RawVariable { name, value } in raw {
        if understand(name, value::variable, problems).is_some() {
            variables.insert(name.text.clone(), value.text.clone());
        }
    }
    variables
}

fn understand<'t, T>(
    text: &'t Text,
    parse: impl Fn(&'t str) -> Result<T, Wrong>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    parse(&text.text).map_err(|wrong| complain(text, wrong, problems)).ok()
}

fn complain(text: &Text, wrong: Wrong, problems: &mut Problems<'_>) {
    problems.add_with_hint(text.at, format!("`{}` is {}", shown(&text.text), wrong.why), wrong.hint);
}
