//! Which jobs of a build may run, which are skipped, and what a retry starts anew: decided from names, needs and how
//! the newest attempts stand. Pure; must not know attempts' numbers, the database or time.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use windlass_protocol::live::RetryWhat;
use windlass_protocol::view::Outcome;

/// A job of a build as the graph sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'a> {
    pub name: &'a str,
    /// Names of jobs of the same build.
    pub needs: &'a [String],
    pub standing: Standing,
}

/// Where the newest attempt of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Blocked,
    Waiting,
    /// Claimed or running.
    Running,
    Finished(Outcome),
}

/// What becomes of a blocked job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Everything it needs has passed.
    Waiting,
    /// These have to pass first, in the order of its needs.
    Blocked { by: Vec<String> },
    /// It cannot run any more; why, as a fragment.
    Skipped { reason: String },
}

/// A job that a retry gives a new attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again<'a> {
    pub name: &'a str,
    pub begins: Begins,
}

/// How a new attempt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// What it needs has not passed yet.
    Blocked,
    Waiting,
}

/// Why there is nothing to retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRetry {
    #[error("there is no job {job} in this build; its jobs are {}", known.join(", "))]
    NoSuchJob { job: String, known: Vec<String> },
    #[error("nothing to retry: every job that has finished has passed")]
    NothingFailed,
    #[error("nothing to retry: no job has finished yet")]
    NothingFinished,
    #[error("job {job} is still {}: cancel it first, or wait", under_way(*standing))]
    UnderWay { job: String, standing: Standing },
    #[error("job {job} needs {need}, which {}: retry {need} instead, or everything that failed", which(*outcome))]
    NeedsNotPassed { job: String, need: String, outcome: Outcome },
}

/// What becomes of each blocked job, in the order given. Jobs that this skips count as skipped for the others, so that
/// one call settles everything that can be settled.
#[must_use]
pub fn advance<'a>(jobs: &[Node<'a>]) -> Vec<(&'a str, Next)> {
    let mut standings: HashMap<&str, Standing> = jobs.iter().map(|job| (job.name, job.standing)).collect();
    let mut skipped: HashMap<&str, String> = HashMap::new();
    // Each round either skips one more or is the last.
    loop {
        let before = skipped.len();
        for job in jobs.iter().filter(|job| job.standing == Standing::Blocked) {
            if !skipped.contains_key(job.name)
                && let Some(reason) = reason_to_skip(job, &standings)
            {
                skipped.insert(job.name, reason);
                standings.insert(job.name, Standing::Finished(Outcome::Skipped));
            }
        }
        if skipped.len() == before {
            break;
        }
    }
    jobs.iter()
        .filter(|job| job.standing == Standing::Blocked)
        .map(|job| {
            if let Some(reason) = skipped.remove(job.name) {
                return (job.name, Next::Skipped { reason });
            }
            let by: Vec<String> =
                job.needs.iter().filter(|need| !has_passed(&standings, need.as_str())).cloned().collect();
            (job.name, if by.is_empty() { Next::Waiting } else { Next::Blocked { by } })
        })
        .collect()
}

/// Which jobs get a new attempt, in the order given, and how these begin. A job that has not finished keeps the attempt
/// it has: there are never two at once.
///
/// # Errors
/// There is nothing to retry; why, in words for the person who asked.
pub fn retry<'a>(jobs: &[Node<'a>], what: &RetryWhat) -> Result<Vec<Again<'a>>, NoRetry> {
    let chosen = match what {
        RetryWhat::Failed => failed(jobs)?,
        RetryWhat::Job { job } => one(jobs, job)?,
        RetryWhat::Jobs { jobs: asked } => these(jobs, asked)?,
        RetryWhat::Everything => everything(jobs)?,
    };
    let standings: HashMap<&str, Standing> = jobs.iter().map(|job| (job.name, job.standing)).collect();
    let begins = |job: &Node<'_>| {
        let ready =
            job.needs.iter().all(|need| !chosen.contains(need.as_str()) && has_passed(&standings, need.as_str()));
        if ready { Begins::Waiting } else { Begins::Blocked }
    };
    Ok(jobs
        .iter()
        .filter(|job| chosen.contains(job.name))
        .map(|job| Again { name: job.name, begins: begins(job) })
        .collect())
}

/// Everything that finished and did not pass, and what had passed on the strength of an older attempt of it.
fn failed<'a>(jobs: &[Node<'a>]) -> Result<HashSet<&'a str>, NoRetry> {
    let first: HashSet<&str> = jobs.iter().filter(|job| did_not_pass(job.standing)).map(|job| job.name).collect();
    if first.is_empty() { Err(NoRetry::NothingFailed) } else { Ok(finished_only(jobs, &with_dependents(jobs, first))) }
}

fn everything<'a>(jobs: &[Node<'a>]) -> Result<HashSet<&'a str>, NoRetry> {
    let all: HashSet<&str> = jobs.iter().map(|job| job.name).collect();
    let finished = finished_only(jobs, &all);
    if finished.is_empty() { Err(NoRetry::NothingFinished) } else { Ok(finished) }
}

/// One job and what depends on it.
fn one<'a>(jobs: &[Node<'a>], asked: &str) -> Result<HashSet<&'a str>, NoRetry> {
    let job = finished(jobs, asked)?;
    let standings: HashMap<&str, Standing> = jobs.iter().map(|job| (job.name, job.standing)).collect();
    // It would only be skipped again.
    for need in job.needs {
        if let Some(Standing::Finished(outcome)) = standings.get(need.as_str())
            && *outcome != Outcome::Passed
        {
            let (job, need) = (asked.to_owned(), need.clone());
            return Err(NoRetry::NeedsNotPassed { job, need, outcome: *outcome });
        }
    }
    let chosen = finished_only(jobs, &with_dependents(jobs, HashSet::from([job.name])));
    Ok(without_hopeless(jobs, chosen, &HashSet::from([job.name])))
}

/// These jobs and what was skipped because of them.
fn these<'a>(jobs: &[Node<'a>], asked: &[String]) -> Result<HashSet<&'a str>, NoRetry> {
    let names = asked.iter().map(|name| finished(jobs, name).map(|job| job.name));
    let names = names.collect::<Result<HashSet<&str>, NoRetry>>()?;
    if names.is_empty() {
        return Err(NoRetry::NothingFinished);
    }
    let skipped = |job: &&Node<'a>| job.standing == Standing::Finished(Outcome::Skipped);
    let behind = with_dependents(jobs, names.clone());
    let behind = jobs.iter().filter(skipped).map(|job| job.name).filter(|name| behind.contains(name));
    Ok(without_hopeless(jobs, names.iter().copied().chain(behind).collect(), &names))
}

/// A job that has finished.
fn finished<'j, 'a>(jobs: &'j [Node<'a>], asked: &str) -> Result<&'j Node<'a>, NoRetry> {
    let Some(job) = jobs.iter().find(|job| job.name == asked) else {
        let known = jobs.iter().map(|job| job.name.to_owned()).collect();
        return Err(NoRetry::NoSuchJob { job: asked.to_owned(), known });
    };
    match job.standing {
        Standing::Finished(_) => Ok(job),
        standing => Err(NoRetry::UnderWay { job: asked.to_owned(), standing }),
    }
}

/// Dependents that also hang on something else that did not pass would only be skipped again: they stay as they are.
fn without_hopeless<'a>(jobs: &[Node<'a>], mut chosen: HashSet<&'a str>, asked: &HashSet<&str>) -> HashSet<&'a str> {
    let standings: HashMap<&str, Standing> = jobs.iter().map(|job| (job.name, job.standing)).collect();
    loop {
        let hopeless = jobs.iter().find(|job| {
            chosen.contains(job.name)
                && !asked.contains(job.name)
                && job.needs.iter().any(|need| {
                    !chosen.contains(need.as_str())
                        && standings.get(need.as_str()).is_some_and(|standing| did_not_pass(*standing))
                })
        });
        match hopeless {
            Some(job) => chosen.remove(job.name),
            None => return chosen,
        };
    }
}

fn finished_only<'a>(jobs: &[Node<'a>], among: &HashSet<&str>) -> HashSet<&'a str> {
    jobs.iter()
        .filter(|job| among.contains(job.name) && matches!(job.standing, Standing::Finished(_)))
        .map(|job| job.name)
        .collect()
}

/// `first` and everything that needs it, directly or not.
fn with_dependents<'a>(jobs: &[Node<'a>], first: HashSet<&'a str>) -> HashSet<&'a str> {
    let mut all = first;
    loop {
        let more: Vec<&str> = jobs
            .iter()
            .filter(|job| !all.contains(job.name) && job.needs.iter().any(|need| all.contains(need.as_str())))
            .map(|job| job.name)
            .collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn has_passed(standings: &HashMap<&str, Standing>, name: &str) -> bool {
    standings.get(name) == Some(&Standing::Finished(Outcome::Passed))
}

fn did_not_pass(standing: Standing) -> bool {
    matches!(standing, Standing::Finished(outcome) if outcome != Outcome::Passed)
}

fn reason_to_skip(job: &Node<'_>, standings: &HashMap<&str, Standing>) -> Option<String> {
    job.needs.iter().find_map(|need| match standings.get(need.as_str()) {
        Some(Standing::Finished(Outcome::Passed) | Standing::Blocked | Standing::Waiting | Standing::Running) => None,
        Some(Standing::Finished(outcome)) => Some(format!("needs {need}, which {}", which(*outcome))),
        // The spec's check makes this impossible; waiting for ever would be worse than saying so.
        None => Some(format!("needs {need}, which this build does not have")),
    })
}

/// How an outcome continues "needs x, which …".
fn which(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Cancelled => "was cancelled",
        Outcome::OutOfMemory => "ran out of memory",
        Outcome::Lost => "was lost",
        Outcome::Broken => "could not be run",
        Outcome::Skipped => "was skipped",
    }
}

fn under_way(standing: Standing) -> &'static str {
    match standing {
        Standing::Blocked => "blocked",
        Standing::Waiting => "waiting",
        Standing::Running => "running",
        Standing::Finished(_) => "finished",
    }
}
