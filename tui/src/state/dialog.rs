//! Questions before something is done: cancel, kill, retry. A dialog keeps the ids it was opened for; the cursor may move
//! on meanwhile. Must not know how it is painted.

use windlass_protocol::id::BuildNumber;
use windlass_protocol::live::{Request, RetryWhat};
use windlass_protocol::view::{BuildRow, BuildView, Status};

use crate::words;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    pub title: String,
    pub text: Vec<String>,
    pub answers: Vec<Answer>,
    pub focus: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub label: String,
    /// Why it cannot be taken; it stays visible.
    pub why_not: Option<String>,
    pub does: Vec<Task>,
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
    pub(super) ended: bool,
    /// What runs, in words: `main: Fix the parser`.
    pub(super) words: String,
}

impl Target {
    pub(super) fn of_row(row: &BuildRow) -> Self {
        let words = format!("{} {}: {}", row.repository, words::branch(row), row.title);
        Self { build: row.number, job: None, ended: row.status == Status::Finished, words }
    }

    pub(super) fn of_view(view: &BuildView) -> Self {
        let build = &view.build;
        let words = format!("{} {}: {}", build.repository, words::branch_of(build), build.title);
        Self { build: build.number, job: None, ended: build.status == Status::Finished, words }
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
}

/// Asks before something is stopped. `Err`: there is nothing to ask, and this is why.
pub(super) fn cancel(targets: &[Target], force: bool) -> Result<Dialog, String> {
    let live: Vec<&Target> = targets.iter().filter(|target| !target.ended).collect();
    let what = match (targets, live.as_slice()) {
        ([], _) => return Err("nothing is selected".to_owned()),
        ([one], []) => return Err(format!("{} has ended already", one.name())),
        (_, []) => return Err("everything marked has ended already".to_owned()),
        (_, [one]) => one.name(),
        (_, many) => format!("{} builds", many.len()),
    };
    let verb = if force { "Kill" } else { "Cancel" };
    let mut text: Vec<String> =
        live.iter().take(6).map(|target| format!("{}  {}", target.name(), target.words)).collect();
    if live.len() > 6 {
        text.push(format!("and {} more", live.len() - 6));
    }
    text.push(String::new());
    text.push(match force {
        true => "Everything that runs is killed at once; steps cannot clean up.".to_owned(),
        false => "What waits is cancelled at once; what runs may clean up first.".to_owned(),
    });
    Ok(Dialog {
        title: format!("{verb} {what}?"),
        text,
        answers: vec![
            Answer { label: "Let it run".to_owned(), why_not: None, does: Vec::new() },
            Answer {
                label: format!("{verb} {what}"),
                why_not: None,
                does: live.iter().map(|target| target.cancel(force)).collect(),
            },
        ],
        focus: 0,
    })
}

/// Every way to retry a build, also those that are impossible, with the reason.
pub(super) fn retry(target: &Target, view: Option<&BuildView>) -> Dialog {
    let build = target.build;
    let not_passed = view.map(|view| view.jobs.iter().filter(|job| words::is_bad(job.outcome)).count() as u64);
    let answer = |label: String, what: RetryWhat, why_not: Option<&str>| Answer {
        label,
        why_not: why_not.map(str::to_owned),
        does: vec![retry_task(build, what)],
    };
    let failed = match not_passed {
        Some(count @ 1..) => answer(
            format!("What did not pass ({}) and what was skipped", words::plural(count, "job")),
            RetryWhat::Failed,
            None,
        ),
        Some(0) => answer("What did not pass".to_owned(), RetryWhat::Failed, Some("every job that ended has passed")),
        None => answer("What did not pass".to_owned(), RetryWhat::Failed, None),
    };
    let job = match &target.job {
        Some(name) => {
            let status = view.and_then(|view| view.jobs.iter().find(|job| job.name == *name)).map(|job| job.status);
            let why_not = (status.is_some_and(|status| status != Status::Finished)).then_some("it has not ended yet");
            answer(format!("{build}/{name} and what depends on it"), RetryWhat::Job { job: name.clone() }, why_not)
        }
        None => {
            let what = RetryWhat::Job { job: String::new() };
            answer("One job and what depends on it".to_owned(), what, Some("select a job of the build first"))
        }
    };
    let everything = answer("Everything".to_owned(), RetryWhat::Everything, None);
    Dialog {
        title: format!("Retry build {build}"),
        text: vec![target.words.clone(), "Old attempts keep their logs.".to_owned()],
        answers: vec![failed, job, everything, Answer { label: "Nothing".to_owned(), why_not: None, does: Vec::new() }],
        focus: 0,
    }
}

pub(super) fn retry_task(build: BuildNumber, what: RetryWhat) -> Task {
    let about = match &what {
        RetryWhat::Job { job } => format!("{build}/{job}"),
        RetryWhat::Failed | RetryWhat::Everything => format!("build {build}"),
    };
    Task { request: Request::Retry { build, what }, about }
}
