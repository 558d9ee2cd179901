//! Questions before something is done: cancel, kill, retry. A dialog keeps the ids it was opened for; the cursor may move
//! on meanwhile. Must not know how it is painted.

use windlass_protocol::id::BuildNumber;
use windlass_protocol::live::{Request, RetryWhat};
use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{BuildRow, BuildView, JobView, Outcome, QueuedJob, Status};

use crate::words;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    pub title: String,
    pub text: Vec<String>,
    /// What it asks about is killed at this moment in any case: the seconds left are shown.
    pub killed_at: Option<Timestamp>,
    pub answers: Vec<Answer>,
    pub focus: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub label: String,
    /// Why it cannot be taken; it stays visible.
    pub why_not: Option<String>,
    pub does: Vec<Task>,
    /// The question that comes before anything is done.
    pub asks: Option<Box<Dialog>>,
}

impl Answer {
    /// One that changes nothing.
    pub(super) fn leave(label: impl Into<String>) -> Self {
        Self { label: label.into(), why_not: None, does: Vec::new(), asks: None }
    }

    pub(super) fn does(label: impl Into<String>, does: Vec<Task>) -> Self {
        Self { does, ..Self::leave(label) }
    }
}

/// A request, and what it is called when it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub request: Request,
    pub about: String,
}

/// A build, or one job of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) build: BuildNumber,
    pub(super) job: Option<String>,
    /// Whether it can still be cancelled; unknown counts as yes, the daemon knows.
    ended: bool,
    /// All of it is being stopped already; when it is killed, if that is known.
    stopping: Option<Option<Timestamp>>,
    /// How many jobs the usual retry runs again, where that is known.
    again: Option<u64>,
    /// The build has no jobs of its own: how reading its spec ended, and why.
    spec: Option<(Outcome, String)>,
    /// What runs, in words: `main: Fix the parser`.
    words: String,
    /// What may have a newer commit: `the head of main`.
    head: String,
}

impl Target {
    pub(super) fn of_row(row: &BuildRow, stopping: bool) -> Self {
        let words = format!("{} {}: {}", row.repository, words::branch(row), row.title);
        let not_passed = row.jobs.iter().filter(|job| is_again(job.status, job.outcome)).count() as u64;
        Self {
            build: row.number,
            job: None,
            ended: row.status == Status::Finished,
            stopping: stopping.then_some(None),
            again: (!row.jobs.is_empty()).then_some(not_passed),
            spec: words::spec_outcome_of(row).map(|outcome| (outcome, row.reason.clone().unwrap_or_default())),
            words,
            head: format!("the head of {}", words::branch(row)),
        }
    }

    pub(super) fn of_view(view: &BuildView) -> Self {
        let build = &view.build;
        let words = format!("{} {}: {}", build.repository, words::branch_of(build), build.title);
        let not_passed = view.jobs.iter().filter(|job| is_again(job.status, job.outcome)).count() as u64;
        Self {
            build: build.number,
            job: None,
            ended: build.status == Status::Finished,
            stopping: words::stopping(view).map(|cancelling| Some(cancelling.kill_at)),
            again: Some(not_passed),
            spec: words::spec_outcome(view).map(|outcome| (outcome, build.reason.clone().unwrap_or_default())),
            words,
            head: format!("the head of {}", words::branch_of(build)),
        }
    }

    pub(super) fn of_job(view: &BuildView, job: &JobView) -> Self {
        let cancelling = job.attempts.last().and_then(|attempt| attempt.cancelling.as_ref());
        Self {
            job: Some(job.name.clone()),
            ended: job.status == Status::Finished,
            stopping: cancelling.map(|cancelling| Some(cancelling.kill_at)),
            again: Some(with_dependents(view, &job.name)),
            ..Self::of_view(view)
        }
    }

    pub(super) fn of_queued(job: &QueuedJob) -> Self {
        Self {
            build: job.id.build,
            job: Some(job.id.job.clone()),
            ended: false,
            stopping: job.cancelling.then_some(None),
            again: None,
            spec: None,
            words: format!("{} {}", job.repository, job.title),
            head: format!("the head of {}", job.branch.as_deref().unwrap_or("its branch")),
        }
    }

    fn name(&self) -> String {
        match &self.job {
            Some(job) => format!("{}/{job}", self.build),
            None => format!("build {}", self.build),
        }
    }

    fn cancel(&self, force: bool) -> Task {
        let request = Request::Cancel { build: self.build, job: self.job.clone(), force };
        Task { request, about: self.name() }
    }

    /// The retry that is meant without being asked: the job, or what did not pass of the build.
    fn retry(&self) -> Task {
        let what = match &self.job {
            Some(job) if self.spec.is_none() => RetryWhat::Job { job: job.clone() },
            _ => RetryWhat::Failed,
        };
        retry_task(self.build, what)
    }

    /// Why the daemon will not run it again.
    fn why_no_retry(&self) -> Option<String> {
        match &self.spec {
            Some((Outcome::Skipped, reason)) => Some(format!("there is nothing to run: {reason}")),
            Some(_) => None,
            None => (self.job.is_some() && !self.ended).then(|| "it has not ended yet".to_owned()),
        }
    }
}

/// A job that the retry of a build runs again.
fn is_again(status: Status, outcome: Option<Outcome>) -> bool {
    status == Status::Finished && outcome != Some(Outcome::Passed)
}

/// How many ended jobs a job is together with all that need it.
fn with_dependents(view: &BuildView, name: &str) -> u64 {
    let mut found = vec![name];
    let mut at = 0;
    while let Some(needed) = found.get(at).copied() {
        for job in view.jobs.iter().filter(|job| job.needs.iter().any(|need| need == needed)) {
            if !found.contains(&job.name.as_str()) {
                found.push(&job.name);
            }
        }
        at += 1;
    }
    let ended = |job: &&JobView| job.status == Status::Finished && found.contains(&job.name.as_str());
    view.jobs.iter().filter(ended).count() as u64
}

/// Asks before something is stopped. `Err`: there is nothing to ask, and this is why.
pub(super) fn cancel(targets: &[Target], force: bool) -> Result<Dialog, String> {
    let mut live: Vec<&Target> = targets.iter().filter(|target| !target.ended).collect();
    // A second cancel kills at once, so it is asked for as what it is, and never done by the way.
    let again = !force && !live.is_empty() && live.iter().all(|target| target.stopping.is_some());
    if !force && !again {
        live.retain(|target| target.stopping.is_none());
    }
    let what = match (targets, live.as_slice()) {
        ([], _) => return Err("nothing is selected".to_owned()),
        ([one], []) => return Err(format!("{} has ended already", one.name())),
        (_, []) => return Err("everything marked has ended already".to_owned()),
        (_, [one]) => one.name(),
        (_, many) => format!("{} builds", many.len()),
    };
    let verb = if force || again { "Kill" } else { "Cancel" };
    let mut text: Vec<String> =
        live.iter().take(6).map(|target| format!("{}  {}", target.name(), target.words)).collect();
    if live.len() > 6 {
        text.push(format!("and {} more", live.len() - 6));
    }
    text.push(String::new());
    let killed_at = live.iter().filter_map(|target| target.stopping.flatten()).max().filter(|_| again);
    match (again, force) {
        (true, _) if killed_at.is_some() => {}
        (true, _) => text.push("It is being stopped already. Kill it now?".to_owned()),
        (_, true) => text.push("Everything that runs is killed at once; steps cannot clean up.".to_owned()),
        (_, false) => text.push("What waits is cancelled at once; what runs may clean up first.".to_owned()),
    }
    let (leave, stop) = match again {
        true => ("Let it stop by itself".to_owned(), format!("Kill {what} now")),
        false => ("Let it run".to_owned(), format!("{verb} {what}")),
    };
    Ok(Dialog {
        title: if again { format!("Kill {what} now?") } else { format!("{verb} {what}?") },
        text,
        killed_at,
        answers: vec![
            Answer::leave(leave),
            Answer::does(stop, live.iter().map(|target| target.cancel(force || again)).collect()),
        ],
        focus: 0,
    })
}

/// What the usual retry of these does.
pub(super) enum Again {
    /// One job at most: done without a question.
    Now(Vec<Task>),
    Ask(Dialog),
}

/// `Err`: nothing of it can run again, and this is why.
pub(super) fn again(targets: &[Target]) -> Result<Again, String> {
    let possible: Vec<&Target> = targets.iter().filter(|target| target.why_no_retry().is_none()).collect();
    let what = match (targets, possible.as_slice()) {
        ([], _) => return Err("nothing is selected".to_owned()),
        ([one], []) => return Err(format!("{}: {}", one.name(), one.why_no_retry().unwrap_or_default())),
        (_, []) => return Err("nothing of what is marked can run again".to_owned()),
        (_, [one]) => one.name(),
        (_, many) => format!("{} builds", many.len()),
    };
    let does: Vec<Task> = possible.iter().map(|target| target.retry()).collect();
    let jobs: u64 = possible.iter().map(|target| target.again.unwrap_or(1)).sum();
    if jobs <= 1 && does.len() == 1 {
        return Ok(Again::Now(does));
    }
    let jobs = words::plural(jobs, "job");
    let mut text: Vec<String> =
        possible.iter().take(6).map(|target| format!("{}  {}", target.name(), target.words)).collect();
    text.push(String::new());
    text.push(match possible.as_slice() {
        [Target { job: Some(_), .. }] => format!("{jobs} will run again: it and what depends on it."),
        _ => format!("{jobs} will run again: what did not pass and what was skipped because of it."),
    });
    Ok(Again::Ask(Dialog {
        title: format!("Retry {what}?"),
        text,
        killed_at: None,
        answers: vec![Answer::leave("Leave it"), Answer::does(format!("Run {jobs} of {what} again"), does)],
        focus: 0,
    }))
}

/// Every way to retry what is selected, also those that are impossible, with the reason.
pub(super) fn retry(target: &Target, view: Option<&BuildView>) -> Dialog {
    let build = target.build;
    let answer = |label: String, what: RetryWhat, why_not: Option<String>| Answer {
        why_not,
        ..Answer::does(label, vec![retry_task(build, what)])
    };
    let why_not = target.why_no_retry();
    let mut answers = match (&target.job, &target.spec) {
        (_, Some(_)) => vec![answer("Reads the spec again: makes a new build".to_owned(), RetryWhat::Failed, why_not)],
        (Some(name), None) => {
            let jobs = target.again.filter(|jobs| *jobs > 1).map(|jobs| format!(" ({})", words::plural(jobs, "job")));
            let label = format!("{build}/{name} and what depends on it{}", jobs.unwrap_or_default());
            vec![answer(label, RetryWhat::Job { job: name.clone() }, why_not)]
        }
        (None, None) => Vec::new(),
    };
    if target.spec.is_none() {
        let whole = if target.job.is_some() { format!("Of the whole build {build}: ") } else { String::new() };
        let label = |words: &str| if whole.is_empty() { words.to_owned() } else { format!("{whole}{words}") };
        let not_passed = view.map(|view| view.jobs.iter().filter(|job| words::is_bad(job.outcome)).count() as u64);
        answers.push(match not_passed {
            Some(count @ 1..) => {
                let words = format!("what did not pass ({}) and what was skipped", words::plural(count, "job"));
                answer(capital(&label(&words)), RetryWhat::Failed, None)
            }
            Some(0) => {
                let why_not = "every job that ended has passed".to_owned();
                answer(capital(&label("what did not pass")), RetryWhat::Failed, Some(why_not))
            }
            None => answer(capital(&label("what did not pass")), RetryWhat::Failed, None),
        });
        if target.job.is_none() {
            let (what, why_not) = (RetryWhat::Job { job: String::new() }, "select a job of the build first".to_owned());
            answers.push(answer("One job and what depends on it".to_owned(), what, Some(why_not)));
        }
        answers.push(answer(capital(&label("everything")), RetryWhat::Everything, None));
    }
    let head = Request::Retry { build, what: RetryWhat::Everything, head: true };
    let label = format!("Everything at {}: makes a new build", target.head);
    answers.push(Answer::does(label, vec![Task { request: head, about: format!("build {build}") }]));
    answers.push(Answer::leave("Nothing"));
    Dialog {
        title: format!("Retry {}", target.name()),
        text: vec![target.words.clone(), "Old attempts keep their logs.".to_owned()],
        killed_at: None,
        answers,
        focus: 0,
    }
}

/// Every way to retry many builds at once.
pub(super) fn retry_many(targets: &[Target]) -> Dialog {
    let possible: Vec<&Target> = targets.iter().filter(|target| target.why_no_retry().is_none()).collect();
    let none = possible.is_empty().then(|| "nothing of what is marked can run again".to_owned());
    let some = possible.iter().filter(|target| target.again != Some(0)).count();
    let passed = (some == 0).then(|| none.clone().unwrap_or_else(|| "every job that ended has passed".to_owned()));
    let builds = words::plural(possible.len() as u64, "build");
    let each = |what: &RetryWhat, head: bool| {
        let request = |build| Request::Retry { build, what: what.clone(), head };
        let task = |build| Task { request: request(build), about: format!("build {build}") };
        possible.iter().map(|target| task(target.build)).collect()
    };
    let mut text: Vec<String> =
        targets.iter().take(6).map(|target| format!("{}  {}", target.name(), target.words)).collect();
    if targets.len() > 6 {
        text.push(format!("and {} more", targets.len() - 6));
    }
    text.push("Old attempts keep their logs.".to_owned());
    let label = format!("What did not pass of {builds}, and what was skipped");
    let failed = Answer { why_not: passed, ..Answer::does(label, each(&RetryWhat::Failed, false)) };
    let label = format!("Everything of {builds}");
    let everything = Answer { why_not: none.clone(), ..Answer::does(label, each(&RetryWhat::Everything, false)) };
    let label = format!("Everything at the head of each branch: makes {builds} anew");
    let heads = Answer { why_not: none, ..Answer::does(label, each(&RetryWhat::Everything, true)) };
    Dialog {
        title: format!("Retry {}", words::plural(targets.len() as u64, "build")),
        text,
        killed_at: None,
        answers: vec![Answer::leave("Nothing"), failed, everything, heads],
        focus: 0,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn retry_task(build: BuildNumber, what: RetryWhat) -> Task {
    let about = match &what {
        RetryWhat::Job { job } => format!("{build}/{job}"),
        RetryWhat::Failed | RetryWhat::Jobs { .. } | RetryWhat::Everything => format!("build {build}"),
    };
    Task { request: Request::Retry { build, what, head: false }, about }
}
