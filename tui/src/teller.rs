//! What happens to a job, a sentence for each thing and each thing once. Must not know where it is written.

use std::collections::BTreeMap;

use windlass_protocol::time::Timestamp;
use windlass_protocol::view::{AttemptView, Cancelling, JobView, Status, StepView};

use crate::waiting;
use crate::words::{self, Standing};

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Teller(BTreeMap<String, String>);

impl Teller {
    /// What is new about a job: each state of it and of its steps once.
    pub(crate) fn news(&mut self, job: &JobView, now: Timestamp) -> Vec<(Standing, String)> {
        let mut said = Vec::new();
        let attempt = job.attempts.last();
        let name = match attempt {
            Some(attempt) if attempt.number > 1 => format!("{}#{}", job.name, attempt.number),
            _ => job.name.clone(),
        };
        let standing = Standing::of_job(job);
        if standing != Standing::Waiting && job.status != Status::Finished {
            let phase = attempt.and_then(|attempt| attempt.cancelling.as_ref().map(|cancelling| (attempt, cancelling)));
            let text = match phase {
                Some((attempt, cancelling)) => format!("{name}  {}", phase_of(attempt, cancelling)),
                None => name.clone(),
            };
            self.say(name.clone(), standing, text, &mut said);
        }
        for (index, step) in attempt.iter().flat_map(|attempt| attempt.steps.iter().enumerate()) {
            let standing = Standing::of(step.status, step.outcome);
            if standing != Standing::Waiting {
                self.say(format!("{name} {index}"), standing, step_text(&name, step), &mut said);
            }
        }
        if job.status == Status::Waiting {
            // Said again when the reason is another one, not with each figure in it that changes.
            let news = waiting::news(job.waiting_for.as_ref());
            if self.0.get(&name) != Some(&news) {
                let why = waiting::why(job.waiting_for.as_ref(), job.estimate.as_ref(), now);
                self.0.insert(name.clone(), news);
                said.push((standing, format!("{name}  {why}")));
            }
        } else if job.status == Status::Finished {
            let reason = attempt.and_then(|attempt| attempt.reason.as_ref()).or(job.reason.as_ref());
            let text = format!("{name}  {}", reason.map_or("", String::as_str));
            self.say(name, standing, text, &mut said);
        }
        said
    }

    fn say(&mut self, key: String, standing: Standing, text: String, said: &mut Vec<(Standing, String)>) {
        let state = format!("{} {text}", standing.word());
        if self.0.get(&key) != Some(&state) {
            self.0.insert(key, state);
            said.push((standing, text));
        }
    }
}

fn step_text(job: &str, step: &StepView) -> String {
    let mut text = format!("{job}: {}{}", step.name, if step.finally { " (finally)" } else { "" });
    if let (Some(started), Some(finished)) = (step.started_at, step.finished_at) {
        text += &format!("  {}", words::duration(finished.since(started)));
    }
    if let Some(ending) = words::ending(step.exit_code, step.signal) {
        text += &format!("  {ending}");
    }
    text
}

/// How far a cancel is, without the seconds that it counts: each phase is one line.
fn phase_of(attempt: &AttemptView, cancelling: &Cancelling) -> String {
    let runs = |step: &&StepView| step.finally && step.status == Status::Running;
    match attempt.steps.iter().find(runs) {
        _ if cancelling.force => format!("being killed, as {} asked", cancelling.by),
        Some(_) => format!("asked to stop by {}: finally steps run", cancelling.by),
        None => format!("asked to stop by {}: its grace runs", cancelling.by),
    }
}
